"""Single edits: what they reach, how they read, that they are tried fast, and the patch they end in."""

from __future__ import annotations

import re
import shutil
import subprocess
import textwrap
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowcol.bridge.diagnose.edits import Edit, edits
from rowcol.bridge.diagnose.repair import hunks, minimal, patch, repair, rewritten
from rowcol.bridge.diagnose.source import Scope
from rowcol.bridge.diagnose.text import Splice, apply
from rowcol.bridge.diagnose.trace import Recorder
from rowcol.bridge.diagnose.units import NotInForce
from rowcol.bridge.report.overview import KINDS

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@dataclass(frozen=True)
class Score:
    agree: frozenset[str]
    differ: frozenset[str]
    raised: Any = None

    @property
    def all_agree(self) -> bool:
        return not self.differ and self.raised is None


@dataclass
class Raised:
    file: str | None
    line: int | None


class Workshop:
    """A port in a file, data to run it on, and the answer that it should give."""

    def __init__(self, folder: Path, text: str, call: Callable[[Any], Any], newline: str = "\n") -> None:
        self.path = folder / "port.py"
        self.path.write_bytes(textwrap.dedent(text).lstrip("\n").replace("\n", newline).encode())
        self.module = types.ModuleType("port")
        exec(compile(self.path.read_bytes(), str(self.path), "exec"), self.module.__dict__)
        self.call = call
        self.scope = Scope.discover(self.run, [str(folder)])
        self.recorder = Recorder()
        with self.scope.traced(self.recorder):
            self.run()
        self.expected: dict[str, Any] = {}

    def run(self) -> Any:
        try:
            with np.errstate(all="ignore"):
                return self.call(self.module)
        except Exception as error:
            return error

    def judge(self) -> Score:
        found = self.run()
        names = frozenset(self.expected)
        if not isinstance(found, dict):
            return Score(frozenset(), names, Raised(None, None))
        agree = frozenset(name for name in names if _same(found.get(name), self.expected[name]))
        return Score(agree, names - agree)

    def edits(self) -> Iterator[Edit]:
        return edits(self.scope, self.recorder)


def _same(found: Any, expected: Any) -> bool:
    return np.shape(found) == np.shape(expected) and bool(np.allclose(found, expected, atol=1e-9))


RNN = """
    import numpy as np

    def softmax(z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def rnn(X, Y, U, W, V, b, start):
        T, N, _ = X.shape
        hs, ps = {-1: start}, {}
        loss = 0.0
        for t in range(T):
            hs[t] = np.tanh(X[t] @ U + hs[t - 1] @ W + b)
            ps[t] = softmax(hs[t] @ V)
            loss += -np.sum(Y[t] * np.log(ps[t]))
        dU, dW, dV, db = np.zeros_like(U), np.zeros_like(W), np.zeros_like(V), np.zeros_like(b)
        dh_next = np.zeros_like(start)
        for t in reversed(range(T)):
            dz = ps[t] - Y[t]
            dV += hs[t].T @ dz
            dh = dz @ V.T + dh_next
            da = (1 - hs[t] ** 2) * dh
            db += da.sum(axis=0)
            dU += X[t].T @ da
            dW += hs[t - 1].T @ da
            dh_next = da @ W.T
        return {"loss": loss, "U": dU, "W": dW, "V": dV, "b": db, "start": dh_next}
"""

rng = np.random.default_rng(0)
DATA = (
    rng.normal(size=(4, 3, 5)),
    np.eye(6)[rng.integers(0, 6, (4, 3))],
    *(rng.normal(size=shape) for shape in ((5, 7), (7, 7), (7, 6), (7,), (3, 7))),
)


def on_data(module: Any) -> Any:
    """Run a port on its own copy of the data: edits may write into it."""
    return module.rnn(*(array.copy() for array in DATA))


def right_answer(folder: Path) -> dict[str, Any]:
    folder.mkdir()
    answer: dict[str, Any] = Workshop(folder, RNN, on_data).run()
    return answer


