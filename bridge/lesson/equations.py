"""The equations of the network in both conventions, as data: what every quantity is made from.

A term is a product of one or two operands; an operand is the name of a quantity, with `.T` for its transpose
and `[t-1]`, `[t+1]` for another step's. Axes say which operands may meet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from .network import AXES, COLUMNS, GRADIENTS, ROWS


class Operand(NamedTuple):
    """`h[t-1].T`: a quantity, the step it is of, and whether its transpose is meant."""

    name: str
    step: str  # "", "[t-1]", "[t+1]" or "[(t-1)%T]"
    transposed: bool

    def axes(self, convention: str) -> tuple[str, str]:
        """The axes of its rows and of its columns."""
        rows, columns = AXES[self.name]
        if (convention == COLUMNS) != self.transposed:
            rows, columns = columns, rows
        # The states of the step before have its axis.
        swap = {"hidden": "prev"} if self.step in ("[t-1]", "[(t-1)%T]") else {}
        swap |= {"prev": "hidden"} if self.name == "dh_next" and self.step == "[t+1]" else {}
        return swap.get(rows, rows), swap.get(columns, columns)


def operand(text: str) -> Operand:
    """Read an operand as it is written."""
    plain = text.removesuffix(".T")
    name, bracket, step = plain.partition("[")
    return Operand(name.lstrip("-"), bracket + step, plain != text)


@dataclass(frozen=True)
class Equation:
    """`quantity = function(sum of terms)`, summed over `time` for a gradient of weights ("first": t = 0 only).

    Terms of two operands are matrix products, but for `elementwise`.
    """

    quantity: str
    terms: tuple[tuple[str, ...], ...]
    function: str = ""  # "tanh", "softmax", "1 - □²", "1 - tanh²"
    over: str = ""
    elementwise: bool = False

    def untransposed(self) -> Equation:
        """The same with every `.T` left out."""
        return replace(self, terms=tuple(tuple(o.removesuffix(".T") for o in term) for term in self.terms))


def derived(result: tuple[str, str], one: tuple[str, str], other: tuple[str, str]) -> tuple[bool, bool, bool]:
    """How to write a product so that `result`'s axes come out: (swap the operands, transpose one, the other).

    The axis that both operands have and the result has not is summed over: it goes into the middle. What is
    left of each operand goes where the result has it. No sizes are looked at.
    """
    (summed,) = (set(one) & set(other)) - set(result)
    swap = result[0] not in one
    left, right = (other, one) if swap else (one, other)
    transposed_left, transposed_right = left[1] != summed, right[0] != summed
    return (swap, transposed_right, transposed_left) if swap else (swap, transposed_left, transposed_right)


def written(convention: str, quantity: str, one: str, other: str) -> tuple[str, str]:
    """The two operands of a product in their order, with the transposes that the axes ask for."""
    first, second = operand(one), operand(other)
    rows, columns = AXES[quantity]
    result = (rows, columns) if convention == ROWS else (columns, rows)
    swap, t_one, t_other = derived(result, first.axes(convention), second.axes(convention))
    texts = (one + ".T" * t_one, other + ".T" * t_other)
    return (texts[1], texts[0]) if swap else texts


# The products of the network, by what is multiplied: order and transposes follow from the axes.
PRODUCTS = {
    "dh_out": ("dz", "Why"),
    "dh_next": ("dpre", "Whh"),
    "dx": ("dpre", "Wxh"),
    "dWxh": ("x", "dpre"),
    "dWhh": ("h[t-1]", "dpre"),
    "dWhy": ("h", "dz"),
}


def product(quantity: str, convention: str) -> Equation:
    """The equation of a quantity that is one product."""
    over = "time" if quantity in GRADIENTS else ""
    return Equation(quantity, (written(convention, quantity, *PRODUCTS[quantity]),), over=over)


def equations(convention: str) -> list[Equation]:
    """All equations of the network, in the order in which they are computed."""
    inputs, carried, scores = (
        written(convention, name, *pair)
        for name, pair in (("h", ("x", "Wxh")), ("h", ("h[t-1]", "Whh")), ("z", ("h", "Why")))
    )
    slope = ("dh", "slope") if convention == ROWS else ("slope", "dh")
    return [
        Equation("h", (inputs, carried, ("bh",)), "tanh"),
        Equation("z", (scores, ("by",))),
        Equation("p", (("z",),), "softmax"),
        Equation("dz", (("p",), ("-y",))),
        product("dh_out", convention),
        Equation("slope", (("h",),), "1 - □²"),
        Equation("dh", (("dh_out",), ("dh_next[t+1]",))),
        Equation("dpre", (slope,), elementwise=True),
        product("dh_next", convention),
        product("dx", convention),
        product("dWxh", convention),
        product("dWhh", convention),
        Equation("dbh", (("dpre",),), over="time"),
        product("dWhy", convention),
        Equation("dby", (("dz",),), over="time"),
        Equation("dh0", (("dh_next",),), over="first"),
    ]
