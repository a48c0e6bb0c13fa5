"""Read the corpus of faults, and write a faulty port to a folder.

A set of faults is a folder: a family's, or another choice of ports. Its TOML files hold `[[fault]]` tables,
those of one port in one file, and `[[combination]]` tables, each a list of fault ids; a `[[part]]` is a fault that
occurs only in combinations. The ports themselves stand, right, in `tests/ports`; a fault is a list of edits of that
text, each of a stretch that occurs in it exactly once.
"""

from __future__ import annotations

import ast
import shutil
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CORPUS = Path(__file__).resolve().parent
PORTS = CORPUS.parent / "ports"

CLASSES = ("expression", "statement", "more")
_CACHES = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True)
class Edit:
    """One stretch of a right port, and what the person wrote in its place."""

    file: str
    right: str
    wrong: str


@dataclass(frozen=True)
class Blame:
    """A line that may rightly be named: its stripped text, and which of its occurrences (0: the only one)."""

    file: str
    text: str
    occurrence: int = 0


class Splices:
    """The edits of one file, and where each place of the right text went."""

    def __init__(self, name: str, right: str, edits: Iterable[Edit]) -> None:
        self.right = right
        self.spans: list[tuple[int, int, Edit]] = []
        for edit in edits:
            start = right.find(edit.right)
            if start < 0 or right.find(edit.right, start + 1) >= 0:
                count = right.count(edit.right)
                raise ValueError(f"{name}: must occur exactly once, occurs {count} times: {edit.right!r}")
            self.spans.append((start, start + len(edit.right), edit))
        self.spans.sort(key=lambda span: span[0])
        for (_, end, one), (start, _, other) in pairwise(self.spans):
            if start < end:
                raise ValueError(f"{name}: these edits overlap: {one.right!r} and {other.right!r}")
        self.wrong = ""
        self._starts: dict[Edit, int] = {}  # where the replacement stands in the wrong text
        done = 0
        for start, end, edit in self.spans:
            self.wrong += right[done:start]
            self._starts[edit] = len(self.wrong)
            self.wrong += edit.wrong
            done = end
        self.wrong += right[done:]

    def origin(self, offset: int) -> tuple[Edit | None, int]:
        """Where an offset of the wrong text comes from: an edit and an offset in it, or the right text."""
        shift = 0
        for _, end, edit in self.spans:
            here = self._starts[edit]
            if offset < here:
                break
            if offset < here + len(edit.wrong):
                return edit, offset - here
            shift = end - (here + len(edit.wrong))
        return None, offset + shift

    def place(self, edit: Edit | None, offset: int) -> int:
        """The inverse of `origin`; a place that another edit has overwritten goes to that edit's start."""
        if edit is not None:
            return self._starts[edit] + offset
        shift = 0
        for start, end, other in self.spans:
            if offset < start:
                break
            if offset < end:
                return self._starts[other]
            shift = self._starts[other] + len(other.wrong) - end
        return offset + shift


class _Faulty:
    """What a single fault and a combination have in common: a port, and edits of it."""

    port: Path

    @property
    def edits(self) -> tuple[Edit, ...]:
        raise NotImplementedError

    @cached_property
    def splices(self) -> dict[str, Splices]:
        files: dict[str, list[Edit]] = {}
        for edit in self.edits:
            files.setdefault(edit.file, []).append(edit)
        return {
            file: Splices(f"{self.port.name}: {file}", _read(self.port.parent / file), edits)
            for file, edits in files.items()
        }

    def text(self, file: str) -> str:
        """A file of the port as the person left it."""
        return self.splices[file].wrong if file in self.splices else _read(self.port.parent / file)

    def write(self, folder: Path) -> Path:
        """Copy the port and the modules it needs to a folder, edits applied; the port's path."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted({*helpers(self.port), *self.splices}):
            source, target = self.port.parent / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True, ignore=_CACHES)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        for file, splices in self.splices.items():
            # Bytes, so that a port's own line ends survive on every system.
            (folder / file).write_bytes(splices.wrong.encode())
        return folder / self.port.name


@dataclass(frozen=True)
class Fault(_Faulty):
    """One mistake in one port. `scope` is what the TOML calls its class: how much it takes to mend it."""

    id: str
    port: Path
    kind: str
    scope: str
    changes: tuple[Edit, ...]
    blame: tuple[Blame, ...]
    reason: str
    equation: bool = False
    operation: str = ""
    shows: str = ""
    forward: bool = False

    @property
    def edits(self) -> tuple[Edit, ...]:
        return self.changes

    def blamed_offsets(self) -> Iterator[tuple[str, int]]:
        """File and offset (in the faulty text) of each line that may rightly be named."""
        for blame in self.blame:
            starts = [
                start + len(line) - len(line.lstrip())
                for start, line in _lines(self.text(blame.file))
                if line.strip() == blame.text
            ]
            if len(starts) < max(blame.occurrence, 1):
                raise ValueError(f"{self.id}: no such line in the faulty {blame.file}: {blame.text!r}")
            if len(starts) > 1 and blame.occurrence == 0:
                raise ValueError(f"{self.id}: {len(starts)} lines read so, say which (` @1`): {blame.text!r}")
            yield blame.file, starts[max(blame.occurrence, 1) - 1]

    def blamed_lines(self) -> set[tuple[str, int]]:
        """File and line number, in the faulty port, of each line that may rightly be named."""
        return {(file, _line_number(self.text(file), offset)) for file, offset in self.blamed_offsets()}


@dataclass(frozen=True)
class Combination(_Faulty):
    """Several mistakes in one port, as careless people make them."""

    id: str
    port: Path
    faults: tuple[Fault, ...]
    reason: str
    kind: ClassVar[str] = "combination"
    scope: ClassVar[str] = "combination"

    @property
    def edits(self) -> tuple[Edit, ...]:
        return tuple(edit for fault in self.faults for edit in fault.changes)

    @property
    def forward(self) -> bool:
        return any(fault.forward for fault in self.faults)

    def lines_by_fault(self) -> dict[str, set[tuple[str, int]]]:
        """For each fault's id, the lines of the combined text that may rightly be named for it."""
        named: dict[str, set[tuple[str, int]]] = {}
        for fault in self.faults:
            lines = named.setdefault(fault.id, set())
            for file, offset in fault.blamed_offsets():
                if file in fault.splices:
                    offset = self.splices[file].place(*fault.splices[file].origin(offset))
                elif file in self.splices:
                    offset = self.splices[file].place(None, offset)
                lines.add((file, _line_number(self.text(file), offset)))
        return named

    def blamed_lines(self) -> set[tuple[str, int]]:
        return set().union(*self.lines_by_fault().values())


