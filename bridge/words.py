"""Words for sentences about arrays."""

from __future__ import annotations

from collections.abc import Mapping

# What is said of a suspect where it tells more than the line at which a port raises.
TAKEN = "what it made is taken where the port raises"
MORE_AGREES = "more agrees with this: "


def listed(names: list[str]) -> str:
    """`"W"`, `"W and b"`, `"W, V and b"`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def opening(words: str) -> str:
    """Words as a sentence begins with them; names keep their case."""
    return words[:1].upper() + words[1:]


def gradients_of(names: list[str]) -> str:
    """`"the gradient of W is"`, `"the gradients of W and b are"`."""
    many = len(names) > 1
    return f"the gradient{'s' * many} of {listed(names)} {'are' if many else 'is'}"


def of_pieces(states: Mapping[str, str]) -> str:
    """`"g and o differ, i and f agree"`, of what an array holds; nothing where all are alike."""
    wrong, right = ([name for name, one in states.items() if one == state] for state in ("differs", "agrees"))
    if not wrong or not right:
        return ""
    return f"{listed(wrong)} differ{'s' * (len(wrong) == 1)}, {listed(right)} agree{'s' * (len(right) == 1)}"
