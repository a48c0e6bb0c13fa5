"""Units: what of the port's text is compiled at once, the functions in it, and the living objects that run these."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .text import FUNCTIONS, FunctionNode, Source, Splice, apply, code_name

PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
# The module that executes stretches of scripts, and holds what is executed in their place.
SCRIPTS = "rowcol.bridge.script"
_FUTURE_FLAGS = 0x1FF0000  # the bits of co_flags that `from __future__ import ...` sets
_FUNCTION_FLAG = 0x1  # CO_OPTIMIZED: a function's code, not a module's or a class body's
_NO_DEFINITION = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


class NotInForce(Exception):
    """An edit that could not be put in force, or that changes nothing of what runs."""


class Function:
    """One of the port's own functions (a def, a method, a closure or a lambda) that ran.

    A stretch of a script that runs by itself is one too: its name is empty, its node a module of its lines.
    """

    def __init__(self, source: Source, node: FunctionNode | ast.Module, name: str, unit: Unit, index: int) -> None:
        self.source, self.node, self.name, self.unit, self.index = source, node, name, unit, index
        if isinstance(node, ast.Module):
            self.start, self.end = unit.start, unit.end
        else:
            self.start, self.end = source.span(node)

    @property
    def path(self) -> str:
        """The file that it stands in."""
        return self.source.path

    @property
    def line(self) -> int:
        """The line (from 1) on which it begins."""
        return self.source.line(self.start)

    @property
    def body(self) -> list[ast.stmt]:
        """The statements of the function (of a lambda: none)."""
        return [] if isinstance(self.node, ast.Lambda) else self.node.body

    @property
    def globals(self) -> Mapping[str, Any]:
        """The names of the module that the function sees."""
        return self.unit.globals

    def __repr__(self) -> str:
        return f"<{self.name} at {self.path}:{self.line}>"


class Unit:
    """What is compiled at once: the outermost statement that holds some of the port's functions.

    `pieces` lists the function nodes, `codes` the code objects, outer before inner. `objects` are the living
    functions that run some of these codes, each with the place of its code. A stretch of a script that is
    executed by itself has `stretch`, its code, instead.
    """

    def __init__(self, source: Source, statements: Sequence[ast.stmt], owner: str | None, flags: int) -> None:
        self.source, self.statements, self.owner, self.flags = source, list(statements), owner, flags
        first, last = statements[0], statements[-1]
        self.first_line = first_line(first)
        self.start = source.line_start(self.first_line)
        self.end = source.span(last)[1]
        # The rest of the last line belongs to it, a comment there and the line end with it.
        line_end = source.line_start(source.line(self.end) + 1)
        if not source.text[self.end : line_end].lstrip().startswith(";"):
            self.end = line_end
        self.indented = source.text[self.start : self.start + 1] in (" ", "\t")
        self.objects: list[tuple[int, FunctionType]] = []
        self.stretch: CodeType | None = None
        self.pieces = list(_pieces(self.statements, f"{owner}." if owner else ""))
        self.codes: list[CodeType] = []
        self._by_key: dict[tuple[str, int, int], int] = {}
        self.globals: dict[str, Any] = {}

    @property
    def _head(self) -> str:
        """The line in front of the unit's text that makes it a module's: the class around it, or any block."""
        if self.owner:
            return f"class {self.owner}:\n"
        return "if 1:\n" if self.indented else ""

    def compiled(self, text: str) -> CodeType:
        """Compile the unit's text as it would be in its file: same lines, same class around it."""
        blank = "\n" * (self.first_line - 1 - bool(self._head))
        code: CodeType = compile(blank + self._head + text, self.source.path, "exec", self.flags, dont_inherit=True)
        return code

    def compiled_tree(self, statements: list[ast.stmt]) -> CodeType:
        """Compile a rewritten tree of the unit."""
        if self.owner:
            shell = ast.parse(f"class {self.owner}: pass").body[0]
            assert isinstance(shell, ast.ClassDef)
            shell.body = statements
            statements = [shell]
        tree = ast.Module(body=statements, type_ignores=[])
        code: CodeType = compile(tree, self.source.path, "exec", self.flags, dont_inherit=True)
        return code

    @cached_property
    def module(self) -> CodeType:
        """The text as it stands, compiled."""
        return self.compiled(self.text)

    @property
    def text(self) -> str:
        """The text as it stands."""
        return self.source.text[self.start : self.end]

    def spliced(self, splices: Sequence[Splice]) -> str:
        """The text with splices applied."""
        return apply(self.text, splices, self.start)

    def writes_into_modules(self, text: str) -> int:
        """How often a text of the unit stores into what belongs to an imported package (`np.inf = ...`)."""
        count = 0
        for node in ast.walk(ast.parse(self._head + text)):
            if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
                base: ast.expr = node
                while isinstance(base, ast.Attribute | ast.Subscript):
                    base = base.value
                count += isinstance(base, ast.Name) and base.id in self.packages
        return count

    @cached_property
    def written_into_modules(self) -> int:
        """How often the unit does so as it stands."""
        return self.writes_into_modules(self.text)

    @cached_property
    def packages(self) -> list[str]:
        """The names under which the unit knows imported packages."""
        return [n for n, value in self.globals.items() if isinstance(value, ModuleType) and _of_a_package(value)]

    def prepare(self) -> None:
        """Know the code objects of the text as it stands."""
        self.codes = _function_codes(self.module)
        self._by_key = {_key_at(self.codes, index): index for index in range(len(self.codes))}

    def adopt(self, living: Mapping[CodeType, list[FunctionType]]) -> None:
        """Find which living functions, of those of its file, run codes of this unit."""
        for code, functions in living.items():
            index = self.index_of(code)
            if index is not None:
                self.objects += [(index, function) for function in functions]
        if self.objects:
            self.globals = self.objects[0][1].__globals__

    def index_of(self, code: CodeType) -> int | None:
        """Which of the unit's codes a code is: an equal one, or else the first of its name and line."""
        if code in self.codes:
            return self.codes.index(code)
        return self._by_key.get((code.co_name, code.co_firstlineno, 0))

    def node_of(self, index: int) -> tuple[FunctionNode, str] | None:
        """The node and qualified name of a code of this unit."""
        key = _key_at(self.codes, index)
        count = 0
        for node, name in self.pieces:
            if first_line(node) == key[1] and code_name(node) == key[0]:
                if count == key[2]:
                    return node, name
                count += 1
        return None

    def lent(self, module: CodeType) -> list[tuple[FunctionType, CodeType]]:
        """For each living function of the unit, the code that a newly compiled module gives it."""
        new = _function_codes(module)
        by_name: dict[tuple[str, int], CodeType] = {}
        if len(new) != len(self.codes):
            for code in new:
                number = sum(1 for name, _ in by_name if name == code.co_name)
                by_name[code.co_name, number] = code
        pairs: list[tuple[FunctionType, CodeType]] = []
        for index, function in self.objects:
            if not by_name:
                code = new[index]
            else:
                name = self.codes[index].co_name
                number = sum(1 for other in self.codes[:index] if other.co_name == name)
                found = by_name.get((name, number))
                if found is None:
                    raise NotInForce(f"{name} is gone from {self.source.path}")
                code = found
            if code.co_freevars != function.__code__.co_freevars:
                if self._remade(index):
                    continue
                raise NotInForce(f"the edit changes which outer variables {code.co_name} uses")
            pairs.append((function, code))
        return pairs

    def _remade(self, index: int) -> bool:
        """Whether a nested function is made anew by an outer one whose code is lent as well."""
        inner = self.codes[index]
        return any(other != index and _holds(self.codes[other], inner) for other, _ in self.objects)


