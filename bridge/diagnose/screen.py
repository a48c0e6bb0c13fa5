"""Screen: the edits of an expression told apart by what they make of the values that it had in hand.

Where the trace says what an expression ought to be, an edit of it need not run the whole port to be judged: it
is evaluated where the expression stands, with all that was there at that turn. What gives the quantity comes
first; what does not is no mend of this place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from .align import Trace
from .edits import Edit, Edits
from .leaves import Leaf
from .probe import Place, Seen, probed
from .quantities import neutral
from .source import Scope
from .suspects import Suspect
from .text import COMPREHENSIONS, FUNCTIONS, Source, Splice, apply
from .trace import Array
from .units import Function

ALIKE = 5  # edits that give the same value at a place, of which one is as good as another
DOUBTED = 0.2  # the weight of a leaf from which on an edit that makes something else may be right all the same
SURE = 0.3  # the weight of a leaf up to which its place is taken for the fault
TURNS = 2  # turns on which an edit is looked at: the first that is wrong, and the next

_CALLED = re.compile(r"([^\W\d]\w*)\s*\(")
_NO_CALLS = frozenset({"if", "else", "and", "or", "not", "in", "is"})
_DOING = re.compile(r"[)\]]\s*\(|:=|\b(?:out\s*=|(?:lambda|for|yield|await)\b)")


class Screened(NamedTuple):
    """Edits that make of an expression what it ought to be, the likeliest first; and those that do not.

    `sure` are those of the first where the place leaves little choice. Where none is right, none is known to be wrong.
    """

    right: list[Edit]
    sure: list[Edit]
    wrong: set[tuple[Any, ...]]


class _Aim(NamedTuple):
    """An expression, what it ought to be, and the turns of its statement on which it is looked at."""

    leaf: Leaf
    statement: ast.stmt
    node: ast.AST
    turns: tuple[int, ...]


class Look(Seen):
    """Evaluates its texts on some turns only."""

    most = 500

    def __init__(self, place: Place, turns: Iterable[int]) -> None:
        super().__init__(place)
        self.wanted, self.passed = set(turns), 0

    def look(self, frame: Any) -> None:
        if self.passed in self.wanted:
            super().look(frame)
        self.passed += 1


class Looks:
    """The places at which statements of a scope are looked at, each once for the same turns."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.made: dict[tuple[str, int, tuple[int, ...]], Look] = {}

    def at(self, path: str, statement: ast.stmt, turns: tuple[int, ...]) -> tuple[Function, Look] | None:
        """The function that a statement stands in and the look in front of it; None in a lambda, which has no place."""
        start = self.scope.source(path).span(statement)[0]
        function = self.scope.function_at(path, start)
        if function is None or isinstance(function.node, ast.Lambda):
            return None
        return function, self.made.setdefault((path, start, turns), Look(Place(path, statement), turns))


def screened(
    scope: Scope, trace: Trace, run: Callable[[], object], edits: Edits, some: Sequence[Suspect]
) -> Screened:
    """The edits at some suspects, by what they make of the values there."""
    looks = Looks(scope)
    asked: list[tuple[int, _Aim, Look, str, Edit]] = []
    texts: dict[tuple[ast.AST, tuple[Splice, ...]], str | None] = {}
    before: dict[_Aim, str] = {}
    for order, suspect in enumerate(some):
        source = scope.source(suspect.path)
        for aim in _aims(trace, suspect):
            if (there := looks.at(suspect.path, aim.statement, aim.turns)) is None:
                continue
            function, look = there
            if (own := replaced(source, aim.statement, aim.node, ())) is not None:
                look.add(own)
                before[aim] = own
            for edit in edits.of(function, aim.statement):
                place = aim.node, edit.splices
                if place not in texts:
                    new = replaced(source, aim.statement, aim.node, edit.splices)
                    texts[place] = new if new is not None and harmless(new, edits.pure) else None
                text = texts[place]
                if text is not None:
                    look.add(text)
                    if text in look.texts:
                        asked.append((order, aim, look, text, edit))
    probed(scope, run, list(looks.made.values()))
    right: dict[tuple[Any, ...], tuple[float, int, Edit]] = {}
    sure: set[tuple[Any, ...]] = set()
    mended: set[tuple[int, int]] = set()
    wrong: dict[tuple[int, int], set[tuple[Any, ...]]] = {}
    alike: dict[tuple[int, int, bytes], int] = {}
    for order, aim, look, text, edit in asked:
        if _fits(trace, aim.leaf, look.values.get(before.get(aim, ""), [])):
            # It is what it ought to be, but for a factor, say, which tells nothing apart.
            continue
        values = look.values.get(text, [])
        fits = _fits(trace, aim.leaf, values)
        if not fits and aim.turns[0] and isinstance(aim.statement, ast.AugAssign) and aim.node is aim.statement.target:
            # What it adds to may be wrong already.
            continue
        if not fits:
            if aim.leaf.weight < DOUBTED:
                wrong.setdefault((aim.leaf.site, aim.leaf.quantity), set()).add(edit.splices)
            continue
        mended.add((aim.leaf.site, aim.leaf.quantity))
        first = values[0]
        mark = aim.leaf.site, aim.leaf.quantity, b"" if first is None else first.tobytes()
        alike[mark] = alike.get(mark, 0) + 1
        if alike[mark] <= ALIKE:
            weight = order + 2 * aim.leaf.weight + edit.weight - (fits > 1)
            if aim.leaf.weight <= SURE:
                sure.add(edit.splices)
            old = right.get(edit.splices)
            if old is None or weight < old[0]:
                right[edit.splices] = weight, len(right), edit
    likely = [edit for _, _, edit in sorted(right.values(), key=lambda r: r[:2])]
    out = set[tuple[Any, ...]]().union(*(wrong.get(aim, ()) for aim in mended)) - set(right)
    return Screened(likely, [edit for edit in likely if edit.splices in sure], out)


