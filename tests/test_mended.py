"""Faults as strangers write them: that the patch mends them where they are, as a person would."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcol.bridge.options import Options
from rowcol.bridge.worker import examined


def patched(monkeypatch: pytest.MonkeyPatch, folder: Path, right: str, *wrong: tuple[str, str]) -> list[str]:
    """The lines that the patch of a port puts in, which agrees as it is and has then been made wrong."""
    monkeypatch.chdir(folder)
    Path("mine.py").write_text(right)
    assert examined("mine.py", Options())[0]["agrees"]
    for old, new in wrong:
        assert right.count(old) == 1
        right = right.replace(old, new)
    Path("mine.py").write_text(right)
    diagnosis = examined("mine.py", Options())[0]["diagnosis"]
    assert diagnosis is not None and diagnosis["patch"] is not None
    return [line[1:].strip() for line in diagnosis["patch"].splitlines() if line[:1] == "+" and line[:3] != "+++"]


DENSE = '''\
import numpy as np
from rowcol.bridge import port


def readout_grads(delta, seen):
    grad = np.matmul(delta.T, seen)
    return grad, delta.sum(axis=0)


@port("dense", """
    M1: W1  hidden1 input
    c1: b1  hidden1
    M2: W2  output hidden1
    c2: b2  output
    x:  x   batch input
    dz: dz  batch output
""", activation="sigmoid", sizes="output = hidden1")
def mine(M1, c1, M2, c2, x, dz):
    s = 1 / (1 + np.exp(-(x @ M1.T + c1)))
    gM2, gc2 = readout_grads(dz, s)
    grads = {"M2": 0 * M2, "c2": gc2}
    grads["M2"] += gM2
    back = dz @ M2 * s * (1 - s)
    grads.update(M1=back.T @ x, c1=back.sum(axis=0), x=back @ M1)
    return s @ M2.T + c2, grads
'''


def test_a_product_is_turned_where_it_is_made_not_where_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = patched(monkeypatch, tmp_path, DENSE, ("np.matmul(delta.T, seen)", "np.matmul(seen.T, delta)"))
    assert made == ["grad = np.matmul(delta.T, seen)"]


LSTM = '''\
import numpy as np
from rowcol.bridge import port


def unit(z):
    return 1 / (1 + np.exp(-z))


def step(x, h, c, W, U, b):
    H = h.shape[1]
    pre = x @ W + h @ U + b
    i, f, o, g = pre.reshape(-1, 4, H).transpose(1, 0, 2)
    i, f, o, g = unit(i), unit(f), unit(o), np.tanh(g)
    now = f * c + i * g
    return o * np.tanh(now), now, (x, h, c, i, f, o, g, np.tanh(now))


def step_back(dh, dc, cache, W, U):
    x, h, c, i, f, o, g, s = cache
    dc = dc + dh * o * (1 - s * s)
    gates = [dc * g * i * (1 - i), dc * c * f * (1 - f), dh * s * o * (1 - o), dc * i * (1 - g * g)]
    pre = np.concatenate(gates, axis=1)
    return pre @ U.T, dc * f, x.T @ pre, h.T @ pre, pre.sum(axis=0)


@port("lstm", """
    W: Wax[i f o g]  input (gate hidden)
    U: Waa[i f o g]  prev (gate hidden)
    b: b[i f o g]    (gate hidden)
    x: x             time batch input
    dh: da           time batch hidden
