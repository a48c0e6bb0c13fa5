"""Both implementations learning the same text, step by step, with everything that is measured on the way.

Weights are kept by each side in its own convention. Where the two meet, they meet in columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowcol.batched.learn import adagrad as adagrad_in_rows
from rowcol.batched.learn import clip as clip_in_rows
from rowcol.batched.learn import sample as sample_in_rows
from rowcol.batched.rnn import forward as forward_in_rows
from rowcol.batched.rnn import rnn as rnn_in_rows
from rowcol.reference.columns import one_hot
from rowcol.reference.learn import adagrad as adagrad_in_columns
from rowcol.reference.learn import clip as clip_in_columns
from rowcol.reference.learn import sample as sample_in_columns
from rowcol.reference.rnn import forward as forward_in_columns
from rowcol.reference.rnn import rnn as rnn_in_columns

from .bar import MARGIN, jittered_runs
from .case import Case
from .declaration import side
from .diff import BLINDNESS
from .family import family_named
from .objective import Objective

Array = NDArray[Any]
Weights = dict[str, Array]

BOUND = 5.0  # gradients are clipped to -5 .. 5
BAR_EVERY = 20  # steps between two measurements of the bar

# The weights in columns, W·a, and what their transposes are called in rows, X·W.
MATRICES = {"Wax": "Wxh", "Waa": "Whh", "Wya": "Why"}
BIASES = {"b": "bh", "by": "by"}


def as_rows(columns: Mapping[str, Array]) -> Weights:
    """Weights (or gradients) of the reference in the layout of the batched side, as copies."""
    rows = {name: columns[ours].T.copy() for ours, name in MATRICES.items()}
    rows |= {name: columns[ours][:, 0].copy() for ours, name in BIASES.items()}
    return rows


def as_columns(rows: Mapping[str, Array]) -> Weights:
    """Weights (or gradients) of the batched side in the layout of the reference."""
    columns = {name: rows[theirs].T for name, theirs in MATRICES.items()}
    columns |= {name: rows[theirs][:, np.newaxis] for name, theirs in BIASES.items()}
    return columns


def first_weights(classes: int, hidden: int, rng: np.random.Generator, dtype: str) -> Weights:
    """Random weights, scaled so that no term of a gradient vanishes; biases are zero.

    Every matrix divided by the root of what it sums over; a one-hot input sums over one column only.
    """
    shapes = {"Wax": (hidden, classes), "Waa": (hidden, hidden), "Wya": (classes, hidden)}
    weights = {
        name: (rng.standard_normal(shape) / np.sqrt(hidden)).astype(dtype) for name, shape in shapes.items()
    }
    return {**weights, "b": np.zeros((hidden, 1), dtype), "by": np.zeros((classes, 1), dtype)}


def one_unit_away(weights: Mapping[str, Array], rng: np.random.Generator) -> Weights:
    """The same weights, each moved up or down by one rounding unit of its dtype."""
    return {
        name: np.nextafter(W, np.where(rng.random(W.shape) < 0.5, -np.inf, np.inf).astype(W.dtype))
        for name, W in weights.items()
    }


def distance(one: Mapping[str, Array], other: Mapping[str, Array]) -> float:
    """The largest difference of any weight; infinite where one is not a number."""
    return max(_largest(W - other[name]) for name, W in one.items())


@dataclass(frozen=True)
class Batch:
    """A stretch of each of several sequences: x, y (time, batch) are class indices, y one character on.

    `anew`: the sequences begin again here, so that the states start from zero.
    """

    x: Array
    y: Array
    anew: bool


def batches(classes: Array, batch: int, length: int) -> Iterator[Batch]:
    """Cut a text into `batch` sequences and walk along all of them at once, `length` at a time, for ever."""
    each = (len(classes) - 1) // batch
    x = classes[: batch * each].reshape(batch, each).T
    y = classes[1 : batch * each + 1].reshape(batch, each).T
    while True:
        for start in range(0, each - length + 1, length):
            yield Batch(x[start : start + length], y[start : start + length], anew=start == 0)


class ColumnLearner:
    """The reference as a learner: run example by example, losses and gradients summed."""

    def __init__(self, weights: Weights, batch: int) -> None:
        self.weights = weights
        self.memory = {name: np.zeros_like(W) for name, W in weights.items()}
        hidden, self.classes = weights["Wax"].shape
        self.zeros = np.zeros((batch, hidden), weights["Wax"].dtype)
        self.a0 = self.zeros

    def gradients(self, batch: Batch) -> tuple[float, Weights]:
        """Loss and gradients; that of the initial states, "a0", as (batch, hidden)."""
        W, dtype = self.weights, self.zeros.dtype
        loss = 0.0
        total = {name: np.zeros_like(array) for name, array in W.items()}
        da0 = np.zeros(self.a0.shape, dtype)
        for n in range(len(self.a0)):
            y = one_hot(batch.y[:, n], self.classes, dtype)
            a0 = self.a0[n][:, np.newaxis]
            its_loss, grads = rnn_in_columns(
                batch.x[:, n], a0, W["Wax"], W["Waa"], W["b"], W["Wya"], W["by"], y
            )
            loss += float(its_loss)
            for name in total:
                total[name] += grads[name]
            da0[n] = grads["a0"][:, 0]
        return loss, {**total, "a0": da0}

    def carry(self, batch: Batch) -> None:
        """The states that a batch ends in are those that the next one begins with."""
        W = self.weights
        last = []
        for n, state in enumerate(self.a0):
            x = one_hot(batch.x[:, n], self.classes, self.zeros.dtype)
            a = forward_in_columns(x, state[:, np.newaxis], W["Wax"], W["Waa"], W["b"])
            last.append(a[len(x) - 1][:, 0])
        self.a0 = np.array(last)

    def update(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One clipped step of Adagrad, in place."""
        adagrad_in_columns(self.weights, clip_in_columns(gradients, BOUND), self.memory, rate)

    def sample(self, first: int, length: int, rng: np.random.Generator) -> list[int]:
        """So many class indices, drawn one after the other from zero states."""
        a0 = np.zeros((self.zeros.shape[1], 1), self.zeros.dtype)
        return sample_in_columns(self.weights, a0, first, length, rng)


