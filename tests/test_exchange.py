"""`rowcol export` and `rowcol check`: cases and gradients as files, for programs in any language."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowcol.bridge.check import check
from rowcol.bridge.cli import main
from rowcol.bridge.declaration import declared
from rowcol.bridge.export import export
from rowcol.bridge.family import FAMILIES, family_named
from rowcol.bridge.problem import Problem
from rowcol.bridge.report.schema import Report
from rowcol.bridge.report.terminal import render
from rowcol.reference.rnn import rnn

LANGUAGES = Path(__file__).parent / "languages"
ROWS, COLUMNS = str(LANGUAGES / "rows.txt"), str(LANGUAGES / "columns.txt")
FORMATS = ("npz", "npy", "json")


# A program in Python, which knows of rowcol nothing but the files -------------------------------------------


def inputs(case: Path) -> dict[str, Any]:
    if (case / "inputs.npz").exists():
        with np.load(case / "inputs.npz", allow_pickle=False) as archive:
            return dict(archive)
    if (case / "inputs.json").exists():
        return {
            name: np.array(value) for name, value in json.loads((case / "inputs.json").read_text()).items()
        }
    return {file.stem: np.load(file) for file in (case / "inputs").iterdir()}


def column_program(case: Path) -> dict[str, Any]:
    """The right loss and gradients for a case of the layout in columns."""
    given = inputs(case)
    column = {n: given[n][..., None] for n in ("b", "by", "a0", "x")}
    y = np.eye(len(given["by"]))[given["y"]][..., None]
    loss, gradients = rnn(Wax=given["Wax"], Waa=given["Waa"], Wya=given["Wya"], y=y, **column)
    return {"loss": loss, **{n: g.reshape(given[n].shape) for n, g in gradients.items()}}


def answer_npz(case: Path, answer: dict[str, Any]) -> None:
    np.savez(case / "answer.npz", **answer)


def answer_npy(case: Path, answer: dict[str, Any]) -> None:
    (case / "answer").mkdir(exist_ok=True)
    for name, value in answer.items():
        np.save(case / "answer" / f"{name}.npy", value)


def answer_json(case: Path, answer: dict[str, Any]) -> None:
    lists = {name: np.asarray(value).tolist() for name, value in answer.items()}
    (case / "answer.json").write_text(json.dumps(lists))


def answer_lists(case: Path, answer: dict[str, Any]) -> None:
    (case / "answer").mkdir(exist_ok=True)
    for name, value in answer.items():
        (case / "answer" / f"{name}.json").write_text(json.dumps(np.asarray(value).tolist()))


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of cases with right answers."""
    folder = tmp_path_factory.mktemp("answered") / "cases"
    export(str(folder), "rnn", COLUMNS, {})
    for case in sorted(folder.glob("case-*")):
        answer_npz(case, column_program(case))
    return folder


@pytest.fixture
def folder(answered: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(answered, tmp_path / "cases"))


def text(report: Report) -> str:
    return render(report)


def changed(folder: Path, change: Any) -> None:
    """Change every answer."""
    for case in sorted(folder.glob("case-*")):
        answer = dict(np.load(case / "answer.npz"))
        change(answer)
        answer_npz(case, answer)


# What is written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("write", [answer_npz, answer_npy, answer_json, answer_lists])
def test_a_right_program_agrees_in_every_format(tmp_path: Path, form: str, write: Any) -> None:
    folder = tmp_path / "cases"
    export(str(folder), "rnn", COLUMNS, {}, form=form)
    for case in folder.glob("case-*"):
        write(case, column_program(case))
    report = check(str(folder))
    assert report["status"] == 0, text(report)
    assert report["headline"] == "7 of 7 gradients checked, all agree; the loss agrees"


@pytest.mark.parametrize("form", FORMATS)
def test_all_formats_hold_the_same_numbers(answered: Path, tmp_path: Path, form: str) -> None:
    export(str(tmp_path / "cases"), "rnn", COLUMNS, {}, form=form)
    for case in answered.glob("case-*"):
        there = inputs(tmp_path / "cases" / case.name)
        for name, value in inputs(case).items():
            assert np.array_equal(there[name], value), name


def test_folder_says_in_words_what_is_expected(answered: Path) -> None:
    said = (answered / "README.txt").read_text()
    for word in (
        "inputs.npz",
        "answer.npz",
        "answer.json",
        "Waa",
        "hidden prev",
        "class indices",
        "softmax",
        "rowcol check",
        "a[t] = g(Wax x[t] + Waa a[t-1] + b)",
        "int64",
        "shape ()",
        "Empty answer/ before each run",
    ):
        assert word in said