""")
def mine(W, U, b, x, dh):
    h = c = np.zeros_like(dh[0])
    states, caches = [], []
    for now in x:
        h, c, cache = step(now, h, c, W, U, b)
        states.append(h)
        caches.append(cache)
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    dnext = dc = np.zeros_like(h)
    for t in reversed(range(len(x))):
        dnext, dc, gW, gU, gb = step_back(dh[t] + dnext, dc, caches[t], W, U)
        dW += gW
        dU += gU
        db += gb
    return np.array(states), {"W": dW, "U": dU, "b": db}
'''


@pytest.mark.parametrize("order", ["i, o, f, g", "f, o, i, g"])
def test_gates_unpacked_in_another_order_are_put_right_where_they_are_unpacked(
    order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = patched(monkeypatch, tmp_path, LSTM, ("i, f, o, g = pre", f"{order} = pre"))
    assert made == ["i, f, o, g = pre.reshape(-1, 4, H).transpose(1, 0, 2)"]


LAST_FIRST = '''\
import numpy as np
from rowcol.bridge import port


@port("rnn", """
    U: Wax   hidden input
    V: Waa   hidden prev
    c: b     hidden 1
    xs: x    time input batch
    s0: a0   hidden batch
    ds: da   time hidden batch
""")
def mine(U, V, c, xs, s0, ds):
    steps = len(xs)
    s = np.zeros((steps + 1, *s0.shape))
    s[-1] = s0
    for t in range(steps):
        s[t] = np.tanh(U @ xs[t] + V @ s[t - 1] + c)
    inner, carried = np.zeros_like(ds), 0
    for t in range(steps - 1, -1, -1):
        inner[t] = (1 - s[t] ** 2) * (ds[t] + carried)
        carried = V.T @ inner[t]
    earlier = np.roll(s, 1, axis=0)[:-1]
    dV = np.tensordot(inner, earlier, axes=((0, 2), (0, 2)))
    dU = np.tensordot(inner, xs, axes=((0, 2), (0, 2)))
    return s[:-1], {"U": dU, "V": dV, "c": inner.sum(axis=(0, 2))[:, None], "xs": U.T @ inner, "s0": carried}
'''


@pytest.mark.parametrize("stretch", ["s[:-1]", "s[:steps]"])
def test_a_first_state_that_is_kept_in_the_last_place_comes_first_among_the_states_before(
    stretch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = patched(monkeypatch, tmp_path, LAST_FIRST, ("np.roll(s, 1, axis=0)[:-1]", stretch))
    assert made in (["earlier = np.roll(s, 1, axis=0)[:-1]"], ["earlier = np.roll(s, 1, axis=0)[:steps]"])


MEAN = '''\
import numpy as np
from rowcol.bridge import port


def cost(scores, labels):
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    loss = -(labels * np.log(p)).sum() / (labels.shape[0] * labels.shape[1])
    return loss, (p - labels) / (labels.shape[0] * labels.shape[1])


@port("rnn", """
    U: Wax   input hidden
    V: Waa   prev hidden
    c: b     hidden
    O: Wya   hidden output
    o: by    output
    xs: x    batch time input
    ys: y    batch time output
""", reduction="mean over batch and time")
def mine(U, V, c, O, o, xs, ys):
    states = [np.zeros((len(xs), len(c)))]
    for t in range(xs.shape[1]):
        states.append(np.tanh(xs[:, t] @ U + states[-1] @ V + c))
    seen = np.stack(states[1:], axis=1)
    loss, ds = cost(seen @ O + o, ys)
    g = {"U": 0 * U, "V": 0 * V, "c": 0 * c, "O": np.einsum("bth,bto->ho", seen, ds), "o": ds.sum(axis=(0, 1))}
    back = 0
    for t in range(xs.shape[1])[::-1]:
        inner = (1 - seen[:, t] ** 2) * (ds[:, t] @ O.T + back)
        g["U"] += xs[:, t].T @ inner
        g["V"] += states[t].T @ inner
        g["c"] += inner.sum(axis=0)
        back = inner @ V.T
    return loss, g
'''


@pytest.mark.parametrize("size", ["len(labels)", "labels.size"])
def test_a_mean_over_too_few_or_too_many_axes_is_mended_where_it_divides(
    size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = "(p - labels) / (labels.shape[0] * labels.shape[1])"
    made = patched(monkeypatch, tmp_path, MEAN, (right, f"(p - labels) / {size}"))
    assert made == [f"return loss, {right}"]


@pytest.mark.parametrize("size", ["len(labels)", "labels.shape[1]"])
def test_the_number_of_all_elements_is_called_so(size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    indices = MEAN.replace("ys: y    batch time output", "ys: y    batch time")
    for old, new in (
        ("-(labels * np.log(p)).sum() / (labels.shape[0] * labels.shape[1])", "-np.log(p[at]).mean()"),
        ("(p - labels) / (labels.shape[0] * labels.shape[1])", "p / labels.size"),
        ("    loss = ", "    at = (*np.indices(labels.shape), labels)\n    loss = "),
        ("    return loss, p", "    p[at] -= 1\n    return loss, p"),
    ):
        assert old in indices
        indices = indices.replace(old, new)
    made = patched(monkeypatch, tmp_path, indices, ("p / labels.size", f"p / {size}"))
    assert made == ["return loss, p / labels.size"]


CLIPPED = '''\
import numpy as np
from rowcol.bridge import port


@port("dense", """
    M: W1  output input
    c: b1  output
    x: x   batch input
    y: y   batch output
