"""Where to look: how far each place of the port is from the suspects, and where a statement may be missing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence

from .bench import Score
from .edits import Edit
from .pieces import own_nodes
from .probe import Place
from .source import Scope
from .suspects import Suspect
from .text import walk
from .units import Function

FEEDING = 3  # steps that are gone back from a suspect to what it is made from


def places(scope: Scope, named: Sequence[Suspect]) -> list[Place]:
    """Where a formula may be missing: at the suspects, and at the end of the loops they stand in."""
    found: dict[tuple[str, int, bool], Place] = {}
    for suspect in named[:5]:
        source = scope.source(suspect.path)
        statement = source.statement_at(suspect.start)
        if statement is None:
            continue
        found.setdefault((suspect.path, statement.lineno, False), Place(suspect.path, statement))
        inner: ast.AST | None = statement
        while isinstance(inner, ast.stmt) and not isinstance(inner, ast.FunctionDef | ast.ClassDef):
            last = source.block(inner)[0][-1]
            if not isinstance(last, ast.Return | ast.Break | ast.Continue):
                found.setdefault((suspect.path, last.lineno, True), Place(suspect.path, last, True))
            inner = source.parent(inner)
    return list(found.values())[:9]


def earlier(scope: Scope, some: Iterable[tuple[Edit, Score]]) -> Iterator[Edit]:
    """New statements that bring something, in front of each statement of their block that stands before them."""
    for edit, _ in some:
        source, splice = scope.source(edit.path), edit.splices[0]
        statement = source.statement_at(edit.offset)
        if edit.kind != "statement" or splice.start != splice.end or len(edit.splices) > 1 or statement is None:
            continue
        block, place = source.block(statement)
        for other in block[place::-1]:
            if source.opens_line(other):
                sooner = source.before(other, splice.text.strip())
                yield edit._replace(splices=(sooner,), line=other.lineno, offset=source.span(other)[0])


def ranking(scope: Scope, named: Sequence[Suspect]) -> Callable[[str, int], float]:
    """How far a place is from the suspects: 0 at the first, more for each statement further off.

    What sets a name that a suspect reads is near it, however many lines lie between.
    """
    feeding: dict[tuple[str, int], float] = {}
    for place, suspect in enumerate(named[:3]):
        for away, path, statement in _feeding(scope, suspect):
            key = path, statement.lineno
            feeding[key] = min(feeding.get(key, 12.0), 0.6 * place + 2.0 + 0.8 * away)

    def rank(path: str, offset: int) -> float:
        source = scope.source(path)
        line = source.line(offset)
        best = feeding.get((path, line), 12.0)
        for place, suspect in enumerate(named):
            if suspect.path == path:
                away = abs(suspect.line - line)
                best = min(best, 0.6 * place + min(2.0 + 0.5 * away, 10.0) * (away > 0))
        return best

    return rank


def unpacking(scope: Scope, some: Sequence[Suspect]) -> list[tuple[Function, ast.Assign]]:
    """The statements that take one array apart into several names, on the way to what some suspects read."""
    found: dict[int, tuple[Function, ast.Assign]] = {}
    for suspect in some:
        for _, path, statement in _feeding(scope, suspect):
            function = scope.function_at(path, scope.source(path).span(statement)[0])
            if function is None or not isinstance(statement, ast.Assign) or isinstance(statement.value, ast.Tuple):
                continue
            if isinstance(statement.targets[0], ast.Tuple) and len(statement.targets[0].elts) > 1:
                found.setdefault(id(statement), (function, statement))
    return list(found.values())


def _feeding(scope: Scope, suspect: Suspect) -> Iterator[tuple[int, str, ast.stmt]]:
    """The statements that set what a suspect reads, what these read, and so on, also in what they call.

    Each with how many lie between, and its file; with a statement come the loops around it.
    """
    statement = scope.source(suspect.path).statement_at(suspect.start)
    function = scope.function_at(suspect.path, suspect.start)
    waiting = [] if statement is None or function is None else [(function, statement)]
    seen = {id(statement)}
    for away in range(FEEDING):
        found: list[tuple[Function, ast.stmt]] = []
        for own, reader in waiting:
            nodes = walk(reader.iter if isinstance(reader, ast.For) else reader)
            read = {n.id for n in nodes if isinstance(n, ast.Name)}
            called = {getattr(n.func, "attr", getattr(n.func, "id", "")) for n in nodes if isinstance(n, ast.Call)}
            found += [(own, one) for one in own_nodes(own.node) if isinstance(one, ast.stmt) and read & _set_by(one)]
            for other in scope.functions:
                if other.name.rpartition(".")[2] in called:
                    found += [(other, one) for one in own_nodes(other.node) if isinstance(one, ast.Return)]
        waiting = []
        for own, one in found:
            around: ast.AST | None = one
            while isinstance(around, ast.stmt) and not isinstance(around, ast.FunctionDef):
                if id(around) not in seen and (around is one or isinstance(around, ast.For)):
                    seen.add(id(around))
                    waiting.append((own, around))
                    yield away, own.path, around
                around = own.source.parent(around)


def _set_by(statement: ast.stmt) -> set[str]:
    """The names that a statement sets, or sets elements of."""
    if not isinstance(statement, ast.Assign | ast.AugAssign):
        return set()
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {n.id for target in targets for n in walk(target) if isinstance(n, ast.Name)}
