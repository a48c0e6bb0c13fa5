"""What people get wrong, and what they are told: the file, the line or array, what was expected, what to do.

Each message is looked at as the command prints it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rowcol.bridge.cli import main
from tests.bad_ports import DECORATOR, HEAD, NET, PARAMETERS, declared, source

pytestmark = pytest.mark.usefixtures("hurried")

Said = Callable[..., tuple[int, str]]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Write a port file, run `rowcol diff` on it in its folder; the exit status and what was printed."""
    monkeypatch.chdir(tmp_path)

    def run(text: str | bytes, *options: str, name: str = "mine.py") -> tuple[int, str]:
        Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
        status = main(["diff", name, *options])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        assert printed.err == ""
        return status, printed.out

    return run


def lines_of(text: str, *wanted: str) -> str:
    """The text without the spaces that wrapping adds, for messages that go over several lines."""
    joined = " ".join(text.split())
    for words in wanted:
        assert words in joined, f"{words!r} is not said in:\n{text}"
    return joined


# The file ---------------------------------------------------------------------------------------------------


def test_no_such_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["diff", "nowhere.py"]) == 2
    assert capsys.readouterr().out == "nowhere.py: no such file.\n"


def test_the_file_that_was_meant(said: Said, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "e.py").touch()
    (tmp_path / "network.py").touch()
    assert main(["diff", "nofile.py"]) == 2
    assert capsys.readouterr().out == "nofile.py: no such file.\n"
    assert main(["diff", "netwrok.py"]) == 2
    assert capsys.readouterr().out == "netwrok.py: no such file; did you mean 'network.py'?\n"


def test_a_folder_in_the_place_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(tmp_path)]) == 2
    assert "there is no port file in this folder." in capsys.readouterr().err


def test_a_file_that_is_no_text(said: Said) -> None:
    assert said(b"PK\x03\x04\0\0\0") == (2, "mine.py: is not a Python source file (it holds zero bytes).\n")


def test_no_port_in_the_file(said: Said) -> None:
    status, text = said(HEAD + NET)
    assert status == 2
    assert text.startswith("mine.py: no port in this file. Put @port(")
    lines_of(text, "above a function", "`rowcol new FILE` writes one to fill in")


def test_no_port_of_that_name(said: Said, capsys: pytest.CaptureFixture[str]) -> None:
    said(source())
    assert main(["diff", "mine.py::mein"]) == 2
    assert capsys.readouterr().out == "mine.py: no port named 'mein'; did you mean 'mine'? Ports: mine.\n"


def test_a_syntax_error(said: Said) -> None:
    status, text = said("x = 1\ny = (2\n")
    assert (status, text) == (2, "mine.py:2: syntax error: '(' was never closed\n")


def test_an_import_error(said: Said) -> None:
    status, text = said("import numpy\nimport nothing_of_this_name\n")
    assert (status, text) == (2, "mine.py:2: import error: No module named 'nothing_of_this_name'\n")


def test_an_import_error_in_a_module_beside_it(said: Said) -> None:
    Path("helper_beside.py").write_text("\nfrom math import cosinus\n")
    status, text = said("import helper_beside\n")
    assert status == 2
    assert text.startswith("helper_beside.py:2: import error: cannot import name 'cosinus' from 'math'")


def test_an_exception_while_the_file_is_loaded(said: Said) -> None:
    assert said("x = 1\ny = x / 0\n") == (
        2,
        "mine.py:2: raised ZeroDivisionError while it was loaded: division by zero\n",
    )


def test_sys_exit_while_the_file_is_loaded(said: Said) -> None:
    assert said("import sys\nsys.exit('bye')\n") == (
        2,
        "mine.py:2: called sys.exit('bye') while it was loaded.\n",
    )


def test_a_file_that_trains_without_end_while_it_is_loaded(said: Said) -> None:
    status, text = said("x = 1\nwhile True:\n    x += 1\n", "--limit", "0.1")
    assert status == 2
    assert re.match(r"mine\.py:[23]: was still being loaded when its time was up", text)
    lines_of(text, '`if __name__ == "__main__":`', "definitions()", "--limit")


def test_files_beside_a_port_may_have_the_names_of_pythons_own(said: Said) -> None:
    for name in ("random.py", "json.py", "inspect.py"):
        Path(name).write_text("raise RuntimeError('not this one')\n")
    assert said(source())[0] == 0
    assert said(source(), name="copy.py")[0] == 0


# The declaration --------------------------------------------------------------------------------------------

Wh = DECORATOR + 2  # the line `Wh: Waa  prev hidden`


def test_an_unknown_family(said: Said) -> None:
    status, text = said(source(family="rn"))
    assert status == 2
    assert text.startswith(f"mine.py:{DECORATOR}: unknown family 'rn'; did you mean 'rnn'? Known: ")


def test_an_unknown_axis(said: Said) -> None:
    status, text = said(source(layout=("prev hidden", "prev hiden")))
    assert status == 2
    assert text == (
        f"mine.py:{Wh}: layout line 3: there is no axis 'hiden'; Waa has the axes hidden prev; "
        "did you mean 'hidden'?\n"
        "    Wh: Waa  prev hiden\n"
        "                  ^^^^^\n"
    )


def test_an_unknown_array(said: Said) -> None:
    status, text = said(source(layout=("Waa", "Waah")))
    assert status == 2
    assert text.startswith(
        f"mine.py:{Wh}: layout line 3: there is no array 'Waah'; the arrays are Wax, Waa, b,"
    )
    lines_of(text, "did you mean 'Waa'?", "Wh: Waah prev hidden ^^^^")


