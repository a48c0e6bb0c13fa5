"""Edits of a port's text in force, its values traced, its files and modules left alone."""

from __future__ import annotations

import builtins
import linecache
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowcol.bridge.diagnose.source import Scope
from rowcol.bridge.diagnose.text import Source, Splice, apply
from rowcol.bridge.diagnose.trace import Recorder
from rowcol.bridge.diagnose.units import NotInForce


def module_of(path: Path, text: str, newline: str = "\n") -> types.ModuleType:
    """Write a module and execute it, as an import does."""
    path.write_bytes(textwrap.dedent(text).replace("\n", newline).encode())
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    return module


def splice(scope: Scope, path: Path, old: str, new: str) -> Splice:
    """The splice that replaces a stretch which occurs once."""
    text = scope.source(str(path)).text
    assert text.count(old) == 1, old
    start = text.index(old)
    return Splice(str(path), start, start + len(old), new)


def discovered(path: Path, run: Any) -> Scope:
    return Scope.discover(run, [str(path.parent)])


STYLES = {
    "function": ("def f(x):\n    return x + 1\n", "f", "x + 1", "x + 5"),
    "default": ("def f(x, k=1):\n    return x + k\n", "f", "k=1", "k=5"),
    "lambda": ("f = lambda x: x + 1\n", "f", "x + 1", "x + 5"),
    "lambdas on one line": (
        "table = {'a': lambda x: x, 'b': lambda x: x + 1}\ndef f(x):\n    return table['b'](x)\n",
        "f",
        "x + 1",
        "x + 5",
    ),
    "closure called by its maker": (
        "def f(x):\n    k = 1\n    def inner():\n        return x + k\n    return inner()\n",
        "f",
        "x + k",
        "x + 5 * k",
    ),
    "closure that outlives its maker": (
        "def make(k):\n    def inner(x):\n        return x + k\n    return inner\nf = make(1)\n",
        "f",
        "x + k",
        "x + 5 * k",
    ),
    "module constant": ("K = 1\ndef f(x):\n    return x + K\n", "f", "K = 1", "K = 5"),
    "comprehension": ("def f(x):\n    return sum([x, *(1 for _ in [0])])\n", "f", "(1 for", "(5 for"),
    "generator": ("def g(x):\n    yield x + 1\ndef f(x):\n    return next(g(x))\n", "f", "x + 1", "x + 5"),
    "tabs": ("class A:\n\tdef f(self, x):\n\t\treturn x + 1\nf = A().f\n", "f", "x + 1", "x + 5"),
    "behind other alphabets": ("def f(x):\n    größe = 'λ→'; return x + 1\n", "f", "x + 1", "x + 5"),
    "future annotations": (
        "from __future__ import annotations\ndef f(x: Nowhere) -> Nowhere:\n    return x + 1\n",
        "f",
        "x + 1",
        "x + 5",
    ),
    "method with super": (
        "class A:\n    def f(self, x):\n        return x\n"
        "class B(A):\n    def f(self, x):\n        return super().f(x) + 1\nf = B().f\n",
        "f",
        "f(x) + 1",
        "f(x) + 5",
    ),
    "private names": (
        "class A:\n    def __one(self):\n        return 1\n"
        "    def f(self, x):\n        return x + self.__one()\nf = A().f\n",
        "f",
        "return 1",
        "return 5",
    ),
    "decorated, static, property": (
        "import functools\n"
        "def twice(g):\n    @functools.wraps(g)\n    def call(*a):\n        return g(*a)\n    return call\n"
        "class A:\n    @staticmethod\n    @twice\n    def h(x):\n        return x + 1\n"
        "    @property\n    def p(self):\n        return self.h\n"
        "def f(x):\n    return A().p(x)\n",
        "f",
        "x + 1",
        "x + 5",
    ),
    "inside an if": ("if True:\n    def f(x):\n        return x + 1\n", "f", "x + 1", "x + 5"),
}


@pytest.mark.parametrize("style", STYLES)
def test_an_edit_is_in_force_inside_the_block_and_gone_after_it(tmp_path: Path, style: str) -> None:
    text, name, old, new = STYLES[style]
    path = tmp_path / "port.py"
    module = module_of(path, text)
    before = path.read_bytes()
    scope = discovered(path, lambda: getattr(module, name)(0))
    edit = splice(scope, path, old, new)
    with scope.edited([edit]):
        assert getattr(module, name)(0) == 5
    assert getattr(module, name)(0) == 1
    with pytest.raises(KeyboardInterrupt), scope.edited([edit]):
        raise KeyboardInterrupt
    assert getattr(module, name)(0) == 1
    assert path.read_bytes() == before
    assert str(path) not in linecache.cache


