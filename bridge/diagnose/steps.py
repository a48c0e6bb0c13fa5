"""Steps and stretches: other indices, slices and orders of what is read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from .names import Names
from .pieces import (
    ATOM,
    MOST,
    PRODUCTS,
    TEST,
    Change,
    Edit,
    Text,
    called_name,
    inside,
    shifted,
    unlike,
    within,
)
from .text import COMPREHENSIONS, Splice, apply

# Slices that are taken for one another.
_SLICES: dict[str, tuple[str, ...]] = {
    "1:": (":-1", ":", "2:"),
    ":-1": ("1:", ":"),
    ":": ("1:", ":-1"),
    "::-1": (":",),
}


# A step beside the one that is counted, and how far-fetched it is.
_BESIDE = (("", 0.5), (" - 1", 0.7), (" + 1", 0.7))


class Steps(Names):
    """Makes the edits of subscripts."""

    def index(self, node: ast.Subscript) -> Iterator[Edit]:
        """Another step, another stretch, another element; the first step by itself."""
        source = self.source
        stored = isinstance(node.ctx, ast.Store)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for part in parts:
            for text, weight in self.other_indices(part):
                sentence = f"`{text}` where `{self.segment(part)}` stands, in `{self.segment(node)}`"
                yield self.make(part, "step", sentence, weight + 0.7 * stored, source.replace(part, text))
        for part in parts:
            names = [p.id for p in parts if isinstance(p, ast.Name)]
            if isinstance(part, ast.Slice) and part.lower is part.upper is None and names:
                new = f"np.arange(len({names[0]}))"
                yield self.make(
                    part, "index", f"`{new}`: one element of each row", 1.5, source.replace(part, new)
                )
        if stored:
            return
        inner = node.value
        if isinstance(inner, ast.Subscript) and not isinstance(inner.slice, ast.Tuple | ast.Slice):
            # One of several kept things of a step: both indices at once.
            for one, first in [(self.segment(inner.slice), 0.0), *self.other_indices(inner.slice)][:4]:
                for other, second in [*self.other_indices(node.slice)][:4]:
                    new = f"{self.segment(inner.value)}[{one}][{other}]"
                    weight = 1.0 + first + second
                    yield self.make(node, "step", f"`{new}`", weight, source.replace(node, new))
        if isinstance(inner, ast.Subscript) and isinstance(inner.slice, ast.Slice):
            for other, second in [(self.segment(node.slice), 0.0), *self.other_indices(node.slice)][:4]:
                new = f"{self.segment(inner.value)}[{other}]"
                yield self.make(node, "step", f"`{new}`", 1.0 + second, source.replace(node, new))
        yield from self.first_step(node, parts)
        if any(isinstance(part, ast.Slice) for part in parts):
            for place, text in enumerate(self.other_slices(node, parts)):
                yield self.make(node, "step", f"`{text}`", 0.8 + 0.2 * place, source.replace(node, text))
            yield from self.from_the_end(node, parts)

    def other_indices(self, part: ast.expr) -> list[tuple[str, float]]:
        source = self.source
        own = source.segment(part)
        found: list[tuple[str, float]] = []
        if isinstance(part, ast.Constant) and isinstance(part.value, int):
            found = [(str(part.value - 1), 0.7), (str(part.value + 1), 0.6)]
        elif isinstance(part, ast.UnaryOp) and isinstance(part.operand, ast.Constant):
            value = part.operand.value
            if isinstance(value, int) and isinstance(part.op, ast.USub):
                found = [(str(1 - value), 0.6), (str(-value - 1), 0.8), ("0", 1.0)]
        elif isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub) and isinstance(part.operand, ast.Name):
            found = [(f"{own} - 1", 0.5), (f"{own} + 1", 0.5), (part.operand.id, 1.0)]
        elif (end := _clamped(part)) is not None:
            sign = "-" if end is not part else ""
            counters = dict.fromkeys(n.id for n in ast.walk(end) if isinstance(n, ast.Name) and n.id in self.loops)
            found = [(f"{sign}{name}{by}", weight) for name in counters for by, weight in _BESIDE]
        elif isinstance(part, ast.IfExp):
            counters = dict.fromkeys(n.id for n in ast.walk(part) if isinstance(n, ast.Name) and n.id in self.loops)
            found = [(name, 0.5) for name in counters]
            found += [(self.segment(part.body), 0.8), (self.segment(part.orelse), 1.2)]
        elif self.keyed(part):
            found = self.other_keys(part)
        elif isinstance(part, ast.Constant):
            names = self.string_keys(part.value) if isinstance(part.value, str) else []
            found = [(name, 0.8 + 0.1 * i) for i, name in enumerate(names)]
            found += [(name, 0.9) for name in self.loops[:4] if isinstance(part.value, str)]
        elif isinstance(part, ast.Name) and own not in self.countless:
            found = [(f"{own} - 1", 0.5), (f"{own} + 1", 0.5)]
            found += [(name, 0.6 if near else 1.5) for name, near in self.counters(part) if name != own]
            found += [(f"{size} - 1 - {own}", 2.0) for size in self.sizes[:2]]
        elif isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Sub | ast.Mod):
            found = [(source.segment(part.left), 0.4)]
            if isinstance(part.right, ast.Name):
                found.append((source.segment(part.right), 0.6))
            if isinstance(part.right, ast.Constant) and isinstance(part.right.value, int):
                step = part.right.value if isinstance(part.op, ast.Add) else -part.right.value
                for other in (-1, 1, step + 1, step - 1):
                    if other not in (step, 0) and not isinstance(part.op, ast.Mod):
                        text = f"{source.segment(part.left)} {'+' if other > 0 else '-'} {abs(other)}"
                        found.append((text, 0.9))
        return [(text, weight) for text, weight in found if text != own]

    def counters(self, node: ast.expr) -> list[tuple[str, bool]]:
        """The variables of loops that a step may be counted by, and whether a node stands in their loop: those first.

        A loop over arrays, or over names, counts nothing.
        """
        around, valued = self.loops_around(node), {a.text for a in self.atoms.values() if a.shape is not None}
        counting = [name for name in self.loops if name not in self.countless | valued]
        near = [name for name in counting if name in around]
        far = [name for name in counting if name not in around]
        return [*((name, True) for name in near), *((name, False) for name in far)][: max(4, len(near))]

    def loops_around(self, node: ast.AST) -> set[str]:
        """The variables of the loops that a node stands in: of several, one is easily taken for another."""
        found: set[str] = set()
        outer: ast.AST | None = node
        while outer is not None:
            targets: list[ast.expr] = []
            if isinstance(outer, ast.For):
                targets = [outer.target]
            elif isinstance(outer, COMPREHENSIONS):
                targets = [generator.target for generator in outer.generators]
            found |= {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
            outer = self.source.parent(outer)
        return found

    def keyed(self, part: ast.expr) -> bool:
        """Whether an index is a string with a number in it: `"A" + str(l)`, `f"A{l}"`."""
        within_it = (n for n in ast.walk(part) if n is not part)
        texts = any(isinstance(n, ast.Constant) and type(n.value) is str for n in within_it)
        return texts or isinstance(part, ast.JoinedStr)

    def other_keys(self, part: ast.expr) -> list[tuple[str, float]]:
        """The string with another number in it, or with other letters."""
        own = self.source.segment(part)
        found = []
        for number in re.finditer(r"(?:(?<=str\()|(?<=\{))[^(){}]+(?=[)}])", own):
            for step, weight in ((-1, 0.5), (1, 0.6)):
                found.append((own[: number.start()] + shifted(number.group(), step) + own[number.end() :], weight))
        for letters in re.finditer(r"(?<=[\"'])[A-Za-z_]+", own):
            for other in self.string_heads(letters.group()):
                found.append((own[: letters.start()] + other + own[letters.end() :], 0.9))
        return found

    def string_heads(self, own: str) -> list[str]:
        """What other strings with a number in them begin with in the function: `A` and `Z` of `A1` and `Z1`."""
        keys = (n.slice for n in self.nodes if isinstance(n, ast.Subscript))
        heads = {
            str(n.value): None
            for key in keys
            if self.keyed(key)
            for n in ast.walk(key)
            if isinstance(n, ast.Constant) and type(n.value) is str and n.value.isidentifier() and n.value != own
        }
        return list(heads)

    def first_step(self, node: ast.Subscript, parts: Sequence[ast.expr]) -> Iterator[Edit]:
        """`x[t - 1]`, but something else at the first step, where the index wraps around."""
        shape = self.shape(node)
        own = self.segment(node)
        for part in parts:
            before, name, weight = own, part, 0.6
            if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub):
                if not isinstance(part.right, ast.Constant):
                    continue
                name = part.left
            elif isinstance(part, ast.Name) and part.id in self.loops:
                begin, (low, high) = self.source.span(node)[0], self.source.span(part)
                before = f"{own[: low - begin]}{part.id} - 1{own[high - begin :]}"
                weight = 1.3
            if not isinstance(name, ast.Name):
                continue
            candidates = [
                (not re.search(r"0|init|start|first|prev|zero", text.lower()), text)
                for text in (self.same_shape(shape, {own}) if shape else self.atoms)
            ]
            for place, (_, text) in enumerate(sorted(candidates)):
                new = Text(f"{before} if {name.id} > 0 else {text}", TEST)
                sentence = f"`{before}`, at the first step `{text}`, where `{own}` stands"
                yield self.make(node, "step", sentence, weight + 0.2 * place, self.rewrite(node, new))

    def from_the_end(self, node: ast.Subscript, parts: Sequence[ast.expr]) -> Iterator[Edit]:
        """The steps before these, of an array that keeps the first of them in its last place: `h[:, -1] = h0`."""
        head, texts = self.segment(node.value), [self.segment(part) for part in parts]
        shape = self.shape(node.value) or ()
        if not isinstance(node.value, ast.Name | ast.Attribute) or not all(isinstance(p, ast.Slice) for p in parts):
            return
        for axis in sorted(self.usage.begun_at_the_end):
            if axis < len(shape):
                own = texts[axis] if axis < len(texts) else ":"
                before = [*texts[:axis], *[":"] * (axis - len(texts))]
                ending = own[:1] == ":" and own != ":"
                for place, stretch in enumerate(dict.fromkeys([own if ending else ":-1", ":-1"])):
                    index = ", ".join([*before, stretch, *texts[axis + 1 :]])
                    new = f"np.roll({head}, 1, axis={axis})[{index}]"
                    sentence = f"what is kept in the last place of `{head}` comes first: `{new}`"
                    yield self.make(node, "step", sentence, 0.6 + 0.2 * place, self.source.replace(node, new))

    def other_slices(self, node: ast.Subscript, parts: Sequence[ast.expr]) -> list[str]:
        """The subscript with its slices moved by one, dropped, or set as elsewhere."""
        head = within(self.text(node.value), ATOM)
        texts = [self.segment(part) for part in parts]
        found: list[str] = []
        if all(isinstance(p, ast.Slice) for p in parts):
            found.append(head)
        for place, part in enumerate(parts):
            if not isinstance(part, ast.Slice):
                continue
            own = texts[place]
            others: list[str] = []
            if own.count(":") == 1:
                low, high = (text.strip() for text in own.split(":"))
                if low and high.startswith(f"{low} + "):
                    others.append(f":{high.removeprefix(f'{low} + ')}")
                elif low.startswith("-") and not high:
                    others += [f":{low[1:]}", f":{low}", f"{low[1:]}:"]
                elif low and not high:
                    others += [f":{low}", f":-{low}", f"-{low}:"]
                elif high and not low:
                    others += [f"{high.removeprefix('-')}:", f"{high}:", f"-{high}:"][: 2 if high[0] == "-" else 3]
            if own.count("::") == 1 and own.split("::")[0].strip() in self.loops:
                # One block after another, not every n-th.
                counter = own.split("::")[0].strip()
                others += [f"{counter} * {size}:({counter} + 1) * {size}" for size in self.sizes[:4]]
            others += [*_SLICES.get(own.replace(" ", ""), (":", "1:", ":-1")), *self.slices_used()]
            others += [text for size in self.sizes[:8] for text in (f"{size}:", f":{size}")]
            for new in others:
                if new != own:
                    found.append(f"{head}[{', '.join([*texts[:place], new, *texts[place + 1 :]])}]")
        return list(dict.fromkeys(found))

    def parted(self, node: ast.expr, own: Text, shape: tuple[int, ...] | None) -> Iterator[Change]:
        """A part of an array where all of it stands, such as is taken of another of that shape: `dhx[:, :H]`."""
        if not isinstance(node, ast.Name | ast.Attribute) or not shape:
            return
        parent = self.source.parent(node)
        if isinstance(parent, ast.Subscript | ast.Attribute):
            return
        for atom in self.atoms.values():
            if atom.text.startswith(f"{own.text}[") and atom.shape and len(atom.shape) == len(shape):
                yield "step", Text(atom.text, ATOM), 0.6, f"only a part: `{atom.text}` where `{own.text}` stands"

    def without_slices(self, roots: Sequence[ast.expr], statement: ast.stmt) -> Iterator[Edit]:
        """Every slice of a statement dropped at once."""
        sliced = []
        for root in roots:
            for node in inside(root):
                if isinstance(node, ast.Subscript):
                    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                    if all(isinstance(p, ast.Slice) for p in parts) and "::" not in self.segment(node):
                        sliced.append(node)
        if 1 < len(sliced) < 5:
            splices = []
            for node in sliced:
                start, end = self.source.span(node.value)[1], self.source.span(node)[1]
                splices.append(Splice(self.path, start, end, ""))
            yield self.make(statement, "step", "all of them, not a part", 1.5, *splices)

    def every_step(self, node: ast.expr) -> Iterator[Change]:
        """A product at one step, given by its number, summed over all of them."""
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)) and not (
            isinstance(node, ast.Call) and called_name(node) in PRODUCTS
        ):
            return
        places: dict[tuple[int, str], list[tuple[ast.Subscript, ast.expr]]] = {}
        for one in inside(node):
            if isinstance(one, ast.Subscript):
                parts = one.slice.elts if isinstance(one.slice, ast.Tuple) else [one.slice]
                for axis, part in enumerate(parts):
                    if self.segment(part).removeprefix("-").isdigit():
                        places.setdefault((axis, self.segment(part)), []).append((one, part))
        start, counter = self.source.span(node)[0], next(c for c in "tkn" if c not in self.loops)
        for (axis, _), some in places.items():
            first = some[0][0].value
            lengths = {shape[axis] for one, _ in some if len(shape := self.shape(one.value) or ()) > axis}
            unlike_lengths = len(lengths) > 1 or (axis > 0 and not lengths)
            if len(some) < 2 or unlike_lengths or self.is_called(first):
                continue
            spans = [self.source.span(part) for _, part in some]
            splices = [Splice(self.path, low, high, counter) for low, high in spans]
            turn = apply(self.segment(node), splices, start)
            size = f"len({self.segment(first)})" if axis == 0 else f"{within(self.text(first), ATOM)}.shape[{axis}]"
            new = f"sum({turn} for {counter} in range({size}))"
            yield "step", Text(new, ATOM), 0.8, f"every step, not one alone: `{new}`"

    def shifted_together(self, roots: Sequence[ast.expr], statement: ast.stmt) -> Iterator[Edit]:
        """All steps that a statement reads, one later or one earlier."""
        places: dict[str, list[ast.expr]] = {}
        for root in roots:
            for node in inside(root):
                if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                    for part in node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]:
                        first = part.left if isinstance(part, ast.BinOp) else part
                        if isinstance(first, ast.Name) and first.id in self.loops[:4]:
                            places.setdefault(first.id, []).append(part)
        for name, parts in places.items():
            if 1 < len(parts) < 6:
                for step in (1, -1):
                    splices = [self.source.replace(p, shifted(self.segment(p), step)) for p in parts]
                    said = f"every step of `{name}` one {'later' if step > 0 else 'earlier'}"
                    yield self.make(statement, "step", said, 1.0, *splices)

    def turned_round(self, node: ast.expr, own: Text) -> Iterator[Change]:
        """A sequence read from its other end."""
        parent = self.source.parent(node)
        if isinstance(node, ast.Subscript) and own.text.endswith("[::-1]"):
            yield "order", self.text(node.value), 0.8, f"`{self.segment(node.value)}` in its own order"
        elif isinstance(node, ast.Call) and called_name(node) == "reversed" and node.args:
            yield "order", self.text(node.args[0]), 0.8, f"`{self.segment(node.args[0])}` in its own order"
        elif isinstance(parent, ast.Call) and called_name(parent) in ("zip", "enumerate", "stack", "array"):
            yield "order", Text(f"{within(own, ATOM)}[::-1]", ATOM), 1.0, f"`{own.text}` from its end"

    def slices_used(self) -> list[str]:
        """The slices that occur in this file's functions."""
        return list(self.usage.slices.get(self.path, ()))[:MOST]

    def string_keys(self, own: str) -> list[str]:
        """Other keys that are used, the most alike first, in the quotes they have there."""
        known = {key[1:-1] for key in self.usage.keys} | {own}
        keys = [key for key in self.usage.keys if key[1:-1] != own]
        # A dict of gradients often has the names of the weights' attributes.
        keys += [key for key in self.usage.attributes if key[1:-1] not in known]
        return sorted(keys, key=lambda key: unlike(own, key[1:-1]))[: 2 * MOST]


def _clamped(part: ast.expr) -> ast.Call | None:
    """The `max(t - 1, 0)` of an index, which may be counted from the end."""
    end = part.operand if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub) else part
    return end if isinstance(end, ast.Call) and called_name(end) in ("min", "max") else None
