"""The reference beyond one rnn layer: right by the complex step, by hand, and one family by another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from rowcol.reference.attention import attention
from rowcol.reference.dense import dense
from rowcol.reference.gru import gru
from rowcol.reference.lstm import forward as lstm_forward
from rowcol.reference.lstm import lstm
from rowcol.reference.objective import OBJECTIVES
from rowcol.reference.rnn import rnn
from tests.numpy_version import is_of

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = dict[str, Any]
Family = Callable[..., tuple[Any, Arrays]]

TIME, INPUT, HIDDEN, OUTPUT = 4, 2, 3, 5
HEAD, KEY, MODEL = 2, 3, 5
ALL_OBJECTIVES = [name + last for name in OBJECTIVES for last in ("", " at the last step")]
DENSE_OBJECTIVES = [name for name in OBJECTIVES if name != "upstream of the states"]
GIVEN = {"y", "da", "dz", "dp", "dout"}

VARIANTS = [(reset, update) for reset in ("before", "after") for update in ("z keeps", "z takes")]
GRUS = {f"gru-{r}-{u.replace(' ', '-')}": partial(gru, reset=r, update=u) for r, u in VARIANTS}
RECURRENT: dict[str, Family] = {"rnn": rnn, "lstm": lstm, **GRUS}
GATES = {"rnn": (), "lstm": (4,), "gru": (3,)}

# For each layer of a network, how the names of its arrays end: one ending for each direction.
NETWORKS: dict[str, list[list[str]]] = {
    "one layer": [[""]],
    "three layers": [[""], [".1"], [".2"]],
    "both directions": [["", ".reverse"]],
    "two layers in both directions": [["", ".reverse"], [".1", ".1.reverse"]],
}


def given(rng: np.random.Generator, objective: str, hidden: int, time: int | None) -> Arrays:
    """The readout, and the target or upstream array of an objective."""
    kind = objective.removesuffix(" at the last step")
    steps = () if time is None or kind != objective else (time,)
    if kind == "upstream of the states":
        return {"da": rng.normal(size=(*steps, hidden, 1))}
    values = rng.normal(size=(*steps, OUTPUT, 1))
    if kind == "softmax":
        values = (values == values.max(axis=-2, keepdims=True)).astype(float)
    if kind == "logistic":
        values = (values > 0).astype(float)
    return {OBJECTIVES[kind][1]: values}


def recurrent_case(
    name: str, objective: str = "softmax", network: str = "one layer", *, indices: bool = False, seed: int = 1
) -> Arrays:
    """Arrays for a recurrent family: nothing symmetric or zero, no two sizes the same."""
    rng = np.random.default_rng(seed)
    gates = GATES[name.split("-")[0]]
    levels = NETWORKS[network]
    below = HIDDEN * len(levels[0])
    arrays: Arrays = {"x": np.array([1, 0, 1, 1]) if indices else rng.normal(size=(TIME, INPUT, 1))}
    for level, endings in enumerate(levels):
        for ending in endings:
            own = {
                "a0": rng.normal(size=(HIDDEN, 1)) / 2,
                "Wax": rng.normal(size=(*gates, HIDDEN, below if level else INPUT)),
                "Waa": rng.normal(size=(*gates, HIDDEN, HIDDEN)) / 2,
                "b": rng.normal(size=(*gates, HIDDEN, 1)),
            }
            if name == "lstm":
                own["c0"] = rng.normal(size=(HIDDEN, 1))
            if name.startswith("gru-after"):
                own["bn"] = rng.normal(size=(HIDDEN, 1))
            arrays |= {array + ending: value for array, value in own.items()}
    arrays |= given(rng, objective, below, TIME)
    if "da" not in arrays:
        arrays |= {"Wya": rng.normal(size=(OUTPUT, below)), "by": rng.normal(size=(OUTPUT, 1))}
    return arrays


def dense_case(objective: str = "softmax", sizes: tuple[int, ...] = (INPUT, 4, HIDDEN, OUTPUT)) -> Arrays:
    rng = np.random.default_rng(2)
    arrays: Arrays = {"x": rng.normal(size=(sizes[0], 1))}
    for n in range(1, len(sizes)):
        arrays[f"W{n}"] = rng.normal(size=(sizes[n], sizes[n - 1]))
        arrays[f"b{n}"] = rng.normal(size=(sizes[n], 1))
    return arrays | given(rng, objective, HIDDEN, None)


def attention_case() -> Arrays:
    rng = np.random.default_rng(3)
    shapes = {
        "x": (TIME, MODEL, 1),
        "W": (3, HEAD, KEY, MODEL),
        "b": (3, HEAD, KEY, 1),
        "Wo": (MODEL, HEAD, KEY),
        "bo": (MODEL, 1),
        "dout": (TIME, MODEL, 1),
    }
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def assert_gradients_are_the_slopes(family: Family, arrays: Arrays) -> None:
    """Every array but what is given has a gradient, and each element is Im loss(w + ih) / h."""
    _, grads = family(**arrays)
    assert set(grads) == {n for n, array in arrays.items() if n not in GIVEN and array.dtype.kind == "f"}
    h = 1e-100
    for name, grad in grads.items():
        slope = np.zeros(arrays[name].shape)
        for place in np.ndindex(slope.shape):
            moved = arrays[name].astype(complex)
            moved[place] += h * 1j
            loss, _ = family(**(arrays | {name: moved}))
            slope[place] = loss.imag / h
        assert grad.shape == slope.shape, name
        assert np.abs(slope).max() > 0, name
        assert np.abs(grad - slope).max() <= 1e-12 * np.abs(slope).max(), name


@pytest.mark.parametrize("objective", ALL_OBJECTIVES)
@pytest.mark.parametrize("name", ["lstm", *GRUS])
def test_every_gradient_is_the_slope_of_the_loss(name: str, objective: str) -> None:
    arrays = recurrent_case(name, objective)
    assert_gradients_are_the_slopes(partial(RECURRENT[name], objective=objective), arrays)


@pytest.mark.parametrize("objective", ["softmax", "upstream of the states at the last step"])
@pytest.mark.parametrize("network", list(NETWORKS)[1:])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru-before-z-takes", "gru-after-z-keeps"])
def test_every_gradient_of_a_network_is_the_slope_of_the_loss(
    name: str, network: str, objective: str
) -> None:
    arrays = recurrent_case(name, objective, network)
    assert_gradients_are_the_slopes(partial(RECURRENT[name], objective=objective), arrays)


@pytest.mark.parametrize("last", ["", " at the last step"])
def test_the_gradient_of_the_last_cell_state_is_one_more_upstream_gradient(last: str) -> None:
    objective = "upstream of the states" + last
    arrays = recurrent_case("lstm", objective)
    dc = np.array([[0.3], [-1.2], [0.7]])
    assert_gradients_are_the_slopes(partial(lstm, objective=objective, dc=dc), arrays)
    _, c, *_ = lstm_forward(*(arrays[name] for name in ("x", "a0", "c0", "Wax", "Waa", "b")))
    loss, _ = lstm(**arrays, objective=objective, dc=dc)
    without, _ = lstm(**arrays, objective=objective)
    assert loss - without == pytest.approx(np.sum(dc * c[TIME - 1]), rel=1e-13)


@pytest.mark.parametrize("activation", ["tanh", "relu,sigmoid"])
@pytest.mark.parametrize("objective", DENSE_OBJECTIVES)
def test_every_gradient_of_a_dense_network_is_the_slope_of_the_loss(objective: str, activation: str) -> None:
    family = partial(dense, objective=objective, activation=activation)
    assert_gradients_are_the_slopes(family, dense_case(objective))


@pytest.mark.parametrize("scale", [None, 0.8])
@pytest.mark.parametrize("causal", [False, True])
def test_every_gradient_of_attention_is_the_slope_of_the_loss(causal: bool, scale: float | None) -> None:
    assert_gradients_are_the_slopes(partial(attention, causal=causal, scale=scale), attention_case())


EVERYTHING: dict[str, tuple[Family, Arrays]] = {
    **{name: (RECURRENT[name], recurrent_case(name)) for name in RECURRENT},
    "rnn at the last step": (
        partial(rnn, objective="softmax at the last step"),
        recurrent_case("rnn", "softmax at the last step", "both directions"),
    ),
    "lstm in both directions at the last step": (
        partial(lstm, objective="softmax at the last step"),
        recurrent_case("lstm", "softmax at the last step", "two layers in both directions"),
    ),
    "stack of gru": (GRUS["gru-after-z-keeps"], recurrent_case("gru-after", network="three layers")),
    "dense": (dense, dense_case()),
    "attention": (attention, attention_case()),
    "causal attention": (partial(attention, causal=True), attention_case()),
}


@pytest.mark.parametrize("which", EVERYTHING)
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_loss_and_gradients_keep_the_dtype_of_the_arrays(which: str, dtype: type) -> None:
    family, arrays = EVERYTHING[which]
    expected_loss, expected = family(**arrays)
    loss, grads = family(**{name: array.astype(dtype) for name, array in arrays.items()})
    tolerance = 1e-4 if dtype is np.float32 else 1e-12
    assert is_of(dtype, loss)
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    for name, grad in grads.items():
        assert grad.dtype == dtype, name
        assert np.abs(grad - expected[name]).max() <= tolerance * max(1, np.abs(expected[name]).max()), name


@pytest.mark.parametrize("which", EVERYTHING)
def test_the_backward_pass_goes_complex_too(which: str) -> None:
    """Second derivatives by the complex step of the gradients are the same in either order."""
    family, arrays = EVERYTHING[which]
    _, grads = family(**arrays)
    rng = np.random.default_rng(4)
    directions = {name: rng.normal(size=grad.shape) for name, grad in grads.items()}
    second = {}
    for name, direction in directions.items():
        _, moved = family(**(arrays | {name: arrays[name] + 1e-100j * direction}))
        for other, grad in moved.items():
            second[name, other] = np.sum(grad.imag * directions[other]) / 1e-100
    for (name, other), value in second.items():
        assert value == pytest.approx(second[other, name], rel=1e-9, abs=1e-12), (name, other)


@pytest.mark.parametrize("which", EVERYTHING)
def test_the_arguments_are_left_as_they_are(which: str) -> None:
    family, arrays = EVERYTHING[which]
    before = {name: array.copy() for name, array in arrays.items()}
    _, grads = family(**arrays)
    for grad in grads.values():
        grad += 1
    assert all(np.array_equal(arrays[name], before[name]) for name in arrays)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", RECURRENT)
def test_class_indices_are_one_hot_columns(name: str, network: str) -> None:
    arrays = recurrent_case(name, network=network, indices=True)
    one_hot = np.eye(INPUT)[arrays["x"]][:, :, None]
    loss, grads = RECURRENT[name](**arrays)
    loss_one_hot, grads_one_hot = RECURRENT[name](**(arrays | {"x": one_hot}))
    assert loss == loss_one_hot
    assert set(grads_one_hot) - set(grads) == {"x"}
    assert all(np.array_equal(grads[array], grads_one_hot[array]) for array in grads)


@pytest.mark.parametrize("name", RECURRENT)
def test_large_inputs_overflow_nowhere(name: str) -> None:
    arrays = recurrent_case(name)
    arrays["x"] = arrays["x"] * 1e4
    with np.errstate(over="raise", invalid="raise"):
        loss, grads = RECURRENT[name](**arrays)
    assert np.isfinite(loss)
    assert all(np.isfinite(grad).all() for grad in grads.values())


def assert_close(one: Arrays, other: Arrays) -> None:
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-11, atol=1e-13, err_msg=name)


def test_one_step_of_an_lstm_is_the_cell_computed_by_hand() -> None:
    """One unit, sigmoids at 0 but for the forget gate's, which is nearly 1."""
    half = np.arctanh(0.5)
    loss, grads = lstm(
        x=np.ones((1, 1, 1)),
        a0=np.full((1, 1), 2.0),
        c0=np.full((1, 1), half - 0.25),
        Wax=np.zeros((4, 1, 1)),
        Waa=np.zeros((4, 1, 1)),
        b=np.array([0, 50, half, 0]).reshape(4, 1, 1),
        da=np.full((1, 1, 1), 8.0),
        objective="upstream of the states",
    )
    # i = o = 1/2, f = 1, g = 1/2; c = c0 + 1/4 = artanh 1/2, a = 1/4; do = 4, dc = (1 - 1/4) 4 = 3
    assert loss == pytest.approx(2)
    expected = np.array([3 * 0.5 / 4, 0, 3 * 0.5 * 0.75, 8 * 0.5 / 4]).reshape(4, 1, 1)
    np.testing.assert_allclose(grads["b"], expected, atol=1e-15)
    np.testing.assert_allclose(grads["Wax"], expected, atol=1e-15)
    np.testing.assert_allclose(grads["Waa"], 2 * expected, atol=1e-15)
    np.testing.assert_allclose(grads["c0"], [[3]])


