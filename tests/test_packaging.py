"""What is shipped: the wheel, and how fast the command starts."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a copy of the checkout's files."""
    import shutil

    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    for room in ("reference", "batched", "bridge"):
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("rowcol-*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def wheel(built: zipfile.ZipFile) -> list[str]:
    """The names in it."""
    return built.namelist()


def test_wheel_brings_the_command_and_the_plugin_of_pytest(built: zipfile.ZipFile) -> None:
    (name,) = [name for name in built.namelist() if name.endswith(".dist-info/entry_points.txt")]
    said = built.read(name).decode().split("\n")
    assert said[said.index("[console_scripts]") + 1] == "rowcol = rowcol.bridge.cli:main"
    assert said[said.index("[pytest11]") + 1] == "rowcol = rowcol.bridge.pytest_plugin"


def test_wheel_holds_rowcol_and_nothing_else_at_top_level(wheel: list[str]) -> None:
    top = {name.split("/")[0] for name in wheel}
    assert {t for t in top if not t.endswith(".dist-info")} == {"rowcol"}


def test_wheel_holds_every_module_and_its_data(wheel: list[str]) -> None:
    for room in ("reference", "batched", "bridge"):
        for file in sorted((ROOT / room).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                assert f"rowcol/{file.relative_to(ROOT).as_posix()}" in wheel


@pytest.mark.parametrize("room", ["reference", "batched"])
def test_an_implementation_imports_nothing_of_the_others(room: str) -> None:
    others = {"reference", "batched", "bridge"} - {room}
    code = f"import sys, rowcol.{room}; print([m for m in sys.modules if m.startswith('rowcol.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"rowcol.{room}" in done.stdout
    assert not [other for other in others if f"rowcol.{other}" in done.stdout]


def test_help_imports_neither_numpy_nor_a_family() -> None:
    code = (
        "import sys\nfrom rowcol.bridge.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', [m for m in ('numpy', 'tabulate', 'rowcol.reference', 'rowcol.bridge.families') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "usage: rowcol" in done.stdout
    assert "LOADED []" in done.stdout


def test_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    done = subprocess.run(
        [sys.executable, "-m", "rowcol.bridge.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["rowcol", version("rowcol")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a new Python is started for the port instead")
def test_the_command_forks_before_anything_is_imported_that_only_the_port_needs() -> None:
    port = ROOT / "tests" / "ports" / "vectorised.py"
    code = (
        f"import sys\nfrom rowcol.bridge.cli import main\nstatus = main(['diff', {str(port)!r}])\n"
        "print('STATUS', status, 'LOADED', [m for m in ('numpy', 'tabulate', 'dataclasses') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "STATUS 0 LOADED []" in done.stdout


def test_a_grid_looks_as_tabulate_draws_it() -> None:
    from tabulate import tabulate

    from rowcol.bridge.report.paper import Paper, grid

    red = Paper(colour=True).paint("differs", "red")
    for heads, rows in (
        (["array", "is"], [["Wx", "Wax, b"], ["a much longer name", ""]]),
        (["array", "verdict", "x"], [["Wx", red, "1"], ["Wh", "agrees", "2.0e-16"]]),
        (["a"], []),
    ):
        drawn = tabulate(rows, heads, tablefmt="simple", disable_numparse=True)
        assert grid(rows, heads) == "\n".join(f"  {line}".rstrip() for line in drawn.splitlines())