def _aims(trace: Trace, suspect: Suspect) -> Iterator[_Aim]:
    """The expressions of a suspect's statement that ought to be something, on the first turn that they are not."""
    source = trace.scope.source(suspect.path)
    for leaf in suspect.leaves:
        site = trace.sites[leaf.site]
        if leaf.statement is not None or site.kind == "argument":
            continue
        statement = source.statement(site.node)
        if not isinstance(statement, ast.Assign | ast.AugAssign | ast.Return | ast.Expr):
            continue
        node, number, position = site.node, leaf.site, leaf.position
        while (outer := _choice(source, node)) is not None:
            # One of two cases: what is chosen is looked at, which has a value on every turn.
            number = next((s.number for s in trace.sites if s.node is outer and s.kind == "load"), -1)
            position = next((p for p in trace.at(number) if p > position), -1)
            node = outer
        at = trace.at(number)
        if not isinstance(node, ast.expr) or position not in at or sometimes(source, node):
            continue
        turn = at.index(position)
        yield _Aim(leaf, statement, node, tuple(range(turn, min(turn + TURNS, len(at)))))


def _choice(source: Source, node: ast.AST) -> ast.IfExp | None:
    """The expression that takes the value of a node in one of two cases."""
    outer = source.parent(node)
    return outer if isinstance(outer, ast.IfExp) and outer.test is not node else None


def sometimes(source: Source, node: ast.AST) -> bool:
    """Whether an expression is not evaluated once each time that its statement is."""
    inner: ast.AST | None = node
    while inner is not None and not isinstance(inner, ast.stmt):
        outer = source.parent(inner)
        if isinstance(outer, (*FUNCTIONS, *COMPREHENSIONS, ast.comprehension)):
            return True
        if isinstance(outer, ast.IfExp) and outer.test is not inner:
            return True
        inner = outer
    return False


def replaced(source: Source, statement: ast.stmt, node: ast.AST, splices: Sequence[Splice]) -> str | None:
    """The expression as splices make it; of the target of an assignment, all that it is set to."""
    stored = isinstance(getattr(node, "ctx", None), ast.Store)
    if stored and isinstance(statement, ast.Assign | ast.AugAssign):
        start, end = source.span(statement.value)
        if splices and all(start <= s.start and s.end <= end for s in splices):
            text = f"({apply(source.text[start:end], splices, start).strip()})"
            if isinstance(statement, ast.Assign):
                return text if len(statement.targets) == 1 and statement.targets[0] is node else None
            sign = source.text[source.span(statement.target)[1] : start].strip().rstrip("( \n").removesuffix("=")
            return f"{source.segment(statement.target)} {sign} {text}"
    start, end = source.span(statement) if stored else source.span(node)  # type: ignore[arg-type]
    if not all(start <= s.start and s.end <= end for s in splices):
        return None
    text = apply(source.text[start:end], splices, start).strip()
    if not stored:
        return f"({text})" if "\n" in text else text
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return None
    if len(body) != 1 or not isinstance(body[0], ast.Assign | ast.AugAssign):
        return None
    after = body[0]
    target = after.targets[0] if isinstance(after, ast.Assign) else after.target
    own = source.segment(node)  # type: ignore[arg-type]
    if isinstance(target, ast.Tuple) and isinstance(after, ast.Assign):
        # Its part of what is unpacked.
        names = [ast.unparse(one) for one in target.elts]
        if own not in names:
            return None
        part = names.index(own)
        if isinstance(after.value, ast.Tuple):
            return ast.unparse(after.value.elts[part]) if len(after.value.elts) == len(names) else None
        return f"({ast.unparse(after.value)})[{part}]"
    if ast.unparse(target) != own:
        return None
    if isinstance(after, ast.Assign):
        return ast.unparse(after.value)
    return ast.unparse(ast.BinOp(ast.parse(ast.unparse(target), mode="eval").body, after.op, after.value))


@lru_cache(maxsize=20_000)
def harmless(text: str, pure: frozenset[str]) -> bool:
    """Whether a text calls nothing but what only computes something. (To parse each would take most of the time.)"""
    called = _CALLED.findall(text) if "(" in text else []
    return all(name in pure or name in _NO_CALLS for name in called) and _DOING.search(text) is None


def _fits(trace: Trace, leaf: Leaf, values: Sequence[Array | None]) -> int:
    """On how many of the turns looked at an expression is what it ought to be; 0 if it is not on the first."""
    count = 0
    own = next(iter(trace.trusted.quantities[leaf.quantity].values.values()), None)
    if own is None:  # what is packed from others has no value of its own
        return 0
    sizes = (own.size, own.size // len(own))
    pace = 0 if leaf.step is None else 1
    for turn, value in enumerate(values):
        if value is None or neutral(value):
            break
        meanings = trace.trusted.lookup(value)
        if not meanings and value.size not in sizes:
            meanings = tuple(m for one in trace.trusted.as_others(value) for m in one or ())
        steps = {leaf.step} if leaf.step is None or not turn else {leaf.step - pace * turn, leaf.step + pace * turn}
        if not any(
            m.quantity == leaf.quantity and m.factor > 0 and any(step is None or m.at(step) for step in steps)
            for m in meanings
        ):
            break
        count += 1
    return count
