"""The other families on rows: gradients against the complex step of their own loss, and other promises."""

import zlib
from functools import partial

import numpy as np
import pytest

from rowcol.batched import attention, dense, gru, lstm, rnn
from rowcol.batched.activation import sigmoid
from rowcol.batched.objective import AT_THE_LAST_STEP, OBJECTIVES
from tests.numpy_version import is_of

TIME, BATCH, INPUT, HIDDEN, OUTPUT = 4, 2, 3, 3, 4
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
GRUS = [
    pytest.param({"reset": reset, "update": update}, id=f"{reset}, {update}")
    for reset in ("before", "after")
    for update in ("z keeps", "z takes")
]
RECURRENT = [
    pytest.param(rnn, {}, id="rnn"),
    pytest.param(lstm, {}, id="lstm"),
    pytest.param(gru, {"reset": "before", "update": "z keeps"}, id="gru before"),
    pytest.param(gru, {"reset": "after", "update": "z takes"}, id="gru after"),
]
NETWORKS = [pytest.param(1, True, id="both directions"), pytest.param(2, False, id="two layers")]
NETWORKS += [pytest.param(3, True, id="three layers, both directions")]
GIVEN = {"y", "dh", "dz", "dp", "dc", "dout"}


def seeded(*words):
    """A generator of its own for every test case, the same in every run."""
    return np.random.default_rng(zlib.crc32(repr(words).encode()))


def recurrent_arrays(
    family, objective, settings, *, layers=1, both=False, indices=False, dtype=np.float64, scale=1.0
):
    """All that a recurrent family needs for an objective, by name; no readout where it takes no part."""
    rng = seeded(family.__name__, objective, settings, layers, both, indices)
    directions = ["", ".reverse"] if both else [""]
    width = HIDDEN * len(directions)
    gates = GATES[family.__name__] * HIDDEN
    shapes = {"x": (TIME, BATCH, INPUT)}
    for layer in range(layers):
        below = width if layer else INPUT
        for direction in directions:
            end = (f".{layer}" if layer else "") + direction
            shapes |= {"Wxh" + end: (below, gates), "Whh" + end: (HIDDEN, gates), "bh" + end: (gates,)}
            shapes["h0" + end] = (BATCH, HIDDEN)
            if family is lstm:
                shapes["c0" + end] = (BATCH, HIDDEN)
            if settings.get("reset") == "after":
                shapes["bn" + end] = (HIDDEN,)
    name = objective.removesuffix(AT_THE_LAST_STEP)
    if name != "upstream of the states":
        shapes |= {"Why": (width, OUTPUT), "by": (OUTPUT,)}
    arrays = {key: scale * rng.standard_normal(shape) for key, shape in shapes.items()}
    steps = (BATCH,) if objective.endswith(AT_THE_LAST_STEP) else (TIME, BATCH)
    arrays |= what_is_given(name, steps, width, rng)
    arrays = {key: array.astype(dtype) for key, array in arrays.items()}
    if indices:
        arrays["x"] = rng.integers(0, INPUT, (TIME, BATCH))
    return arrays


def what_is_given(objective, steps, width, rng):
    """Targets or the upstream gradient."""
    if objective == "softmax":
        return {"y": np.eye(OUTPUT)[rng.integers(0, OUTPUT, steps)]}
    if objective == "logistic":
        return {"y": rng.integers(0, 2, (*steps, OUTPUT)).astype(float)}
    if objective == "squared error":
        return {"y": rng.standard_normal((*steps, OUTPUT))}
    if objective == "upstream of the states":
        return {"dh": rng.standard_normal((*steps, width))}
    return {{"logits": "dz", "output": "dp"}[objective.split()[-1]]: rng.standard_normal((*steps, OUTPUT))}


