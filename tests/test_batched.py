"""The row implementation: its gradients against the complex step of its own loss, and its other promises."""

import numpy as np
import pytest

from rowcol.batched import adagrad, clip, rnn, sample
from rowcol.batched.activation import ACTIVATIONS
from rowcol.batched.objective import AT_THE_LAST_STEP, OBJECTIVES, of_logits, of_states
from rowcol.batched.rnn import forward
from tests.numpy_version import is_of

TIME, BATCH, INPUT, HIDDEN, OUTPUT = 5, 2, 3, 4, 6
GIVEN = {
    "upstream of the states": ("dh", HIDDEN),
    "upstream of the logits": ("dz", OUTPUT),
    "upstream of the output": ("dp", OUTPUT),
}


def arrays_for(objective, *, indices=False, seed=0, scale=1.0, dtype=np.float64):
    """All that `rnn` needs for an objective, by name; without the readout where it takes no part."""
    rng = np.random.default_rng(seed)
    name = objective.removesuffix(AT_THE_LAST_STEP)
    steps = (BATCH,) if objective.endswith(AT_THE_LAST_STEP) else (TIME, BATCH)
    shapes = {
        "x": (TIME, BATCH, INPUT),
        "h0": (BATCH, HIDDEN),
        "Wxh": (INPUT, HIDDEN),
        "Whh": (HIDDEN, HIDDEN),
        "bh": (HIDDEN,),
        "Why": (HIDDEN, OUTPUT),
        "by": (OUTPUT,),
    }
    arrays = {key: scale * rng.standard_normal(shape) for key, shape in shapes.items()}
    if name == "upstream of the states":
        del arrays["Why"], arrays["by"]
    if name in GIVEN:
        key, width = GIVEN[name]
        arrays[key] = rng.standard_normal((*steps, width))
    elif name == "softmax":
        arrays["y"] = np.eye(OUTPUT)[rng.integers(0, OUTPUT, steps)]
    elif name == "logistic":
        arrays["y"] = rng.integers(0, 2, (*steps, OUTPUT)).astype(float)
    else:
        arrays["y"] = rng.standard_normal((*steps, OUTPUT))
    arrays = {key: array.astype(dtype) for key, array in arrays.items()}
    if indices:
        arrays["x"] = rng.integers(0, INPUT, (TIME, BATCH))
    return arrays


def complex_step(arrays, name, **settings):
    """The gradient of the loss by one array: the imaginary part of the loss, element by element."""
    step = 1e-30
    gradient = np.empty(arrays[name].shape)
    for index in np.ndindex(gradient.shape):
        moved = arrays[name].astype(np.complex128)
        moved[index] += 1j * step
        loss, _ = rnn(**{**arrays, name: moved}, **settings)
        gradient[index] = loss.imag / step
    return gradient


def assert_gradients_are_those_of_the_loss(arrays, **settings):
    _, gradients = rnn(**arrays, **settings)
    differentiated = set(arrays) - {"y", "dh", "dz", "dp"}
    if arrays["x"].ndim == 2:
        differentiated.remove("x")
    assert set(gradients) == differentiated
    for name, gradient in gradients.items():
        expected = complex_step(arrays, name, **settings)
        assert gradient.shape == arrays[name].shape
        assert np.abs(gradient - expected).max() <= 1e-12 * np.abs(expected).max(), name


