"""Single edits of a port's text: what a person would change first, in the user's own formatting.

An edit is a guess. Nothing here is run; whoever tries them orders them by how near they are to where the
trace says the fault is, and by how often people make such mistakes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from heapq import heappop, heappush
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np

from .allowance import Allowance
from .analogies import Analogies
from .apart import apart
from .calling import PURE, computing
from .expressions import Expressions
from .names import Usage
from .pieces import (
    MOST,
    PRODUCT,
    SUM,
    Edit,
    called_name,
    inside,
    is_docstring,
    makes_nothing,
    nameable,
    names_in,
    own_nodes,
    put_away,
    read_in,
    set_in,
    shifted,
    terms_of,
    unlike,
    within,
)
from .source import Scope
from .text import FUNCTIONS, Splice, apply
from .trace import Recorder
from .units import Function

__all__ = ["Edit", "Edits", "edits"]

Rank: TypeAlias = Callable[[str, int], float]

CROWDED = 0.01  # how much later an edit is tried for each other of its statement: a long one is not more at fault

_AUGMENTED = re.compile(r"\s*(?::[^=]+?)?(\+|-|\*|/|@|//|%|\*\*)?=\s*")
LONGEST = 14  # names that may be what something is to be taken times before it is handed on
_LOOPS = (ast.For, ast.While)
_COMPOUND = (ast.For, ast.While, ast.If, ast.With, ast.Try)


def edits(scope: Scope, recorder: Recorder | None = None, rank: Rank | None = None) -> Iterator[Edit]:
    """Every single edit of the functions that ran, the likeliest first; see `Edits`."""
    return Edits(scope, recorder).ranked(rank or (lambda path, offset: 0.0))


class Edits:
    """The single edits of the functions that ran, each statement's made once, when they are asked for.

    `recorder` holds a traced run of the scope: it tells which variables have fitting shapes.
    """

    def __init__(self, scope: Scope, recorder: Recorder | None = None, allowance: Allowance | None = None) -> None:
        self.scope, self.recorder, self.allowance = scope, recorder, allowance or Allowance()
        self._usage: Usage | None = None
        self._makers: dict[int, _Maker] = {}
        self._made: dict[tuple[int, int], list[Edit]] = {}

    @cached_property
    def pure(self) -> frozenset[str]:
        """The names of what may be called for what it gives."""
        return frozenset(computing(*(source.tree for source in self.scope.sources.values())) | PURE)

    def of(self, function: Function, statement: ast.stmt) -> list[Edit]:
        """The edits of one statement, the likeliest first; those that give the same text once."""
        key = id(function), function.source.span(statement)[0]
        if key not in self._made:
            self.allowance.check()
            maker, texts = self._maker(function), set[str]()
            made = []
            for edit in sorted(maker.of(statement), key=lambda edit: edit.weight):
                text = maker.text_with(edit)
                if text not in texts:
                    texts.add(text)
                    made.append(edit)
            self._made[key] = made
        return self._made[key]

    def ranked(self, rank: Rank) -> Iterator[Edit]:
        """All edits. `rank(path, offset)` says how far a place is from the culprit: 0 at it, and about 1 more
        for each statement further off. Edits that give the same text are offered once.
        """
        waiting: list[tuple[float, int, Any]] = []
        count = 0
        for function in self.scope.functions:
            for statement in self._maker(function).statements():
                start, _ = function.source.span(statement)
                heappush(waiting, (rank(function.path, start), count, (function, statement)))
                count += 1
        seen: set[tuple[str, str]] = set()
        while waiting:
            order, _, what = heappop(waiting)
            if isinstance(what, Edit):
                yield what
                continue
            function, statement = what
            for tried, edit in enumerate(self.of(function, statement)):
                key = function.path, self._maker(function).text_with(edit)
                if key not in seen:
                    seen.add(key)
                    count += 1
                    heappush(waiting, (order + edit.weight + CROWDED * tried, count, edit))

    def _maker(self, function: Function) -> _Maker:
        if self._usage is None:
            self._usage = Usage(self.scope, self.recorder)
        if id(function) not in self._makers:
            self._makers[id(function)] = _Maker(self._usage, function, self.recorder)
        return self._makers[id(function)]


class _Maker(Expressions, Analogies):
    """Makes the edits of one function's statements."""

    def statements(self) -> list[ast.stmt]:
        """The function's own statements (of a lambda: the statement that it stands in)."""
        if isinstance(self.function.node, ast.Lambda):
            return [self.source.statement(self.function.node)]
        return [n for n in self.nodes if isinstance(n, ast.stmt) and not is_docstring(n)]

    def text_with(self, edit: Edit) -> str:
        """The text around the function as an edit makes it: what tells edits apart."""
        unit = self.function.unit
        start = min(unit.start, *(splice.start for splice in edit.splices))
        end = max(unit.end, *(splice.end for splice in edit.splices))
        return apply(self.source.text[start:end], edit.splices, start)

    def of(self, statement: ast.stmt) -> Iterator[Edit]:
        """Every edit of one statement."""
        here, unit = self.source.text, self.function.unit
        beside = [one for one in self.usage.scope.units if one.source.path == self.path]
        for edit in self._of(statement):
            # What goes through a whole class touches its other methods, too.
            units = [unit, *beside] if len(edit.splices) > 1 else [unit]
            inside = all(any(one.start <= s.start and s.end <= one.end for one in units) for s in edit.splices)
            if inside and any(here[s.start : s.end] != s.text for s in edit.splices):
                yield edit

    def _of(self, statement: ast.stmt) -> Iterator[Edit]:
        if isinstance(self.function.node, ast.Lambda):
            yield from self.expressions([self.function.node.body], statement)
            return
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return
        if self.sets_up(statement):
            return
        if self.counts(statement):
            yield from self.placement(statement, moving=True)
            return
        roots = _header(statement)
        yield from self.expressions(roots, statement)
        yield from self.as_elsewhere(roots)
        yield from self.as_set_elsewhere(statement)
        yield from self.patterned(roots)
        yield from self.renumbered(roots)
        yield from self.cut_off(roots)
        yield from self.its_own(statement)
        yield from self.contractions(roots)
        yield from self.crosswise(statement)
        if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign):
            yield from self.assignment(statement)
        if (own := apart(self.source, statement, self.usage.scope.classes)) is not None:
            yield self.make(statement, "alias", f"an object of its own for each: `{own.text}`", 0.2, own)
        if isinstance(statement, ast.Assign | ast.For):
            yield from self.targets(statement)
        for kept in put_away(statement):
            if self.segment(kept) in self.changed and self.is_array(kept):
                name = self.segment(kept)
                copy = self.source.replace(kept, f"{name}.copy()")
                yield self.make(kept, "copy", f"a copy: `{name}` is changed in place afterwards", 0.2, copy)
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield from self.bare_call(statement, statement.value)
        if isinstance(statement, ast.For):
            yield from self.loop_order(statement)
            yield from self.begun_anew(statement)
            yield from self.all_keys(statement)
        if isinstance(statement, ast.If):
            yield from self.condition(statement)
        if isinstance(statement, ast.Return):
            yield from self.returned_before(statement)
        if not isinstance(statement, ast.Return | ast.Pass | ast.Import | ast.ImportFrom | ast.Global):
            yield from self.placement(statement)

    def sets_up(self, statement: ast.stmt) -> bool:
        """Whether a statement only sets a package up (`np.seterr`, `np.random.seed`): that would outlast an edit."""
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
            return False
        call = statement.value
        base: ast.expr = call.func
        while isinstance(base, ast.Attribute):
            base = base.value
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        texts = {self.segment(n) for one in given for n in inside(one)}
        return isinstance(base, ast.Name) and base.id in self.function.unit.packages and not texts & set(self.atoms)

    def counts(self, statement: ast.stmt) -> bool:
        """Whether a statement moves the counter of a `while` loop on: without it the loop would not end."""
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        names = {
            n.id
            for target in targets
            if target is not None
            for n in ast.walk(target)
            if isinstance(n, ast.Name)
        }
        outer = self.source.parent(statement)
        while isinstance(outer, ast.stmt) and not isinstance(outer, FUNCTIONS):
            if isinstance(outer, ast.While) and any(n.id in names for n in names_in(outer.test)):
                return True
            outer = self.source.parent(outer)
        return False

    def assignment(self, statement: ast.Assign | ast.AugAssign | ast.AnnAssign) -> Iterator[Edit]:
        source = self.source
        if statement.value is None:
            return
        target = statement.targets[-1] if isinstance(statement, ast.Assign) else statement.target
        if isinstance(target, ast.Tuple | ast.List) or isinstance(statement, ast.AnnAssign):
            return
        start, end = source.span(target)[1], source.span(statement.value)[0]
        between = source.text[start:end]
        found = _AUGMENTED.match(between)
        if found is None:
            return
        own = (found.group(1) or "") + "="
        tail = between[len(found.group().rstrip()) :]
        others = {"=": ("+=", "-="), "+=": ("=", "-="), "-=": ("+=", "="), "*=": ("=",), "/=": ("=",)}
        # To add nothing to it is no way to say that a statement is one too many.
        choices = () if own == "=" and makes_nothing(statement.value) else others.get(own, ())
        for place, other in enumerate(choices):
            splice = Splice(self.path, start, end, f" {other}{tail or ' '}")
            elements = self.is_array(target) or isinstance(target, ast.Subscript)
            weight = 0.4 + 0.3 * place if elements else 2.0
            sentence = f"`{other}` where `{own}` stands"
            yield self.make(target, "accumulation", sentence, weight, splice)
        value = statement.value
        yield from self.unread(statement, target)
        if isinstance(target, ast.Name) and own in ("=", "+="):
            yield from self.handed_on(statement, target, value, own == "+=")
        if own == "+=" and isinstance(target, ast.Name):
            yield from self.term_by_term(target, value)
        if isinstance(statement, ast.AugAssign):
            yield from self.in_place(statement)
            yield from self.shared_out(statement)
        if own == "=" and isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
            splice = Splice(self.path, start, source.span(value)[1], f" -= {self.segment(value.operand)}")
            yield self.make(target, "accumulation", "`-=` where `=` stands", 0.8, splice)
        if isinstance(target, ast.Name) and own == "=":
            yield from self.too_early(statement, target, value)
        if isinstance(target, ast.Subscript) and own == "=":
            head = source.replace(target, self.segment(target.value))
            if isinstance(target.slice, ast.Slice) and not makes_nothing(value):
                yield self.make(target, "alias", "a new array, not the old one overwritten", 0.8, head)
        if isinstance(target, ast.Name) and own in ("+=", "-=", "*=", "/="):
            # `x += y` changes an array that others may hold; `x = x + y` does not.
            need = PRODUCT + 1 if own in ("*=", "/=") else SUM + (own == "-=")
            new = f"{target.id} = {target.id} {own[0]} {within(self.text(value), need)}"
            yield self.make(
                target,
                "alias",
                "a new array, not the old one changed in place",
                1.2,
                source.replace(statement, new),
            )

    def too_early(self, statement: ast.stmt, target: ast.Name, value: ast.expr) -> Iterator[Edit]:
        """A factor of what a loop hands on, taken where that is read in the same turn as well: at its end instead."""
        source, loop = self.source, self.loop_around(statement)
        last = None if not isinstance(loop, ast.For) else loop.body[-1]
        carried = any(n.id == target.id for n in names_in(value))
        if not (carried and isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult)):
            return
        if last is None or last is statement or isinstance(last, _COMPOUND) or not source.opens_line(last):
            return
        for kept, factor in ((value.left, value.right), (value.right, value.left)):
            if not any(n.id == target.id for n in names_in(factor)):
                text = f"{target.id} = {target.id} * {within(self.text(factor), PRODUCT + 1)}"
                splices = self.rewrite(value, self.text(kept)), source.after(last, text)
                sentence = f"`* {self.segment(factor)}` belongs at the end of the loop: `{text}`"
                yield self.make(statement, "moved", sentence, 0.6, *splices)

    def handed_on(self, statement: ast.stmt, target: ast.Name, value: ast.expr, adds: bool) -> Iterator[Edit]:
        """What is added to at every turn, and handed on as it is, times something that the turn has."""
        loop, shape = self.loop_around(statement), self.shape(target)
        if not isinstance(loop, ast.For) or not shape:
            return
        carried = adds or any(isinstance(term, ast.Name) and term.id == target.id for term in terms_of(value))
        last = loop.body[-1]
        if not carried or isinstance(last, _COMPOUND) or not self.source.opens_line(last):
            return
        nodes = [n for one in loop.body for n in ast.walk(one) if isinstance(n, ast.expr) and nameable(n)]
        here = dict.fromkeys(self.segment(n) for n in nodes if not isinstance(n, ast.Name) or n.id != target.id)
        fits = [name for name in here if name in self.atoms and self.atoms[name].fits(shape)]
        for place, factor in enumerate(fits[:LONGEST]):
            text = f"{target.id} = {target.id} * {factor}"
            sentence = f"`{text}` is missing at the end of the loop"
            yield self.make(statement, "statement", sentence, 1.0 + 0.1 * place, self.source.after(last, text))

    def shared_out(self, statement: ast.AugAssign) -> Iterator[Edit]:
        """A division that is missing where only some elements were changed: `p[rows, y] -= 1`, and never `p /= n`."""
        whole = statement.target.value if isinstance(statement.target, ast.Subscript) else None
        if not isinstance(whole, ast.Name) or not isinstance(statement.op, ast.Add | ast.Sub):
            return
        for place, size in enumerate(self.sizes_here()[:8]):
            text = f"{whole.id} /= {size}"
            behind = self.source.after(statement, text)
            yield self.make(statement, "factor", f"`{text}` is missing", 2.0 + 0.2 * place, behind)

    def term_by_term(self, target: ast.Name, value: ast.expr) -> Iterator[Edit]:
        """What is done with a sum (`loss = -np.log(loss)`), done with each of its terms instead."""
        source = self.source
        for other in self.nodes:
            if not (isinstance(other, ast.Assign) and source.opens_line(other) and other.lineno > target.lineno):
                continue
            made = other.value
            read = [n for n in ast.walk(made) if isinstance(n, ast.Name) and n.id == target.id]
            if [source.segment(t) for t in other.targets] != [target.id] or len(read) != 1 or made is read[0]:
                continue
            (begin, end), start = source.span(read[0]), source.span(made)[0]
            inner = within(self.text(value), self.needed(read[0]))
            new = source.segment(made)[: begin - start] + inner + source.segment(made)[end - start :]
            sentence = f"`{self.segment(other.value)}` of each term, not of their sum"
            yield self.make(target, "function", sentence, 0.8, source.replace(value, new), source.delete(other))

    def in_place(self, statement: ast.AugAssign) -> Iterator[Edit]:
        """What is added to elements: where indices repeat, each time; to all of an array that cannot be set anew."""
        source, target = self.source, statement.target
        value, sign = self.segment(statement.value), "+" if isinstance(statement.op, ast.Add) else "-"
        if isinstance(target, ast.Subscript) and isinstance(statement.op, ast.Add | ast.Sub):
            if not isinstance(target.slice, ast.Slice | ast.Constant):
                for name in self.function.unit.packages:
                    if self.function.globals.get(name) is np:
                        at = f"{name}.{'add' if sign == '+' else 'subtract'}.at"
                        index = _index(target.slice, self.segment(target.slice), name)
                        new = f"{at}({self.segment(target.value)}, {index}, {value})"
                        splice = source.replace(statement, new)
                        yield self.make(statement, "accumulation", "added once for each repeated index", 0.9, splice)
            whole = self.segment(target.value)
            for place, size in enumerate(self.sizes_here()[:8] if whole.isidentifier() else ()):
                text = f"{whole} /= {size}"
                after = source.after(statement, text)
                yield self.make(statement, "factor", f"`{text}` is missing", 0.9 + 0.1 * place, after)
        elif isinstance(target, ast.Attribute) and self.shape(target) != ():
            splice = Splice(self.path, source.span(target)[1], source.span(target)[1], "[:]")
            yield self.make(statement, "alias", "its elements are changed, not the attribute", 1.2, splice)
        elif isinstance(target, ast.Name):
            yield from self.declared(statement, target.id)

    def declared(self, statement: ast.stmt, name: str) -> Iterator[Edit]:
        """A name of the module (or of the function around) that is changed here, declared as such."""
        function = self.function.node
        if isinstance(function, ast.Lambda | ast.Module) or any(
            isinstance(n, ast.arg) and n.arg == name for n in self.nodes
        ):
            return
        outer, word = self.source.parent(function), ""
        while outer is not None and not word:
            if isinstance(outer, ast.FunctionDef) and name in _own_names(outer):
                word = "nonlocal"
            outer = self.source.parent(outer)
        word = word or ("global" if name in self.function.globals else "")
        already = [n for n in self.nodes if isinstance(n, ast.Global | ast.Nonlocal)]
        if not word or any(name in n.names for n in already):
            return
        sentence = f"`{name}` is not declared {word}"
        for node in already:
            if isinstance(node, ast.Global if word == "global" else ast.Nonlocal):
                end = self.source.span(node)[1]
                yield self.make(node, "statement", sentence, 0.3, Splice(self.path, end, end, f", {name}"))
                return
        body = [one for one in function.body if not is_docstring(one)]
        yield self.make(statement, "statement", sentence, 0.3, self.source.before(body[0], f"{word} {name}"))

    def unread(self, statement: ast.stmt, target: ast.expr) -> Iterator[Edit]:
        """A parameter that nothing reads, put where the first state of a new array belongs."""
        shape, name = self.shape(target), self.segment(target)
        arguments = [n.arg for n in self.nodes if isinstance(n, ast.arg)]
        for parameter in arguments:
            atom = self.atoms.get(parameter)
            if parameter in self.read or atom is None or not atom.shape or not shape:
                continue
            for index, kept in (("0", shape[1:]), ("-1", shape[1:]), (":, 0", shape[:1] + shape[2:])):
                if kept == atom.shape:
                    text = f"{name}[{index}] = {parameter}"
                    yield self.make(
                        statement,
                        "statement",
                        f"`{text}` is missing",
                        0.8,
                        self.source.after(statement, text),
                    )

    def targets(self, statement: ast.Assign | ast.For) -> Iterator[Edit]:
        """Another name assigned to: one that is read; the elements of a tuple exchanged."""
        source = self.source
        roots = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for root in roots:
            leaves = root.elts if isinstance(root, ast.Tuple | ast.List) else [root]
            if len(leaves) > 1 and isinstance(statement, ast.Assign):
                yield from self.set_no_more(statement, leaves)
            if len(leaves) > 1:
                named = [leaf for leaf in leaves if isinstance(leaf, ast.Name)]
                yield from self.exchange(named, "the names")
                yield from self.in_another_order(named)
            if isinstance(statement, ast.For):
                continue
            for leaf in leaves:
                if isinstance(leaf, ast.Name | ast.Attribute):
                    own = self.segment(leaf)
                    shape = self.shape(leaf)
                    names = [
                        a.text
                        for a in self.atoms.values()
                        if a.text != own
                        and (shape is None or a.shape in (shape, ()))
                        and "[" not in a.text
                        and a.far < 0.2
                    ]
                    unread = isinstance(leaf, ast.Name) and leaf.id not in self.read
                    if unread and shape:
                        # Set under a name that nothing reads: an element of something that is read, perhaps.
                        names += [a.text for a in self.atoms.values() if a.fits(shape) and a.text.endswith("]")]
                        names = [name for name in names if self.atoms[name].shape != ()]
                    names.sort(key=lambda name: unlike(own, name))
                    for place, name in enumerate(names[:MOST]):
                        if name.endswith(".T"):
                            continue
                        yield self.make(
                            leaf,
                            "name",
                            f"assigned to `{name}`, not to `{own}`",
                            (0.1 if unread else 1.6) + 0.2 * place,
                            source.replace(leaf, name),
                        )

    def in_another_order(self, names: list[ast.Name]) -> Iterator[Edit]:
        """Three or four names of arrays of one shape, set at once, in every order that is more than an exchange."""
        shapes = {self.shape(name) for name in names}
        if len(names) not in (3, 4) or len(shapes) > 1 or shapes <= {None, ()}:
            return
        own = [name.id for name in names]
        for order in permutations(own):
            if sum(one != other for one, other in zip(own, order, strict=True)) > 2:
                moved = [self.source.replace(name, text) for name, text in zip(names, order, strict=True)]
                moved = [splice for splice, text in zip(moved, own, strict=True) if splice.text != text]
                yield self.make(names[0], "exchange", f"the names in the order `{', '.join(order)}`", 1.3, *moved)

    def set_no_more(self, statement: ast.Assign, targets: list[ast.expr]) -> Iterator[Edit]:
        """Of several names that are set at once, all but one."""
        values = statement.value.elts if isinstance(statement.value, ast.Tuple) else []
        if len(values) != len(targets) or len(statement.targets) > 1:
            return
        for place, target in enumerate(targets):
            kept = [[self.segment(one) for one in some if some.index(one) != place] for some in (targets, values)]
            sides = [", ".join(texts) for texts in kept]
            sentence = f"`{self.segment(target)}` is not to be set here"
            yield self.make(target, "statement", sentence, 0.9, self.source.replace(statement, " = ".join(sides)))

    def bare_call(self, statement: ast.Expr, call: ast.Call) -> Iterator[Edit]:
        """A call whose result nobody keeps, or that writes into an array that others hold."""
        source = self.source
        for keyword in call.keywords:
            if keyword.arg == "out":
                target = self.segment(keyword.value)
                start = self.source.text[: source.span(keyword)[0]].rstrip()
                if start.endswith(","):
                    head = self.source.text[source.span(call)[0] : len(start) - 1]
                    tail = self.source.text[source.span(keyword)[1] : source.span(call)[1]]
                    new = f"{target} = {head}{tail}"
                    yield self.make(
                        statement,
                        "alias",
                        "a new array, not one that others hold",
                        0.6,
                        source.replace(statement, new),
                    )
        shape = self.shape(call)
        if shape is None or any(keyword.arg == "out" for keyword in call.keywords):
            return
        names = [a for a in self.same_shape(shape, set()) if a.isidentifier()]
        # What is handed in and comes back may have another shape.
        arguments = [a.id for a in call.args if isinstance(a, ast.Name) and self.is_array(a)]
        names = list(dict.fromkeys([*arguments, *names]))
        first = call.args[0] if call.args else None
        package = getattr(call.func.value, "id", "") if isinstance(call.func, ast.Attribute) else ""
        numpy = package in self.function.unit.packages
        if numpy and isinstance(first, ast.Name | ast.Attribute | ast.Subscript) and self.shape(first) == shape:
            end = source.span(call)[1] - 1
            written = Splice(self.path, end, end, f", out={self.segment(first)}")
            sentence = f"the result is not kept: `out={self.segment(first)}`"
            yield self.make(statement, "name", sentence, 0.45, written)
        for place, name in enumerate(names):
            for sign, weight in (("=", 0.0), ("+=", 0.1)):
                splice = Splice(self.path, source.span(call)[0], source.span(call)[0], f"{name} {sign} ")
                sentence = f"the result is not kept: `{name} {sign}`"
                yield self.make(statement, "name", sentence, 0.5 + 0.2 * place + weight, splice)

    def all_keys(self, statement: ast.For) -> Iterator[Edit]:
        """A loop over some keys of a dict, over all of them: `for k in ("W", "U"): g[k] /= n`."""
        some, key = statement.iter, statement.target
        if not isinstance(some, ast.Tuple | ast.List) or not isinstance(key, ast.Name):
            return
        if not all(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in some.elts):
            return
        read = [n for one in statement.body for n in ast.walk(one) if isinstance(n, ast.Subscript)]
        for name in dict.fromkeys(self.segment(n.value) for n in read if self.segment(n.slice) == key.id):
            own = self.segment(some)
            sentence = f"`{name}`, every key of it, where `{own}` stands"
            yield self.make(some, "factor", sentence, 1.0, self.source.replace(some, name))

    def loop_order(self, statement: ast.For) -> Iterator[Edit]:
        source = self.source
        node = statement.iter
        own = self.segment(node)
        options: list[tuple[str, float]] = []
        others: list[tuple[str, float]] = []  # in the same order, more steps or fewer
        if isinstance(node, ast.Call) and called_name(node) == "reversed" and node.args:
            options.append((self.segment(node.args[0]), 0.6))
        elif own.endswith("[::-1]") and isinstance(node, ast.Subscript):
            options.append((self.segment(node.value), 0.6))
        else:
            options.append((f"reversed({own})", 0.6))
            options.append((f"reversed(list({own}))", 1.6))
        if isinstance(node, ast.Call) and called_name(node) == "range":
            texts = [self.segment(a) for a in node.args]
            if len(texts) == 1:
                others += [
                    (f"range({texts[0]} - 1)", 1.0),
                    (f"range({texts[0]} + 1)", 1.0),
                    (f"range(1, {texts[0]})", 1.0),
                ]
                options += [(f"range({texts[0]} - 1, 0, -1)", 2.0)]
            elif len(texts) == 3 and texts[2].replace(" ", "") == "-1":
                low = shifted(texts[1], 1)
                options.append((f"range({low}, {shifted(texts[0], 1)})", 0.8))
            elif len(texts) == 2:
                others += [(f"range({texts[1]})", 0.8)]
            for place, text in enumerate(texts[:2]):
                for step in (-1, 1):
                    moved = [*texts[:place], shifted(text, step), *texts[place + 1 :]]
                    others.append((f"range({', '.join(moved)})", 0.8))
        for kind, found in (("order", options), ("range", others)):
            for text, weight in found:
                yield self.make(node, kind, f"`for ... in {text}`", weight, source.replace(node, text))

    def begun_anew(self, statement: ast.For) -> Iterator[Edit]:
        """What an inner loop adds up begins with nothing once, in front of the outer loop: it does so before each."""
        source, outer = self.source, self.loop_around(statement)
        if outer is None or not source.opens_line(statement):
            return
        sums = [n.target for n in ast.walk(statement) if isinstance(n, ast.AugAssign)]
        added = {target.id for target in sums if isinstance(target, ast.Name)}
        around = [n for n in ast.walk(outer) if isinstance(n, ast.Assign)]
        for node in self.nodes:
            if not isinstance(node, ast.Assign) or node in around or not makes_nothing(node.value):
                continue
            (target,) = node.targets if len(node.targets) == 1 else (None,)
            if isinstance(target, ast.Name) and target.id in added:
                text = source.segment(node)
                sentence = f"`{text}` is missing here: what is added up begins anew"
                yield self.make(statement, "statement", sentence, 0.5, source.before(statement, text))

    def condition(self, statement: ast.If) -> Iterator[Edit]:
        """A condition that is always true."""
        if statement.orelse or not self.source.opens_line(statement.body[0]):
            return
        yield self.make(
            statement, "condition", "without the condition", 1.5, self.source.replace(statement.test, "True")
        )

    def placement(self, statement: ast.stmt, moving: bool = False) -> Iterator[Edit]:
        """A statement left out, doubled, or moved: within its block, out of its loop, into one."""
        source = self.source
        start, end = source.span(statement)
        said = source.text[start:end].splitlines()[0]
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return
        if not moving:
            # A loop that does nothing else goes with it.
            gone: ast.stmt = statement
            while isinstance(outer := source.parent(gone), ast.For) and outer.body == [gone] and not outer.orelse:
                gone = outer
            yield self.make(statement, "statement", f"without `{said}`", 0.9, source.delete(gone))
        if isinstance(statement, _COMPOUND):
            yield from self.dedented(statement, said)
            return
        block, place = source.block(statement)
        text = source.text[start:end]
        if len(block) > 1 and source.opens_line(statement):
            near = range(max(0, place - 6), min(len(block), place + 7))
            for index in dict.fromkeys((*near, 0, len(block) - 1)):
                anchor = block[index]
                if index == place or (isinstance(anchor, ast.Return) and index > place):
                    continue
                name = "before" if index < place else "after"
                moved = source.before(anchor, text) if index < place else source.after(anchor, text)
                line = source.line(source.span(anchor)[0])
                weight = 1.0 + 0.1 * min(abs(index - place), 7)
                yield self.make(
                    statement,
                    "moved",
                    f"`{said}` belongs {name} line {line}",
                    weight,
                    source.delete(statement),
                    moved,
                )
        if moving:
            return
        loop = self.loop_around(statement)
        if loop is not None:
            out = source.delete(statement)
            behind: tuple[Splice, ...] = (out, source.after(loop, text))
            if out.end > behind[1].start:
                # The loop's last line: it only moves to the left.
                ended = source.text[out.start : out.end].endswith(("\n", "\r"))
                alone = source.indent(loop) + text + source.newline * ended
                behind = (out._replace(text=alone),)
            anew = isinstance(statement, ast.Assign) and makes_nothing(statement.value)
            for splices, name in (((out, source.before(loop, text)), "before"), (behind, "after")):
                # What begins with nothing at every turn is often meant to be added to, or handed on.
                weight = 0.4 if anew and name == "before" else 1.0
                yield self.make(statement, "moved", f"`{said}` belongs {name} the loop", weight, *splices)
        for other in block[place + 1 :] if block else ():
            if isinstance(other, _LOOPS) and source.opens_line(other.body[0]):
                # What the loop sets is taken once, in front of it, under a name that the loop only reads.
                set_there, assigns = set_in(other), isinstance(statement, ast.Assign)
                once = assigns and set_in(statement) - set_there and read_in(statement) & set_there
                yield self.make(
                    statement,
                    "moved",
                    f"`{said}` belongs in the loop",
                    0.3 if once else 1.6,
                    source.delete(statement),
                    source.before(other.body[0], text),
                )
                break
        for other in reversed(block[:place]):
            if isinstance(other, _LOOPS) and source.opens_line(other.body[-1]):
                last = other.body[-1]
                if not isinstance(last, _COMPOUND):
                    yield self.make(
                        statement,
                        "moved",
                        f"`{said}` belongs in the loop",
                        1.4,
                        source.delete(statement),
                        source.after(last, text),
                    )
                    yield self.make(
                        statement,
                        "moved",
                        f"`{said}` belongs in the loop as well",
                        1.8,
                        source.after(last, text),
                    )
                break
        if isinstance(statement, ast.Assign | ast.AugAssign):
            yield self.make(statement, "statement", f"`{said}` once more", 3.0, source.after(statement, text))

    def returned_before(self, statement: ast.Return) -> Iterator[Edit]:
        """What is returned worked out earlier, before what it is made from is changed."""
        source, value = self.source, statement.value
        block, place = source.block(statement)
        if value is None or nameable(value) or not source.opens_line(statement):
            return
        name = next(name for name in ("result", "result_", "returned") if name not in self.atoms)
        for index in range(place - 1, max(-1, place - 7), -1):
            if not isinstance(block[index], ast.AugAssign | ast.Assign):
                return
            line = source.line(source.span(block[index])[0])
            sentence = f"what is returned belongs before line {line}, which changes what it is made from"
            splices = source.before(block[index], f"{name} = {self.segment(value)}"), source.replace(value, name)
            yield self.make(statement, "moved", sentence, 1.2 + 0.1 * (place - index), *splices)

    def dedented(self, statement: ast.stmt, said: str) -> Iterator[Edit]:
        """A loop or a condition that ends a loop's body, and belongs behind that loop."""
        source, loop = self.source, self.loop_around(statement)
        if loop is None or source.block(statement)[0][-1] is not statement or not source.opens_line(statement):
            return
        start, end = source.span(statement)
        start = source.line_start(source.line(start))
        inner, outer = source.indent(statement), source.indent(loop)
        lines = source.text[start:end].splitlines(keepends=True)
        if any(line.strip() and not line.startswith(inner) for line in lines):
            return
        text = "".join(outer + line[len(inner) :] if line.strip() else line for line in lines)
        splice = Splice(self.path, start, end, text)
        yield self.make(statement, "moved", f"`{said}` belongs after the loop", 0.9, splice)

    def loop_around(self, statement: ast.stmt) -> ast.stmt | None:
        parent = self.source.parent(statement)
        return parent if isinstance(parent, _LOOPS) and self.source.opens_line(parent) else None


def _header(statement: ast.stmt) -> list[ast.expr]:
    """The expressions of a statement that are not in a statement of their own."""
    found: list[ast.expr] = []
    for _, value in ast.iter_fields(statement):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.expr):
                found.append(one)
            elif isinstance(one, ast.withitem):
                found.append(one.context_expr)
    return found


def _index(index: ast.expr, text: str, numpy: str) -> str:
    """An index as an argument: several are a tuple, and slices have to be made."""
    if any(isinstance(node, ast.Slice) for node in ast.walk(index)):
        return f"{numpy}.s_[{text}]"
    return f"({text})" if "," in text and not text.startswith("(") else text


def _own_names(function: ast.FunctionDef) -> set[str]:
    """The names that a function itself sets."""
    return {n.id for n in own_nodes(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
