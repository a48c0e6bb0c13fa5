"""Ports that would harm whoever runs them: each ends with a verdict or one clear message, and the next is unharmed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rowcol.bridge.cli import main
from rowcol.bridge.load import run_module
from tests.bad_ports import source

Run = Callable[..., tuple[int, str]]
WRONG = "g['Wh'] = g['Wh'].T\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`rowcol diff` on a hostile port and, after it, on a right one; the status, and what is said of the first."""
    monkeypatch.chdir(tmp_path)

    def examined(then: str, *options: str, head: str = "") -> tuple[int, str]:
        Path("mine.py").write_text(source(then, head=head))
        Path("next.py").write_text(source())
        status = main(["diff", "mine.py", "next.py", "--limit", "1", *options])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        assert any(line.startswith("next.py") and " agrees " in line for line in printed.out.splitlines())
        assert "rowcol's own" not in printed.out
        return status, " ".join(printed.out.split())

    return examined


LIE = "class L:\n    shape = (3, 3)\n    dtype = np.dtype(float)\n    def __array__(self, dtype=None, copy=None): {}\n"
HARMLESS = {
    "a thread left running": "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()",
    "a process left running": "import os, time\nif os.fork() == 0:\n    time.sleep(3600)",
    "numpy told to raise": "np.seterr(all='raise')",
    "warnings made errors": "import warnings\nwarnings.simplefilter('error')",
    "the random state": "np.random.seed(1)",
    "the import path emptied": "import sys\nsys.path.clear(); sys.argv[:] = []",
    "modules thrown out": "import sys\nfor m in list(sys.modules):\n    if m.startswith(('rowcol', 'numpy')):\n"
    "        del sys.modules[m]",
    "the folder changed": "import os\nos.chdir('/')",
    "an end of its own at the end": "import atexit, os\natexit.register(os._exit, 7)",
    "tracing switched off": "import sys\nsys.settrace(None); sys.setprofile(None)",
    "a class that lies about its shape": "class A(np.ndarray):\n    shape = property(lambda self: (99,))\n"
    "g['b'] = g['b'].view(A)",
    "its own file thrown away": "import os\nif os.path.exists(__file__):\n    os.remove(__file__)",
    "an old name given back to numpy": "np.float = float; np.bool = bool",
}
ENDED = {
    "recursion without end": ("def f(n): return f(n + 1)\nf(0)", "raised RecursionError"),
    "an exception that nothing should catch": ("class B(BaseException): pass\nraise B('hm')", "raised B: hm"),
    "what commands the terminal": ("raise ValueError('a\\x1b[31mb\\0')", r"raised ValueError: a\x1b[31mb\x00"),
    "the end of a generator": ("raise GeneratorExit", "raised GeneratorExit"),
    "Ctrl-C from inside": ("raise KeyboardInterrupt", "mine() raised KeyboardInterrupt"),
    "more memory than there is": ("np.zeros((10**7, 10**7))", "raised MemoryError"),
    "printing without end": ("while True: print('x' * 100000)", "ran past its limit of 1 s"),
    "sleep": ("import time\ntime.sleep(1000)", "ran past its limit of 1 s; it was at this line"),
    "numpy's functions replaced": ("np.tanh = np.exp\nnp.asarray = None", "replaces numpy.asarray, numpy.tanh, which"),
    "Python's functions replaced": ("import builtins\nbuiltins.len = None", "replaces builtins.len, which"),
    "a gradient of another shape than it says": (f"{LIE.format('return np.zeros(5)')}g['Wh'] = L()", "has shape (5,)"),
    "a gradient that raises": (f"{LIE.format('raise SystemExit(3)')}g['Wh'] = L()", "called sys.exit(3)"),
    "a gradient that never comes": (
        f"{LIE.format('return sum(1 for _ in iter(int, 1))')}g['Wh'] = L()",
        "ran past its limit of 1 s",
    ),
    "a dict that raises": (
        "class D(dict):\n    def items(self): raise RuntimeError('hm')\nreturn loss, D(g)",
        "raised RuntimeError: hm",
    ),
    "a number that raises": (
        "class F(float):\n    def __float__(self): raise RuntimeError('hm')\nreturn F(loss), g",
        "raised RuntimeError: hm",
    ),
    "a text for a number": ("return 'nan', g", "returned a str as its loss. Expected a number, or None."),
    "its own arguments for gradients": ("g['Wh'], g['b'] = Wh, b[:]", "2 of 6 gradients differ"),
}


