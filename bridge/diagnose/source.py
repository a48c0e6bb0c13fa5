"""The port's own source: which functions ran, edits of their text put in force, every value they computed.

Nothing here touches the user's files or modules: an edit is compiled from spliced text and its code is lent
to the living function objects while a `with` block lasts.
"""

from __future__ import annotations

import ast
import builtins
import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cache, cached_property
from types import CodeType, FunctionType, ModuleType, TracebackType
from typing import Any

import numpy as np

from .text import FUNCTIONS, FunctionNode, Source, Splice, apply, code_name
from .trace import Array, Recorder

_FUTURE_FLAGS = 0x1FF0000  # the bits of co_flags that `from __future__ import ...` sets
_HELD_SIZE = 10_000  # elements of a module's array up to which it is put back after an edit wrote into it
_FUNCTION_FLAG = 0x1  # CO_OPTIMIZED: a function's code, not a module's or a class body's
_NO_DEFINITION = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
# The module that executes stretches of scripts, and holds what is executed in their place.
_SCRIPTS = "rowcol.bridge.script"
_BRIDGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_SIDES = tuple(os.path.join(os.path.dirname(_BRIDGE[:-1]), side) + os.sep for side in ("reference", "batched"))


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
        return self.source.path

    @property
    def line(self) -> int:
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
        decorators = getattr(first, "decorator_list", [])
        self.first_line: int = min([first.lineno, *(d.lineno for d in decorators)])
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
        self.globals: dict[str, Any] = {}

    def compiled(self, text: str) -> CodeType:
        """Compile the unit's text as it would be in its file: same lines, same class around it."""
        head = ""
        if self.owner:
            head = f"class {self.owner}:\n"
        elif self.indented:
            head = "if 1:\n"
        blank = "\n" * (self.first_line - 1 - bool(head))
        code: CodeType = compile(blank + head + text, self.source.path, "exec", self.flags, dont_inherit=True)
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
        return self.source.text[self.start : self.end]

    def spliced(self, splices: Sequence[Splice]) -> str:
        return apply(self.text, splices, self.start)

    def writes_into_modules(self, text: str) -> int:
        """How often a text of the unit stores into what belongs to an imported package (`np.inf = ...`)."""
        head = f"class {self.owner}:\n" if self.owner else "if 1:\n" if self.indented else ""
        count = 0
        for node in ast.walk(ast.parse(head + text)):
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

    def adopt(self, living: Mapping[CodeType, list[FunctionType]]) -> None:
        """Find which living functions, of those of its file, run codes of this unit."""
        taken = _keys(self.codes)
        for code, functions in living.items():
            index = next((i for i, own in enumerate(self.codes) if own == code), None)
            if index is None:
                index = taken.get((code.co_name, code.co_firstlineno, 0))
            if index is not None:
                self.objects += [(index, function) for function in functions]
        for _, function in self.objects:
            self.globals = function.__globals__
            break

    def node_of(self, index: int) -> tuple[FunctionNode, str] | None:
        """The node and qualified name of a code of this unit."""
        key = _key_at(self.codes, index)
        count = 0
        for node, name in self.pieces:
            if _first_line(node) == key[1] and code_name(node) == key[0]:
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


