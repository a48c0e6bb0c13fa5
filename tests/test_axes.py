"""The layout notation: what it reads, how it maps arrays, and what it says of a line that cannot be right."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from rowcol.bridge.axes import Layout, LayoutError, Map, Vocabulary
from rowcol.bridge.family import family_named
from rowcol.bridge.notation import parse, swaps

SIZES = {
    "batch": 3,
    "time": 5,
    "input": 4,
    "hidden": 6,
    "output": 7,
    "part": 3,
    "head": 2,
    "key": 8,
    "model": 11,
}

DATA = {
    "x": ("time", "batch", "input"),
    "y": ("time", "batch", "output"),
    "a0": ("batch", "hidden"),
    "da": ("time", "batch", "hidden"),
}
READOUT = {"Wya": ("output", "hidden"), "by": ("output",)}
CLASSES = {"x": "input", "y": "output"}
TIES = {"prev": "hidden"}

RNN = Vocabulary(
    {"Wax": ("hidden", "input"), "Waa": ("hidden", "prev"), "b": ("hidden",), **READOUT, **DATA},
    classes=CLASSES,
    ties=TIES,
    elsewhere={"c0": "only an lstm has a cell state"},
)
GATED = {"Wax": ("gate", "hidden", "input"), "Waa": ("gate", "hidden", "prev"), "b": ("gate", "hidden")}
LSTM = Vocabulary(
    {**GATED, **READOUT, **DATA, "c0": ("batch", "hidden")},
    letters={"gate": ("i", "f", "g", "o")},
    classes=CLASSES,
    ties=TIES,
)
GRU = Vocabulary(
    {**GATED, "bn": ("hidden",), **READOUT, **DATA},
    letters={"gate": ("r", "z", "n")},
    classes=CLASSES,
    ties=TIES,
)
STACKED = Vocabulary(
    {"Waa": ("hidden", "prev"), "Waa.1.reverse": ("hidden", "prev"), "x": ("time", "batch", "input")},
    ties=TIES,
)
ATTENTION = Vocabulary(
    {
        "W": ("part", "head", "key", "model"),
        "b": ("part", "head", "key"),
        "Wo": ("model", "head", "key"),
        "bo": ("model",),
        "x": ("batch", "time", "model"),
        "dout": ("batch", "time", "model"),
    },
    letters={"part": ("q", "k", "v")},
)

STORY = """
    W1: Wax  input hidden                     # x @ W1           row layout
    W2: Waa  prev hidden                      # h_prev @ W2      only the names tell the two axes apart
    W3: Wya  output hidden                    # h @ W3.T         column layout, in the same port
    bh: b    hidden
    by: by   output 1
    X : x    batch time input
    Y : y    batch time output
