"""Identical data for both sides, made so that no wrong transpose can hide in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .declaration import Declaration, Sizes, joined
from .family import Family
from .objective import Objective
from .problem import Problem

Array = NDArray[np.float64]

# Smallest and largest size that a free axis is given in a verdict's cases: large enough that
# sizes can all differ, small enough that a port's Python loops take no time.
RANGES = {
    "batch": (2, 4),
    "time": (4, 6),
    "input": (3, 9),
    "hidden": (5, 9),
    "output": (4, 11),
    "head": (2, 4),
    "key": (5, 9),  # so that 1/sqrt(key) is not 1/head
}
ELSEWHERE = (3, 9)


class Case(NamedTuple):
    """Sizes of every axis, and the canonical arrays: float64 numbers that the port's dtype can hold."""

    label: str
    seed: int
    sizes: Mapping[str, int]
    arrays: Mapping[str, Array]

    def example(self, family: Family, objective: Objective, n: int) -> Case:
        """The case of the n-th example alone, a batch of one."""
        axes = family.arrays(objective)
        arrays = {
            name: np.take(value, [n], axis=axes[name].index("batch")) if "batch" in axes[name] else value
            for name, value in self.arrays.items()
        }
        return self._replace(sizes={**self.sizes, "batch": 1}, arrays=arrays)


class Recipe(NamedTuple):
    """What one case of a verdict is meant to show, as scales of what it is made from.

    `gentle` keeps gradients small (most stay under a clipping bound); `upstream` scales the given
    gradient and the output layer, so that what is carried back exceeds a bound inside a loop.
    """

    label: str
    weights: float = 1.0
    upstream: float = 1.0
    gentle: bool = False


ORDINARY = Recipe("ordinary")
LARGE = Recipe("large gradients", upstream=12.0)
GENTLE = Recipe("small gradients", gentle=True)


def recipes(declaration: Declaration) -> tuple[Recipe, ...]:
    """The cases that a verdict on this port is taken on."""
    return (ORDINARY, LARGE, ORDINARY) + ((GENTLE,) if declaration.clip else ())


def cases(
    declaration: Declaration, seed: int, sizes: Sizes | None = None, count: int | None = None
) -> Iterator[Case]:
    """Cases of different sizes and seeds for a port; `sizes` is what the command line fixes."""
    wanted = recipes(declaration)
    for k in range(len(wanted) if count is None else count):
        yield make_case(declaration, seed + k, wanted[k % len(wanted)], sizes)


def fresh_cases(declaration: Declaration, seed: int, count: int) -> Iterator[Case]:
    """Cases that a patch is verified on, of other sizes and seeds than those of the verdict.

    Of two axes the longer one in the first case is the shorter one in the second: an array that was made as long
    as another axis, and is too long by that, would pass wherever it is.
    """
    wanted = recipes(declaration)
    for k in range(count):
        yield make_case(declaration, seed + k, wanted[k % len(wanted)], order={0: 1, 1: -1}.get(k, 0))


def make_case(
    declaration: Declaration, seed: int, recipe: Recipe = ORDINARY, sizes: Sizes | None = None, order: int = 0
) -> Case:
    """One case: random sizes where they are free, random arrays at the scale of the recipe."""
    rng = np.random.default_rng([seed, 20])
    chosen = choose_sizes(declaration, rng, sizes, order)
    arrays = make_arrays(declaration, chosen, recipe, rng)
    return Case(recipe.label, seed, chosen, arrays)


def choose_sizes(
    declaration: Declaration, rng: np.random.Generator, extra: Sizes | None = None, order: int = 0
) -> dict[str, int]:
    """A size for every axis, no two alike (nor sums and products of them that occur in ports), unless tied.

    With an `order` of 1 they grow in the order of the axes' names, with -1 against it.
    """
    family = declaration.family
    axes = sorted({a for shape in family.every_array().values() for a in shape} | {"batch"})
    asked = declaration.sizes
    if extra is not None:
        try:
            asked = joined(declaration.sizes, extra)
        except Problem as problem:
            raise declaration.problem(
                f"the port declares sizes with which it cannot be run so: {problem.what}"
            ) from None
    tied = {**family.ties, **asked.tied}
    fixed = {
        **family.sizes,
        **{a: len(names) for a, names in family.letters.items()},
        **asked.fixed,
    }
    if "time" in axes and not any("time" in line.axes for line in declaration.layout.lines):
        fixed["time"] = 1
    free = [a for a in axes if a not in fixed and a not in tied]

    best: tuple[int, dict[str, int]] | None = None
    for _ in range(200):
        sizes = dict(fixed)
        last = 0
        for axis in free[:: order or 1]:
            low, high = RANGES.get(axis, ELSEWHERE)
            if order:
                low = max(low, last + 1)
                high = low + 1
            sizes[axis] = last = int(rng.integers(low, high + 1))
        for axis in axes:
            sizes[axis] = _followed(axis, tied, sizes)
        clashes = _clashes(sizes, tied)
        if best is None or clashes < best[0]:
            best = (clashes, sizes)
        if clashes == 0 or not free:
            break
    assert best is not None
    return best[1]


