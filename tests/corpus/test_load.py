from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.corpus.load import Blame, Combination, Edit, Fault, combinations, load

SETS = ("rnn", "lstm", "gru", "dense", "attention", "variety")


@pytest.mark.parametrize("name", SETS)
def test_every_faulty_port_is_python_and_has_its_blamed_lines(name: str) -> None:
    for faulty in (*load(name), *combinations(name)):
        for file, splices in faulty.splices.items():
            ast.parse(splices.wrong, file)
        assert faulty.blamed_lines(), faulty.id


@pytest.mark.parametrize(
    ("name", "ports", "faults", "together"),
    [("rnn", 10, 180, 40), ("variety", 25, 50, 25)] + [(name, 3, 25, 6) for name in SETS[1:-1]],
)
def test_the_corpus_is_as_large_as_it_claims(name: str, ports: int, faults: int, together: int) -> None:
    assert len({fault.port for fault in load(name)}) >= ports
    assert len(load(name)) >= faults
    assert len(combinations(name)) >= together
    assert all(2 <= len(combination.faults) <= 6 for combination in combinations(name))


@pytest.mark.parametrize("name", SETS)
def test_a_faulty_port_is_written_with_the_modules_it_needs(name: str, tmp_path: Path) -> None:
    for port in {fault.port for fault in load(name)}:
        fault = next(fault for fault in load(name) if fault.port == port)
        path = fault.write(tmp_path / port.stem)
        assert path.name == port.name and path.is_file()
        assert {edit.file for edit in fault.edits} <= {one.name for one in path.parent.iterdir()}


@pytest.fixture
def port(tmp_path: Path) -> Path:
    path = tmp_path / "port.py"
    path.write_bytes(b"a = 1\nb = a\nc = b\nd = c\n")
    return path


def fault(port: Path, name: str, right: str, wrong: str, *blame: Blame) -> Fault:
    return Fault(name, port, "a sign", "expression", (Edit("port.py", right, wrong),), blame, "")


def test_blamed_lines_of_a_combination_follow_the_lines_that_move(port: Path) -> None:
    longer = fault(port, "longer", "a = 1\n", "a = 0\na += 1\n", Blame("port.py", "a = 0"))
    gone = fault(port, "gone", "c = b\n", "", Blame("port.py", "b = a"), Blame("port.py", "d = c"))
    both = Combination("both", port, (longer, gone), "")
    assert both.text("port.py") == "a = 0\na += 1\nb = a\nd = c\n"
    assert both.lines_by_fault() == {"longer": {("port.py", 1)}, "gone": {("port.py", 3), ("port.py", 4)}}


def test_an_edit_that_fits_twice_is_refused(port: Path) -> None:
    with pytest.raises(ValueError, match="exactly once, occurs 2 times: 'b'"):
        fault(port, "twice", "b", "x").text("port.py")


def test_edits_that_overlap_are_refused(port: Path) -> None:
    one, other = fault(port, "one", "b = a\nc", "x"), fault(port, "other", "c = b", "y")
    with pytest.raises(ValueError, match="overlap"):
        Combination("both", port, (one, other), "").text("port.py")


def test_a_blamed_line_that_is_not_there_is_refused(port: Path) -> None:
    with pytest.raises(ValueError, match="no such line"):
        fault(port, "gone", "d = c", "d = b", Blame("port.py", "d = c")).blamed_lines()
