"""Weights that are changed before the gradient has been passed through them: where, and what keeps them.

The right side of an update is no cause of a wrong gradient: whatever is written there, it comes too early. So
such a statement is moved behind the last use, or the weights are kept before it; it is never rewritten.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..family import Family
from .align import Trace
from .pieces import Edit, called_name
from .source import Function, Source, Splice
from .suspects import Suspect
from .trace import Event

LOOPS = (ast.For, ast.While)


class Early(NamedTuple):
    """A statement that changes a parameter, and those that pass the gradient through it afterwards.

    `text` is what the port calls the parameter there, `name` what the reference calls it. `outer` is the statement
    of `function`, the uses' function, in which the change happens: itself, or a call.
    """

    source: Source
    statement: ast.stmt
    function: Function
    outer: ast.stmt
    uses: tuple[ast.stmt, ...]
    text: str
    name: str

    @property
    def span(self) -> tuple[str, int, int]:
        """Where the change stands."""
        return self.source.path, *self.source.span(self.statement)

    def sentence(self, source: Source) -> str:
        line, used = source.line(source.span(self.outer)[0]), source.line(source.span(self.uses[0])[0])
        what = self.text if self.text == self.name else f"{self.text} ({self.name})"
        # In a loop the use may stand above: the change is met at the next turn.
        then = "then" if used > line else "at the next turn"
        return f"line {line} changes {what}, and line {used} {then} passes the gradient through the changed {self.text}"


def early(trace: Trace, family: Family) -> list[Early]:
    """The changes of parameters that a gradient passes through afterwards, in the order in which they happen."""
    quantities = trace.trusted.quantities
    parameters = {**family.parameters, **family.readout}
    # By what the port calls them: what was seen there with a parameter's own values.
    called: dict[str, str] = {}
    begun = False
    found: list[Early] = []
    seen: set[tuple[str, str, int]] = set()
    for position, event in enumerate(trace.events):
        site, meanings = trace.sites[event.site], trace.meanings[position]
        known = [quantities[m.quantity] for m in meanings or ()]
        begun = begun or any(quantity.named and quantity.name.startswith("d") for quantity in known)
        if event.value.size < 2:
            continue
        own = [quantity.name for quantity in known if quantity.name.split("[")[0].split(".")[0] in parameters]
        if own:
            called.setdefault(site.text, own[0])
        elif begun and meanings == () and site.kind == "load" and site.text in called:
            place = site.text, site.path, _statement(trace, event).lineno
            if place not in seen:
                seen.add(place)
                one = _change(trace, position, called[site.text])
                found += [] if one is None else [one]
    return _together(found)


def _statement(trace: Trace, event: Event) -> ast.stmt:
    site = trace.sites[event.site]
    return trace.scope.source(site.path).statement(site.node)


def _change(trace: Trace, position: int, name: str) -> Early | None:
    """The change that was met where a parameter is read with another value, if a gradient is passed through it."""
    event = trace.events[position]
    site, use = trace.sites[event.site], _statement(trace, event)
    if not isinstance(use, ast.Assign | ast.AugAssign | ast.AnnAssign) or not _passes(trace, position, use):
        return None
    value = event.value
    for other in reversed(trace.events[:position]):
        if other.value.shape != value.shape or other.value.tobytes() != value.tobytes():
            continue
        at, writer = trace.sites[other.site], _statement(trace, other)
        source = trace.scope.source(at.path)
        if writer is use or not _updates(source, writer):
            continue
        function = trace.scope.function_at(site.path, site.start)
        outer = writer if other.frame == event.frame else _calling(trace, other, event, function)
        if function is None or outer is None:
            return None
        return Early(source, writer, function, outer, (use,), site.text, name)
    return None


def _passes(trace: Trace, position: int, use: ast.stmt) -> bool:
    """Whether a gradient is multiplied in the statement, as it runs then."""
    event, quantities = trace.events[position], trace.trusted.quantities
    for other, meanings in zip(trace.events, trace.meanings, strict=True):
        if (other.frame, other.loops) != (event.frame, event.loops) or trace.sites[other.site].kind != "load":
            continue
        if any(quantities[m.quantity].name.startswith("d") for m in meanings or ()):
            if _statement(trace, other) is use:
                return True
    return False


def _updates(source: Source, statement: ast.stmt) -> bool:
    """Whether a statement changes what it stores into: what was there goes into what is there then."""
    if isinstance(statement, ast.AugAssign):
        return True
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        whole = target.value if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice) else target
        texts = {source.segment(n) for n in ast.walk(statement.value) if isinstance(n, ast.expr)}
        if source.segment(whole) in texts and not isinstance(statement.value, ast.Name | ast.Attribute | ast.Call):
            return True
    calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call)]
    return any(keyword.arg == "out" for call in calls for keyword in call.keywords)


def _calling(trace: Trace, writer: Event, use: Event, function: Function | None) -> ast.stmt | None:
    """The statement of the use's function that calls what changes the parameter."""
    frames, frame = trace.recorder.frames, writer.frame
    while frame and frames[frame].caller != use.frame:
        frame = frames[frame].caller
    if not frame or function is None:
        return None
    name = frames[frame].function.rpartition(".")[2]
    calls = [n for n in ast.walk(function.node) if isinstance(n, ast.Call) and called_name(n) == name]
    made = {id(function.source.statement(n)): function.source.statement(n) for n in calls}
    return next(iter(made.values())) if len(made) == 1 else None