@pytest.mark.parametrize("style", STYLES)
def test_tracing_changes_no_result_and_sees_every_value(tmp_path: Path, style: str) -> None:
    text, name, _, _ = STYLES[style]
    path = tmp_path / "port.py"
    module = module_of(path, text)
    scope = discovered(path, lambda: getattr(module, name)(np.zeros(2)))
    recorder = Recorder()
    with scope.traced(recorder):
        np.testing.assert_array_equal(getattr(module, name)(np.zeros(2)), [1, 1])
    assert not [hook for hook in vars(builtins) if "rowcol" in hook]
    assert recorder.events
    assert np.array_equal(recorder.events[-1].value, [1, 1])


def test_an_edit_that_changes_nothing_that_runs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "port.py"
    module = module_of(path, "def g(x):\n    return x - 1\n\ndef f(x):\n    return x + 1\n")
    scope = discovered(path, lambda: module.f(0))
    for old, new in (("x - 1", "x - 2"), ("x + 1", "(x + 1)"), ("x + 1", "x +")):
        with pytest.raises(NotInForce), scope.edited([splice(scope, path, old, new)]):
            pass
    assert module.f(0) == 1


def test_an_edited_module_constant_reaches_the_modules_that_imported_it(tmp_path: Path) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    one = module_of(first, "K = 1.5\ndef g():\n    return K\n")
    sys.modules["first"] = one
    try:
        two = module_of(second, "from first import K, g\ndef f(x):\n    return x + K + g()\n")
    finally:
        del sys.modules["first"]
    scope = discovered(second, lambda: two.f(0))
    with scope.edited([splice(scope, first, "1.5", "2.5")]):
        assert two.f(0) == 5
    assert two.f(0) == 3


def test_a_mended_scope_takes_further_edits_of_its_new_text(tmp_path: Path) -> None:
    path = tmp_path / "port.py"
    module = module_of(
        path,
        """
        import numpy as np

        class Net:
            def f(self, x):
                return self.g(x) + 1

            def g(self, x):
                return x * 2
        """,
    )
    net = module.Net()
    scope = discovered(path, lambda: net.f(1))
    mended = scope.mended([splice(scope, path, "return self.g(x) + 1", "y = self.g(x)\n        return y + 10")])
    with mended.edited([]):
        assert net.f(1) == 12
    with mended.edited([splice(mended, path, "x * 2", "x * 3"), splice(mended, path, "y + 10", "y + 20")]):
        assert net.f(1) == 23
    twice = mended.mended([splice(mended, path, "x * 2", "x * 3")])
    recorder = Recorder()
    with twice.traced(recorder):
        assert net.f(np.ones(1)) == 13
    assert {site.text for site in recorder.sites} >= {"y", "x * 3"}
    assert net.f(1) == 3


def test_an_edit_of_a_notebook_cell_is_in_force(tmp_path: Path) -> None:
    name, text = "/tmp/ipykernel_7/1234.py", "def f(x):\n    return x + 1\n"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        space: dict[str, Any] = {}
        exec(compile(text, name, "exec"), space)
        scope = Scope.discover(lambda: space["f"](0), [str(tmp_path)])
        with scope.edited([splice(scope, Path(name), "x + 1", "x + 5")]):
            assert space["f"](0) == 5
        assert not scope.source(name).on_disk
    finally:
        del linecache.cache[name]


def test_only_the_users_files_are_in_scope(tmp_path: Path) -> None:
    path = tmp_path / "port.py"
    module = module_of(path, "import numpy as np\ndef f(x):\n    return np.stack([x, x]).sum()\n")
    scope = discovered(path, lambda: module.f(np.ones(2)))
    assert [f.name for f in scope.functions] == ["f"]
    assert Scope.discover(lambda: module.f(np.ones(2)), [str(tmp_path / "elsewhere")]).functions == []


def test_events_know_their_call_and_the_turns_of_the_loops_around_it(tmp_path: Path) -> None:
    path = tmp_path / "port.py"
    module = module_of(
        path,
        """
        import numpy as np

        def step(x, h):
            for k in range(1):
                h = x + h
            return h

        def run(X):
            h = np.zeros(2)
            out = {}
            for t in range(2):
                out[t] = step(X[t], h)
                h = out[t]
            while t > 0:
                t -= 1
                out[t] += 1.0
            return [v * 2 for i, v in out.items()], h
        """,
    )
    X = np.arange(4.0).reshape(2, 2)
    scope = discovered(path, lambda: module.run(X))
    recorder = Recorder()
    with scope.traced(recorder):
        module.run(X)
    said = [(recorder.sites[e.site].kind, recorder.sites[e.site].text, dict(e.loops)) for e in recorder.events]
    assert ("load", "X[t]", {"t": 1}) in said
    assert ("argument", "x", {"t": 1}) in said
    assert ("store", "h", {"t": 1, "k": 0}) in said
    assert ("store", "out[t]", {"t": 1}) in said
    assert ("load", "v * 2", {"i": 1}) in said
    assert said[-1] == ("load", "h", {})
    assert [(f.function, f.caller, dict(f.loops)) for f in recorder.frames] == [
        ("", 0, {}),
        ("run", 0, {}),
        ("step", 1, {"t": 0}),
        ("step", 1, {"t": 1}),
    ]
    product = next(s for s in recorder.sites if s.text == "x + h")
    assert [recorder.sites[n].text for n in recorder.children()[product.number]] == ["x", "h"]
    assert product.parent is not None
    assert recorder.sites[product.parent].text == "h"