def test_the_same_axis_twice(said: Said) -> None:
    status, text = said(source(layout=("prev hidden", "hidden hidden")))
    assert status == 2
    assert text.startswith(
        f"mine.py:{Wh}: layout line 3: the axis 'hidden' stands twice; Waa has the axes hidden prev"
    )


LAYER = """
@port("rnn", "Wx: Wax input hidden\\nWh: Waa prev hidden\\nX: x batch time input\\nd: da batch hidden", {})
def layer(Wx, Wh, X, d):
    h = np.zeros((len(X), len(Wh)))
    for t in range(X.shape[1]):
        h = np.tanh(X[:, t] @ Wx + h @ Wh)
    return h, {{}}
"""


@pytest.mark.parametrize("objective", ["upstream", "upstream at the last step"])
def test_a_given_gradient_of_the_last_step_is_an_objective(said: Said, objective: str) -> None:
    lines_of(said(HEAD + LAYER.format(f"objective='{objective}'"))[1], "no gradient was returned")


def test_an_upstream_at_every_step_is_none_of_the_last(said: Said) -> None:
    text = LAYER.replace("d: da batch", "d: da batch time").format("objective='upstream at the last step'")
    wanted = "the line for 'da' should be without the axis 'time' then, or the objective 'upstream of the states'."
    lines_of(said(HEAD + text)[1], wanted)


def test_an_array_missing_that_the_family_needs(said: Said) -> None:
    status, text = said(source(layout=("    Wh: Waa  prev hidden\n", "")))
    assert status == 2
    assert text == (
        f"mine.py:{DECORATOR}: the layout has no line for 'Waa' (hidden prev), which the family 'rnn' needs "
        "under the objective 'softmax'. Add a line such as 'Waa: Waa  hidden prev'.\n"
    )


def test_too_few_axes(said: Said) -> None:
    status, text = said(source(layout=("Waa  prev hidden", "Waa  prev")))
    assert status == 2
    assert text.startswith(
        f"mine.py:{Wh}: layout line 3: the axis 'hidden' of Waa is missing; Waa has the axes"
    )


def test_too_many_axes(said: Said) -> None:
    status, text = said(source(layout=("Waa  prev hidden", "Waa  prev hidden time")))
    assert status == 2
    assert text.startswith(
        f"mine.py:{Wh}: layout line 3: 'time' is no axis of Waa; Waa has the axes hidden prev"
    )


def test_the_line_of_a_layout_that_stands_elsewhere_in_the_file(said: Said) -> None:
    text = source(layout=("prev hidden", "prev hiden"))
    layout = text.partition('@port("rnn", ')[2].partition(")\ndef")[0]
    moved = f"LAYOUT = {layout}\n" + text.replace(layout, "LAYOUT")
    assert said(moved)[1].startswith("mine.py:3: layout line 3: there is no axis 'hiden'")


def test_the_decorators_line_where_the_layout_is_made_by_code(said: Said) -> None:
    status, text = said(
        source(layout=("prev hidden", 'prev " + "hiden')).replace('"""', '"').replace("\n    W", " W")
    )
    assert status == 2
    status, text = said(
        source().replace('h0: a0   batch hidden\n""")', 'h0: a0   batch hiden\n""".upper().lower())')
    )
    assert text.startswith(f"mine.py:{DECORATOR}: ")


def test_targets_and_an_upstream_gradient_in_one_layout(said: Said) -> None:
    status, text = said(
        source(layout=("h0: a0   batch hidden", "h0: a0   batch hidden\n    d: da  batch time hidden"))
    )
    assert status == 2
    assert text == (
        f"mine.py:{DECORATOR}: the layout has lines for 'da' and 'y': only one of them can be what is "
        "differentiated.\n"
    )


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            'reducton="sum"',
            "@port does not know the keyword 'reducton'; did you mean 'reduction'? For the family",
        ),
        (
            'reduction="mean over bacth"',
            "reduction='mean over bacth' is unknown. Known: 'sum', 'mean over batch'",
        ),
        (
            'activation="tahn"',
            "activation='tahn' is unknown; did you mean 'tanh'? Known: 'tanh', 'relu', 'sigmoid'.",
        ),
        (
            'dtype="float16"',
            "dtype='float16' is unknown; did you mean 'float64'? Known: 'float64', 'float32'.",
        ),
        ('clip="norm"', "clip='norm' is unknown. Write a positive number (elementwise) or 'norm 0.25'"),
        ("clip=-5", "clip=-5 is unknown. Write a positive number"),
        (
            'objective="softmx"',
            "unknown objective 'softmx'; did you mean 'softmax'? Known are 'softmax', 'logistic'",
        ),
        ("objective=3", "unknown objective '3'. Known are 'softmax'"),
        (
            'objective="softmax at the last step"',
            "objective='softmax at the last step' contradicts the layout: the line for 'y' should be without "
            "the axis 'time' then, or the objective 'softmax'.",
        ),
        (
            'objective="upstream of the states"',
            "objective='upstream of the states' needs a line 'da: da  time batch hidden' in the layout.",
        ),
        (
            'objective="upstream"',
            "objective='upstream' needs a line for the given gradient: one of 'da', 'dz', 'dp'.",
        ),
        (
            "sizes='hidden = four'",
            "sizes='hidden = four': 'four' is neither a number nor an axis of the family 'rnn'. Write 'axis = number'",
        ),
        (
            'sizes="hiden = 4"',
            "sizes='hiden = 4': there is no axis 'hiden' in the family 'rnn'; did you mean 'hidden'?",
        ),
        ('sizes="hidden 4"', "Write 'axis = number' or 'axis = axis', with commas between."),
        ('sizes="hidden = 0"', "sizes='hidden = 0': the axis 'hidden' needs a size of at least 1."),
        (
            'sizes="hidden = 4, hidden = 5"',
            "sizes='hidden = 4, hidden = 5' contradicts itself: 'hidden' cannot be both 4 and 5.",
        ),
        (
            'sizes="hidden = 4, prev = 5"',
            "contradicts itself: 'hidden' cannot be both 4 and 5.",
        ),
        (
            'sizes="input = 3, hidden = 4, input = hidden"',
            "contradicts itself: 'input' is 3 and 'hidden' is 4, so they are not equal.",
        ),
    ],
)
def test_a_keyword_that_cannot_be_right(said: Said, keywords: str, message: str) -> None:
    status, text = said(source(keywords=keywords))
    assert status == 2
    assert text.startswith(f"mine.py:{DECORATOR}: ")
    assert message in text