@pytest.mark.parametrize("reset", ["before", "after"])
def test_the_update_gate_that_takes_is_the_negated_one_that_keeps(reset: str) -> None:
    """1 - sigmoid(s) = sigmoid(-s)."""
    arrays = recurrent_case(f"gru-{reset}")
    sign = np.array([1.0, -1.0, 1.0]).reshape(3, 1, 1)
    negated = {name: sign * arrays[name] for name in ("Wax", "Waa", "b")}
    loss, grads = gru(**arrays, reset=reset, update="z keeps")
    loss_takes, grads_takes = gru(**(arrays | negated), reset=reset, update="z takes")
    assert loss == pytest.approx(loss_takes, rel=1e-13)
    assert_close(grads, grads_takes | {name: sign * grads_takes[name] for name in negated})


def test_the_reset_gate_may_stand_on_either_side_of_a_diagonal_matrix() -> None:
    arrays = recurrent_case("gru-before")
    arrays["Waa"][2] = np.diag(np.diag(arrays["Waa"][2]))
    loss, grads = gru(**arrays, reset="before", update="z keeps")
    loss_after, grads_after = gru(**arrays, reset="after", update="z keeps")
    assert loss == pytest.approx(loss_after, rel=1e-13)
    diagonal = np.stack([np.ones((HIDDEN, HIDDEN))] * 2 + [np.eye(HIDDEN)])
    for of_waa in (grads, grads_after):
        of_waa["Waa"] = of_waa["Waa"] * diagonal
    assert_close(grads, grads_after)


