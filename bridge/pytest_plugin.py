"""A plugin of pytest's: every `@port` of the files that match a pattern, one test for each case.

Off unless `--rowcol` is given or the ini option `rowcol_files` is set; nothing is imported until then.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .worker import Listed

PATTERNS = ("port_*.py", "*_port.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rowcol`, `--rowcol-seed` and `rowcol_files`."""
    group = parser.getgroup("rowcol", "gradients of hand-written networks (rowcol)")
    group.addoption(
        "--rowcol",
        action="store_true",
        help=f"collect every @port of the files that rowcol_files names (as set, or {' '.join(PATTERNS)}), and of the "
        "files given by name",
    )
    group.addoption(
        "--rowcol-seed", type=int, default=0, metavar="N", help="the seed of the first case (0); a failure names it"
    )
    parser.addini("rowcol_files", "patterns of files whose @ports are tests; setting it is --rowcol", "args", [])


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; begin to collect only where that is asked for."""
    config.addinivalue_line("markers", "rowcol: a port that rowcol compares with its family (pytest's plugin rowcol)")
    patterns = config.getini("rowcol_files")
    if patterns or config.getoption("--rowcol"):
        if config.getoption("--rowcol-seed") < 0:
            raise pytest.UsageError("--rowcol-seed must not be negative")
        config.pluginmanager.register(_Collecting(patterns or PATTERNS), "rowcol-collecting")


class _Collecting:
    """The part of the plugin that works only when it is on."""

    def __init__(self, patterns: tuple[str, ...] | list[str]) -> None:
        self.patterns = patterns
        self.failed: set[Path] = set()  # files whose ports could not be found: that has been said

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> PortFile | None:
        """A port file: one that matches a pattern, or is named on the command line and speaks of rowcol."""
        if file_path.suffix != ".py":
            return None
        meant = any(self._matches(file_path, pattern, parent.config.rootpath) for pattern in self.patterns)
        if not meant and not (parent.session.isinitpath(file_path) and b"rowcol" in file_path.read_bytes()):
            return None
        found: PortFile = PortFile.from_parent(parent, path=file_path, meant=meant, failed=self.failed)
        return found

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """A file given by name is collected by pytest itself as well: its error is not said twice."""
        report = yield
        if report.failed and isinstance(collector, pytest.Module) and collector.path in self.failed:
            return pytest.CollectReport(collector.nodeid, "passed", None, [])
        return report

    def _matches(self, path: Path, pattern: str, root: Path) -> bool:
        """A pattern with a slash is of the path below the root directory; one without, of the name."""
        if "/" not in pattern:
            return fnmatch(path.name, pattern)
        return path.is_relative_to(root) and fnmatch(path.relative_to(root).as_posix(), pattern)


class PortFile(pytest.File):
    """A file whose ports are tests; one that is `meant` to have some is an error without."""

    def __init__(self, meant: bool, failed: set[Path], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.meant, self.failed = meant, failed

    def collect(self) -> Iterator[PortCase]:
        """One item for each port and case; the file is run in a process of its own to find them."""
        from .problem import Problem
        from .worker import listed

        seed = self.config.getoption("--rowcol-seed")
        try:
            # A test file that is named for its tests may import ports, which are another file's.
            ports = listed(str(self.path), own=not self.meant)
        except Problem as problem:
            self.failed.add(self.path)
            raise self.CollectError(str(problem)) from None
        if self.meant and not ports:
            raise self.CollectError(f"{self.path}: no port in this file, which rowcol_files names. Put @port in it.")
        for port in ports:
            for number, label in enumerate(port.cases):
                name = f"{port.name}[{label.replace(' ', '-')}-{seed + number}]"
                yield PortCase.from_parent(self, name=name, port=port, number=number)


class PortCase(pytest.Item):
    """One port on one case."""

    def __init__(self, port: Listed, number: int, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.port, self.number = port, number
        self.add_marker("rowcol")

    def runtest(self) -> None:
        """Compare; a case that cannot tell (rounding alone would explain any difference) is skipped."""
        from .options import Options
        from .problem import NOT_ANSWERED
        from .testing import failure_of
        from .worker import examined

        seed = self.config.getoption("--rowcol-seed")
        (report,) = examined(f"{self.path}::{self.port.name}", Options(seed=seed, case=self.number))
        blind = report["status"] == NOT_ANSWERED and any(a["state"] == "blind" for a in report["arrays"])
        if blind:
            pytest.skip(report["headline"])
        message = failure_of(report)
        if message is not None:
            again = f'again: pytest --rowcol --rowcol-seed {seed} "{self.nodeid}"'
            raise _Disagrees(f"{message}\n\n{again}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The message alone: the traceback of a disagreement is ours."""
        if isinstance(excinfo.value, _Disagrees):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The file, the line of the declaration, and the name."""
        return self.path, None if self.port.line is None else self.port.line - 1, self.name


class _Disagrees(AssertionError):
    """A port that does not agree, or gives no verdict."""