def test_an_objective_that_contradicts_an_upstream_line(said: Said) -> None:
    text = source(
        layout=("Y:  y    batch time output", "Y: dz  batch time output"), keywords='objective="softmax"'
    )
    assert said(text) == (
        2,
        f"mine.py:{DECORATOR}: objective='softmax' contradicts the layout, whose line for 'dz' says "
        "'upstream of the logits'.\n",
    )


def test_a_line_that_the_objective_does_not_use(said: Said) -> None:
    text = source(layout=("Y:  y    batch time output", "Y: da  batch time hidden"))
    status, printed = said(text)
    assert status == 2
    assert printed.startswith(
        f"mine.py:{DECORATOR + 4}: the line 'Wy: Wya  hidden output' names 'Wya', which the objec"
    )
    lines_of(printed, "does not use. Take the line out, or write the objective that uses it.")


def test_sizes_on_the_command_line_that_contradict_the_port(said: Said) -> None:
    status, text = said(source(keywords='sizes="hidden = 4"'), "--sizes", "hidden = 5")
    assert status == 2
    assert text.startswith(f"mine.py:{DECORATOR}: the port declares sizes with which it cannot be run so:")
    lines_of(text, "'hidden' cannot be both 4 and 5.")


def test_axes_tied_to_each_other_in_a_circle_are_equal(said: Said) -> None:
    status, text = said(source(keywords='sizes="hidden = input, input = hidden"'), "--json")
    assert status == 0
    assert all(case["sizes"]["hidden"] == case["sizes"]["input"] for case in json.loads(text)["cases"])


def test_port_without_its_arguments(said: Said) -> None:
    assert said(HEAD + "@port\ndef mine(Wx):\n    pass\n") == (
        2,
        'mine.py:3: @port stands without its arguments. Write @port("rnn", """...layout...""").\n',
    )


def test_a_layout_that_is_no_text(said: Said) -> None:
    assert said(HEAD + '@port("rnn", 3)\ndef mine(Wx):\n    pass\n') == (
        2,
        "mine.py:3: the layout is a text with one line an array, and not 3.\n",
    )


def test_a_class_is_no_port(said: Said) -> None:
    status, text = said(declared("Net", "class Net:\n    pass\n"))
    assert status == 2
    assert re.match(
        r"mine\.py:\d+: @port declares a function that runs the network once, and not the class Net", text
    )


def test_a_method_cannot_be_marked(said: Said) -> None:
    status, text = said(
        declared("Net().run", f"class Net:\n    def run(self, {PARAMETERS}):\n        pass\n")
    )
    assert status == 2
    assert re.match(r"mine\.py:\d+: @port cannot mark run, a method\. Write a function that calls it", text)


# How the port takes its arrays ------------------------------------------------------------------------------


def test_a_missing_parameter(said: Said) -> None:
    status, text = said(source(parameters="Wx, Wh, b, Wy, by, X, Y"))
    assert (status, text) == (
        2,
        f"mine.py:{DECORATOR}: mine() takes no parameter 'h0', which its layout declares. "
        "Add the parameter, or `**arrays`.\n",
    )


def test_a_parameter_of_nearly_the_right_name(said: Said) -> None:
    assert (
        "'X', which its layout declares; did you mean 'Xs'?"
        in said(source(parameters="Wx, Wh, b, Wy, by, Xs, Y, h0"))[1]
    )


def test_a_parameter_that_nothing_gives(said: Said) -> None:
    status, text = said(source(parameters=PARAMETERS + ", lr"))
    assert (status, text) == (
        2,
        f"mine.py:{DECORATOR}: mine() has a parameter 'lr' that nothing in the declaration gives. "
        "Name it in the layout, or give it a default.\n",
    )


@pytest.mark.parametrize(
    "text",
    [
        source(body="loss, g = net(**arrays)", parameters="**arrays"),
        source(parameters=PARAMETERS + ", lr=0.1, *, hidden"),
        declared("lambda **arrays: net(**arrays)", ""),
        declared("partial(net)", "from functools import partial"),
        declared("Net()", "class Net:\n    def __call__(self, **arrays):\n        return net(**arrays)"),
        declared("lambda *, Wx, **others: net(Wx=Wx, **others)", ""),
    ],
    ids=["**arrays", "default and size", "lambda", "partial", "callable object", "keyword only"],
)
def test_ways_to_take_arrays_that_are_all_right(said: Said, text: str) -> None:
    status, printed = said(text)
    assert status == 0
    assert re.match(r"mine\.py:\d+: \S+: agrees: 6 of 7 gradients checked", printed)


