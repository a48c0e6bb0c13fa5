"""The time that a search may take, known in one place: what takes long asks it first."""

from __future__ import annotations

import time
from math import inf

# Seconds of this process: what else the machine does is not the port's fault.
clock = time.process_time


class Late(Exception):
    """No time is left."""


class Allowance:
    """How long a search may go on. Who runs the port or makes edits checks it; who searches catches `Late`."""

    def __init__(self, until: float = inf) -> None:
        self.until = until
        self.apart = 0.0  # seconds that are counted elsewhere

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.until + self.apart - clock()

    def check(self) -> None:
        """Raise `Late` where no time is left."""
        if self.left < 0:
            raise Late

    def extend(self, seconds: float) -> None:
        """Leave so many seconds at least."""
        self.until += max(0.0, seconds - self.left)
