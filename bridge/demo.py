"""`rowcol demo`: the story that this project exists for, with its port, in the terminal."""

from __future__ import annotations

import os
import shutil
import tempfile

from .fix import apply, changes_of
from .options import Options
from .problem import AGREES, DIFFERS, Problem
from .report.paper import Paper
from .report.terminal import headline, render
from .worker import examined

STORY = os.path.join(os.path.dirname(__file__), "data", "story.py")

OPENING = """\
Somebody ported a recurrent network from column vectors (W·a) to batches of rows (X·W).
It ran, it even learned a little, and its gradient check failed. W2 is square: with and without
its transpose every shape is right, and only the values can tell. This is that port:

$ rowcol diff story.py"""

MENDED = """
It took its author two months to find that line. The patch, applied, and the port again:

$ rowcol fix story.py --write
$ rowcol diff story.py"""

CLOSING = """
Your own code: `rowcol new PORT.py` writes a file to fill in, `rowcol diff PORT.py` compares it.
Why nothing complained, and where transposes come from: `rowcol lesson`."""


def demo() -> int:
    """Compare the story's port, show what mends it, and compare it again. 0 when all of that worked."""
    paper = Paper()
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(STORY, folder)
        os.chdir(folder)
        try:
            print(OPENING)
            report = examined("story.py", Options())[0]
            print(render(report, paper))
            if report["status"] != DIFFERS or not changes_of(report):
                raise Problem(
                    "the story's fault was not found and mended: this installation is broken.", status=DIFFERS
                )
            apply(changes_of(report))
            print(MENDED)
            mended = examined("story.py", Options())[0]
            print(headline(mended, paper))
        finally:
            os.chdir(here)
    print(CLOSING)
    return AGREES if mended["status"] == AGREES else DIFFERS
