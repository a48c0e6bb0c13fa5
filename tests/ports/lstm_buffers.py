"""
An LSTM layer for long recordings, with all memory taken once.

Everything of a step lies in one row of a buffer, in the order forget, write, read, candidate, and is worked on in
place with out=. The caller gives the gradient of every state and gets those of the weights, the input and the
two initial states.
"""
import numpy as np


class Buffers:
    def __init__(self, steps, batch, units):
        self.gates = np.empty((steps, batch, 4 * units))
        self.cells = np.empty((steps + 1, batch, units))
        self.states = np.empty((steps + 1, batch, units))
        self.tanh_cells = np.empty((steps, batch, units))
        self.scratch = np.empty((batch, units))


def logistic_(a):
    """In place."""
    np.negative(a, out=a)
    np.exp(a, out=a)
    a += 1.0
    np.reciprocal(a, out=a)


def forward(x, h0, c0, Wx, Wh, b):
    steps, batch, units = len(x), *h0.shape
    m = Buffers(steps, batch, units)
    m.states[0], m.cells[0] = h0, c0
    for t in range(steps):
        a = m.gates[t]
        np.matmul(x[t], Wx, out=a)
        a += m.states[t] @ Wh
        a += b
        logistic_(a[:, :3 * units])
        np.tanh(a[:, 3 * units:], out=a[:, 3 * units:])
        forget, write, read, candidate = np.split(a, 4, axis=1)
        np.multiply(forget, m.cells[t], out=m.cells[t + 1])
        np.multiply(write, candidate, out=m.scratch)
        m.cells[t + 1] += m.scratch
        np.tanh(m.cells[t + 1], out=m.tanh_cells[t])
        np.multiply(read, m.tanh_cells[t], out=m.states[t + 1])
    return m


def backward(m, x, dstates, Wx, Wh):
    steps, batch, units = m.tanh_cells.shape
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * units)
    dx = np.empty_like(x)
    dh, dc = np.zeros((batch, units)), np.zeros((batch, units))
    da = np.empty((batch, 4 * units))
    da_forget, da_write, da_read, da_candidate = np.split(da, 4, axis=1)
    for t in range(steps - 1, -1, -1):
        forget, write, read, candidate = np.split(m.gates[t], 4, axis=1)
        q = m.tanh_cells[t]
        dh += dstates[t]
        np.multiply(dh, read, out=m.scratch)
        m.scratch *= 1 - q * q
        dc += m.scratch
        np.multiply(dh, q, out=da_read)
        np.multiply(dc, m.cells[t], out=da_forget)
        np.multiply(dc, candidate, out=da_write)
        np.multiply(dc, write, out=da_candidate)
        for d, s in ((da_forget, forget), (da_write, write), (da_read, read)):
            d *= s
            d *= 1 - s
        da_candidate *= 1 - candidate * candidate
        dWx += x[t].T @ da
        dWh += m.states[t].T @ da
        db += da.sum(axis=0)
        np.matmul(da, Wx.T, out=dx[t])
        np.matmul(da, Wh.T, out=dh)
        dc *= forget
    return dWx, dWh, db, dx, dh, dc


from rowcol.bridge import port


@port("lstm", """
    Wx: Wax[f i o g]  input (gate hidden)
    Wh: Waa[f i o g]  prev (gate hidden)
    b:  b[f i o g]    (gate hidden)
    x:  x   time batch input
    h0: a0  batch hidden
    c0: c0  batch hidden
    dstates: da  time batch hidden
""")
def recording(Wx, Wh, b, x, h0, c0, dstates):
    m = forward(x, h0, c0, Wx, Wh, b)
    dWx, dWh, db, dx, dh0, dc0 = backward(m, x, dstates, Wx, Wh)
    return m.states[1:], {"Wx": dWx, "Wh": dWh, "b": db, "x": dx, "h0": dh0, "c0": dc0}
