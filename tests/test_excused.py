"""What is no fault and is only remarked on, and what is as small or as hidden and is a fault all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rowcol.bridge import compare, port

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
