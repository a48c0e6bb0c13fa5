"""What is no fault and is only remarked on, and what is as small or as hidden and is a fault all the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowcol.bridge import compare, port
from rowcol.bridge.diagnose.bench import standing_apart
from rowcol.bridge.diff import AGREES, Verdict
from rowcol.bridge.options import Options
from rowcol.bridge.worker import examined

Port = Callable[..., Any]

LAYER = """
    W: Wax  input hidden
    U: Waa  prev hidden
    b: b    hidden
    X: x    batch time input
    G: da   batch time hidden
"""


def layer(bound: float = np.inf, carry: float = 1.0, slope: float = 0.0) -> Port:
    """A recurrent layer in rows that cuts its gradients off at a bound, and may have its carry or its slope wrong."""

    @port("rnn", LAYER)
    def cut_off(W, U, b, X, G):  # type: ignore[no-untyped-def]
        states = [np.zeros((len(X), len(b)))]
        for t in range(X.shape[1]):
            states.append(np.tanh(X[:, t] @ W + states[-1] @ U + b))
        d = {"W": np.zeros_like(W), "U": np.zeros_like(U), "b": np.zeros_like(b), "X": np.zeros_like(X)}
        back = np.zeros_like(states[0])
        for t in reversed(range(X.shape[1])):
            draw = (G[:, t] + back) * (1 - states[t + 1] ** 2 + slope)
            d["W"] += X[:, t].T @ draw
            d["U"] += states[t].T @ draw
            d["b"] += draw.sum(axis=0)
            d["X"][:, t] = draw @ W.T
            back = carry * draw @ U.T
        return np.stack(states[1:], axis=1), {name: np.clip(g, -bound, bound) for name, g in d.items()}

    return cut_off


def classifier(decay: float = 0.2, in_float: bool = True, epsilon: float = 0.0) -> Port:
    """A net of rectifiers with a loss of its own; `decay` is what its gradient takes of the weights: 0.2 is right."""

    @port("any", "V: V  feature unit\n C: C  unit label\n x: x  batch feature\n y: y  batch label")
    def net(V, C, x, y):  # type: ignore[no-untyped-def]
        units = np.maximum(x @ V, 0.0)
        length = np.sqrt((units**2).sum(axis=1, keepdims=True) + 1.0) + epsilon
        error = units / length @ C - y
        loss = 0.5 * (error**2).sum() + 0.1 * (V * V).sum()
        below = error @ C.T
        dunits = below / length - units * (below * units).sum(axis=1, keepdims=True) / (length - epsilon) ** 3
        grads = {"V": x.T @ (dunits * (units > 0)) + decay * V, "C": (units / length).T @ error}
        return float(loss) if in_float else loss, grads

    return net


def verdict(declared: Port) -> tuple[int, dict[str, str], str]:
    report = compare(declared).report
    return report["status"], {a["name"]: a["state"] for a in report["arrays"]}, " ".join(report["remarks"])


def test_right_gradients_cut_off_at_a_bound_are_a_remark() -> None:
    status, states, remarks = verdict(layer(bound=1.0))
    assert (status, states["W"]) == (0, "agrees")
    assert "clips its gradients (clip=1 would say so)" in remarks


@pytest.mark.parametrize("carry", [3.0, -1.0])
def test_wrong_gradients_of_which_a_bound_leaves_the_signs_are_not_right(carry: float) -> None:
    status, states, _ = verdict(layer(bound=1e-3, carry=carry))
    assert (status, states["W"]) == (1, "differs")


def test_a_term_too_many_is_wrong_however_small_and_an_epsilon_is_a_remark() -> None:
    status, states, _ = verdict(layer(slope=1e-5))
    assert (status, states["U"]) == (1, "differs")
    status, states, remarks = verdict(layer(slope=1e-9))
    assert (status, states["U"]) == (0, "agrees")
    assert "as an epsilon in a formula does" in remarks


@pytest.mark.parametrize("in_float", [True, False])
def test_half_the_weight_decay_is_wrong_in_a_loss_of_ones_own(in_float: bool) -> None:
    assert verdict(classifier(in_float=in_float))[0] == 0
    status, states, remarks = verdict(classifier(decay=0.1, in_float=in_float))
    assert (status, states["V"], states["C"], remarks) == (1, "differs", "agrees", "")


def test_an_epsilon_in_a_loss_of_ones_own_is_a_remark() -> None:
    status, _, remarks = verdict(classifier(epsilon=1e-8))
    assert (status, "as an epsilon in a formula does" in remarks) == (0, True)


NET = """
    W1: Wax  input hidden
    W2: Waa  prev hidden
    W3: Wya  hidden output
    bh: b    hidden
    bo: by   output
    X:  x    batch time input
    Y:  y    batch time output