class Scope:
    """The port's own functions that ran, with their sources; edits put in force; values traced."""

    def __init__(self, sources: dict[str, Source], units: list[Unit], functions: list[Function]) -> None:
        self.sources, self.units, self.functions = sources, units, functions
        self.originals = sources
        # The names of every module that the functions live in, with its file.
        self.namespaces: list[tuple[str, dict[str, Any]]] = []
        for unit in units:
            if unit.globals and all(space is not unit.globals for _, space in self.namespaces):
                self.namespaces.append((unit.source.path, unit.globals))

    @classmethod
    def discover(
        cls, run: Callable[[], object], where: str | Iterable[str] | None = None, home: str | None = None
    ) -> Scope:
        """Run once and find the user's functions that ran.

        `where` names files and folders; what runs from anywhere else is not the user's. Cells of a
        notebook always are. Without it, everything is that is neither installed, nor Python's own, nor ours
        (unless the folder `home` is): a test's port calls what stands in the package beside it.
        """
        ran = executed(run)
        mine = belongs(where, home)
        codes: dict[str, list[CodeType]] = {}
        for code in ran:
            if mine(code.co_filename):
                codes.setdefault(code.co_filename, []).append(code)
        referrers = gc.get_referrers(*(code for group in codes.values() for code in group)) if codes else []
        living: dict[str, dict[CodeType, list[FunctionType]]] = {}  # of each file
        wanted = {id(code): os.path.abspath(name) for name, group in codes.items() for code in group}
        for one in referrers:
            if isinstance(one, FunctionType) and id(one.__code__) in wanted:
                living.setdefault(wanted[id(one.__code__)], {}).setdefault(one.__code__, []).append(one)
        sources: dict[str, Source] = {}
        units: list[Unit] = []
        functions: list[Function] = []
        for name, group in codes.items():
            try:
                source = Source.read(name)
            except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
                continue
            found, of_file = _units(source, group, living.get(os.path.abspath(name), {}))
            if found:
                sources[name] = source
                units += found
                functions += of_file
        return cls(sources, units, functions)

    def source(self, path: str) -> Source:
        return self.sources[path]

    @cached_property
    def classes(self) -> Set[str]:
        """The names of the classes of which methods ran."""
        return {function.name.rpartition(".")[0].rpartition(".")[2] for function in self.functions} - {""}

    def function_at(self, path: str, offset: int) -> Function | None:
        """The innermost function that ran and holds an offset."""
        holding = [f for f in self.functions if f.path == path and f.start <= offset < f.end]
        return min(holding, key=lambda f: f.end - f.start, default=None)

    def edited(self, splices: Iterable[Splice]) -> Installed:
        """A context in which the splices (and this scope's own mends) are in force."""
        return Installed(self, tuple(splices))

    def traced(self, recorder: Recorder, splices: Iterable[Splice] = ()) -> Installed:
        """A context in which every array- or number-valued expression reports to the recorder."""
        scope = self.mended(splices) if splices else self
        return Installed(scope, (), recorder)

    def mended(self, splices: Iterable[Splice]) -> Scope:
        """A scope of the spliced text: its offsets, lines and functions are those of the new text."""
        by_path: dict[str, list[Splice]] = {}
        for splice in splices:
            by_path.setdefault(splice.path, []).append(splice)
        sources = dict(self.sources)
        for path, of_file in by_path.items():
            old = self.sources[path]
            sources[path] = Source(path, apply(old.text, of_file), old.encoding, on_disk=old.on_disk)
        units: list[Unit] = []
        functions: list[Function] = []
        for path in sources:
            mine = [unit for unit in self.units if unit.source.path == path]
            if path not in by_path:
                units += mine
                functions += [f for f in self.functions if f.path == path]
                continue
            moved = [_moved(unit, sources[path], by_path[path]) for unit in mine]
            units += moved
            for function in self.functions:
                if function.path == path:
                    unit = moved[mine.index(function.unit)]
                    found = _same_function(function, unit)
                    if found is not None:
                        functions.append(found)
        scope = Scope(sources, units, functions)
        scope.originals = self.originals
        return scope


