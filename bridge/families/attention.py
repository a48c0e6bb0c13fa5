"""Multi-head self-attention: softmax(q kᵀ · scale) v in every head, between four projections."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from rowcol.batched.attention import attention as batched_attention
from rowcol.reference.attention import attention as reference_attention

from ..family import Family, Implementation, Setting

SHAPES: dict[str, frozenset[str]] = {}
SCALES = ("1/sqrt(key)", "1/sqrt(model)", "1")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _scale(value: Any, sizes: Mapping[str, int]) -> float:
    """The number that a declared scale is at given sizes."""
    if _is_number(value):
        return float(value)
    return {"1/sqrt(key)": 1 / sqrt(sizes["key"]), "1/sqrt(model)": 1 / sqrt(sizes["model"]), "1": 1.0}[value]


def family(words: frozenset[str]) -> Family:
    """The declaration; there is one shape of it."""
    return Family(
        name="attention",
        parameters={
            "W": ("part", "head", "key", "model"),
            "b": ("part", "head", "key"),
            "Wo": ("model", "head", "key"),
            "bo": ("model",),
        },
        readout={},
        data={"x": ("batch", "time", "model")},
        target=None,
        upstream={"upstream of the output": ("dout", ("batch", "time", "model"))},
        letters={"part": ("q", "k", "v")},
        apart=frozenset({"head"}),
        ties={"model": "head key"},
        absent=frozenset({"b", "bo"}),
        equations=(
            "q[t], k[t], v[t] = W x[t] + b in each head; p[t] = softmax over s of scale * q[t] . k[s] (causal: s <= t)",
            "o[t] = sum over s of p[t, s] v[s]; out[t] = sum over the heads of Wo o[t], + bo",
        ),
        answers_to={"dout": "out[t]"},
        settings={
            "causal": Setting((False, True)),
            "scale": Setting(SCALES, accepts=_is_number, given=_scale),
        },
        reference=Implementation(
            reference_attention,
            """
            W:    W[q k v] part head key model
            b:    b[q k v] part head key 1
            Wo:   Wo model head key
            bo:   bo model 1
            x:    x time model 1
            dout: dout time model 1
            """,
            "columns",
        ),
        batched=Implementation(
            batched_attention,
            """
            W:    W[q k v] model (part head key)
            b:    b[q k v] (part head key)
            Wo:   Wo (head key) model
            bo:   bo model
            x:    x batch time model
            dout: dout batch time model
            """,
            "rows",
        ),
    )
