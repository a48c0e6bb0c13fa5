"""The trusted side, read: every quantity that it computes, and what each is made from.

It is run with every expression reporting its value, one example at a time. Each value has a name there
(`daraw`, `dWaa`, or the expression's own text) and a step.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, reduce
from itertools import combinations
from typing import Any

import numpy as np

from ..case import Case
from ..declaration import Declaration
from ..run import canonical
from .quantities import (
    VISITS,
    Formula,
    Key,
    Operand,
    Quantity,
    Spot,
    alike,
    bracketed,
    is_finer,
    keys_of,
    stacked,
    trivial,
)
from .source import Scope
from .trace import Array, Event, Recorder, Site

JOINS = frozenset({"concatenate", "stack", "hstack", "vstack", "column_stack", "append", "block", "r_", "c_"})


class Computed:
    """Every value of the trusted side on a case, and what each is made from."""

    def __init__(self, trusted: Declaration, case: Case) -> None:
        objective = trusted.objective
        self.upstream = trusted.family.all_given(objective) if objective.upstream else set[str]()
        self.quantities: list[Quantity] = []
        self._keys: dict[Key, list[tuple[int, int | None]]] = {}
        self._parts: dict[int, list[int]] = {}
        self._behind: dict[tuple[int, ...], list[tuple[int, int | None]]] = {}
        self._read(trusted, case)

    # Reading the trusted side's run.

    def _read(self, trusted: Declaration, case: Case) -> None:
        count = case.sizes["batch"] if trusted.layout.one_example else 1
        axes = trusted.family, trusted.objective
        examples = [case.example(*axes, n) for n in range(count)] if count > 1 else [case]
        scope = Scope.discover(lambda: canonical(trusted, examples[0]), _modules_of(trusted))
        self.recorder = recorder = Recorder()
        rest: list[list[Event]] = []
        with scope.traced(recorder):
            canonical(trusted, examples[0])
            for example in examples[1:]:
                with recorder.aside() as events:
                    canonical(trusted, example)
                rest.append(events)
        self._series(recorder, rest)

    def _series(self, first: Recorder, rest: Sequence[Sequence[Event]]) -> None:
        """Name the values of every site at every step, and know how each is made from others.

        `first` has seen the first example, `rest` are the events of the others.
        """
        stacks, keys_at = stacked([[event.value for event in run] for run in (first.events, *rest)])
        at: dict[Spot, dict[int | None, int]] = {}  # of each spot its events, step by step
        visits: dict[tuple[int, int | None], int] = {}
        for position, event in enumerate(first.events):
            step = step_of(first, event)
            visit = visits.get((event.site, step), 0)
            visits[event.site, step] = visit + 1
            if visit < VISITS:
                at.setdefault((event.site, visit), {})[step] = position
        # What is named by assignment first, so that a value is called by its name where it has one.
        place = {spot: k for k, spot in enumerate(at)}
        top = first.frames[1].function
        # A function that helps at a step has names of its own for whatever it is handed.
        looping = {frame.number for frame in first.frames if "t" in dict(frame.loops)}
        helping = {spot for spot, its in at.items() if any(first.events[p].frame in looping for p in its.values())}
        rank = {s: max(_rank(first.sites[s[0]], top), 2 * (s in helping)) for s in at}
        spots = sorted(at, key=lambda s: (rank[s], place[s]))
        of_site: dict[Spot, tuple[int, int | None]] = {}
        for spot in spots:
            site = first.sites[spot[0]]
            series = {step: value for step, p in at[spot].items() if (value := stacks[p]) is not None}
            # A number that is the same for all examples is a number all the same: a scale.
            ends = [value[:1] if value[0].size == 1 else value for value in [*series.values()][:: len(series) - 1 or 1]]
            if all(map(trivial, ends)):
                continue
            keys = {step: key for step in series if (key := keys_at[at[spot][step]]) is not None}
            found = self._same(series, keys)
            if found is None:
                found = self._new(Quantity(_called(site), series, place[spot]), keys), 0
                self.quantities[-1].named = site.kind != "load"
                self.quantities[-1].spot = spot
            else:
                same = self.quantities[found[0]]
                if len(series) + 1 >= len(same.values):
                    # What is the same at one step only is not called so.
                    same.aliases.append(_called(site))
                if found[1] in (0, None) and list(same.values) == list(series) and is_finer(series, same.values):
                    same.values = series
            of_site[spot] = found
        self._formulas(first, of_site)
        self._sums_of_steps()
        for number in range(len(self.quantities)):
            self._regroup(number, ast.Mult)
            self._regroup(number, ast.Add)
        names: set[str] = set()
        for quantity in self.quantities:
            if quantity.name in names or not quantity.name.isidentifier():
                other = (a for a in quantity.aliases if a.isidentifier() and a not in names)
                quantity.name = next(other, quantity.name)
            names.add(quantity.name)

    def _new(self, quantity: Quantity, keys: Mapping[int | None, Key]) -> int:
        """The number of a quantity that nothing before is equal to, and that is looked up under these keys."""
        self.quantities.append(quantity)
        for step, key in keys.items():
            self._keys.setdefault(key, []).append((len(self.quantities) - 1, step))
        return len(self.quantities) - 1

    def _same(
        self, series: Mapping[int | None, Array], keys: Mapping[int | None, Key]
    ) -> tuple[int, int | None] | None:
        """The quantity that has these values already, and how many steps it is ahead."""
        options: dict[tuple[int, int | None], int] = {}
        for step, key in keys.items():
            for quantity, other in self._keys.get(key, ()):
                if not alike(self.quantities[quantity].values[other], series[step]):
                    continue
                shift = other - step if other is not None and step is not None else None
                options[quantity, shift] = options.get((quantity, shift), 0) + 1
        for one, hits in options.items():
            if hits == len(keys):
                return one
        for (quantity, shift), hits in options.items():
            # All but one step: the state before the first one, say, or the gradient that is carried out of the loop.
            if shift is not None and hits == len(keys) - 1 and len(keys) > 2:
                values = self.quantities[quantity].values
                missing = [s for s in keys if s is not None and s + shift not in values]
                steps = [step for step in values if step is not None]
                if len(missing) == 1 and missing[0] + shift in (min(steps) - 1, max(steps) + 1):
                    (step,) = missing
                    added: dict[int | None, Array] = {step + shift: series[step]}
                    # What is there before the first step is so in the order of the steps as well.
                    first = abs(step + shift - steps[0]) == 1
                    self.quantities[quantity].values = {**added, **values} if first else {**values, **added}
                    self._keys.setdefault(keys[step], []).append((quantity, step + shift))
                    return quantity, shift
        return None

    def _formulas(self, recorder: Recorder, of_site: dict[Spot, tuple[int, int | None]]) -> None:
        children = recorder.children()
        for (number, visit), (quantity, ahead) in of_site.items():
            site = recorder.sites[number]
            node: Any = site.node
            inner = [(child, visit) for child in children.get(number, ())]
            added = site.kind == "store" and bool(inner)
            if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call | ast.Compare):
                below = self._operands(recorder, inner, of_site)
            elif added and of_site.get(inner[0], (quantity, 0))[0] != quantity:
                below, node = self._operands(recorder, inner[:1], of_site), None
            else:
                continue
            if not below or any(o.quantity == quantity for o in below):
                continue
            operands = tuple(
                Operand(o, None if s is None or ahead is None else s - ahead, at) for o, s, at in below
            )
            formula = Formula(node, site.text, operands)
            kinds = [[o[:2] for o in f.operands] for f in self.quantities[quantity].formulas]
            if [o[:2] for o in operands] not in kinds:
                self.quantities[quantity].formulas.append(formula)

    def _sums_of_steps(self) -> None:
        """Know what is the sum of a list of something at every step as that something, added up step by step."""
        for quantity in self.quantities:
            for k, formula in enumerate(quantity.formulas):
                listed = self.quantities[formula.operands[0].quantity]
                if getattr(getattr(formula.node, "func", None), "attr", "") != "sum" or listed.formulas:
                    continue
                values = listed.values.get(None)
                for number, each in enumerate(self.quantities if values is not None else ()):
                    steps = list(each.values.values())
                    alike = len(steps) > 1 and all(one.shape == steps[0].shape for one in steps)
                    if alike and values is not None and np.array_equal(np.stack(steps, axis=1), values):
                        added = formula.operands[0]._replace(quantity=number, shift=None)
                        quantity.formulas[k] = Formula(None, formula.text, (added,))

    def _regroup(self, number: int, sign: type[ast.operator]) -> None:
        """Know the sums and products of some of the terms or factors that a quantity is made of."""
        terms = self.terms(number, sign)
        whole = self.quantities[number]
        if not 3 <= len(terms) <= 5:
            return
        # Where it is zero (an initial state that is none, say) some of it may not even be there.
        its = [step for step in whole.steps if not trivial(whole.values[step])]
        # Where only the last step has an output, its state's gradient is made from nothing else.
        its = [step for step in its if all(self._at(*term, step) is not None for term in terms)]
        # Each quantity with how many steps later (or earlier) it is taken.
        made: dict[frozenset[int], tuple[int, int | None]] = {frozenset(range(len(terms))): (number, 0)}
        made |= {frozenset((k,)): term for k, term in enumerate(terms)}
        for count in range(2, len(terms)):
            for chosen in combinations(range(len(terms)), count):
                series: dict[int | None, Array] = {}
                shifts = {terms[k][1] for k in chosen}
                moved = (shifts.pop() or 0) if len(shifts) == 1 else 0
                for step in its:
                    values = [self._at(*terms[k], step) for k in chosen]
                    if all(v is not None and v.shape == whole.values[step].shape for v in values):
                        arrays = [v for v in values if v is not None]
                        there = None if step is None else step + moved
                        series[there] = reduce(np.add if sign is ast.Add else np.multiply, arrays)
                if len(series) < len(its) or not its:
                    return
                if all(trivial(v) for v in series.values()):
                    continue
                keys = keys_of(series)
                found = self._same(series, keys)
                if found is None:
                    mark = " + " if sign is ast.Add else " * "
                    name = mark.join(bracketed(self.quantities[terms[k][0]].name, sign) for k in chosen)
                    found = self._new(Quantity(name, series, whole.order), keys), 0
                made[frozenset(chosen)] = found[0], None if found[1] is None else found[1] + moved
        for parts, (quantity, own) in made.items():
            if parts != frozenset(range(len(terms))):
                whole.shares.setdefault((quantity, own or 0), parts)
            if len(parts) < 2:
                continue
            for one in made:
                other = parts - one
                if not one < parts or other not in made or min(one) != min(parts):
                    continue
                operands = []
                for part, shift in (made[one], made[other]):
                    later = None if shift is None or own is None else shift - own
                    operands.append(Operand(part, later, ast.Name("_", ast.Load())))
                node = ast.BinOp(operands[0].node, sign(), operands[1].node)  # type: ignore[arg-type]
                formula = Formula(node, self.quantities[quantity].name, tuple(operands))
                kept = self.quantities[quantity]
                if quantity == number or kept.formulas:
                    kept.regrouped.append(formula)
                else:
                    kept.formulas.append(formula)

    def terms(
        self, number: int, sign: type[ast.operator], shift: int | None = 0, depth: int = 3
    ) -> list[tuple[int, int | None]]:
        """The quantities that one is the sum, or the product, of, with their steps."""
        for formula in self.quantities[number].formulas:
            node = formula.node
            if depth and isinstance(node, ast.BinOp) and isinstance(node.op, sign) and len(formula.operands) == 2:
                found = []
                for o in formula.operands:
                    inner = None if shift is None or o.shift is None else shift + o.shift
                    found += self.terms(o.quantity, sign, inner, depth - 1)
                return found
        return [(number, shift)]

    def _at(self, quantity: int, shift: int | None, step: int | None) -> Array | None:
        """A quantity's value some steps from one; where it has no step, the one it has."""
        values = self.quantities[quantity].values
        there = None if step is None or shift is None else step + shift
        return values.get(there, values.get(None))

    def _operands(
        self, recorder: Recorder, below: Iterable[Spot], of_site: dict[Spot, tuple[int, int | None]]
    ) -> list[Operand]:
        """The quantities among some sites."""
        return [Operand(*of_site[spot], recorder.sites[spot[0]].node) for spot in below if spot in of_site]

    # What is made from what.

    def last(self, quantity: int) -> Array:
        """What a quantity is at the end of the run."""
        own = self.quantities[quantity]
        return own.values[own.steps[-1]]

    def addends_of(self, quantity: int) -> set[int]:
        """What is added up to a quantity, step by step; of what has no name, what it is made from."""
        below = [o.quantity for f in self.quantities[quantity].formulas if f.node is None for o in f.operands]
        made = [f for one in below if not self.quantities[one].named for f in self.quantities[one].formulas]
        return {*below, *(o.quantity for f in made for o in f.operands)}

    @cached_property
    def addends(self) -> set[int]:
        """What is a term, or the sum of some terms, of anything."""
        found: set[int] = set()
        for quantity in self.quantities:
            for formula in (*quantity.formulas, *quantity.regrouped):
                if isinstance(formula.node, ast.BinOp) and isinstance(formula.node.op, ast.Add):
                    found |= {operand.quantity for operand in formula.operands}
        return found

    def is_given(self, quantity: int) -> bool:
        """Whether a quantity is an upstream gradient, or that of a step."""
        one = self.quantities[quantity]
        return bool(self.upstream) and one.is_gradient and not one.formulas

    @cached_property
    def output(self) -> list[int]:
        """What an upstream gradient is the gradient of: what the trusted side takes it times for its loss."""
        if not self.upstream:
            return []
        found: dict[int, None] = {}
        for quantity in self.quantities:
            for formula in quantity.formulas if quantity.order <= self.losses else ():
                given = [self.is_given(o.quantity) for o in formula.operands]
                if isinstance(formula.node, ast.BinOp) and isinstance(formula.node.op, ast.Mult) and sum(given) == 1:
                    found.setdefault(formula.operands[given.index(False)].quantity)
        return list(found)

    @cached_property
    def losses(self) -> int:
        """Up to where, in its order, the trusted side is on the way to its loss."""
        return max((self.quantities[number].order for number in self.outputs(["loss"])), default=-1)

    @cached_property
    def numbers(self) -> dict[int, float]:
        """The single numbers that the trusted side is handed, whatever the example and the step: scales."""
        found = {}
        for number, quantity in enumerate(self.quantities):
            values = {float(value.flat[0]) for value in quantity.values.values() if value[0].size == 1}
            if len(values) == 1 and not quantity.formulas:
                found[number] = values.pop()
        return found

    @cached_property
    def scales(self) -> set[float]:
        """By what these change the size of what they are taken times, or divided by."""
        both = {f for number in self.numbers.values() if number for f in (number, 1 / number)}
        return {float(f"{factor:.5g}") for factor in both}

    def outputs(self, names: Iterable[str]) -> list[int]:
        """The quantities that the trusted side returns, by canonical name (`Wax` -> `dWax`, `loss`)."""
        wanted = {"loss" if name == "loss" else f"d{name}" for name in names}
        wanted |= {"da_next"} if "da0" in wanted else set()
        found = [k for k, q in enumerate(self.quantities) if {q.name, *q.aliases} & wanted]
        found = [k for whole in found for k in self.parts(whole) or [whole]]
        return list(dict.fromkeys(found))

    def behind(self, outputs: tuple[int, ...]) -> list[tuple[int, int | None]]:
        """The values that have a name of their own among all that some results are made from."""
        found = self._behind.get(outputs)
        if found is None:
            made_from = sorted(self.makings(outputs))
            named = [(k, self.quantities[k]) for k in made_from if self.quantities[k].named]
            found = [(k, t) for k, one in named for t, value in one.values.items() if not trivial(value)]
            self._behind[outputs] = found
        return found

    @cached_property
    def carrying(self) -> set[int]:
        """The quantities that are gradients or made from one."""
        found: set[int] = set()
        for number in sorted(range(len(self.quantities)), key=lambda number: self.quantities[number].order):
            one = self.quantities[number]
            if one.is_gradient or any(o.quantity in found for f in one.formulas for o in f.operands):
                found.add(number)
        return found

    def makings(self, outputs: tuple[int, ...]) -> set[int]:
        """Some results, and all the quantities that they are made from."""
        waiting, seen = list(outputs), set(outputs)
        while waiting:
            below = {o.quantity for f in self.quantities[waiting.pop()].formulas for o in f.operands} - seen
            seen |= below
            waiting += below
        return seen

    def parts(self, whole: int) -> list[int]:
        """What another is put together from, or ends as the slices of along its first axis: one for each gate, say."""
        if whole not in self._parts:
            self._parts[whole] = self._put_together(whole)
        return self._parts[whole]

    def _put_together(self, whole: int) -> list[int]:
        formulas = self.quantities[whole].formulas
        if formulas:
            node = formulas[0].node
            joins = isinstance(node, ast.Call) and getattr(node.func, "attr", "") in JOINS
            return [operand.quantity for operand in formulas[0].operands] if joins else []
        own = self.quantities[whole].values.get(None)
        if own is None or own.ndim < 3 or own.shape[1] > 12:
            return []
        return self._slices(own)

    def _slices(self, value: Array) -> list[int]:
        """The quantities that the slices of an array are at the end of the run: along its first axis, or two."""
        found: list[int] = []
        for k in range(value.shape[1]):
            part = value[:, k]
            ends = ((number, one.values[one.steps[-1]]) for number, one in enumerate(self.quantities) if one.formulas)
            same = [number for number, last in ends if last.shape == part.shape and np.array_equal(last, part)][:1]
            found += same or (self._slices(part) if part.ndim > 3 and part.shape[1] <= 12 else [])
        return found

    def _stacked_as(self, quantity: int) -> tuple[int, int | None] | None:
        """The quantity whose columns, say, another is, step by step: made at once, and then taken apart."""
        values = list(self.quantities[quantity].values.values())
        if len(values) < 2 or len({value.shape for value in values}) > 1:
            return None
        whole = np.stack(values, axis=-1)
        for number, one in enumerate(self.quantities):
            last = one.values[one.steps[-1]] if one.formulas else None
            if last is not None and last.size == whole.size and np.array_equal(last.ravel(), whole.ravel()):
                return number, one.steps[-1]
        return None