class Installed:
    """Codes lent to living functions while a `with` block lasts."""

    def __init__(self, scope: Scope, splices: tuple[Splice, ...], recorder: Recorder | None = None) -> None:
        self.scope, self.splices, self.recorder = scope, splices, recorder
        self._codes: list[tuple[FunctionType, CodeType]] = []
        self._defaults: list[tuple[FunctionType, tuple[Any, ...] | None, dict[str, Any] | None]] = []
        self._names: list[tuple[dict[str, Any], str, Any]] = []
        self._stretches: list[tuple[dict[CodeType, CodeType], CodeType]] = []
        self._hooks: dict[str, Any] = {}
        self._held: list[tuple[dict[str, Any], dict[str, Any], list[tuple[Array, Array]]]] = []

    def __enter__(self) -> Installed:
        # An edited port may raise between the settings that it makes and those that it takes back.
        self._errors = np.geterr()
        if self.recorder is None:
            self._held = [_held(space) for _, space in self.scope.namespaces]
        try:
            self._install()
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _install(self) -> None:
        if self.recorder is not None:
            for name, hook in self.recorder.hooks().items():
                self._hooks[name] = getattr(builtins, name, None)
                setattr(builtins, name, hook)
            for unit in self.scope.units:
                self._lend(unit, unit.compiled_tree(self.recorder.instrumented(unit)))
            return
        by_unit: dict[int, list[Splice]] = {}
        loose: list[Splice] = []
        units = self.scope.units
        for splice in self.splices:
            for index, unit in enumerate(units):
                if unit.source.path == splice.path and unit.start <= splice.start and splice.end <= unit.end:
                    by_unit.setdefault(index, []).append(splice)
                    break
            else:
                loose.append(splice)
        for index, unit in enumerate(units):
            mine = by_unit.get(index, [])
            if mine:
                self._edit(unit, mine)
            elif unit.source is not self.scope.originals.get(unit.source.path):
                self._lend(unit, unit.module)
        if loose:
            self._execute(loose)

    def _edit(self, unit: Unit, splices: list[Splice]) -> None:
        text = unit.spliced(splices)
        try:
            module = unit.compiled(text)
            named = [name for name in unit.packages if any(f"{name}." in splice.text for splice in splices)]
            if named and unit.writes_into_modules(text) > unit.written_into_modules:
                raise NotInForce("the edit would change a package that is not the user's")
        except (SyntaxError, ValueError) as error:
            raise NotInForce(f"the edited text does not compile: {error}") from None
        changed = self._lend(unit, module)
        for index, function in unit.objects:
            found = unit.node_of(index)
            if found is not None and _touches_defaults(unit.source, found[0], splices):
                changed |= self._set_defaults(unit, index, function, splices)
        if not changed:
            self._execute(splices)

    def _lend(self, unit: Unit, module: CodeType) -> bool:
        """Give the living functions of a unit their new codes; whether any is another than before."""
        changed = False
        for function, code in unit.lent(module):
            old = function.__code__
            if _alike(code, old):
                continue
            self._codes.append((function, old))
            function.__code__ = code
            changed = True
        if unit.stretch is not None:
            table = getattr(sys.modules.get(_SCRIPTS), "in_force", None)
            if table is None:
                raise NotInForce(f"{unit.source.path} runs as a script whose code cannot be exchanged")
            table[unit.stretch] = module
            self._stretches.append((table, unit.stretch))
            changed = True
        return changed

    def _set_defaults(self, unit: Unit, index: int, function: FunctionType, splices: list[Splice]) -> bool:
        """Evaluate a function's edited defaults anew."""
        text = unit.spliced(splices)
        again = Source(unit.source.path, "if 1:\n" + text if unit.indented else text)
        found = next(
            (n for n in ast.walk(again.tree) if isinstance(n, FUNCTIONS) and code_name(n) == function.__name__),
            None,
        )
        if found is None:
            return False
        self._defaults.append((function, function.__defaults__, function.__kwdefaults__))

        def value(node: ast.expr) -> Any:
            code = compile(ast.Expression(node), unit.source.path, "eval", unit.flags, dont_inherit=True)
            return eval(code, function.__globals__)

        function.__defaults__ = tuple(value(node) for node in found.args.defaults) or None
        keywords = zip(found.args.kwonlyargs, found.args.kw_defaults, strict=True)
        function.__kwdefaults__ = {a.arg: value(d) for a, d in keywords if d is not None} or None
        return True

    def _execute(self, splices: list[Splice]) -> None:
        """Execute edited assignments of a module anew, in the module's own names."""
        path = splices[0].path
        source = self.scope.sources.get(path)
        if source is None or any(s.path != path for s in splices):
            raise NotInForce("the edit is outside of what runs")
        spaces = self.scope.namespaces
        home = next((space for name, space in spaces if name == path), None)
        for statement in source.tree.body:
            start, end = source.span(statement)
            mine = [s for s in splices if start <= s.start and s.end <= end]
            if not mine:
                continue
            names = _assigned_names(statement)
            if home is None or not names or len(mine) != len(splices):
                break
            old = {name: home[name] for name in names if name in home}
            fresh = dict(home)
            try:
                exec(compile(apply(source.text[start:end], mine, start), path, "exec"), fresh)
            except Exception as error:
                raise NotInForce(f"the edited statement raises: {error}") from None
            for name, before in old.items():
                for _, space in spaces:
                    if space.get(name) is before:
                        self._names.append((space, name, before))
                        space[name] = fresh[name]
            if self._names:
                return
        raise NotInForce("the edit changes nothing that runs")

    def _restore(self) -> None:
        np.seterr(**self._errors)
        for space, names, arrays in self._held:
            _put_back(space, names, arrays)
        for function, code in reversed(self._codes):
            function.__code__ = code
        for function, positional, keyword in reversed(self._defaults):
            function.__defaults__, function.__kwdefaults__ = positional, keyword
        for space, name, value in reversed(self._names):
            space[name] = value
        for table, key in self._stretches:
            table.pop(key, None)
        for name, hook in self._hooks.items():
            if hook is None:
                delattr(builtins, name)
            else:
                setattr(builtins, name, hook)
        self._codes, self._defaults, self._names, self._stretches, self._hooks = [], [], [], [], {}
        self._held = []