def test_a_bias_inside_the_reset_gate_is_zero_where_none_is_given() -> None:
    arrays = recurrent_case("gru-after")
    loss_zero, grads_zero = gru(**(arrays | {"bn": 0 * arrays["bn"]}), reset="after", update="z keeps")
    del arrays["bn"]
    loss, grads = gru(**arrays, reset="after", update="z keeps")
    assert loss == loss_zero
    assert set(grads_zero) - set(grads) == {"bn"}


def test_a_bias_inside_the_reset_gate_takes_no_part_before_the_product() -> None:
    arrays = recurrent_case("gru-after")
    _, grads = gru(**arrays, reset="before", update="z keeps")
    assert "bn" not in grads


@pytest.mark.parametrize("name", RECURRENT)
def test_time_reversed_swaps_the_directions(name: str) -> None:
    objective = "upstream of the states"
    arrays = recurrent_case(name, objective, "both directions")
    own = [n for n in arrays if n + ".reverse" in arrays]
    swapped = {n: arrays[n + ".reverse"] for n in own} | {n + ".reverse": arrays[n] for n in own}
    da_onward, da_reverse = np.split(arrays["da"][::-1], 2, axis=1)
    swapped |= {"x": arrays["x"][::-1], "da": np.concatenate([da_reverse, da_onward], axis=1)}
    loss, grads = RECURRENT[name](**arrays, objective=objective)
    loss_swapped, grads_swapped = RECURRENT[name](**swapped, objective=objective)
    assert loss == pytest.approx(loss_swapped, rel=1e-13)
    back = {n: grads_swapped[n + ".reverse"] for n in own} | {n + ".reverse": grads_swapped[n] for n in own}
    assert_close(grads, back | {"x": grads_swapped["x"][::-1]})


