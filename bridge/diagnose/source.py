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
from collections.abc import Callable, Iterable, Sequence, Set
from functools import cache, cached_property
from types import CodeType, FunctionType, TracebackType
from typing import Any

import numpy as np

from .text import FUNCTIONS, FunctionNode, Source, Splice, apply, code_name
from .trace import Array, Recorder
from .units import PACKAGES, SCRIPTS, Function, NotInForce, Unit, moved, same_function, units_of

_HELD_SIZE = 10_000  # elements of a module's array up to which it is put back after an edit wrote into it
_BRIDGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_SIDES = tuple(os.path.join(os.path.dirname(_BRIDGE[:-1]), side) + os.sep for side in ("reference", "batched"))


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
            found, of_file = units_of(source, group, living.get(os.path.abspath(name), {}))
            if found:
                sources[name] = source
                units += found
                functions += of_file
        return cls(sources, units, functions)

    def source(self, path: str) -> Source:
        """The text of a file, as it is mended here."""
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
            new = [moved(unit, sources[path], by_path[path]) for unit in mine]
            units += new
            for function in self.functions:
                if function.path == path:
                    unit = new[mine.index(function.unit)]
                    found = same_function(function, unit)
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
            table = getattr(sys.modules.get(SCRIPTS), "in_force", None)
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
    # By identity while it runs: to compare codes takes longer than the calls.
    called: dict[int, CodeType] = {}

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            called.setdefault(id(frame.f_code), frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    return list(dict.fromkeys(called.values()))


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
        if path.startswith(_BRIDGE) or any(part in path for part in PACKAGES):
            return False
        return path.startswith(folders) or (roots is None and not path.startswith((*system, *_SIDES)))

    return test


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
