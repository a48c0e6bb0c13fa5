"""Dialects: a port that names one needs no lines; the tables show what becomes what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rowcol.bridge import compare, port
from rowcol.bridge.cli import main
from rowcol.bridge.declaration import declared
from rowcol.bridge.dialects import DIALECTS, dialect_named, dialects
from rowcol.bridge.family import FAMILIES
from rowcol.bridge.problem import Problem


def anything(**arrays: Any) -> Any:
    return None


def names(family: str, layout: str = "", function: Any = anything, **keywords: Any) -> tuple[str, ...]:
    return declared(function, family, layout, keywords).layout.names


def layer(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any, dh: Any) -> Any:
    """A layer over a batch of rows, as the CS231n exercises ask for it."""
    steps = x.shape[1]
    h = {-1: h0}
    for t in range(steps):
        h[t] = np.tanh(x[:, t] @ Wx + h[t - 1] @ Wh + b)
    dx, dWx, dWh, db, dh_next = (np.zeros_like(value) for value in (x, Wx, Wh, b, h0))
    for t in reversed(range(steps)):
        draw = (dh[:, t] + dh_next) * (1 - h[t] ** 2)
        dx[:, t] = draw @ Wx.T
        dWx += x[:, t].T @ draw
        dWh += h[t - 1].T @ draw
        db += draw.sum(axis=0)
        dh_next = draw @ Wh.T
    return np.stack([h[t] for t in range(steps)], axis=1), dict(x=dx, h0=dh_next, Wx=dWx, Wh=dWh, b=db)


def test_a_port_that_names_a_dialect_needs_no_lines() -> None:
    assert compare(port("rnn", dialect="cs231n")(layer)).agrees


def test_another_layout_of_the_same_matrix_is_recognised_as_such() -> None:
    result = compare(port("rnn", "Wh: Waa hidden prev", dialect="cs231n")(layer))
    assert result.report["finding"] == "declaration"


def test_karpathys_loop_agrees_with_lists_of_indices() -> None:
    @port("rnn", dialect="karpathy")
    def loss_of(inputs: Any, targets: Any, hprev: Any, Wxh: Any, Whh: Any, Why: Any, bh: Any, by: Any) -> Any:
        h, p, loss = {-1: hprev}, {}, 0.0
        for t, k in enumerate(inputs):
            h[t] = np.tanh(Wxh[:, [k]] + Whh @ h[t - 1] + bh)
            p[t] = np.exp(Why @ h[t] + by)
            p[t] /= p[t].sum()
            loss -= np.log(p[t][targets[t], 0])
        found = {n: np.zeros_like(w) for n, w in dict(Wxh=Wxh, Whh=Whh, Why=Why, bh=bh, by=by).items()}
        dh_next = np.zeros_like(hprev)
        for t in reversed(range(len(inputs))):
            dy = p[t].copy()
            dy[targets[t]] -= 1
            draw = (Why.T @ dy + dh_next) * (1 - h[t] ** 2)
            found["Why"] += dy @ h[t].T
            found["by"] += dy
            found["bh"] += draw
            found["Wxh"][:, [inputs[t]]] += draw
            found["Whh"] += draw @ h[t - 1].T
            dh_next = Whh.T @ draw
        return loss, found

    result = compare(loss_of)
    assert result.agrees, str(result)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [False, True])
def test_layers_and_directions_have_pytorchs_names(layers: int, both: bool) -> None:
    found = names("lstm", dialect="pytorch", layers=layers, bidirectional=both)
    ends = [f"_l{k}{end}" for k in range(layers) for end in ("", "_reverse")[: 1 + both]]
    assert {f"{n}{end}" for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") for end in ends} < set(found)


def test_a_line_of_ones_own_stands_in_the_place_of_the_dialects() -> None:
    found = names("rnn", "x: x batch time input\ndout: da batch time hidden", dialect="pytorch")
    assert "dout" in found
    assert "grad_output" not in found


def test_targets_bring_the_readout_of_the_dialect_with_them() -> None:
    assert "linear.weight" not in names("rnn", dialect="pytorch")
    assert "linear.weight" in names("rnn", "y: y time batch", dialect="pytorch")


def test_biases_that_a_function_does_not_take_are_left_out() -> None:
    def without(x: Any, h0: Any, Wx: Any, Wh: Any, dh: Any) -> None:
        pass

    assert set(names("rnn", function=without, dialect="cs231n")) == {"x", "h0", "Wx", "Wh", "dh"}


def test_the_setting_chooses_between_a_dialects_two_models() -> None:
    before = declared(anything, "gru", "", {"dialect": "keras", "reset": "before"})
    after = declared(anything, "gru", "", {"dialect": "keras"})
    assert (before.settings["reset"], after.settings["reset"]) == ("before", "after")
    assert before.layout.axes("bias") == ("(gate hidden)",)
    assert after.layout.axes("bias")[0] == "2"


@pytest.mark.parametrize(
    ("family", "keywords", "message"),
    [
        ("rnn", {"dialect": "pytroch"}, "did you mean 'pytorch'"),
        ("gru", {"dialect": "karpathy"}, "the script is a vanilla RNN"),
        ("gru", {"dialect": "pytorch", "reset": "before"}, "its gru has reset='after'"),
        ("rnn", {"dialect": "coursera", "layers": 2}, "no rnn of 2 layers"),
        ("rnn", {"dialect": "pytorch", "layers": 0}, "1 or more"),
        ("rnn", {"layers": 2}, "does not know the keyword 'layers'"),
    ],
)
def test_what_cannot_be_is_said(family: str, keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem, match=message):
        declared(anything, family, "", keywords)


def test_every_dialect_has_each_family_or_says_why_not() -> None:
    for dialect in dialects():
        assert set(dialect.families) | set(dialect.missing) == set(FAMILIES)
        assert not set(dialect.families) & set(dialect.missing)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", DIALECTS)
def test_every_entry_makes_a_declaration(name: str, family: str) -> None:
    dialect = next(d for d in dialects() if d.name == name)
    for entry in dialect.families.get(family, ()):
        for layers in (1, 2, 3):
            for both in (False, True) if family in ("rnn", "lstm", "gru") else (False,):
                if entry.has(layers, 1 + both):
                    keywords = {"dialect": name, "layers": layers, "bidirectional": both, **entry.settings}
                    assert declared(anything, family, "", keywords).layout.names


def test_the_table_shows_how_keras_gru_becomes_onnx(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dialects", "keras", "onnx", "--family", "gru"]) == 0
    out = capsys.readouterr().out
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert "keras (reset_after=True) kernel Wax[z r n] input (gate hidden)" in rows
    assert "onnx (linear_before_reset=1) W[0] Wax[z r n] (gate hidden) input" in rows
    assert "pytorch" not in out


def test_all_tables_are_shown_without_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dialects"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in DIALECTS)
    assert all(f"\n{family}" in "\n" + out for family in FAMILIES)


@pytest.mark.parametrize(("name", "family"), [(d.name, f) for d in dialects() for f in d.families])
def test_the_lines_of_a_layout_file_are_a_declaration(
    name: str, family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = dialect_named(name).entries(family)[0]
    assert main(["dialects", name, "--family", family, "--layout"]) == 0
    out = capsys.readouterr().out
    keywords = {**entry.defaults, **entry.settings}
    assert all(f"# to be declared beside it: {word}={value!r}\n" in out for word, value in keywords.items())
    port = declared(lambda **arrays: None, family, out, keywords)
    assert port.objective.upstream == (family == "attention")
    assert port.layout.canonical >= set(port.family.parameters) - {"bn"}


def test_a_layer_on_its_own_is_what_the_comment_of_a_layout_file_makes_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["dialects", "keras", "--family", "lstm", "--layout"]) == 0
    lines = capsys.readouterr().out.splitlines()
    comment = "# for a layer on its own, in place of dense.kernel, dense.bias, y: "
    (own,) = (line.removeprefix(comment) for line in lines if line.startswith(comment))
    kept = [line for line in lines if not line.startswith(("dense", "y"))]
    port = declared(lambda **arrays: None, "lstm", "\n".join([*kept, own]), {})
    assert str(port.objective) == "upstream of the states"


def test_all_parameters_that_a_function_lacks_are_named_with_the_command_that_shows_them() -> None:
    @port("lstm", dialect="keras")
    def mine(kernel: Any, recurrent_kernel: Any) -> None: ...

    with pytest.raises(Problem, match=r"no parameters 'x' and 'grad_output', .*`rowcol dialects keras --family"):
        compare(mine)


def test_what_a_port_has_beside_its_weights_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dialects", "keras", "--family", "lstm"]) == 0
    assert "keras: beside its weights a port has x, h0, grad_output, c0 (--data" in capsys.readouterr().out


def test_an_unknown_name_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dialects", "kears"]) == 2
    assert "did you mean 'keras'" in capsys.readouterr().err
    assert main(["dialects", "karpathy", "--family", "lstm"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("Karpathy's script has no layout of the family 'lstm'")