class RowLearner:
    """The batched side as a learner: the whole batch at once."""

    def __init__(self, weights: Weights, batch: int) -> None:
        self.weights = weights
        self.memory = {name: np.zeros_like(W) for name, W in weights.items()}
        self.classes, hidden = weights["Wxh"].shape
        self.zeros = np.zeros((batch, hidden), weights["Wxh"].dtype)
        self.h0 = self.zeros

    def gradients(self, batch: Batch) -> tuple[float, Weights]:
        """Loss and gradients, that of the initial states, "h0", among them."""
        return gradients_in_rows(self.weights, self.h0, batch)

    def carry(self, batch: Batch) -> None:
        """The states that a batch ends in are those that the next one begins with."""
        W = self.weights
        self.h0 = forward_in_rows(batch.x, self.h0, W["Wxh"], W["Whh"], W["bh"])[-1]

    def update(self, gradients: Mapping[str, Array], rate: float) -> None:
        """One clipped step of Adagrad, in place."""
        adagrad_in_rows(self.weights, clip_in_rows(gradients, BOUND), self.memory, rate)

    def sample(self, first: int, length: int, rng: np.random.Generator) -> list[int]:
        """So many class indices, drawn one after the other from zero states."""
        return sample_in_rows(self.weights, self.zeros[:1], first, length, rng)


def gradients_in_rows(weights: Weights, h0: Array, batch: Batch) -> tuple[float, Weights]:
    """Loss and gradients of the batched side at any weights in its layout."""
    W = weights
    y = hot(batch.y, len(W["by"])).astype(h0.dtype)
    loss, grads = rnn_in_rows(batch.x, h0, W["Wxh"], W["Whh"], W["bh"], W["Why"], W["by"], y)
    return float(loss), grads


def hot(classes: Array, number: int) -> Array:
    """Class indices (time, batch) as one-hot vectors (time, batch, number)."""
    vectors = np.zeros((*classes.shape, number))
    np.put_along_axis(vectors, classes[..., np.newaxis], 1, axis=-1)
    return vectors


def as_case(learner: ColumnLearner, batch: Batch, seed: int) -> Case:
    """The learner's weights and states, and the batch, as the canonical arrays of a case."""
    weights = {name: W[:, 0] if name in BIASES else W for name, W in learner.weights.items()}
    arrays = {
        **weights,
        "x": hot(batch.x, learner.classes),
        "y": hot(batch.y, learner.classes),
        "a0": learner.a0,
    }
    sizes = {
        "time": batch.x.shape[0],
        "batch": batch.x.shape[1],
        "input": learner.classes,
        "output": learner.classes,
        "hidden": learner.zeros.shape[1],
        "prev": learner.zeros.shape[1],
    }
    return Case("a batch of text", seed, sizes, arrays)


class Bar:
    """How far apart the two sides' gradients may be at the same weights: measured on the reference.

    A measurement runs the reference with every intermediate value moved by one rounding unit. What it
    finds is kept for each array as a share of the gradient's size, and holds until the next one.
    """

    def __init__(self, seed: int, dtype: str) -> None:
        self.seed, self.dtype = seed, dtype
        family = family_named("rnn")
        assert family.reference is not None
        self.reference = side(family, family.reference, Objective("softmax"), {"activation": "tanh"})
        self.shares: dict[str, float] = {}
        self.measured_at = 0

    def measure(
        self, step: int, learner: ColumnLearner, batch: Batch, gradients: Mapping[str, Array]
    ) -> None:
        """Measure on a batch the bar of each gradient, as a share of its size, by jittered runs."""
        case = as_case(learner, batch, self.seed + step)
        unit = float(np.finfo(self.dtype).eps)
        deviations = {name: unit * _largest(g) for name, g in gradients.items()}
        for _, moved in jittered_runs(self.reference, case, self.dtype):
            for name, g in gradients.items():
                deviations[name] = max(deviations[name], _largest(moved[name].reshape(g.shape) - g))
        self.shares = {
            name: MARGIN * deviations[name] / (_largest(g) or 1.0) for name, g in gradients.items()
        }
        self.measured_at = step

    def ratios(self, one: Mapping[str, Array], other: Mapping[str, Array]) -> dict[str, float]:
        """For each array the difference over its bar; without those that are blind, where the bar is so wide
        that it could tell nothing."""
        found = {}
        for name, share in self.shares.items():
            if share <= BLINDNESS:
                difference, bar = _largest(one[name] - other[name]), share * _largest(one[name])
                found[name] = difference / bar if bar else (np.inf if difference else 0.0)
        return found