"""
LAYOUTS = {
    "rows, columns and a column bias": (RNN, STORY),
    "the bias as a last row": (RNN, "W: Wax|b  (input|1) hidden\nU: Waa  prev hidden"),
    "input, state and bias side by side": (RNN, "W: Wax|Waa|b  hidden (input|prev|1)"),
    "spaces around every mark": (RNN, "W : Wax | b   ( input | 1 )  hidden\r\nU : Waa ( prev ) hidden "),
    "coursera's feature, batch, time": (
        RNN,
        "x: x input batch time\ny: y output batch time\na0: a0 hidden batch",
    ),
    "singleton axes": (RNN, "b: b 1 hidden\nby: by 1 (output 1) 1\na0: a0 1 batch hidden"),
    "gates packed, two biases": (
        LSTM,
        """
        weight_ih: Wax[i f g o]  (gate hidden) input
        weight_hh: Waa[f i o g]  prev (gate hidden)
        bias_ih: b[i f g o]      (gate hidden)
        bias_hh: b[f i o g]      (gate hidden)
        """,
    ),
    "gates apart, two matrices side by side": (
        LSTM,
        "\n".join(f"W{k}: (Waa|Wax)[{k}]  hidden (prev|input)\nb{k}: b[{k}]  hidden 1" for k in "ifgo"),
    ),
    "gates packed, matrices and bias side by side": (
        LSTM,
        "W: (Wax|Waa|b)[i f o g]  (input|prev|1) (gate hidden)\nc0: c0 hidden batch",
    ),
    "gates as an axis of their own, inside out": (
        LSTM,
        "W: Wax[o g f i] input gate hidden\nb: b[i f g o] hidden gate",
    ),
    "PyTorch's GRU": (
        GRU,
        """
        w_ih: Wax[r z n]   (gate hidden) input
        w_hh: Waa[r z n]   (gate hidden) prev
        b_ih: b[r z n]     (gate hidden)
        b_hh: b[r z]|bn    ((gate hidden)|hidden)
        """,
    ),
    "slices of one array": (
        GRU,
        """
        bias[1]: b[r z]|bn   (gate hidden|hidden)
        bias[0]: b[z r n]    (gate hidden)
        k: Wax[z r n]        input (gate hidden)
        """,
    ),
    "layers by dotted names": (STACKED, "l0.w: Waa hidden prev\nl1.reverse.w: Waa.1.reverse  prev hidden"),
    "heads packed, parts in one matrix": (
        ATTENTION,
        """
        Wqkv: W[q k v]       (part head key) model
        bqkv: b[q k v]       (part head key)
        Wo: Wo               (head key) model
        x: x                 batch time model
        """,
    ),
    "heads apart, a matrix a part": (
        ATTENTION,
        """
        Wq: W[q]             model head key
        Wk: W[k]             head model key
        Wv: W[v]             model (head key)
        b: b[k q v]          head part key
        bo: bo               1 model
        """,
    ),
    "the same block twice in a line": (RNN, "W: Wax|Wax  hidden (input|input)"),
}


def arrays_for(mapped: Map, rng: np.random.Generator, dtype: Any = np.float64) -> dict[str, Any]:
    """Random canonical arrays of the map's shapes; complex where the dtype is."""
    arrays = {}
    for name, shape in mapped.arrays.items():
        value = rng.standard_normal(shape)
        arrays[name] = (value + 1j * rng.standard_normal(shape) if dtype == np.complex128 else value).astype(
            dtype
        )
    return arrays


def bound(vocabulary: Vocabulary, text: str, **sizes: int) -> Map:
    return parse(text, vocabulary).bind({**SIZES, **sizes})


def message(text: str, vocabulary: Vocabulary = RNN) -> str:
    with pytest.raises(LayoutError) as caught:
        parse(text, vocabulary)
    return str(caught.value)


every_layout = pytest.mark.parametrize(("vocabulary", "text"), LAYOUTS.values(), ids=LAYOUTS.keys())


# There and back


@every_layout
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_arrays_go_out_and_come_back_bit_for_bit_in_their_dtype(
    vocabulary: Vocabulary, text: str, dtype: Any
) -> None:
    mapped, rng = bound(vocabulary, text), np.random.default_rng(1)
    there = arrays_for(mapped, rng, dtype)
    port = mapped.parameters(there, rng)
    back = mapped.canonical(port)
    assert back.keys() == there.keys()
    for name, value in there.items():
        assert back[name].dtype == value.dtype == dtype
        assert back[name].tobytes() == value.tobytes()
    for name, value in port.items():
        assert value.dtype == dtype and value.shape == mapped.shapes[name]


@every_layout
def test_gradients_go_through_the_transpose(vocabulary: Vocabulary, text: str) -> None:
    """<map(p), g> = <p, transpose(g)> for every p and g."""
    mapped, rng = bound(vocabulary, text), np.random.default_rng(2)
    port = {name: rng.standard_normal(shape) for name, shape in mapped.shapes.items()}
    gradients = arrays_for(mapped, rng)
    canonical, back = mapped.canonical(port), mapped.gradients(gradients)
    forth = sum(np.sum(canonical[name] * gradients[name]) for name in canonical)
    assert sum(np.sum(port[name] * back[name]) for name in port) == pytest.approx(forth, rel=1e-12)


@every_layout
def test_port_arrays_are_fresh_and_contiguous(vocabulary: Vocabulary, text: str) -> None:
    mapped, rng = bound(vocabulary, text), np.random.default_rng(3)
    there = arrays_for(mapped, rng)
    kept = {name: value.copy() for name, value in there.items()}
    for given in (mapped.parameters(there, rng), mapped.gradients(there)):
        for value in given.values():
            assert value.flags.c_contiguous and value.flags.writeable and value.flags.owndata
            value[...] = 0
    assert all(np.array_equal(there[name], kept[name]) for name in there)


def test_a_right_inverse_keeps_even_the_sign_of_zero() -> None:
    mapped = bound(RNN, "b: b hidden 1")
    there = {"b": -np.zeros(6)}
    back = mapped.canonical(mapped.parameters(there, np.random.default_rng(0)))
    assert np.signbit(back["b"]).all()