@pytest.mark.parametrize(("family", "layout", "zero"), [
    ("lstm", "Wx: Wax[i f g o] (gate hidden) input\nWh: Waa[i f g o] (gate hidden) prev\nb: b[i f g o] (gate hidden)\n"
     "Wy: Wya output hidden\nx: x batch time input\ny: y batch time", "by, a0, c0"),
    ("gru", "Wx: Wax[r z n] (gate hidden) input\nWh: Waa[r z n] (gate hidden) prev\nb: b[r z n] (gate hidden)\n"
     "Wy: Wya output hidden\nby: by output\nx: x batch time input\nh0: a0 batch hidden\ny: y batch time", "bn"),
])  # fmt: skip
def test_folder_says_what_is_zero_and_how_the_gates_act(family: str, layout: str, zero: str, tmp_path: Path) -> None:
    (tmp_path / "layout.txt").write_text(layout)
    settings = {"reset": "after", "update": "z keeps"} if family == "gru" else {}
    export(str(tmp_path / "cases"), family, str(tmp_path / "layout.txt"), settings)
    said = (tmp_path / "cases" / "README.txt").read_text()
    assert f"No line of the layout names {zero}: zero." in said
    assert all(equation in said for equation in family_named(family).equations)


def test_declaration_says_sizes_and_shapes_of_every_case(answered: Path) -> None:
    found = json.loads((answered / "rowcol.json").read_text())
    assert found["family"] == "rnn"
    assert [case["folder"] for case in found["cases"]] == sorted(
        case.name for case in answered.glob("case-*")
    )
    for case in found["cases"]:
        given = inputs(answered / case["folder"])
        assert {name: list(value.shape) for name, value in given.items()} == case["inputs"]
        assert case["gradients"]["Waa"] == [case["sizes"]["hidden"]] * 2


def test_layout_without_batch_gets_one_example_a_case(answered: Path) -> None:
    found = json.loads((answered / "rowcol.json").read_text())
    assert {case["sizes"]["batch"] for case in found["cases"]} == {1}


def test_float32_cases_are_float32(tmp_path: Path) -> None:
    export(str(tmp_path / "cases"), "rnn", COLUMNS, {"dtype": "float32"}, form="npy")
    assert np.load(tmp_path / "cases/case-01/inputs/Waa.npy").dtype == np.float32


@pytest.mark.parametrize("family", ["lstm", "gru", "dense", "attention"])
def test_every_family_can_be_exported(family: str, tmp_path: Path) -> None:
    from rowcol.bridge.family import family_named

    implementation = family_named(family).reference
    assert implementation is not None
    given = {"dense": "y", "attention": "dout"}.get(family, "y")
    lines = [
        line.strip()
        for line in implementation.layout.splitlines()
        if line.split(":")[0].strip() not in {"da", "dz", "dp", "dc"} - {given}
    ]
    settings = {"reset": "after", "update": "z keeps"} if family == "gru" else {}
    layout = tmp_path / "layout.txt"
    layout.write_text("\n".join(lines))
    assert export(str(tmp_path / "cases"), family, str(layout), settings) >= 3
    report = check(str(tmp_path / "cases"))
    assert "no case has an answer yet" in report["headline"]


@pytest.mark.parametrize(
    ("layout", "keywords", "said"),
    [
        ("W: Wxx input hidden", {}, "layout.txt:1"),
        ("", {}, "Wax"),
        (Path(COLUMNS).read_text(), {"reduction": "average"}, "reduction='average'"),
        (Path(COLUMNS).read_text(), {"sizes": "hidden = 99999"}, "at most 4000000"),
        (Path(COLUMNS).read_text().replace("by: ", "B: "), {}, "capitals"),
        (Path(COLUMNS).read_text().replace("by: ", "loss: "), {}, "loss"),
        ("\0", {}, "no layout"),
    ],
)
def test_nothing_is_written_for_what_cannot_be_exported(
    tmp_path: Path, layout: str, keywords: dict[str, Any], said: str
) -> None:
    (tmp_path / "layout.txt").write_text(layout)
    with pytest.raises(Problem) as problem:
        export(str(tmp_path / "cases"), "rnn", str(tmp_path / "layout.txt"), keywords)
    assert said in str(problem.value)
    assert not (tmp_path / "cases").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Problem, match="not empty"):
        export(str(tmp_path), "rnn", COLUMNS, {})
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