def _largest(values: Array) -> float:
    """The largest absolute value; infinite where one of them is not a number."""
    largest = float(np.max(np.abs(values)))
    return largest if largest == largest else np.inf


@dataclass(frozen=True)
class Step:
    """What one step showed. Losses are a character's, in nats, before the step's update.

    distance   between the weights of the two implementations, after the update
    drift      between the weights of the reference and of the third run, after the update
    ratio      the two gradients' difference over the bar, taken from the same weights: the worst array's
    worst      that array
    blind      how many arrays had so wide a bar that they could not be judged
    """

    number: int
    reference: float
    batched: float
    third: float
    distance: float
    drift: float
    ratio: float
    worst: str
    compared: int
    blind: int


class Race:
    """The reference, the batched side, and a third run: the reference from one rounding unit away."""

    def __init__(
        self, classes: Array, *, rate: float, hidden: int, length: int, batch: int, seed: int, dtype: str
    ) -> None:
        rng = np.random.default_rng(seed)
        weights = first_weights(int(classes.max()) + 1, hidden, rng, dtype)
        self.batched = RowLearner(as_rows(weights), batch)
        self.third = ColumnLearner(one_unit_away(weights, rng), batch)
        self.reference = ColumnLearner(weights, batch)
        self.rate, self.seed = rate, seed
        self.characters = length * batch
        self.bar = Bar(seed, dtype)
        self.batches = batches(classes, batch, length)

    def steps(self, number: int) -> Iterator[Step]:
        """So many steps of training, each with what was measured at it."""
        for step in range(1, number + 1):
            yield self.step(step, next(self.batches))

    def step(self, number: int, batch: Batch) -> Step:
        """One batch: compare the gradients at the reference's weights, then let all three learn from it."""
        reference, batched, third = self.reference, self.batched, self.third
        if batch.anew:
            reference.a0, batched.h0, third.a0 = reference.zeros, batched.zeros, third.zeros

        loss, grads = reference.gradients(batch)
        ratios = self.compare(number, batch, grads)
        batched_loss, batched_grads = batched.gradients(batch)
        third_loss, third_grads = third.gradients(batch)

        reference.carry(batch)
        batched.carry(batch)
        third.carry(batch)
        reference.update(grads, self.rate)
        batched.update(batched_grads, self.rate)
        third.update(third_grads, self.rate)

        worst = max(ratios, key=ratios.__getitem__, default="")
        return Step(
            number,
            loss / self.characters,
            batched_loss / self.characters,
            third_loss / self.characters,
            distance=distance(reference.weights, as_columns(batched.weights)),
            drift=distance(reference.weights, third.weights),
            ratio=ratios.get(worst, 0.0),
            worst=worst,
            compared=len(ratios),
            blind=len(grads) - len(ratios),
        )

    def compare(self, step: int, batch: Batch, grads: Mapping[str, Array]) -> dict[str, float]:
        """Both sides' gradients from the same weights and states: each array's difference over the bar."""
        reference = self.reference
        _, in_rows = gradients_in_rows(as_rows(reference.weights), reference.a0, batch)
        others = {**as_columns(in_rows), "a0": in_rows["h0"]}
        if step % BAR_EVERY == 1:
            self.bar.measure(step, reference, batch, grads)
        ratios = self.bar.ratios(grads, others)
        if self.bar.measured_at != step and max(ratios.values(), default=0.0) > 1:
            # Nothing is called wrong by a bar that was measured at another step.
            self.bar.measure(step, reference, batch, grads)
            ratios = self.bar.ratios(grads, others)
        return ratios

    def samples(self, first: int, length: int) -> dict[str, list[int]]:
        """What the two implementations write after the class `first`.

        Both draw with the same random numbers: models that are the same write the same. One whose weights
        are no longer finite writes nothing.
        """
        sides: dict[str, ColumnLearner | RowLearner] = {"reference": self.reference, "batched": self.batched}
        return {
            name: learner.sample(first, length, np.random.default_rng([self.seed, 23]))
            for name, learner in sides.items()
            if all(np.all(np.isfinite(W)) for W in learner.weights.values())
        }