def test_a_traced_value_is_what_it_was_when_it_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "port.py"
    module = module_of(path, "def f(x):\n    y = x\n    y += 1\n    return y\n")
    scope = discovered(path, lambda: module.f(np.zeros(1)))
    recorder = Recorder()
    with scope.traced(recorder):
        module.f(np.zeros(1))
    seen = [float(e.value[0]) for e in recorder.events if recorder.sites[e.site].text in ("x", "y")]
    assert seen == [0, 0, 0, 1, 1]


def test_a_port_that_raises_is_traced_up_to_there_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "port.py"
    module = module_of(path, "def g(x):\n    return x @ x\n\ndef f(x):\n    return g(x.T)\n")
    code = module.f.__code__

    def run() -> None:
        try:
            module.f(np.ones((2, 3)))
        except ValueError:
            return

    scope = discovered(path, run)
    recorder = Recorder()
    with scope.traced(recorder):
        run()
    assert recorder.sites[recorder.events[-1].site].text == "x"
    assert module.f.__code__ is code


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_offsets_count_characters_of_the_text_as_it_stands(tmp_path: Path, newline: str) -> None:
    path = tmp_path / "port.py"
    lines = ["def f(é, x):", '\t"""λ', '\tλ\f\x0b\u2028 """', "\treturn é @ x.T"]
    path.write_bytes(newline.join(lines).encode())
    source = Source.read(str(path))
    function: Any = source.tree.body[0]
    assert source.segment(function.body[1].value) == "é @ x.T"
    assert source.segment(function.args.args[1]) == "x"
    assert source.line(source.text.index("return")) == 4
    assert source.encoded() == path.read_bytes()


def test_a_file_keeps_its_own_encoding(tmp_path: Path) -> None:
    for head, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"# -*- coding: latin-1 -*-\n", "latin-1")):
        path = tmp_path / "port.py"
        path.write_bytes(head + "é = 1\n".encode(encoding))
        source = Source.read(str(path))
        assert source.text.endswith("é = 1\n")
        assert source.encoded() == path.read_bytes()


STATEMENTS = "if a:\n    x = 1  # one\n    y = 2; z = 3\nfor i in b: w = 4\nlast = 5"


@pytest.mark.parametrize(
    "place, action, expected",
    [
        (
            "x = 1",
            "before",
            "if a:\n    n\n    m\n    x = 1  # one\n    y = 2; z = 3\nfor i in b: w = 4\nlast = 5",
        ),
        (
            "x = 1",
            "after",
            "if a:\n    x = 1  # one\n    n\n    m\n    y = 2; z = 3\nfor i in b: w = 4\nlast = 5",
        ),
        ("x = 1", "delete", "if a:\n    y = 2; z = 3\nfor i in b: w = 4\nlast = 5"),
        ("y = 2", "delete", "if a:\n    x = 1  # one\n    z = 3\nfor i in b: w = 4\nlast = 5"),
        ("z = 3", "delete", "if a:\n    x = 1  # one\n    y = 2\nfor i in b: w = 4\nlast = 5"),
        ("w = 4", "delete", "if a:\n    x = 1  # one\n    y = 2; z = 3\nfor i in b: pass\nlast = 5"),
        ("last = 5", "delete", "if a:\n    x = 1  # one\n    y = 2; z = 3\nfor i in b: w = 4"),
        ("last = 5", "after", STATEMENTS + "\nn\nm"),
    ],
)
def test_statements_come_and_go_in_the_users_layout(tmp_path: Path, place: str, action: str, expected: str) -> None:
    import ast

    source = Source("port.py", STATEMENTS)
    statement = next(n for n in ast.walk(source.tree) if isinstance(n, ast.stmt) and source.segment(n) == place)
    made = source.delete(statement) if action == "delete" else getattr(source, action)(statement, "n\nm")
    assert apply(source.text, [made]) == expected
    assert not made.text or "n" not in made.text or ast.parse(expected)


def test_overlapping_edits_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        apply("abcdef", [Splice("", 0, 3, "x"), Splice("", 2, 4, "y")])


