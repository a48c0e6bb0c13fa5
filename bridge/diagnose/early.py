"""Weights that are changed before the gradient has been passed through them: where, and what keeps them.

The right side of an update is no cause of a wrong gradient: whatever is written there, it comes too early. So
such a statement is moved behind the last use, or the weights are kept before it; it is never rewritten.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from ..family import Family
from .align import Trace
from .pieces import Edit, called_name, is_product, read_in, set_in
from .suspects import Suspect
from .text import Source, Splice, walk
from .trace import Event, Loops
from .units import Function

LOOPS = (ast.For, ast.While)
LOOKED = 3  # readings of one place that are looked at


class Early(NamedTuple):
    """A statement that changes a parameter, and those that pass the gradient through it afterwards.

    `text` is what the port calls the parameter there, `name` what the reference calls it. `outer` is the statement
    of `function`, the innermost that comes to both, in which the change happens: itself, or a call. So are the uses.
    """

    source: Source
    statement: ast.stmt
    function: Function
    outer: ast.stmt
    uses: tuple[ast.stmt, ...]
    text: str
    name: str

    def sentence(self, source: Source) -> str:
        line, used = source.line(source.span(self.outer)[0]), source.line(source.span(self.uses[0])[0])
        what = self.text if self.text == self.name else f"{self.text} ({self.name})"
        # In a loop the use may stand above: the change is met at the next turn.
        then = "then" if used > line else "at the next turn"
        return f"line {line} changes {what}, and line {used} {then} passes the gradient through the changed {self.text}"


def early(trace: Trace, family: Family, weights: Mapping[bytes, str]) -> list[Early]:
    """The changes of parameters that a gradient passes through afterwards, in the order in which they happen.

    `weights` are the port's own, as it was handed them: their bytes, and what the reference calls them.
    """
    quantities = trace.trusted.quantities
    parameters = {**family.parameters, **family.readout}
    # By what the port calls them: what was seen there with a parameter's own values.
    called: dict[str, str] = {}
    changed: dict[bytes, str] = {}  # what came of them in place
    begun = False
    found: list[Early] = []
    seen: dict[tuple[str, int], int] = {}
    run = _Run(trace)
    for position, event in enumerate(trace.events):
        site, meanings = trace.sites[event.site], trace.meanings[position]
        known = [quantities[m.quantity] for m in meanings or ()]
        begun = begun or any(quantity.named and quantity.name.startswith("d") for quantity in known)
        if event.value.size < 2:
            continue
        own = [quantity.name for quantity in known if quantity.name.split("[")[0].split(".")[0] in parameters]
        name = weights.get(event.value.tobytes()) or (own[0] if own else None)
        if name is not None:
            called[site.text] = name
        elif site.kind == "store" and site.text in called:
            changed[event.value.tobytes()] = called[site.text]
        elif begun and not meanings and site.kind == "load":
            place, name = (site.path, site.start), changed.get(event.value.tobytes()) or called.get(site.text)
            if name is not None and seen.setdefault(place, 0) < LOOKED:
                one = _change(run, position, name)
                found += [] if one is None else [one]
                seen[place] += 1 if one is None else LOOKED
    return _together([*found, *_also(run, found, changed)])


class _Run:
    """A traced run, by what its values are and by when they were seen; worked out where it is asked for."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    @cached_property
    def same(self) -> dict[tuple[tuple[int, ...], bytes], list[int]]:
        """The events that have a value."""
        found: dict[tuple[tuple[int, ...], bytes], list[int]] = {}
        for position, event in enumerate(self.trace.events):
            found.setdefault((event.value.shape, event.value.tobytes()), []).append(position)
        return found

    @cached_property
    def turns(self) -> dict[tuple[int, Loops], list[int]]:
        """The events of a call, at the same turn of its loops."""
        found: dict[tuple[int, Loops], list[int]] = {}
        for position, event in enumerate(self.trace.events):
            found.setdefault((event.frame, event.loops), []).append(position)
        return found