# What the notation means, said once more in numpy


def test_the_story_s_layout() -> None:
    mapped, rng = bound(RNN, STORY), np.random.default_rng(4)
    a = arrays_for(mapped, rng)
    port = mapped.parameters(a, rng)
    assert list(port) == ["W1", "W2", "W3", "bh", "by", "X", "Y"]
    np.testing.assert_array_equal(port["W1"], a["Wax"].T)
    np.testing.assert_array_equal(port["W2"], a["Waa"].T)
    np.testing.assert_array_equal(port["W3"], a["Wya"])
    np.testing.assert_array_equal(port["bh"], a["b"])
    np.testing.assert_array_equal(port["by"], a["by"][:, None])
    np.testing.assert_array_equal(port["X"], a["x"].transpose(1, 0, 2))


def test_the_two_axes_of_a_square_are_told_apart() -> None:
    waa = np.arange(36.0).reshape(6, 6)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(bound(RNN, "W: Waa hidden prev").parameters({"Waa": waa}, rng)["W"], waa)
    np.testing.assert_array_equal(bound(RNN, "W: Waa prev hidden").parameters({"Waa": waa}, rng)["W"], waa.T)
    np.testing.assert_array_equal(bound(RNN, "W: Waa prev hidden").gradients({"Waa": waa})["W"], waa.T)


def test_packed_gates_stand_in_the_order_named() -> None:
    mapped, rng = bound(LSTM, "W: Wax[f i g o] (gate hidden) input\nU: Wax[o g i f] input hidden gate"), None
    rng = np.random.default_rng(5)
    wax = rng.standard_normal((4, 6, 4))
    port = mapped.gradients({"Wax": wax})
    i, f, g, o = wax
    np.testing.assert_array_equal(port["W"], np.concatenate([f, i, g, o]))
    np.testing.assert_array_equal(port["U"], np.stack([o.T, g.T, i.T, f.T], axis=-1))


def test_a_product_runs_through_its_last_axis_first() -> None:
    b = np.arange(24.0).reshape(4, 6)
    port = bound(LSTM, "p: b[i f g o] (gate hidden)\nq: b[i f g o] (hidden gate)").gradients({"b": b})
    np.testing.assert_array_equal(port["p"], b.ravel())
    np.testing.assert_array_equal(port["q"], b.T.ravel())


def test_one_letter_drops_the_axis_and_names_go_with_groups() -> None:
    mapped, rng = bound(LSTM, LAYOUTS["gates apart, two matrices side by side"][1]), np.random.default_rng(6)
    a = arrays_for(mapped, rng)
    port = mapped.parameters(a, rng)
    np.testing.assert_array_equal(port["Wf"], np.hstack([a["Waa"][1], a["Wax"][1]]))
    np.testing.assert_array_equal(port["bo"], a["b"][3][:, None])


def test_the_bias_as_a_last_row() -> None:
    mapped, rng = bound(RNN, "W: Wax|b (input|1) hidden"), np.random.default_rng(7)
    a = arrays_for(mapped, rng)
    np.testing.assert_array_equal(mapped.parameters(a, rng)["W"], np.vstack([a["Wax"].T, a["b"]]))


def test_pytorch_s_gru_biases_add_up_but_for_n() -> None:
    mapped, rng = bound(GRU, LAYOUTS["PyTorch's GRU"][1]), np.random.default_rng(8)
    port = {name: rng.standard_normal(shape) for name, shape in mapped.shapes.items()}
    canonical = mapped.canonical(port)
    b_ih, b_hh = port["b_ih"].reshape(3, 6), port["b_hh"].reshape(3, 6)
    np.testing.assert_array_equal(canonical["b"], b_ih + b_hh * np.array([[1], [1], [0]]))
    np.testing.assert_array_equal(canonical["bn"], b_hh[2])


def test_slices_are_stacked_by_their_index() -> None:
    mapped, rng = bound(GRU, LAYOUTS["slices of one array"][1]), np.random.default_rng(9)
    a = arrays_for(mapped, rng)
    r, z, n = a["b"]
    assert mapped.shapes["bias"] == (2, 18)
    np.testing.assert_array_equal(
        mapped.gradients(a)["bias"], [np.concatenate([z, r, n]), np.concatenate([r, z, a["bn"]])]
    )