def executed(run: Callable[[], object]) -> list[CodeType]:
    """The code objects of all Python functions that a run calls, in the order of their first call."""
    seen: dict[CodeType, None] = {}
    known: set[int] = set()

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            if id(code) not in known:
                known.add(id(code))
                kept.append(code)

    kept: list[CodeType] = []
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    for code in kept:
        seen.setdefault(code)
    return list(seen)


def belongs(where: str | Iterable[str] | None, home: str | None = None) -> Callable[[str], bool]:
    """A test of file names: is this one of the user's?"""
    places = [where] if isinstance(where, str) else None if where is None else list(where)
    roots = None if places is None else [os.path.abspath(place) for place in places]
    files = set(roots or ())
    folders = tuple(root + os.sep for root in [*(roots or ()), *([home] if home else ())])
    system = (os.path.dirname(os.__file__) + os.sep, os.path.dirname(os.path.dirname(np.__file__)) + os.sep)

    @cache
    def test(name: str) -> bool:
        if name.startswith("<") or not os.path.isfile(name):
            cached = getattr(sys.modules.get("linecache"), "cache", {}).get(name)
            return cached is not None and len(cached) == 4 and not name.startswith("<frozen")
        path = os.path.abspath(name)
        if path in files:
            return True
        if path.startswith(_BRIDGE) or any(part in path for part in _PACKAGES):
            return False
        return path.startswith(folders) or (roots is None and not path.startswith((*system, *_SIDES)))

    return test


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


def _first_line(node: FunctionNode) -> int:
    """The line that a function's code object begins at: its first decorator's, where it has one."""
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


def _alike(one: CodeType, other: CodeType) -> bool:
    """Whether two codes do the same, wherever they stand."""
    if one.co_code != other.co_code or len(one.co_consts) != len(other.co_consts):
        return False
    if (one.co_names, one.co_varnames, one.co_freevars) != (
        other.co_names,
        other.co_varnames,
        other.co_freevars,
    ):
        return False
    return all(
        _alike(a, b)
        if isinstance(a, CodeType) and isinstance(b, CodeType)
        else type(a) is type(b) and repr(a) == repr(b)
        for a, b in zip(one.co_consts, other.co_consts, strict=True)
    )