def _also(run: _Run, found: Sequence[Early], changed: Mapping[bytes, str]) -> list[Early]:
    """Of other parameters that the same statements change, those that are multiplied with anything afterwards."""
    statements = {id(one.statement) for one in found}
    more: dict[tuple[str, int], Early] = {}
    trace = run.trace
    for position, event in enumerate(trace.events) if found else ():
        site = trace.sites[event.site]
        name = changed.get(event.value.tobytes())
        if name is None or site.kind != "load" or _product(trace, event) is None or (site.path, site.start) in more:
            continue
        one = _change(run, position, name, passed=True)
        if one is not None and id(one.statement) in statements:
            more[site.path, site.start] = one
    return list(more.values())


def _statement(trace: Trace, event: Event) -> ast.stmt:
    site = trace.sites[event.site]
    return trace.scope.source(site.path).statement(site.node)


def _change(run: _Run, position: int, name: str, passed: bool = False) -> Early | None:
    """The change that was met where a parameter is read with another value, if a gradient is passed through it."""
    trace = run.trace
    event = trace.events[position]
    if not passed and not _passes(run, position):
        return None
    site, use, value = trace.sites[event.site], _statement(trace, event), event.value
    same = [p for p in run.same.get((value.shape, value.tobytes()), ()) if p < position]
    if any(_product(trace, trace.events[p]) is not None and not _passes(run, p) for p in same[:LOOKED]):
        return None  # another forward pass has begun with it
    other = trace.events[same[0]] if same else None
    if other is not None and not _updates(trace, other, _statement(trace, other)):
        return None
    other = other or _unseen(trace, position)
    if other is None or (writer := _statement(trace, other)) is use:
        return None
    above = _callers(trace, other.frame)
    common = next(frame for frame in _callers(trace, event.frame) if frame in above)
    function = trace.scope.function_at(site.path, site.start) if common == event.frame else _function(trace, common)
    outer = writer if other.frame == common else _calling(trace, common, other.frame, function)
    through = use if event.frame == common else _calling(trace, common, event.frame, function)
    if function is None or outer is None or through is None or outer is through:
        return None
    # A loop over the parameters goes as a whole.
    while isinstance(loop := function.source.parent(outer), LOOPS) and not _holds(loop, through):
        outer = loop
    source = trace.scope.source(trace.sites[other.site].path)
    return Early(source, writer, function, outer, (through,), site.text, name)


def _callers(trace: Trace, frame: int) -> list[int]:
    """A call, and those that led to it, the innermost first; 0 is what called the port."""
    found = [frame]
    while frame:
        frame = trace.recorder.frames[frame].caller
        found.append(frame)
    return found


def _function(trace: Trace, frame: int) -> Function | None:
    """The function that a call is of."""
    own = trace.recorder.frames[frame]
    return next((f for f in trace.scope.functions if (f.name, f.path) == (own.function, own.path)), None)


def _unseen(trace: Trace, position: int) -> Event | None:
    """The last value before that went into an array which a call gives: `getattr(self, name)[...] -= value`."""
    for other in reversed(trace.events[:position]):
        statement = _statement(trace, other)
        if isinstance(statement, ast.AugAssign) and any(isinstance(n, ast.Call) for n in walk(statement.target)):
            return other
    return None


def _passes(run: _Run, position: int) -> bool:
    """Whether what is read is multiplied with a gradient, as matrices are."""
    trace = run.trace
    event, quantities = trace.events[position], trace.trusted.quantities
    product = _product(trace, event)
    if product is None:
        return False
    for place in run.turns[event.frame, event.loops]:
        other = trace.sites[trace.events[place].site]
        if other.number == event.site:
            continue
        if any(quantities[m.quantity].name.startswith("d") for m in trace.meanings[place] or ()):
            inside = other.parent
            while inside is not None and inside != product:
                inside = trace.sites[inside].parent
            if inside is not None:
                return True
    return False


def _product(trace: Trace, event: Event) -> int | None:
    """The site of the product that a value is an operand of."""
    product = trace.sites[event.site].parent
    while product is not None and not is_product(trace.sites[product].node):
        product = trace.sites[product].parent
    return product