# The verdict ------------------------------------------------------------------------------------------------


def test_a_gradient_that_is_left_out_is_not_provided(folder: Path) -> None:
    changed(folder, lambda answer: answer.pop("x"))
    report = check(str(folder))
    assert report["status"] == 0
    assert "6 of 7" in report["headline"]


def test_without_a_loss_the_forward_pass_is_not_checked(folder: Path) -> None:
    changed(folder, lambda answer: answer.pop("loss"))
    report = check(str(folder))
    assert report["status"] == 0
    assert "no loss was given" in report["headline"]


def test_single_precision_is_a_remark(folder: Path) -> None:
    def coarser(answer: dict[str, Any]) -> None:
        answer.update({name: np.float32(value) for name, value in answer.items()})

    changed(folder, coarser)
    report = check(str(folder))
    assert report["status"] == 0
    assert "computes in float32" in text(report)


def test_undeclared_clipping_is_a_remark(folder: Path) -> None:
    def clipped(answer: dict[str, Any]) -> None:
        answer.update(
            {n: np.clip(g, -0.5, 0.5) for n, g in answer.items() if n in ("Wax", "Waa", "Wya", "b", "by")}
        )

    changed(folder, clipped)
    report = check(str(folder))
    assert report["status"] == 0, text(report)
    assert "clip=0.5" in text(report)


def test_another_reduction_is_a_mistake_in_the_declaration(tmp_path: Path) -> None:
    folder = tmp_path / "cases"
    export(str(folder), "rnn", COLUMNS, {"reduction": "mean over batch and time"})
    for case in folder.glob("case-*"):
        answer_npz(case, column_program(case))
    report = check(str(folder))
    assert (report["status"], report["finding"]) == (1, "declaration")
    assert report["declared"] == "reduction='sum'"


def test_a_square_matrix_declared_in_the_other_order_is_recognised(tmp_path: Path) -> None:
    layout = tmp_path / "columns.txt"
    layout.write_text(Path(COLUMNS).read_text().replace("hidden prev", "prev hidden"))
    folder = tmp_path / "cases"
    export(str(folder), "rnn", str(layout), {})
    for case in folder.glob("case-*"):
        answer_npz(case, column_program(case))
    report = check(str(folder))
    assert report["finding"] == "declaration"
    assert "Waa: Waa  hidden prev" in (report["declared"] or "")


def test_the_transposed_gradient_is_called_so(folder: Path) -> None:
    changed(folder, lambda answer: answer.update(Wax=answer["Wax"].T))
    report = check(str(folder))
    assert report["status"] == 1
    assert "it is the transpose" in text(report)


def test_a_nan_is_a_finding_with_its_place(folder: Path) -> None:
    def spoilt(answer: dict[str, Any]) -> None:
        answer["Waa"][1, 2] = np.nan

    changed(folder, spoilt)
    report = check(str(folder))
    assert report["status"] == 1
    assert "nan in the port, first at [1, 2]" in text(report)


def test_of_a_nan_in_one_case_that_case_is_named_and_nothing_is_concluded_from_the_others(folder: Path) -> None:
    answer = dict(np.load(folder / "case-01" / "answer.npz"))
    answer["Waa"][1, 2] = np.nan
    answer_npz(folder / "case-01", answer)
    said = " ".join(text(check(str(folder))).split())
    assert "Waa holds nan in the port, first at [1, 2] (in case-01)" in said
    assert "everything agrees" not in said


def test_null_is_what_json_has_for_nan(folder: Path) -> None:
    for case in folder.glob("case-*"):
        (case / "answer.npz").unlink()
        answer_json(case, {**column_program(case), "b": np.array([np.nan])})
        file = case / "answer.json"
        file.write_text(file.read_text().replace("NaN", ", ".join(["null"] * len(inputs(case)["b"]))))
    report = check(str(folder))
    assert report["status"] == 1
    assert "nan in the port" in text(report)


def test_a_wrong_shape_is_said_with_its_case(folder: Path) -> None:
    case = folder / "case-02"
    answer_npz(case, {**column_program(case), "Wax": np.zeros((2, 2))})
    report = check(str(folder))
    shape = inputs(case)["Wax"].shape
    assert f"Wax has shape (2, 2), expected {shape} (in case-02)" in text(report)