def _holds(outer: CodeType, inner: CodeType) -> bool:
    return any(c is inner or (isinstance(c, CodeType) and _holds(c, inner)) for c in outer.co_consts)


def _keys(codes: Sequence[CodeType]) -> dict[tuple[str, int, int], int]:
    return {_key_at(codes, index): index for index in range(len(codes))}


def _key_at(codes: Sequence[CodeType], index: int) -> tuple[str, int, int]:
    """Name, first line, and which of those with the same name and line."""
    name, line = codes[index].co_name, codes[index].co_firstlineno
    count = sum(1 for c in codes[:index] if c.co_name == name and c.co_firstlineno == line)
    return name, line, count


def _units(
    source: Source, codes: Sequence[CodeType], living: Mapping[CodeType, list[FunctionType]]
) -> tuple[list[Unit], list[Function]]:
    """The units of a file that hold some of the codes, and the functions that these codes are."""
    flags = 0
    for code in codes:
        flags |= code.co_flags & _FUTURE_FLAGS
    lines = sorted({code.co_firstlineno for code in codes if code.co_name != "<module>"})
    units = []
    for statements, owner in _outermost(source, source.tree.body, None):
        first, last = statements[0], statements[-1]
        begin = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", ()))])
        if any(begin <= line <= (last.end_lineno or last.lineno) for line in lines):
            unit = Unit(source, statements, owner, flags)
            unit.prepare()
            unit.adopt(living)
            units.append(unit)
    functions: list[Function] = []
    for unit in units:
        taken = _keys(unit.codes)
        for code in codes:
            index = next((i for i, own in enumerate(unit.codes) if own == code), None)
            if index is None:
                index = taken.get((code.co_name, code.co_firstlineno, 0))
            found = None if index is None else unit.node_of(index)
            if index is not None and found is not None and all(f.node is not found[0] for f in functions):
                functions.append(Function(source, found[0], found[1], unit, index))
    units = [unit for unit in units if unit.objects]
    functions = [function for function in functions if function.unit in units]
    for code in codes:
        stretches = getattr(sys.modules.get(_SCRIPTS), "executed_stretches", ())
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


def _moved(unit: Unit, source: Source, splices: Sequence[Splice]) -> Unit:
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
        first = statements[0]
        line = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", ()))])
        if source.line_start(line) != start:
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


def _same_function(function: Function, unit: Unit) -> Function | None:
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


def _touches_defaults(source: Source, node: FunctionNode, splices: Sequence[Splice]) -> bool:
    defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
    spans = [source.span(default) for default in defaults]
    return any(start <= s.end and s.start <= end for start, end in spans for s in splices)


def _assigned_names(statement: ast.stmt) -> list[str]:
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]


def _held(space: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[tuple[Array, Array]]]:
    """The names of a module as they are, and copies of the arrays that an edit might write into."""
    arrays = [value for value in space.values() if type(value) is np.ndarray and value.size <= _HELD_SIZE]
    return space, dict(space), [(array, array.copy()) for array in arrays]


def _put_back(space: dict[str, Any], names: dict[str, Any], arrays: list[tuple[Array, Array]]) -> None:
    for array, copy in arrays:
        if array.flags.writeable and not np.array_equal(array, copy, equal_nan=copy.dtype.kind in "fc"):
            array[...] = copy
    if len(space) != len(names) or any(space[name] is not value for name, value in names.items() if name in space):
        for name in [name for name in space if name not in names]:
            del space[name]
        space.update(names)


def _of_a_package(module: ModuleType) -> bool:
    """Is a module installed or Python's own, rather than one that lies beside the user's files?"""
    file = getattr(module, "__file__", None)
    return file is None or any(part in file for part in _PACKAGES) or file.startswith(sys.base_prefix + os.sep)
