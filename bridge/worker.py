"""One worker process a port file, with a time limit: a port cannot harm the next one, or the command.

Where processes can fork, the worker is a fork of the command and starts at once; elsewhere it is a new
Python. Plain data comes back through a pipe (marshal: no code, no classes). The command itself needs no NumPy:
it forks before anything is imported that only the worker needs.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .options import Options
from .problem import DIFFERS, SWALLOWED, NoPort, Problem, Several, origin
from .process import INTERRUPTED, Tell, forked, forks_badly, spawned, work_and_answer
from .report.schema import Report, blank, failed, problem_of
from .timings import stage

if TYPE_CHECKING:
    from .declaration import Declaration

# Seconds: one call of a port, and everything that is done with one file (on a machine that does nothing else: a busy
# one is given longer).
CALL_LIMIT = 10.0
FILE_LIMIT = 120.0
SEARCHES = 4  # times as long as a search is asked for (in seconds of the processor), besides


class Listed(NamedTuple):
    """A port of a file: its name, its line, and the labels of the cases that a verdict on it is taken on."""

    name: str
    line: int | None
    cases: list[str]


def examined(
    path: str,
    options: Options,
    *,
    limit: float = CALL_LIMIT,
    quiet: bool = True,
    abandon: Callable[[], bool] | None = None,
    loaded: Callable[[list[str]], object] | None = None,
) -> list[Report]:
    """The reports of a port file, examined in a process of its own.

    `limit` is what one call of the port may take, in seconds. What the port prints is thrown away,
    unless `quiet` is False. `abandon` is asked from time to time: raises `Abandoned` where it says so. `loaded` is told
    which files of the user's own were run.
    """
    task = {"path": path, "options": tuple(options), "limit": limit, "quiet": quiet, "files": loaded is not None}
    answer = _asked(task, lambda tell: perform(task, tell), abandon)
    if loaded is not None:
        loaded(answer.get("files", []))
    if "several" in answer:  # each port of a file gets a worker of its own
        names, file = answer["several"], path.partition("::")[0]
        import_for_all()
        each = [f"{file}::{name}" for name in names]
        return [r for one in each for r in examined(one, options, limit=limit, quiet=quiet, loaded=loaded)]
    reports: list[Report] = answer["reports"]
    return reports


def examined_function(port: Declaration, options: Options, *, limit: float = CALL_LIMIT) -> Report:
    """The report of a function that this process has declared already, examined in a process of its own.

    Where processes cannot fork, the function is loaded there from its file. Raises `Problem` where that cannot be.
    """
    if not loadable(port) and (forks_badly() or not hasattr(os, "fork")):
        why = f"{forks_badly()} has been imported, and does not survive a fork" if forks_badly() else "none can fork"
        raise port.problem(
            f"{port.name}() cannot be handed to a process of its own here ({why}). "
            "Declare it with @port at the top level of its file, so that it can be loaded there."
        )
    task = {"path": f"{port.file}::{port.name}", "options": tuple(options), "limit": limit, "quiet": True}

    def work(tell: Tell) -> dict[str, Any]:
        from .examine import examine
        from .load import load

        against = load(options.against)[0] if options.against is not None else None
        return {"reports": [examine(port, options, against=against, tell=tell)]}

    report: Report = _asked(task, lambda tell: _performed(task, lambda: work(tell)))["reports"][0]
    return report


def performed(path: str, work: Callable[[], Any], total: float) -> Any:
    """Plain data that some other work on a file gives, done in a process of its own. Raises `Problem`s of its own."""
    task = {"path": path, "options": tuple(Options()), "limit": CALL_LIMIT, "quiet": True}
    if forks_badly() or not hasattr(os, "fork"):
        return work()
    return _answered(_asked(task, lambda tell: _performed(task, lambda: {"done": work()}), total=total))["done"]


def loadable(port: Declaration) -> bool:
    """Can the port be found in its file? Not what stands in a cell or another function, nor without `@port`."""
    function = port.function
    if getattr(function, "__rowcol__", None) is not port or "<locals>" in getattr(function, "__qualname__", ""):
        return False
    return port.file is not None and os.path.isfile(port.file)


def listed(path: str, *, own: bool = False, limit: float = CALL_LIMIT) -> list[Listed]:
    """The ports of a file, found in a process of its own; only its `own`, and not those that it imports, if so asked.

    Raises `Problem` where it cannot be loaded.
    """
    task = {"path": path, "options": tuple(Options()), "limit": limit, "quiet": True, "list": "own" if own else "all"}
    answer = _answered(_asked(task, lambda tell: perform(task, tell)))
    return [Listed(*one) for one in answer["ports"]]


def _answered(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer that is no comparison. Raises the `Problem` for which there is none."""
    for report in answer.get("reports", ()):
        problem = problem_of(report)
        if problem is not None:
            raise problem
    return answer


