"""Repair: try edits until the port agrees, keep what is needed of them, and write it down as a patch."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from ..diagnosis import Change
from .allowance import clock
from .edits import Edit
from .source import Scope
from .text import Source, Splice, apply
from .units import NotInForce

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


class Score(Protocol):
    """What a judge says of the port as it is now."""

    @property
    def agree(self) -> frozenset[str]:
        """The gradients (and the loss) that agree."""

    @property
    def differ(self) -> frozenset[str]:
        """Those that differ."""

    @property
    def raised(self) -> Any | None:
        """What the port raised, with its `file` and `line`; None where it ran."""

    @property
    def all_agree(self) -> bool:
        """Whether everything agrees."""


class Try(NamedTuple):
    """An edit, and the score with it in force."""

    edit: Edit
    score: Score


class Repair(NamedTuple):
    """What came of trying edits: the one that mends everything, those that mend something, and how fast."""

    mend: Try | None
    progress: list[Try]
    tried: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.tried / self.seconds if self.seconds else 0.0


def repair(
    scope: Scope,
    judge: Callable[[], Score],
    edits: Iterable[Edit],
    budget_seconds: float,
    *,
    before: Score | None = None,
    confirm: Callable[[], bool] | None = None,
) -> Repair:
    """Try edits in their order until one mends everything or the time is over.

    The judge runs the port on quick data, with the edit in force; `confirm` is asked, with the edit still in
    force, whether an edit that mends these mends the rest too. `before` is the score without any edit. The budget
    is in seconds of this process, as every one of a diagnosis is.
    """
    begin = clock()
    if before is None:
        with scope.edited(()):
            before = judge()
    mend: Try | None = None
    progress: list[Try] = []
    tried = 0
    for edit in edits:
        if mend is not None or clock() - begin > budget_seconds:
            break
        try:
            with scope.edited(edit.splices):
                tried += 1
                score = judge()
                mended = score.all_agree and (confirm is None or confirm())
        except (NotInForce, ValueError, RecursionError, MemoryError):
            continue
        if mended:
            mend = Try(edit, score)
        elif better(score, before):
            progress.append(Try(edit, score))
    return Repair(mend, progress, tried, clock() - begin)


def better(new: Score, old: Score) -> bool:
    """Whether more agrees than before and nothing less; for a port that raised, whether it gets further."""
    if old.raised is None:
        return new.raised is None and new.agree > old.agree
    if new.raised is None:
        return True
    place, earlier = (new.raised.file, new.raised.line), (old.raised.file, old.raised.line)
    return place != earlier


# From mended text to a patch.


def hunks(scope: Scope, mended: Scope) -> list[Splice]:
    """What a mended scope changes, as one splice for each line (or stretch of lines) of the user's files."""
    from difflib import SequenceMatcher

    found: list[Splice] = []
    for path, source in scope.sources.items():
        if source.text == mended.sources[path].text:
            continue
        old, new = _lines(source.text), _lines(mended.sources[path].text)
        starts = [0]
        for line in old:
            starts.append(starts[-1] + len(line))
        for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if tag == "replace" and j - i == m - k:
                found += [Splice(path, starts[i + n], starts[i + n + 1], new[k + n]) for n in range(j - i)]
            elif tag == "replace" and m - k == 1:
                # One line of several is changed, the others go: each is a change of its own.
                kept = max(range(i, j), key=lambda n: SequenceMatcher(None, old[n], new[k], autojunk=False).ratio())
                found += [Splice(path, starts[n], starts[n + 1], new[k] if n == kept else "") for n in range(i, j)]
            elif tag != "equal":
                found.append(Splice(path, starts[i], starts[j], "".join(new[k:m])))
    return found