def test_attention_s_parts_are_gates_by_another_name() -> None:
    mapped, rng = bound(ATTENTION, LAYOUTS["heads apart, a matrix a part"][1]), np.random.default_rng(10)
    a = arrays_for(mapped, rng)
    port = mapped.parameters(a, rng)
    np.testing.assert_array_equal(port["Wk"], a["W"][1].transpose(0, 2, 1))
    np.testing.assert_array_equal(port["Wv"], a["W"][2].reshape(16, 11).T)


def test_what_two_lines_name_is_split_at_random_in_parts_of_some_size() -> None:
    mapped = bound(LSTM, "b1: b[i f g o] gate hidden\nb2: b[i f g o] (gate hidden)")
    b = np.random.default_rng(0).standard_normal((4, 6))
    port = mapped.parameters({"b": b}, np.random.default_rng(1))
    share = port["b1"] / b
    assert share.min() > 0.19 and share.max() < 0.81 and np.ptp(share) > 0.3
    other = mapped.parameters({"b": b}, np.random.default_rng(2))
    assert not np.allclose(port["b1"], other["b1"])
    np.testing.assert_array_equal(mapped.parameters({"b": b}, np.random.default_rng(1))["b1"], port["b1"])


@pytest.mark.parametrize("size", [1e-310, 1e-8, 1.0, 1e300])
def test_parts_add_up_exactly_at_every_size(size: float) -> None:
    mapped = bound(RNN, "\n".join(f"b{k}: b hidden" for k in range(5)))
    b = np.random.default_rng(0).standard_normal(6) * size
    assert np.array_equal(mapped.canonical(mapped.parameters({"b": b}, np.random.default_rng(1)))["b"], b)


# Classes


def test_without_the_class_axis_a_line_holds_class_indices() -> None:
    mapped = bound(RNN, "X: x batch time\nY: y time batch 1")
    x = np.eye(4)[np.random.default_rng(0).integers(0, 4, (5, 3))]
    y = np.eye(7)[np.random.default_rng(1).integers(0, 7, (5, 3))]
    port = mapped.parameters({"x": x, "y": y}, np.random.default_rng(0))
    assert port["X"].dtype.kind == "i" and mapped.shapes == {"X": (3, 5), "Y": (5, 3, 1)}
    np.testing.assert_array_equal(port["X"], x.argmax(-1).T)
    np.testing.assert_array_equal(port["Y"], y.argmax(-1)[:, :, None])
    assert port["X"].flags.c_contiguous
    back = mapped.canonical(port)
    np.testing.assert_array_equal(back["x"], x)
    np.testing.assert_array_equal(back["y"], y)
    assert mapped.gradients({"x": x, "y": y}) == {}


def test_class_indices_without_any_axis_are_an_int() -> None:
    mapped = bound(RNN, "Y: y", batch=1, time=1)
    y = np.eye(7)[[[4]]]
    port = mapped.parameters({"y": y}, np.random.default_rng(0))
    assert type(port["Y"]) is int and port["Y"] == 4
    np.testing.assert_array_equal(mapped.canonical(port)["y"], y)


def test_lines_say_what_they_hold() -> None:
    indices, one_hot, real = parse(
        "X: x time\nY: y one-hot time output\nW: Wax|b hidden (input|1)", RNN
    ).lines
    assert indices.indices and not indices.one_hot
    assert one_hot.one_hot and not one_hot.indices
    assert not real.indices and not real.one_hot
    assert real.arrays == ("Wax", "b") and real.axes == ("hidden", "input")


# The layout as a whole


def test_names_canonical_names_and_axes_as_written() -> None:
    layout = parse(LAYOUTS["slices of one array"][1], GRU)
    assert layout.names == ("bias", "k")
    assert layout.canonical == {"b", "bn", "Wax"}
    assert layout.axes("bias") == ("2", "((gate hidden)|hidden)")
    assert layout.axes("k") == ("input", "(gate hidden)")
    assert [line.name for line in layout.lines] == ["bias[1]", "bias[0]", "k"]
    assert [line.base for line in layout.lines] == ["bias", "bias", "k"]
    assert parse("W: Wax|b (input|1) hidden\nc: by 1 output", RNN).axes("W") == ("(input|1)", "hidden")
    assert parse("c: by 1 output", RNN).axes("c") == ("1", "output")


def test_lines_are_counted_in_the_text_and_quoted_without_comment() -> None:
    first = parse(STORY, RNN).lines[0]
    assert (first.number, first.text) == (2, "W1: Wax  input hidden")


