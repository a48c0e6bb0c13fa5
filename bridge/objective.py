"""What is differentiated: a loss of the logits, or a given upstream gradient. Any family can have any of them.

An objective is written as a short phrase, the same one that both implementations understand:

    softmax                    logistic                    squared error
    upstream of the states     upstream of the logits      upstream of the output

each at every step, or with " at the last step" behind it at the last one only.

    softmax         -sum log p[class]                        p = softmax(z); one-hot targets y
    logistic        -sum y log s(z) + (1 - y) log s(-z)      targets 0 or 1, one for each output
    squared error   1/2 sum (z - y)^2                        real targets; "squared error without the half": twice it
    upstream        sum(d * quantity)                        d is given; for a layer on its own
"""

from __future__ import annotations

from typing import NamedTuple

from .problem import Problem, nearest

LOSSES = ("softmax", "logistic", "squared error")
OWN = "own loss"  # whatever the trusted side of a user's own family computes
UPSTREAM = ("upstream of the states", "upstream of the logits", "upstream of the output")
UPWARDS = "upstream"  # of whichever array the layout has a line for
LAST = " at the last step"
WHOLE = " without the half"


class Objective(NamedTuple):
    """`kind` is one of LOSSES or UPSTREAM, or OWN; `last`: only the last step is looked at.

    `factor` is 2 for a squared error without its half: our own implementations compute it with the half.
    """

    kind: str = "softmax"
    last: bool = False
    factor: float = 1.0

    def __str__(self) -> str:
        return self.kind + (WHOLE if self.factor != 1 else "") + (LAST if self.last else "")

    @property
    def implemented(self) -> str:
        """The phrase that both implementations understand: the factor is the bridge's."""
        return self.kind + (LAST if self.last else "")

    @property
    def logarithmic(self) -> bool:
        """Whether the loss is made of logarithms of probabilities."""
        return self.kind in ("softmax", "logistic")

    @property
    def upstream(self) -> bool:
        """Is a gradient given, in place of targets?"""
        return self.kind in UPSTREAM


def parse_objective(phrase: str) -> Objective:
    """Read an objective's phrase; `"upstream"` alone is left to the layout and not accepted here."""
    words = " ".join(phrase.split())
    last = words.endswith(LAST)
    kind = words.removesuffix(LAST)
    factor = 2.0 if kind == "squared error" + WHOLE else 1.0
    if factor != 1:
        kind = "squared error"
    if kind not in LOSSES + UPSTREAM:
        known = ", ".join(f"'{k}'" for k in (*LOSSES, UPWARDS, *UPSTREAM))
        raise Problem(
            f"unknown objective '{phrase}'{nearest(kind, (*LOSSES, UPWARDS, *UPSTREAM), '.')} "
            f"Known are {known}, each also with '{LAST.strip()}' behind it."
        )
    return Objective(kind, last, factor)