FAULTS = {
    "a transpose missing": ("da @ W.T", "da @ W"),
    "a transpose too many": ("hs[t] @ V)", "hs[t] @ V @ np.eye(6))"),
    "operands swapped": ("hs[t - 1].T @ da", "da.T @ hs[t - 1]"),
    "the wrong step": ("hs[t - 1].T @ da", "hs[t].T @ da"),
    "a carry dropped": ("dz @ V.T + dh_next", "dz @ V.T"),
    "a carry under another name": ("dh_next = da", "dh_prev = da"),
    "a carry of the wrong thing": ("dh_next = da @", "dh_next = dh @"),
    "a sign": ("ps[t] - Y[t]", "Y[t] - ps[t]"),
    "the slope missing": ("da = (1 - hs[t] ** 2) * dh", "da = dh"),
    "the slope of sigmoid": ("(1 - hs[t] ** 2)", "hs[t] * (1 - hs[t])"),
    "the slope of the slope": ("(1 - hs[t] ** 2)", "(1 - np.tanh(hs[t]) ** 2)"),
    "no sum over the batch": ("da.sum(axis=0)", "da[0]"),
    "a mean for a sum": ("da.sum(axis=0)", "da.mean(axis=0)"),
    "log of a sum": ("-np.sum(Y[t] * np.log(ps[t]))", "-np.log(np.sum(Y[t] * ps[t]))"),
    "= for +=": ("dU += X", "dU = X"),
    "+= for =": ("dh_next = da", "dh_next += da"),
    "another gradient returned": ('"b": db', '"b": dU'),
    "steps left out": ("reversed(range(T))", "range(T - 1, 0, -1)"),
    "forwards for backwards": ("reversed(range(T))", "range(T)"),
    "a statement in the wrong place": (
        "dh = dz @ V.T + dh_next\n        da = (1 - hs[t] ** 2) * dh\n",
        "da = (1 - hs[t] ** 2) * (dz @ V.T)\n        dh = da + dh_next\n",
    ),
    "a reset in the loop": ("dz = ps[t] - Y[t]", "dz = ps[t] - Y[t]\n        dW = np.zeros_like(W)"),
    "weights updated too early": ("dh_next = da", "W = W - 0.1 * dW\n        dh_next = da"),
    "a clipped carry": ("da @ W.T", "np.clip(da @ W.T, -0.1, 0.1)"),
}
OUT_OF_REACH = {"no sum over the batch", "a statement in the wrong place"}


@pytest.mark.parametrize("name", [n for n in FAULTS if n not in OUT_OF_REACH])
def test_a_single_edit_mends(tmp_path: Path, name: str) -> None:
    right, wrong = FAULTS[name]
    text = textwrap.dedent(RNN)
    assert text.count(right) == 1
    shop = Workshop(tmp_path, text.replace(right, wrong), on_data)
    shop.expected = right_answer(tmp_path / "right")
    if shop.judge().all_agree:
        return  # a change without effect
    before = shop.path.read_bytes()
    found = repair(shop.scope, shop.judge, shop.edits(), 60.0)
    assert found.mend is not None, f"{found.tried} edits tried"
    assert shop.path.read_bytes() == before
    assert not shop.judge().all_agree


PIECES = """
    import numpy as np

    product = np.einsum
    count = np.zeros(3)


    def tanh_slope(h):
        return 1 - h * h


    def sigmoid_slope(h):
        return h * (1 - h)


    def walked(kept):
        carry = np.zeros(3)
        for _ in range(len(kept)):
            carry = kept.pop() - 0.5 * carry
        return carry


    def judged(error):
        return np.sum(error ** 2) / len(error), error / len(error)


    def counted(x):
        global count
        count += x.sum(axis=0)


    def gated(x, p):
        state = np.zeros((3, 3))
        grown = np.zeros((3, 3))
        states = []
        for row in x:
            read = p + row * state
            state = np.zeros((3, 3))
            for gate in (x, p):
                state += gate * read
            states.append(state)
            grown = grown + state
            size = grown.sum()
            grown = grown * p
        last = states[-1]
        for row in x:
            start = last
            last = start * row
        return state, size, sum(states[t].T @ states[t] for t in range(3)), x @ p.T + p @ x.T, last


    class Squash:
        def __call__(self, z):
            return 1 / (1 + np.exp(-z))

        def slope(self, z):
            return self(z) * (1 - self(z))


    def pieces(x, words, p):
        count[:] = 0
        counted(x)
        table = np.zeros((4, 3))
        np.add.at(table, words, x)
        layers = [(x, tanh_slope), (p, sigmoid_slope)]
        states = [np.zeros(3), *x]
        gates = {"r": x, "z": p}
        through = 0
        for k in gates:
            through = through + x @ gates[k]
        squared, error = judged(x - p)
        state, size, products, there, last = gated(x, p)
        entropy = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum()
        return {
            "count": count.copy(),
            "table": table,
            "walked": walked(list(x)),
            "slopes": sum(slope(h) for h, slope in layers),
            "states": sum(h * row for h, row in zip(reversed(states[:-1]), reversed(p))),
            "through": through,
            "turned": product("ab,cb->ac", x, p),
            "squared": squared,
            "error": error,
            "entropy": entropy,
            "state": state,
            "size": size,
            "products": products,
            "there": there,
            "last": last,
            "squashed": Squash().slope(x),
            "above": np.triu(x, 1) @ p,
        }
"""