def test_one_example_is_a_layout_without_the_batch() -> None:
    assert parse("x: x time input 1\na0: a0 hidden 1", RNN).one_example
    assert not parse("x: x time input 1\na0: a0 hidden batch", RNN).one_example
    assert not parse("W: Wax hidden input", RNN).one_example


def test_an_axis_left_out_must_be_of_size_one() -> None:
    layout = parse("X: x batch input", RNN)
    assert layout.bind({**SIZES, "time": 1}).shapes == {"X": (3, 4)}
    with pytest.raises(
        LayoutError, match=r"'time' is left out, which .* here its size is 5\. Write 'time' .*\n.*X: x batch"
    ):
        layout.bind(SIZES)


def test_ties_and_letters_give_sizes() -> None:
    assert bound(LSTM, "U: Waa[i f g o] (gate hidden) prev").shapes == {"U": (24, 6)}


def test_slices_of_different_shapes_are_refused_once_the_sizes_are_known() -> None:
    layout = parse("w[0]: b hidden\nw[1]: by output", RNN)
    assert layout.bind({**SIZES, "hidden": 7}).shapes == {"w": (2, 7)}
    with pytest.raises(LayoutError, match=r"this one has \(7,\), the first has \(6,\)"):
        layout.bind(SIZES)


def test_arrays_of_other_shapes_are_refused() -> None:
    mapped = bound(RNN, "W: Wax input hidden")
    with pytest.raises(ValueError, match=r"W has the shape \(6, 4\), and not \(4, 6\)"):
        mapped.canonical({"W": np.ones((6, 4))})
    with pytest.raises(ValueError, match="Wax has the shape"):
        mapped.gradients({"Wax": np.ones((4, 6))})


def test_arrays_that_are_not_given_are_left_out() -> None:
    mapped = bound(RNN, "W: Wax|b (input|1) hidden\nU: Waa prev hidden")
    assert mapped.gradients({"Waa": np.ones((6, 6)), "b": np.ones(6)}).keys() == {"U"}
    assert mapped.canonical({"W": np.ones((5, 6))}).keys() == {"Wax", "b"}


# The other reading of a square


def readings(vocabulary: Vocabulary, text: str) -> list[str]:
    return [other for _, _, other in swaps(parse(text, vocabulary))]


def test_a_square_has_another_reading() -> None:
    layout = parse(STORY, RNN)
    ((line, other, text),) = swaps(layout)
    assert line.text == "W2: Waa  prev hidden" and text == "W2: Waa  hidden prev"
    waa = np.random.default_rng(0).standard_normal((6, 6))
    np.testing.assert_array_equal(other.bind(SIZES).gradients({"Waa": waa})["W2"], waa)
    assert isinstance(other, Layout) and other.lines[1].text == text and other.names == layout.names


def test_other_readings_keep_the_shape() -> None:
    assert readings(LSTM, "U: Waa[i f g o] (gate hidden) prev") == ["U: Waa[i f g o] (gate prev) hidden"]
    assert readings(RNN, "W: Wax hidden input\nb: b 1 hidden") == []
    assert readings(RNN, "W: Wax|Waa hidden (input|prev)") == []


def test_axes_that_a_port_ties_have_another_reading_too() -> None:
    tied = Vocabulary(RNN.arrays, classes=CLASSES, ties={**TIES, "output": "hidden"})
    assert readings(tied, "V: Wya 1 output hidden") == ["V: Wya 1 hidden output"]
    square = Vocabulary(ATTENTION.arrays, letters=ATTENTION.letters, ties={"model": "head key"})
    assert readings(square, "Wo: Wo  (head key) model") == ["Wo: Wo  model (head key)"]
    assert readings(square, "W: W[q k v] (part head key) model") == ["W: W[q k v] (part model) (head key)"]
    assert readings(square, "Wo: Wo  head key model") == []
    assert parse("Wo: Wo (head key) model", square).bind({"head": 2, "key": 8}).shapes == {"Wo": (16, 16)}


# Lines that cannot be right

