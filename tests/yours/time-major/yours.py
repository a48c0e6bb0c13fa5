import numpy as np


def loss_and_gradients(xs, ys, h0, W_ih, W_hh, W_ho, b_h, b_o):
    T, N = ys.shape
    hs = [h0]
    for x in xs:
        hs.append(np.tanh(x @ W_ih.T + hs[-1] @ W_hh.T + b_h))
    hs = np.array(hs)
    z = hs[1:] @ W_ho.T + b_o
    logp = z - np.log(np.exp(z).sum(axis=2, keepdims=True))
    t, n = np.indices(ys.shape)
    loss = -logp[t, n, ys].mean()

    dz = np.exp(logp)
    dz[t, n, ys] -= 1
    dz /= T * N
    dW_ho = np.tensordot(dz, hs[1:], axes=([0, 1], [0, 1]))
    dhs = dz @ W_ho
    dW_ih, dW_hh, db_h = np.zeros_like(W_ih), np.zeros_like(W_hh), np.zeros_like(b_h)
    carry = np.zeros_like(h0)
    for k in reversed(range(T)):
        dpre = (1 - hs[k + 1] ** 2) * (dhs[k] + carry)
        dW_ih += dpre.T @ xs[k]
        dW_hh += dpre.T @ hs[k]
        db_h += dpre.sum(axis=0)
        carry = dpre @ W_hh
    return loss, (dW_ih, dW_hh, dW_ho, db_h, dz.sum(axis=(0, 1)), carry)