# What the port gives back -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "what"),
    [
        ("return [loss, g]", "a list"),
        ("return g", "a dict"),
        ("return loss, g, h0", "a tuple of 3"),
        ("return loss, list(g.values())", "a tuple of 2, its second item a list"),
        ("yield loss, g", "a generator (it has a `yield`)"),
        ("return g['Wx']", "an array of shape (7, 8)"),
    ],
)
def test_an_answer_of_another_kind(said: Said, then: str, what: str) -> None:
    status, text = said(source(then))
    assert status == 1
    assert text == (
        f"mine.py:{DECORATOR}: mine() returned {what}. Expected a loss (or None) and a dict of gradients: "
        "`return loss, {name: gradient}`.\n"
    )


def test_nothing_returned(said: Said) -> None:
    assert said(source("pass")) == (
        2,
        f"mine.py:{DECORATOR}: mine() returned nothing. Expected `return loss, {{name: gradient}}`.\n",
    )


@pytest.mark.parametrize(
    ("then", "what"),
    [
        ("return 'low', g", "a str as its loss. Expected a number, or None."),
        ("return np.ones(3), g", "an array of shape (3,) as its loss. Expected a number."),
    ],
)
def test_a_loss_that_is_no_number(said: Said, then: str, what: str) -> None:
    assert said(source(then)) == (1, f"mine.py:{DECORATOR}: mine() returned {what}\n")


@pytest.mark.parametrize(
    ("array", "note"),
    [
        ("g['Wx'].T", "Wx has shape (8, 7) (it is the transpose), expected (7, 8)"),
        ("g['Wx'][1:]", "Wx has shape (6, 8), expected (7, 8)"),
        ("g['Wx'].ravel()", "in a layout, neighbours in one axis stand in ( ), as in `(input hidden)`"),
        ("None", "Wx is None, not an array: return an array, or leave it out"),
        ("'large'", "Wx is a str, not an array: return an array, or leave it out"),
        ("[[1, 2], [3]]", "Wx is a list, not an array of numbers"),
        ("np.full((7, 8), None)", "Wx holds nan in the port, first at [0, 0]"),
        ("np.full((7, 8), 'x', dtype=object)", "Wx is an array of shape (7, 8), not an array of numbers"),
        ("g['Wx'] + 0j", "Wx is complex: return real numbers"),
    ],
)
def test_a_gradient_that_cannot_be_compared(said: Said, array: str, note: str) -> None:
    status, text = said(source(f"g['Wx'] = {array}\nreturn loss, g"), "--verdict-only")
    assert status == 1
    lines_of(text, "DIFFERS: 1 of 6 gradients differ, 5 agree", note)
    if "nan" not in note:
        assert "the error enters" not in text  # nothing can be read from a pattern of shapes


def test_not_a_number_says_whose_and_where_first(said: Said) -> None:
    status, text = said(source("g['Wh'][2:, 1] = np.nan\nreturn loss, g"))
    assert status == 1
    lines_of(text, "DIFFERS: 1 of 6 gradients differ, 5 agree", "Wh holds nan in the port, first at [2, 1]")
    assert re.search(r"Wh +Waa .* differs +nan +\S+ +2 1$", text, re.MULTILINE)


def test_infinity_says_whose_and_where_first(said: Said) -> None:
    status, text = said(source("g['b'][3:] = -np.inf\nreturn loss, g"))
    assert status == 1
    lines_of(text, "b holds -inf in the port, first at [3]")


def test_a_loss_that_is_not_a_number(said: Said) -> None:
    status, text = said(source("return np.nan, g"))
    assert status == 1
    lines_of(text, "0 of 6 gradients differ, 6 agree; the loss differs", "loss is nan in the port")


def test_a_gradient_for_class_indices(said: Said) -> None:
    text = source(
        "g['X'] = X * 0.5\nreturn loss, g",
        body="loss, g = net(Wx, Wh, b, Wy, by, np.eye(len(Wx))[X], Y, h0)",
        layout=("batch time input", "batch time"),
    )
    status, printed = said(text)
    assert status == 1
    lines_of(
        printed, "X is the gradient of class indices, which have none: leave 'X' out"
    )


def test_a_gradient_for_the_targets(said: Said) -> None:
    status, text = said(source("g['Y'] = Y\nreturn loss, g"))
    assert status == 1
    lines_of(text, "Y is not differentiated (it is given): leave 'Y' out")


def test_a_gradient_under_a_name_that_is_not_in_the_layout(said: Said) -> None:
    status, text = said(source("g['dWx'] = g.pop('Wx')\nreturn loss, g"))
    assert status == 1
    lines_of(text, "dWx is no array of the layout: its name there is 'Wx'")


def test_gradients_under_other_names_alone_are_no_wrong_gradients(said: Said) -> None:
    status, text = said(source("return loss, {'d' + name: value for name, value in g.items()}"))
    assert status == 1
    lines_of(text, "nothing was compared: the gradients come back under names that the layout does not have")
    assert "wrong gradient" not in text


def test_gradients_under_other_names_are_not_provided_and_no_fault_is_found_in_the_others(said: Said) -> None:
    status, text = said(source("return loss, {'d' + name if name != 'b' else name: g[name] for name in g}"))
    assert status == 1
    lines_of(
        text,
        "DIFFERS: 1 of 7 gradients agree, 5 under names that the layout has no gradient of; the loss agrees",
        "dWx not provided",
        "dWx is no array of the layout: its name there is 'Wx'",
    )
    assert "wrong gradient" not in text and "gradients differ" not in text