def test_a_declaration_that_differs_is_to_be_exported_anew(tmp_path: Path) -> None:
    folder = tmp_path / "cases"
    export(str(folder), "rnn", COLUMNS, {"reduction": "mean over batch and time"})
    for case in sorted(folder.glob("case-*")):
        answer_npz(case, column_program(case))
    said = " ".join(text(check(str(folder))).split())
    assert "DIFFERS: the declaration, not the code: with reduction='sum' everything agrees" in said
    assert "Say so to `rowcol export`, and export anew." in said


def test_a_misspelt_name_is_named(folder: Path) -> None:
    changed(folder, lambda answer: answer.update(Wxa=answer.pop("Wax")))
    report = check(str(folder))
    assert report["status"] == 1
    assert "did you mean" in text(report)


def test_further_cases_may_be_left_unanswered(folder: Path) -> None:
    (folder / "case-04" / "answer.npz").unlink()
    assert check(str(folder))["status"] == 0


def test_a_wrong_loss_is_held_against_nothing_unless_asked_for(folder: Path, tmp_path: Path) -> None:
    def other(answer: dict[str, Any]) -> None:
        answer.update(loss=answer["loss"] + 1.0, Waa=answer["Waa"] * 1.5 + 0.1)

    changed(folder, other)
    report = check(str(folder))
    assert report["finding"] == "loss and gradients"
    assert "--own-loss" in text(report)


def test_own_loss_tells_another_model_from_a_wrong_gradient(tmp_path: Path) -> None:
    def of_other_model(case: Path) -> dict[str, Any]:
        given = inputs(case)
        column = {n: given[n][..., None] for n in ("b", "by", "a0", "x")}
        y = np.eye(len(given["by"]))[given["y"]][..., None]
        loss, g = rnn(Wax=given["Wax"], Waa=2 * given["Waa"], Wya=given["Wya"], y=y, **column)
        g["Waa"] = 2 * g["Waa"]
        return {"loss": loss, **{n: value.reshape(given[n].shape) for n, value in g.items()}}

    folder = tmp_path / "cases"
    export(str(folder), "rnn", COLUMNS, {}, own_loss=True)
    for case in folder.glob("case-*"):
        answer_npz(case, of_other_model(case))
    report = check(str(folder))
    assert report["finding"] == "another model", text(report)


# Files that are not what they ought to be -------------------------------------------------------------------


