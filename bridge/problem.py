"""What a user is told instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

# Exit statuses, as every command gives them.
AGREES, DIFFERS, NOT_ANSWERED = 0, 1, 2
ALIKE = 0.6  # how much of two words must be the same for one to be a slip of the other
SWALLOWED = 99  # of a worker that was ended because its port swallows the exception that says its time is up


class Problem(Exception):
    """A mistake of the user's, said in one clear message.

    `what` is one sentence (or a few lines) without the place; `file` and `line` name the place, so that
    the message can begin `file:line:` and editors jump to it. `status` is the exit status it leads to.
    `keyword` is the one of a declaration that is wrong: who took it from an option can name that.
    """

    keyword: str | None = None

    def __init__(
        self, what: str, *, file: str | None = None, line: int | None = None, status: int = NOT_ANSWERED
    ) -> None:
        super().__init__(what)
        self.what, self.file, self.line, self.status = what, file, line, status

    def at(self, file: str | None, line: int | None) -> Problem:
        """The same problem with a place, where it has none yet."""
        if self.file is None:
            self.file, self.line = file, line
        return self

    def __str__(self) -> str:
        if self.file is None:
            return self.what
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.what}"

    def __reduce__(self) -> tuple[object, ...]:
        return _problem, (self.what, self.file, self.line, self.status)


@contextmanager
def of(place: str) -> Iterator[None]:
    """Problems inside that name no place of their own are those of `place`: of an option, say."""
    try:
        yield
    except Problem as problem:
        raise problem.at(place, None) from None


@contextmanager
def about(keyword: str | None) -> Iterator[None]:
    """Problems inside are about that keyword of a declaration."""
    try:
        yield
    except Problem as problem:
        problem.keyword = problem.keyword or keyword
        raise


class Several(Exception):
    """A file declares more ports than may be examined in one process; `names` are theirs."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(names)
        self.names = names


class NoPort(Problem):
    """A file that declares no port."""


class Raised(Problem):
    """A port that raised on a legal case: its code is at fault, and not the form of its answer."""


def _problem(what: str, file: str | None, line: int | None, status: int) -> Problem:
    return Problem(what, file=file, line=line, status=status)


def origin(error: BaseException) -> str:
    """`bridge/judge.py:95`: where an exception was raised that is a mistake of our own."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "nowhere"
    folders = trace.tb_frame.f_code.co_filename.replace("\\", "/").split("/")
    return f"{'/'.join(folders[-2:])}:{trace.tb_lineno}"


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """`"; did you mean 'Waa'?"` where one of the known words is close, else what `otherwise` says."""
    close = closest(word, known)
    return otherwise if close is None else f"; did you mean '{close}'?"


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant: with other capitals, its letters in another order, or a slip away."""
    from difflib import get_close_matches

    def same(one: str) -> list[bool]:
        return [one.lower() == word.lower(), sorted(one.lower()) == sorted(word.lower())]

    known = list(known)
    best = max(known, key=same, default="")
    return best if any(same(best)) else next(iter(get_close_matches(word, known, n=1, cutoff=ALIKE)), None)