def dense_arrays(objective, widths, dtype=np.float64, scale=1.0):
    """x (batch, input), and W and b of layers between the widths."""
    rng = seeded(objective, widths)
    arrays = {"x": rng.standard_normal((BATCH, widths[0]))}
    for k in range(1, len(widths)):
        arrays[f"W{k}"] = scale * rng.standard_normal((widths[k - 1], widths[k]))
        arrays[f"b{k}"] = scale * rng.standard_normal(widths[k])
    arrays |= what_is_given(objective, (BATCH,), None, rng)
    return {key: array.astype(dtype) for key, array in arrays.items()}


def attention_arrays(time=4, head=2, key=3, model=6, dtype=np.float64, scale=1.0):
    rng = seeded(time, head, key, model)
    shapes = {
        "x": (BATCH, time, model),
        "W": (model, 3 * head * key),
        "b": (3 * head * key,),
        "Wo": (head * key, model),
        "bo": (model,),
        "dout": (BATCH, time, model),
    }
    return {name: (scale * rng.standard_normal(shape)).astype(dtype) for name, shape in shapes.items()}


def assert_gradients_are_those_of_the_loss(run, arrays, elements=12):
    """Every gradient against the complex step: at all elements of an array, or at some where it has many."""
    _, gradients = run(**arrays)
    differentiated = {n for n, a in arrays.items() if n not in GIVEN and np.issubdtype(a.dtype, np.floating)}
    assert set(gradients) == differentiated
    rng = np.random.default_rng(0)
    for name, gradient in gradients.items():
        assert gradient.shape == arrays[name].shape
        at = rng.permutation(gradient.size)[:elements]
        expected = np.empty(len(at))
        for k, position in enumerate(at):
            moved = arrays[name].astype(np.complex128)
            moved.flat[position] += 1e-30j
            expected[k] = run(**{**arrays, name: moved})[0].imag / 1e-30
        bar = 1e-12 * max(np.abs(gradient).max(), np.abs(expected).max())
        assert np.abs(gradient.flat[at] - expected).max() <= bar, name


def assert_dtypes(run, arrays, dtype):
    loss, gradients = run(**arrays)
    assert is_of(dtype, loss)
    assert {name: g.dtype for name, g in gradients.items()} == dict.fromkeys(gradients, np.dtype(dtype))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("family", "settings"), RECURRENT[1:])
def test_every_gradient_is_the_complex_step_of_the_loss(family, settings, objective):
    arrays = recurrent_arrays(family, objective, settings)
    assert_gradients_are_those_of_the_loss(partial(family, objective=objective, **settings), arrays)


@pytest.mark.parametrize("settings", GRUS)
def test_every_element_of_a_gru_gradient_is_the_complex_step(settings):
    arrays = recurrent_arrays(gru, "softmax", settings)
    assert_gradients_are_those_of_the_loss(partial(gru, **settings), arrays, elements=100)


def test_every_element_of_an_lstm_gradient_is_the_complex_step():
    arrays = recurrent_arrays(lstm, "softmax", {})
    assert_gradients_are_those_of_the_loss(lstm, arrays, elements=100)


@pytest.mark.parametrize(("layers", "both"), NETWORKS)
@pytest.mark.parametrize(("family", "settings"), RECURRENT)
@pytest.mark.parametrize("objective", ["softmax", "upstream of the states at the last step"])
def test_gradients_of_a_network_are_the_complex_step(objective, family, settings, layers, both):
    arrays = recurrent_arrays(family, objective, settings, layers=layers, both=both)
    assert_gradients_are_those_of_the_loss(partial(family, objective=objective, **settings), arrays, 3)