SCRIPT = """
import numpy as np

W = np.ones((2, 2))

def slope(h):
    return 1 - h ** 2

for epoch in range(10):
    h = np.tanh(x @ W)
    dW = x.T @ slope(h)
    W -= 0.1 * dW
    assert False, "this would train"
"""


def test_a_stretch_of_a_script_and_the_functions_it_calls_are_edited_and_traced(tmp_path: Path) -> None:
    from rowcol.bridge import lines

    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    x = np.arange(4.0).reshape(2, 2)

    def run() -> Any:
        return lines(path, 10, 11, x=x, W=np.eye(2)).dW

    right = run()
    scope = discovered(path, run)
    assert [f.name for f in scope.functions] == ["slope", ""]
    with scope.edited([splice(scope, path, "x.T @ slope(h)", "x @ slope(h)")]):
        np.testing.assert_array_equal(run(), x @ (1 - np.tanh(x) ** 2))
    with scope.edited([splice(scope, path, "h ** 2", "h")]):
        np.testing.assert_array_equal(run(), x.T @ (1 - np.tanh(x)))
    mended = scope.mended([splice(scope, path, "x.T @ slope(h)", "x.T @ slope(h)\n    dW = 2 * dW")])
    with mended.edited([splice(mended, path, "h ** 2", "0 * h")]):
        np.testing.assert_array_equal(run(), 2 * x.T @ np.ones((2, 2)))
    recorder = Recorder()
    with scope.traced(recorder):
        np.testing.assert_array_equal(run(), right)
    texts = {recorder.sites[e.site].text for e in recorder.events}
    assert texts >= {"x.T @ slope(h)", "h", "dW", "1 - h ** 2"}
    assert "np" not in {site.text for site in recorder.sites}
    np.testing.assert_array_equal(run(), right)


def test_functions_taken_from_a_script_that_would_train_are_edited(tmp_path: Path) -> None:
    from rowcol.bridge import definitions

    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    script = definitions(path)
    scope = discovered(path, lambda: script.slope(3.0))
    with scope.edited([splice(scope, path, "h ** 2", "h")]):
        assert script.slope(3.0) == -2
    assert script.slope(3.0) == -8


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_last_line_of_a_function_is_replaced_and_followed(tmp_path: Path, newline: str) -> None:
    path = tmp_path / "port.py"
    text = (
        "class A:\n    def f(self, x):\n        x[0] = 1  # one\n"
        "    def g(self, x):\n        self.f(x)\n        return x"
    )
    module = module_of(path, text, newline)
    one = module.A()
    scope = discovered(path, lambda: one.g([0, 0]))
    source = scope.source(str(path))
    start, end = source.line_start(3), source.line_start(4)
    whole = Splice(str(path), start, end, f"        x[0] = 5{newline}")
    behind = Splice(str(path), end, end, f"        x[1] = 7{newline}")
    for splices, expected in (([whole], [5, 0]), ([behind], [1, 7]), ([whole, behind], [5, 7])):
        with scope.edited(splices):
            assert one.g([0, 0]) == expected
        with scope.mended(splices).edited([]):
            assert one.g([0, 0]) == expected
    assert one.g([0, 0]) == [1, 0]


def test_what_an_edited_function_writes_into_its_module_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "port.py"
    text = """
        import numpy as np

        table = np.zeros(2)
        count = 0

        def f(x):
            global count
            y = table + x
            return y
        """
    module = module_of(path, text)
    table = module.table
    scope = discovered(path, lambda: module.f(1))
    with scope.edited([splice(scope, path, "y = table + x", "y = table; y += x; count += 1; global new; new = 1")]):
        np.testing.assert_array_equal(module.f(1), [1, 1])
    assert module.table is table
    np.testing.assert_array_equal(table, [0, 0])
    assert module.count == 0
    assert not hasattr(module, "new")


def test_no_edit_changes_a_package_that_the_port_imports(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import numpy as np\n\ndef f(x):\n    limit = np.inf\n    return x + 0 * (limit > 1)\n")
    module = module_of(path, path.read_text())
    scope = Scope.discover(lambda: module.f(1.0), [str(path)])
    start = path.read_text().index("limit = np.inf")
    with pytest.raises(NotInForce), scope.edited([Splice(str(path), start, start + 5, "np.inf = limit")]):
        pass
    assert np.inf > 1e308


def test_what_an_edited_port_sets_numpy_to_ends_with_the_edit(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    text = "import numpy as np\n\ndef f(x):\n    old = np.seterr(divide='raise')\n    y = 1 / x\n    np.seterr(**old)\n"
    module = module_of(path, text)
    scope = Scope.discover(lambda: module.f(np.ones(2)), [str(path)])
    before = np.geterr()
    with scope.edited([splice(scope, path, "1 / x", "1 / (x - x)")]), pytest.raises(FloatingPointError):
        module.f(np.ones(2))
    assert np.geterr() == before
