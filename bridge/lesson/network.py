"""The small network of the lesson: its data, and both implementations run on it, with every value they computed.

Everything is in the names of the rows (`batched`); `COLUMNS` holds what the columns (`reference`) call the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowcol.batched.rnn import rnn as batched_rnn
from rowcol.reference.rnn import rnn as reference_rnn

from ..diagnose.source import Scope
from ..diagnose.text import Splice
from ..diagnose.trace import Recorder
from ..problem import DIFFERS, Problem

Array = NDArray[np.float64]

ROWS, COLUMNS = "rows", "columns"
CONVENTIONS = (ROWS, COLUMNS)

# Every array with its axes as the rows lay them out, and the reference's name of it. With a time axis in front: T.
AXES = {
    "x": ("batch", "input"),
    "h0": ("batch", "hidden"),
    "Wxh": ("input", "hidden"),
    "Whh": ("prev", "hidden"),
    "bh": ("1", "hidden"),
    "Why": ("hidden", "output"),
    "by": ("1", "output"),
    "y": ("batch", "output"),
    "h": ("batch", "hidden"),
    "z": ("batch", "output"),
    "p": ("batch", "output"),
    "dz": ("batch", "output"),
    "dh_out": ("batch", "hidden"),
    "slope": ("batch", "hidden"),
    "dh": ("batch", "hidden"),
    "dpre": ("batch", "hidden"),
    "dh_next": ("batch", "prev"),
    "dx": ("batch", "input"),
    "dWxh": ("input", "hidden"),
    "dWhh": ("prev", "hidden"),
    "dbh": ("1", "hidden"),
    "dWhy": ("hidden", "output"),
    "dby": ("1", "output"),
    "dh0": ("batch", "hidden"),
}
IN_COLUMNS = {
    **{"x": "x", "h0": "a0", "Wxh": "Wax", "Whh": "Waa", "bh": "b", "Why": "Wya", "by": "by", "y": "y"},
    **{"h": "a", "z": "z", "p": "p", "dz": "dz", "dh_out": "da_out", "slope": "slope", "dh": "da"},
    **{"dpre": "daraw", "dh_next": "da_next", "dx": "dx"},
    **{"dWxh": "dWax", "dWhh": "dWaa", "dbh": "db", "dWhy": "dWya", "dby": "dby", "dh0": "da0"},
}
FORWARD = ("h", "z", "p")
BACKWARD = ("dz", "dh_out", "slope", "dh", "dpre", "dh_next", "dx")
STEPS = ("x", "y", *FORWARD, *BACKWARD)  # what every step has its own of
GRADIENTS = ("dWxh", "dWhh", "dbh", "dWhy", "dby", "dh0")

# Where the values of a step stand in the source: the file, the function, the target of the assignment. In the
# rows, what is computed for all steps at once is one array with time in front.
PLACES = {
    ROWS: {
        "h": ("rnn.py", "layer", "h"),
        "z": ("objective.py", "of_states", "z"),
        "p": ("objective.py", "softmax_cross_entropy", "p"),
        "dz": ("objective.py", "softmax_cross_entropy", "dz"),
        "dh_out": ("objective.py", "of_states", "dh_out"),
        "slope": ("rnn.py", "backward", "f_slope"),
        "dh": ("rnn.py", "backward", "dh"),
        "dpre": ("rnn.py", "backward", "dpre[t]"),
        "dh_next": ("rnn.py", "backward", "dh_next"),
        "dx": ("inputs.py", "backward", "dx"),
        "dWxh": ("inputs.py", "backward", "dWxh"),
        "dWhh": ("rnn.py", "backward", "dWhh"),
        "dbh": ("inputs.py", "backward", "dbh"),
        "dWhy": ("readout.py", "backward", "dWhy"),
        "dby": ("readout.py", "backward", "dby"),
    },
    COLUMNS: {
        "h": ("rnn.py", "forward", "a[t]"),
        "z": ("readout.py", "forward", "z[t]"),
        "p": ("objective.py", "softmax_cross_entropy", "p"),
        "dz": ("objective.py", "softmax_cross_entropy", "dz"),
        "dh_out": ("readout.py", "backward", "da[t]"),
        "slope": ("rnn.py", "backward", "slope"),
        "dh": ("rnn.py", "backward", "da"),
        "dpre": ("rnn.py", "backward", "daraw"),
        "dh_next": ("rnn.py", "backward", "da_next"),
        "dx": ("rnn.py", "backward", "dx[t]"),
        "dWxh": ("rnn.py", "backward", "dWax"),
        "dWhh": ("rnn.py", "backward", "dWaa"),
        "dbh": ("rnn.py", "backward", "db"),
        "dWhy": ("readout.py", "backward", "dWya"),
        "dby": ("readout.py", "backward", "dby"),
    },
}


@dataclass(frozen=True)
class Data:
    """What both implementations are given: arrays in rows, time first, and a word on what they can show."""

    name: str
    title: str
    why: str
    arrays: Mapping[str, Array]

    @property
    def T(self) -> int:
        """How many steps there are."""
        return len(self.arrays["x"])

    @property
    def sizes(self) -> dict[str, int]:
        """The size of every axis."""
        (_, batch, n), hidden, output = self.arrays["x"].shape, len(self.arrays["bh"]), len(self.arrays["by"])
        return {"time": self.T, "batch": batch, "input": n, "hidden": hidden, "prev": hidden, "output": output, "1": 1}

    def example(self, k: int) -> dict[str, Array]:
        """One example as the reference takes it: column vectors, and matrices that stand on their side."""
        a = self.arrays
        return {
            "x": a["x"][:, k, :, None],
            "y": a["y"][:, k, :, None],
            "a0": a["h0"][k][:, None],
            **{"Wax": a["Wxh"].T, "Waa": a["Whh"].T, "b": a["bh"][:, None]},
            **{"Wya": a["Why"].T, "by": a["by"][:, None]},
        }


def numbers(sizes: Mapping[str, int], seed: int) -> dict[str, Array]:
    """Random arrays with one decimal, so that a product can be checked by hand; none of them is zero."""
    rng = np.random.default_rng(seed)

    def random(*axes: str) -> Array:
        drawn = np.round(0.7 * rng.standard_normal([sizes[a] for a in axes]), 1)
        return np.where(drawn == 0, 0.1, drawn)

    return {
        "x": random("time", "batch", "input"),
        "h0": random("batch", "hidden"),
        "Wxh": random("input", "hidden"),
        "Whh": random("hidden", "hidden"),
        "bh": random("hidden"),
        "Why": random("hidden", "output"),
        "by": random("output"),
        "y": np.eye(sizes["output"])[rng.integers(0, sizes["output"], (sizes["time"], sizes["batch"]))],
    }


HONEST, SQUARE, SINGLE, SYMMETRIC, TINY, SHORT = "different", "square", "one", "symmetric", "tiny", "short"


def data() -> dict[str, Data]:
    """The data of the lesson: one that hides nothing, and five that hide something."""
    sizes = {"time": 6, "batch": 2, "input": 4, "hidden": 3, "output": 5}
    plain = numbers(sizes, 6)
    symmetric = np.round((plain["Whh"] + plain["Whh"].T) / 2, 2)
    weights = ("Wxh", "Whh", "Why")
    every = (
        Data(
            HONEST,
            "Every size different",
            "No two axes have the same length, so most misplaced transposes do not fit.",
            plain,
        ),
        Data(
            SQUARE,
            "Every size 3",
            "Batch, input, hidden and output have the same length: every matrix of weights is square.",
            numbers({**sizes, "batch": 3, "input": 3, "output": 3}, 6),
        ),
        Data(
            SINGLE,
            "A batch of one",
            "One example only: a sum over the batch has one term.",
            {**plain, **{name: plain[name][:, :1] for name in ("x", "y")}, "h0": plain["h0"][:1]},
        ),
        Data(
            SYMMETRIC,
            "A symmetric Whh",
            "The recurrent weights are their own transpose.",
            {**plain, "Whh": symmetric},
        ),
        Data(
            TINY,
            "Tiny weights",
            "All weights divided by 1000, as many tutorials start.",
            {**plain, **{name: plain[name] / 1000 for name in weights}},
        ),
        Data(
            SHORT,
            "One step, T = 1",
            "Nothing is handed from one step to another.",
            {**plain, "x": plain["x"][:1], "y": plain["y"][:1]},
        ),
    )
    return {one.name: one for one in every}


@dataclass(frozen=True)
class Edit:
    """In one file of an implementation, read `becomes` where `was` stands (once in the file)."""

    file: str
    was: str
    becomes: str


@dataclass(frozen=True)
class Stop:
    """Where an implementation raised: what NumPy said, and the statement."""

    message: str
    file: str
    line: int
    code: str


@dataclass
class Run:
    """One implementation on some data: its loss, and every value by name, laid out as its convention has it.

    What a step has its own of is a dict by step. In columns the examples stand side by side, and what is
    summed over them is summed. After a `stop` the rest is missing; what was `reached` was computed for a step
    at least.
    """

    convention: str
    loss: float | None = None
    steps: dict[str, dict[int, Array]] = field(default_factory=dict)
    gradients: dict[str, Array] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    stop: Stop | None = None

    def in_rows(self, name: str, t: int | None = None) -> Array | None:
        """A value with its axes as the rows have them."""
        value = self.gradients.get(name) if t is None else self.steps.get(name, {}).get(t)
        return value if value is None or self.convention == ROWS else value.T


class Side:
    """One of the two implementations: where its source stands, and its functions that run."""

    def __init__(self, convention: str, function: Callable[..., Any], sample: Data) -> None:
        self.convention, self.function = convention, function
        folder = os.path.dirname(str(sys.modules[function.__module__].__file__))
        self.files = {name: os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".py")}
        self.scope = Scope.discover(lambda: function(**self._calls(sample)[0]), self.files.values())

    def splice(self, edit: Edit) -> Splice:
        """The edit as a change of the source; Problem if the text it changes is not there, or not alone."""
        path = self.files[edit.file]
        text = self.scope.source(path).text
        if text.count(edit.was) != 1:
            raise Problem(
                f"the lesson expects `{edit.was}` once in {path}: this installation is broken", status=DIFFERS
            )
        start = text.index(edit.was)
        return Splice(path, start, start + len(edit.was), edit.becomes)

    @contextmanager
    def watched(self, edit: Edit | None = None) -> Iterator[Callable[[Data], Run]]:
        """A way to run the implementation on data, with an edit in force, that keeps every value it computes."""
        recorder = Recorder(limit=1_000_000)
        splices = [self.splice(edit)] if edit else []
        with self.scope.traced(recorder, splices), np.errstate(all="ignore"):
            yield lambda data: self._run(data, recorder, edit)

    def _calls(self, data: Data) -> list[Mapping[str, Array]]:
        """What the function is called with: once, or once for each example."""
        return [data.arrays] if self.convention == ROWS else [data.example(k) for k in range(data.sizes["batch"])]

    def _run(self, data: Data, recorder: Recorder, edit: Edit | None) -> Run:
        run = Run(self.convention)
        collect = self._collect_rows if self.convention == ROWS else self._collect_example
        loss = 0.0
        for arrays in self._calls(data):
            recorder.events.clear()
            try:
                loss += float(self.function(**arrays)[0])
            except ValueError as error:
                # Every example stops at the same line; what was computed before it is shown.
                run.stop = self._stop(error, edit)
            collect(run, recorder)
        if run.stop is None:
            run.loss = loss
        self._complete(run, data)
        return run

    def _stop(self, error: ValueError, edit: Edit | None) -> Stop:
        trace = error.__traceback__
        place: tuple[str, int] = ("", 0)
        while trace is not None:
            path = trace.tb_frame.f_code.co_filename
            if path in self.scope.sources:
                place = path, trace.tb_lineno
            trace = trace.tb_next
        path, line = place
        code = self.scope.source(path).line_text(line).strip() if path else ""
        if edit is not None:
            code = code.replace(edit.was, edit.becomes)
        return Stop(str(error), f"{os.path.basename(os.path.dirname(path))}/{os.path.basename(path)}", line, code)

    def _seen(self, recorder: Recorder) -> dict[str, list[tuple[int | None, Array]]]:
        """The values of every place in the order in which they came, each with its step where a loop has one."""
        wanted = {(self.files[file], *place): name for name, (file, *place) in PLACES[self.convention].items()}
        names = {
            site.number: wanted.get((site.path, site.function.split(".")[-1], site.text))
            for site in recorder.sites
            if site.kind == "store"
        }
        found: dict[str, list[tuple[int | None, Array]]] = {name: [] for name in PLACES[self.convention]}
        for event in recorder.events:
            name = names.get(event.site)
            if name is not None:
                found[name].append((dict(event.loops).get("t"), event.value))
        return found

    def _collect_rows(self, run: Run, recorder: Recorder) -> None:
        for name, seen in self._seen(recorder).items():
            turns = {t: value for t, value in seen if t is not None}
            if turns:
                run.steps[name] = turns
            elif seen and name in GRADIENTS:
                run.gradients[name] = np.atleast_2d(seen[-1][1])
            elif seen and seen[-1][1].ndim == 3:
                # The states stand behind the initial one.
                run.steps[name] = dict(enumerate(seen[-1][1][1:] if name == "h" else seen[-1][1]))
        run.reached = set(run.steps) | set(run.gradients)

    def _collect_example(self, run: Run, recorder: Recorder) -> None:
        for name, seen in self._seen(recorder).items():
            if any(t is not None for t, _ in seen):
                run.reached.add(name)
            if name in GRADIENTS:
                if seen:
                    run.gradients[name] = run.gradients.get(name, 0.0) + seen[-1][1]
                continue
            for t, value in seen:
                if t is not None:
                    before = run.steps.setdefault(name, {}).get(t)
                    run.steps[name][t] = value if before is None else np.hstack([before, value])

    def _complete(self, run: Run, data: Data) -> None:
        """Add what was given, and what goes back to the initial state; drop running sums that broke off."""
        for name in ("x", "y"):
            given = data.arrays[name]
            run.steps[name] = {t: given[t] if self.convention == ROWS else given[t].T for t in range(data.T)}
        if 0 in run.steps.get("dh_next", {}) and run.stop is None:
            run.gradients["dh0"] = run.steps["dh_next"][0]
        if run.stop is not None and self.convention == COLUMNS:
            run.gradients.clear()


def sides(sample: Data) -> dict[str, Side]:
    """Both implementations; `sample` is run once, to see which functions take part."""
    return {ROWS: Side(ROWS, batched_rnn, sample), COLUMNS: Side(COLUMNS, reference_rnn, sample)}


def error(value: Array | None, right: Array | None) -> float | None:
    """The largest difference, as a share of the largest element of what is right; None where there is no value."""
    if value is None or right is None or value.shape != right.shape:
        return None
    size = float(np.max(np.abs(right), initial=0.0))
    return float(np.max(np.abs(value - right), initial=0.0)) / (size or 1.0)


ROUNDING = 1e-9  # a share of a gradient that rounding alone does not reach in double precision


def differs(share: float | None) -> bool:
    """Whether an error is more than rounding."""
    return share is not None and share > ROUNDING


def steps_of(run: Run, names: Sequence[str], T: int, right: Run) -> dict[str, list[float | None]]:
    """For each name the error at every step."""
    return {name: [error(run.in_rows(name, t), right.in_rows(name, t)) for t in range(T)] for name in names}