@pytest.mark.parametrize("indices", [False, True], ids=["vectors", "indices"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_gradient_is_the_complex_step_of_the_loss(objective, activation, indices):
    arrays = arrays_for(objective, indices=indices, seed=len(objective))
    assert_gradients_are_those_of_the_loss(arrays, objective=objective, activation=activation)


def test_a_single_step_is_a_cell():
    arrays = arrays_for("softmax")
    arrays["x"], arrays["y"] = arrays["x"][:1], arrays["y"][:1]
    assert_gradients_are_those_of_the_loss(arrays)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_batch_is_the_sum_over_its_examples(objective):
    arrays = arrays_for(objective)
    loss, gradients = rnn(**arrays, objective=objective)
    by_axis = {"x": 1, "h0": 0, **dict.fromkeys(("y", "dh", "dz", "dp"), -2)}
    alone = [
        rnn(
            **{k: a.take([n], by_axis[k]) if k in by_axis else a for k, a in arrays.items()},
            objective=objective,
        )
        for n in range(BATCH)
    ]
    assert loss == pytest.approx(sum(one for one, _ in alone), rel=1e-13)
    for name, gradient in gradients.items():
        parts = [one[name] for _, one in alone]
        together = np.concatenate(parts, by_axis[name]) if name in by_axis else sum(parts)
        np.testing.assert_allclose(gradient, together, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("indices", [False, True], ids=["vectors", "indices"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_float32_stays_float32_and_complex_stays_complex(objective, activation, indices):
    for dtype in (np.float32, np.complex128):
        arrays = arrays_for(objective, indices=indices, dtype=dtype)
        loss, gradients = rnn(**arrays, objective=objective, activation=activation)
        assert is_of(dtype, loss)
        assert {gradient.dtype for gradient in gradients.values()} == {np.dtype(dtype)}


def test_float32_gradients_are_the_float64_ones_to_single_precision():
    _, double = rnn(**arrays_for("softmax"))
    _, single = rnn(**arrays_for("softmax", dtype=np.float32))
    for name in double:
        assert np.abs(single[name] - double[name]).max() <= 1e-5 * np.abs(double[name]).max()


def test_integer_targets_do_not_change_the_dtype():
    arrays = arrays_for("softmax", dtype=np.float32)
    arrays["y"] = arrays["y"].astype(int)
    loss, gradients = rnn(**arrays)
    assert {loss.dtype, *(gradient.dtype for gradient in gradients.values())} == {np.dtype(np.float32)}


def test_class_indices_are_one_hot_vectors():
    arrays = arrays_for("softmax", indices=True)
    loss, gradients = rnn(**arrays)
    hot_loss, hot_gradients = rnn(**{**arrays, "x": np.eye(INPUT)[arrays["x"]]})
    assert loss == pytest.approx(hot_loss, rel=1e-15)
    assert set(hot_gradients) - set(gradients) == {"x"}
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, hot_gradients[name], rtol=1e-13, atol=1e-15)


def test_the_loss_is_the_one_in_the_textbook():
    arrays = arrays_for("softmax")
    loss, _ = rnn(**arrays)
    expected = 0.0
    for n in range(BATCH):
        h = arrays["h0"][n]
        for t in range(TIME):
            h = np.tanh(arrays["x"][t, n] @ arrays["Wxh"] + h @ arrays["Whh"] + arrays["bh"])
            p = np.exp(h @ arrays["Why"] + arrays["by"])
            expected -= np.log(p[arrays["y"][t, n] == 1] / p.sum()).item()
    assert loss == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("objective", ["softmax", "logistic", "upstream of the output"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_huge_weights_neither_overflow_nor_lose_the_loss(objective, activation):
    arrays = arrays_for(objective, scale=1e4)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, gradients = rnn(**arrays, objective=objective, activation=activation)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


def test_huge_logits_keep_the_complex_step():
    z = np.array([[900.0, -900.0, 0.5]])
    for objective in ("softmax", "logistic"):
        y = np.array([[0.0, 1.0, 0.0]])
        _, dz = of_logits(z, y, None, None, objective)
        for k in range(3):
            moved = z + 1e-30j * np.eye(3)[k]
            loss, _ = of_logits(moved, y, None, None, objective)
            assert loss.imag / 1e-30 == pytest.approx(dz[0, k], rel=1e-12, abs=1e-300)


def test_a_nan_in_the_input_reaches_the_loss_through_every_activation():
    for activation in ACTIVATIONS:
        arrays = arrays_for("squared error")
        arrays["x"][0, 0, 0] = np.nan
        loss, _ = rnn(**arrays, objective="squared error", activation=activation)
        assert np.isnan(loss)


def test_arguments_are_left_as_they_were():
    for objective in OBJECTIVES:
        arrays = arrays_for(objective)
        before = {name: array.copy() for name, array in arrays.items()}
        rnn(**arrays, objective=objective)
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, before[name])


def test_the_initial_state_stands_in_front_of_the_states():
    arrays = arrays_for("upstream of the states")
    h = forward(*(arrays[name] for name in ("x", "h0", "Wxh", "Whh", "bh")))
    assert h.shape == (TIME + 1, BATCH, HIDDEN)
    np.testing.assert_array_equal(h[0], arrays["h0"])


def test_an_unknown_objective_names_the_known_ones():
    with pytest.raises(ValueError, match="unknown objective 'softmx': expected one of 'softmax', 'logi"):
        rnn(**arrays_for("softmax"), objective="softmx")


def test_the_logits_have_no_objective_of_the_states():
    with pytest.raises(ValueError, match="unknown objective 'upstream of the states'"):
        of_logits(np.zeros((1, 2)), None, None, None, "upstream of the states")


def test_an_unknown_activation_names_the_known_ones():
    expected = r"unknown activation 'gelu': expected one of 'tanh', 'relu', 'sigmoid'"
    with pytest.raises(ValueError, match=expected):
        rnn(**arrays_for("softmax"), activation="gelu")


@pytest.mark.parametrize(
    ("objective", "left_out", "message"),
    [
        ("softmax", "y", "the objective 'softmax' needs y"),
        ("softmax", "Why", "the objective 'softmax' needs Why and by"),
        ("upstream of the states", "dh", "the objective 'upstream of the states' needs dh"),
        ("upstream of the logits", "dz", "the objective 'upstream of the logits' needs dz"),
        ("upstream of the output", "dp", "the objective 'upstream of the output' needs dp"),
    ],
)
def test_a_missing_array_is_named(objective, left_out, message):
    arrays = arrays_for(objective)
    del arrays[left_out]
    with pytest.raises(ValueError, match=message):
        rnn(**arrays, objective=objective)


def test_targets_are_never_broadcast():
    arrays = arrays_for("softmax at the last step")
    with pytest.raises(ValueError, match=r"needs y of shape \(5, 2, 6\), not \(2, 6\)"):
        rnn(**arrays, objective="softmax")


def test_only_the_last_step_has_a_gradient_from_outside_at_the_last_step():
    arrays = arrays_for("upstream of the states at the last step")
    h = np.ones((TIME, BATCH, HIDDEN))
    dh = arrays["dh"]
    loss, dh_out, readout = of_states(
        h, None, None, None, dh, None, None, "upstream of the states at the last step"
    )
    assert loss == dh.sum() and readout == {}
    assert not dh_out[:-1].any()
    np.testing.assert_array_equal(dh_out[-1], dh)


def test_clipping_bounds_every_element_and_changes_nothing_it_was_given():
    g = np.array([-7.0, 2.0, 5.5], np.float32)
    clipped = clip({"g": g}, 5)["g"]
    np.testing.assert_array_equal(clipped, np.array([-5, 2, 5], np.float32))
    assert clipped.dtype == np.float32
    np.testing.assert_array_equal(g, np.array([-7.0, 2.0, 5.5], np.float32))


def test_adagrad_updates_the_arrays_it_was_given():
    W, memory = np.array([1.0, 1.0], np.float32), np.array([0.0, 9.0], np.float32)
    g = np.array([2.0, 4.0], np.float32)
    adagrad({"W": W}, {"W": g, "h0": g}, {"W": memory}, 0.1)
    np.testing.assert_array_equal(memory, [4, 25])
    np.testing.assert_allclose(W, [1 - 0.1 * 2 / 2, 1 - 0.1 * 4 / 5], rtol=1e-6)
    assert W.dtype == memory.dtype == np.float32


def test_training_brings_the_loss_down():
    arrays = arrays_for("softmax", indices=True)
    parameters = {name: arrays[name] for name in ("Wxh", "Whh", "bh", "Why", "by")}
    memory = {name: np.zeros_like(W) for name, W in parameters.items()}
    first, _ = rnn(**arrays)
    for _ in range(50):
        _, gradients = rnn(**arrays)
        adagrad(parameters, clip(gradients, 5), memory, 0.1)
    last, _ = rnn(**arrays)
    assert last < first / 2


def counting_model(dtype):
    """Parameters with which class k is almost surely followed by class k + 1, modulo four."""
    return {
        "Wxh": 5 * np.eye(4, dtype=dtype),
        "Whh": np.zeros((4, 4), dtype),
        "bh": np.zeros(4, dtype),
        "Why": 100 * np.roll(np.eye(4, dtype=dtype), 1, axis=1),
        "by": np.zeros(4, dtype),
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_follow_the_model_and_feed_themselves(dtype):
    drawn = sample(counting_model(dtype), np.zeros((1, 4), dtype), 1, 6, np.random.default_rng(0))
    assert drawn == [2, 3, 0, 1, 2, 3]
    assert all(type(c) is int for c in drawn)


def test_samples_have_the_frequencies_of_the_softmax():
    parameters = {name: np.zeros_like(W) for name, W in counting_model(np.float32).items()}
    parameters["by"][:] = np.log([0.1, 0.2, 0.3, 0.4])
    drawn = sample(parameters, np.zeros((1, 4), np.float32), 0, 4000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 4000, [0.1, 0.2, 0.3, 0.4], atol=0.03)


def test_the_same_generator_draws_the_same_sample():
    arrays = arrays_for("softmax")
    arrays["Why"] = arrays["Why"][:, :INPUT]
    arrays["by"] = arrays["by"][:INPUT]
    draws = [sample(arrays, arrays["h0"][:1], 0, 20, np.random.default_rng(7)) for _ in range(2)]
    assert draws[0] == draws[1]