def _updates(trace: Trace, event: Event, statement: ast.stmt) -> bool:
    """Whether a value is what was there before and something more, or less."""
    node = trace.sites[event.site].node
    if isinstance(statement, ast.AugAssign):
        return trace.sites[event.site].kind == "store"
    if isinstance(node, ast.Call):
        return called_name(node) in ("subtract", "add") or any(keyword.arg == "out" for keyword in node.keywords)
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _calling(trace: Trace, within: int, frame: int, function: Function | None) -> ast.stmt | None:
    """The statement of a call's function from which it comes to another call: what changes the parameter, say."""
    frames = trace.recorder.frames
    while frame and frames[frame].caller != within:
        frame = frames[frame].caller
    if not frame or function is None:
        return None
    name = frames[frame].function.rpartition(".")[2]
    calls = [n for n in walk(function.node) if isinstance(n, ast.Call) and called_name(n) == name]
    made = {n.lineno: n for n in map(function.source.statement, calls)}
    # Of several calls that run once each, the one whose turn it was.
    alike = [one.number for one in frames if (one.function, one.caller) == (frames[frame].function, within)]
    if len(made) == 1:
        return next(iter(made.values()))
    return made[sorted(made)[alike.index(frame)]] if len(made) == len(alike) else None


def _together(found: Sequence[Early]) -> list[Early]:
    """One for each change of each parameter, with all uses that come to meet it."""
    kept: dict[tuple[str, int, str], Early] = {}
    for one in found:
        key = one.function.path, one.outer.lineno, one.text
        old = kept.get(key)
        if old is None:
            kept[key] = one
        elif one.uses[0] not in old.uses:
            kept[key] = old._replace(uses=(*old.uses, *one.uses))
    return list(kept.values())


def finding(one: Early) -> Suspect:
    """The finding, as the first of the suspects."""
    source = one.function.source
    start = source.span(one.outer)[0]
    reason = one.sentence(source)
    return Suspect(source.path, one.outer.lineno, start, -9.0, reason, None, False)


def mends(found: Sequence[Early]) -> Iterator[Edit]:
    """Every change mended at once, first by moving what can be moved; then each alone."""
    for some in (found, *([one] for one in found if len(found) > 1)):
        offered: set[tuple[Splice, ...]] = set()
        for way in (_moved, _passed, _kept, _kept_there):
            made = [edit for edit in (way(one) or _kept(one) for one in some) if edit is not None]
            splices = tuple(dict.fromkeys(splice for edit in made for splice in edit.splices))
            if made and len(made) == len(some) and splices not in offered:
                offered.add(splices)
                sentence = "; ".join(dict.fromkeys(edit.sentence for edit in made))
                yield made[0]._replace(splices=splices, sentence=sentence)


def without(found: Sequence[Early]) -> Iterator[Edit]:
    """The changes left out: where the next example of the same call already meets what this one changed."""
    statements = {id(one.statement): one for one in found}
    splices = tuple(one.source.delete(one.statement) for one in statements.values())
    if splices:
        first = found[0]
        line, start = first.source.line(first.source.span(first.statement)[0]), first.source.span(first.statement)[0]
        sentence = f"{first.sentence(first.function.source)}: it does not belong here"
        yield Edit(splices, first.source.path, line, start, "statement", sentence)


def _moved(one: Early) -> Edit | None:
    """The statement behind the last use: out of the loop where it is met at the next turn."""
    source, text = one.function.source, _unindented(one.function.source, one.outer)
    if not source.opens_line(one.outer):
        return None
    anchor = _outermost(source, one)
    block, place = source.block(one.outer if anchor is None else anchor)
    # Of all that follows in the same block, the last that passes the gradient.
    last = max((k for k, other in enumerate(block) if any(_holds(other, use) for use in one.uses)), default=place)
    behind = block[max(last, place)]
    passed = [anchor] if anchor is not None else []
    passed += block[place + 1 : last + 1]
    if behind is one.outer or isinstance(behind, ast.Return) or read_in(one.outer) & _replaced(passed, one.outer):
        return None
    where = source.line(source.span(behind)[0])
    ends = f"the loop of line {where}" if isinstance(behind, LOOPS) else f"line {where}"
    sentence = f"{one.sentence(source)}: `{text.splitlines()[0]}` belongs after {ends}"
    out, line = source.delete(one.outer), source.line(source.span(one.outer)[0])
    into = source.after(behind, text)
    if out.end > into.start:
        # The last line of a loop: it only moves to the left.
        ended = source.text[out.start : out.end].endswith(("\n", "\r"))
        indent = source.indent(behind)
        lines = indent + text.replace("\n", f"{source.newline}{indent}")
        splices: tuple[Splice, ...] = (out._replace(text=lines + source.newline * ended),)
    else:
        splices = out, into
    return Edit(splices, source.path, line, source.span(one.outer)[0], "moved", sentence)


