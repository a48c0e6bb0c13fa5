"""The helpers of adapters: what they take of a script, what they put back, what they say otherwise."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rowcol.bridge import definitions, lines
from rowcol.bridge.diagnose.source import Scope
from rowcol.bridge.diagnose.text import Splice
from rowcol.bridge.helpers import Recorder, globals_set, over_time, update_gradients
from rowcol.bridge.problem import Problem

SCRIPT = '''\
"""Trains as soon as it is imported."""
from __future__ import annotations

import os
import not_installed_here.pyplot as plt
from dataclasses import dataclass
from not_installed_either import njit, scale

import numpy as np

try:
    import cupy_is_not_here as xp
except ImportError:
    xp = np

HIDDEN = 3
SHAPE = (HIDDEN, 2 * HIDDEN + 1)
rate: float = 1e-2
h0 = np.zeros((HIDDEN, 1))
square = lambda v: v * v
text = open("missing.txt").read()
vocab = len(set(text))
W = 5
W = np.random.randn(*SHAPE)
if HIDDEN > 2:
    DEEP = True
else:
    DEEP = False
if rate > np.random.rand():
    LUCKY = True


@dataclass
class Config:
    hidden: int = HIDDEN


class Net:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        return W @ x + square(self.W @ x)


def plot(values):
    plt.plot(values)


def fail(x):
    return x @ W


@njit
def fast(x):
    return scale * x


for step in range(10**12):
    W -= rate * step
    loss = float(step)
raise SystemExit("trained")
'''


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def number(text: str, start: str) -> int:
    """The line, counted from 1, that starts with a text."""
    return next(n for n, row in enumerate(text.splitlines(), 1) if row.strip().startswith(start))


# definitions


def test_definitions_takes_functions_classes_and_constants_and_starts_no_training(script):
    module = definitions(script)
    assert module.HIDDEN == 3 and module.SHAPE == (3, 7) and module.rate == 1e-2
    assert module.h0.shape == (3, 1)
    assert module.square(4) == 16
    assert module.DEEP is True
    assert module.Config().hidden == 3
    assert module.__file__ == str(script)


def test_functions_keep_the_scripts_file_and_line_numbers(script):
    code = definitions(script).Net.forward.__code__
    assert code.co_filename == str(script)
    assert code.co_firstlineno == number(SCRIPT, "def forward")


def test_globals_that_functions_read_can_be_set(script):
    module = definitions(script)
    module.W = np.eye(2)
    assert module.Net(2 * np.eye(2)).forward(np.ones(2)).tolist() == [5, 5]


def test_a_name_set_by_code_that_is_not_run_says_so_at_its_line(script):
    module = definitions(script)
    with pytest.raises(Problem) as caught:
        _ = module.vocab
    place = f"{script}:{number(SCRIPT, 'vocab')}"
    assert str(caught.value).startswith(f"{place}: 'vocab' is set by code that is not run")
    assert not hasattr(module, "loss") and not hasattr(module, "LUCKY")


def test_a_constant_that_is_set_anew_by_skipped_code_is_not_what_it_was(script):
    with pytest.raises(Problem, match="'W' is set by code that is not run"):
        _ = definitions(script).W


def test_an_unknown_name_gives_the_nearest(script):
    with pytest.raises(Problem, match=r"have no 'HIDEN'; did you mean 'HIDDEN'\?"):
        _ = definitions(script).HIDEN


def test_a_package_that_is_missing_matters_when_it_is_used(script):
    module = definitions(script)
    with pytest.raises(Problem) as caught:
        module.plot([1])
    place = f"{script}:{number(SCRIPT, 'import not_installed')}"
    assert str(caught.value).startswith(f"{place}: 'not_installed_here.pyplot' is used, but its import fails")
    with pytest.raises(Problem, match=r"'fast' could not be defined: .*'not_installed_either' fails"):
        module.fast(1)


def test_an_import_that_the_script_does_without_is_done_without(script):
    assert definitions(script).xp is np


def test_modules_beside_the_script_are_found_and_the_import_path_is_put_back(tmp_path):
    (tmp_path / "beside_the_script.py").write_text("def double(v): return 2 * v\n")
    (tmp_path / "train.py").write_text("from beside_the_script import double\n")
    before = list(sys.path)
    assert definitions(tmp_path / "train.py").double(2) == 4
    assert sys.path == before
    del sys.modules["beside_the_script"]


def test_a_module_beside_the_script_that_fails_is_said_at_once(tmp_path):
    (tmp_path / "broken_beside.py").write_text("1 / 0\n")
    (tmp_path / "train.py").write_text("\nimport broken_beside\n")
    with pytest.raises(Problem, match=r"train\.py:2: the import of 'broken_beside' fails: ZeroDivisionError"):
        definitions(tmp_path / "train.py")


def test_a_relative_path_starts_from_the_file_that_calls(tmp_path, monkeypatch):
    (tmp_path / "train.py").write_text("SIZE = 4\n")
    (tmp_path / "adapter.py").write_text(
        "from rowcol.bridge import definitions, lines\n"
        "SIZE = definitions('train.py').SIZE\n"
        "TWICE = lines('train.py', 1, 1).SIZE * 2\n"
    )
    monkeypatch.chdir("/")
    monkeypatch.syspath_prepend(str(tmp_path))
    import adapter  # type: ignore[import-not-found]

    assert (adapter.SIZE, adapter.TWICE) == (4, 8)
    del sys.modules["adapter"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x = 1\ndef f(:\n", r"train\.py:2: syntax error"),
        (b"x = 1\n# caf\xe9\n", r"train\.py:2: is not utf-8: the byte 0xe9 stands on this line"),
        (b"# coding: no-such\n", r"train\.py:1: cannot be read: unknown encoding"),
        (b"x = 1\0", r"train\.py: .*zero bytes"),
    ],
)
def test_a_script_that_cannot_be_read_is_said_with_its_line(tmp_path, content, message):
    (tmp_path / "train.py").write_bytes(content)
    with pytest.raises(Problem, match=message):
        definitions(tmp_path / "train.py")


def test_a_script_that_is_not_there_is_said(tmp_path):
    with pytest.raises(Problem, match=r"nothing\.py: no such file"):
        definitions(tmp_path / "nothing.py")


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfX = 'a'\r\n", b"# coding: latin-1\r\nX = 'a' # \xe9\r\n"])
def test_other_encodings_and_line_ends_are_read(tmp_path, content):
    (tmp_path / "train.py").write_bytes(content)
    assert definitions(tmp_path / "train.py").X == "a"


# lines

LOOP = """\
import numpy as np