WRONG = {
    "nothing at all": (RNN, "  \n # only this\n", "the layout is empty; it has a line for each array"),
    "no colon": (RNN, "W Wax input hidden", "there is no colon; a line reads 'W: Wax input hidden'"),
    "no colon in code": (RNN, "W = Wax.T", "there is no colon; a line reads 'W: Wax  hidden input'"),
    "two colons": (RNN, "W: Wax: hidden input", "a line has one colon"),
    "no name": (RNN, ": Wax hidden input", "before the colon stands the name that the port gives"),
    "two names": (RNN, "W1 W2: Wax hidden input", "before the colon stands one name"),
    "a number for a name": (RNN, "12: Wax hidden input", "'12' cannot be the name of an array"),
    "no array": (RNN, "W:", "nothing stands after the colon"),
    "unknown array": (RNN, "W: Wxa hidden input", "there is no array 'Wxa'; the arrays are Wax, Waa, b, "),
    "nearest array": (RNN, "W: wax hidden input", "did you mean 'Wax'?"),
    "an axis for an array": (
        RNN,
        "W: input hidden",
        "'input' is an axis; first comes the array, then its axes",
    ),
    "an array of another family": (
        RNN,
        "c: c0 batch hidden",
        "'c0' cannot stand here: only an lstm has a cell",
    ),
    "an array for an axis": (
        RNN,
        "W: Wax b hidden (input|1)",
        "'b' is an array, no axis; arrays side by side",
    ),
    "unknown axis": (RNN, "W: Wax hiden input", "there is no axis 'hiden'; Wax has the axes hidden input"),
    "nearest axis": (RNN, "W: Wax hiden input", "did you mean 'hidden'?"),
    "one-hot misspelt": (
        RNN,
        "X: x one_hot time input",
        "there is no axis 'one_hot'; x has the axes time batch",
    ),
    "an axis of another array": (
        RNN,
        "W: Wax hidden prev",
        "'prev' is no axis of Wax; Wax has the axes hidden input",
    ),
    "an axis twice": (
        RNN,
        "W: Waa hidden hidden",
        "the axis 'hidden' stands twice; Waa has the axes hidden prev",
    ),
    "an axis missing": (
        RNN,
        "W: Waa hidden",
        "the axis 'prev' of Waa is missing; Waa has the axes hidden prev",
    ),
    "all axes missing": (RNN, "W: Waa", "the axes 'hidden' and 'prev' of Waa are missing"),
    "a class axis it has not": (
        RNN,
        "d: da batch time",
        "the axis 'hidden' of da is missing; da has the axes time",
    ),
    "who may hold classes": (RNN, "d: da batch time", "class indices are for x and y"),
    "a size": (RNN, "W: Wax 4 input", "'4' is no axis; the only number among axes is 1"),
    "a name twice": (
        RNN,
        "W: Wax hidden input\nW: Waa hidden prev",
        "'W' is declared twice; line 1 has it already",
    ),
    "a slice twice": (RNN, "W[0]: b hidden\nW[0]: b hidden", "'W[0]' is declared twice"),
    "whole and sliced": (RNN, "W: b hidden\nW[0]: b hidden", "'W' is declared whole and in slices"),
    "a slice missing": (RNN, "W[0]: b hidden\nW[2]: b hidden", "there is no line for 'W[1]'"),
    "slices from one": (RNN, "W[1]: b hidden", "there is no line for 'W[0]'; slices are counted from 0"),
    "a slice by name": (RNN, "W[k]: b hidden", "a slice of the port's array is written W[0], W[1]"),
    "a slice beyond counting": (RNN, f"W[{'9' * 5000}]: b hidden", "a slice of the port's array is written"),
    "no brackets": (
        LSTM,
        "W: Wax (gate hidden) input",
        "Wax has an axis 'gate': say in brackets what the line holds",
    ),
    "brackets too many": (
        LSTM,
        "b: by[i] output",
        "by has nothing to choose from in brackets; by has the axes output",
    ),
    "brackets empty": (LSTM, "b: b[] hidden", "the brackets are empty"),
    "unknown gate": (LSTM, "b: b[i f c o] (gate hidden)", "b has no gate 'c'; there are i f g o"),
    "nearest gate": (LSTM, "b: b[I f g o] (gate hidden)", "did you mean 'i'?"),
    "another's gate": (family_named("lstm").vocabulary(), "b: b[i f c o] (gate hidden)", "'c' is 'g' here"),
    "nearest array, its letters in another order": (RNN, "W: Wxa hidden input", "did you mean 'Wax'?"),
    "gate twice": (LSTM, "b: b[i f f o] (gate hidden)", "'f' stands twice in the brackets"),
    "gates in one word": (LSTM, "b: b[ifgo] (gate hidden)", "set the letters apart: [i f g o]"),
    "gate word for one gate": (
        LSTM,
        "b: b[i] (gate hidden)",
        "b[i] is a single gate, so it has no axis 'gate'",
    ),
    "gate word missing": (LSTM, "b: b[i f] hidden", "the axis 'gate' of b[i f] is missing"),
    "gates in no line": (LSTM, "b: b[i f] (gate hidden)", "b[g o] is in no line; every gate of b must be"),
    "groups in brackets": (LSTM, "b: b[i|f] (gate hidden)", "brackets hold names set apart by spaces"),
    "brackets twice": (LSTM, "W: (Wax[i]|Waa)[f] hidden (input|prev)", "has brackets of its own already"),
    "brackets on an axis": (LSTM, "b: by output[0]", "brackets stand right after the name of an array"),
    "unequal gates side by side": (
        LSTM,
        "W: Wax[i f]|Waa[i f g] gate hidden (input|prev)",
        "side by side, Wax[i f] and Waa[i f g] must have equally many gates",
    ),
    "a group too many": (
        RNN,
        "W: Wax (input|1) hidden",
        "2 groups for 1 array, Wax; the k-th array goes with",
    ),
    "a group too few": (RNN, "W: Wax|Waa|b hidden (input|prev)", "2 groups for 3 arrays, Wax|Waa|b"),
    "no groups": (RNN, "W: Wax|b input hidden", "Wax|b are 2 arrays, and no ( | ) says along which axis"),
    "groups twice": (RNN, "W: Wax|b (input|1) (hidden|1)", "a line has one ( | )"),
    "groups without parentheses": (RNN, "W: Wax|b input|1 hidden", "between axes, | stands inside ( )"),
    "groups too deep": (RNN, "W: Wax|b ((input|1)) hidden", "| stands in the outermost ( )"),
    "groups of other axes": (
        RNN,
        "W: Wax|by hidden (input|1)",
        "'hidden' is no axis of by; by has the axes output",
    ),
    "an array missing": (
        RNN,
        "W: Wax| (input|1) hidden",
        "'input' is an axis",
    ),
    "the last array missing": (RNN, "W: Wax|", "after | stands another array"),
    "a mark for an array": (RNN, "W: | hidden", "here the name of an array is missing"),
    "arrays without |": (RNN, "W: (Wax b) (input|1) hidden", "in these ( ) stand arrays set apart by |"),
    "not closed": (RNN, "W: Wax (input hidden", "this '(' is never closed"),
    "not opened": (RNN, "W: Wax input) hidden", "this ')' closes nothing"),
    "crossed": (LSTM, "W: (Wax[i) hidden] input", "this ')' closes nothing"),
    "empty parentheses": (
        RNN,
        "b: b hidden ()",
        "an axis is missing here; an axis of length one is written 1",
    ),
    "an empty group": (RNN, "W: Wax|b (input|) hidden", "an axis is missing here"),
    "a comma": (RNN, "W: Wax hidden, input", "names are set apart by spaces, not by commas"),
    "another character": (RNN, "W: Wax hidden*input", "'*' has no meaning in a layout"),
    "class indices in a sum": (
        RNN,
        "X: x time\nZ: x time input",
        "line 1 is x too; real arrays add up, but classes",
    ),
    "class indices beside others": (
        RNN,
        "X: b|y (hidden|1)",
        "y without 'output' is class indices, which need their own array",
    ),
    "class indices in a slice": (
        RNN,
        "X[0]: x time",
        "x without 'input' is class indices, which need their own array",
    ),
    "one-hot without the class axis": (RNN, "X: x one-hot time", "one-hot vectors lie along 'input'"),
    "one-hot weights": (RNN, "W: Wax one-hot hidden input", "Wax cannot be one-hot; x and y can"),
    "one-hot too late": (
        RNN,
        "X: x time input one-hot",
        "'one-hot' stands once, between the array and its axes",
    ),
}