@pytest.mark.parametrize("do", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_right_port_is_right_whatever_else_it_does(run: Run, do: str) -> None:
    status, text = run(f"{do}\nreturn loss, g", "--verdict-only")
    assert status == 0, text


@pytest.mark.parametrize("do", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_wrong_port_is_wrong_whatever_else_it_does(run: Run, do: str) -> None:
    status, text = run(f"{WRONG}{do}\nreturn loss, g", "--verdict-only")
    assert status == 1
    assert "1 of 6 gradients differ" in text


@pytest.mark.parametrize("kind", ["the import path emptied", "modules thrown out", "numpy told to raise"])
def test_the_line_is_found_whatever_else_the_port_does(run: Run, kind: str) -> None:
    _, text = run(f"{WRONG}{HARMLESS[kind]}\nreturn loss, g")
    assert "+ g['Wh'] = g['Wh']" in text


@pytest.mark.parametrize(("do", "said"), ENDED.values(), ids=ENDED.keys())
def test_what_cannot_be_compared_is_said(run: Run, do: str, said: str) -> None:
    status, text = run(f"{do}\nreturn loss, g", "--verdict-only")
    assert status == 1
    assert said in text


def test_functions_of_numpy_replaced_at_import_are_named(run: Run) -> None:
    status, text = run("return loss, g", head="np.abs = np.max = lambda *a, **k: 0\n")
    assert status == 2
    assert "mine.py: the file replaces numpy.abs, numpy.max, which everything in the process computes with." in text


def test_a_file_that_changes_after_it_was_loaded_is_not_patched_by_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = source(f"{WRONG}open(__file__, 'a').write('# more\\n')\nreturn loss, g")
    Path("mine.py").write_text(text)
    assert main(["fix", "mine.py", "--write"]) != 0
    assert Path("mine.py").read_text().startswith(text)
    assert "mine.py" in capsys.readouterr().err


def test_two_submissions_with_modules_of_the_same_name_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, turned in (("one", ""), ("two", ".T"), ("three", "")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "helper.py").write_text(f"def finished(g):\n    g['Wh'] = g['Wh']{turned}\n    return g\n")
        (folder / "port.py").write_text(source("from helper import finished\nreturn loss, finished(g)"))
    monkeypatch.chdir(tmp_path)
    status = main(["diff", "one/port.py", "two/port.py", "three/port.py", "--verdict-only"])
    overview = capsys.readouterr().out.splitlines()[:3]
    assert status == 1
    assert ["DIFFERS" in line for line in overview] == [False, True, False]


UNCALLED = '''
import numpy as np
from rowcol.bridge import port
LINES = """
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    b:  b    hidden
    X:  x    batch time input
    D:  da   batch time hidden
"""
def save(weights):
    open("written.txt", "w").write("x")
def train(a):
    open("written.txt", "w").write("x")
def net(Wx, Wh, b, X, D):
    n, T, _ = X.shape
    H = np.zeros((n, T + 1, len(b)))
    for t in range(T):
        H[:, t] = np.tanh(X[:, t] @ Wx + H[:, t - 1] @ Wh + b)
    g = {"Wx": np.zeros_like(Wx), "Wh": np.zeros_like(Wh), "b": np.zeros_like(b)}
    carry = np.zeros((n, len(b)))
    for t in reversed(range(T)):
        d = (D[:, t] + carry) * (1 - H[:, t] ** 2)
        g["Wx"] += X[:, t].T @ d
        g["Wh"] += H[:, t - 1].T @ d
        g["b"] += d.sum(axis=0)
        carry = helper(d, Wh)
    return H[:, :T], g
def helper(d, Wh):
    return d @ (Wh.T if False else Wh)
@port("rnn", LINES)
def mine(Wx, Wh, b, X, D):
    return net(Wx, Wh, b, X, D)
'''


def test_functions_that_the_port_does_not_call_are_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(UNCALLED)
    assert main(["diff", "mine.py"]) == 1
    assert "verified patch" in capsys.readouterr().out
    assert not Path("written.txt").exists()


def test_a_module_of_another_folder_is_not_taken_for_one_of_the_same_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "namesake.py").write_text(f"where = {name!r}\n")
        (folder / "port.py").write_text("import namesake\n" + source("return loss, g"))
    modules = [run_module(str(tmp_path / name / "port.py")) for name in ("one", "two")]
    assert [module.namesake.where for module in modules] == ["one", "two"]
