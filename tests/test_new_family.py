"""A family is two implementations and one declaration: with these three files every command knows it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
DECLARATION = '''
from rowcol.batched.scaled import scaled as batched_scaled
from rowcol.reference.scaled import scaled as reference_scaled

from ..family import Family, Implementation, Setting

SHAPES: dict[str, frozenset[str]] = {}


def family(words: frozenset[str]) -> Family:
    return Family(
        name="scaled",
        parameters={"W": ("output", "input"), "gain": ("output",)},
        readout={},
        data={"x": ("batch", "input")},
        target=None,
        upstream={"upstream of the output": ("dout", ("batch", "output"))},
        settings={"shift": Setting(("none", "one"))},
        reference=Implementation(
            reference_scaled,
            "W: W output input\\ngain: gain output 1\\nx: x input 1\\ndout: dout output 1",
            "columns",
        ),
        batched=Implementation(
            batched_scaled,
            "W: W input output\\ngain: gain output\\nx: x batch input\\ndout: dout batch output",
            "rows",
        ),
    )
'''
REFERENCE = '''
def scaled(x, W, gain, dout, *, shift="none"):
    z = W @ x + (shift == "one")
    out = gain * z
    dgain = dout * z
    dz = gain * dout
    dW = dz @ x.T
    dx = W.T @ dz
    return (dout * out).sum(), {"W": dW, "gain": dgain, "x": dx}
'''
BATCHED = '''
def scaled(x, W, gain, dout, *, shift="none"):
    z = x @ W + (shift == "one")
    out = z * gain
    dgain = (dout * z).sum(axis=0)
    dz = dout * gain
    dW = x.T @ dz
    dx = dz @ W.T
    return (dout * out).sum(), {"W": dW, "gain": dgain, "x": dx}
'''


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout as the package is laid out, with the three files of a family more."""
    folder = tmp_path_factory.mktemp("checkout")
    for room in ("reference", "batched", "bridge"):
        shutil.copytree(TOP / room, folder / "rowcol" / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in (("bridge/families", DECLARATION), ("reference", REFERENCE), ("batched", BATCHED)):
        (folder / "rowcol" / name / "scaled.py").write_text(text, encoding="utf-8")
    (folder / "layout.txt").write_text("V: W input output\ng: gain output\nx: x batch input\nd: dout batch output\n")
    return folder


def said(checkout: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "rowcol.bridge.cli", *words],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def test_both_implementations_are_compared(checkout: Path) -> None:
    status, text = said(checkout, "diff", "--family", "scaled")
    assert status == 0
    assert text.startswith("scaled: agrees: the reference (columns) and the batched side (rows), 6 of 6 gradients")


def test_a_port_of_it_is_written_compared_and_mended(checkout: Path) -> None:
    assert said(checkout, "new", "mine.py", "--family", "scaled")[0] == 0
    assert said(checkout, "diff", "mine.py")[0] == 0
    port = (checkout / "mine.py").read_text(encoding="utf-8")
    own = port.replace("from rowcol.batched.scaled import scaled\n", BATCHED)
    assert own != port
    (checkout / "wrong.py").write_text(own.replace("dz = dout * gain", "dz = dout"), encoding="utf-8")
    status, text = said(checkout, "fix", "wrong.py")
    assert status == 1
    assert any(f"-    dz = dout\n+    dz = {product}\n" in text for product in ("dout * gain", "gain * dout"))


def test_its_cases_are_exported_with_its_settings(checkout: Path) -> None:
    words = ("export", "cases", "--family", "scaled", "--layout", "layout.txt", "--shift", "one")
    assert said(checkout, *words)[0] == 0
    assert "'scaled', shift one." in (checkout / "cases" / "README.txt").read_text(encoding="utf-8")


def test_a_dialect_that_does_not_have_it_says_so(checkout: Path) -> None:
    status, text = said(checkout, "dialects", "pytorch", "--family", "scaled")
    assert status == 2
    assert "PyTorch has no layout of the family 'scaled': it has not been written down." in text
