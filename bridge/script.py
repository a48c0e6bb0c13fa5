"""Scripts that train when they are imported: what they define, and stretches of them, without the rest."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .load import source_of
from .problem import Problem, nearest

if TYPE_CHECKING:
    import ast

# Code of stretches that `lines` executed, and what is executed in place of some of them: this is how an edit
# of a stretch is put in force, since there is no function whose code could be exchanged.
executed_stretches: set[CodeType] = set()
in_force: dict[CodeType, CodeType] = {}

_definitions_of: dict[tuple[str, str], Names] = {}
_stretches: dict[tuple[str, int, str, int], CodeType] = {}


class Undefined(Problem, AttributeError):
    """A name that is not there. An `AttributeError` too, so that `hasattr` works."""


class Names(ModuleType):
    """The names of a script, as attributes; `__file__` is the script. They can be set as on any module.

    A name that is not there is a `Problem` that says why: the statement that sets it was not run.
    """

    def __init__(self, name: str, path: str, skipped: Mapping[str, int] | None = None) -> None:
        super().__init__(name)
        self.__dict__.update(__file__=path, __skipped__={} if skipped is None else skipped)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        path, skipped = self.__dict__["__file__"], self.__dict__["__skipped__"]
        if name in skipped:
            raise Undefined(
                f"'{name}' is set by code that is not run. Set it first, or for one call: "
                f"globals_set(script, {name}=...).",
                file=path,
                line=skipped[name],
            )
        raise Undefined(f"{self.__name__} have no '{name}'{nearest(name, vars(self))}", file=path)


class _Late(ModuleType):
    """An installed package that a script imports: imported when it is used, which for a plot is never."""

    def __init__(self, bound: str, path: str, file: str, line: int) -> None:
        super().__init__(bound)
        self.__dict__["__place__"] = path, file, line

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from importlib import import_module

        path, file, line = self.__dict__["__place__"]
        try:
            import_module(path)
            return getattr(import_module(self.__name__), name)
        except Exception as error:
            what = f"'{path}' is used, but its import fails: {_said(error)}."
            raise Problem(what, file=file, line=line) from None


class _Absent:
    """What a script imports or defines but cannot have here. Any use of it is a `Problem` that says why."""

    def __init__(self, what: str, file: str, line: int) -> None:
        self.__problem = Problem(what, file=file, line=line)

    def __refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise self.__problem

    __call__ = __getitem__ = __iter__ = __len__ = __bool__ = __array__ = __mro_entries__ = __refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = __truediv__ = __refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self.__problem


def definitions(path: str | os.PathLike[str]) -> Names:
    """A script's imports, functions, classes and constants, without what it does: no training, no reading.

        script = definitions("train.py")          # beside the port file
        script.hidden_size = 7                    # globals can be set; `globals_set` does it for one call

    Taken are `import`, `def`, `class`, and assignments that are arithmetic of literals, of names taken
    before, and of `np.zeros` and its like; of an `if` or a `try`, the branch that would be. Skipped is all
    else: loops, calls, files, `if __name__ == "__main__"`, weights drawn at random. What a function needs
    of these its caller has to set.

    A package that cannot be imported (or a definition that needs one) matters to those only who use it.
    Relative paths start from the file that calls. Functions keep the script's file name and line numbers.
    """
    path = _beside_caller(path)
    return _definitions(path, _text(path))


def lines(
    path: str | os.PathLike[str], first: int, last: int, script: ModuleType | None = None, /, **names: Any
) -> Names:
    """Run lines `first` to `last` (both included) of a script with names given; all names come back.

        end = lines("train.py", 61, 95, W=W, x=x, targets=y)
        return end.loss, {"W": end.dW}

    For code that stands in no function: the body of a training loop, say. The lines see the script's
    `definitions` (or those handed over as `script`) and `names`; what they assign ends with the call.
    They must be whole statements of one block, and are run once, whatever loop they stand in.
    """
    path = _beside_caller(path)
    text = _text(path)
    if script is None:
        if (path, text) not in _definitions_of:
            _definitions_of[path, text] = _definitions(path, text)
        script = _definitions_of[path, text]
    code = _stretch(path, first, last, text)
    executed_stretches.add(code)
    # In the script's own namespace: its functions see what the lines assign, as they do in the script.
    space = vars(script)
    before = dict(space)
    try:
        space.update(names)
        exec(in_force.get(code, code), space)
        end = Names(f"the lines {first} to {last}", path)
        vars(end).update((name, value) for name, value in space.items() if not name.startswith("__"))
    except BaseException as error:
        error.__dict__["globals_then"] = dict(space)
        raise
    finally:
        space.clear()
        space.update(before)
    return end


def _beside_caller(path: str | os.PathLike[str]) -> str:
    """The absolute path of a file that our caller's caller names, relative to the file it stands in."""
    caller = sys._getframe(2).f_code.co_filename
    folder = os.path.dirname(caller) if os.path.isfile(caller) else ""
    return os.path.abspath(os.path.join(folder, path))