"""


def tagger(
    under_log: float = 0.0,
    divided: bool = False,
    single: bool = False,
    more: bool = False,
    norm: float = 0.0,
    decay: float = 0.0,
) -> Port:
    """A tagger in rows, right but for what people add to it."""
    keywords = {"clip": f"norm {norm}"} if norm else {}

    @port("rnn", NET, **keywords)
    def tags(W1, W2, W3, bh, bo, X, Y):  # type: ignore[no-untyped-def]
        if single:
            W1, W2, W3, bh, bo, X, Y = (a.astype(np.float32) for a in (W1, W2, W3, bh, bo, X, Y))
        h, loss = [np.zeros((len(X), len(bh)), X.dtype)], 0.0
        p = []
        for t in range(X.shape[1]):
            h.append(np.tanh(X[:, t] @ W1 + h[-1] @ W2 + bh))
            e = np.exp(h[-1] @ W3 + bo)
            p.append(e / e.sum(axis=1, keepdims=True))
            loss -= (Y[:, t] * np.log(p[-1] + np.asarray(under_log, X.dtype))).sum()
        g = {"W1": 0 * W1, "W2": 0 * W2, "W3": 0 * W3, "bh": 0 * bh, "bo": 0 * bo}
        back = 0 * h[0]
        for t in reversed(range(X.shape[1])):
            dz = p[t] - Y[:, t]
            draw = (dz @ W3.T + back) * (1 - h[t + 1] ** 2)
            for name, value in (("W3", h[t + 1].T @ dz), ("W1", X[:, t].T @ draw), ("W2", h[t].T @ draw)):
                g[name] += value
            g["bo"] += dz.sum(axis=0)
            g["bh"] += draw.sum(axis=0)
            back = draw @ W2.T
        g["W1"] += decay * W1
        rows = len(X) if divided else 1
        g = {name: value / rows for name, value in g.items()}
        if norm:
            size = np.sqrt(sum((value**2).sum() for value in g.values()))
            g = {name: value * min(1.0, norm / (size + 1e-6)) for name, value in g.items()}
        return float(loss / rows), g | ({"dh_first": back} if more else {})

    return tags


def test_the_epsilons_that_frameworks_add_are_remarks() -> None:
    for seed in range(8):
        for epsilon in (tagger(under_log=1e-7), tagger(norm=0.25)):
            assert compare(epsilon, seed=seed).agrees


def test_what_is_computed_in_float32_is_never_called_wrong() -> None:
    for seed in range(12):
        assert compare(tagger(single=True), seed=seed).agrees
        assert compare(tagger(single=True, more=True), seed=seed).agrees


def test_a_declaration_is_as_wrong_where_more_comes_back_than_was_declared() -> None:
    for more in (False, True):
        report = compare(tagger(divided=True, more=more)).report
        assert (report["status"], report["finding"]) == (1, "declaration")


def test_an_epsilon_in_the_loss_is_not_accused_of_a_wrong_gradient() -> None:
    report = compare(tagger(under_log=1e-8, decay=1e-4)).report
    states = {array["name"]: array["state"] for array in report["arrays"]}
    assert (report["status"], states["W1"], states["W2"], states["loss"]) == (1, "differs", "agrees", "agrees")
    assert report["finding"] == "wrong gradient"
    assert "the loss is off by" in " ".join(report["remarks"])


def test_a_loss_that_is_off_by_more_is_at_fault_beside_a_wrong_gradient() -> None:
    report = compare(tagger(under_log=1e-2, decay=1e-4)).report
    states = {array["name"]: array["state"] for array in report["arrays"]}
    assert (states["W1"], states["loss"]) == ("differs", "differs")
    assert report["finding"] != "wrong gradient"


DENSE = """
    A: W1  input hidden1
    a: b1  hidden1
    B: W2  hidden1 output
    c: b2  output
    X: x   batch input
    Y: y   batch output