@pytest.mark.parametrize(("vocabulary", "text", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_line_that_cannot_be_right_is_told_why(vocabulary: Vocabulary, text: str, said: str) -> None:
    told = message(text, vocabulary)
    assert said in told
    if "empty; it has" not in said:
        line = max(text.splitlines(), key=lambda line: line in told)
        assert f"\n    {line}" in told


def test_an_error_quotes_the_line_with_its_number_and_underlines_the_word() -> None:
    assert message("\n  W1: Wax input hidden\n  W2: Waa  prev hiden   # square\n") == (
        "layout line 3: there is no axis 'hiden'; Waa has the axes hidden prev; did you mean 'hidden'?\n"
        "    W2: Waa  prev hiden\n"
        "                  ^^^^^"
    )


def test_an_error_carries_status_and_line_number() -> None:
    with pytest.raises(LayoutError) as caught:
        parse("\n\nW: Wax", RNN)
    assert (caught.value.status, caught.value.number) == (2, 3)
    assert str(caught.value.at("port.py", 7)).startswith("port.py:7: layout line 3: the axes 'hidden'")


def test_what_cannot_be_printed_is_not_quoted() -> None:
    assert "\x1b" not in message("W: Wax hidden \x1b[31m input\x07")


# Any text


NAMES = "W W1 bias x y b a0 Wax Waa by bn c0 W2.a i f g o r z n 1 2 one-hot [0] [1]"
AXES = "hidden prev input output batch time gate"
NOISE = ["(gate hidden)", "][", "#", "\n", ",", ".", "²", "é", "\t", "\x00", *"()[]|:"]
PIECES = [*NAMES.split(), *AXES.split(), *NOISE]


def scrambled(rng: random.Random) -> tuple[Vocabulary, str]:
    """A layout of the tests with pieces put in, taken out and exchanged, or mere noise."""
    vocabulary, text = rng.choice(list(LAYOUTS.values()))
    if rng.random() < 0.3:
        return vocabulary, rng.choice(["", " "]).join(rng.choices(PIECES, k=rng.randrange(14)))
    parts = list(text)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(parts))
        action = rng.randrange(3)
        if action == 0:
            parts.insert(place, rng.choice(PIECES))
        elif action == 1:
            del parts[place : place + rng.randrange(1, 5)]
        else:
            parts[place] = rng.choice(PIECES)
    return vocabulary, "".join(parts)


def test_any_text_is_read_or_refused_with_a_message() -> None:
    rng, read = random.Random(0), 0
    for _ in range(3000):
        vocabulary, text = scrambled(rng)
        try:
            layout = parse(text, vocabulary)
        except LayoutError as error:
            assert str(error) and error.status == 2
            continue
        read += 1
        one = {**SIZES, "batch": 1, "time": 1, "output": 6, "input": 6}
        try:
            mapped = layout.bind(one)
        except LayoutError:  # slices of different shapes
            continue
        there = {name: np.eye(int(np.prod(s)) or 1)[0].reshape(s) for name, s in mapped.arrays.items()}
        back = mapped.canonical(mapped.parameters(there, np.random.default_rng(0)))
        assert all(np.array_equal(back[name], there[name]) for name in there), text
        list(swaps(layout))
    assert read > 100


@pytest.mark.parametrize(
    "text", ["W: Wax " + "(" * 5000, "W: Wax " + "(" * 5000 + ")" * 5000, "W: " + "(" * 5000]
)
def test_deep_nesting_is_refused_like_the_rest(text: str) -> None:
    assert "layout line 1" in message(text)


def arranged(rng: random.Random, axes: tuple[str, ...]) -> str:
    """The axes in any order, some neighbours multiplied, some axes of length one between them."""
    words = [*axes, *["1"] * rng.randrange(2)]
    rng.shuffle(words)
    start = rng.randrange(len(words) + 1)
    end = rng.randrange(start, len(words) + 1)
    product = [f"({' '.join(words[start:end])})"] if end > start else []
    return " ".join([*words[:start], *product, *words[end:]])


def test_every_arrangement_of_axes_goes_out_and_back() -> None:
    rng = random.Random(1)
    for trial in range(300):
        vocabulary = rng.choice([RNN, LSTM, GRU, ATTENTION])
        lines = []
        for k, (array, axes) in enumerate(vocabulary.arrays.items()):
            letters = list(vocabulary.letters.get(axes[0], ()))
            rng.shuffle(letters)
            brackets = f"[{' '.join(letters)}]" if letters else ""
            lines += [
                f"a{k}_{n}: {array}{brackets}  {arranged(rng, axes)}" for n in range(rng.randrange(1, 3))
            ]
        text = "\n".join(lines)
        mapped = bound(vocabulary, text)
        there = arrays_for(mapped, np.random.default_rng(trial))
        back = mapped.canonical(mapped.parameters(there, np.random.default_rng(0)))
        assert all(back[name].tobytes() == there[name].tobytes() for name in there), text