def _text(path: str) -> str:
    """The text of a script, with its lines ended alike."""
    data = source_of(path)
    if path.endswith(".ipynb"):
        raise Problem("is a notebook. Save it as a script: jupyter nbconvert --to script", file=path)
    encoding = "utf-8-sig"
    head = data.splitlines(keepends=True)[:2]
    if b"coding" in b"".join(head):
        from tokenize import detect_encoding

        try:
            encoding = detect_encoding(iter(head).__next__)[0]
        except SyntaxError as error:
            raise Problem(f"cannot be read: {error.msg}.", file=path, line=1) from None
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        what = f"is not {error.encoding}: the byte 0x{data[error.start]:02x} stands on this line."
        line = data.count(b"\n", 0, error.start) + 1
        raise Problem(f"{what} Save it as UTF-8.", file=path, line=line) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _stretch(path: str, first: int, last: int, text: str) -> CodeType:
    """The code of some lines of a script, with the script's file name and line numbers."""
    import ast

    rows = text.split("\n")
    if not 1 <= first <= last <= len(rows):
        raise Problem(f"there are no lines {first} to {last}: this script has {len(rows)}.", file=path)
    flags = _future(text)
    chosen = "\n".join(rows[first - 1 : last]) + "\n"
    if (path, first, chosen, flags) in _stretches:
        return _stretches[path, first, chosen, flags]
    written = [row for row in rows[first - 1 : last] if row.strip() and not row.lstrip().startswith("#")]
    if not written:
        raise Problem(f"there is nothing to run in the lines {first} to {last}.", file=path, line=first)
    # Indented lines stand under an `if` in place of the line above them: columns stay what they are.
    indented = written[0][0] in " \t" and first > 1
    head = "\n" * (first - 2) + "if 1:\n" if indented else "\n" * (first - 1)
    try:
        body = ast.parse(head + chosen, path).body
        if indented:
            shell, *others = body
            assert isinstance(shell, ast.If)
            for stranger in [*others, *shell.orelse]:
                raise SyntaxError("this line belongs to another block", (path, stranger.lineno, 0, ""))
            body = shell.body
        tree = ast.Module(body=body, type_ignores=[])
        code: CodeType = compile(tree, path, "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        what = f"the lines {first} to {last} are not whole statements of one block: {error.msg}."
        raise Problem(what, file=path, line=error.lineno or first) from None
    _stretches[path, first, chosen, flags] = code
    return code


def _future(text: str) -> int:
    """The compiler flags that a script's `from __future__ import` lines set."""
    if "__future__" not in text:
        return 0
    import __future__

    import ast

    flags = 0
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                flags |= getattr(__future__, alias.name, __future__.division).compiler_flag
    return flags


def _definitions(path: str, text: str) -> Names:
    import ast

    try:
        tree = ast.parse(text, path)
        flags = _future(text)
    except SyntaxError as error:
        raise Problem(f"syntax error: {error.msg}", file=path, line=error.lineno) from None
    except ValueError as error:
        raise Problem(f"cannot be compiled: {error}", file=path) from None
    reading = _Reading(path, flags)
    name = reading.names.__name__
    # A dataclass looks its module up while it is being defined; nothing can import it by this name.
    sys.modules[name] = reading.names
    sys.path.insert(0, reading.folder)
    try:
        reading.block(tree.body)
    finally:
        del sys.modules[name]
        with suppress(ValueError):
            sys.path.remove(reading.folder)
    return reading.names


# Functions that make a value and do nothing else.
_BUILTINS = {"abs", "bool", "dict", "enumerate", "float", "int", "len", "list", "max", "min", "range"}
_BUILTINS |= {"reversed", "round", "set", "slice", "sorted", "str", "sum", "tuple", "zip"}
_MAKERS = {"arange", "array", "asarray", "empty", "exp", "eye", "float32", "float64", "full", "identity"}
_MAKERS |= {"int32", "int64", "linspace", "log", "ones", "ones_like", "prod", "sqrt", "zeros", "zeros_like"}


class _Reading:
    """One reading of a script into a namespace, statement by statement."""

    def __init__(self, path: str, flags: int) -> None:
        self.path, self.flags = path, flags
        self.folder, base = os.path.split(path)
        self.skipped: dict[str, int] = {}
        self.names = Names(f"the definitions of {base}", path, self.skipped)
        self.space = vars(self.names)

    def block(self, statements: Sequence[ast.stmt], strict: bool = False) -> None:
        """Take each statement that defines something, and note which names the others would set."""
        import ast

        for statement in statements:
            match statement:
                case ast.Import() | ast.ImportFrom():
                    for alias in statement.names:
                        self.take_import(statement, alias, strict)
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    self.take_definition(statement)
                case ast.Assign() | ast.AugAssign() | ast.AnnAssign(value=ast.expr()):
                    if not self.take_assignment(statement):
                        self.skip(statement, stale=True)
                case ast.If():
                    self.take_if(statement, strict)
                case ast.Try():
                    self.take_try(statement)
                case _:
                    self.skip(statement)

    def run(self, statement: ast.stmt) -> None:
        """Execute a statement in the script's namespace."""
        import ast

        tree = ast.Module(body=[statement], type_ignores=[])
        exec(compile(tree, self.path, "exec", self.flags, dont_inherit=True), self.space)

    def skip(self, statement: ast.stmt, stale: bool = False) -> None:
        """Note the names that a skipped statement sets; what it sets anew is no longer what it was."""
        import ast

        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.skipped[node.id] = node.lineno
                if stale:
                    self.space.pop(node.id, None)

    def take_definition(self, statement: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        """Define a function or class; one that cannot be defined says why when it is used."""
        try:
            self.run(statement)
        except Exception as error:
            what = f"'{statement.name}' could not be defined: {_said(error)}."
            self.space[statement.name] = _Absent(what, self.path, statement.lineno)

    def take_import(self, statement: ast.Import | ast.ImportFrom, alias: ast.alias, strict: bool) -> None:
        """Import what is Python's, numpy's or the user's own at once; another package when it is used."""
        import ast

        whole = isinstance(statement, ast.Import)
        module = alias.name if isinstance(statement, ast.Import) else statement.module or ""
        top = module.partition(".")[0]
        place = os.path.join(self.folder, top)
        own = os.path.isfile(place + ".py") or os.path.isdir(place)
        name = alias.asname or (top if whole else alias.name)
        if whole and not (own or strict or top == "numpy" or top in sys.stdlib_module_names):
            bound = module if alias.asname else top
            self.space[name] = _Late(bound, module, self.path, statement.lineno)
            return
        one: ast.stmt = ast.Import(names=[alias])
        if isinstance(statement, ast.ImportFrom):
            one = ast.ImportFrom(module=statement.module, names=[alias], level=statement.level)
        try:
            self.run(ast.copy_location(one, statement))
        except Exception as error:
            if strict:
                raise
            what = f"the import of '{module}' fails: {_said(error)}."
            if own or name == "*":
                raise Problem(what, file=self.path, line=statement.lineno) from None
            self.space[name] = _Absent(what, self.path, statement.lineno)

    def take_assignment(self, statement: ast.Assign | ast.AugAssign | ast.AnnAssign) -> bool:
        """Execute an assignment of a plain value to plain names; whether it could be."""
        import ast

        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        plain = (ast.Name, ast.Tuple, ast.List, ast.Starred, ast.expr_context)
        if not all(isinstance(node, plain) for target in targets for node in ast.walk(target)):
            return False
        assert statement.value is not None
        if not self.simple(statement.value):
            return False
        try:
            self.run(statement)
        except Exception:
            return False
        return True

    def take_if(self, statement: ast.If, strict: bool) -> None:
        """Take the branch of an `if` that the script would take, where that is plain to see."""
        import ast

        if not self.simple(statement.test):
            self.skip(statement)
            return
        test = compile(ast.Expression(statement.test), self.path, "eval", self.flags, dont_inherit=True)
        try:
            chosen = statement.body if eval(test, self.space) else statement.orelse
        except Exception:
            self.skip(statement)
        else:
            self.block(chosen, strict)

    def take_try(self, statement: ast.Try) -> None:
        """Take the statements of a `try`; if an import among them fails, those of its first handler."""
        try:
            self.block(statement.body, strict=True)
        except Exception:
            self.block(statement.handlers[0].body if statement.handlers else ())
        else:
            self.block(statement.orelse)
        self.block(statement.finalbody)

    def simple(self, value: ast.AST) -> bool:
        """Whether an expression is arithmetic of literals and names: reads nothing, draws nothing."""
        import ast

        if isinstance(value, ast.Lambda):
            defaults = [*value.args.defaults, *value.args.kw_defaults]
            return all(self.simple(default) for default in defaults if default is not None)
        if isinstance(value, ast.Call) and not self.harmless(value.func):
            return False
        refused = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)
        return not isinstance(value, refused) and all(map(self.simple, ast.iter_child_nodes(value)))

    def harmless(self, function: ast.expr) -> bool:
        """Whether a function is known to make a value and do nothing else: `len`, `np.zeros` and the like."""
        import ast

        match function:
            case ast.Name(id=name):
                return name in _BUILTINS and name not in self.space
            case ast.Attribute(value=ast.Name(id=name), attr=maker):
                return self.space.get(name) is np and maker in _MAKERS
        return False


def _said(error: BaseException) -> str:
    """An exception in one line, without a full stop."""
    if isinstance(error, Problem):
        return str(error).rstrip(".")
    first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
