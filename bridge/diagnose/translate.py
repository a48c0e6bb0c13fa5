"""Translate: the trusted formula of a missing quantity, written in the port's own variables and layouts.

At a place in the port every name, attribute and element that can be named there is looked up; the operands
of the trusted formula are among them. The formula is spelled with these (transposed or not, in either order),
each spelling is evaluated in the running port, and what has the values of the quantity, step after step, is
right.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, permutations, product

from .align import Trace
from .allowance import Allowance
from .calling import PURE
from .pieces import SUM, Edit, Text, binds, is_plain, names_in, read_in, set_in, within
from .probe import Names, Place, Seen, probed
from .quantities import STACK, TOTAL, Formula, Meaning, Operand, neutral
from .source import Scope
from .spelling import Key, Term, spellings, tight
from .text import Source, Splice
from .trace import Array, Site
from .trusted import Trusted, series

DEPTH = 4  # how many formulas are written one in the other
INSERTED = 10.0  # the weight of a new statement
LAST_RESORT = 100.0  # the weight of what nobody would write


class Translator:
    """Writes missing quantities at places of the port."""

    def __init__(self, scope: Scope, trace: Trace, run: Callable[[], object], allowance: Allowance) -> None:
        self.scope, self.trace, self.run, self.allowance = scope, trace, run, allowance
        self.trusted: Trusted = trace.trusted

    def edits(self, places: Sequence[Place], aims: Sequence[int], summed: bool = False) -> Iterator[Edit]:
        """Edits that bring one of these quantities in, at these places; `summed`: over the batch, too."""
        names: list[Names] = []
        for place in places:
            names.append(Names(place, self._counters(place), self._pure(place)))
        probed(self.scope, self.run, names)
        spelled: list[Seen] = []
        wanted: list[dict[str, tuple[int, Key]]] = []
        for one in names:
            terms = self._terms(one)
            new = Seen(one.place)
            new.numpy = one.numpy
            meant: dict[str, tuple[int, Key]] = {}
            for quantity in aims:
                self.allowance.check()
                for term in self._distinct(terms.get(quantity, ())):
                    new.add(term.text)
                    meant.setdefault(term.text, (quantity, term.key))
                    for axis in range(len(term.shape)) if summed else ():
                        for keeping in ("", ", keepdims=True"):
                            text = f"{term.text}.sum(axis={axis}{keeping})"
                            new.add(text)
                            meant.setdefault(text, (quantity, term.key))
                for text, key in self._spelled(quantity, terms, one.numpy, DEPTH):
                    if text not in meant:
                        new.add(text)
                        meant[text] = quantity, key
            if meant:
                spelled.append(new)
                wanted.append(meant)
        if not spelled:
            return
        probed(self.scope, self.run, spelled)
        by_place = {id(one.place): one for one in names}
        order = {quantity: k for k, quantity in enumerate(aims)}
        found: list[tuple[float, int, Edit]] = []
        for where, (tried, meant) in enumerate(zip(spelled, wanted, strict=True)):
            good: list[tuple[str, int, tuple[int, ...]]] = []
            for text, (quantity, key) in meant.items():
                values = tried.values.get(text) or []
                if values and self._is(values, quantity, key):
                    shape = values[0].shape if values[0] is not None else ()
                    good.append((text, quantity, shape))
            good.sort(key=lambda g: (order[g[1]], len(g[0])))
            kept: dict[tuple[int, tuple[int, ...]], int] = {}
            for text, quantity, shape in good:
                kept[quantity, shape] = kept.get((quantity, shape), 0) + 1
                if kept[quantity, shape] > 3:
                    continue
                weight = order[quantity] + 0.1 * where + 0.1 * kept[quantity, shape]
                seen = by_place[id(tried.place)]
                for extra, edit in self._placed(tried.place, text, quantity, shape, seen):
                    found.append((weight + extra, len(found), edit))
                if tried.place.behind and kept[quantity, shape] == 1:
                    for extra, edit in self._carried(tried.place, text, quantity, seen):
                        found.append((weight + extra, len(found), edit))
        for weight, _, edit in sorted(found, key=lambda f: f[:2]):
            yield edit._replace(weight=weight)

    def _counters(self, place: Place) -> list[str]:
        """The names that loops around a place, or in its function, count with."""
        source = self.scope.source(place.path)
        function = self.scope.function_at(place.path, source.span(place.statement)[0])
        roots: Sequence[ast.AST] = source.tree.body if function is None else [function.node]
        found: dict[str, None] = {}
        for root in roots:
            for node in ast.walk(root):
                if isinstance(node, ast.For):
                    found |= {n.id: None for n in ast.walk(node.target) if isinstance(n, ast.Name)}
                elif isinstance(node, ast.While):
                    found |= {n.id: None for n in ast.walk(node.test) if isinstance(n, ast.Name)}
        return list(found)[:4]

    def _pure(self, place: Place) -> Iterator[str]:
        """The texts of the function around a place that only compute something."""
        source = self.scope.source(place.path)
        function = self.scope.function_at(place.path, source.span(place.statement)[0])
        roots: list[ast.AST] = [place.statement]
        if function is not None:
            roots += [function.node.body] if isinstance(function.node, ast.Lambda) else function.node.body
        for node in (n for root in roots for n in ast.walk(root)):
            if not isinstance(node, ast.BinOp | ast.Subscript | ast.Attribute | ast.Call):
                continue
            read = isinstance(getattr(node, "ctx", None), ast.Load | None)
            if read and node.end_lineno == node.lineno and _harmless(node):
                yield source.segment(node)

    def _terms(self, seen: Seen) -> dict[int, list[Term]]:
        """What the texts at a place are, by quantity."""
        found: dict[int, list[Term]] = {}
        for text, values in seen.values.items():
            if not values or any(v is None for v in values):
                continue
            arrays = [v for v in values if v is not None]
            if all(neutral(v) for v in arrays):
                continue
            # Zeros on the first turn only: nothing is carried yet.
            meanings = [None if neutral(v) else self.trusted.lookup(v) + self.trusted.packed(v) for v in arrays]
            for quantity, key in keys(self.trusted, meanings):
                found.setdefault(quantity, []).append(Term(text, quantity, key, arrays[-1].shape))
        for terms in found.values():
            terms.sort(key=lambda term: (_cost(term.text), len(term.text)))
        return found

    def _spelled(
        self, quantity: int, terms: dict[int, list[Term]], numpy: str, depth: int
    ) -> Iterator[tuple[str, Key]]:
        """Texts that may have the values of a quantity, and at which steps."""
        count = 0
        wanted = self.trusted.quantities[quantity]
        for formula in (*self._side_by_side(quantity, terms), *wanted.formulas, *wanted.regrouped):
            if formula.node is None or isinstance(formula.node, ast.Compare):
                continue
            options: list[list[Term]] = []
            for operand in formula.operands:
                own = self._distinct(terms.get(operand.quantity, ()))
                if not own and depth > 1:
                    own = [
                        Term(text, operand.quantity, key, ())
                        for text, key in islice(self._spelled(operand.quantity, terms, numpy, depth - 1), 12)
                    ]
                options.append(own)
            if not all(options):
                continue
            for chosen in product(*options):
                key = self._agreed(formula.operands, chosen)
                if key is False:
                    continue
                for text in spellings(formula.node, [o.node for o in formula.operands], chosen, numpy):
                    yield text, key
                    count += 1
                    if count > 150:
                        return

    def _side_by_side(self, quantity: int, terms: Iterable[int]) -> Iterator[Formula]:
        """A sum of products as one: `[dq dk dv] @ [Wq Wk Wv].T`, where the port has the factors side by side."""
        factors: list[tuple[Operand, Operand]] = []
        for number, shift in self.trusted.terms(quantity, ast.Add):
            for formula in self.trusted.quantities[number].formulas[:1]:
                if isinstance(formula.node, ast.BinOp) and isinstance(formula.node.op, ast.MatMult):
                    one, two = (o._replace(shift=_later(o.shift, shift)) for o in formula.operands)
                    factors.append((one, two))
                    node = formula.node
        if not 1 < len(factors) < 5:
            return
        packs = {tuple(b.quantity for b in self.trusted.quantities[k].blocks): k for k in terms}
        for order in permutations(range(len(factors))):
            first, second = (packs.get(tuple(factors[k][side].quantity for k in order)) for side in (0, 1))
            if first is not None and second is not None:
                one, two = factors[order[0]]
                yield Formula(node, "", (one._replace(quantity=first), two._replace(quantity=second)))

    def _distinct(self, terms: Iterable[Term]) -> list[Term]:
        """The shortest two texts for each series of steps and shape."""
        kept: dict[tuple[Key, tuple[int, ...]], int] = {}
        found = []
        for term in terms:
            mark = term.key, term.shape
            kept[mark] = kept.get(mark, 0) + 1
            if kept[mark] <= 2:
                found.append(term)
        return found[:8]

    def _agreed(self, operands: Sequence[Operand], chosen: Sequence[Term]) -> Key:
        """The steps of the result, where the operands' steps fit together; False where they do not."""
        key: Key = None
        for operand, term in zip(operands, chosen, strict=True):
            if term.key is None or operand.shift is None:
                continue
            if term.key[0] == "stack":
                own: Key = ("stack", term.key[1] - operand.shift)
            else:
                own = tuple(None if s is None else s - operand.shift for s in term.key)
            if key is None:
                key = own
            elif key[0] == "stack" or own[0] == "stack":
                if key != own:
                    return False
            else:
                merged = []
                for one, other in zip(key, own, strict=False):
                    if one is not None and other is not None and one != other:
                        return False
                    merged.append(one if one is not None else other)
                key = tuple(merged)
        return key

    def _is(self, values: Sequence[Array | None], quantity: int, key: Key) -> bool:
        """Whether values are a quantity's, at these steps."""
        any_known = False
        if key is not None and key[0] != "stack":
            values = values[: len(key)]
        for turn, value in enumerate(values):
            if value is None:
                return False
            if neutral(value):
                continue
            step = key[turn] if key is not None and key[0] != "stack" and turn < len(key) else None
            for m in self.trusted.lookup(value):
                same_step = step is None or m.t is None or m.t == step
                if m.quantity == quantity and m.factor > 0 and same_step:
                    any_known = True
                    break
            else:
                return False
        return any_known

    # Where the text goes.

    def _carried(self, place: Place, text: str, carried: int, names: Seen) -> Iterator[tuple[float, Edit]]:
        """What a step hands to another, where nothing is handed on yet: set to zero, added, set anew."""
        source = self.scope.source(place.path)
        loop = source.parent(place.statement)
        if not isinstance(loop, ast.For | ast.While):
            return
        name = self.trusted.quantities[carried].name
        name = name if name.isidentifier() else "carried"
        while name in names.variables:
            name += "_"
        for quantity in self.trusted.quantities:
            for formula in quantity.formulas:
                kinds = [o.quantity for o in formula.operands]
                if not isinstance(formula.node, ast.BinOp) or not isinstance(formula.node.op, ast.Add):
                    continue
                if carried not in kinds or not formula.operands[kinds.index(carried)].shift:
                    continue
                others = {o.quantity for o in formula.operands if o.quantity != carried}
                for number, site in enumerate(self.trace.sites):
                    at = self.trace.at(number)
                    if site.kind != "load" or site.path != place.path or not at:
                        continue
                    if not source.span(loop)[0] <= site.start < source.span(loop)[1]:
                        continue
                    if not all(any(m.quantity in others for m in self.trace.meanings[p] or ()) for p in at):
                        continue
                    parent = source.parent(site.node)
                    if isinstance(parent, ast.BinOp | ast.Attribute | ast.Subscript | ast.UnaryOp):
                        continue
                    splices = (
                        source.before(loop, f"{name} = 0.0"),
                        Splice(place.path, site.end, site.end, f" + {name}"),
                        source.after(place.statement, f"{name} = {text}"),
                    )
                    sentence = f"`{text}` is never handed on: it belongs to `{site.text}`"
                    yield INSERTED + 2.0, _edit(source, site.start, splices, "carry", sentence)

    def _renamed(
        self, source: Source, block: Sequence[ast.stmt], text: str, variable: str, name: str
    ) -> Iterator[tuple[float, Edit]]:
        """A value that is set under another name than the one that is read."""
        for statement in block:
            for target in _targets(statement):
                if target.id == text:
                    start, end = source.span(target)
                    sentence = f"`{variable}` where `{text}` is set: {name}"
                    splice = Splice(source.path, start, end, variable)
                    yield 0.4, _edit(source, start, (splice,), "target", sentence)

    def _before(self, place: Place, text: str, name: str) -> Iterator[tuple[float, Edit]]:
        """A statement that makes the quantity of a variable from which this and further statements want it."""
        source = self.scope.source(place.path)
        block, at = source.block(place.statement)
        if isinstance(place.statement, ast.For | ast.While | ast.If | ast.With | ast.Try | ast.Return):
            return
        later = set[str]().union(*map(read_in, block[at + 1 :]))
        wanted = (read_in(place.statement) & later) - {target.id for target in _targets(place.statement)}
        for name_read in dict.fromkeys(node.id for node in names_in(ast.parse(text.strip(), mode="eval"))):
            if name_read in wanted:
                line = f"{name_read} = {text}"
                start = source.span(place.statement)[0]
                splice = source.before(place.statement, line)
                yield INSERTED + 0.5, _edit(source, start, (splice,), "statement", f"`{line}` is missing: {name}")

    def _added(
        self, place: Place, text: str, quantity: int, shape: tuple[int, ...]
    ) -> Iterator[tuple[float, Edit]]:
        """A term more in what a statement sets, returns or adds."""
        statement, source = place.statement, self.scope.source(place.path)
        value = statement.value if isinstance(statement, ast.Assign | ast.AugAssign | ast.Return) else None
        if value is None or quantity not in self.trusted.addends or source.segment(value) == text:
            return
        start, end = source.span(value)
        for number, site in enumerate(self.trace.sites):
            at = self.trace.at(number)
            if (site.path, site.kind, site.start, site.end) != (place.path, "load", start, end) or not at:
                continue
            if self.trace.events[at[-1]].value.shape == shape:
                left = Text(source.segment(value), binds(value))
                new = Splice(place.path, start, end, f"{within(left, SUM)} + {text}")
                yield 0.15, _edit(source, start, (new,), "term", f"`+ {text}` is missing")

    def _placed(
        self, place: Place, text: str, quantity: int, shape: tuple[int, ...], names: Seen
    ) -> Iterator[tuple[float, Edit]]:
        """A text in place of an expression of the statement, or as a statement of its own."""
        source = self.scope.source(place.path)
        name = self.trusted.quantities[quantity].name
        statement = place.statement
        if not place.behind:
            yield from self._before(place, text, name)
            span = source.span(statement)
            for number, site in enumerate(self.trace.sites):
                if site.path != place.path or site.kind != "load" or not span[0] <= site.start < span[1]:
                    continue
                if isinstance(statement, ast.For | ast.While | ast.If | ast.With | ast.Try):
                    continue
                at = self.trace.at(number)
                if not at or self.trace.events[at[-1]].value.shape != shape:
                    continue
                if site.text == text or (text in site.text and len(text) > 0.9 * len(site.text)):
                    continue
                known = all(self.trace.meanings[p] for p in at)
                extra = 0.2 + (0.5 if known else 0.0) + 0.02 * _depth(site, self.trace)
                yield (
                    extra,
                    _edit(
                        source,
                        site.start,
                        (Splice(place.path, site.start, site.end, _bracketed(text, site, source)),),
                        "formula",
                        f"{name} is `{text}`, not `{site.text}`",
                    ),
                )
        if not place.behind:
            yield from self._added(place, text, quantity, shape)
        if isinstance(statement, ast.AugAssign) and not place.behind:
            target = source.segment(statement.target)
            if names.variables.get(target) == shape:
                whole = Splice(place.path, *source.span(statement), f"{target} = {text}")
                sentence = f"{name} is `{text}`, not what `{source.segment(statement)}` makes"
                yield 0.3, _edit(source, whole.start, (whole,), "formula", sentence)
        if not place.behind or isinstance(statement, ast.Return):
            return
        start = source.span(statement)[0]
        # What is only changed here, step by step, may have to be set anew.
        set_here = _set_in_block(one for one in source.block(statement)[0] if not isinstance(one, ast.AugAssign))
        function = self.scope.function_at(place.path, start)
        own = _set_in_block(function.body if function is not None else source.tree.body)
        for variable, size in [*names.variables.items(), *((zero, shape) for zero in names.zeros - set_here)]:
            if variable not in own or size != shape or variable == text:
                continue
            if text.isidentifier() and text in set_here:
                yield from self._renamed(source, source.block(statement)[0], text, variable, name)
            # What a block sets itself it need not set once more.
            again = LAST_RESORT if variable in set_here else 0.0
            for sign in ("=", "+="):
                line = f"{variable} {sign} {text}"
                behind = _producer(source, statement, text, variable)
                splice = source.after(behind, line)
                yield (
                    INSERTED + (0.6 if sign == "=" else 0.8) + again,
                    _edit(source, source.span(behind)[0], (splice,), "statement", f"`{line}` is missing: {name}"),
                )


