"""The network of the lesson once more, for its tests: the loss alone, its derivatives by the complex step.

Nothing of the lesson is used here, and of the implementations only copies of their files, edited as text.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
TINY = 1e-200
COPIES = count()
PARAMETERS = ("Wxh", "Whh", "bh", "Why", "by", "h0", "x")
ROOT = Path(__file__).parent.parent
FOLDERS = {"rows": "batched", "columns": "reference"}
IN_COLUMNS = {"Wxh": "Wax", "Whh": "Waa", "bh": "b", "Why": "Wya", "by": "by", "h0": "a0", "x": "x"}


def forward(arrays: Mapping[str, Array], nudges: Mapping[tuple[str, int], Array] | None = None) -> dict[str, Any]:
    """The loss of each step and the values on the way; a nudge is added to a quantity of a step as it is made.

    "h" is a state as everything sees it, "seen" as its own step's scores see it, "carried" as the next step does.
    """
    nudges = nudges or {}
    h, found = arrays["h0"], {"h": [], "z": [], "p": [], "slope": [], "losses": []}
    for t, x in enumerate(arrays["x"]):
        carried = h + nudges.get(("carried", t), 0)
        pre = x @ arrays["Wxh"] + carried @ arrays["Whh"] + arrays["bh"] + nudges.get(("pre", t), 0)
        h = np.tanh(pre) + nudges.get(("h", t), 0)
        z = (h + nudges.get(("seen", t), 0)) @ arrays["Why"] + arrays["by"] + nudges.get(("z", t), 0)
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        found["losses"].append(-np.sum(np.log((arrays["y"][t] * p).sum(axis=1))))
        for name, value in (("h", h), ("z", z), ("p", p), ("slope", 1 / np.cosh(pre) ** 2)):
            found[name].append(value)
    found["loss"] = sum(found["losses"])
    return found


def derivative(loss: Callable[[Array], Any], shape: tuple[int, ...]) -> Array:
    """Of a loss with respect to something that is added, element by element, where nothing is added."""
    gradient = np.zeros(shape)
    for index in np.ndindex(shape):
        nudge = np.zeros(shape, complex)
        nudge[index] = 1j * TINY
        gradient[index] = np.imag(loss(nudge)) / TINY
    return gradient


def gradients(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Of every parameter, the initial state and the inputs."""
    return {
        name: derivative(lambda nudge, n=name: forward({**arrays, n: arrays[n] + nudge})["loss"], arrays[name].shape)
        for name in PARAMETERS
    }


def on_the_way(arrays: Mapping[str, Array], t: int) -> dict[str, Array]:
    """What the backward pass computes at a step, by what each of it is the derivative of."""
    values = forward(arrays)
    states, scores = values["h"][t].shape, values["z"][t].shape

    def of(what: str, shape: tuple[int, ...], at: int = t) -> Array:
        return derivative(lambda nudge: forward(arrays, {(what, at): nudge})["loss"], shape)

    return {
        "dz": of("z", scores),
        "dh_out": of("seen", states),
        "dh": of("h", states),
        "dpre": of("pre", states),
        "dh_next": of("carried", states),
        **{name: values[name][t] for name in ("h", "z", "p", "slope")},
        "y": arrays["y"][t],
    }


def broken(convention: str, edit: Any, folder: Path) -> Callable[..., Any]:
    """`rnn` of a copy of an implementation's files in which one text stands where another did (None: as it is)."""
    name = f"copy_{next(COPIES)}_of_{FOLDERS[convention]}"  # a name that no module has had
    shutil.copytree(ROOT / FOLDERS[convention], folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    if edit is not None:
        path = folder / name / edit.file
        text = path.read_text(encoding="utf-8")
        assert text.count(edit.was) == 1
        path.write_text(text.replace(edit.was, edit.becomes), encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        rnn: Callable[..., Any] = importlib.import_module(f"{name}.rnn").rnn
        return rnn
    finally:
        sys.path.remove(str(folder))


def called(convention: str, rnn: Callable[..., Any], arrays: Mapping[str, Array]) -> tuple[float, dict[str, Array]]:
    """The loss and the gradients of an implementation, in the names and the layout of the rows."""
    if convention == "rows":
        loss, found = rnn(**arrays)
        return float(loss), {name: np.asarray(found[name]) for name in PARAMETERS}
    total, sums = 0.0, {}
    for k in range(arrays["x"].shape[1]):
        loss, found = rnn(
            x=arrays["x"][:, k, :, None],
            y=arrays["y"][:, k, :, None],
            a0=arrays["h0"][k][:, None],
            Wax=arrays["Wxh"].T,
            Waa=arrays["Whh"].T,
            b=arrays["bh"][:, None],
            Wya=arrays["Why"].T,
            by=arrays["by"][:, None],
        )
        total += float(loss)
        for name, other in IN_COLUMNS.items():
            sums.setdefault(name, []).append(found[other])
    joined = {name: sum(sums[name][1:], sums[name][0]).T for name in ("Wxh", "Whh", "Why")}
    joined |= {name: sum(sums[name][1:], sums[name][0])[:, 0] for name in ("bh", "by")}
    joined["h0"] = np.hstack(sums["h0"]).T
    joined["x"] = np.concatenate(sums["x"], axis=2).transpose(0, 2, 1)
    return total, joined


def share(value: Array, right: Array) -> float:
    """The largest difference as a share of the largest element of what is right."""
    return float(np.max(np.abs(value - right)) / np.max(np.abs(right)))