def _asked(
    task: dict[str, Any],
    work: Callable[[Tell], bytes],
    abandon: Callable[[], bool] | None = None,
    total: float = FILE_LIMIT,
) -> dict[str, Any]:
    """What a worker answers to a task, or a report that says why it does not."""
    limit = task["limit"]
    total = max(total, 6 * limit) + SEARCHES * (Options(*task["options"]).search or 0.0)
    if hasattr(os, "fork"):
        data, end = forked(work, total, abandon, quiet=task["quiet"], command=_command(task))
    else:
        data, end = spawned(_command(task), total)
    answer, so_far, crash = _heard(data)
    if answer is not None:
        return answer
    file, _, name = task["path"].partition("::")
    line, seed = None, Options(*task["options"]).seed
    if so_far is not None:
        file, name, line = so_far["file"] or file, so_far["port"], so_far["line"]
    place = _place(crash, file)
    what = _ended(end, total, limit, f"{name}()" if name else "the port", place is not None)
    if so_far is not None and so_far["headline"]:
        so_far["remarks"].append(f"the line was not found, because the search for it ended: {what}")
        return {"reports": [so_far]}
    file, line = place or (file, line)
    problem = Problem(what, file=file, line=line, status=DIFFERS)
    return {"reports": [failed(problem, seed, so_far or blank(seed, task["path"].partition("::")[0]))]}


def _heard(data: bytes) -> tuple[dict[str, Any] | None, Report | None, str]:
    """What came through the pipe: the answer; the report so far; and what Python says of a crash.

    Of a worker that died there is no answer, and no crash either where it was killed.
    """
    from io import BytesIO

    stream = BytesIO(data)
    so_far = None
    while True:
        start = stream.tell()
        try:
            said = marshal.load(stream)
        except (EOFError, TypeError, ValueError):
            said = None
        if not isinstance(said, dict):
            return None, so_far, data[start:].decode(errors="replace")
        if "so far" not in said:
            return said, so_far, ""
        so_far = said["so far"]


def _place(crash: str, file: str) -> tuple[str, int] | None:
    """The innermost line of the user's own that ran at a crash: of the file, or of one in its folder or below."""
    folder = os.path.dirname(os.path.abspath(file)) + os.sep
    for line in crash.splitlines():
        name, found, rest = line.strip().removeprefix('File "').rpartition('", line ')
        number = rest.partition(" ")[0]
        if found and number.isdigit() and (name == file or os.path.abspath(name).startswith(folder)):
            return name, int(number)
    return None


def import_for_all() -> None:
    """Import what a worker needs, where more than one is to come: their forks have it then."""
    from . import examine  # noqa: F401


def _ended(end: int | None, total: float, limit: float, who: str, at_this_line: bool) -> str:
    """Why a worker gave nothing back: `end` is its exit code, minus the signal that killed it, or None."""
    if end is None:
        return f"{who} ran past its limit of {total:g} s, and its process was ended."
    if end == SWALLOWED:
        return (
            f"{who} ran past its limit of {limit:g} s. It swallows every exception (a bare `except:`?) or lies "
            "too deep in recursion, so that its line cannot be told; its process was ended."
        )
    if end == INTERRUPTED:
        return f"{who} raised KeyboardInterrupt, which is what Ctrl-C raises; raise another exception."
    if end < 0:
        import signal

        try:
            name = signal.Signals(-end).name
        except ValueError:
            name = f"signal {-end}"
        if at_this_line:
            return f"{who} was ended by {name} at this line (a crash in compiled code, or os.abort)."
        return f"{who} was ended by {name} (out of memory, or a crash in compiled code)."
    return f"{who} ended its own process (exit code {end}) before it answered."


def perform(task: dict[str, Any], tell: Tell) -> bytes:
    """What the worker does with a file: examine its ports, or list them."""

    def work() -> dict[str, Any]:
        path = task["path"]
        if task.get("files"):
            from .loaded import gathered

            files = gathered()
            return {**examined_here(path), "files": files()}
        return examined_here(path)

    def examined_here(path: str) -> dict[str, Any]:
        if "list" in task:
            from .case import recipes
            from .load import load

            try:
                ports = [p for p in load(path) if task["list"] == "all" or p.file == path]
                return {"ports": [(p.name, p.line, [recipe.label for recipe in recipes(p)]) for p in ports]}
            except NoPort:
                return {"ports": []}
        with stage("import"):
            from .examine import examine_file

        try:
            return {"reports": examine_file(path, Options(*task["options"]), apart=True, tell=tell)}
        except Several as several:
            return {"several": several.names}

    return _performed(task, work)


def _performed(task: dict[str, Any], work: Callable[[], dict[str, Any]]) -> bytes:
    """Do it with the time limit on every call of the port, and with every failure made a report."""
    file = task["path"].partition("::")[0]
    try:
        with stage("import"):
            from . import run

        run.limit = task["limit"]
        return marshal.dumps(work())
    except Problem as problem:
        trouble = problem.at(file, None)
    except MemoryError:
        trouble = Problem("there is not enough memory for arrays of these sizes.", file=file)
    except Exception as error:
        trouble = _own_mistake(error, file)
    seed = Options(*task["options"]).seed
    return marshal.dumps({"reports": [failed(trouble, seed, blank(seed, file))]})


def _own_mistake(error: Exception, file: str) -> Problem:
    """What is said where rowcol's own code raises."""
    text = " ".join(str(error).split())
    return Problem(
        "rowcol itself failed on this file. The mistake is rowcol's, not yours; please report it.\n"
        f"    {type(error).__name__} at {origin(error)}: {text}",
        file=file,
    )


def _command(task: dict[str, Any]) -> list[str]:
    """A new Python that does a task: it reads it from its argument."""
    return [sys.executable, "-m", __name__, repr({**task, "search": sys.path})]


def _main() -> None:
    import ast

    task = ast.literal_eval(sys.argv[1])
    sys.path[:] = task["search"]
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    work_and_answer(lambda tell: perform(task, tell), answer)


if __name__ == "__main__":
    _main()