def step_of(recorder: Recorder, event: Event) -> int | None:
    """The step `t` of an event: of the innermost loop over it, in its own frame or its callers'."""
    loops, frame = event.loops, recorder.frames[event.frame]
    while True:
        for name, value in reversed(loops):
            if name == "t":
                return value
        if frame.number == 0:
            return None
        loops, frame = frame.loops, recorder.frames[frame.caller]


def _called(site: Site) -> str:
    """What a value is called where it first has a name: the variable, or the expression's text."""
    node = site.node
    while isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name | ast.Subscript):
        if any(isinstance(getattr(n, "value", None), str) for n in ast.walk(node.slice)):
            return site.text  # of a dict, whose name says nothing of what is in it
        node = node.value
    if isinstance(node, ast.Name):
        return node.id
    return node.arg if isinstance(node, ast.arg) else site.text


def _rank(site: Site, top: str) -> int:
    """Names before expressions; the names of the arguments before those that are handed on."""
    if site.kind == "argument" and site.function == top:
        return -1
    if site.kind == "store":
        return 0 if isinstance(site.node, ast.Name) else 1
    if site.kind == "argument":
        return 2
    return 3


def _modules_of(trusted: Declaration) -> list[str]:
    """The files of the package that a trusted side lives in."""
    folder = os.path.dirname(os.path.abspath(trusted.file or ""))
    return [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".py")]
