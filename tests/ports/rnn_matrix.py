# Translated line by line from MATLAB: everything is an np.matrix, * is the matrix product, .T is '.
# One sequence in, one column out at its end.   U(:,k) is the input of step k,  S(:,k) the state before it.
import numpy as np
from numpy import multiply, power, tanh
from rowcol.bridge import port


def rnn_cost(Win, Wrec, Wout, bh, bo, U, d, s0):
    n, T = Wrec.shape[0], U.shape[1]

    S = np.asmatrix(np.zeros((n, T + 1)))
    S[:, 0] = s0
    for k in range(T):
        S[:, k + 1] = tanh(Win * U[:, k] + Wrec * S[:, k] + bh)
    y = Wout * S[:, T] + bo
    err = y - d
    J = 0.5 * (err.T * err)[0, 0]

    # gradients
    gWout = err * S[:, T].T
    gbo = err
    gWin = np.asmatrix(np.zeros(Win.shape))
    gWrec = np.asmatrix(np.zeros(Wrec.shape))
    gbh = np.asmatrix(np.zeros((n, 1)))
    back = Wout.T * err
    for k in range(T - 1, -1, -1):
        delta = multiply(back, 1 - power(S[:, k + 1], 2))
        gWin += delta * U[:, k].T
        gWrec += delta * S[:, k].T
        gbh += delta
        back = Wrec.T * delta
    return J, gWin, gWrec, gWout, gbh, gbo, back


@port("rnn", """
    Win:  Wax  hidden input
    Wrec: Waa  hidden prev
    Wout: Wya  output hidden
    bh:   b    hidden 1
    bo:   by   output 1
    U:    x    input time
    d:    y    output 1
    s0:   a0   hidden 1
""", objective="squared error at the last step")
def cost(Win, Wrec, Wout, bh, bo, U, d, s0):
    J, *g = rnn_cost(*map(np.asmatrix, (Win, Wrec, Wout, bh, bo, U, d, s0)))
    return J, dict(zip(("Win", "Wrec", "Wout", "bh", "bo", "s0"), g))