"""


def regression(bound: float, times: float = 1.0, **keywords: Any) -> Port:
    """A regression in rows whose gradients are cut off, and whose first one may be too large."""

    @port("dense", DENSE, objective="squared error", **keywords)
    def fit(A, a, B, c, X, Y):  # type: ignore[no-untyped-def]
        h = np.tanh(X @ A + a)
        e = h @ B + c - Y
        dh = e @ B.T * (1 - h * h)
        g = {"A": times * X.T @ dh, "a": dh.sum(axis=0), "B": h.T @ e, "c": e.sum(axis=0)}
        return 0.5 * float((e**2).sum()), {name: np.clip(value, -bound, bound) for name, value in g.items()}

    return fit


def test_a_bound_on_a_regression_is_a_remark_and_hides_no_factor() -> None:
    for seed in range(3):
        assert compare(regression(1.0), seed=seed).agrees
        assert compare(regression(1.0, times=50.0), seed=seed).report["status"] == 1


@pytest.mark.parametrize("keywords", [{}, {"clip": 1e-3}])
def test_of_what_is_all_cut_off_nothing_is_said(keywords: dict[str, float]) -> None:
    for seed in range(1, 4):
        for times in (1.0, 50.0):
            report = compare(regression(1e-3, times, **keywords), seed=seed).report
            assert {array["state"] for array in report["arrays"] if array["name"] == "A"} == {"blind"}
            assert report["finding"] is None


def through_the_log(epsilon: float, decay: float = 0.0) -> Port:
    """A net whose epsilon under the logarithm is carried through on the way back, as it should be."""

    @port("dense", "M1: W1  input hidden1\n v1: b1  hidden1\n M2: W2  hidden1 output\n v2: b2  output\n"
          " obs: x  batch input\n hot: y  batch output")
    def net(M1, v1, M2, v2, obs, hot):  # type: ignore[no-untyped-def]
        inner = np.tanh(obs @ M1 + v1)
        score = np.exp(inner @ M2 + v2)
        chance = score / score.sum(axis=1, keepdims=True)
        upon = -hot / (chance + epsilon)
        below = chance * (upon - (upon * chance).sum(axis=1, keepdims=True))
        under = below @ M2.T * (1 - inner**2)
        d = {"M1": obs.T @ under + decay * M1, "v1": under.sum(axis=0)}
        return -(hot * np.log(chance + epsilon)).sum(), d | {"M2": inner.T @ below, "v2": below.sum(axis=0)}

    return net


def test_an_epsilon_that_the_gradients_go_through_is_a_remark_and_hides_no_wrong_one() -> None:
    right = compare(through_the_log(1e-7)).report
    assert right["status"] == 0
    assert "as is the loss whose gradients these are" in " ".join(right["remarks"])
    wrong = compare(through_the_log(1e-7, decay=3e-5)).report
    states = {array["name"]: array["state"] for array in wrong["arrays"]}
    assert (wrong["status"], states["M1"]) == (1, "differs")
    assert compare(through_the_log(1e-4)).report["status"] == 1


def test_a_term_as_small_as_an_epsilon_is_said_to_be_none_of_the_loss() -> None:
    report = compare(through_the_log(0.0, decay=1e-6)).report
    assert report["status"] == 0
    assert "the port's own loss has no such gradient of M1" in " ".join(report["remarks"])


def test_a_weight_that_a_loss_of_ones_own_does_not_use_hides_no_wrong_gradient() -> None:
    @port("any", "W: W feature unit\n s: s unit\n x: x batch feature")
    def net(W, s, x):  # type: ignore[no-untyped-def]
        h = np.tanh(x @ W)
        return 0.5 * (h**2).sum(), {"W": 2 * x.T @ (h * (1 - h**2)), "s": 0 * s}

    report = compare(net).report
    assert (report["status"], report["finding"]) == (1, "wrong gradient")
    assert "times 2" in " ".join(report["sentences"])


SINGLE = '''
import numpy as np
from rowcol.bridge import port

@port("rnn", """
    Wx: Wax input hidden
    Wh: Waa prev hidden
    b: b hidden
    X: x batch time input
    G: da batch time hidden
""", dtype="float32", reduction="mean over time")
def rectified(Wx, Wh, b, X, G):
    N, T, _ = X.shape
    hs = np.zeros((N, T + 1, len(b)), np.float32)
    for t in range(T):
        hs[:, t + 1] = np.tanh(X[:, t] @ Wx + hs[:, t] @ Wh + b)
    dhs = G / np.float32(T)
    dWx, dWh, db = np.zeros_like(Wx), START, np.zeros_like(b)
    nxt = np.zeros((N, len(b)), np.float32)
    for t in range(T)[::-1]:
        d = (dhs[:, t] + nxt) * (1 - hs[:, t + 1] ** 2)
        dWx += X[:, t].T @ d
        dWh += hs[:, t].T @ d
        db += d.sum(0)
        nxt = d @ Wh.T
    return None, {"Wx": dWx, "Wh": dWh, "b": db}
'''


def test_a_patch_that_only_makes_an_error_smaller_is_not_verified_in_float32(tmp_path: Path) -> None:
    file = tmp_path / "single.py"
    file.write_text(SINGLE.replace("START", "np.zeros_like(Wh)"))
    assert examined(str(file), Options())[0]["agrees"]
    file.write_text(SINGLE.replace("START", "np.float32(1e-3) * Wh"))
    report = examined(str(file), Options())[0]
    assert not report["agrees"] and report["diagnosis"] is not None
    patch = report["diagnosis"]["patch"]
    assert patch is None or not re.search(r"^\+.*1e-3.* \* Wh", patch, re.MULTILINE)


@pytest.mark.parametrize(("difference", "apart"), [(0.5, {"Wh"}), (0.02, set())])
def test_what_takes_far_more_of_its_bar_than_the_others_stands_apart(difference: float, apart: set[str]) -> None:
    others = {name: Verdict(name, AGREES, bar=1.0, difference=0.004) for name in ("Wx", "b", "loss")}
    assert standing_apart({**others, "Wh": Verdict("Wh", AGREES, bar=1.0, difference=difference)}) == apart
    wide = {name: v._replace(difference=0.3) for name, v in others.items()}
    assert standing_apart({**wide, "Wh": Verdict("Wh", AGREES, bar=1.0, difference=difference)}) == set()