def test_the_last_step_of_the_reverse_direction_is_the_first_one_it_runs() -> None:
    objective = "upstream of the states at the last step"
    arrays = recurrent_case("rnn", objective, "both directions")
    arrays["da"][:HIDDEN] = 0
    _, grads = rnn(**arrays, objective=objective)
    assert np.all(grads["x"][:-1] == 0)
    assert np.all(grads["x"][-1] != 0)


@pytest.mark.parametrize("name", RECURRENT)
def test_a_layer_upon_another_hands_its_inputs_gradient_down(name: str) -> None:
    family = RECURRENT[name]
    arrays = recurrent_case(name, network="two layers in both directions")
    lower = {n: a for n, a in arrays.items() if n == "x" or (n + ".reverse" in arrays and ".1" not in n)}
    lower |= {n: a for n, a in arrays.items() if n.endswith(".reverse") and ".1" not in n}
    upper = {n.replace(".1", ""): a for n, a in arrays.items() if ".1" in n}
    upper |= {n: arrays[n] for n in ("Wya", "by", "y")}

    states = np.zeros((TIME, 2 * HIDDEN, 1))
    for place in np.ndindex(states.shape):
        only = np.zeros(states.shape)
        only[place] = 1
        states[place], _ = family(**lower, da=only, objective="upstream of the states")
    loss_upper, grads_upper = family(**upper, x=states)
    _, grads_lower = family(**lower, da=grads_upper.pop("x"), objective="upstream of the states")

    loss, grads = family(**arrays)
    assert loss == pytest.approx(loss_upper, rel=1e-13)
    expected = dict(grads_lower)
    for n, grad in grads_upper.items():
        base, dot, direction = n.partition(".")
        expected[n if n in ("Wya", "by") else f"{base}.1{dot}{direction}"] = grad
    assert_close(grads, expected)


