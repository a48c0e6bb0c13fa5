"""`rowcol new`: the files that it writes are ports, and it never overwrites anything."""

import argparse
import shutil
import sys
from pathlib import Path

import pytest

from rowcol.bridge import new
from rowcol.bridge.diff import AGREES, NOT_PROVIDED
from rowcol.bridge.examine import Options, examine_file
from rowcol.bridge.problem import Problem

YOURS = Path(__file__).parent / "yours"
DATA = {"x", "X", "xs", "h0", "a0", "start", "hprev", "inputs", "words"}  # some give their gradients


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    new.add_arguments(parser)
    return new.command(parser.parse_args(arguments))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of its own, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def report_of(path):
    (report,) = examine_file(str(path), Options(seed=3))
    assert report["error"] is None, report["error"]
    return report


def test_the_port_it_writes_agrees_as_it_stands(folder, capsys):
    assert run("mine.py") == 0
    assert "rowcol diff mine.py" in capsys.readouterr().out
    report = report_of("mine.py")
    states = {array["name"]: array["state"] for array in report["arrays"]}
    assert states.pop("x") == NOT_PROVIDED
    assert states == dict.fromkeys(["loss", "Wx", "Wh", "Wy", "bh", "by", "h0"], AGREES)
    assert report["remarks"] == []
    assert report["status"] == 0


@pytest.mark.parametrize("kind", new.KINDS)
def test_each_kind_agrees_once_there_is_code_of_that_kind(kind, folder):
    for module in (YOURS / kind).iterdir():
        if module.suffix == ".py":
            shutil.copy(module, folder)
    assert run("mine.py", "--like", kind) == 0
    report = report_of("mine.py")
    states = {array["name"]: array["state"] for array in report["arrays"]}
    assert {name: state for name, state in states.items() if name not in DATA} == dict.fromkeys(
        set(states) - DATA, AGREES
    )
    assert set(states.values()) <= {AGREES, NOT_PROVIDED}
    clips = "clip=5" in Path("mine.py").read_text()
    assert report["remarks"] == ["the bound clip=5 is reached, and the gradients are clipped to it"] * clips
    assert report["status"] == 0


@pytest.mark.parametrize("kind", new.KINDS)
def test_a_template_says_first_what_it_is_for_and_fits_a_screen(kind):
    lines = new.template(kind).splitlines()
    assert lines[0].startswith('"""') and lines[0].endswith('"""')
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 110


def test_an_existing_file_is_left_as_it_is(folder):
    (folder / "mine.py").write_text("precious")
    with pytest.raises(Problem, match=r"mine\.py: this file is there already"):
        run("mine.py")
    assert (folder / "mine.py").read_text() == "precious"


def test_the_kinds_are_listed(capsys):
    assert run("--list") == 0
    listed = capsys.readouterr().out
    assert all(kind in listed for kind in new.KINDS)


def test_an_unknown_kind_names_the_nearest(folder):
    with pytest.raises(Problem, match=r"unknown kind 'scripts'; did you mean 'script'\?"):
        run("mine.py", "--like", "scripts")
    assert not (folder / "mine.py").exists()


def test_two_kinds_are_not_chosen_from(folder):
    with pytest.raises(Problem, match="class and script: a file is written for one kind"):
        run("mine.py", "--like", "class", "--like", "script")
    assert not (folder / "mine.py").exists()


def test_an_unknown_family_is_said(folder):
    with pytest.raises(Problem, match=r"unknown family 'rrn'; did you mean 'rnn'\?"):
        run("mine.py", "--family", "rrn")


def test_a_folder_that_is_not_there_is_said(folder):
    with pytest.raises(Problem, match="cannot be written"):
        run("nowhere/mine.py")


def test_a_name_that_is_no_python_file_is_refused(folder):
    with pytest.raises(Problem, match=r"call it mine\.py"):
        run("mine")


def test_no_name_at_all_is_asked_for():
    with pytest.raises(Problem, match="which file"):
        run()


@pytest.mark.parametrize("like", [[], ["--like", "one-example"]])
@pytest.mark.parametrize("family", ["attention", "dense", "gru", "lstm"])
def test_a_file_of_another_family_gives_a_verdict_as_it_stands(family: str, like: list[str], folder: Path) -> None:
    assert run("mine.py", "--family", family, *like) == 0
    (report,) = examine_file(str(folder / "mine.py"), Options())
    assert report["status"] == 0, report["headline"]
    assert {a["state"] for a in report["arrays"]} == {"agrees"}


def test_a_file_of_another_family_names_what_can_be_declared(folder: Path) -> None:
    run("mine.py", "--family", "dense")
    text = (folder / "mine.py").read_text()
    assert 'reduction="sum" or "mean over batch"' in text and 'activation="tanh" or "relu"' in text


def test_layers_in_columns_agree_once_there_is_code_of_that_kind(folder: Path) -> None:
    shutil.copy(YOURS / "dense-column" / "yours.py", folder)
    assert run("mine.py", "--family", "dense", "--like", "column") == 0
    report = report_of("mine.py")
    assert report["status"] == 0, report["headline"]
    assert {a["name"] for a in report["arrays"] if a["state"] == AGREES} == {"loss", "W1", "b1", "W2", "b2"}
