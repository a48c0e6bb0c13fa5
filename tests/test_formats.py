"""What programs read: JSON that its published schema describes, and annotations at the line."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rowcol.bridge.cli import main
from rowcol.bridge.report.schema import SCHEMA
from tests.bad_ports import declared, source

pytestmark = pytest.mark.usefixtures("hurried")

WRONG = source().replace("carry = d @ Wh.T", "carry = d @ Wh")
PORTS = {
    "right": source(),
    "wrong": WRONG,
    "two faults": WRONG.replace('g["b"] += d.sum(axis=0)', 'g["b"] = d.mean(axis=0)'),
    "raises": source("raise ValueError('no luck')"),
    "another model": source("return 2.1 * loss, {n: 2.1 * v for n, v in g.items()}"),
    "not a number": source("g['Wh'][0, 0] = np.nan\nreturn loss, g"),
    "misshapen": source("g['Wh'] = g['Wh'][1:]\nreturn loss, g"),
    "nothing returned": source("return loss, {}"),
    "a bad layout": source(layout=("prev hidden", "prev hiden")),
    "a syntax error": source() + "\ndef f(:\n",
    "float32": source("return loss, {n: v.astype(np.float32) for n, v in g.items()}"),
    "no source": declared("functools.partial(net)", "import functools").replace("carry = d @ Wh.T", "carry = d @ Wh"),
}
Printed = Callable[..., str]


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """Write port files, run `rowcol diff` on all of them; what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)

    def run(*texts: str, options: tuple[str, ...] = ()) -> str:
        names = [f"port_{k}.py" for k in range(len(texts))]
        for name, text in zip(names, texts, strict=True):
            Path(name).write_text(text, encoding="utf-8")
        main(["diff", *names, *options])
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The schema as `rowcol diff --schema` prints it."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["diff", "--schema"]) == 0
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema with no room for a field that it does not describe."""
    strict = copy.deepcopy(schema)
    parts = [strict]
    while parts:
        part = parts.pop()
        if "properties" in part:
            part["additionalProperties"] = False
        for value in part.values():
            parts += [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, dict)]
    return strict


# JSON -------------------------------------------------------------------------------------------------------


def test_the_schema_is_one_and_has_the_version_that_reports_say(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["version"] == SCHEMA == schema["$defs"]["report"]["properties"]["schema"]["const"]


@pytest.mark.parametrize("kind", PORTS)
def test_every_kind_of_report_is_as_the_schema_says_and_holds_nothing_else(
    kind: str, printed: Printed, schema: dict[str, Any]
) -> None:
    report = json.loads(printed(PORTS[kind], options=("--format", "json")))
    jsonschema.validate(report, closed(schema))


@pytest.mark.parametrize("kind", PORTS)
def test_so_are_its_details(kind: str, printed: Printed, schema: dict[str, Any]) -> None:
    report = json.loads(printed(PORTS[kind], options=("--format", "json", "--verbose")))
    jsonschema.validate(report, closed(schema))
    differs = kind in ("wrong", "two faults", "raises", "another model", "not a number", "misshapen")
    assert (report["details"] is not None) == differs or kind == "no source", report["remarks"]
    assert not any("rowcol's own" in remark for remark in report["remarks"])


def test_a_report_with_its_patch_withheld_is_as_the_schema_says_too(printed: Printed, schema: dict[str, Any]) -> None:
    report = json.loads(printed(WRONG, options=("--format", "json", "--no-patch")))
    jsonschema.validate(report, closed(schema))


def test_several_ports_are_a_list_and_no_port_is_a_list_of_rows(printed: Printed, schema: dict[str, Any]) -> None:
    two = json.loads(printed(PORTS["right"], PORTS["raises"], options=("--format", "json", "--verdict-only")))
    assert [report["status"] for report in two] == [0, 1]
    jsonschema.validate(two, closed(schema))
    rows = json.loads(printed(options=("--family", "dense", "--format", "json")))
    assert {row["family"] for row in rows} == {"dense"}
    jsonschema.validate(rows, closed(schema))


def test_json_is_short_for_the_format(printed: Printed) -> None:
    one, other = (
        json.loads(printed(PORTS["right"], options=options)) for options in (("--json",), ("--format", "json"))
    )
    assert one == other


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.pop("headline"),
        lambda report: report.update(schema=0),
        lambda report: report.update(status="agrees"),
        lambda report: report["arrays"][1].update(state="fine"),
        lambda report: report["cases"][0]["sizes"].update(batch=0),
        lambda report: report["diagnosis"].update(claim="certain"),
        lambda report: report["diagnosis"]["lines"][0].update(line=None),
    ],
)
def test_the_schema_refuses_what_is_no_report(
    spoil: Callable[[dict[str, Any]], object], printed: Printed, schema: dict[str, Any]
) -> None:
    report = json.loads(printed(WRONG, options=("--format", "json", "--cases", "1")))
    spoil(report)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, schema)


# Annotations ------------------------------------------------------------------------------------------------

COMMAND = re.compile(r"::(error|warning|notice) (?:file=([^,:]*),)?(?:line=(\d+),)?title=([^,:]*)::(.*)")


def annotations(text: str) -> list[tuple[str, str | None, int | None, str]]:
    """Level, file, line and message of each; every line of the text must be one."""
    found = []
    for line in text.splitlines():
        match = COMMAND.fullmatch(line)
        assert match, line
        level, file, number, _, message = match.groups()
        found.append((level, file, number and int(number), message.replace("%0A", "\n").replace("%25", "%")))
    return found


def test_a_wrong_line_is_annotated_with_the_reason_and_the_patch(printed: Printed) -> None:
    ((level, file, line, message),) = annotations(printed(WRONG, options=("--format", "github")))
    assert (level, file) == ("error", "port_0.py")
    assert line == WRONG.splitlines().index("        carry = d @ Wh") + 1
    assert "4 of 6 gradients differ" in message
    assert "a transpose is missing" in message
    assert "\n-        carry = d @ Wh\n+        carry = d @ Wh.T\n" in message


def test_what_is_only_suspected_is_a_warning(printed: Printed) -> None:
    text = source("raise ValueError('no luck')")
    first, *others = annotations(printed(text, options=("--format", "github")))
    at = text.splitlines().index("    raise ValueError('no luck')") + 1
    assert first == ("error", "port_0.py", at, "mine() raised ValueError: no luck")
    assert {level for level, *_ in others} <= {"warning"}


def test_a_right_port_gives_a_line_of_text_and_no_annotation(printed: Printed) -> None:
    text = printed(PORTS["right"], options=("--format", "github"))
    assert text.startswith("port_0.py:28: mine: agrees: 6 of 7")
    assert "::error" not in text


def test_no_text_of_a_port_can_begin_a_command_of_its_own(printed: Printed) -> None:
    text = source("raise ValueError('100%\\n::error file=other.py::fooled')")
    found = annotations(printed(text, options=("--format", "github", "--verdict-only")))
    assert [(level, file) for level, file, *_ in found] == [("error", "port_0.py")]
    assert "raised ValueError: 100%" in found[0][3]


def test_paths_are_from_the_top_of_the_checkout(
    printed: Printed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path.parent))
    ((_, file, *_),) = annotations(printed(WRONG, options=("--format", "github", "--verdict-only")))
    assert file == f"{tmp_path.name}/port_0.py"


@pytest.mark.parametrize("form", ["github", "csv"])
def test_annotations_and_tables_need_a_port(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--format", form]) == 2
    assert "name their files" in capsys.readouterr().err