OTHER_FAULTS = {
    "taken from the front": ("kept.pop()", "kept.pop(0)"),
    "the square of a sum": ("np.sum(error ** 2)", "np.sum(error) ** 2"),
    "an error not divided where it is made": (", error / len(error)", ", error"),
    "a name that is not declared global": ("    global count\n", ""),
    "repeated indices added once": ("np.add.at(table, words, x)", "table[words] += x"),
    "another function in a table": ("(p, sigmoid_slope)", "(p, tanh_slope)"),
    "a list read without its offset": ("reversed(states[:-1])", "reversed(states)"),
    "one key for all": ("gates[k]", 'gates["r"]'),
    "letters exchanged": ('product("ab,', 'product("ba,'),
    "a sum that goes on from the turn before": ("    state = np.zeros((3, 3))\n        for gate", "    for gate"),
    "a factor forgotten before it is handed on": ("        grown = grown * p\n", ""),
    "a factor taken too early": (
        "grown = grown + state\n        size = grown.sum()\n        grown = grown * p\n",
        "grown = (grown + state) * p\n        size = grown.sum()\n",
    ),
    "one step for all": ("sum(states[t].T @ states[t] for t in range(3))", "states[-1].T @ states[-1]"),
    "no transpose in any term": ("x @ p.T + p @ x.T", "x @ p + p @ x"),
    "taken once, in front of the loop": (
        "    for row in x:\n        start = last\n",
        "    start = last\n    for row in x:\n",
    ),
    "the slope at the output": ("self(z) * (1 - self(z))", "z * (1 - z)"),
    "below the diagonal, not above it": ("np.triu(x, 1)", "np.tril(x, -1)"),
    "with the diagonal": ("np.triu(x, 1)", "np.triu(x)"),
    "half a cross-entropy": ("x * np.log(p) + (1 - x) * np.log(1 - p)", "x * np.log(p)"),
}


