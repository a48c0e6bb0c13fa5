"""A recurrent layer that allocates nothing inside its loops.

Arrays are Fortran-ordered with time last, so that one step, X[:, :, t], lies in one piece:

    X (inputs, batch, time)    H (units, batch, time + 1), H[:, :, 0] the initial state
"""

import numpy as np

from rowcol.bridge import port


class RecurrentLayer:
    def __init__(self, Wx, Wh, b):
        self.Wx = np.asfortranarray(Wx)
        self.Wh = np.asfortranarray(Wh)
        self.b = b.reshape(-1, 1)

    def forward(self, X, h0):
        units, (_, batch, time) = len(self.b), X.shape
        self.X = np.asfortranarray(X)
        self.H = np.empty((units, batch, time + 1), order="F")
        self.H[:, :, 0] = h0
        z = np.empty((units, batch), order="F")
        for t in range(time):
            np.matmul(self.Wh, self.H[:, :, t], out=z)
            z += self.Wx @ self.X[:, :, t]
            np.add(z, self.b, out=z)
            np.tanh(z, out=self.H[:, :, t + 1])
        return self.H[:, :, 1:]

    def backward(self, dH):
        self.dWx = np.zeros_like(self.Wx)
        self.dWh = np.zeros_like(self.Wh)
        self.db = np.zeros_like(self.b)
        self.dX = np.empty_like(self.X)
        carried = np.zeros(self.H.shape[:2], order="F")
        dz = np.empty_like(carried)
        for t in range(dH.shape[2] - 1, -1, -1):
            carried += dH[:, :, t]
            np.multiply(self.H[:, :, t + 1], self.H[:, :, t + 1], out=dz)
            np.subtract(1.0, dz, out=dz)
            np.multiply(dz, carried, out=dz)
            self.dWx += dz @ self.X[:, :, t].T
            self.dWh += dz @ self.H[:, :, t].T
            self.db += dz.sum(axis=1, keepdims=True)
            np.matmul(self.Wx.T, dz, out=self.dX[:, :, t])
            np.matmul(self.Wh.T, dz, out=carried)
        self.dh0 = carried


@port(
    "rnn",
    """
    Wx: Wax  hidden input
    Wh: Waa  hidden prev
    b:  b    hidden 1
    X:  x    input batch time
    h0: a0   hidden batch
    dH: da   hidden batch time
    """,
)
def layer(Wx, Wh, b, X, h0, dH):
    recurrent = RecurrentLayer(Wx, Wh, b)
    H = recurrent.forward(X, h0)
    recurrent.backward(dH)
    return H, {name: getattr(recurrent, "d" + name) for name in ("Wx", "Wh", "b", "X", "h0")}