@pytest.mark.parametrize(("family", "settings"), RECURRENT)
def test_the_backward_direction_reads_the_steps_from_the_last(family, settings):
    both = recurrent_arrays(family, "upstream of the states", settings, both=True)
    for name in [name for name in both if name.endswith(".reverse")]:
        both[name] = both[name.removesuffix(".reverse")]
    states = partial(family, objective="upstream of the states", **settings)
    ahead, behind = both["dh"][..., :HIDDEN], both["dh"][..., HIDDEN:]
    alone = {name: array for name, array in both.items() if not name.endswith(".reverse")}
    loss, gradients = states(**both)
    loss_ahead, gradients_ahead = states(**{**alone, "dh": ahead})
    loss_behind, gradients_behind = states(**{**alone, "x": both["x"][::-1], "dh": behind[::-1]})
    assert loss == pytest.approx(loss_ahead + loss_behind, rel=1e-13)
    np.testing.assert_allclose(gradients["x"], gradients_ahead["x"] + gradients_behind["x"][::-1], rtol=1e-11)
    for name in gradients_ahead.keys() - {"x"}:
        np.testing.assert_allclose(gradients[name], gradients_ahead[name], rtol=1e-11)
        np.testing.assert_allclose(gradients[name + ".reverse"], gradients_behind[name], rtol=1e-11)


@pytest.mark.parametrize(("layers", "both"), [*NETWORKS, pytest.param(1, False, id="one layer")])
@pytest.mark.parametrize(("family", "settings"), RECURRENT)
def test_class_indices_are_one_hot_vectors(family, settings, layers, both):
    arrays = recurrent_arrays(family, "softmax", settings, layers=layers, both=both, indices=True)
    loss, gradients = family(**arrays, **settings)
    hot_loss, hot_gradients = family(**{**arrays, "x": np.eye(INPUT)[arrays["x"]]}, **settings)
    assert loss == pytest.approx(hot_loss, rel=1e-14)
    assert set(hot_gradients) - set(gradients) == {"x"}
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, hot_gradients[name], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("layers", "both"), [*NETWORKS, pytest.param(1, False, id="one layer")])
@pytest.mark.parametrize(("family", "settings"), RECURRENT)
def test_a_batch_is_the_sum_over_its_examples(family, settings, layers, both):
    arrays = recurrent_arrays(family, "softmax", settings, layers=layers, both=both)
    loss, gradients = family(**arrays, **settings)

    def axis(name):
        return 1 if name in ("x", "y") else 0 if name[:2] in ("h0", "c0") else None

    alone = [
        family(**{k: a if axis(k) is None else a.take([n], axis(k)) for k, a in arrays.items()}, **settings)
        for n in range(BATCH)
    ]
    assert loss == pytest.approx(sum(one for one, _ in alone), rel=1e-13)
    for name, gradient in gradients.items():
        parts = [one[name] for _, one in alone]
        together = sum(parts) if axis(name) is None else np.concatenate(parts, axis(name))
        np.testing.assert_allclose(gradient, together, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
@pytest.mark.parametrize("indices", [False, True], ids=["vectors", "indices"])
@pytest.mark.parametrize(("layers", "both"), [*NETWORKS, pytest.param(1, False, id="one layer")])
@pytest.mark.parametrize(("family", "settings"), RECURRENT)
def test_float32_stays_float32_and_complex_stays_complex(family, settings, layers, both, indices, dtype):
    arrays = recurrent_arrays(
        family, "softmax", settings, layers=layers, both=both, indices=indices, dtype=dtype
    )
    assert_dtypes(partial(family, **settings), arrays, dtype)


@pytest.mark.parametrize("indices", [False, True], ids=["vectors", "indices"])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("family", "settings"), RECURRENT)
def test_float32_stays_float32_under_every_objective(family, settings, objective, indices):
    arrays = recurrent_arrays(family, objective, settings, indices=indices, dtype=np.float32)
    assert_dtypes(partial(family, objective=objective, **settings), arrays, np.float32)


@pytest.mark.parametrize(("family", "settings"), RECURRENT)
def test_a_single_step_is_a_cell(family, settings):
    arrays = recurrent_arrays(family, "softmax", settings)
    arrays["x"], arrays["y"] = arrays["x"][:1], arrays["y"][:1]
    assert_gradients_are_those_of_the_loss(partial(family, **settings), arrays)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("family", "settings"), RECURRENT)
