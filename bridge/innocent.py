"""Differences that are no fault of a gradient: single precision, clipping, a loss in other units."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from .case import Case
from .declaration import Clip, Declaration
from .diff import LOSS, Diff, Expected, clipped, parameters_of
from .words import listed

OFF = "reports a loss of "  # what is remarked of a loss in other units begins with it


def float32(port: Declaration, found: Diff) -> tuple[str, list[str]] | None:
    """Everything that differs does so at the level of float32, in a port declared float64."""
    if port.dtype != "float64":
        return None
    coarser = float(np.finfo(np.float32).eps / np.finfo(np.float64).eps)
    names = found.differing
    for name in names:
        verdict = found.verdicts[name]
        if verdict.note or verdict.difference > verdict.bar * coarser or verdict.bar * coarser > verdict.size:
            return None
    return "computes in float32 (declare dtype='float32' if that is meant)", names


def clipping(port: Declaration, found: Diff) -> tuple[str, list[str]] | None:
    """Gradients that are the right ones under a bound that the port did not declare for them."""
    names = [n for n in found.differing if n != LOSS]
    if not names or any(found.verdicts[n].note for n in names):
        return None
    every = set(port.parameters)
    if port.clip is not None:
        also = {n for n in names if n not in parameters_of(port)}
        if port.clip.norm or set(names) != also or not _clipped_alike(found, port.clip, every):
            return None
        return f"clips the gradients of inputs and initial states too ({listed(sorted(also))})", names
    for together in (parameters_of(port), every):
        clip = _bound_of(found, together)
        if clip is not None:
            written = repr(str(clip)) if clip.norm else str(clip)
            return f"clips its gradients (clip={written} would say so)", names
    return None


def _clipped_alike(found: Diff, clip: Clip, together: set[str]) -> bool:
    """Are the port's gradients the right ones, those of `together` under a bound, on every case?"""
    return all(
        _close(expected, n, gradient, clipped(expected.gradients, clip, together)[n])
        for expected, answer in zip(found.expected, found.answers, strict=True)
        for n, gradient in answer.gradients.items()
        if n in expected.gradients
    )


def _bound_of(found: Diff, those: set[str]) -> Clip | None:
    """The one bound, of each element or of the norm, under which `those` gradients are right on every case."""
    bounds, norms = set(), set()
    for expected, answer in zip(found.expected, found.answers, strict=True):
        gradients = {n: g for n, g in answer.gradients.items() if n in expected.gradients}
        if all(_close(expected, n, g, expected.gradients[n]) for n, g in gradients.items()):
            continue
        together = those & set(gradients)
        largest = max((float(np.max(np.abs(gradients[n]))) for n in together), default=0.0)
        norm = float(np.sqrt(sum(float(np.sum(gradients[n] ** 2)) for n in together)))
        fits = {
            clip.norm: all(_close(expected, n, gradients[n], under[n]) for n in gradients)
            for clip in (Clip(largest or 1.0), Clip(norm or 1.0, norm=True))
            for under in [clipped({n: expected.gradients[n] for n in gradients}, clip, together)]
        }
        bounds.add(round(largest, 6) if fits[False] else None)
        norms.add(round(norm, 6) if fits[True] else None)
    for values, norm_wise in ((bounds, False), (norms, True)):
        if len(values) == 1 and None not in values:
            return Clip(float(next(iter(values)) or 0), norm_wise)
    return None


def _close(expected: Expected, name: str, port: Any, trusted: Any) -> bool:
    bar = 100 * expected.deviations[name] + 1e-6 * float(np.max(np.abs(trusted), initial=0.0))
    return bool(np.all(np.abs(port - trusted) <= bar))


def loss_factor(port: Declaration, found: Diff) -> tuple[str, list[str]] | None:
    """A loss that is off by the same product of sizes on every case, while every gradient agrees."""
    if found.differing != [LOSS]:
        return None
    phrase = factor_of_sizes(
        [(e.case, a.loss or 0.0, e.loss) for e, a in zip(found.expected, found.answers, strict=True)]
    )
    if phrase is None:
        return None
    return f"{OFF}{phrase} times the one whose gradients it gives", [LOSS]


def factor_of_sizes(pairs: list[tuple[Case, float, float]]) -> str | None:
    """The product of sizes by which first numbers are multiples of second ones, the same on every case."""
    for powers in product((0, 1, -1), repeat=4):
        for two in (1.0, 2.0, 0.5):
            if not any(powers) and two == 1.0:
                continue
            axes = ("batch", "time", "output", "input")
            factors = [
                two
                * float(
                    np.prod([float(case.sizes.get(a, 1)) ** p for a, p in zip(axes, powers, strict=True)])
                )
                for case, _, _ in pairs
            ]
            if len(pairs) > 1 and all(
                abs(one - f * other) <= 1e-5 * abs(f * other)
                for (_, one, other), f in zip(pairs, factors, strict=True)
            ):
                above = [a for a, p in zip(axes, powers, strict=True) if p > 0] + ["2"] * (two == 2.0)
                below = [a for a, p in zip(axes, powers, strict=True) if p < 0] + ["2"] * (two == 0.5)
                return " * ".join(above or ["1"]) + "".join(f" / {b}" for b in below)
    return None