bias = 0.5


def shifted(v):
    return v + bias


for batch in range(10**12):
    W = make(batch)
    # one step
    z = shifted(x @ W)
    if batch > 3:
        loss = z.sum()
    else:
        loss = -z.sum()
    dW = np.outer(x, np.ones(3))
    W -= 0.1 * dW
print(W)
"""


@pytest.fixture
def loop(tmp_path):
    path = tmp_path / "loop.py"
    path.write_text(LOOP)
    return path


def test_a_stretch_of_a_loop_runs_with_the_names_given_and_the_scripts_own(loop):
    end = lines(loop, 12, 18, x=np.ones(2), W=np.ones((2, 3)), batch=4)
    assert end.loss == 7.5
    assert end.dW.shape == (2, 3)


def test_what_a_stretch_assigns_ends_with_the_call(loop):
    module = definitions(loop)
    before = dict(vars(module))
    lines(loop, 13, 13, module, x=np.ones(2), W=np.ones((2, 3)), bias=2.0)
    assert vars(module) == before


def test_functions_see_the_names_that_a_stretch_is_given(loop):
    assert lines(loop, 13, 13, x=np.ones(2), W=np.ones((2, 3)), bias=2.0).z.tolist() == [4, 4, 4]


def test_a_stretch_that_raises_does_so_at_the_scripts_line_and_leaves_nothing_behind(loop):
    module = definitions(loop)
    with pytest.raises(ValueError) as caught:
        lines(loop, 12, 14 - 1, module, x=np.ones(7), W=np.ones((2, 3)))
    places = [(entry.path, entry.lineno) for entry in caught.traceback]
    assert (loop, 12) in [(Path(path), line) for path, line in places]
    assert not hasattr(module, "x")


def test_a_name_that_a_stretch_does_not_set_is_said(loop):
    end = lines(loop, 13, 13, x=np.ones(2), W=np.ones((2, 3)))
    with pytest.raises(Problem, match=r"the lines 13 to 13 have no 'dW'"):
        _ = end.dW


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (13, 14, r"loop\.py:14: the lines 13 to 14 are not whole statements"),
        (15, 17, r"loop\.py:16: .*not whole statements"),
        (19, 20, r"loop\.py:20: .*this line belongs to another block"),
        (7, 7, r"loop\.py:7: .*'return' outside function"),
        (12, 99, r"there are no lines 12 to 99: this script has 21"),
        (8, 9, r"loop\.py:8: there is nothing to run"),
    ],
)
def test_lines_that_are_no_whole_statements_are_said(loop, first, last, message):
    with pytest.raises(Problem, match=message):
        lines(loop, first, last)


def test_an_edit_of_a_stretch_can_be_put_in_force(loop):
    def run():
        return float(lines(loop, 12, 18, x=np.ones(2), W=np.ones((2, 3)), batch=4).loss)

    scope = Scope.discover(run, str(loop.parent))
    start = LOOP.index("z.sum()")
    with scope.edited([Splice(str(loop), start, start, "2 * ")]):
        assert run() == 15
    assert run() == 7.5


# globals_set


def test_globals_are_what_they_were_and_new_ones_are_gone_even_if_the_block_raises(script):
    module = definitions(script)
    with pytest.raises(KeyError), globals_set(module, HIDDEN=9, W=1) as same:
        assert same is module and module.HIDDEN == 9 and module.W == 1
        raise KeyError
    assert module.HIDDEN == 3
    assert "W" not in vars(module)


def test_attributes_of_an_object_can_be_set_for_a_call():
    class Net:
        rate = 0.1

    net = Net()
    with globals_set(net, rate=5.0):
        assert net.rate == 5.0
    assert net.rate == 0.1 and "rate" not in vars(net)


# update_gradients


def test_gradients_come_out_of_an_update_to_within_the_rounding_they_tell():
    rng = np.random.default_rng(0)
    for rate in (1e-3, 1.0, 1e3):
        for dtype in (np.float32, np.float64):
            before = {"W": rng.standard_normal((40, 50)).astype(dtype), "b": np.ones(7, dtype)}
            gradients = {name: rng.standard_normal(a.shape).astype(dtype) for name, a in before.items()}
            after = {name: before[name] - dtype(rate) * gradients[name] for name in before}
            found = update_gradients(before, after, rate)
            for name, gradient in gradients.items():
                error = np.abs(found[name] - gradient).max()
                assert error <= found[name].rounding
                assert found[name].dtype == dtype


def test_a_large_rate_leaves_little_rounding():
    before = np.ones(3)
    small, large = (update_gradients(before, before - r * np.ones(3), r).rounding for r in (1e-2, 1e3))
    assert large < small / 50


def test_the_rounding_stays_with_a_transposed_or_reshaped_gradient():
    found = update_gradients(np.ones((2, 3)), np.zeros((2, 3)), 0.5)
    assert found.T.rounding == found.reshape(6).rounding == found.rounding > 0


def test_updates_of_lists_single_arrays_and_objects_are_read():
    class Net:
        W = np.zeros(2)

    net = Net()
    net.W = np.array([-2.0, 4.0])
    assert update_gradients({"W": np.zeros(2)}, net, 2.0)["W"].tolist() == [1, -2]
    assert update_gradients([np.zeros(1)], [np.ones(1)], 1.0)[0].tolist() == [-1]
    assert update_gradients(np.zeros(1), np.ones(1), 0.5).tolist() == [-2]


@pytest.mark.parametrize(
    ("before", "after", "rate", "message"),
    [
        ({"W": np.ones(2)}, {"V": np.ones(2)}, 1, r"finds no 'W' after the step"),
        ({"W": np.ones(2)}, {"W": np.zeros(3)}, 1, r"is \(2,\) before the step, \(3,\) after it"),
        ({"W": np.ones(2, int)}, {"W": np.zeros(2, int)}, 1, r"of 'W' are int64"),
        ({"W": np.ones(2)}, {"W": np.ones(2)}, 1, r"the step changed no array"),
        ({"W": np.ones(2)}, {"W": np.zeros(2)}, 0, r"needs the rate of the step, not 0"),
        ([np.ones(2)], [], 1, r"has 1 arrays before the step, 0 after it"),
    ],
)
def test_an_update_that_cannot_be_read_is_said(before, after, rate, message):
    with pytest.raises(Problem, match=message):
        update_gradients(before, after, rate)


def test_forgetting_to_copy_the_weights_is_said():
    W = np.ones(2)
    with pytest.raises(Problem, match=r"before and after of 'W' are one array\. Keep a copy\(\)"):
        update_gradients({"W": W}, {"W": W}, 1.0)


# Recorder


class SGD:
    """Understands the common forms of being called; its gradients are gone afterwards."""

    rate = 0.5

    def step(self, *arguments):
        for weight, gradient in self.pairs(*arguments):
            weight -= self.rate * gradient
            gradient[...] = np.nan

    def apply(self, layers):
        for layer in layers:
            for name in layer.params:
                self.update(name, layer.params[name], layer.grads[name])

    def update(self, name, weight, gradient):
        weight -= self.rate * gradient
        gradient[...] = np.nan

    @staticmethod
    def pairs(first, second=None, *_):
        if isinstance(first, dict):
            return [(first[key], second[key]) for key in first]
        if isinstance(first, np.ndarray):
            return [(first, second)]
        first = list(first)
        return list(zip(first, second, strict=True)) if second else first


@pytest.mark.parametrize(
    "arguments",
    [
        lambda W, b, dW, db: ({"W": W, "b": b}, {"W": dW, "b": db}),
        lambda W, b, dW, db: ({"w1": W, "b1": b}, {"w1": dW, "b1": db}),
        lambda W, b, dW, db: ([W, b], [dW, db]),
        lambda W, b, dW, db: ([(W, dW), (b, db)],),
        lambda W, b, dW, db: (zip([W, b], [dW, db], strict=True),),
    ],
    ids=["dicts", "other keys", "lists", "pairs", "an iterator"],
)
def test_a_recorder_writes_gradients_down_and_the_step_is_taken(arguments):
    W, b, dW, db = np.ones((2, 2)), np.ones(2), np.full((2, 2), 3.0), np.full(2, 4.0)
    recorder = Recorder(SGD(), W=W, b=b)
    recorder.step(*arguments(W, b, dW, db))
    assert {name: g.flat[0] for name, g in recorder.gradients.items()} == {"W": 3, "b": 4}
    assert W[0, 0] == -0.5 and b[0] == -1


def test_gradients_in_front_of_their_weights_are_told_by_the_weights():
    W, dW = np.ones(2), np.full(2, 3.0)

    class Keras:
        def apply_gradients(self, pairs):
            for gradient, weight in pairs:
                weight -= gradient

    recorder = Recorder(Keras(), W=W)
    recorder.apply_gradients(zip([dW], [W], strict=True))
    assert recorder.gradients["W"].tolist() == [3, 3]
    assert W.tolist() == [-2, -2]


def test_a_weight_updated_one_at_a_time_has_its_name_or_the_one_in_front():
    recorder = Recorder(SGD())
    recorder.update("W", np.ones(2), np.full(2, 3.0))
    assert recorder.gradients["W"].tolist() == [3, 3]


def test_calls_that_the_optimiser_makes_itself_are_seen():
    class Layer:
        params = {"W": np.ones(2)}  # noqa: RUF012
        grads = {"W": np.full(2, 3.0)}  # noqa: RUF012

    recorder = Recorder(SGD())
    recorder.optimiser.apply([Layer])
    assert recorder.gradients["W"].tolist() == [3, 3]


def test_what_the_optimiser_makes_of_a_gradient_is_not_taken_for_it():
    class Momentum(SGD):
        def step(self, params, grads):
            for name in params:
                self.update(name, params[name], 10 * grads[name])

    recorder = Recorder(Momentum())
    recorder.step({"W": np.ones(2)}, {"W": np.ones(2)})
    assert recorder.gradients["W"].tolist() == [1, 1]


def test_a_function_that_updates_and_other_attributes_are_passed_on():
    def descend(params, grads, rate):
        params["W"] -= rate * grads["W"]
        return "done"

    recorder = Recorder(descend)
    assert recorder({"W": np.ones(2)}, {"W": np.ones(2)}, rate=0.1) == "done"
    assert recorder.gradients["W"].tolist() == [1, 1]
    assert Recorder(SGD()).rate == 0.5


def test_gradients_alone_go_by_the_order_of_the_weights():
    class Holding:
        def step(self, gradients):
            pass

    recorder = Recorder(Holding(), W=np.zeros(2), b=np.zeros(1))
    recorder.step([np.ones(2), np.ones(1)])
    assert [g.size for g in recorder.gradients.values()] == [2, 1]


def test_a_gradient_without_a_name_is_asked_for():
    with pytest.raises(Problem, match=r"whose gradient this array of shape \(2,\) is"):
        Recorder(SGD()).step(np.ones(2), np.ones(2))


# over_time


def cell(W):
    def forward(x_t, h_prev):
        h = np.tanh(x_t + h_prev @ W)
        return h, (h_prev, h)

    def backward(dh, cache):
        h_prev, h = cache
        dz = (1 - h**2) * dh
        return dz, dz @ W.T, {"W": h_prev.T @ dz}

    return forward, backward


@pytest.mark.parametrize("last", [False, True])
def test_a_cell_run_over_time_has_the_gradients_of_the_whole_sequence(last):
    rng = np.random.default_rng(1)
    W, x, h0 = rng.standard_normal((3, 3)), rng.standard_normal((5, 2, 3)), rng.standard_normal((2, 3))
    dh = rng.standard_normal((2, 3) if last else (5, 2, 3))

    def value(W, x, h0):
        return np.sum(dh * over_time(*cell(W), x, h0, dh)[0])

    _, dx, dh0, gradients = over_time(*cell(W), x, h0, dh)
    step = 1e-6
    arrays = (W, x, h0)
    for k, gradient in enumerate((gradients["W"], dx, dh0)):
        direction = rng.standard_normal(arrays[k].shape)
        moved = direction * step
        up, down = ([a + s * moved if i == k else a for i, a in enumerate(arrays)] for s in (1, -1))
        slope = (value(*up) - value(*down)) / (2 * step)
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-6)


# start-up


def test_the_helpers_load_nothing_heavy():
    heavy = {"ast", "inspect", "json", "difflib", "tempfile", "importlib.resources"}
    code = "import sys, numpy; before = set(sys.modules); import rowcol.bridge.helpers; " + (
        f"print(sorted({heavy} & (set(sys.modules) - before)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
