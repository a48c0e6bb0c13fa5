"""The reference is right: by hand, by the complex step of its own loss, and in what it learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rowcol.reference import learn
from rowcol.reference.activation import ACTIVATIONS
from rowcol.reference.objective import OBJECTIVES
from rowcol.reference.rnn import forward, rnn
from tests.numpy_version import is_of

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = dict[str, Any]

EVERY_STEP = list(OBJECTIVES)
ALL_OBJECTIVES = EVERY_STEP + [f"{name} at the last step" for name in EVERY_STEP]
TIME, INPUT, HIDDEN, OUTPUT = 5, 3, 4, 6


def case(objective: str, *, indices: bool = False, seed: int = 1) -> Arrays:
    """Arrays for an objective: nothing symmetric or zero, no two sizes the same."""
    rng = np.random.default_rng(seed)
    name = objective.removesuffix(" at the last step")
    time = () if name != objective else (TIME,)
    arrays: Arrays = {
        "x": rng.normal(size=(TIME, INPUT, 1)),
        "a0": rng.normal(size=(HIDDEN, 1)),
        "Wax": rng.normal(size=(HIDDEN, INPUT)),
        "Waa": rng.normal(size=(HIDDEN, HIDDEN)) / 2,
        "b": rng.normal(size=(HIDDEN, 1)),
    }
    if indices:
        arrays["x"] = np.array([1, 0, 1, 2, 1])
    if name == "upstream of the states":
        return arrays | {"da": rng.normal(size=(*time, HIDDEN, 1))}
    arrays |= {"Wya": rng.normal(size=(OUTPUT, HIDDEN)), "by": rng.normal(size=(OUTPUT, 1))}
    given = rng.normal(size=(*time, OUTPUT, 1))
    if name == "softmax":
        return arrays | {"y": (given == given.max(axis=-2, keepdims=True)).astype(float)}
    if name == "logistic":
        return arrays | {"y": (given > 0).astype(float)}
    return arrays | {OBJECTIVES[name][1]: given}


def layer(arrays: Arrays) -> Arrays:
    return {name: arrays[name] for name in ("x", "a0", "Wax", "Waa", "b")}


def complex_step(arrays: Arrays, name: str, **settings: Any) -> Array:
    """d loss / d arrays[name], element by element: Im loss(w + ih) / h, which has no difference to round."""
    h = 1e-100
    slope = np.zeros(arrays[name].shape)
    for place in np.ndindex(slope.shape):
        moved = arrays[name].astype(complex)
        moved[place] += h * 1j
        loss, _ = rnn(**(arrays | {name: moved}), **settings)
        slope[place] = loss.imag / h
    return slope


@pytest.mark.parametrize("indices", [False, True], ids=["vectors", "indices"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("objective", ALL_OBJECTIVES)
def test_every_gradient_is_the_slope_of_the_loss(objective: str, activation: str, indices: bool) -> None:
    arrays = case(objective, indices=indices)
    _, grads = rnn(**arrays, objective=objective, activation=activation)
    differentiable = set(arrays) - {"y", "da", "dz", "dp"} - ({"x"} if indices else set())
    assert set(grads) == differentiable
    for name in differentiable:
        slope = complex_step(arrays, name, objective=objective, activation=activation)
        assert np.abs(slope).max() > 0
        assert grads[name].shape == arrays[name].shape
        assert np.abs(grads[name] - slope).max() <= 1e-12 * np.abs(slope).max(), name


def test_the_relu_case_has_units_on_and_off_after_every_step() -> None:
    arrays = case("upstream of the states")
    states = forward(**layer(arrays), activation="relu")
    assert all(0 < np.count_nonzero(states[t]) < HIDDEN for t in range(TIME))


def test_one_step_is_the_cell_computed_by_hand() -> None:
    def column(*numbers: float) -> Array:
        return np.array(numbers, float).reshape(-1, 1)

    loss, grads = rnn(
        x=np.array([column(1, 1)]),
        a0=column(1, 2),
        Wax=np.array([[1.0, 2.0], [3.0, -1.0]]),
        Waa=np.array([[1.0, -1.0], [2.0, 0.0]]),
        b=column(1, -6),
        Wya=np.array([[2.0, 5.0]]),
        by=column(1),
        y=np.array([column(4)]),
        objective="squared error",
        activation="relu",
    )
    # araw = (3, 2) + (-1, 2) + (1, -6) = (3, -2), a = (3, 0), z = 7, dz = 3, da = (6, 15), daraw = (6, 0)
    assert loss == 4.5
    expected = {
        "Wya": [[9, 0]],
        "by": [[3]],
        "b": [[6], [0]],
        "Wax": [[6, 6], [0, 0]],
        "Waa": [[6, 12], [0, 0]],
        "x": [[[6], [12]]],
        "a0": [[6], [-6]],
    }
    assert {name: grad.tolist() for name, grad in grads.items()} == expected


def test_class_indices_are_one_hot_columns() -> None:
    arrays = case("softmax", indices=True)
    one_hot = np.eye(INPUT)[arrays["x"]][:, :, None]
    loss, grads = rnn(**arrays)
    loss_one_hot, grads_one_hot = rnn(**(arrays | {"x": one_hot}))
    assert loss == loss_one_hot
    assert set(grads_one_hot) - set(grads) == {"x"}
    assert all(np.array_equal(grads[name], grads_one_hot[name]) for name in grads)


@pytest.mark.parametrize(
    "objective", ["upstream of the states", "upstream of the logits", "upstream of the output"]
)
def test_an_objective_at_the_last_step_is_one_at_every_step_with_zeros_before(objective: str) -> None:
    at_last = case(f"{objective} at the last step")
    given = OBJECTIVES[objective][1]
    padded = np.concatenate([np.zeros((TIME - 1, *at_last[given].shape)), at_last[given][None]])
    _, grads = rnn(**at_last, objective=f"{objective} at the last step")
    _, grads_padded = rnn(**(at_last | {given: padded}), objective=objective)
    assert all(np.allclose(grads[name], grads_padded[name], rtol=1e-14) for name in grads)


def test_an_upstream_gradient_may_be_that_of_a_loss_computed_elsewhere() -> None:
    arrays = case("softmax")
    _, grads = rnn(**arrays)
    without_target = {name: array for name, array in arrays.items() if name != "y"}
    a = forward(**layer(arrays))
    z = np.array([arrays["Wya"] @ a[t] + arrays["by"] for t in range(TIME)])
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    _, by_dz = rnn(**without_target, dz=p - arrays["y"], objective="upstream of the logits")
    _, by_dp = rnn(**without_target, dp=-arrays["y"] / p, objective="upstream of the output")
    for name, grad in grads.items():
        np.testing.assert_allclose(by_dz[name], grad, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(by_dp[name], grad, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("objective", ALL_OBJECTIVES)
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_loss_and_gradients_keep_the_dtype_of_the_arrays(
    objective: str, activation: str, dtype: type
) -> None:
    arrays = case(objective)
    expected_loss, expected = rnn(**arrays, objective=objective, activation=activation)
    cast: Arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    loss, grads = rnn(**cast, objective=objective, activation=activation)
    assert is_of(dtype, loss)
    tolerance = 1e-4 if dtype is np.float32 else 1e-12
    assert abs(loss - expected_loss) <= tolerance * max(1, abs(expected_loss))
    for name, grad in grads.items():
        assert grad.dtype == dtype, name
        assert np.abs(grad - expected[name]).max() <= tolerance * max(1, np.abs(expected[name]).max()), name


@pytest.mark.parametrize("objective", ["softmax", "logistic", "upstream of the output"])
def test_the_backward_pass_goes_complex_too(objective: str) -> None:
    """Second derivatives by the complex step of the gradients are the same in either order."""
    arrays = case(objective)

    def slope(name: str, place: tuple[int, ...]) -> Arrays:
        moved = arrays[name].astype(complex)
        moved[place] += 1e-100j
        _, grads = rnn(**(arrays | {name: moved}), objective=objective)
        return {name: grad.imag / 1e-100 for name, grad in grads.items()}

    places: dict[str, tuple[int, ...]] = {
        "Wax": (1, 2),
        "Waa": (0, 3),
        "Wya": (4, 1),
        "a0": (2, 0),
        "x": (1, 0, 0),
    }
    second = {name: slope(name, place) for name, place in places.items()}
    for first, place in places.items():
        for name, other in places.items():
            expected = pytest.approx(second[name][first][place], rel=1e-10, abs=1e-14)
            assert second[first][name][other] == expected


@pytest.mark.parametrize("scores", [1e4, -1e4])
@pytest.mark.parametrize("objective", ["softmax", "logistic", "upstream of the output"])
def test_large_scores_do_not_overflow(objective: str, scores: float) -> None:
    arrays = case(objective)
    arrays["by"] = arrays["by"] * scores
    for dtype in (float, complex):
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            loss, grads = rnn(**(arrays | {"by": arrays["by"].astype(dtype)}), objective=objective)
        assert np.isfinite(loss)
        assert all(np.isfinite(grad).all() for grad in grads.values())


def test_large_inputs_do_not_overflow_the_sigmoid() -> None:
    arrays = case("softmax")
    arrays["x"] *= 1e4
    with np.errstate(over="raise", invalid="raise"):
        loss, _ = rnn(**arrays, activation="sigmoid")
    assert np.isfinite(loss)


def test_the_arguments_are_left_as_they_are() -> None:
    arrays = case("softmax")
    before = {name: array.copy() for name, array in arrays.items()}
    rnn(**arrays)
    assert all(np.array_equal(arrays[name], before[name]) for name in arrays)


def test_an_unknown_objective_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown objective 'hinge'; the known ones are 'softmax', 'log"):
        rnn(**case("softmax"), objective="hinge")


def test_an_unknown_activation_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown activation 'swish'; the known ones are tanh, relu, sig"):
        rnn(**case("softmax"), activation="swish")


@pytest.mark.parametrize("missing", ["y", "Wya", "by"])
def test_an_objective_says_which_array_it_lacks(missing: str) -> None:
    arrays = case("softmax")
    del arrays[missing]
    with pytest.raises(ValueError, match=f"the objective 'softmax' needs {missing}"):
        rnn(**arrays)


@pytest.mark.parametrize("wrong", [-1, INPUT])
def test_a_class_index_out_of_range_is_refused(wrong: int) -> None:
    arrays = case("softmax", indices=True)
    arrays["x"][2] = wrong
    with pytest.raises(ValueError, match="class indices run from 0 to 2"):
        rnn(**arrays)


def test_clipping_bounds_each_element_and_leaves_its_argument_alone() -> None:
    grads = {"b": np.array([[-7.0], [0.5], [5.5]], np.float32)}
    clipped = learn.clip(grads, 5)
    assert clipped["b"].tolist() == [[-5], [0.5], [5]]
    assert clipped["b"].dtype == np.float32
    assert grads["b"].tolist() == [[-7], [0.5], [5.5]]


def test_adagrad_divides_by_the_root_of_all_squares_so_far() -> None:
    b, memory = np.array([[1.0], [1.0]]), np.array([[0.0], [16.0]])
    learn.adagrad({"b": b}, {"b": np.array([[-2.0], [3.0]]), "a0": np.ones((2, 1))}, {"b": memory}, rate=0.1)
    np.testing.assert_array_equal(memory, [[4.0], [25.0]])
    np.testing.assert_allclose(b, [[1.1], [1 - 0.1 * 3 / 5]], rtol=1e-8)


def char_model(classes: int, dtype: type = np.float64) -> Arrays:
    rng = np.random.default_rng(3)
    shapes = {"Wax": (8, classes), "Waa": (8, 8), "b": (8, 1), "Wya": (classes, 8), "by": (classes, 1)}
    return {name: rng.normal(0, 0.3, shape).astype(dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_are_drawn_with_the_probabilities_of_the_model(dtype: type) -> None:
    parameters = char_model(3, dtype)
    parameters["Wya"][:] = 0
    parameters["by"][:, 0] = np.log([0.2, 0.7, 0.1])
    drawn = learn.sample(parameters, np.zeros((8, 1), dtype), 0, 2000, np.random.default_rng(1))
    frequency = np.bincount(drawn, minlength=3) / len(drawn)
    assert len(drawn) == 2000
    assert np.abs(frequency - [0.2, 0.7, 0.1]).max() < 0.04


def test_the_same_seed_draws_the_same_sample() -> None:
    def draw(seed: int) -> list[int]:
        return learn.sample(char_model(5), np.zeros((8, 1)), 2, 40, np.random.default_rng(seed))

    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


def test_a_model_learns_a_cycle_and_samples_it() -> None:
    """What follows a 0 depends on what came before it, so that the state has to carry something."""
    text = np.array([0, 1, 0, 2] * 4)
    parameters = char_model(3)
    memory = {name: np.zeros_like(W) for name, W in parameters.items()}
    a0 = np.zeros((8, 1))
    y = np.eye(3)[text[1:]][:, :, None]
    losses = []
    for _ in range(150):
        loss, grads = rnn(x=text[:-1], a0=a0, **parameters, y=y)
        learn.adagrad(parameters, learn.clip(grads, 5), memory, rate=0.1)
        losses.append(loss)
    assert losses[-1] < losses[0] / 10
    assert learn.sample(parameters, a0, 0, 7, np.random.default_rng(0)) == [1, 0, 2, 0, 1, 0, 2]