def test_a_gradient_under_another_name_is_not_counted_among_those_that_differ(said: Said) -> None:
    status, text = said(source("g['dWx'] = g.pop('Wx')\ng['Wh'] = g['Wh'].T\nreturn loss, g"), "--verdict-only")
    assert status == 1
    lines_of(text, "DIFFERS: 1 of 5 gradients differ, 4 agree, 1 under names that the layout has no gradient of;")


def test_a_gradient_under_the_canonical_name_is_told_its_own(said: Said) -> None:
    status, text = said(source("g['Wax'] = g.pop('Wx')\nreturn loss, g"))
    assert status == 1
    lines_of(text, "Wax is no array of the layout: its name there is 'Wx'")

@pytest.mark.parametrize(
    "array", ["g['b'].astype(object)", "g['b'].tolist()", "g['b'][None]", "g['b'][:, None]"]
)
def test_gradients_that_are_taken_all_the_same(said: Said, array: str) -> None:
    status, text = said(source(f"g['b'] = {array}\nreturn loss, g"))
    assert status == 0
    assert ("remark: the gradient of b has shape" in text) == ("None" in array)


# What the port does -----------------------------------------------------------------------------------------


def test_an_exception_inside_the_port_names_its_line_and_the_shapes_on_it(said: Said) -> None:
    status, text = said(source('g["Wx"] = X[:, 0].T @ Wh\nreturn loss, g'))
    first, second = text.splitlines()[:2]
    assert status == 1
    assert first.startswith(f"mine.py:{DECORATOR + 12}: mine() raised ValueError: matmul: ")
    assert second == "    on that line X is (2, 5, 7), Wh is (8, 8)"


