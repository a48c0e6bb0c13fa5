"""Advance: the edits of a statement that make it set something which the port lacks so far.

Nothing need be known of what the statement ought to be: an edit with which it gives, from the values that it had in
hand, one that the trusted side has and the port has not, is worth more than any other. No run of the port is needed
to see that, and what mends one statement so mends it beside the mends of others.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from itertools import combinations
from typing import NamedTuple

import numpy as np

from .align import Trace
from .edits import Edit, Edits
from .leaves import Leaf
from .probe import probed
from .quantities import EXAMPLE, SO_FAR, STACK, STEP, Meaning, neutral
from .screen import Look, Looks, harmless, replaced, sometimes
from .source import Scope
from .suspects import Suspect
from .text import Source, Splice
from .trace import Array, Site

TURNS = 3  # turns on which a statement is looked at: the first that give nobody's value
EACH = 4  # edits of one expression that are kept, the likeliest first
FORMS = frozenset({STEP, EXAMPLE, STACK, SO_FAR})


class Advance(NamedTuple):
    """An edit, the statement it mends (path and start), and whether that gave nobody's value before."""

    edit: Edit
    statement: tuple[str, int]
    strange: bool


class _Aim(NamedTuple):
    """An expression whose value is kept, handed on or returned, and the turns on which it is looked at.

    `strange` where it gives nobody's value, `carrying` where a gradient goes in.
    """

    suspect: Suspect
    statement: ast.stmt
    node: ast.expr
    turns: tuple[int, ...]
    strange: bool
    carrying: bool


def advances(
    scope: Scope,
    trace: Trace,
    run: Callable[[], object],
    edits: Edits,
    some: Sequence[Suspect],
    wanted: Set[int],
) -> list[Advance]:
    """The edits at some suspects that make what the port lacks, by suspect, the likeliest of each expression first.

    `wanted` are the quantities that the port's results are made from.
    """
    looks = Looks(scope)
    asked: list[tuple[_Aim, Look, str, Edit]] = []
    seen: set[tuple[_Aim, str]] = set()
    for suspect in some:
        source = scope.source(suspect.path)
        for aim in _aims(trace, suspect):
            if (there := looks.at(suspect.path, aim.statement, aim.turns)) is None:
                continue
            function, look = there
            for edit in edits.of(function, aim.statement):
                text = replaced(source, aim.statement, aim.node, edit.splices)
                if text is not None and harmless(text, edits.pure):
                    look.add(text)
                    if text in look.texts and (aim, text) not in seen:
                        seen.add((aim, text))
                        asked.append((aim, look, text, edit))
    probed(scope, run, list(looks.made.values()))
    found: dict[_Aim, list[tuple[tuple[bool, bool, int, int, bool, float], Edit]]] = {}
    for aim, look, text, edit in asked:
        worth = _worth(aim, trace, look.values.get(text, []), wanted)
        if worth is not None:
            # To leave something out may come to the same by chance.
            less = edit.sentence.startswith("without")
            found.setdefault(aim, []).append(((*worth, less, edit.weight), edit))
    result: list[Advance] = []
    for aim, ranked in found.items():
        place = aim.suspect.path, trace.scope.source(aim.suspect.path).span(aim.statement)[0]
        ranked.sort(key=lambda one: one[0])
        result += [Advance(edit, place, aim.strange) for _, edit in ranked[:EACH]]
    return result


def _aims(trace: Trace, suspect: Suspect) -> Iterator[_Aim]:
    """The expressions of a suspect's statement whose values go somewhere."""
    source = trace.scope.source(suspect.path)
    statement = source.statement_at(suspect.start)
    if not isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr):
        return
    kept = {id(node) for node in _kept(source, statement)}
    for number, site in enumerate(trace.sites):
        if site.path != suspect.path or id(site.node) not in kept or site.kind == "argument":
            continue
        at = trace.at(number)
        if not at or not isinstance(site.node, ast.expr):
            continue
        strange = [turn for turn, p in enumerate(at) if trace.meanings[p] == ()]
        # What a stranger goes into is nobody's whatever is written here.
        # A sum that begins anew tells on its second turn.
        read = _read(trace, source, statement, site.node)
        pure = [turn for turn, p in enumerate(at) if all(_last(trace, other, p) != () for other in read)]
        if site.kind == "store" and isinstance(statement, ast.AugAssign):
            stores = trace.at_text(site)
            pure = [turn for turn in pure if _begun(trace, stores, at[turn])]
        strange = [turn for turn in strange if turn in pure] if not _held(site.node) else []
        told = [bisect_left(at, leaf.position) for leaf in suspect.leaves]
        turns = {*(strange[:TURNS] or range(2)), *told} & {*pure}
        back = trace.trusted.carrying
        carrying = any(m.quantity in back for turn in turns for o in read for m in _last(trace, o, at[turn]) or ())
        yield _Aim(suspect, statement, site.node, tuple(sorted(turns)), bool(strange), carrying)


def _read(trace: Trace, source: Source, statement: ast.stmt, node: ast.expr) -> list[Site]:
    """The names and elements that an expression is made from; of what a statement sets, all that it reads."""
    stored = isinstance(getattr(node, "ctx", None), ast.Store)
    start, end = source.span(statement if stored else node)
    return [
        site
        for site in trace.sites
        if site.path == source.path
        and site.kind == "load"
        and start <= site.start
        and site.end <= end
        and isinstance(site.node, ast.Name | ast.Attribute | ast.Subscript)
        and not isinstance(source.parent(site.node), ast.Attribute | ast.Subscript)
    ]