def minimal(
    hunks: Sequence[Splice],
    verify: Callable[[Sequence[Splice]], bool],
    moves: Sequence[tuple[Splice, Splice]] = (),
) -> list[Splice]:
    """Leave each hunk out once; keep those without which `verify` fails. All of them verify together.

    `moves` are pairs of hunks that are one change: a statement is not left out because it may be moved.
    """
    kept = list(hunks)
    for hunk in hunks:
        pair = next((pair for pair in moves if hunk in pair), (hunk,))
        rest = [other for other in kept if other not in pair]
        if rest and verify(rest):
            kept = rest
    return kept


def moves(scope: Scope, hunks: Sequence[Splice]) -> list[tuple[Splice, Splice]]:
    """The hunks that take a line from one place, each with the one that puts it elsewhere."""
    found = []
    for out in hunks:
        gone = scope.source(out.path).text[out.start : out.end].strip()
        if gone and not out.text.strip():
            found += [(out, into) for into in hunks if into.start == into.end and gone in into.text][:1]
    return found


def patch(scope: Scope, splices: Iterable[Splice], relative_to: str | None = None) -> str:
    """The splices as a unified diff that `git apply` takes in the directory `relative_to` (the current one).

    A file that lies elsewhere is named from the top of its repository: there the diff is to be applied.

    Line ends, tabs and a missing last newline stay what they are. A notebook's cell has no file: its diff
    names the cell, and is for reading.
    """
    from difflib import unified_diff

    parts: list[str] = []
    for source, new in _changed(scope, splices):
        mark = "\ufeff" if source.encoding == "utf-8-sig" else ""
        old, name = mark + source.text, _name(source, relative_to)
        for line in unified_diff(_lines(old), _lines(mark + new), f"a/{name}", f"b/{name}"):
            parts.append(line)
            if not line.endswith("\n"):
                parts.append("\n\\ No newline at end of file\n")
    text = "".join(parts)
    # A header's name is quoted as a whole, its a/ or b/ with it.
    return re.sub(r'^(---|\+\+\+) ([ab]/)"', r'\1 "\2', text, flags=re.MULTILINE)


def rewritten(scope: Scope, splices: Iterable[Splice]) -> dict[str, bytes]:
    """For each file that the splices change, what it should hold."""
    return {
        source.path: new.encode(source.encoding) for source, new in _changed(scope, splices) if source.on_disk
    }


def changes(scope: Scope, splices: Iterable[Splice]) -> list[Change]:
    """Each file that a patch touches: its text as it was diagnosed, and as the patch makes it."""
    return [
        {"file": path, "before": scope.source(path).text, "after": text.decode(scope.source(path).encoding)}
        for path, text in rewritten(scope, splices).items()
    ]


def _changed(scope: Scope, splices: Iterable[Splice]) -> list[tuple[Source, str]]:
    of_file: dict[str, list[Splice]] = {}
    for splice in splices:
        of_file.setdefault(splice.path, []).append(splice)
    changed = [(scope.source(path), apply(scope.source(path).text, s)) for path, s in of_file.items()]
    return [(source, new) for source, new in changed if new != source.text]


def top_of(path: str) -> str:
    """The top of the repository that a file lies in; its own folder where there is none."""
    own = folder = os.path.dirname(os.path.abspath(path))
    while not os.path.exists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return own
        folder = above
    return folder


def _name(source: Source, relative_to: str | None) -> str:
    """A file's name as a patch header has it: relative, with slashes; quoted where git quotes."""
    if not source.on_disk:
        return source.path
    name = os.path.relpath(source.path, relative_to).replace(os.sep, "/")
    if name.startswith("../"):
        name = os.path.relpath(source.path, top_of(source.path)).replace(os.sep, "/")
    if re.search(r'["\\\x00-\x1f]', name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + re.sub(r"[\x00-\x1f]", lambda c: f"\\{ord(c.group()):03o}", escaped) + '"'
    # Behind a name with spaces a tab says where it ends.
    return f"{name}\t" if " " in name else name


def _lines(text: str) -> list[str]:
    """Lines as git counts them: a carriage return is part of its line."""
    return _LINE.findall(text)