@pytest.mark.parametrize("name", OTHER_FAULTS)
def test_a_single_edit_mends_other_pieces(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    x, p = rng.uniform(0.1, 0.9, (2, 3, 3))

    def on_pieces(module: Any) -> Any:
        return module.pieces(x.copy(), np.array([1, 3, 1]), p.copy())

    right, wrong = OTHER_FAULTS[name]
    text = textwrap.dedent(PIECES)
    assert text.count(right) == 1
    shop = Workshop(tmp_path, text.replace(right, wrong), on_pieces)
    (tmp_path / "right").mkdir()
    shop.expected = dict(Workshop(tmp_path / "right", text, on_pieces).run())
    assert not shop.judge().all_agree
    assert repair(shop.scope, shop.judge, shop.edits(), 60.0).mend is not None


def test_edits_that_mend_a_part_are_progress(tmp_path: Path) -> None:
    text = textwrap.dedent(RNN).replace("da @ W.T", "da @ W").replace("db += da.sum", "db += da.mean")
    shop = Workshop(tmp_path, text, on_data)
    shop.expected = right_answer(tmp_path / "right")
    line = shop.scope.source(str(shop.path)).text.count("\n", 0, text.index("da @ W\n")) + 1
    near = (edit for edit in shop.edits() if edit.line == line)
    found = repair(shop.scope, shop.judge, near, 10.0)
    assert found.mend is None
    best = max(found.progress, key=lambda one: len(one.score.agree))
    assert best.score.differ == {"b"}
    mended = shop.scope.mended(best.edit.splices)
    recorder = Recorder()
    with mended.traced(recorder):
        shop.run()
    second = repair(mended, shop.judge, edits(mended, recorder), 10.0, before=best.score)
    assert second.mend is not None
    whole = mended.mended(second.mend.edit.splices)
    pieces = hunks(shop.scope, whole)

    def verify(some: Any) -> bool:
        with shop.scope.edited(some):
            return shop.judge().all_agree

    start = shop.scope.source(str(shop.path)).text.index("    dh_next = np.zeros")
    idle = Splice(str(shop.path), start, start, "    # a comment\n")
    assert minimal([*pieces, idle], verify) == pieces
    assert len(pieces) == 2


def test_the_culprit_is_tried_first(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, RNN, on_data)
    source = shop.scope.source(str(shop.path))
    place = source.text.index("dh_next = da @ W.T")
    line = source.line(place)
    ranked = edits(shop.scope, shop.recorder, lambda path, offset: abs(source.line(offset) - line) * 10.0)
    first = [next(ranked) for _ in range(30)]
    assert {edit.line for edit in first} == {line}
    assert any("transpose" in edit.sentence for edit in first[:3])


def test_no_text_is_offered_twice_and_every_edit_compiles_or_is_refused(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, RNN, on_data)
    source = shop.scope.source(str(shop.path))
    texts = [apply(source.text, edit.splices) for edit in shop.edits()]
    assert len(set(texts)) == len(texts)
    broken = 0
    for text in texts:
        try:
            compile(text, "port.py", "exec")
        except SyntaxError:
            broken += 1
    assert broken <= len(texts) / 100


def test_an_overview_has_words_for_every_kind_of_edit(tmp_path: Path) -> None:
    kinds = {edit.kind for edit in Workshop(tmp_path, RNN, on_data).edits()}
    x, p = np.arange(9.0).reshape(3, 3), np.arange(12.0).reshape(4, 3)
    pieces = Workshop(tmp_path, textwrap.dedent(PIECES), lambda module: module.pieces(x, np.array([1, 3, 1]), p))
    kinds |= {edit.kind for edit in pieces.edits()}
    assert len(kinds) > 12
    assert kinds <= KINDS.keys()


READINGS = [
    ("y = a @ b.T * c", "`b` where `b.T` stands", "y = a @ b * c"),
    ("y = (a + b) @ c", "without `+ b`", "y = a @ c"),
    ("y = a * (b - c)", "without `* (b - c)`", "y = a"),
    ("y = (a - b) * c", "without `(a - b) *`", "y = c"),
    ("y = (a - b) * c", "the other way round", "y = (b - a) * c"),
    ("y = np.dot(a, (b + c))", "without `+ c`", "y = np.dot(a, b)"),
    ("y = -(a * b)", "without `* b`", "y = -a"),
    ("y = a ** 2", "without `** 2`", "y = a"),
    ("y = a @ b", "a transpose is missing: `(a @ b).T`", "y = (a @ b).T"),
    ("y = a + b * c", "`b` goes outside", None),
    ("y = a * b + c", "`c` goes inside", "y = (a + c) * b"),
    ("y = (a if k else b) * c", "always `a`", "y = a * c"),
]


@pytest.mark.parametrize("line, sentence, expected", READINGS)
def test_parentheses_stand_where_they_are_needed_and_nowhere_else(
    tmp_path: Path, line: str, sentence: str, expected: str | None
) -> None:
    text = f"import numpy as np\n\ndef f(a, b, c, k=True):\n    {line}\n    return y\n"
    square = rng.normal(size=(3, 3))
    shop = Workshop(tmp_path, text, lambda m: m.f(square, square + 1, square + 2))
    source = shop.scope.source(str(shop.path))
    made = [
        apply(source.text, e.splices).splitlines()[3].strip() for e in shop.edits() if sentence in e.sentence
    ]
    if expected is None:
        assert not made
    else:
        assert expected in made


def test_a_loop_is_not_made_endless(tmp_path: Path) -> None:
    text = """
        def f(x):
            t = 3
            total = 0.0
            while t > 0:
                total = total + x
                t -= 1
            return total
        """
    shop = Workshop(tmp_path, text, lambda m: m.f(1.5))
    assert not [e for e in shop.edits() if "t -= 1" in e.sentence and "moved" not in e.kind]
    assert not [e for e in shop.edits() if e.kind == "accumulation" and e.line == 6]


@needs_git
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["port.py", "my port é.py", 'a"b\\c.py', "sub/port.py"])
@pytest.mark.parametrize("head", ["", "\ufeff"])
@pytest.mark.parametrize("ended", [True, False])
def test_git_applies_the_patch(tmp_path: Path, newline: str, name: str, head: str, ended: bool) -> None:
    text = head + "import os\ndef f(x):\n\ty = x + 1  # λ\x0c\n\treturn y\n\n\ndef g(x):\n\treturn f(x) * 2"
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((text + "\n" * ended).replace("\n", newline).encode())
    module = types.ModuleType("port")
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    scope = Scope.discover(lambda: module.g(1), [str(tmp_path)])
    source = scope.source(str(path))
    changes = [("x + 1", "x + 3"), ("* 2", "* 4"), ("import os", "import os, sys")]
    splices = [Splice(str(path), (i := source.text.index(a)), i + len(a), b) for a, b in changes]
    expected = path.read_bytes()
    for old, new in changes:
        expected = expected.replace(old.encode(), new.encode())
    made = patch(scope, splices, str(tmp_path))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=made.encode(), check=True)
    assert path.read_bytes() == expected
    assert rewritten(scope, splices) == {str(path): expected}