def _last(trace: Trace, site: Site, position: int) -> tuple[Meaning, ...] | None:
    """What that is on the trusted side which was last seen at a site before an event."""
    at = trace.at(site.number)
    place = bisect_left(at, position)
    return trace.meanings[at[place - 1]] if place else None


def _begun(trace: Trace, stores: Sequence[int], position: int) -> bool:
    """Whether what a store adds to was something on the trusted side, as far as it was set before."""
    before = bisect_left(stores, position)
    return before == 0 or trace.meanings[stores[before - 1]] != ()


def _held(node: ast.AST) -> bool:
    """Whether an expression only reads what is held somewhere."""
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Load)


def _kept(source: Source, statement: ast.stmt) -> Iterator[ast.expr]:
    """What a statement sets or adds; the elements of what it returns, hands on or puts together."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        targets = [statement.target]
    yield from (target for target in targets if not isinstance(target, ast.Tuple | ast.List))
    value = getattr(statement, "value", None)
    waiting = [] if value is None else [value]
    while waiting:
        node = waiting.pop()
        inner: list[ast.expr | None] = []
        if isinstance(node, ast.Tuple | ast.List):
            inner = [*node.elts]
        elif isinstance(node, ast.Dict):
            inner = [*node.values]
        elif isinstance(node, ast.Yield):
            inner = [node.value]
        elif isinstance(node, ast.Call):
            handed = [*node.args, *(keyword.value for keyword in node.keywords)]
            inner = [argument for argument in handed if not _held(argument)]
        elif isinstance(node, ast.BinOp) and not isinstance(node.op, ast.MatMult):
            # A product or a sum may be right but for what one of its operands makes.
            inner = [one for one in (node.left, node.right) if isinstance(one, ast.BinOp | ast.Call)]
        if node is not value or isinstance(statement, ast.Return | ast.AugAssign):
            yield node
        waiting += [one for one in inner if one is not None and not sometimes(source, one)]


def _worth(
    aim: _Aim, trace: Trace, values: Sequence[Array | None], wanted: Set[int]
) -> tuple[bool, bool, int, int] | None:
    """How likely what an edit makes is what was meant, the least first; None where it is nothing that is lacking."""
    quantities = trace.trusted.quantities
    made: Counter[int] = Counter()
    for value in values:
        if value is None or value.dtype.kind != "f" or neutral(value):
            continue
        for m in trace.trusted.lookup(value):
            if m.form not in FORMS or (aim.carrying and m.quantity not in trace.trusted.carrying):
                continue
            summed = m.form == SO_FAR
            there = (m.quantity, m.t) in trace.sums if summed else (m.quantity, "", m.t) in trace.reached
            made[m.quantity] += m.quantity in wanted and not there and m.factor > 0
    some = [quantity for quantity, turns in made.items() if turns]
    ranked = [
        (
            quantity not in aim.suspect.needs,
            not quantities[quantity].named,
            -quantities[quantity].order,
            -made[quantity],
        )
        for quantity in some
    ]
    return min(ranked, default=None)


def crossed(trace: Trace, some: Sequence[Suspect]) -> list[Edit]:
    """Two expressions each of which is what the other ought to be, in each other's place; the likeliest first."""
    leaves = [
        (leaf, site, {m.quantity for m in trace.meanings[leaf.position] or ()})
        for suspect in some
        for leaf in suspect.leaves
        if (site := _handed(trace, leaf)).kind == "load"
    ]
    found: dict[tuple[Splice, ...], tuple[float, Edit]] = {}
    for (one, site, own), (other, there, its) in combinations(leaves, 2):
        apart = site.path == there.path and (site.end <= there.start or there.end <= site.start)
        if not isinstance(site.node, ast.expr) or not isinstance(there.node, ast.expr):
            continue
        if not apart or one.quantity not in its or other.quantity not in own or one.quantity in own:
            continue
        source = trace.scope.source(site.path)
        splices = source.replace(site.node, there.text), source.replace(there.node, site.text)
        sentence = f"`{site.text}` and `{there.text}` in each other's place"
        edit = Edit(splices, site.path, site.line, site.start, "exchange", sentence, 0.0)
        # Two names are exchanged sooner than what they are set to.
        weight = one.weight + other.weight + sum(not _held(node) for node in (site.node, there.node))
        if splices not in found or weight < found[splices][0]:
            found[splices] = weight, edit
    least = min((weight for weight, _ in found.values()), default=0.0)
    return [edit for weight, edit in sorted(found.values(), key=lambda pair: pair[0]) if weight < least + 0.5][:EACH]


def _handed(trace: Trace, leaf: Leaf) -> Site:
    """The site of what ought to be something else; of what a loop sets, where it had it from."""
    own = trace.sites[leaf.site]
    source = trace.scope.source(own.path)
    loop = source.statement(own.node)
    if own.kind != "store" or not isinstance(loop, ast.For):
        return own
    start, end = source.span(loop.iter)
    value = trace.events[leaf.position].value
    for site in trace.sites:
        inside = site.path == own.path and site.kind == "load" and start <= site.start and site.end <= end
        if inside and any(np.array_equal(trace.events[p].value, value) for p in trace.at(site.number)):
            return site
    return own