def load(name: str, kinds: tuple[str, ...] = ("fault",)) -> list[Fault]:
    """Every single fault of a set."""
    faults = []
    for path in sorted((CORPUS / name).glob("*.toml")):
        table = tomllib.loads(_read(path))
        faults += [_fault(path, table, entry) for kind in kinds for entry in table.get(kind, ())]
    seen: set[str] = set()
    for fault in faults:
        if fault.id in seen:
            raise ValueError(f"two faults are called {fault.id!r}")
        seen.add(fault.id)
    return faults


def combinations(name: str) -> list[Combination]:
    """Every combination of faults of a set."""
    by_id = {fault.id: fault for fault in load(name, ("fault", "part"))}
    found = []
    for path in sorted((CORPUS / name).glob("*.toml")):
        for entry in tomllib.loads(_read(path)).get("combination", ()):
            missing = [name for name in entry["faults"] if name not in by_id]
            if missing:
                raise ValueError(f"{path.name}: {entry['id']}: no fault is called {', '.join(missing)}")
            faults = tuple(by_id[name] for name in entry["faults"])
            if len({fault.port for fault in faults}) != 1:
                raise ValueError(f"{path.name}: {entry['id']}: faults of different ports")
            found.append(Combination(entry["id"], faults[0].port, faults, entry.get("reason", "")))
    return found


def helpers(port: Path) -> list[str]:
    """A port's own file and those beside it that it needs: imported, or named by a string, at any remove."""
    found: list[str] = []
    waiting = [port.name]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.append(name)
        path = port.parent / name
        sources = sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.suffix == ".py" else []
        for source in sources:
            waiting += _named_beside(ast.parse(_read(source)), port.parent)
    return found


def _named_beside(tree: ast.AST, folder: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module] if node.module else [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and str(node.value).endswith((".py", ".ipynb")):
            modules = [str(node.value)]
        for module in modules:
            top = module.partition(".")[0]
            for name in (module, f"{top}.py", top):
                if name and (folder / name).exists():
                    yield name
                    break


def _fault(path: Path, table: Mapping[str, Any], entry: Mapping[str, Any]) -> Fault:
    name = f"{path.name}: {entry.get('id', 'a fault without an id')}"
    port = PORTS / table["port"]
    file = table.get("file", port.name)
    if entry["class"] not in CLASSES:
        raise ValueError(f"{name}: its class is {entry['class']!r}, must be one of {', '.join(CLASSES)}")
    if entry.get("equation", False) and not entry.get("operation"):
        raise ValueError(f"{name}: where `equation = true`, `operation` says which equation")
    edits = tuple(Edit(e.get("file", file), e["right"], e["wrong"]) for e in entry["edits"])
    blame = tuple(_blame(one, edits[0].file) for one in entry["blame"])
    if not blame:
        raise ValueError(f"{name}: no line may be blamed")
    return Fault(
        id=entry["id"],
        port=port,
        kind=entry["kind"],
        scope=entry["class"],
        changes=edits,
        blame=blame,
        reason=entry["reason"],
        equation=entry.get("equation", False),
        operation=entry.get("operation", ""),
        shows=entry.get("shows", ""),
        forward=entry.get("forward", False),
    )


def _blame(one: str | Mapping[str, str], file: str) -> Blame:
    """A line's text, in the file of the first edit, or `{ file, line }`; ` @k` says the k-th so written."""
    text = one if isinstance(one, str) else one["line"]
    file = file if isinstance(one, str) else one["file"]
    head, mark, tail = text.rpartition(" @")
    if mark and tail.isdigit():
        return Blame(file, head.strip(), int(tail))
    return Blame(file, text.strip(), 0)


def _read(path: Path) -> str:
    return path.read_bytes().decode()


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.splitlines(keepends=True):
        yield start, line
        start += len(line)


def _line_number(text: str, offset: int) -> int:
    starts = [start for start, _ in _lines(text)]
    return max(bisect_right(starts, offset), 1)
