"""Our own implementations broken, one edit of an equation at a time.

A side is read as the functions that ran, each statement an equation; a `Break` is a change of the text of
one of these functions. The edits are those that people make when they write such equations down: another
quantity of the same shape, another step, a transpose more or less, a term, a factor or a sum left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, permutations

from .parts import CUT, EXAMPLE, RATE, SHARE, THROUGHOUT, Break, Equation, Part, Shape, Splice
from .pieces import set_in
from .readings import other_axes, wrapped
from .variants import BOUNDS, Variants, length_of

OF_ONE_TURN = 0.3  # how much more far-fetched an edit is that holds in one turn of a loop only


def together(found: Sequence[Break]) -> Iterator[tuple[Break, ...]]:
    """The same edit in every sum of a function, in two of its loops, and in all equations that hold it."""
    sums, loops = _sums_and_loops(found)
    for alike in sums.values():
        for part in {id(one.part) for one in alike}:
            of_part = tuple(one for one in alike if id(one.part) == part)
            if len(of_part) > 1:
                yield of_part
    for several in loops.values():
        yield from combinations(several, 2)
    yield from _alike(found)


def across(found: Sequence[Break]) -> Iterator[tuple[Break, ...]]:
    """The same edit in several functions: in every sum, in a loop of each of two, and of what several read."""
    found = [one for one in found if not one.part.written_out]
    sums, loops = _sums_and_loops(found)
    for alike in sums.values():
        if len({id(one.part) for one in alike}) > 1:
            yield tuple(alike)
    for several in loops.values():
        yield from ((one, other) for one, other in combinations(several, 2) if one.part is not other.part)
    yield from _across(found)


def _sums_and_loops(found: Sequence[Break]) -> tuple[dict[str, list[Break]], dict[str, list[Break]]]:
    """Edits of sums, one a sum, and of what loops go through, by what they are called."""
    sums: dict[str, dict[int, Break]] = {}
    loops: dict[str, list[Break]] = {}
    for one in found:
        (first, *rest) = one.equations
        if not rest and isinstance(first.node, ast.AugAssign) and one.splices[0][:2] == first.span:
            sums.setdefault(one.rule, {}).setdefault(id(first), one)
        elif one.of_loop:
            loops.setdefault(one.rule, []).append(one)
    return {rule: list(alike.values()) for rule, alike in sums.items()}, loops


def _alike(found: Sequence[Break]) -> Iterator[tuple[Break, ...]]:
    """The same edit in all equations of a part that hold it: all, those of one kind, or those of one table."""
    groups: dict[tuple[int, str, str], dict[int, Break]] = {}
    for one in found:
        first = one.equations[0]
        if one.of_loop or len(one.equations) > 1 or len(one.splices) > 1 or not first.makes_a_quantity:
            continue
        if "[" in one.reads and not one.rule.endswith(THROUGHOUT):
            table = one.reads.partition("[")[0]
            groups.setdefault((id(one.part), f"{table}[]", one.rule.replace(one.reads, table)), {})[id(first)] = one
        if one.reads:
            continue
        table = first.target.partition("[")[0] if "[" in first.target else ""
        for kind in ("", first.kind, f"{table}["):
            if kind != "[":
                groups.setdefault((id(one.part), kind, one.rule), {}).setdefault(id(first), one)
    seen: set[tuple[int, ...]] = set()
    for several in groups.values():
        key = tuple(sorted(map(id, several.values())))
        if len(several) > 1 and key not in seen:
            seen.add(key)
            yield tuple(several.values())


def _across(found: Sequence[Break]) -> Iterator[tuple[Break, ...]]:
    """The same quantity read otherwise in several parts: a name replaced throughout."""
    readings: dict[tuple[str, str], dict[int, Break]] = {}
    for one in found:
        if one.reads:
            parts = readings.setdefault((one.reads, one.rule.removesuffix(THROUGHOUT)), {})
            function = id(one.part.function)
            if function not in parts or len(one.splices) > len(parts[function].splices):
                parts[function] = one
    for by_part in readings.values():
        alike = list(by_part.values())
        yield from combinations(alike, 2)
        if len(alike) > 2:
            yield tuple(alike)


def breaks(parts: Sequence[Part], sizes: Mapping[str, int], example_by_example: bool = False) -> list[Break]:
    """Every edit of the parts, the most natural first; `sizes` are those of the run they were read from.

    `example_by_example` says that the parts are run once for each of several examples.
    """
    found: list[Break] = []
    for part in parts:
        found += _Writer(part, sizes, example_by_example).all()
    for one in found:
        one.cost += OF_ONE_TURN * one.part.written_out
    seen: set[tuple[int, tuple[Splice, ...]]] = set()
    once: set[tuple[int, str]] = set()  # edits of what stands in no loop, by line
    unique = []
    for one in sorted(found, key=lambda b: (b.part.written_out, b.cost)):
        key = (id(one.part), one.splices)
        if key in seen:
            continue
        seen.add(key)
        line = one.equations[0].line
        if one.part.written_out:
            if (line, re.sub(r"(?<=[a-z])_\d+\b", "", one.becomes)) in once:
                continue
        elif one.equations[0].loop is None:
            once.add((line, one.becomes))
        unique.append(one)
    return sorted(unique, key=lambda b: b.cost)


class _Writer(Variants):
    """Writes the edits of one part."""

    def all(self) -> Iterator[Break]:
        for equation in self.part.equations:
            if isinstance(equation.node, ast.For):
                yield from self._loop(equation)
                continue
            yield from self._statement(equation)
            for node in self._expressions(equation):
                for text, rule, cost in self.variants(node, equation):
                    one = self._replaced(node, text, equation, rule, cost)
                    one.reads = ast.unparse(node) if isinstance(node, ast.Name | ast.Subscript) else ""
                    yield one
                yield from self._inlined(node, equation)
                yield from self._made_later(node, equation)
        yield from self._throughout()
        yield from self._in_every_term()
        yield from self._along_another_axis()
        yield from self._exchanged()
        yield from self._shifted_throughout()
        yield from self._other_step_for_most()
        yield from self._one_array_for_all_steps()
        yield from self._tables_exchanged()
        yield from self._siblings()

    def _replaced(self, node: ast.AST, text: str, equation: Equation, rule: str, cost: float) -> Break:
        return Break(self.part, [Splice(*self.part.span(node), text)], [equation], rule, cost)

    # Other statements.

    def _statement(self, equation: Equation) -> Iterator[Break]:
        node, value = equation.node, equation.value
        if value is None or isinstance(node, ast.Return) or not equation.makes_a_quantity:
            return
        target, text = equation.target, wrapped(value)
        span = equation.span

        def instead(words: str, rule: str, cost: float) -> Break:
            return Break(self.part, [Splice(*span, words)], [equation], rule, cost)

        if isinstance(node, ast.AugAssign):
            yield instead(f"{target} = {text}", "= for +=", 1.0)
            yield instead(f"{target} -= {text}", "a sign: -= for +=", 1.2)
            yield instead("pass", "the sum left out", 1.4)
            for other in self._sums() - {target}:
                if self.part.quantities.get(other) == self.part.quantities.get(target):
                    yield instead(f"{other} += {text}", f"added to {other}", 1.8)
            if equation.loop is not None and isinstance(equation.loop.target, ast.Name):
                t, length = equation.loop.target.id, length_of(equation.loop.iter)
                yield instead(
                    f"{target} += {text} if {t} > 0 else 0", "the first step left out of the sum", 1.8
                )
                yield instead(f"{target} += {text} if {t} == 0 else 0", "only the first step in the sum", 1.9)
                if length:
                    last = f"{t} == {length} - 1"
                    yield instead(
                        f"{target} += {text} if {last} else 0", "only the last step in the sum", 1.9
                    )
                    but = f"{t} < {length} - 1"
                    yield instead(
                        f"{target} += {text} if {but} else 0", "the last step left out of the sum", 2.0
                    )
        else:
            if isinstance(node.targets[0], ast.Name) and equation.loop is not None:  # type: ignore[attr-defined]
                yield instead(f"{target} += {text}", "+= for =", 1.2)
                for other, its in self.part.quantities.items():
                    if its == self.part.quantities.get(target) and "[0]" not in other:
                        yield instead(f"{target} = {text} + {other}", f"{other} added", 2.2)
                        yield instead(f"{target} = {other}", f"{other} in its place", 2.3)
                yield instead("pass", "never updated", 1.1)
                t, length = getattr(equation.loop.target, "id", ""), length_of(equation.loop.iter)
                zero = f"0 * {target}"
                if t and length:
                    yield instead(
                        f"{target} = {text} if {t} > 0 else {target}", "not updated at the first step", 1.8
                    )
                    yield instead(f"{target} = {text} if {t} > 0 else {zero}", "zero at the first step", 2.0)
                    half = f"({length} - {t}) % 3"
                    yield instead(f"{target} = {text} if {half} else {zero}", "zero every third step", 4.0)
                    half = f"({length} - {t}) % 2"
                    yield instead(f"{target} = {text} if {half} else {zero}", "zero every second step", 4.0)
            elif isinstance(node.targets[0], ast.Name) or self.part.written_out:  # type: ignore[attr-defined]
                yield instead(f"{target} = 0 * ({text})", "left out: zero", 2.0)
                for other, its in self.part.quantities.items():
                    alike = other != target and its == self.part.quantities.get(target)
                    if alike and self._made_before(other, value):
                        yield instead(f"{target} = {other}", f"{other} in its place", 2.1)
        # What another one makes, and nobody else reads, is scaled there.
        readers = sum(e.reads(value.id) for e in self.part.equations) if isinstance(value, ast.Name) else 2
        if isinstance(node, ast.AugAssign) or readers > 1:
            yield from self._scaled(equation, instead, target, text)
        for factor in self._factors_of_readers(equation):
            yield instead(f"{target} = {text} * {factor}", f"the factor {factor} of what reads it here already", 2.0)
        yield from self._of_some_examples(equation, instead, text)
        yield from self._moved(equation)
        yield from self._updated_too_early(equation)

    def _factors_of_readers(self, equation: Equation) -> Iterator[str]:
        """What the equation after it in a loop multiplies a quantity by."""
        if equation.loop is None or not isinstance(equation.node, ast.Assign):
            return
        for other in equation.block:
            value = other.value
            if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult) and other.span > equation.span:
                for one, factor in ((value.left, value.right), (value.right, value.left)):
                    if ast.unparse(one) == equation.target:
                        yield wrapped(factor)

    def _of_some_examples(
        self, equation: Equation, instead: Callable[[str, str, float], Break], text: str
    ) -> Iterator[Break]:
        """A sum over the examples, where these come one at a time, that leaves some of them out."""
        table, bracket, _ = equation.target.partition("[")
        summed = isinstance(equation.node, ast.AugAssign)
        returned = table in self.part.returned and (bracket or table in self.part.numbers)
        if self.example_by_example and (summed or returned):
            sign = "+=" if summed else "="
            for which, words, cost in (
                (f"{EXAMPLE} == batch - 1", "only the last example in the sum", 1.7),
                (f"{EXAMPLE} == 0", "only the first example in the sum", 1.9),
                (f"{EXAMPLE} > 0", "the first example left out of the sum", 1.9),
                (f"{EXAMPLE} < batch - 1", "the last example left out of the sum", 2.0),
            ):
                yield instead(f"{equation.target} {sign} {text} * ({which})", words, cost)
            if summed:
                last = f"{equation.target} = {text} * ({EXAMPLE} == batch - 1)"
                yield instead(last, "= for +=, over the examples too", 1.8)

    def _scaled(
        self, equation: Equation, instead: Callable[[str, str, float], Break], target: str, text: str
    ) -> Iterator[Break]:
        """The whole right-hand side negated, divided, multiplied, cut off."""
        sign = "+=" if isinstance(equation.node, ast.AugAssign) else "="
        if sign == "=":
            yield instead(f"{target} = -({text})", "a sign", 1.3)
        for axis in self.axes:
            cost = 1.5 if axis in ("batch", "time") else 3.0
            yield instead(f"{target} {sign} {text} / {axis}", f"divided by the size of {axis}", cost)
            yield instead(f"{target} {sign} {text} * {axis}", f"multiplied by the size of {axis}", cost + 0.4)
        if {"batch", "time"} <= set(self.axes):
            yield instead(f"{target} {sign} {text} / (batch * time)", "divided by batch times time", 1.8)
            yield instead(f"{target} {sign} {text} * (batch * time)", "multiplied by batch times time", 2.2)
        yield instead(f"{target} {sign} 2 * {text}", "taken twice", 1.8)
        if len(self.part.quantities.get(equation.target, ())) > 0:
            yield instead(f"{target} {sign} np.sum({text})", "summed over everything", 2.2)
        yield instead(f"{target} {sign} {text} / 2", "taken half", 2.2)
        yield instead(f"{target} {sign} {text} / {SHARE}", "not averaged", 1.8)
        yield instead(f"{target} {sign} {text} * {SHARE}", "averaged once more", 1.8)
        if isinstance(equation.value, ast.Name):
            return
        for bound in BOUNDS if equation.loop is not None else ():
            yield instead(f"{target} {sign} {CUT}({text}, {bound:g})", f"clipped to ±{bound:g} here", 2.4)

    def _moved(self, equation: Equation) -> Iterator[Break]:
        """A statement put before the one or two in front of it: it reads what the step before left there."""
        if equation.loop is None:
            return
        place = next(i for i, other in enumerate(equation.block) if other is equation)
        for back in (1, 2, 3):
            if place < back:
                return
            passed = equation.block[place - back : place]
            if any(isinstance(e.node, ast.For) for e in passed):
                return
            read = {n.id for n in ast.walk(equation.node) if isinstance(n, ast.Name)}
            made = {name for e in passed for name in set_in(e.node)}
            mine = set_in(equation.node)
            uses = {n.id for e in passed for n in ast.walk(e.node) if isinstance(n, ast.Name)}
            if not (read & made or mine & uses):
                continue
            start, end = passed[0].span[0], equation.span[1]
            order = [equation, *passed]
            gap = self.part.text[passed[-1].span[1] : equation.span[0]]
            if gap.strip() or end - start != sum(len(e.text) for e in order) + len(gap) * back:
                continue
            text = gap.join(e.text for e in order)
            splices = [Splice(start, end, text)]
            first = self._first_values(made & read, equation)
            if first is None:
                continue
            yield Break(
                self.part,
                [*splices, *first],
                [equation, *passed],
                f"done before {passed[0].target}, with what the step before left",
                2.0 + 0.2 * back,
            )

    def _first_values(self, names: set[str], equation: Equation) -> list[Splice] | None:
        """Zeros, in front of the loop, for names that the loop would read before it makes them."""
        loop = equation.loop
        assert loop is not None
        before = self.part.text[: self.part.span(loop)[0]]
        lines = []
        for name in sorted(names):
            if f" {name} = " in before or name in self.part.arguments:
                continue
            shape = self.part.quantities.get(name)
            like = next(
                (o for o, s in self.part.quantities.items() if s == shape and f" {o} = " in before), None
            )
            if shape is None or like is None:
                return None
            lines.append(f"{name} = 0 * {like}")
        if not lines:
            return []
        start = self.part.span(loop)[0]
        indent = " " * loop.col_offset
        return [Splice(start, start, "".join(f"{line}\n{indent}" for line in lines))]

    def _updated_too_early(self, equation: Equation) -> Iterator[Break]:
        """A weight that has learned already when the gradient is passed back through it."""
        if equation.value is None:
            return
        start = equation.span[0]
        for name in self.part.arguments:
            shape = self.part.quantities.get(name)
            if shape is None or len(shape) != 2 or min(shape) < 2 or f"d{name}" not in self.part.texts:
                continue
            if name not in {n.id for n in ast.walk(equation.value) if isinstance(n, ast.Name)}:
                continue
            indent = "\n" + " " * equation.node.col_offset
            learned = [f"d{name}"]
            for other in equation.block:
                if isinstance(other.node, ast.AugAssign) and other.target == f"d{name}":
                    learned.append(wrapped(other.node.value))
            learned += self._so_far(name, equation)
            for what in learned:
                step = f"{name} = {name} - {RATE} * {what}"
                yield Break(
                    self.part,
                    [Splice(start, start, step + indent)],
                    [equation],
                    f"{name} updated before the gradient is passed through it",
                    1.8,
                )

    def _so_far(self, name: str, equation: Equation) -> list[str]:
        """What a weight's gradient is up to a step, where one product after the loop makes all of it."""
        loop = equation.loop
        if loop is None or not isinstance(loop.target, ast.Name):
            return []
        t = loop.target.id
        for other in self.part.equations:
            if other.target == f"d{name}" and isinstance(other.value, ast.BinOp) and other.makes_a_quantity:
                text = self.part.text[slice(*self.part.span(other.value))]
                for inner in ast.walk(other.value):
                    made = self._definition(inner) if isinstance(inner, ast.Name) else None
                    if isinstance(inner, ast.Name) and isinstance(made, ast.Call):
                        text = re.sub(rf"\b{inner.id}\b", ast.unparse(made), text)
                text = re.sub(r"\brows\((\w+)\)", rf"rows(\1[{t}:])", text)
                return [f"({text})", f"({text.replace(f'[{t}:]', f'[{t}]')})"]
        return []

    def _loop(self, equation: Equation) -> Iterator[Break]:
        loop = equation.node
        assert isinstance(loop, ast.For)
        text = ast.unparse(loop.iter)
        others = []
        if isinstance(loop.iter, ast.Name):
            others.append((f"list({text})[1:]", "the first step is left out", 1.7))
            others.append((f"list({text})[:-1]", "the last step is left out", 1.9))
            others.append((f"list({text})[-1:]", "only the last step is gone back through", 2.4))
        if text.startswith("reversed("):
            inner = text[len("reversed(") : -1]
            others.append((inner, "the loop runs forwards", 2.0))
            if inner.startswith("range("):
                n = inner[len("range(") : -1]
                others.append((f"reversed(range(1, {n}))", "the first step is left out", 1.6))
                others.append((f"reversed(range({n} - 1))", "the last step is left out", 1.8))
                others.append((f"[{n} - 1]", "only the last step is gone back through", 2.4))
        for other, rule, cost in others if self._body(loop) else ():
            steps = Splice(*self.part.span(loop.iter), other)
            one = Break(self.part, [steps], self._body(loop), rule, cost)
            one.of_loop = True
            yield one

    def _body(self, loop: ast.For) -> list[Equation]:
        return [e for e in self.part.equations if e.loop is loop]

    # The same change at several places.

    def _throughout(self) -> Iterator[Break]:
        places: dict[str, list[tuple[ast.expr, Equation]]] = {}
        for equation in self.part.equations:
            for node in self._expressions(equation):
                named = isinstance(node, ast.Name | ast.Subscript) and self.part.shape(node) is not None
                if named or (isinstance(node, ast.Name) and node.id in self.part.numbers):
                    places.setdefault(ast.unparse(node), []).append((node, equation))
        for text, uses in places.items():
            if len(uses) < 2:
                continue
            by_rule: dict[str, list[tuple[Splice, Equation, float]]] = {}
            for node, equation in uses:
                for other, rule, cost in self.variants(node, equation):
                    by_rule.setdefault(rule, []).append(
                        (Splice(*self.part.span(node), other), equation, cost)
                    )
            for rule, changes in by_rule.items():
                if len(changes) < 2:
                    continue
                spans = [c[0] for c in changes]
                hit = list(dict.fromkeys(c[1] for c in changes))
                one = Break(self.part, spans, hit, f"{rule}{THROUGHOUT}", changes[0][2] + 0.6)
                one.reads = text
                yield one
                for equation in hit:
                    here = [c[0] for c in changes if c[1] is equation]
                    if 1 < len(here) < len(changes):
                        rule_here = f"{rule}, throughout this line"
                        yield Break(self.part, here, [equation], rule_here, changes[0][2] + 0.3)

    def _in_every_term(self) -> Iterator[Break]:
        """The same change in every term of a sum: all of its transposes taken away, say."""
        for equation in self.part.equations:
            by_rule: dict[str, list[Splice]] = {}
            costs: dict[str, tuple[str, float]] = {}
            for node in self._expressions(equation):
                if isinstance(node, ast.Attribute | ast.Name):
                    for other, rule, cost in self.variants(node, equation):
                        # Of another name in each term, it is the same change.
                        alike = re.sub(rf"\b{re.escape(ast.unparse(node))}(?!\w)", "·", rule)
                        by_rule.setdefault(alike, []).append(Splice(*self.part.span(node), other))
                        costs.setdefault(alike, (rule, cost))
            for alike, splices in by_rule.items():
                rule, cost = costs[alike]
                if len(splices) > 1:
                    yield Break(self.part, splices, [equation], f"{rule}, in every term", cost - 0.4)

    def _along_another_axis(self) -> Iterator[Break]:
        """Everything that a function adds up added up along another axis."""
        by_axis: dict[str, list[tuple[Splice, Equation]]] = {}
        for equation in self.part.equations:
            for node in self._expressions(equation):
                if isinstance(node, ast.Call):
                    for axis, text in other_axes(node, self.reader).items():
                        by_axis.setdefault(axis, []).append((Splice(*self.part.span(node), text), equation))
        for axis, places in by_axis.items():
            if len(places) > 1:
                splices, equations = zip(*places, strict=True)
                yield Break(self.part, splices, tuple(dict.fromkeys(equations)), f"everything along axis {axis}", 2.0)

    def _exchanged(self) -> Iterator[Break]:
        """Two quantities of a shape in each other's place: in a line, or where several are taken out of one array."""
        for equation in self.part.equations:
            node = equation.node
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                yield from self._exchange([n for n in node.targets[0].elts if isinstance(n, ast.Name)], equation, 1.6)
                continue
            if isinstance(node, ast.Assign) and equation.loop is not None:
                yield from self._exchange_results(equation)
            read = [n for n in self._expressions(equation) if isinstance(n, ast.Name | ast.Subscript)]
            if equation.makes_a_quantity and len(read) < 12:
                yield from self._exchange(read, equation, 2.0)

    def _exchange_results(self, equation: Equation) -> Iterator[Break]:
        """What two equations of a loop make, each under the other's name."""
        for other in equation.block:
            first, second = equation.target, other.target
            alike = isinstance(other.node, ast.Assign) and other.makes_a_quantity and other.span > equation.span
            shape = self.part.quantities.get(first)
            if alike and equation.makes_a_quantity and shape is not None and shape == self.part.quantities.get(second):
                splices = [
                    Splice(*self.part.span(one.node.targets[0]), name)  # type: ignore[attr-defined]
                    for one, name in ((equation, second), (other, first))
                ]
                yield Break(self.part, splices, [equation, other], f"{first} and {second} under each other's name", 2.0)

    def _exchange(self, nodes: Sequence[ast.expr], equation: Equation, cost: float) -> Iterator[Break]:
        for one, other in combinations(nodes, 2):
            a, b = ast.unparse(one), ast.unparse(other)
            shape = self.part.shape(one)
            if a != b and shape is not None and shape == self.part.shape(other):
                splices = [Splice(*self.part.span(one), b), Splice(*self.part.span(other), a)]
                yield Break(self.part, splices, [equation], f"{a} and {b} exchanged", cost)

    def _shifted_throughout(self) -> Iterator[Break]:
        """Every element of a list read at another step, round the end of the list where need be."""
        for name, lowest in self.part.by_step.items():
            places = [
                (node, equation)
                for equation in self.part.equations
                for node in self._expressions(equation)
                if isinstance(node, ast.Subscript)
                and ast.unparse(node.value) == name
                and equation.loop is not None
            ]
            if len({ast.unparse(node) for node, _ in places}) < 2:
                continue
            size = f"len({name})"
            for shift, words in ((-1, "before"), (1, "after")):
                splices = [
                    Splice(
                        *self.part.span(node),
                        f"{name}[{_round(ast.unparse(node.slice), shift, lowest, size)}]",
                    )
                    for node, _ in places
                ]
                hit = list(dict.fromkeys(equation for _, equation in places))
                rule = f"{name} of the step {words} (wrapping around){THROUGHOUT}"
                one = Break(self.part, splices, hit, rule, 2.2)
                one.reads = name
                yield one

    def _other_step_for_most(self) -> Iterator[Break]:
        """All that a loop reads of a step read of another one: of all lists, or of all but one."""
        for equation in self.part.equations:
            loop = equation.node
            if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Name):
                continue
            t, length = loop.target.id, length_of(loop.iter)
            places = [
                (node, inner)
                for inner in self._body(loop)
                for node in self._expressions(inner)
                if isinstance(node, ast.Subscript) and t in ast.unparse(node.slice) and self.part.shape(node)
            ]
            lists = sorted({ast.unparse(node.value) for node, _ in places})
            for left_out in ("", *lists):
                read = [(node, inner) for node, inner in places if ast.unparse(node.value) != left_out]
                if length is None or len({ast.unparse(node) for node, _ in read}) < 2:
                    continue
                for other, words in (
                    (f"(({t} - 1) % {length})", "the step before (wrapping around)"),
                    (f"(({t} + 1) % {length})", "the step after (wrapping around)"),
                    (f"({length} - 1 - {t})", "the steps in reverse order"),
                ):
                    splices = []
                    for node, _ in read:
                        index = re.sub(rf"\b{t}\b", other, ast.unparse(node.slice))
                        splices.append(Splice(*self.part.span(node), f"{ast.unparse(node.value)}[{index}]"))
                    hit = list(dict.fromkeys(inner for _, inner in read))
                    rule = words + (f" for all but {left_out}" if left_out else "")
                    yield Break(self.part, splices, hit, rule, 2.4)

    def _one_array_for_all_steps(self) -> Iterator[Break]:
        """States kept in one array, so that all of them are what came last."""
        if not self.part.equations:
            return
        first = self.part.equations[0]
        start, gap = first.span[0], "\n" + " " * first.node.col_offset
        time = self.sizes.get("time", 0)
        others = []
        for name, lowest in self.part.by_step.items():
            if name in self.part.arguments:
                last = f"{name}[max({name})]"
                others.append((name, f"{name} = {{step: {last} for step in {name}}}", "all steps", 2.6))
                if lowest < 0:
                    kept = f"{name}[step] if step < 0 else {last}"
                    others.append(
                        (
                            name,
                            f"{name} = {{step: {kept} for step in {name}}}",
                            "all steps but the start",
                            2.4,
                        )
                    )
                    kept = f"{last} if step < 0 else {name}[step]"
                    others.append((name, f"{name} = {{step: {kept} for step in {name}}}", "the start", 2.4))
        for name in self.part.arguments:
            shape = self.part.quantities.get(name, ())
            if len(shape) == 3 and time > 1 and shape[0] in (time, time + 1):
                others.append((name, f"{name} = 0 * {name} + {name}[-1]", "all steps", 2.8))
                if shape[0] == time + 1:
                    kept = f"np.concatenate([{name}[:1], 0 * {name}[1:] + {name}[-1]])"
                    others.append((name, f"{name} = {kept}", "all steps but the start", 2.6))
        for name, statement, which, cost in others:
            users = [e for e in self.part.equations if e.makes_a_quantity and e.reads(name)]
            one = Break(
                self.part,
                [Splice(start, start, statement + gap)],
                users or [first],
                f"the last of {name} in the place of {which}",
                cost,
            )
            one.reads, one.opens = name, statement
            yield one

    def _tables_exchanged(self) -> Iterator[Break]:
        """What is kept of all steps taken out in another order: two, or three, under each other's names."""
        if not self.part.equations:
            return
        shapes: dict[Shape, list[str]] = {}
        for name, lowest in self.part.by_step.items():
            if name in self.part.arguments:
                shapes.setdefault((lowest, *self.part.seen(name)[lowest].shape), []).append(name)
        first = self.part.equations[0]
        start, gap = first.span[0], "\n" + " " * first.node.col_offset
        for names in shapes.values():
            for order in (*combinations(names, 2), *permutations(names, 3)):
                if len(order) == 3 and order[0] != min(order):
                    continue  # the same three, begun elsewhere
                turned = (*order[1:], order[0])
                statement = f"{', '.join(order)} = {', '.join(turned)}"
                users = [e for e in self.part.equations if e.makes_a_quantity and any(map(e.reads, order))]
                rule = f"{', '.join(turned)} taken for {', '.join(order)}"
                splice = Splice(start, start, statement + gap)
                one = Break(self.part, [splice], users or [first], rule, len(order) - 0.2)
                one.opens = statement
                yield one

    def _siblings(self) -> Iterator[Break]:
        """A small function taken for another one of its module that takes the same arguments."""
        if len(self.part.arguments) != 1 or not self.part.equations:
            return
        start, end = self.part.equations[0].span[0], self.part.equations[-1].span[1]
        (argument,) = self.part.arguments
        for name in self._alike(self.part.name):
            last = self.part.equations[-1]
            rule = f"{name} where {self.part.name} stands"
            one = Break(self.part, [Splice(start, end, f"return {name}({argument})")], [last], rule, 1.8)
            one.opens = f"{self.part.name}({argument}) = {name}({argument})"
            yield one

    # A quantity made differently for one use only.

    def _inlined(self, node: ast.expr, equation: Equation) -> Iterator[Break]:
        made = self._definition(node)
        if made is None or not isinstance(node, ast.Name) or equation.target == node.id:
            return
        whole = self.part.text[slice(*self.part.span(made))]
        start = self.part.span(made)[0]
        for inner in self._inside(made):
            variants = list(self.variants(inner, equation))
            deeper = self._definition(inner)
            if deeper is not None:
                variants += [
                    (text, rule, cost + 0.3)
                    for one in [deeper]
                    for text, rule, cost in self.variants(one, equation)
                ]
            for text, rule, cost in variants:
                s, e = self.part.span(inner)
                other = f"({whole[: s - start]}{text}{whole[e - start :]})"
                yield self._replaced(
                    node, other, equation, f"{node.id} made otherwise here: {rule}", cost + 1.5
                )
        yield from (
            self._replaced(
                node,
                f"({factor} * {node.id})",
                equation,
                f"times {factor} once more",
                2.2,
            )
            for factor in self._factors(made)
        )

    def _made_later(self, node: ast.expr, equation: Equation) -> Iterator[Break]:
        """A quantity of the same shape that is made only afterwards."""
        shape = self.part.quantities.get(ast.unparse(node)) if isinstance(node, ast.Name) else None
        if shape is None:
            return
        for other in equation.block:
            later = other.span[0] > equation.span[0] and isinstance(other.node, ast.Assign)
            if later and other.value is not None and self.part.quantities.get(other.target) == shape:
                text = wrapped(other.value)
                rule = f"{other.target} where {ast.unparse(node)} stands"
                yield self._replaced(node, text, equation, rule, 2.4)

    def _factors(self, made: ast.expr) -> Iterator[str]:
        if isinstance(made, ast.BinOp) and isinstance(made.op, ast.Mult):
            yield wrapped(made.left)
            yield wrapped(made.right)


def _round(index: str, shift: int, lowest: int, size: str) -> str:
    """An index moved by some steps, round the end of a list whose first index is `lowest`."""
    moved = shift - lowest
    there = f"({index} {'+' if moved > 0 else '-'} {abs(moved)})" if moved else f"({index})"
    return f"{there} % {size}" + (f" - {-lowest}" if lowest else "")
