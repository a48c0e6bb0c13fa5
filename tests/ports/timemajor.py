# Time-major vanilla RNN: arrays are (T, N, features), so that seq[t] is one step for the batch.
#
# Weights are stored the way torch stores them, (out, in), except the decoder which came from
# an older project of mine and is (in, out).
import numpy as np


def rnn_forward(xs, h0, W_ih, W_hh, bias):
    """xs (T, N, D), h0 (N, H). Returns hs, a list of T + 1 arrays: hs[0] is h0, hs[k] the state after k steps."""
    hs = [h0]
    for x in xs:
        hs.append(np.tanh(x.dot(W_ih.T) + hs[-1].dot(W_hh.T) + bias))
    return hs


def rnn_backward(dhs, xs, hs, W_ih, W_hh):
    """dhs (T, N, H): what the decoder says about every state. Returns dW_ih, dW_hh, dbias, dh0."""
    T, N, H = dhs.shape
    dW_ih, dW_hh = np.zeros(W_ih.shape), np.zeros(W_hh.shape)
    dbias = np.zeros(H)
    dh_carry = np.zeros((N, H))
    for t in reversed(range(T)):
        h, h_before = hs[t + 1], hs[t]
        d_total = dhs[t] + dh_carry
        d_pre = d_total * (1 - np.square(h))
        dW_ih += d_pre.T.dot(xs[t])
        dW_hh += d_pre.T.dot(h_before)
        dbias += np.sum(d_pre, axis=0)
        dh_carry = d_pre.dot(W_hh)
    return dW_ih, dW_hh, dbias, dh_carry


def decode(hs, W_dec, b_dec):
    """Log-probabilities for each step, (T, N, K)."""
    z = np.stack(hs[1:]).dot(W_dec) + b_dec
    z = z - z.max(axis=2, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=2, keepdims=True))


def nll(logp, ys):
    """ys (T, N) ints. Sum over time, mean over the batch; and the gradient with respect to z."""
    T, N = ys.shape
    tt, nn = np.meshgrid(np.arange(T), np.arange(N), indexing="ij")
    loss = -logp[tt, nn, ys].sum() / N
    dz = np.exp(logp)
    dz[tt, nn, ys] -= 1.0
    dz /= N
    return loss, dz


def decode_backward(dz, hs, W_dec):
    """Returns dhs, dW_dec, db_dec."""
    dW_dec = np.zeros(W_dec.shape)
    for t in range(len(dz)):
        dW_dec += hs[t + 1].T.dot(dz[t])
    db_dec = dz.sum(axis=0).sum(axis=0)
    dhs = dz.dot(W_dec.T)
    return dhs, dW_dec, db_dec


def full_pass(xs, ys, h0, W_ih, W_hh, bias, W_dec, b_dec):
    hs = rnn_forward(xs, h0, W_ih, W_hh, bias)
    logp = decode(hs, W_dec, b_dec)
    loss, dz = nll(logp, ys)
    dhs, dW_dec, db_dec = decode_backward(dz, hs, W_dec)
    dW_ih, dW_hh, dbias, dh0 = rnn_backward(dhs, xs, hs, W_ih, W_hh)
    return loss, (dW_ih, dW_hh, dbias, dW_dec, db_dec, dh0)


from rowcol.bridge import port


@port("rnn", """
    W_ih:  Wax  hidden input
    W_hh:  Waa  hidden prev
    bias:  b    hidden
    W_dec: Wya  hidden output
    b_dec: by   output
    xs:    x    time batch input
    ys:    y    time batch
    h0:    a0   batch hidden
""", reduction="mean over batch")
def time_major(xs, ys, h0, W_ih, W_hh, bias, W_dec, b_dec):
    loss, grads = full_pass(xs, ys, h0, W_ih, W_hh, bias, W_dec, b_dec)
    return loss, dict(zip(["W_ih", "W_hh", "bias", "W_dec", "b_dec", "h0"], grads))