def _together(found: Sequence[Early]) -> list[Early]:
    """One for each change of each parameter, with all uses that come to meet it."""
    kept: dict[tuple[str, int, str], Early] = {}
    for one in found:
        key = one.function.path, one.outer.lineno, one.text
        old = kept.get(key)
        kept[key] = one if old is None else old._replace(uses=(*old.uses, *one.uses))
    return list(kept.values())


def suspect(one: Early) -> Suspect:
    """The finding, as the first of the suspects."""
    source = one.function.source
    start = source.span(one.outer)[0]
    reason = one.sentence(source)
    return Suspect(source.path, one.outer.lineno, start, -9.0, reason, None, False)


def mends(found: Sequence[Early]) -> Iterator[Edit]:
    """Every change mended at once, first by moving what can be moved; then each alone."""
    for some in (found, *([one] for one in found if len(found) > 1)):
        for moving in (True, False):
            made = [_moved(one) if moving else None for one in some]
            made = [done or _kept(one) for one, done in zip(some, made, strict=True)]
            if some and all(made) and (moving is False or any(_moved(one) for one in some)):
                splices = dict.fromkeys(s for mend in made if mend is not None for s in mend.splices)
                first = made[0]
                assert first is not None
                sentence = "; ".join(dict.fromkeys(mend.sentence for mend in made if mend is not None))
                yield first._replace(splices=tuple(splices), sentence=sentence)


def _moved(one: Early) -> Edit | None:
    """The statement behind the last use: out of the loop where it is met at the next turn."""
    source, text = one.function.source, one.function.source.segment(one.outer)
    if not source.opens_line(one.outer):
        return None
    anchor = _outermost(source, one)
    block, place = source.block(one.outer if anchor is None else anchor)
    # Of all that follows in the same block, the last that passes the gradient.
    last = max((k for k, other in enumerate(block) if any(_holds(other, use) for use in one.uses)), default=place)
    behind = block[max(last, place)]
    passed = [anchor] if anchor is not None else []
    passed += block[place + 1 : last + 1]
    read = {n.id for n in ast.walk(one.outer) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    if behind is one.outer or read & _replaced(passed, one.outer):
        return None
    where = source.line(source.span(behind)[0])
    ends = f"the loop of line {where}" if isinstance(behind, LOOPS) else f"line {where}"
    sentence = f"{one.sentence(source)}: `{text.splitlines()[0]}` belongs after {ends}"
    out, line = source.delete(one.outer), source.line(source.span(one.outer)[0])
    into = source.after(behind, text)
    if out.end > into.start:
        # The last line of a loop: it only moves to the left.
        ended = source.text[out.start : out.end].endswith(("\n", "\r"))
        splices: tuple[Splice, ...] = (out._replace(text=source.indent(behind) + text + source.newline * ended),)
    else:
        splices = out, into
    return Edit(splices, source.path, line, source.span(one.outer)[0], "moved", sentence)


def _kept(one: Early) -> Edit | None:
    """What the parameter was before the change, kept under a name of its own for those that pass the gradient."""
    source = one.function.source
    anchor = _outermost(source, one) or one.outer
    if not source.opens_line(anchor):
        return None
    names = {n.id for n in ast.walk(one.function.node) if isinstance(n, ast.Name)}
    stem = "".join(c if c.isalnum() or c == "_" else " " for c in one.text.removeprefix("self.")).split()
    name = f"{stem[-1]}_before"
    if name in names or not name.isidentifier():
        return None
    rebound = isinstance(one.outer, ast.Assign) and source.segment(one.outer.targets[0]) == one.text
    keeping = f"{name} = {one.text}" + ("" if rebound else ".copy()")
    reads = [
        node
        for use in one.uses
        for node in ast.walk(use)
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
    return any(node is inner for node in ast.walk(outer))


def _replaced(passed: Sequence[ast.stmt], but: ast.stmt) -> set[str]:
    """The names that statements give another value: not those that sums are gathered under."""
    found: set[str] = set()
    for statement in passed:
        for node in ast.walk(statement):
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign) and node is not but:
                targets = node.targets
            elif isinstance(node, ast.For):
                targets = [node.target]
            names = [n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            found |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return found
