"""How frameworks, scripts and courses lay out the same arrays: one module each, in the layout notation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..family import FAMILIES, Family, family_named, words_of
from ..problem import Problem, nearest
from .entry import Dialect, arrays_of, base_of
from .show import add_arguments, command

__all__ = ["DIALECTS", "Dialect", "add_arguments", "command", "dialect_named", "dialects", "in_dialect"]

DIALECTS = ("karpathy", "coursera", "cs231n", "pytorch", "keras", "onnx", "flax", "nnx", "gpt2")
KEYWORDS = ("dialect", "layers", "bidirectional")


def dialect_named(name: str) -> Dialect:
    """The dialect of that name."""
    if name not in DIALECTS:
        known = ", ".join(f"'{d}'" for d in DIALECTS)
        raise Problem(f"unknown dialect '{name}'{nearest(str(name), DIALECTS, '.')} Known: {known}.")
    from importlib import import_module

    found: Dialect = import_module(f".{name}", __package__).DIALECT
    return found


def dialects() -> list[Dialect]:
    """All of them, in the order in which they are shown."""
    return [dialect_named(name) for name in DIALECTS]


def in_dialect(
    function: Callable[..., Any], family: str | Family, text: str, keywords: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """The layout and the keywords of a port that names a dialect, as it would have to write them itself.

    The port's own lines come first and stand in the place of the dialect's for the same array or the same
    name; a line that says what is given (targets, an upstream) stands in the place of the dialect's. The
    dialect's lines for arrays that may be absent are left out where the function has no such parameter.
    """
    keywords = dict(keywords)
    name, layers, both = (keywords.pop(word, None) for word in KEYWORDS)
    if not isinstance(family, str) or family not in FAMILIES:
        raise Problem(f"dialect='{name}' is for the families {', '.join(FAMILIES)}, and not for {family!r}.")
    dialect = dialect_named(str(name))
    entry = dialect.entry(family, keywords)
    layers = entry.layers if layers is None else layers
    directions = 2 if both else 1
    if not isinstance(layers, int) or isinstance(layers, bool) or layers < 1:
        raise Problem(f"layers={layers!r}: write the number of layers, 1 or more.")
    if not entry.has(layers, directions):
        raise Problem(
            f"{dialect.title} has no {family} of {layers} layers{' in both directions' * bool(both)}: "
            "write the lines of its arrays instead of the dialect."
        )
    own = [line for line in text.splitlines() if line.partition("#")[0].strip()]
    theirs = entry.lines(family, layers, directions)
    declared = family_named(family, words_of("\n".join([*own, *theirs])))
    kept = _beside(declared, own, theirs, _parameters(function), keywords.get("objective"))
    defaults = {**entry.defaults, **entry.settings}
    if any(_given(declared) & arrays_of(line) for line in own):
        defaults.pop("objective", None)
    return "\n".join([text, *kept]), {**defaults, **keywords}


def _beside(
    family: Family, own: list[str], theirs: list[str], names: frozenset[str] | None, objective: Any
) -> list[str]:
    """The dialect's lines that a port's own lines, parameters and objective leave in force."""
    bases = {base_of(line) for line in own}
    written: frozenset[str] = frozenset().union(*map(arrays_of, own)) if own else frozenset()
    given = _given(family)
    kept = []
    for line in theirs:
        arrays = arrays_of(line)
        stands_in = base_of(line) in bases or arrays & written or (arrays & given and written & given)
        missing = names is not None and base_of(line) not in names
        if not stands_in and not (missing and arrays <= family.absent):
            kept.append(line)
    states = {"da"} & frozenset().union(written, *map(arrays_of, kept))
    if states and str(objective).removesuffix(" at the last step") != "upstream of the logits":
        kept = [line for line in kept if not arrays_of(line) & set(family.readout)]
    return kept


def _given(family: Family) -> frozenset[str]:
    """What a loss compares with, or an upstream gradient: a port has one of them."""
    target = {family.target[0]} if family.target is not None else set()
    return frozenset(target | {name for name, _ in family.upstream.values()})


def _parameters(function: Callable[..., Any]) -> frozenset[str] | None:
    """The names of a function's parameters; None where it takes any (`**arrays`), or they cannot be told."""
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters)