def test_huge_weights_neither_overflow_nor_lose_the_loss(family, settings, dtype):
    arrays = recurrent_arrays(family, "softmax", settings, scale=1e4, dtype=dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, gradients = family(**arrays, **settings)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


@pytest.mark.parametrize(("family", "settings"), RECURRENT)
def test_arguments_are_left_as_they_were(family, settings):
    arrays = recurrent_arrays(family, "softmax", settings, layers=2, both=True)
    before = {name: array.copy() for name, array in arrays.items()}
    family(**arrays, **settings)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(("family", "settings"), RECURRENT)
@pytest.mark.parametrize("at_once", [1, 3])
def test_how_many_steps_the_cache_holds_changes_nothing(family, settings, at_once, monkeypatch):
    arrays = recurrent_arrays(family, "softmax", settings, layers=2, both=True)
    loss, gradients = family(**arrays, objective="softmax", **settings)
    step = GATES[family.__name__] * BATCH * HIDDEN * 8
    monkeypatch.setattr("rowcol.batched.rows.IN_CACHE", at_once * step)
    other, others = family(**arrays, objective="softmax", **settings)
    assert other == loss
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(others[name], gradient)


def test_the_lstm_is_the_one_in_the_textbook():
    arrays = recurrent_arrays(lstm, "upstream of the states", {})
    expected = 0.0
    for n in range(BATCH):
        h, c = arrays["h0"][n], arrays["c0"][n]
        for t in range(TIME):
            pre = arrays["x"][t, n] @ arrays["Wxh"] + h @ arrays["Whh"] + arrays["bh"]
            i, f, g, o = np.split(pre, 4)
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
            c = f * c + i * np.tanh(g)
            h = o * np.tanh(c)
            expected += h @ arrays["dh"][t, n]
    loss, _ = lstm(**arrays, objective="upstream of the states")
    assert loss == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("settings", GRUS)
def test_the_gru_is_the_one_in_the_textbook(settings):
    arrays = recurrent_arrays(gru, "upstream of the states", settings)
    Wr, Wz, Wn = np.split(arrays["Whh"], 3, axis=1)
    expected = 0.0
    for n in range(BATCH):
        h = arrays["h0"][n]
        for t in range(TIME):
            xr, xz, xn = np.split(arrays["x"][t, n] @ arrays["Wxh"] + arrays["bh"], 3)
            r = 1 / (1 + np.exp(-(xr + h @ Wr)))
            z = 1 / (1 + np.exp(-(xz + h @ Wz)))
            inside = (r * h) @ Wn if settings["reset"] == "before" else r * (h @ Wn + arrays["bn"])
            new = np.tanh(xn + inside)
            h = z * h + (1 - z) * new if settings["update"] == "z keeps" else (1 - z) * h + z * new
            expected += h @ arrays["dh"][t, n]
    loss, _ = gru(**arrays, objective="upstream of the states", **settings)
    assert loss == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("objective", ["upstream of the states", "upstream of the states at the last step"])
def test_the_last_cell_state_takes_a_gradient_of_its_own(objective):
    arrays = recurrent_arrays(lstm, objective, {})
    arrays["dc"] = seeded(objective).standard_normal((BATCH, HIDDEN))
    assert_gradients_are_those_of_the_loss(partial(lstm, objective=objective), arrays, elements=40)
    assert_dtypes(
        partial(lstm, objective=objective), {k: a.astype("f4") for k, a in arrays.items()}, np.float32
    )


def test_no_gradient_of_the_last_cell_state_is_a_zero_one():
    arrays = recurrent_arrays(lstm, "upstream of the states", {})
    loss, gradients = lstm(**arrays, objective="upstream of the states")
    zero_loss, zero_gradients = lstm(
        **arrays, dc=np.zeros((BATCH, HIDDEN)), objective="upstream of the states"
    )
    assert loss == zero_loss and set(gradients) == set(zero_gradients)
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, zero_gradients[name])