def test_a_dense_layer_is_a_step_of_a_recurrent_one_without_a_past() -> None:
    arrays = dense_case(sizes=(INPUT, HIDDEN, OUTPUT))
    loss, grads = dense(**arrays)
    loss_rnn, grads_rnn = rnn(
        x=arrays["x"][None],
        a0=np.zeros((HIDDEN, 1)),
        Wax=arrays["W1"],
        Waa=np.ones((HIDDEN, HIDDEN)),
        b=arrays["b1"],
        Wya=arrays["W2"],
        by=arrays["b2"],
        y=arrays["y"][None],
    )
    assert loss == loss_rnn
    names = {"W1": "Wax", "b1": "b", "W2": "Wya", "b2": "by"}
    assert_close(grads, {own: grads_rnn[name] for own, name in names.items()} | {"x": grads_rnn["x"][0]})


def test_a_dense_network_may_have_no_hidden_layer() -> None:
    arrays = dense_case(sizes=(INPUT, OUTPUT))
    loss, grads = dense(**arrays)
    z = arrays["W1"] @ arrays["x"] + arrays["b1"]
    p = np.exp(z) / np.exp(z).sum()
    assert loss == pytest.approx(-np.log(p[arrays["y"] == 1]).item())
    np.testing.assert_allclose(grads["W1"], (p - arrays["y"]) @ arrays["x"].T)