def _followed(axis: str, tied: Mapping[str, str], sizes: Mapping[str, int]) -> int:
    """The size of an axis, through the axis (or the product of axes) that it is tied to."""
    if axis not in tied or axis in sizes:
        return sizes[axis]
    return prod(_followed(other, tied, sizes) for other in tied[axis].split())


def _clashes(sizes: Mapping[str, int], tied: Mapping[str, str]) -> int:
    """How many pairs of numbers are equal that a port could take for one another."""
    own = [size for axis, size in sizes.items() if axis not in tied]
    derived = [sizes["batch"] * sizes["time"]] if "time" in sizes else []
    if "time" in sizes:
        derived += [sizes["time"] - 1, sizes["time"] + 1]
    if "hidden" in sizes:
        derived += [3 * sizes["hidden"], 4 * sizes["hidden"], sizes["hidden"] + sizes.get("input", 0)]
    if "head" in sizes and "key" in sizes:
        derived.append(sizes["head"] * sizes["key"])
    numbers = own + derived
    return len(numbers) - len(set(numbers))


def make_arrays(
    declaration: Declaration, sizes: Mapping[str, int], recipe: Recipe, rng: np.random.Generator
) -> dict[str, Array]:
    """Random arrays for every canonical array of the family under the port's objective.

    Matrices are scaled by the square root of what they sum over, so that pre-activations are of the
    order of one and no term of a gradient vanishes; biases and initial states are not zero. What the
    port has no line for is zero. Every number is rounded to the port's dtype.
    """
    family, objective = declaration.family, declaration.objective
    arrays: dict[str, Array] = {}
    for name, axes in declaration.arrays.items():
        shape = tuple(sizes[a] for a in axes)
        if name not in declaration.layout.canonical or name in declaration.silent:
            arrays[name] = np.zeros(shape)
        elif name == family.given(objective) and not objective.upstream:
            arrays[name] = _targets(objective, shape, recipe, rng)
        elif name in family.all_given(objective):
            arrays[name] = rng.standard_normal(shape) * (0.01 if recipe.gentle else 1.0) * recipe.upstream
        elif name in family.classes and _classes(declaration, name):
            arrays[name] = _one_hot(rng, shape)
        else:
            arrays[name] = _numbers(name, family, axes, shape, recipe, rng)
    if family.make is not None:
        for name, value in family.make(dict(sizes), rng).items():
            if name not in arrays or np.shape(value) != arrays[name].shape:
                wanted = (
                    f"the shape {arrays[name].shape}" if name in arrays else f"one of {', '.join(arrays)}"
                )
                raise declaration.problem(f"case= gave '{name}' of shape {np.shape(value)}; expected {wanted}.")
            arrays[name] = np.array(value, dtype=np.float64)
    dtype = np.dtype(declaration.dtype)
    return {name: value.astype(dtype).astype(np.float64) for name, value in arrays.items()}


def _numbers(
    name: str,
    family: Family,
    axes: tuple[str, ...],
    shape: tuple[int, ...],
    recipe: Recipe,
    rng: np.random.Generator,
) -> Array:
    values = rng.standard_normal(shape)
    if name in family.data:
        return values if name in family.classes else np.clip(0.6 * values, -0.95, 0.95)
    # Neither a gate nor a head is summed over; what is, is an axis of a matrix's columns.
    matrix = len([a for a in axes if a not in (*family.letters, *family.apart)]) > 1
    scale = recipe.weights / sqrt(shape[-1]) if matrix else 0.5 * recipe.weights
    if name in family.readout:
        if recipe.gentle:
            # Every target is class 0 then (see _targets): a bias that expects it makes errors small.
            return (
                values * 0.05 if matrix else np.where(np.arange(prod(shape)) == 0, 7.0, -1.0) + 0.05 * values
            )
        return values * scale * (1 + recipe.upstream / 2 if matrix else 1)
    return values * scale * (1.2 if matrix else 1.0)


def _targets(objective: Objective, shape: tuple[int, ...], recipe: Recipe, rng: np.random.Generator) -> Array:
    if objective.kind == "softmax":
        y = _one_hot(rng, shape)
        return np.eye(shape[-1])[np.zeros(shape[:-1], dtype=int)] if recipe.gentle else y
    if objective.kind == "logistic":
        y = rng.integers(0, 2, shape).astype(float)
    else:
        y = rng.standard_normal(shape) * recipe.upstream
    if recipe.gentle:
        expected = np.zeros(shape)
        expected[..., 0] = 1.0 if objective.kind == "logistic" else 7.0
        if objective.kind == "squared error":
            expected[..., 1:] = -1.0
        return expected
    return y


def _one_hot(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """One-hot vectors along the last axis; classes repeat along the first, and differ along it too."""
    classes = rng.integers(0, shape[-1], shape[:-1])
    if classes.ndim and classes.shape[0] > 2:
        classes[-1] = classes[0]
        classes[1] = (classes[0] + 1) % shape[-1]
    return np.eye(shape[-1])[classes]


def _classes(declaration: Declaration, name: str) -> bool:
    """Does the port take this array as class indices, or as one-hot vectors only?"""
    return any(name in line.arrays and (line.indices or line.one_hot) for line in declaration.layout.lines)
