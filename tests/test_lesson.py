"""The lesson in the terminal: it fits, and every number that it prints is right."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rowcol.bridge.cli import main
from rowcol.bridge.lesson.faults import FAULTS, TRANSPOSE, fault_named
from rowcol.bridge.lesson.network import Data, data
from tests import lesson_oracle as oracle

DATA = data()
HONEST = DATA["different"]
PEOPLE = [[20, 185, 75], [85, 155, 95], [40, 205, 120]]
TENTHS = [[-5, -2, 1], [2, 4, -1], [3, -1, 5]]  # of the second table
NAMES = ["Wxh", "Whh", "bh", "Why", "by", "h0", "x"]


@pytest.fixture(scope="module")
def lesson() -> dict[int, str]:
    """The chapters by number, as the command prints them."""
    done = subprocess.run(
        [sys.executable, "-m", "rowcol.bridge.cli", "lesson"], capture_output=True, check=True, encoding="utf-8"
    )
    parts = re.split(r"^(\d+)\. (?=.*\n-+$)", done.stdout, flags=re.MULTILINE)
    return {int(number): text for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def table(text: str, head: str) -> list[list[str]]:
    """The cells of the table whose heads begin so, row by row."""
    lines = text[text.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [re.split(r"\s{2,}", line.strip()) for line in lines]


def matrices(text: str) -> Iterator[tuple[str, np.ndarray]]:
    """All matrices that a text shows, with their names."""
    lines = text.splitlines()
    for k, line in enumerate(lines):
        for axes in re.finditer(r"\S+ × \S+", line):
            start = axes.start()
            name = re.split(r"\s{2,}", lines[k - 1][start:])[0].strip()
            rows = []
            for below in lines[k + 1 :]:
                found = re.match(r"\[([^\]]*)\]", below[start:])
                if found is None:
                    break
                rows.append([float(number) for number in found.group(1).split()])
            yield name, np.array(rows)


def percent(share: float) -> str:
    return "0" if share < 1e-9 else f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1g} %"


def test_no_line_is_longer_than_eighty_characters(lesson: dict[int, str]) -> None:
    assert sorted(lesson) == list(range(1, 9))
    assert [line for text in lesson.values() for line in text.splitlines() if len(line) > 80] == []


def test_people_are_multiplied_as_by_hand(lesson: dict[int, str]) -> None:
    # In tenths, by whole numbers.
    right = [[sum(PEOPLE[i][k] * TENTHS[k][j] for k in range(3)) for j in range(3)] for i in range(3)]
    wrong = [[sum(PEOPLE[i][k] * TENTHS[j][k] for k in range(3)) for j in range(3)] for i in range(3)]
    first, crossed = lesson[1].split("Predict:")
    assert [row[-1] for row in table(first, "  Ada's")] == [
        f"{n / 10:.1f}" for n in (*(PEOPLE[0][k] * TENTHS[k][0] for k in range(3)), right[0][0])
    ]
    assert [row[-1] for row in table(crossed, "  Ada's")] == [
        f"{n / 10:.1f}" for n in (*(PEOPLE[0][k] * TENTHS[0][k] for k in range(3)), wrong[0][0])
    ]
    shown = dict(matrices(lesson[1]))
    assert shown["table @ counts"] == pytest.approx(np.array(right) / 10)
    assert shown["table @ counts.T"] == pytest.approx(np.array(wrong) / 10)
    two = list(matrices(lesson[2]))
    assert [name for name, _ in two] == ["Z", "X", "W", "z", "W", "a"]
    rows = [np.array(right) / 10, np.array(PEOPLE), np.array(TENTHS) / 10]
    for (_, shown_matrix), expected in zip(two, [*rows, rows[0].T, rows[2].T, rows[1].T], strict=True):
        assert shown_matrix == pytest.approx(expected)
    stride = table(lesson[3], "          W @ a")
    assert [row[1] for row in stride] == ["-0.2 × 85", "0.4 × 155", "-0.1 × 95", f"{right[1][1] / 10:.1f}"]


def test_each_array_of_a_step_is_the_derivative_that_it_is_said_to_be(lesson: dict[int, str]) -> None:
    t = 3
    at, after, a = oracle.on_the_way(HONEST.arrays, t), oracle.on_the_way(HONEST.arrays, t + 1), HONEST.arrays
    rows = {f"{name}[{t}]": value for name, value in at.items()}
    rows |= {f"dh_next[{t + 1}]": after["dh_next"], "Why.T": a["Why"].T, "Whh.T": a["Whh"].T}
    other = {"dh_out": "da_out", "dh": "da", "dpre": "daraw", "dh_next": "da_next"}
    columns = {f"{other.get(name, name)}[{t}]": value.T for name, value in at.items()}
    columns |= {f"da_next[{t + 1}]": after["dh_next"].T, "Wya.T": a["Why"], "Waa.T": a["Whh"]}
    shown = list(matrices(lesson[6]))
    assert len(shown) == 2 * 15
    for name, value in shown:
        expected = [side[name] for side in (rows, columns) if name in side and side[name].shape == value.shape]
        assert expected, name
        assert any(np.max(np.abs(value - one)) <= 0.005 + 1e-9 for one in expected), name


def evaluated(product: str, values: dict[str, np.ndarray]) -> np.ndarray:
    """A product as it is printed, with the values that its names have."""
    return np.asarray(eval(product.replace("[t-1]", "_before"), {"__builtins__": {}, "tanh": np.tanh}, values))


def test_the_products_as_they_are_printed_are_the_derivatives(lesson: dict[int, str]) -> None:
    a, T = HONEST.arrays, HONEST.T
    right = oracle.gradients(a)
    way = [oracle.on_the_way(a, t) for t in range(T)]
    expected = {
        "dh_out": [step["dh_out"] for step in way],
        "dh_next": [step["dh_next"] for step in way],
        "dx": list(right["x"]),
        "h": [step["h"] for step in way],
        "z": [step["z"] for step in way],
    }
    rows = []
    for t in range(T):
        before = way[t - 1]["h"] if t else a["h0"]
        weights = {name: a[name] for name in ("Wxh", "Whh", "Why", "by", "bh")}
        rows.append({"x": a["x"][t], "h": way[t]["h"], "h_before": before, "dz": way[t]["dz"], **weights})
        rows[t]["dpre"] = way[t]["dpre"]
    other = {"h": "a", "h_before": "a_before", "dpre": "daraw", "Wxh": "Wax", "Whh": "Waa", "Why": "Wya", "bh": "b"}
    columns = [
        {other.get(n, n): np.atleast_2d(v).T for n, v in step.items() if n not in ("by", "bh")}
        | {"by": a["by"][:, None], "b": a["bh"][:, None]}
        for step in rows
    ]
    checked = 0

    def check(name: str, in_rows: str, in_columns: str) -> None:
        for product, steps, turned in ((in_rows, rows, False), (in_columns, columns, True)):
            values = [evaluated(product, step) for step in steps]
            made = [value.T if turned else value for value in values]
            if name in expected:
                assert all(np.allclose(one, two) for one, two in zip(made, expected[name], strict=True)), product
            else:
                assert np.allclose(sum(made), right[name[1:]]), product

    for in_rows, in_columns in table(lesson[3], "  in rows"):
        check(
            in_rows.split()[0], in_rows.split(" = ")[-1].split("+= ")[-1], in_columns.split(" = ")[-1].split("+= ")[-1]
        )
        checked += 1
    for name, axes, summed, in_rows, in_columns in table(lesson[4], "           has the axes"):
        check(name, in_rows, in_columns)
        left = evaluated(in_rows.split(" @ ")[0], rows[1])
        assert left.shape[1] == HONEST.sizes[summed]
        assert evaluated(in_rows, rows[1]).shape == tuple(HONEST.sizes[axis] for axis in axes.split())
        checked += 1
    assert checked == 8 + 6


def errors_of(fault: str, convention: str, on: Data, folder: Path) -> dict[str, float] | None:
    """The error of the loss and of every gradient against the oracle; None where it raises."""
    rnn = oracle.broken(convention, fault_named(fault).edits[convention], folder)
    try:
        loss, found = oracle.called(convention, rnn, on.arrays)
    except ValueError:
        return None
    right = oracle.gradients(on.arrays)
    shares = {name: oracle.share(found[name], right[name]) for name in NAMES[:-1]}
    per_step = [oracle.share(one, other) for one, other in zip(found["x"], right["x"], strict=True)]
    own = oracle.forward(on.arrays)["loss"]
    return {"loss": abs(loss - own) / own, **shares, "x": max(per_step)}


def test_what_each_missing_transpose_comes_to(lesson: dict[int, str], tmp_path: Path) -> None:
    shown = {row[0]: row[1:] for row in table(lesson[5], "  no .T for")}
    transposes = [fault for fault in FAULTS if fault.kind == TRANSPOSE]
    assert list(shown) == [fault.title for fault in transposes]
    for fault in transposes:
        expected = []
        for on in (HONEST, DATA["square"]):
            for side in ("rows", "columns"):
                errors = errors_of(fault.name, side, on, tmp_path)
                wrong = [] if errors is None else [name for name, one in errors.items() if one > 1e-9]
                expected.append("raises" if errors is None else f"{len(wrong)} wrong")
        assert shown[fault.title] == expected, fault.title


def test_the_storys_fault_travels_as_shown(lesson: dict[int, str], tmp_path: Path) -> None:
    a, T = HONEST.arrays, HONEST.T
    dh_next = np.zeros_like(a["h0"])
    expected = []
    for t in reversed(range(T)):
        right = oracle.on_the_way(a, t)
        dh = right["dh_out"] + dh_next
        dpre = right["slope"] * dh
        dh_next = dpre @ a["Whh"]
        wrong = {"dz": right["dz"], "dh": dh, "dpre": dpre, "dh_next": dh_next}
        expected.append([f"t = {t}", *(percent(oracle.share(wrong[name], right[name])) for name in wrong)])
    assert table(lesson[7], "  step") == expected

    errors = errors_of("transpose-dh_next", "rows", HONEST, tmp_path)
    assert errors is not None
    verdicts = [
        ["loss" if name == "loss" else f"d{name}", percent(one), "differs" if one > 1e-9 else "agrees"]
        for name, one in errors.items()
    ]
    assert table(lesson[7], "        error") == verdicts
    shown = dict(matrices(lesson[7]))
    assert shown["dWhh, right"] == pytest.approx(oracle.gradients(a)["Whh"], abs=0.005 + 1e-9)
    rnn = oracle.broken("rows", fault_named("transpose-dh_next").edits["rows"], tmp_path)
    assert shown["dWhh, wrong"] == pytest.approx(oracle.called("rows", rnn, a)[1]["Whh"], abs=0.005 + 1e-9)


def test_what_the_data_hide(lesson: dict[int, str], tmp_path: Path) -> None:
    expected = []
    for name in ("different", "one", "symmetric", "tiny", "short"):
        transpose = errors_of("transpose-dh_next", "rows", DATA[name], tmp_path)
        loss = errors_of("loss", "rows", DATA[name], tmp_path)
        assert transpose is not None and loss is not None
        expected.append([DATA[name].title, percent(transpose["Whh"]), percent(loss["loss"])])
    assert table(lesson[8], "  data") == expected
    assert f"error ({expected[3][1]})" in " ".join(lesson[8].split())


def test_the_lessons_data_have_no_two_sizes_alike() -> None:
    sizes = [HONEST.sizes[axis] for axis in ("batch", "input", "hidden", "output", "time")]
    assert len(set(sizes)) == len(sizes)
    assert not np.allclose(HONEST.arrays["Whh"], HONEST.arrays["Whh"].T)
    assert np.allclose(DATA["symmetric"].arrays["Whh"], DATA["symmetric"].arrays["Whh"].T)


def test_one_chapter_by_its_number_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lesson", "4"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("4. Where the transposes") and "\n5. " not in out


def test_an_unknown_chapter_is_said_to_be_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lesson", "9"]) == 2
    assert "there is no chapter 9: the lesson has chapters 1 to 8" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lesson", "--html", str(tmp_path / "no" / "such.html")]) == 2
    message = capsys.readouterr().err
    assert message.startswith(str(tmp_path)) and "cannot be written" in message and message.count("\n") == 1


@pytest.mark.parametrize("command", ["lesson", "diff"])
def test_a_file_that_is_no_page_is_not_overwritten(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "port.py"
    mine.write_text("mine = 1", encoding="utf-8")
    assert main([command, "--html", str(mine)]) == 2
    assert "the name of a page ends in .html" in capsys.readouterr().err
    assert mine.read_text(encoding="utf-8") == "mine = 1"


def test_a_terminal_of_plain_letters_gets_plain_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["lesson"]) == 0
    stream.flush()
    assert b"(AB)^T = B^TA^T" in stream.buffer.getvalue()  # type: ignore[attr-defined]