def test_an_edit_that_cannot_be_in_force_is_passed_over(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, "def f(x):\n    return {'y': x + 1}\n", lambda m: m.f(1.0))
    shop.expected = {"y": 3.0}
    path = str(shop.path)
    broken = Edit((Splice(path, 0, 3, "def def"),), path, 1, 0, "constant", "", 0.0)
    place = shop.scope.source(path).text.index("1")
    good = Edit((Splice(path, place, place + 1, "2"),), path, 2, place, "constant", "", 0.0)
    with pytest.raises(NotInForce), shop.scope.edited(broken.splices):
        pass
    found = repair(shop.scope, shop.judge, [broken, good], 5.0)
    assert found.mend is not None and found.mend.edit == good


def test_a_machine_that_is_busy_elsewhere_leaves_as_many_edits_to_try(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, "def f(x):\n    return {'y': x + 1}\n", lambda m: m.f(1.0))
    shop.expected = {"y": 3.0}
    path = str(shop.path)
    place = shop.scope.source(path).text.index("1")
    tries = [Edit((Splice(path, place, place + 1, new),), path, 2, place, "constant", "", 0.0) for new in "345672"]

    def waiting() -> Any:
        time.sleep(0.05)
        return shop.judge()

    found = repair(shop.scope, waiting, tries, 0.2)
    assert found.mend is not None and found.mend.edit == tries[-1]


def test_what_sets_a_package_up_is_not_edited(tmp_path: Path) -> None:
    shop = Workshop(
        tmp_path,
        """
        import numpy as np

        def f(x):
            np.random.seed(0)
            np.seterr(over="ignore")
            np.multiply(x, 2.0, out=x)
            return x
        """,
        lambda module: module.f(np.ones(3)),
    )
    lines = {edit.line for edit in edits(shop.scope, shop.recorder)}
    assert 6 in lines and not lines & {4, 5}


def test_zeros_are_not_multiplied_by_anything(tmp_path: Path) -> None:
    text = """
        import numpy as np
        def f(x, w):
            total = np.zeros(w.shape, np.float16)
            for row in x:
                total += (1 - np.tanh(row) ** 2) * w
            return total
    """
    shop = Workshop(tmp_path, text, lambda module: {"total": module.f(np.ones((3, 2)), np.full(2, 0.3))})
    splices = [splice for edit in shop.edits() for splice in edit.splices]
    assert splices
    assert not [splice.text for splice in splices if re.match(r"np\.zeros\(.*\) [*/]", splice.text)]


def test_an_index_that_is_held_at_an_end_is_let_go(tmp_path: Path) -> None:
    text = """
        import numpy as np
        def f(x):
            total = 0.0
            for k in range(1, len(x)):
                total = total + x[max(k - 2, 0)] * x[-min(k + 1, 3)]
            return total
    """
    shop = Workshop(tmp_path, text, lambda module: {"total": module.f(np.arange(4.0))})
    offered = {splice.text for edit in shop.edits() if edit.kind == "step" for splice in edit.splices}
    assert {"k", "k - 1", "k + 1", "-k", "-k - 1", "-k + 1"} <= offered