def _pieces(statements: Iterable[ast.AST], prefix: str) -> Iterator[tuple[FunctionNode, str]]:
    """Every function node under some nodes, in source order, with its qualified name."""
    waiting = [(node, prefix) for node in statements][::-1]
    while waiting:
        node, prefix = waiting.pop()
        if isinstance(node, FUNCTIONS):
            name = prefix + code_name(node)
            yield node, name
            prefix = f"{name}."
        elif isinstance(node, ast.ClassDef):
            prefix = f"{prefix}{node.name}."
        waiting += [(inner, prefix) for inner in ast.iter_child_nodes(node)][::-1]


def first_line(node: ast.stmt | FunctionNode) -> int:
    """The line that a statement, or a function's code object, begins at: its first decorator's, where it has one."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _function_codes(module: CodeType) -> list[CodeType]:
    """The codes of all functions and lambdas in a compiled module, outer before inner."""
    found: list[CodeType] = []
    for constant in module.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & _FUNCTION_FLAG and constant.co_name not in _NO_DEFINITION:
                found.append(constant)
            found += _function_codes(constant)
    return found


def _holds(outer: CodeType, inner: CodeType) -> bool:
    return any(c is inner or (isinstance(c, CodeType) and _holds(c, inner)) for c in outer.co_consts)


def _key_at(codes: Sequence[CodeType], index: int) -> tuple[str, int, int]:
    """Name, first line, and which of those with the same name and line."""
    name, line = codes[index].co_name, codes[index].co_firstlineno
    count = sum(1 for c in codes[:index] if c.co_name == name and c.co_firstlineno == line)
    return name, line, count


def units_of(
    source: Source, codes: Sequence[CodeType], living: Mapping[CodeType, list[FunctionType]]
) -> tuple[list[Unit], list[Function]]:
    """The units of a file that hold some of the codes, and the functions that these codes are."""
    flags = 0
    for code in codes:
        flags |= code.co_flags & _FUTURE_FLAGS
    lines = sorted({code.co_firstlineno for code in codes if code.co_name != "<module>"})
    units = []
    for statements, owner in _outermost(source, source.tree.body, None):
        begin, last = first_line(statements[0]), statements[-1]
        if any(begin <= line <= (last.end_lineno or last.lineno) for line in lines):
            unit = Unit(source, statements, owner, flags)
            unit.prepare()
            unit.adopt(living)
            units.append(unit)
    functions: list[Function] = []
    for unit in units:
        for code in codes:
            index = unit.index_of(code)
            found = None if index is None else unit.node_of(index)
            if index is not None and found is not None and all(f.node is not found[0] for f in functions):
                functions.append(Function(source, found[0], found[1], unit, index))
    units = [unit for unit in units if unit.objects]
    functions = [function for function in functions if function.unit in units]
    for code in codes:
        stretches = getattr(sys.modules.get(SCRIPTS), "executed_stretches", ())
        if code.co_name == "<module>" and code in stretches:
            stretch = _stretch(source, code)
            if stretch is not None:
                units.append(stretch)
                functions.append(Function(source, ast.Module(stretch.statements, []), "", stretch, 0))
    return units, functions


def _stretch(source: Source, code: CodeType) -> Unit | None:
    """The statements of a file that an executed code object was compiled from."""
    own = [line for _, _, line in code.co_lines() if line]
    first, last = min(own), max(own)
    for block in _blocks_of(source.tree.body):
        inside = [s for s in block if s.lineno >= first and (s.end_lineno or s.lineno) <= last]
        if inside and inside[0].lineno <= first + 1:
            unit = Unit(source, inside, None, code.co_flags & _FUTURE_FLAGS)
            unit.stretch = code
            unit.prepare()
            return unit
    return None


def _blocks_of(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    yield body
    for statement in body:
        for _, value in ast.iter_fields(statement):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                yield from _blocks_of(value)


def _outermost(source: Source, body: list[ast.stmt], owner: str | None) -> Iterator[tuple[list[ast.stmt], str | None]]:
    """The outermost statements that can be compiled by themselves and may hold functions."""
    for statement in body:
        inner: list[list[ast.stmt]] = []
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [
                value
                for _, value in ast.iter_fields(statement)
                if isinstance(value, list) and value and isinstance(value[0], ast.stmt)
            ]
        alone = all(source.opens_line(one) for block in inner for one in block)
        if inner and alone:
            name = statement.name if isinstance(statement, ast.ClassDef) else owner
            for block in inner:
                yield from _outermost(source, block, name)
        elif source.opens_line(statement) and any(isinstance(n, FUNCTIONS) for n in ast.walk(statement)):
            yield [statement], owner


def moved(unit: Unit, source: Source, splices: Sequence[Splice]) -> Unit:
    """A unit found again in the spliced text of its file."""
    if source.text == unit.source.text:
        return unit
    # What is put in at the very start stands before a function, but is part of a stretch.
    first_inside = unit.start if unit.stretch is not None else unit.start + 1
    before = [s for s in splices if s.end <= unit.start and s.start < first_inside]
    inside = [s for s in splices if unit.start <= s.start and s.end <= unit.end and s not in before]
    start = unit.start + sum(len(s.text) - (s.end - s.start) for s in before)
    end = unit.end + sum(len(s.text) - (s.end - s.start) for s in [*before, *inside])
    for statements, owner in [*_outermost(source, source.tree.body, None), *_stretches_at(unit, source)]:
        if source.line_start(first_line(statements[0])) != start:
            continue
        if unit.stretch is not None:
            statements = [s for s in statements if source.span(s)[1] <= end]
        new = Unit(source, statements, owner, unit.flags)
        new.prepare()
        new.stretch, new.globals = unit.stretch, unit.globals
        new.objects = _carried(unit, new)
        return new
    raise NotInForce(f"the edit takes a function away from {source.path}")


def _stretches_at(unit: Unit, source: Source) -> Iterator[tuple[list[ast.stmt], str | None]]:
    if unit.stretch is None:
        return
    for block in _blocks_of(source.tree.body):
        for index in range(len(block)):
            yield block[index:], None


def _carried(old: Unit, new: Unit) -> list[tuple[int, FunctionType]]:
    """The living functions of a unit under their places in its new text."""
    if len(old.codes) == len(new.codes):
        return list(old.objects)
    names: dict[tuple[str, int], int] = {}
    for index, code in enumerate(new.codes):
        names[code.co_name, sum(1 for c in new.codes[:index] if c.co_name == code.co_name)] = index
    carried = []
    for index, function in old.objects:
        name = old.codes[index].co_name
        place = names.get((name, sum(1 for c in old.codes[:index] if c.co_name == name)))
        if place is not None:
            carried.append((place, function))
    return carried


def same_function(function: Function, unit: Unit) -> Function | None:
    """A function found again in its unit as that was moved; None where it is gone."""
    if unit.stretch is not None:
        return Function(unit.source, ast.Module(unit.statements, []), "", unit, 0)
    index = function.index
    if len(unit.codes) != len(function.unit.codes):
        for place, (_, name) in enumerate(unit.pieces):
            if name == function.name and place < len(unit.codes):
                index = place
                break
    found = unit.node_of(index) if index < len(unit.codes) else None
    return None if found is None else Function(unit.source, found[0], found[1], unit, index)


def _of_a_package(module: ModuleType) -> bool:
    """Is a module installed or Python's own, rather than one that lies beside the user's files?"""
    file = getattr(module, "__file__", None)
    return file is None or any(part in file for part in PACKAGES) or file.startswith(sys.base_prefix + os.sep)