class Malicious:
    """Whoever unpickles it writes a file."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.victim, "gotcha")


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + data


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def header(descr: str, shape: str) -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


EVIL = {
    "an empty file": (b"", "no whole .npz archive"),
    "another format": (b"%PDF-1.4 something", "no whole .npz archive"),
    "an empty archive": (zipped(), "holds nothing"),
    "an array that is none": (zipped(("Waa.npy", b"hello")), "no array in the .npy format"),
    "a huge shape": (zipped(("Waa.npy", npy(header("'<f8'", "(1000000000000, 1000000)")))), "cut off"),
    "a huge negative shape": (zipped(("Waa.npy", npy(header("'<f8'", "(-1, 8)")))), "'Waa'"),
    "a shape of many axes": (zipped(("Waa.npy", npy(header("'<f8'", f"({'1,' * 70})"), bytes(8)))), "'Waa'"),
    "a zero in a huge shape": (
        zipped(("Waa.npy", npy(header("'<f8'", "(0, 9223372036854775808)")))),
        "'Waa'",
    ),
    "too few numbers": (zipped(("Waa.npy", npy(header("'<f8'", "(9, 9)"), bytes(80)))), "cut off"),
    "too many numbers": (zipped(("Waa.npy", npy(header("'<f8'", "(2, 2)"), bytes(80)))), "longer than"),
    "a program in the header": (zipped(("Waa.npy", npy("__import__('os').abort()"))), "no array in the .npy"),
    "a header of brackets": (zipped(("Waa.npy", npy("(" * 110))), "no array in the .npy"),
    "an unknown version": (
        zipped(("Waa.npy", npy(header("'<f8'", "()"), bytes(8), b"\x09\x00"))),
        "no array",
    ),
    "texts": (zipped(("Waa.npy", npy(header("'<U4'", "(1,)"), bytes(16)))), "Expected real numbers"),
    "complex numbers": (
        zipped(("Waa.npy", npy(header("'<c16'", "(1,)"), bytes(16)))),
        "Expected real numbers",
    ),
    "records": (
        zipped(("Waa.npy", npy(header("[('a', '<f8')]", "(1,)"), bytes(8)))),
        "Expected real numbers",
    ),
    "a path upwards": (zipped(("../../Waa.npy", b"")), "no name of an array"),
    "an absolute path": (zipped(("/etc/passwd", b"")), "no name of an array"),
    "a terminal's commands": (zipped(("\x1b[2JWaa.npy", b"")), r"\\x1b[2J"),
    "a bomb": (
        zipped(("Waa.npy", npy(header("'<f8'", "(9, 9)"), bytes(50_000_000)))),
        "larger than it can be",
    ),
    "another family": (zipped(("Wq.npy", b""), ("Wk.npy", b"")), "'Wq', 'Wk', and no array of this family"),
}


@pytest.mark.parametrize("what", EVIL)
def test_a_hostile_archive_gets_one_clear_message(folder: Path, what: str) -> None:
    data, said = EVIL[what]
    (folder / "case-02" / "answer.npz").write_bytes(data)
    refused(folder, said.replace("\\\\", "\\"), "case-02")


def refused(folder: Path, said: str, place: str) -> None:
    """No verdict, one message about one place, and not a file more or less than before."""
    before = {file: file.stat().st_size for file in folder.parent.rglob("*") if file.is_file()}
    report = check(str(folder))
    assert report["status"] == 2, text(report)
    assert said in report["headline"]
    assert report["error"] is not None
    assert place in (report["error"]["file"] or "")
    assert len(report["headline"]) < 500
    assert report["headline"].isprintable()
    assert {file: file.stat().st_size for file in folder.parent.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("inside", [True, False])
def test_a_pickle_is_never_loaded(folder: Path, inside: bool, tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    case = folder / "case-01"
    array = np.empty((), dtype=object)
    array[()] = Malicious(victim)
    if inside:
        np.savez(case / "answer.npz", Waa=array)
    else:
        (case / "answer.npz").write_bytes(pickle.dumps(Malicious(victim)))
    refused(folder, "pickled objects" if inside else "no whole .npz archive", "case-01")
    assert not victim.exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_an_archive_that_is_cut_off_is_called_so(folder: Path, share: float) -> None:
    file = folder / "case-01" / "answer.npz"
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    refused(folder, "Was it written to its end?", "case-01")


def test_a_damaged_archive_is_never_judged(folder: Path) -> None:
    file = folder / "case-01" / "answer.npz"
    data = bytearray(file.read_bytes())
    half = len(data) // 2
    data[half : half + 20] = bytes(byte ^ 255 for byte in data[half : half + 20])
    file.write_bytes(bytes(data))
    assert check(str(folder))["status"] == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"loss": 1.0, "Waa": [[1, 2], [3', "no whole JSON file"),
        ("[" * 100_000, "no whole JSON file"),
        ("[1, 2]", "a list"),
        ("{}", "holds nothing"),
        ('{"Waa": [[1, 2], [3]]}', "rows of different lengths"),
        ('{"Waa": {"0": 1.5}}', "Array.from"),
        ('{"Waa": "many"}', "no number"),
        ('{"Waa": [[1' + "0" * 400 + "]]}", "no number"),
        ('{"../Waa": [1]}', "no name of an array"),
        ('{"gates": [1]}', "no array of this family"),
        (" " * 2_000_000, "larger than it can be"),
        ("\xff\xfe", "no whole JSON file"),
    ],
)
def test_json_that_is_none_gets_one_clear_message(folder: Path, content: str, said: str) -> None:
    case = folder / "case-03"
    (case / "answer.npz").unlink()
    (case / "answer.json").write_bytes(content.encode("latin-1"))
    refused(folder, said, "case-03")


def test_a_case_without_an_answer_is_named(folder: Path) -> None:
    (folder / "case-02" / "answer.npz").unlink()
    refused(folder, "no answer in case-02", "cases")


def test_an_array_that_one_case_lacks_is_not_vouched_for(folder: Path) -> None:
    answers = [dict(np.load(case / "answer.npz")) for case in sorted(folder.glob("case-*"))]
    name = next(name for name in answers[1] if name != "loss")
    second = sorted(folder.glob("case-*"))[1] / "answer.npz"
    np.savez(second, **{key: value for key, value in answers[1].items() if key != name})
    refused(folder, f"the answer in case-02 lacks {name}, which other cases have", "cases")


def test_two_answers_to_a_case_are_one_too_many(folder: Path) -> None:
    (folder / "case-02" / "answer.json").write_text("{}")
    refused(folder, "answer.npz and answer.json", "case-02")


def test_inputs_that_were_changed_are_noticed(folder: Path) -> None:
    given = inputs(folder / "case-02")
    given["Waa"][0, 0] += 1e-9
    np.savez(folder / "case-02" / "inputs.npz", **given)
    refused(folder, "'Waa' is not what was exported", "case-02")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found.pop("layout"), "'layout'"),
        (lambda found: found.update(rowcol=99), "not what `rowcol export` writes"),
        (lambda found: found.update(seed="0; rm"), "'seed'"),
        (lambda found: found.update(family="transformer"), "unknown family 'transformer'"),
        (lambda found: found.update(family="any"), "unknown family 'any'"),
        (lambda found: found.update(keywords={"sizes": "hidden = 99999999999"}), "at most 4000000"),
        (lambda found: found.update(keywords={"case": [1]}), "'keywords'"),
        (lambda found: found.update(name="\x1b[2J"), "'name'"),
        (lambda found: found.update(family="gru"), "reset"),
    ],
)
def test_a_declaration_that_was_changed_is_refused(folder: Path, change: Any, said: str) -> None:
    file = folder / "rowcol.json"
    found = json.loads(file.read_text())
    change(found)
    file.write_text(json.dumps(found))
    refused(folder, said, "rowcol.json")


def test_a_folder_that_nobody_exported_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    refused(tmp_path / "cases", "no folder that `rowcol export` wrote: there is no rowcol.json", "cases")
    refused(tmp_path / "nowhere", "no such folder", "nowhere")


# Other languages --------------------------------------------------------------------------------------------


def run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def program_in(language: str, tmp_path: Path, wrong: bool) -> list[str | Path]:
    """The command that runs the port in a language; `wrong`: with the transpose missing."""
    if language == "C":
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            pytest.skip("there is no C compiler here")
        switch = ["-DWITHOUT_THE_TRANSPOSE"] if wrong else []
        flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", *switch]
        run(compiler, *flags, "-o", tmp_path / "rnn", LANGUAGES / "rnn.c", "-lm")
        return [tmp_path / "rnn"]
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node here to run JavaScript")
    right, without = "times(transposed(Waa), daraw)", "times(Waa, daraw)"
    source = (LANGUAGES / "rnn.js").read_text()
    assert source.count(right) == 1
    (tmp_path / "rnn.js").write_text(source.replace(right, without) if wrong else source)
    return [node, tmp_path / "rnn.js"]


LANGUAGE = {
    "C": (ROWS, "npy", {"W1", "W2", "bh"}),
    "JavaScript": (COLUMNS, "json", {"Wax", "Waa", "b", "x", "a0"}),
}


@pytest.mark.parametrize("language", LANGUAGE)
def test_a_right_port_in_another_language_agrees(language: str, tmp_path: Path) -> None:
    layout, form, _ = LANGUAGE[language]
    program = program_in(language, tmp_path, wrong=False)
    export(str(tmp_path / "cases"), "rnn", layout, {}, form=form)
    run(*program, tmp_path / "cases")
    report = check(str(tmp_path / "cases"))
    assert report["status"] == 0, text(report)
    assert "the loss agrees" in report["headline"]


@pytest.mark.parametrize("language", LANGUAGE)
def test_the_missing_transpose_is_explained_in_another_language(
    language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout, form, wrong = LANGUAGE[language]
    program = program_in(language, tmp_path, wrong=True)
    folder = str(tmp_path / "cases")
    assert main(["export", folder, "--family", "rnn", "--layout", layout, "--format", form]) == 0
    run(*program, folder)
    capsys.readouterr()
    assert main(["check", folder, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert {a["name"] for a in report["arrays"] if a["state"] == "differs"} == wrong
    assert report["finding"] == "wrong gradient"
    explanation = report["diagnosis"]["explanation"]
    assert explanation["operation"] == "da_next = Waa.T @ daraw"
    assert "`da_next = Waa.T @ daraw`" in " ".join(text(report).split())
    assert "would come of" not in text(report)
    assert main(["check", folder, "--verbose"]) == 1
    said = capsys.readouterr().out
    others = said.partition("the same numbers would come of:\n")[2]
    assert others.count(" read as ") == len(explanation["equivalent"]) > 0
    assert "With time = 1" in " ".join(report["sentences"])


def test_layouts_beside_the_programs_are_what_they_declare() -> None:
    for layout in (ROWS, COLUMNS):
        assert declared(lambda **arrays: None, "rnn", Path(layout).read_text(), {}).layout.names


# What a wrong call is told ---------------------------------------------------------------------------------


KERAS = """
kernel: Wax[i f g o]  input (gate hidden)
recurrent_kernel: Waa[i f g o]  prev (gate hidden)
x: x  batch time input
"""


@pytest.mark.parametrize(
    ("family", "options", "said"),
    [
        ("lstm", "--activation relu", "--activation: the family 'lstm' has no such setting. It is one of "),
        ("gru", "--activation relu", "--activation: the family 'gru' has no such setting. "),
        ("lsmt", "", "--family: unknown family 'lsmt'; did you mean 'lstm'? Known: "),
        ("lstm", "--objective foo", "--objective: unknown objective 'foo'. Known are 'softmax', "),
        ("lstm", "--clip abc", "--clip: clip='abc' is unknown. Write a positive number"),
        ("lstm", "--sizes hidden=four", "--sizes: sizes='hidden=four': 'four' is neither a number nor an axis of"),
        ("lstm", "--reduction mean", "--reduction: reduction='mean' is unknown."),
        ("gru", "", "--reset: reset='before' or reset='after' has to be declared"),
    ],
)
def test_what_is_wrong_with_an_option_is_said_of_the_option(
    family: str, options: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = tmp_path / "keras.txt"
    layout.write_text(KERAS + "dh: da  batch time hidden\n" if family != "gru" else "bx: b[r z n] (gate hidden)")
    words = ["export", str(tmp_path / "cases"), "--family", family, "--layout", str(layout), *options.split()]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(said)
    assert not (tmp_path / "cases").exists()


def test_a_layer_on_its_own_is_told_of_its_upstream_line(tmp_path: Path) -> None:
    layout = tmp_path / "keras.txt"
    layout.write_text(KERAS)
    with pytest.raises(Problem) as caught:
        export(str(tmp_path / "cases"), "lstm", str(layout), {})
    assert "Add a line such as 'Wya: Wya  output hidden'; or, for a layer on its own, a line for its upstream " in str(
        caught.value
    )
    line = str(caught.value).rpartition("such as '")[2].removesuffix("'.")
    layout.write_text(KERAS + line)
    assert export(str(tmp_path / "cases"), "lstm", str(layout), {}) > 0


def test_a_file_is_no_folder_and_a_folder_is_named(tmp_path: Path) -> None:
    layout = tmp_path / "keras.txt"
    layout.write_text(KERAS)
    assert text(check(str(layout))).endswith("keras.txt: is a file; expected the folder that `rowcol export` wrote.")
    assert text(check(str(tmp_path))) == (
        f"{tmp_path}: is no folder that `rowcol export` wrote: there is no rowcol.json in it."
    )


@pytest.mark.parametrize(
    ("family", "lines", "formula"),
    [
        ("lstm", "dh: da  batch time hidden", "= sum(dh * a[t]), over all elements and steps t\n"),
        ("lstm", "dh_last: da  batch hidden", "= sum(dh_last * a[T-1]), over all elements; T is the number of steps\n"),
        (
            "lstm",
            "dh_last: da  batch hidden\nd_cell: dc  batch hidden",
            "= sum(dh_last * a[T-1]) + sum(d_cell * c[T-1]), over all elements; T is",
        ),
        ("lstm", "W: Wya  output hidden\nd: dp  batch time output", "= sum(d * softmax(scores[t])), over all"),
    ],
)
def test_the_loss_under_a_given_gradient_is_written_out(family: str, lines: str, formula: str, tmp_path: Path) -> None:
    layout = tmp_path / "mine.txt"
    layout.write_text(f"{KERAS}{lines}\n")
    export(str(tmp_path / "cases"), family, str(layout), {})
    assert formula in (tmp_path / "cases" / "README.txt").read_text()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_given_gradient_has_what_it_is_the_gradient_of(family: str) -> None:
    one = family_named(family)
    given = {name for name, _ in one.upstream.values()} | {name for beside in one.beside.values() for name in beside}
    assert given <= set(one.answers_to)
