"""The mistakes of the lesson: each an edit of both implementations, and what an equation then is.

`changes` says how the equation of a quantity reads with the mistake (see `equations`); the page uses it to
show what an element is made from. Where an implementation cannot make a mistake its edit is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .equations import Equation, product
from .network import COLUMNS, GRADIENTS, HONEST, ROWS, Edit, Run, data, error, sides

TRANSPOSE, FORWARD, TIME, LOSS = "a transpose left out", "forward and backward", "time", "the loss"


@dataclass(frozen=True)
class Fault:
    """A mistake: its name, what it is in words, and the edit and the changed equation in each convention."""

    name: str
    kind: str
    title: str
    words: str
    edits: Mapping[str, Edit | None]
    quantity: str
    changes: Mapping[str, Equation] = field(default_factory=dict)


def _transpose(quantity: str, words: str, rows: tuple[str, str], columns: tuple[str, str]) -> Fault:
    """The `.T` of a product left out."""
    edits = {
        side: Edit(file, text, text.replace(".T", "", 1)) for side, (file, text) in ((ROWS, rows), (COLUMNS, columns))
    }
    changes = {side: product(quantity, side).untransposed() for side in (ROWS, COLUMNS)}
    return Fault(f"transpose-{quantity}", TRANSPOSE, quantity, words, edits, quantity, changes)


FAULTS = (
    _transpose(
        "dh_next",
        "the gradient handed to the step before",
        ("rnn.py", "dpre[t] @ Whh.T"),
        ("rnn.py", "Waa.T @ daraw"),
    ),
    _transpose(
        "dh_out",
        "the gradient that comes from the output",
        ("readout.py", "dz_rows @ Why.T"),
        ("readout.py", "Wya.T @ dz[t]"),
    ),
    _transpose("dx", "the gradient of the inputs", ("inputs.py", "dpre_rows @ Wxh.T"), ("rnn.py", "Wax.T @ daraw")),
    _transpose(
        "dWxh",
        "the gradient of the input weights",
        ("inputs.py", "rows(x).T @ dpre_rows"),
        ("rnn.py", "daraw @ x[t].T"),
    ),
    _transpose(
        "dWhh",
        "the gradient of the recurrent weights",
        ("rnn.py", "rows(h_prev).T @ rows(dpre)"),
        ("rnn.py", "daraw @ a[t - 1].T"),
    ),
    _transpose(
        "dWhy",
        "the gradient of the output weights",
        ("readout.py", "rows(h).T @ dz_rows"),
        ("readout.py", "dz[t] @ a[t].T"),
    ),
    Fault(
        "forward",
        FORWARD,
        "a transpose too many, forward",
        "the forward pass reads the recurrent weights the wrong way round, the backward pass does not",
        {
            ROWS: Edit("rnn.py", "h[t] @ Whh", "h[t] @ Whh.T"),
            COLUMNS: Edit("rnn.py", "Waa @ a[t - 1]", "Waa.T @ a[t - 1]"),
        },
        "h",
        {
            ROWS: Equation("h", (("x", "Wxh"), ("h[t-1]", "Whh.T"), ("bh",)), "tanh"),
            COLUMNS: Equation("h", (("Wxh", "x"), ("Whh.T", "h[t-1]"), ("bh",)), "tanh"),
        },
    ),
    Fault(
        "slope",
        FORWARD,
        "tanh taken twice",
        "the slope 1 - tanh² is taken of the state, which is a tanh already",
        {
            ROWS: Edit("activation.py", "slope: Array = h * h", "slope: Array = np.tanh(h) ** 2"),
            COLUMNS: Edit("activation.py", "return 1 - a * a", "return 1 - np.tanh(a) ** 2"),
        },
        "slope",
        {side: Equation("slope", (("h",),), "1 - tanh²") for side in (ROWS, COLUMNS)},
    ),
    Fault(
        "carry",
        TIME,
        "the carried gradient dropped",
        "what the step after hands back is not added",
        {
            ROWS: Edit("rnn.py", "dh = dh_out[t] + dh_next", "dh = dh_out[t]"),
            COLUMNS: Edit("rnn.py", "da = da_out[t] + da_next", "da = da_out[t]"),
        },
        "dh",
        {side: Equation("dh", (("dh_out",),)) for side in (ROWS, COLUMNS)},
    ),
    Fault(
        "step",
        TIME,
        "this step's state for the step before",
        "the gradient of the recurrent weights uses the state of step t where that of t - 1 belongs",
        {
            ROWS: Edit("rnn.py", "h_prev = h[:-1]", "h_prev = h[1:]"),
            COLUMNS: Edit("rnn.py", "daraw @ a[t - 1].T", "daraw @ a[t].T"),
        },
        "dWhh",
        {
            ROWS: Equation("dWhh", (("h.T", "dpre"),), over="time"),
            COLUMNS: Equation("dWhh", (("dpre", "h.T"),), over="time"),
        },
    ),
    Fault(
        "wrap",
        TIME,
        "an index that wraps around",
        "at t = 0 the state before is read at index -1, which is the last step's",
        {
            ROWS: Edit("rnn.py", "h_prev = h[:-1]", "h_prev = np.roll(h[1:], 1, axis=0)"),
            COLUMNS: Edit("rnn.py", "daraw @ a[t - 1].T", "daraw @ a[(t - 1) % T].T"),
        },
        "dWhh",
        {
            ROWS: Equation("dWhh", (("h[(t-1)%T].T", "dpre"),), over="time"),
            COLUMNS: Equation("dWhh", (("dpre", "h[(t-1)%T].T"),), over="time"),
        },
    ),
    Fault(
        "assign",
        TIME,
        "= where += belongs",
        "each step overwrites the gradient of the recurrent weights, and the step t = 0 is left",
        {
            ROWS: Edit("rnn.py", "rows(h_prev).T @ rows(dpre)", "rows(h_prev[:1]).T @ rows(dpre[:1])"),
            COLUMNS: Edit("rnn.py", "dWaa += daraw", "dWaa = daraw"),
        },
        "dWhh",
        {
            ROWS: Equation("dWhh", (("h[t-1].T", "dpre"),), over="first"),
            COLUMNS: Equation("dWhh", (("dpre", "h[t-1].T"),), over="first"),
        },
    ),
    Fault(
        "loss",
        LOSS,
        "the logarithm outside the sum",
        "the loss of a step is -log of the sum over the batch, where the sum over the batch of -log belongs",
        {
            ROWS: Edit(
                "objective.py",
                "loss = -np.sum(y * logp)",
                "loss = -np.sum(np.log(np.sum(y * np.exp(logp), axis=(1, 2))))",
            ),
            COLUMNS: None,
        },
        "loss",
    ),
)


class Bench:
    """Both implementations on all data of the lesson, with any of its mistakes in force; each run is made once."""

    def __init__(self) -> None:
        self.data = data()
        self._sides = sides(self.data[HONEST])
        self._runs: dict[tuple[str, str], dict[str, Run]] = {}

    def runs(self, fault: Fault | None, convention: str) -> dict[str, Run]:
        """The runs of one implementation by the name of the data."""
        key = (fault.name if fault else "", convention)
        if key not in self._runs:
            edit = fault.edits[convention] if fault else None
            if fault and edit is None:
                return self.runs(None, convention)
            with self._sides[convention].watched(edit) as run:
                self._runs[key] = {name: run(one) for name, one in self.data.items()}
        return self._runs[key]

    def right(self, on: str, convention: str = ROWS) -> Run:
        """The run without a mistake."""
        return self.runs(None, convention)[on]

    def errors(self, fault: Fault, on: str, convention: str = ROWS) -> dict[str, float | None]:
        """The error of the loss and of every gradient; None for what is not computed."""
        run, right = self.runs(fault, convention)[on], self.right(on, convention)
        assert right.loss is not None
        found = {"loss": None if run.loss is None else abs(run.loss - right.loss) / abs(right.loss)}
        for name in GRADIENTS:
            found[name] = error(run.in_rows(name), right.in_rows(name))
        worst = [error(run.in_rows("dx", t), right.in_rows("dx", t)) for t in range(self.data[on].T)]
        known = [one for one in worst if one is not None]
        found["dx"] = max(known) if len(known) == len(worst) and run.stop is None else None
        return found


def fault_named(name: str) -> Fault:
    """A mistake by its name."""
    return next(fault for fault in FAULTS if fault.name == name)