def test_attention_is_that_of_all_queries_at_once_under_a_mask() -> None:
    arrays = attention_case()
    X = arrays["x"][:, :, 0].T
    mask = np.where(np.tri(TIME).T > 0, 0, -np.inf)
    out = arrays["bo"] + np.zeros((MODEL, TIME))
    for head in range(HEAD):
        Q, K, V = (W[head] @ X + b[head] for W, b in zip(arrays["W"], arrays["b"], strict=True))
        scores = np.exp(K.T @ Q / np.sqrt(KEY) + mask)
        out += arrays["Wo"][:, head] @ V @ (scores / scores.sum(axis=0))
    loss, _ = attention(**arrays, causal=True)
    assert loss == pytest.approx(np.sum(out * arrays["dout"][:, :, 0].T), rel=1e-13)


def test_causal_attention_sends_nothing_back_from_a_step_to_later_ones() -> None:
    arrays = attention_case()
    arrays["dout"][2:] = 0
    _, grads = attention(**arrays, causal=True)
    assert np.all(grads["x"][:2] != 0)
    assert np.all(grads["x"][2:] == 0)
    _, grads = attention(**arrays)
    assert np.all(grads["x"] != 0)


def test_a_bias_of_the_keys_changes_nothing_and_has_no_gradient() -> None:
    """It adds the same to all scores of a query, which softmax takes away again."""
    _, grads = attention(**attention_case())
    assert np.abs(grads["b"][1]).max() < 1e-13 * np.abs(grads["b"][0]).max()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"Wxa.1": 0}, r"unknown array 'Wxa.1'; a network of 2 layers has a0, Wax, Waa, b, a0.1, Wax.1"),
        ({"Waa.0": 0}, r"unknown array 'Waa.0'; a network of 1 layer has a0, Wax, Waa, b"),
        ({"U": 0}, r"unknown array 'U'"),
        ({"Waa.2": 0}, r"a network of 3 layers needs a0.1"),
        ({"Waa.reverse": 0}, r"a network of 1 layer in both directions needs a0.reverse"),
    ],
)
def test_a_network_with_a_hole_or_a_stranger_in_it_is_refused(more: Arrays, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rnn(**recurrent_case("rnn"), **more)


def test_the_gradient_of_the_cell_is_for_one_layer_in_one_direction_and_its_states() -> None:
    arrays = recurrent_case("lstm", "upstream of the states", "both directions")
    dc = np.ones((HIDDEN, 1))
    with pytest.raises(ValueError, match="dc is the gradient of the cell of one layer in one direction"):
        lstm(**arrays, dc=dc, objective="upstream of the states")
    with pytest.raises(
        ValueError, match="dc belongs to 'upstream of the states'; the objective is 'softmax'"
    ):
        lstm(**recurrent_case("lstm"), dc=dc)


def test_unknown_variants_of_the_gru_are_refused() -> None:
    arrays = recurrent_case("gru-before")
    with pytest.raises(
        ValueError, match="the reset gate stands 'before' or 'after' the product, not 'inside'"
    ):
        gru(**arrays, reset="inside", update="z keeps")
    with pytest.raises(ValueError, match="the update is 'z keeps' or 'z takes', not 'keeps'"):
        gru(**arrays, reset="after", update="keeps")


def test_a_dense_network_says_what_it_cannot_be() -> None:
    arrays = dense_case()
    with pytest.raises(ValueError, match="neither steps nor states: 'softmax at the last step'"):
        dense(**arrays, objective="softmax at the last step")
    with pytest.raises(ValueError, match="neither steps nor states: 'upstream of the states'"):
        dense(**arrays, objective="upstream of the states")
    with pytest.raises(ValueError, match=r"3 activations \(tanh,relu,tanh\) for 2 hidden layers"):
        dense(**arrays, activation="tanh,relu,tanh")
    with pytest.raises(ValueError, match="a pair for each; these are W1, b1, W2, b2, W3"):
        dense(**{name: array for name, array in arrays.items() if name != "b3"})
    with pytest.raises(ValueError, match="the objective 'squared error' needs y"):
        dense(**{name: array for name, array in arrays.items() if name != "y"}, objective="squared error")
