"""Keras' own layers, on JAX in 64 bits.

Keras' type rules make 32 bits of 64 in `keras.ops.tanh`, which layers take by default, and in the fused product of
attention. So tanh is handed to the layers as a function, as anyone's activation is, and attention is asked for its
scores, too, which it computes step by step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from .held import SIZES, Arrays, Real, suffixes

INPUT, HIDDEN = SIZES["input"], SIZES["hidden"]
BATCH, TIME = SIZES["batch"], SIZES["time"]
jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")


@keras.saving.register_keras_serializable("rowcol")  # Bidirectional makes its layers anew from their descriptions
def tanh(x: Any) -> Any:
    return jnp.tanh(x)


def real(model: Any, call: Callable[[Any], Any], batch_first: bool, settings: Arrays | None = None) -> Real:
    """A network whose output is `call(data)`, with the gradients of its weights (by their paths) and data."""
    variables = model.trainable_variables
    rng = np.random.default_rng(5)
    weights = {variable.path: rng.standard_normal(variable.shape) * 0.5 for variable in variables}

    def turned(value: Any) -> Any:
        return value.swapaxes(0, 1) if batch_first else value

    def apply(weights: Any, data: Any) -> Any:
        with keras.StatelessScope([(variable, weights[variable.path]) for variable in variables]):
            return call(data)

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        output, pull = jax.vjp(apply, weights, {**data, "x": turned(data["x"])})
        of_weights, of_data = pull(jnp.asarray(turned(upstream)))
        return turned(np.asarray(output)), {**of_weights, **of_data, "x": turned(of_data["x"])}

    return Real(weights, run, settings or {})


def recurrent(family: str, layers: int, directions: int, reset: str = "after") -> Real:
    keras.utils.clear_session()
    kind = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[family]
    more = {"reset_after": reset == "after"} if family == "gru" else {}
    parts = [kind(HIDDEN, activation=tanh, return_sequences=True, **more) for _ in range(layers)]
    if directions == 2:
        parts = [keras.layers.Bidirectional(part) for part in parts]
    model = keras.Sequential([keras.Input((TIME, INPUT), BATCH), *parts])
    places = suffixes(layers, directions)
    states = ("a0", "c0") if family == "lstm" else ("a0",)

    def call(data: Any) -> Any:
        x = data["x"]
        for k, part in enumerate(parts):
            own = [data[s + p] for p in places[k * directions : (k + 1) * directions] for s in states]
            x = part(x, initial_state=own if len(own) > 1 else own[0])
        return x

    return real(model, call, True, {"reset": reset} if family == "gru" else {})


def dense(layers: int) -> Real:
    keras.utils.clear_session()
    widths = [6, 7, 5][:layers]
    parts = [keras.layers.Dense(n, activation=tanh if k < layers - 1 else None) for k, n in enumerate(widths)]
    model = keras.Sequential([keras.Input((3,)), *parts])
    return real(model, lambda data: model(data["x"]), False)


def attention() -> Real:
    keras.utils.clear_session()
    layer = keras.layers.MultiHeadAttention(SIZES["head"], SIZES["key"])
    shape = (BATCH, TIME, SIZES["head"] * SIZES["key"])
    layer.build(shape, shape, shape)
    return real(layer, lambda data: layer(data["x"], data["x"], return_attention_scores=True)[0], False)