def test_a_gradient_of_the_cell_state_goes_with_those_of_the_states_of_one_layer():
    dc = np.zeros((BATCH, HIDDEN))
    with pytest.raises(ValueError, match="'softmax' takes no dc"):
        lstm(**recurrent_arrays(lstm, "softmax", {}), dc=dc)
    arrays = recurrent_arrays(lstm, "upstream of the states", {}, layers=2)
    with pytest.raises(ValueError, match=r"single layer in one direction, not with Wxh\.1"):
        lstm(**arrays, dc=dc, objective="upstream of the states")


@pytest.mark.parametrize("update", ["z keeps", "z takes"])
def test_a_bias_left_out_of_the_reset_is_zero_and_has_no_gradient(update):
    settings = {"reset": "after", "update": update}
    arrays = recurrent_arrays(gru, "softmax", settings)
    zero_loss, zero_gradients = gru(**{**arrays, "bn": np.zeros(HIDDEN)}, **settings)
    del arrays["bn"]
    loss, gradients = gru(**arrays, **settings)
    assert loss == zero_loss
    assert set(zero_gradients) - set(gradients) == {"bn"}


def test_a_gru_says_what_it_does_not_know():
    arrays = recurrent_arrays(gru, "softmax", {"reset": "after"})
    with pytest.raises(ValueError, match="unknown reset 'during': expected one of 'before', 'after'"):
        gru(**arrays, reset="during", update="z keeps")
    with pytest.raises(ValueError, match="unknown update 'z': expected one of 'z keeps', 'z takes'"):
        gru(**arrays, reset="after", update="z")
    with pytest.raises(ValueError, match="bn stands inside a reset after the product"):
        gru(**arrays, reset="before", update="z keeps")


def test_a_missing_array_of_a_network_is_named():
    arrays = recurrent_arrays(rnn, "softmax", {}, layers=3, both=True)
    del arrays["Whh.1.reverse"]
    with pytest.raises(ValueError, match=r"^Whh\.1\.reverse is missing: .* 3 layers in both directions$"):
        rnn(**arrays)


def test_an_array_of_no_layer_is_named():
    arrays = recurrent_arrays(rnn, "softmax", {}, layers=2)
    for name in ("Wxh.reversed", "Waa.1", "wxh"):
        with pytest.raises(ValueError, match=f"^unknown array '{name}': expected one of 'Wxh', 'Whh'"):
            rnn(**arrays, **{name: arrays["Wxh"]})


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "relu, sigmoid"])
@pytest.mark.parametrize(
    "objective",
    ["softmax", "logistic", "squared error", "upstream of the logits", "upstream of the output"],
)
def test_gradients_of_dense_layers_are_the_complex_step(objective, activation):
    arrays = dense_arrays(objective, (3, 5, 6, OUTPUT))
    run = partial(dense, objective=objective, activation=activation)
    assert_gradients_are_those_of_the_loss(run, arrays, elements=30)
    assert_dtypes(run, {name: array.astype(np.float32) for name, array in arrays.items()}, np.float32)


@pytest.mark.parametrize("hidden", [(), (5,), (5, 5, 5, 5)])
def test_dense_networks_have_as_many_layers_as_parameters(hidden):
    arrays = dense_arrays("softmax", (3, *hidden, OUTPUT))
    assert_gradients_are_those_of_the_loss(dense, arrays)


def test_each_hidden_layer_may_have_its_activation():
    arrays = dense_arrays("upstream of the logits", (3, 5, 6, OUTPUT))
    h1 = np.maximum(arrays["x"] @ arrays["W1"] + arrays["b1"], 0)
    h2 = np.tanh(h1 @ arrays["W2"] + arrays["b2"])
    z = h2 @ arrays["W3"] + arrays["b3"]
    loss, _ = dense(**arrays, objective="upstream of the logits", activation="relu, tanh")
    assert loss == pytest.approx(np.sum(arrays["dz"] * z), rel=1e-13)


