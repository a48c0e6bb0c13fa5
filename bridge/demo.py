"""`rowcol demo`: the story that this project exists for, with its port, in the terminal."""

from __future__ import annotations

import os

from .examine import Options
from .problem import Problem
from .report.terminal import Paper, render
from .worker import examined

STORY = os.path.join(os.path.dirname(__file__), "data", "story.py")

OPENING = """\
Somebody ported a recurrent network from column vectors (W·a) to batches of rows (X·W).
It ran, it even learned a little, and its gradient check failed. This is that port:

  rowcol diff {path}
"""

NO_LINE = """\
What the pattern says already: the loss is right, so the forward pass is; the output layer's
gradients are right, so the error enters behind it; and with one step in time nothing is wrong,
so it enters where a gradient is handed from one step to the step before. W2 is square: with and
without its transpose every shape is right. Only the values can tell."""


def demo() -> int:
    """Compare the story's port, say what is wrong, and show what mends it. 0 when all of that worked."""
    paper = Paper()
    report = examined(STORY, Options())[0]
    shown = {**report, "file": "story.py"}
    print(OPENING.format(path="story.py"))
    print(render(shown, paper))  # type: ignore[arg-type]
    print()
    print(NO_LINE)
    if report["finding"] is None:
        raise Problem("the story's port was found to agree: this installation is broken.", status=1)
    return 0