def _producer(source: Source, statement: ast.stmt, text: str, variable: str) -> ast.stmt:
    """What `variable = text` is to stand behind: the statement, or what is before loops that it has no part in."""
    names = {n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)} | {variable}
    block, place = source.block(statement)
    while place > 0 and isinstance(block[place], ast.For | ast.While):
        inside = [n for n in ast.walk(block[place]) if isinstance(n, ast.expr) and not isinstance(n, ast.Name)]
        stored = [n for n in inside if isinstance(getattr(n, "ctx", None), ast.Store)]
        touched = {n.id for one in stored for n in names_in(one)} | set_in(block[place])
        read = {n.id for n in names_in(block[place])}
        if touched & names or variable in read:
            break
        place -= 1
    return block[place]


def _later(one: int | None, other: int | None) -> int | None:
    """So many steps, and so many more."""
    return None if one is None or other is None else one + other


def _targets(statement: ast.stmt) -> list[ast.Name]:
    """The plain names that an assignment sets."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return [n for target in targets for n in names_in(target) if isinstance(n.ctx, ast.Store)]


def _set_in_block(block: Iterable[ast.stmt]) -> set[str]:
    """The plain names that some statements set."""
    return set[str]().union(*map(set_in, block))


def keys(trusted: Trusted, meanings: Sequence[tuple[Meaning, ...] | None]) -> list[tuple[int, Key]]:
    """The quantities that values are, with their steps: one for each turn, of a stack the first, or None."""
    known = [m for m in meanings if m is not None]
    if not known or not known[0]:
        return []
    found: list[tuple[int, Key]] = []
    first = known[0]
    for m in first:
        if (m.form in (STACK, TOTAL) or m.t is None) and all(
            any(o.quantity == m.quantity and o.form == m.form and o.t == m.t for o in one) for one in known
        ):
            own: tuple[int, Key] = (m.quantity, ("stack", m.t) if m.form == STACK else None)
            if own not in found:
                found.append(own)
    # Nothing there on the first turns (nothing is carried yet); strangers on the last (a fault has spread).
    lead = next(k for k, m in enumerate(meanings) if m is not None)
    end = next((k for k, m in enumerate(meanings) if k > lead and not m), len(meanings))
    for quantity, steps in series(trusted, meanings[lead:end]):
        if all(s is None for s in steps):
            continue
        key = (None,) * lead + steps
        if (quantity, key) not in found:
            found.append((quantity, key))
    return found


def _bracketed(text: str, site: Site, source: Source) -> str:
    """The text as it can stand where an expression stood."""
    parent = source.parent(site.node)
    if isinstance(parent, ast.BinOp | ast.UnaryOp | ast.Attribute | ast.Subscript) or (
        isinstance(parent, ast.Call) and parent.func is site.node
    ):
        return tight(text)
    return text


def _depth(site: Site, trace: Trace) -> int:
    depth = 0
    parent = site.parent
    while parent is not None:
        depth += 1
        parent = trace.sites[parent].parent
    return depth


def _cost(text: str) -> int:
    """Plain names first, then attributes, elements, calls."""
    return 0 if text.isidentifier() else 1 + text.count("[") + text.count("(") + text.count(" ")


def _harmless(node: ast.AST) -> bool:
    """Whether an expression computes something and does nothing else."""
    for inner in ast.walk(node):
        if isinstance(
            inner, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom | ast.Lambda | ast.comprehension
        ):
            return False
        if isinstance(inner, ast.Call) and not is_plain(inner):
            function = inner.func
            if not isinstance(function, ast.Attribute):
                return False
            if function.attr not in PURE or any(k.arg == "out" for k in inner.keywords):
                return False
    return True


def _edit(source: Source, offset: int, splices: tuple[Splice, ...], kind: str, sentence: str) -> Edit:
    return Edit(splices, source.path, source.line(offset), offset, kind, sentence, 0.0)
