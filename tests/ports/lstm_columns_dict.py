"""
Character LSTM in numpy, one sequence at a time. Vectors are columns, everything is kept in dicts by time.
The previous state and the character are stacked on top of one another:   z = [x; h]
"""
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dsigmoid(y):
    return y * (1 - y)


def dtanh(y):
    return 1 - y * y


def forward_backward(inputs, targets, h_prev, C_prev, P):
    """One pass there and back over a chunk of text.
    inputs, targets -- lists of character numbers;  h_prev, C_prev -- (H, 1), where the last chunk ended
    P -- the parameters by name.   Gives the loss and a dict of gradients with the same names."""
    H = P["b_f"].shape[0]
    X_size = P["W_f"].shape[1] - H

    x_s, z_s, f_s, i_s = {}, {}, {}, {}
    C_bar_s, C_s, o_s, h_s = {}, {}, {}, {}
    y_s = {}
    h_s[-1] = np.copy(h_prev)
    C_s[-1] = np.copy(C_prev)
    loss = 0

    for t in range(len(inputs)):
        x_s[t] = np.zeros((X_size, 1))
        x_s[t][inputs[t]] = 1
        z_s[t] = np.vstack((x_s[t], h_s[t - 1]))

        f_s[t] = sigmoid(np.dot(P["W_f"], z_s[t]) + P["b_f"])
        i_s[t] = sigmoid(np.dot(P["W_i"], z_s[t]) + P["b_i"])
        C_bar_s[t] = np.tanh(np.dot(P["W_C"], z_s[t]) + P["b_C"])
        o_s[t] = sigmoid(np.dot(P["W_o"], z_s[t]) + P["b_o"])

        C_s[t] = f_s[t] * C_s[t - 1] + i_s[t] * C_bar_s[t]
        h_s[t] = o_s[t] * np.tanh(C_s[t])

        v = np.dot(P["W_v"], h_s[t]) + P["b_v"]
        y_s[t] = np.exp(v) / np.sum(np.exp(v))
        loss -= np.log(y_s[t][targets[t], 0])

    G = {name: np.zeros_like(value) for name, value in P.items()}
    dh_next = np.zeros_like(h_s[0])
    dC_next = np.zeros_like(C_s[0])

    for t in reversed(range(len(inputs))):
        dv = np.copy(y_s[t])
        dv[targets[t]] -= 1
        G["W_v"] += np.dot(dv, h_s[t].T)
        G["b_v"] += dv

        dh = np.dot(P["W_v"].T, dv)
        dh += dh_next
        do = dh * np.tanh(C_s[t])
        do = dsigmoid(o_s[t]) * do
        G["W_o"] += np.dot(do, z_s[t].T)
        G["b_o"] += do

        dC = np.copy(dC_next)
        dC += dh * o_s[t] * dtanh(np.tanh(C_s[t]))
        dC_bar = dC * i_s[t]
        dC_bar = dtanh(C_bar_s[t]) * dC_bar
        G["W_C"] += np.dot(dC_bar, z_s[t].T)
        G["b_C"] += dC_bar

        di = dC * C_bar_s[t]
        di = dsigmoid(i_s[t]) * di
        G["W_i"] += np.dot(di, z_s[t].T)
        G["b_i"] += di

        df = dC * C_s[t - 1]
        df = dsigmoid(f_s[t]) * df
        G["W_f"] += np.dot(df, z_s[t].T)
        G["b_f"] += df

        dz = np.dot(P["W_f"].T, df)
        dz += np.dot(P["W_i"].T, di)
        dz += np.dot(P["W_C"].T, dC_bar)
        dz += np.dot(P["W_o"].T, do)
        dh_next = dz[X_size:, :]
        dC_next = f_s[t] * dC

    for g in G.values():
        np.clip(g, -1, 1, out=g)
    return loss, G


from rowcol.bridge import port


@port("lstm", """
    W_f: (Wax|Waa)[f]   hidden (input|prev)
    W_i: (Wax|Waa)[i]   hidden (input|prev)
    W_C: (Wax|Waa)[g]   hidden (input|prev)
    W_o: (Wax|Waa)[o]   hidden (input|prev)
    W_v: Wya            output hidden
    b_f: b[f]           hidden 1
    b_i: b[i]           hidden 1
    b_C: b[g]           hidden 1
    b_o: b[o]           hidden 1
    b_v: by             output 1
    inputs:  x          time
    targets: y          time
    h_prev:  a0         hidden 1
    C_prev:  c0         hidden 1
""", clip=1)
def char_lstm(inputs, targets, h_prev, C_prev, **P):
    return forward_backward(list(inputs), list(targets), h_prev, C_prev, P)