def test_dense_layers_that_do_not_fit_are_named():
    arrays = dense_arrays("softmax", (3, 5, 6, OUTPUT))
    with pytest.raises(ValueError, match="3 activations, 'tanh, relu, tanh', for 2 hidden layers"):
        dense(**arrays, activation="tanh, relu, tanh")
    with pytest.raises(ValueError, match="unknown objective 'softmax at the last step'"):
        dense(**arrays, objective="softmax at the last step")
    del arrays["b2"]
    with pytest.raises(ValueError, match="should be W1, b1, W2, b2, W3, b3, not W1, b1, W2, W3, b3"):
        dense(**arrays)


@pytest.mark.parametrize("causal", [False, True], ids=["all steps", "causal"])
@pytest.mark.parametrize("scale", [None, 0.7])
@pytest.mark.parametrize(("head", "key", "model"), [(1, 4, 4), (2, 3, 6), (3, 2, 4)])
def test_gradients_of_attention_are_the_complex_step(head, key, model, scale, causal):
    arrays = attention_arrays(4, head, key, model)
    run = partial(attention, head=head, causal=causal, scale=scale)
    assert_gradients_are_those_of_the_loss(run, arrays, elements=30)
    assert_dtypes(run, {name: array.astype(np.float32) for name, array in arrays.items()}, np.float32)


@pytest.mark.parametrize("causal", [False, True], ids=["all steps", "causal"])
def test_attention_is_the_one_in_the_paper(causal):
    arrays = attention_arrays(4, head=2, key=3, model=6)
    expected = 0.0
    for n in range(BATCH):
        qkv = arrays["x"][n] @ arrays["W"] + arrays["b"]
        values = np.zeros((4, 6))
        for j in range(2):
            q, k, v = (qkv[:, 6 * part + 3 * j : 6 * part + 3 * j + 3] for part in range(3))
            for t in range(4):
                seen = t + 1 if causal else 4
                e = np.exp(k[:seen] @ q[t] / np.sqrt(3))
                values[t, 3 * j : 3 * j + 3] = e @ v[:seen] / e.sum()
        expected += np.sum(arrays["dout"][n] * (values @ arrays["Wo"] + arrays["bo"]))
    loss, _ = attention(**arrays, head=2, causal=causal)
    assert loss == pytest.approx(expected, rel=1e-13)


def test_a_causal_step_does_not_see_later_ones():
    arrays = attention_arrays()
    arrays["dout"][:, 2:] = 0
    _, gradients = attention(**arrays, head=2, causal=True)
    assert gradients["x"][:, :2].any()
    assert not gradients["x"][:, 2:].any()


def test_huge_scores_neither_overflow_nor_lose_the_loss():
    for causal in (False, True):
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            loss, gradients = attention(**attention_arrays(scale=1e4), head=2, causal=causal)
        assert np.isfinite(loss)
        assert all(np.isfinite(gradient).all() for gradient in gradients.values())


def test_attention_says_what_does_not_fit():
    arrays = attention_arrays()
    with pytest.raises(ValueError, match="W has 18 columns, which 4 heads of q, k and v cannot share"):
        attention(**arrays, head=4)
    arrays["dout"] = arrays["dout"][0]
    with pytest.raises(ValueError, match=r"needs dout of shape \(2, 4, 6\), not \(4, 6\)"):
        attention(**arrays, head=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_the_sigmoid_keeps_its_digits_in_its_tails(dtype):
    pre = np.array([-30.0, -5.0, -1e-3, 0.0, 2.0, 30.0], dtype)
    before = pre.copy()
    digits = 1e-6 if dtype == np.float32 else 1e-15
    np.testing.assert_allclose(sigmoid(pre), 1 / (1 + np.exp(-pre)), rtol=digits)
    np.testing.assert_array_equal(pre, before)
    assert sigmoid(pre).dtype == dtype
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        far = sigmoid(np.array([-1e30, -800.0, 800.0, 1e30], dtype))
    np.testing.assert_allclose(far, [0, 0, 1, 1], atol=1e-38)