def test_a_search_takes_as_long_as_it_is_told_to(said: Said, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = source().replace("carry = d @ Wh.T", "carry = d @ Wh")
    assert "verified patch" in said(wrong, "--search", "5")[1]
    lines_of(said(wrong, "--search", "0.001")[1], "the search for a patch ran out of time (--search gives it longer)")
    assert main(["fix", "mine.py", "--search", "0.001"]) == 1
    assert "no verified patch was found" in capsys.readouterr().err
    assert main(["fix", "mine.py", "--search", "5"]) == 1
    assert "+        carry = d @ Wh.T" in capsys.readouterr().out


def test_an_exception_in_a_function_that_the_port_calls(said: Said) -> None:
    status, text = said(source().replace("carry = d @ Wh.T", "carry = d @ Wx.T"))
    assert status == 1
    line = (HEAD + NET).splitlines().index("        d = (dz @ Wy.T + carry) * (1 - hs[t + 1] ** 2)") + 1
    assert text.startswith(
        f"mine.py:{line}: mine() raised ValueError: operands could not be broadcast together"
    )
    lines_of(text, "on that line", "carry is (2, 7)")


def test_an_exception_without_a_text(said: Said) -> None:
    assert said(source("assert False"))[1].startswith(
        f"mine.py:{DECORATOR + 12}: mine() raised AssertionError\n"
    )


def test_sys_exit_inside_the_port(said: Said) -> None:
    status, text = said(source("import sys\nsys.exit(3)"))
    assert status == 1
    assert text.startswith(f"mine.py:{DECORATOR + 13}: mine() called sys.exit(3).")


def test_a_port_that_ends_its_process(said: Said) -> None:
    status, text = said(source("import os\nos._exit(3)"))
    assert (status, text) == (
        1,
        f"mine.py:{DECORATOR}: mine() ended its own process (exit code 3) before it answered.\n",
    )


def test_a_port_that_keeps_state_between_calls(said: Said) -> None:
    text = source(
        "for n, value in g.items():\n    total[n] = total.get(n, 0) + value\nreturn loss, dict(total)",
        head="total = {}\n",
    )
    status, printed = said(text)
    assert status == 1
    assert printed.startswith(
        f"mine.py:{DECORATOR + 1}: mine() gives another answer when it is run again on the same data: it "
        "keeps state between calls: it changes the global `total`. Make it start anew at every call."
    )


# A script that adds its gradients up in globals, as the course's notebook does, and does not clear them.
ADDS_UP = """\
import numpy as np
from rowcol.bridge import port
import script{taken}

@port("dense", \"\"\"
    W: W1  input output
    b: b1  output
    X: x   batch input
    Y: y   batch output
\"\"\")
def mine(W, b, X, Y):
    script.W = W
    loss = script.both(b, X, Y)
    return loss, {{"W": script.gW, "b": script.gb}}
"""
SCRIPT = """\
import numpy as np

W = np.random.randn(6, 5)
gW, gb = np.zeros_like(W), np.zeros(5)
seen = 0

def both(b, X, Y):
    global gW, gb, seen
    seen += 1
    P = np.exp(X @ W + b)
    P /= P.sum(axis=1, keepdims=True)
    gW += X.T @ (P - Y)
    gb = (P - Y).sum(axis=0)
    return -np.sum(Y * np.log(P))
"""
FIXED = ', sizes="input = 6, output = 5")'


def test_what_a_module_keeps_between_calls_is_named(said: Said, tmp_path: Path) -> None:
    """The gradient that is added up, and neither the count of the calls nor the one that is set anew."""
    (tmp_path / "script.py").write_text(SCRIPT)
    status, text = said(ADDS_UP.format(taken="").replace('""")', '"""' + FIXED, 1))
    assert status == 1
    lines_of(text, "it keeps state between calls: it changes the global `gW` of script.py. Make it start anew")


def test_what_an_object_keeps_between_calls_is_named(said: Said) -> None:
    text = source(
        "model.times += 1\nmodel.last = loss\nreturn loss, {n: v * model.times for n, v in g.items()}",
        head="class Model:\n    last = None\n\nmodel = Model()\nmodel.times = 0\n",
    )
    status, printed = said(text)
    assert status == 1
    lines_of(printed, "it keeps state between calls: it changes the attribute `model.times`. Make it start anew")


def test_what_definitions_leaves_out_is_the_declarations_to_set(said: Said, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    taken = "\nfrom rowcol.bridge import definitions\nscript = definitions('script.py')"
    status, text = said(ADDS_UP.format(taken=taken))
    assert status == 2
    lines_of(
        text,
        "mine.py:7: definitions() left out the line that sets 'gW' (script.py:4), and both() needs it (script.py:12)",
        "Set it around the call: with globals_set(script, gW=...).",
    )


@pytest.mark.parametrize(
    ("draw", "where"),
    [
        ("np.random.rand(*g['b'].shape) > 0.5", " from NumPy's or Python's global generator"),
        ("__import__('random').random()", " from NumPy's or Python's global generator"),
        ("np.random.default_rng().random(g['b'].shape)", ""),
    ],
)
def test_a_port_that_draws_random_numbers(said: Said, draw: str, where: str) -> None:
    status, text = said(source(f"g['b'] = g['b'] * ({draw})\nreturn loss, g"))
    assert status == 1
    lines_of(
        text,
        f"it draws random numbers{where}. Leave out what is random (dropout, noise, weights of its own",
    )


def test_a_port_that_seeds_its_own_generator_is_steady(said: Said) -> None:
    assert said(source("np.random.seed(0)\nnp.random.rand()\nreturn loss, g"))[0] == 0


def test_a_port_that_never_ends_runs_into_its_limit(said: Said) -> None:
    status, text = said(source("while True:\n    Wx = Wx + 0"), "--limit", "0.2")
    assert status == 1
    assert re.match(r"mine\.py:(\d+): mine\(\) ran past its limit of 0\.2 s; it was at this line\.", text)
    assert int(text.split(":")[1]) in (DECORATOR + 12, DECORATOR + 13)


def test_a_port_that_swallows_its_limit_is_ended(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowcol.bridge.run.GRACE", 0.05)
    loop = "while True:\n    try:\n        while True:\n            Wx = Wx + 0\n    except:\n        pass"
    status, text = said(source(loop), "--limit", "0.2")
    assert status == 1
    lines_of(text, f"mine.py:{DECORATOR}: mine() ran past its limit of 0.2 s. It swallows every exception")


@pytest.mark.skipif(os.name != "posix", reason="signals as a terminal sends them")
@pytest.mark.parametrize("where", ["in a call", "while it is loaded"])
def test_ctrl_c_leaves_a_clean_message_and_no_process(tmp_path: Path, where: str) -> None:
    note = f"open({str(tmp_path / 'started')!r}, 'w').write(str(__import__('os').getpid()))"
    endless = f"{note}\nwhile True:\n    pass"
    text = source(endless) if where == "in a call" else endless + "\n"
    (tmp_path / "mine.py").write_text(text)
    command = [sys.executable, "-m", "rowcol.bridge.cli", "diff", "mine.py"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    until = time.monotonic() + 20
    while not ((tmp_path / "started").exists() and (tmp_path / "started").read_text()):
        assert time.monotonic() < until
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "\nrowcol: interrupted\n")
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(int((tmp_path / "started").read_text()), 0)
            time.sleep(0.05)


def test_megabytes_of_printing_do_no_harm(said: Said) -> None:
    text = source(
        "import sys\nprint('x' * 3_000_000)\nprint('x' * 3_000_000, file=sys.stderr)\nreturn loss, g"
    )
    status, printed = said(text)
    assert status == 0
    assert len(printed) < 3000


def test_a_port_cannot_change_the_directory_or_the_streams_of_the_command(said: Said) -> None:
    text = source("import os, sys\nos.chdir('/')\nsys.stdout = None\nreturn loss, g")
    assert said(text)[1].startswith("mine.py:")


# What agrees, with a remark ---------------------------------------------------------------------------------


def test_writing_into_arguments_is_a_remark(said: Said) -> None:
    status, text = said(source("Wx -= 0.1 * g['Wx']\nb[:] = 0\nreturn loss, g"))
    assert status == 0
    assert re.search(r"remark: writes into .*Wx.*b", text)


@pytest.mark.parametrize(
    ("then", "clip"),
    [
        ("return loss, {n: np.clip(v, -5, 5) if n != 'h0' else v for n, v in g.items()}", "clip=5"),
        ("return loss, {n: np.clip(v, -1, 1) for n, v in g.items()}", "clip=1"),
        (
            "size = np.sqrt(sum(np.sum(v * v) for n, v in g.items() if n != 'h0'))\n"
            "return loss, {n: v * min(1, 3 / size) if n != 'h0' else v for n, v in g.items()}",
            "clip='norm 3'",
        ),
    ],
)
def test_clipping_without_saying_so_is_a_remark(said: Said, then: str, clip: str) -> None:
    status, text = said(source(then))
    assert status == 0
    lines_of(text, f"remark: clips its gradients ({clip} would say so)")


MEAN = "k = len(X) * X.shape[1]\ng = {n: v / k for n, v in g.items()}\nloss = loss / k\n"
CLIPPED = "return loss, {n: np.clip(v, -5, 5) if n != 'h0' else v for n, v in g.items()}"


@pytest.mark.parametrize(("before", "reduction"), [("", ""), (MEAN, ", reduction='mean over batch and time'")])
def test_a_declared_clip_is_reached_on_some_case_and_that_is_said(said: Said, before: str, reduction: str) -> None:
    status, text = said(source(before + CLIPPED, keywords=f"clip=5{reduction}"))
    assert status == 0
    lines_of(text, "remark: the bound clip=5 is reached, and the gradients are clipped to it")


@pytest.mark.parametrize(("before", "reduction"), [("", ""), (MEAN, ", reduction='mean over batch and time'")])
def test_a_declared_clip_that_is_not_there_is_found_out(said: Said, before: str, reduction: str) -> None:
    status, text = said(source(before + "return loss, g", keywords=f"clip=5{reduction}"))
    assert status == 1
    lines_of(text, "with no clip= (nothing is clipped) everything agrees")


def test_a_bound_that_no_gradient_reaches_is_not_called_verified(said: Said) -> None:
    status, text = said(source(keywords="clip=1e9"))
    assert status == 0
    lines_of(text, "no gradient reaches the bound clip=1e+09 on these cases: whether the port clips is not verified")


def test_a_factor_is_said_though_a_bound_cuts_it_off_on_some_cases(said: Said) -> None:
    status, text = said(source("g = {n: v / X.shape[1] for n, v in g.items()}\n" + CLIPPED, keywords="clip=5"))
    assert status == 1
    lines_of(text, "the right ones times 1 / time (on every case that the bound leaves as it is).")


@pytest.mark.parametrize(("reduction", "said_of_it"), [("batch and time", True), ("batch", False)])
def test_of_a_mean_over_time_the_steps_may_be_averaged_wrongly(said: Said, reduction: str, said_of_it: bool) -> None:
    k = "len(X) * X.shape[1]" if said_of_it else "len(X)"
    then = f"k = {k}\ng = {{n: v / k for n, v in g.items()}}\ng['Wx'] = g['Wx'] * X.shape[1]\nreturn loss / k, g"
    then = then.replace("g['Wx'] * X.shape[1]", "g['Wx'] * X.shape[1] + (X.shape[1] - 1)")
    status, text = said(source(then, keywords=f"reduction='mean over {reduction}'"))
    assert status == 1
    lines_of(text, "With time = 1 everything agrees: the fault is in what one step hands to another")
    assert ("where the mean over them is taken" in " ".join(text.split())) is said_of_it


def test_clipping_more_than_the_parameters_is_a_remark(said: Said) -> None:
    status, text = said(
        source("return loss, {n: np.clip(v, -1, 1) for n, v in g.items()}", keywords="clip=1")
    )
    assert status == 0
    lines_of(text, "remark: clips the gradients of inputs and initial states too (h0)")


@pytest.mark.parametrize(
    ("loss", "factor"),
    [
        ("loss / len(X)", "1 / batch"),
        ("loss / X.shape[1]", "1 / time"),
        ("loss / X.shape[1] / len(X)", "1 / batch / time"),
        ("loss * len(by)", "output"),
    ],
)
def test_a_loss_off_by_a_product_of_sizes_is_a_remark(said: Said, loss: str, factor: str) -> None:
    status, text = said(source(f"return {loss}, g"))
    assert status == 0
    lines_of(text, f"remark: reports a loss of {factor} times the one whose gradients it gives")


def test_computing_in_float32_is_a_remark(said: Said) -> None:
    text = source(body="loss, g = net(*[a.astype(np.float32) for a in (Wx, Wh, b, Wy, by, X, Y, h0)])")
    status, printed = said(text)
    assert status == 0
    lines_of(printed, "remark: computes in float32 (declare dtype='float32' if that is meant)")
    assert printed.count("computes in float32") == 1


def test_what_is_not_returned_is_not_provided_and_not_wrong(said: Said) -> None:
    status, text = said(source("del g['Wh']\nreturn None, g"))
    assert status == 0
    lines_of(text, "5 of 7 gradients checked, all agree; no loss was given")
    assert re.search(r"Wh .*not provided", text)


# A declaration that is not what the code does ---------------------------------------------------------------

SQUARES = ("loss -= np.sum(Y[:, t] * np.log(ps[-1]))", "loss += np.sum((z - Y[:, t]) ** 2) / 2")
HALF = ("ps.append(p / p.sum(axis=1, keepdims=True))", "ps.append(z)")


def squares(whole: bool, keywords: str) -> str:
    """A port of the squared error, with its half or (whole) without."""
    text = source(keywords=keywords).replace(*SQUARES).replace(*HALF)
    if whole:
        text = text.replace(" ** 2) / 2", " ** 2)").replace(
            "dz = ps[t] - Y[:, t]", "dz = 2 * (ps[t] - Y[:, t])"
        )
    return text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (source(layout=("prev hidden", "hidden prev")), "the layout line 'Wh: Waa prev hidden'"),
        (source(keywords='reduction="mean over batch"'), "reduction='sum'"),
        (
            source("return loss / len(X), {n: v / len(X) for n, v in g.items()}"),
            "reduction='mean over batch'",
        ),
        (
            source("k = len(X) * X.shape[1]\nreturn loss / k, {n: v / k for n, v in g.items()}"),
            "reduction='mean over batch and time'",
        ),
        (source(keywords='activation="relu"'), "activation='tanh'"),
        (source(keywords='activation="sigmoid"'), "activation='tanh'"),
        (source(keywords="clip=0.5"), "no clip= (nothing is clipped)"),
        (source(keywords='objective="logistic"'), "objective='softmax'"),
        (source(keywords='objective="squared error"'), "objective='softmax'"),
        (squares(False, 'objective="softmax"'), "objective='squared error'"),
        (squares(True, 'objective="squared error"'), "objective='squared error without the half'"),
        (squares(False, 'objective="squared error without the half"'), "objective='squared error'"),
    ],
    ids=[
        "square swapped",
        "mean declared",
        "mean computed",
        "mean of both computed",
        "relu declared",
        "sigmoid declared",
        "clip declared",
        "logistic declared",
        "squares declared",
        "squares computed",
        "whole squares computed",
        "whole squares declared",
    ],
)
def test_a_wrong_declaration_is_recognised(said: Said, text: str, meant: str) -> None:
    status, printed = said(text, "--json")
    report = json.loads(printed)
    assert status == 1
    assert report["finding"] == "declaration"
    assert " ".join(report["declared"].split()) == meant
    assert report["headline"] == f"the declaration, not the code: with {report['declared']} everything agrees"
    first, second = report["sentences"]
    assert first == f"The declaration, not the code, is what differs: with {report['declared']} everything agrees."
    if "layout line" in meant:
        assert second == f"That line stands at mine.py:{Wh}."
    else:
        what = "Take it out of" if meant.startswith("no clip") else "Write it behind the layout in"
        assert second == f"{what} the @port of mine(), at mine.py:{report['line']}."


def test_among_several_ports_a_declaration_and_unknown_names_are_no_wrong_gradients(
    said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    said(source(keywords='reduction="mean over batch"'), name="one.py")
    said(source("return loss, {'d' + name if name != 'b' else name: g[name] for name in g}"), name="two.py")
    assert main(["diff", "one.py", "two.py", "--verdict-only"]) == 1
    one, two = capsys.readouterr().out.splitlines()[:2]
    assert one.endswith("with reduction='sum' everything agrees")
    assert " 1 of 7 gradients agree, 5 under " in two


def test_a_port_declared_float32_that_computes_in_float64_agrees(said: Said) -> None:
    text = source(
        body="loss, g = net(*[a.astype(np.float64) for a in (Wx, Wh, b, Wy, by, X, Y, h0)])",
        keywords='dtype="float32"',
    )
    assert said(text)[0] == 0


def test_a_size_that_the_code_fixes_and_the_declaration_does_not_raises_at_its_line(said: Said) -> None:
    text = source(body="h0 = h0.reshape(len(X), 20)\nloss, g = net(Wx, Wh, b, Wy, by, X, Y, h0)")
    status, printed = said(text)
    assert status == 1
    assert printed.startswith(f"mine.py:{DECORATOR + 11}: mine() raised ValueError: cannot reshape array")
    lines_of(printed, "on that line h0 is (2, 8), X is (2, 5, 7)")


# For programs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "then", ["g['b'][0] = np.nan\nreturn loss, g", "g['b'][0] = np.inf\nreturn -np.inf, g", "return loss, g"]
)
def test_json_is_valid_whatever_the_numbers_are(said: Said, then: str) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    _, text = said(source(then), "--json")
    report = json.loads(text, parse_constant=refuse)
    assert {array["name"] for array in report["arrays"]} >= {"loss", "Wx", "Wh", "b", "Wy", "by"}


def test_json_of_a_file_that_is_not_there_has_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["diff", "--json", "nowhere.py"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["error"] == {"what": "no such file.", "file": "nowhere.py", "line": None}


def test_rowcols_own_mistakes_are_called_so(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise TypeError("no way")

    monkeypatch.setattr("rowcol.bridge.examine.examine_file", fails)
    status, text = said(source())
    assert status == 2
    assert text.startswith("mine.py: rowcol itself failed on this file. The mistake is rowcol's, not yours;")
    lines_of(text, "TypeError at tests/test_bad_input.py:", "no way")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_process_that_the_port_leaves_behind_is_not_waited_for(said: Said) -> None:
    start = time.monotonic()
    text = source(head="import os, time\nif os.fork() == 0:\n    time.sleep(60)\n    os._exit(0)\n")
    assert said(text)[0] == 0
    assert time.monotonic() - start < 30


def test_line_ends_of_windows_change_no_line_number(said: Said) -> None:
    text = source(layout=("prev hidden", "prev hiden")).replace("\n", "\r\n")
    assert said(text)[1].startswith(f"mine.py:{Wh}: layout line 3: there is no axis 'hiden'")
    assert said(source().replace("\n", "\r\n"))[0] == 0


def test_a_file_in_no_known_encoding(said: Said) -> None:
    status, text = said(b"x = 1\ny = '\xe9'\n")
    assert status == 2
    assert text.startswith("mine.py:2: syntax error: (unicode error) 'utf-8' codec can't decode")


def test_a_file_elsewhere_is_named_as_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two words").mkdir()
    (tmp_path / "two words" / "mine.py").write_text("x = (\n")
    monkeypatch.chdir(tmp_path)
    assert main(["diff", "two words/mine.py"]) == 2
    assert capsys.readouterr().out.startswith("two words/mine.py:1: syntax error:")


def test_a_size_that_is_a_number_in_the_code_of_any_is_to_be_declared(said: Said) -> None:
    layout = '@port("any", """\n w: w feature\n x: x batch feature\n""")\n'
    body = "def mine(w, x):\n    d = w + np.ones(37)\n    return d.sum(), {}\n"
    _, text = said("import numpy as np\nfrom rowcol.bridge import port\n" + layout + body)
    assert 'write sizes="feature = 37" in @port' in " ".join(text.split())
