"""Load a port file: run it as a module, and find the functions that it declares."""

from __future__ import annotations

import os
import sys
from types import ModuleType

import numpy as np

from .declaration import Declaration
from .intact import Surroundings, complaint
from .problem import NoPort, Problem, closest, nearest
from .raised import OutOfTime
from .run import in_time

# What is imported here only when it is needed: a file of that name beside the port must not take its place.
OURS = ("ast", "copy", "difflib", "inspect", "json", "linecache", "random", "rowcol", "tabulate", "textwrap")
CALLS = 3  # loading a file may take as long as so many calls of a port


def load(path: str) -> list[Declaration]:
    """The ports of a file, in the order of their lines; `file.py::name` is one of them.

    Runs the file with its folder first on the import path, as `python file.py` would. Raises `Problem`
    for a file that is missing, cannot be read, has a syntax error, raises, or declares no port.
    """
    path, _, wanted = path.partition("::")
    module = run_module(path)
    ports = sorted(
        {id(d): d for d in (_declaration(v) for v in list(vars(module).values())) if d is not None}.values(),
        key=lambda d: (d.file != module.__file__, d.line or 0),
    )
    if not ports:
        raise NoPort(
            'no port in this file. Put @port("rnn", """...layout...""") above a function '
            "(`from rowcol.bridge import port`); `rowcol new FILE` writes one to fill in.",
            file=path,
        )
    if wanted:
        names = [d.name for d in ports]
        if wanted not in names:
            raise Problem(
                f"no port named '{wanted}'{nearest(wanted, names, '.')} Ports: {', '.join(names)}.", file=path
            )
        return [d for d in ports if d.name == wanted]
    return ports


def _declaration(value: object) -> Declaration | None:
    try:
        found = vars(value).get("__rowcol__")
    except TypeError:
        return None
    return found if isinstance(found, Declaration) else None


def run_module(path: str) -> ModuleType:
    """Run a user's file as a module of its own, with every failure made one message at its place."""
    text = source_of(path)
    try:
        code = compile(text, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Problem(f"syntax error: {error.msg}", file=path, line=error.lineno) from None
    except ValueError as error:
        raise Problem(f"cannot be compiled: {error}", file=path) from None
    name = os.path.splitext(os.path.basename(path))[0]
    # A port in random.py is no reason why `import random` should give it to everybody else.
    module = ModuleType(f"{name}_" if name in OURS or name in sys.stdlib_module_names else name)
    module.__file__ = path
    folder = os.path.dirname(os.path.abspath(path))
    for file in os.listdir(folder):
        if file.removesuffix(".py") in OURS:
            __import__(file.removesuffix(".py"))
    _forget_namesakes(folder)
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    here = os.getcwd()
    if here.startswith(folder + os.sep) and here not in sys.path:
        sys.path.append(here)  # one declaration for many: it imports what lies where the command is run
    sys.modules[module.__name__] = module
    around, replaced = Surroundings(), []
    try:
        with np.errstate(all="ignore"), in_time(CALLS):
            exec(code, vars(module))
    except Problem as problem:
        raise problem.at(path, None) from None
    except (Exception, SystemExit, OutOfTime) as error:
        raise _failed(path, folder, error) from None
    finally:
        replaced = around.put_back()
    if replaced:
        raise Problem(f"the file {complaint(replaced)}", file=path)
    return module


def _forget_namesakes(folder: str) -> None:
    """Forget the user's modules of other folders that have the names of those beside this file."""
    beside = {file.removesuffix(".py") for file in os.listdir(folder)}
    everybodys = (sys.prefix, sys.base_prefix, os.path.dirname(__file__), folder + os.sep)
    for name in [name for name in sys.modules if name.partition(".")[0] in beside]:
        file = getattr(sys.modules[name], "__file__", None)
        if file and name.partition(".")[0] not in OURS and not os.path.abspath(file).startswith(everybodys):
            del sys.modules[name]


def source_of(path: str) -> bytes:
    """The bytes of a Python file, or a message that says why there are none."""
    if os.path.isdir(path):
        raise Problem("is a folder, not a port file. Name the Python file in it.", file=path)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise Problem(f"no such file{_near(path)}", file=path) from None
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror}.", file=path) from None
    if b"\0" in data:
        raise Problem("is not a Python source file (it holds zero bytes).", file=path)
    return data


def _near(path: str) -> str:
    """A Python file beside it with a name much like it."""
    folder = os.path.dirname(path) or "."
    files = [name for name in os.listdir(folder) if name.endswith(".py")] if os.path.isdir(folder) else []
    # Of two names that both end in .py, that tells nothing.
    close = closest(os.path.basename(path).removesuffix(".py"), [name.removesuffix(".py") for name in files])
    return "." if close is None else f"; did you mean '{close}.py'?"


def _failed(path: str, folder: str, error: BaseException) -> Problem:
    """A file that raises while it is loaded: its own line, or that of a module beside it."""
    line, file = None, path
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name == path or os.path.dirname(os.path.abspath(name)) == folder:
            file, line = name, trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        return Problem(f"syntax error: {error.msg}", file=error.filename or file, line=error.lineno)
    if isinstance(error, SystemExit):
        return Problem(f"called sys.exit({error.code!r}) while it was loaded.", file=file, line=line)
    if isinstance(error, OutOfTime):
        what = (
            "was still being loaded when its time was up; it was at this line. Put training under "
            '`if __name__ == "__main__":`, take what is needed with definitions(), or give it more time '
            "with --limit."
        )
        return Problem(what, file=file, line=line)
    kind = "import error" if isinstance(error, ImportError) else f"raised {type(error).__name__} while it was loaded"
    text = " ".join(str(error).split())
    hidden = os.path.splitext(os.path.basename(file))[0]
    if file != path and hidden in sys.stdlib_module_names:
        text += f". ({os.path.basename(file)} hides Python's own module '{hidden}': is that meant?)"
    return Problem(f"{kind}: {text}", file=file, line=line)