""", objective="squared error", clip=0.25)
def mine(M, c, x, y):
    e = x @ M.T + c - y
    g = dict(M=e.T @ x, c=e.sum(axis=0))
    for name in g:
        np.clip(g[name], -0.25, 0.25, out=g[name])
    return 0.5 * (e ** 2).sum(), g
'''


def test_a_clipped_array_that_is_thrown_away_is_no_declaration_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = patched(monkeypatch, tmp_path, CLIPPED, (", out=g[name]", ""))
    assert made == ["np.clip(g[name], -0.25, 0.25, out=g[name])"]
    said = " ".join(examined("mine.py", Options(diagnose=False))[0]["sentences"])
    assert "gradients of M and c are right, and not clipped" in said and "it gives a new array" in said
    # What nobody clips is declared wrongly.
    Path("mine.py").write_text(CLIPPED.replace("np.clip(g[name], -0.25, 0.25, out=g[name])", "np.clip(e, -9.0, 9.0)"))
    report = examined("mine.py", Options(diagnose=False))[0]
    assert report["finding"] == "declaration" and "no clip=" in (report["declared"] or "")


def test_of_gradients_of_which_some_are_clipped_the_others_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(CLIPPED.replace("for name in g:", 'for name in ("M",):'))
    said = " ".join(examined("mine.py", Options(diagnose=False))[0]["sentences"])
    assert "The gradient of c is right, and not clipped: clip=0.25 is declared" in said
    assert "Only the size" not in said and "it gives a new array" not in said


IN_PLACE = '''\
import numpy as np
from rowcol.bridge import port


@port("rnn", """
    U: Wax  input hidden
    V: Waa  prev hidden
    c: b    hidden
    xs: x   time batch input
    ds: da  time batch hidden
""")
def mine(U, V, c, xs, ds):
    steps, many, width = ds.shape
    s = np.empty((steps + 1, many, width))
    s[0] = 0
    for k in range(steps):
        np.matmul(xs[k], U, out=s[k + 1])
        s[k + 1] += s[k] @ V
        s[k + 1] += c
        np.tanh(s[k + 1], out=s[k + 1])
    g = np.zeros_like(ds)
    carry = np.zeros((many, width))
    for k in reversed(range(steps)):
        g[k] = (1 - s[k + 1] ** 2) * (ds[k] + carry)
        carry = g[k] @ V.T
    return s[1:], dict(U=np.tensordot(xs, g, ((0, 1), (0, 1))), c=g.sum((0, 1)))
'''


def test_a_wrong_state_that_a_product_began_in_place_is_followed_to_its_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert patched(monkeypatch, tmp_path, IN_PLACE, ("s[k + 1] += c", "s[k + 1] -= c")) == ["s[k + 1] += c"]
