"""What the rest of a port says of an expression: how it stands elsewhere, crossed with the next line, turned back."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import permutations

from .names import Names, operation
from .pieces import ATOM, Edit, Text, binds, called_name, inside, nameable, unlike
from .text import walk

NEIGHBOURS = 3  # statements before and after one with which it may be crossed
LONG = 60  # letters of what stands elsewhere in an expression that is the same otherwise
_NUMBERED = re.compile(r"\b([^\W\d]\w*?)(\d+)\b")
_SPEC = re.compile(r"([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]*)")


class Analogies(Names):
    """Makes the edits that other places of the port suggest."""

    # The same expression elsewhere, all but one part of it.

    def as_elsewhere(self, roots: Sequence[ast.expr]) -> Iterator[Edit]:
        """The one part in which an expression differs from one that stands elsewhere, as it is there."""
        own = [node for root in roots for node in inside(root) if isinstance(node, ast.BinOp | ast.Call)]
        offered: set[tuple[int, str]] = set()
        for node in own:
            for path, owner, other in self.usage.expressions.get(operation(node), ()):
                apart = None if other is node else _difference(node, other, self.usage.dumped)
                if apart is None or apart[0] is node or isinstance(apart[0], ast.Constant):
                    continue
                here, there = apart
                source = self.usage.scope.source(path)
                shapes = self.shape(here), self.usage.shapes.get((path, *source.span(there)))
                if None not in shapes and shapes[0] != shapes[1]:
                    continue
                if (nameable(here) and nameable(there)) or not self.names_here(there, path, owner):
                    continue
                text = source.segment(there)
                if (id(here), text) not in offered and len(text) <= LONG and self.may_stand(here):
                    offered.add((id(here), text))
                    sentence = f"`{text}` where `{self.segment(here)}` stands, as in line {other.lineno}"
                    yield self.make(here, "variable", sentence, 0.9, self.rewrite(here, Text(text, binds(there))))

    def as_set_elsewhere(self, statement: ast.stmt) -> Iterator[Edit]:
        """What another statement sets to something else under the same name: what is said twice is meant alike."""
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            return
        value, own = statement.value, self.segment(statement.value)
        for path, owner, other in self.usage.setting.get(statement.targets[0].id, ()):
            source = self.usage.scope.source(path)
            text, shape = source.segment(other.value), self.usage.shapes.get((path, *source.span(other.value)))
            alike = shape == self.shape(value) and len(text) <= LONG and "\n" not in text
            if alike and text != own and not nameable(other.value) and self.names_here(other.value, path, owner):
                sentence = f"`{text}` where `{own}` stands, as in line {other.lineno}"
                splice = self.rewrite(value, Text(text, binds(other.value)))
                # What was written first is copied wrongly sooner than it is wrong.
                first = path == self.path and statement.lineno < other.lineno
                yield self.make(value, "variable", sentence, 0.6 + 0.8 * first, splice)

    def may_stand(self, node: ast.expr) -> bool:
        """Whether another expression may stand in a node's place: it is no function that is called, and is read."""
        return not self.is_called(node) and not isinstance(getattr(node, "ctx", None), ast.Store)

    def patterned(self, roots: Sequence[ast.expr]) -> Iterator[Edit]:
        """A product as the others of the function are written: `dq @ Wq[:-1].T` where there is `dk @ Wk[:-1].T`."""
        products = [n for n in self.nodes if isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult)]
        for node in (n for root in roots for n in inside(root) if n in products):
            own, names = self.segment(node), self.arrays_in(node)[:3]
            texts = {
                text: model
                for model in products
                if model is not node
                for theirs in self.arrays_in(model)[:3]
                for mine in names
                for text in self.alike(model, {theirs: mine})
            }
            for text, model in texts.items():
                if text != own:
                    sentence = f"`{text}` where `{own}` stands, as in line {model.lineno}"
                    yield self.make(node, "name", sentence, 0.9, self.rewrite(node, Text(text, binds(node))))

    def renumbered(self, roots: Sequence[ast.expr]) -> Iterator[Edit]:
        """An operation on what another layer has: `W2.T @ d2` for `W3.T @ d3`."""
        known = {found.group() for found in _NUMBERED.finditer(self.source.text)}
        for node in (n for root in roots for n in inside(root) if isinstance(n, ast.BinOp)):
            own = self.segment(node)
            numbered = {(name, int(number)) for name, number in _NUMBERED.findall(own)}
            for by in (-1, 1):
                others = {f"{name}{number}": f"{name}{number + by}" for name, number in numbered}
                if len(others) > 1 and known.issuperset(others.values()):
                    text = _NUMBERED.sub(partial(_among, others), own)
                    sentence = f"`{text}` where `{own}` stands: the names of another layer"
                    yield self.make(node, "variable", sentence, 0.8, self.rewrite(node, Text(text, binds(node))))

    def cut_off(self, roots: Sequence[ast.expr]) -> Iterator[Edit]:
        """A part of what an operation makes, as the part of another is taken: `(W2.T @ d2)[1:]`."""
        sliced = [
            (self.segment(node.slice), node.value)
            for node in self.nodes
            if isinstance(node, ast.Subscript) and isinstance(node.value, ast.BinOp)
        ]
        for node in (n for root in roots for n in inside(root) if sliced and isinstance(n, ast.BinOp)):
            alike = {text: other for text, other in sliced if operation(other) == operation(node)}
            for text, model in alike.items():
                if not isinstance(self.source.parent(node), ast.Subscript):
                    new = Text(f"({self.segment(node)})[{text}]", ATOM)
                    sentence = f"`[{text}]` is missing, as in line {model.lineno}"
                    yield self.make(node, "step", sentence, 0.8, self.rewrite(node, new))

    def names_here(self, node: ast.AST, path: str, owner: str) -> bool:
        """Whether all that an expression names can be named in this function, too."""
        names = {n.id for n in walk(node) if isinstance(n, ast.Name)}
        if "self" in names and (path, owner) != (self.path, self.function.name.rpartition(".")[0]):
            return False
        return names <= self.visible

    @cached_property
    def visible(self) -> set[str]:
        """The names that the function uses, its parameters, and those of its module."""
        parameters = {n.arg for n in self.nodes if isinstance(n, ast.arg)}
        return {n.id for n in self.nodes if isinstance(n, ast.Name)} | parameters | set(self.function.globals)

    # Two lines crossed.

    def crosswise(self, statement: ast.stmt) -> Iterator[Edit]:
        """A name of this statement and one of a neighbour's in each other's place."""
        block, place = self.source.block(statement)
        if not isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr):
            return
        for other in block[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]:
            if other is statement or type(other) is not type(statement):
                continue
            here, there = self.read_in(statement), self.read_in(other)
            for one, nodes in here.items():
                shape = self.atoms[one].shape
                for two, others in there.items():
                    if one == two or two in here or one in there or self.atoms[two].shape != shape:
                        continue
                    splices = [self.source.replace(n, two) for n in nodes]
                    splices += [self.source.replace(n, one) for n in others]
                    sentence = f"`{one}` and `{two}` of line {other.lineno} in each other's place"
                    yield self.make(statement, "exchange", sentence, 0.9 + 0.5 * unlike(one, two), *splices)

    def read_in(self, statement: ast.stmt) -> dict[str, list[ast.expr]]:
        """The arrays that a statement reads by name, with the places."""
        found: dict[str, list[ast.expr]] = {}
        for node in walk(statement):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load) and nameable(node):
                text = self.segment(node)
                if text in self.atoms and self.atoms[text].shape and not text.endswith(".T"):
                    found.setdefault(text, []).append(node)
        return found

    # Contractions.

    def contractions(self, roots: Sequence[ast.expr]) -> Iterator[Edit]:
        """Another array in an `einsum`, with letters that fit it; the way back of an `einsum` of the port."""
        for node in (n for root in roots for n in inside(root)):
            spec = self.letters(node) if isinstance(node, ast.Call) else None
            if isinstance(node, ast.Call) and spec is not None:
                yield from self.other_operands(node, spec)
            if isinstance(self.source.parent(node), ast.Assign | ast.Return | ast.AugAssign) and self.shape(node):
                yield from self.ways_back(node)

    def letters(self, call: ast.Call) -> tuple[str, str, str] | None:
        """The letters of the two operands and of the result of an `einsum`."""
        if called_name(call) != "einsum" or len(call.args) != 3 or not isinstance(call.args[0], ast.Constant):
            return None
        found = _SPEC.fullmatch(str(call.args[0].value).replace(" ", ""))
        return None if found is None else (found[1], found[2], found[3])

    def lengths(self, call: ast.Call, spec: tuple[str, str, str]) -> dict[str, int]:
        """How long the axis of each letter is."""
        found: dict[str, int] = {}
        for letters, argument in zip(spec, call.args[1:], strict=False):
            found.update(zip(letters, self.shape(argument) or (), strict=False))
        return found

    def other_operands(self, call: ast.Call, spec: tuple[str, str, str]) -> Iterator[Edit]:
        lengths = self.lengths(call, spec)
        quote = self.segment(call.args[0])[-1]
        for place in (0, 1):
            letters, argument = spec[place], call.args[1 + place]
            own = self.segment(argument)
            shape = tuple(lengths.get(letter, 0) for letter in letters)
            for atom in self.atoms.values():
                if atom.text == own or atom.shape is None or sorted(atom.shape) != sorted(shape):
                    continue
                for turned in map("".join, permutations(letters)):
                    if turned == letters or tuple(lengths[letter] for letter in turned) != atom.shape:
                        continue
                    both = [*spec[:2]]
                    both[place] = turned
                    text = f"{quote}{','.join(both)}->{spec[2]}{quote}"
                    splices = self.source.replace(call.args[0], text), self.source.replace(argument, atom.text)
                    sentence = f"`{atom.text}` where `{own}` stands, its axes {turned}"
                    yield self.make(call, "variable", sentence, 0.8 + 0.3 * unlike(own, atom.text) + atom.far, *splices)

    def ways_back(self, node: ast.expr) -> Iterator[Edit]:
        """The gradient of an operand, as an `einsum` of the port gives it: what comes back, and the other operand."""
        shape, own = self.shape(node), self.segment(node)
        for function, call in self.usage.contractions:
            spec = self.letters(call)
            if spec is None:
                continue
            shapes = [self.usage.shapes.get((function.path, *function.source.span(n))) for n in (*call.args[1:], call)]
            module = function.source.segment(call.func)
            for place in (0, 1):
                if shapes[place] != shape or shapes[2] is None:
                    continue
                other = call.args[2 - place]
                if not self.names_here(other, function.path, function.name.rpartition(".")[0]):
                    continue
                text = function.source.segment(other)
                for atom in self.atoms.values():
                    if atom.shape == shapes[2] and atom.text != text:
                        new = f"{module}('{spec[2]},{spec[1 - place]}->{spec[place]}', {atom.text}, {text})"
                        if new != own:
                            sentence = f"the way back of line {call.lineno}: `{new}`"
                            splice = self.source.replace(node, new)
                            yield self.make(node, "derivative", sentence, 1.3 + atom.far, splice)


def _among(others: dict[str, str], found: re.Match[str]) -> str:
    return others[found.group()]


def _difference(
    one: ast.expr, other: ast.expr, dumped: Callable[[ast.AST], str]
) -> tuple[ast.expr, ast.expr] | None:
    """The only parts in which two expressions differ; None where they are the same."""
    apart: list[tuple[ast.AST, ast.AST]] = []
    whole = one, other
    if type(one) is not type(other):
        return whole
    for (_, mine), (_, its) in zip(ast.iter_fields(one), ast.iter_fields(other), strict=True):
        if not isinstance(mine, list):
            mine, its = [mine], [its]
        if len(mine) != len(its):
            return whole
        for a, b in zip(mine, its, strict=True):
            if isinstance(a, ast.AST) and isinstance(b, ast.AST):
                apart += [(a, b)] if dumped(a) != dumped(b) else []
            elif a != b:
                return whole
    if len(apart) != 1:
        return whole if apart else None
    a, b = apart[0]
    if isinstance(a, ast.keyword) and isinstance(b, ast.keyword) and a.arg == b.arg:
        a, b = a.value, b.value
    return _difference(a, b, dumped) if isinstance(a, ast.expr) and isinstance(b, ast.expr) else whole