def _passed(one: Early) -> Edit | None:
    """The statement behind the last use in the same block: of a loop that has parameters of its own at each turn."""
    source, text = one.function.source, _unindented(one.function.source, one.outer)
    block, place = source.block(one.outer)
    last = max((k for k, other in enumerate(block) if any(_holds(other, use) for use in one.uses)), default=place)
    if last <= place or isinstance(block[last], ast.Return) or not source.opens_line(one.outer):
        return None
    if read_in(one.outer) & _replaced(block[place + 1 : last + 1], one.outer):
        return None
    line = source.line(source.span(one.outer)[0])
    where = source.line(source.span(block[last])[0])
    sentence = f"{one.sentence(source)}: `{text.splitlines()[0]}` belongs after line {where}"
    splices = source.delete(one.outer), source.after(block[last], text)
    return Edit(splices, source.path, line, source.span(one.outer)[0], "moved", sentence)


def _unindented(source: Source, statement: ast.stmt) -> str:
    """A statement's text as it would stand in the first column."""
    return source.segment(statement).replace(source.newline + source.indent(statement), "\n")


def _kept(one: Early) -> Edit | None:
    """What the parameter was before the change, kept under a name of its own for those that pass the gradient."""
    source, anchor = one.function.source, _outermost(one.function.source, one)
    if anchor is None:
        # A loop over several parameters changes them all before any is used.
        anchor = one.outer
        while isinstance(outer := source.parent(anchor), LOOPS):
            anchor = outer
    return _kept_before(one, anchor)


def _kept_there(one: Early) -> Edit | None:
    """The same, of a parameter that has its name at one turn of a loop only."""
    return _kept_before(one, one.outer)


def _kept_before(one: Early, anchor: ast.stmt) -> Edit | None:
    source = one.function.source
    if not source.opens_line(anchor):
        return None
    names = {n.id for n in walk(one.function.node) if isinstance(n, ast.Name)}
    stem = "".join(c if c.isalnum() or c == "_" else " " for c in one.text.removeprefix("self.")).split()
    name = f"{stem[-1]}_before"
    if name in names or not name.isidentifier():
        return None
    rebound = isinstance(one.outer, ast.Assign) and source.segment(one.outer.targets[0]) == one.text
    keeping = f"{name} = {one.text}" + ("" if rebound else ".copy()")
    reads = [
        node
        for use in one.uses
        for node in walk(use)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and source.segment(node) == one.text
    ]
    if not reads:
        return None
    splices = source.before(anchor, keeping), *(source.replace(node, name) for node in reads)
    start = source.span(one.outer)[0]
    sentence = f"{one.sentence(source)}: `{keeping}` keeps it as the forward pass had it"
    return Edit(splices, source.path, source.line(start), start, "kept", sentence)


def _outermost(source: Source, one: Early) -> ast.stmt | None:
    """The outermost loop around the change that a use stands in as well; None where there is none."""
    found: ast.stmt | None = None
    inner: ast.AST | None = source.parent(one.outer)
    while inner is not None and not isinstance(inner, ast.FunctionDef):
        if isinstance(inner, LOOPS) and any(_holds(inner, use) for use in one.uses):
            found = inner
        inner = source.parent(inner)
    return found


def _holds(outer: ast.AST, inner: ast.AST) -> bool:
    return any(node is inner for node in walk(outer))


def _replaced(passed: Sequence[ast.stmt], but: ast.stmt) -> set[str]:
    """The names that statements give another value: not those that sums are gathered under."""
    found: set[str] = set()
    own = set(walk(but))
    for statement in passed:
        for node in walk(statement):
            targets: list[ast.expr] = []
            if node in own:
                continue
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.For):
                targets = [node.target]
            found = found.union(*map(set_in, targets))
    return found
