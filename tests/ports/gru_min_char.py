"""
min-char-gru: the hundred-line character RNN with a gated unit in the middle.
One sequence at a time, everything is a column vector.
"""
import numpy as np

sigm = lambda v: 1.0 / (1.0 + np.exp(-v))


def lossFun(inputs, targets, hprev, m):
    """
    inputs, targets: lists of integers. hprev: (H, 1), the state that the last chunk ended with.
    m: dict with the model. Returns the loss, the gradients (same keys as m) and that of hprev.
    """
    xs, zs, rs, gs, hs, ps = {}, {}, {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    vocab_size = m['Wz'].shape[1]
    loss = 0

    # there
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        zs[t] = sigm(np.dot(m['Wz'], xs[t]) + np.dot(m['Uz'], hs[t-1]) + m['bz'])
        rs[t] = sigm(np.dot(m['Wr'], xs[t]) + np.dot(m['Ur'], hs[t-1]) + m['br'])
        gs[t] = np.tanh(np.dot(m['Wg'], xs[t]) + np.dot(m['Ug'], rs[t] * hs[t-1]) + m['bg'])
        hs[t] = zs[t] * hs[t-1] + (1 - zs[t]) * gs[t]
        y = np.dot(m['Wy'], hs[t]) + m['by']
        ps[t] = np.exp(y) / np.sum(np.exp(y))
        loss += -np.log(ps[t][targets[t], 0])

    # and back again
    d = {k: np.zeros_like(v) for k, v in m.items()}
    dhnext = np.zeros_like(hprev)
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        d['Wy'] += np.dot(dy, hs[t].T)
        d['by'] += dy
        dh = np.dot(m['Wy'].T, dy) + dhnext

        dg = dh * (1 - zs[t])
        dg_raw = dg * (1 - gs[t] ** 2)
        d['Wg'] += np.dot(dg_raw, xs[t].T)
        d['Ug'] += np.dot(dg_raw, (rs[t] * hs[t-1]).T)
        d['bg'] += dg_raw

        drh = np.dot(m['Ug'].T, dg_raw)
        dr = drh * hs[t-1]
        dr_raw = dr * rs[t] * (1 - rs[t])
        d['Wr'] += np.dot(dr_raw, xs[t].T)
        d['Ur'] += np.dot(dr_raw, hs[t-1].T)
        d['br'] += dr_raw

        dz = dh * (hs[t-1] - gs[t])
        dz_raw = dz * zs[t] * (1 - zs[t])
        d['Wz'] += np.dot(dz_raw, xs[t].T)
        d['Uz'] += np.dot(dz_raw, hs[t-1].T)
        d['bz'] += dz_raw

        # hs[t-1] goes four ways
        dhnext = dh * zs[t]
        dhnext += drh * rs[t]
        dhnext += np.dot(m['Ur'].T, dr_raw)
        dhnext += np.dot(m['Uz'].T, dz_raw)

    for k in d:
        np.clip(d[k], -5, 5, out=d[k])
    return loss, d, dhnext


from rowcol.bridge import port


@port('gru', '''
    Wz: Wax[z]  hidden input
    Wr: Wax[r]  hidden input
    Wg: Wax[n]  hidden input
    Uz: Waa[z]  hidden prev
    Ur: Waa[r]  hidden prev
    Ug: Waa[n]  hidden prev
    bz: b[z]    hidden 1
    br: b[r]    hidden 1
    bg: b[n]    hidden 1
    Wy: Wya     output hidden
    by: by      output 1
    inputs:  x  time
    targets: y  time
    hprev:   a0 hidden 1
''', reset='before', update='z keeps', clip=5, sizes='output = input')
def min_char_gru(inputs, targets, hprev, **m):
    loss, d, dhprev = lossFun(list(inputs), list(targets), hprev, m)
    return loss, {**d, 'hprev': dhprev}
