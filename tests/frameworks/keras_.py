"""Keras' own layers, on PyTorch: single precision, for its type rules make 32 bits of 64 in each product."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch

from .held import SINGLE, SIZES, Arrays, Real, suffixes

INPUT, HIDDEN = SIZES["input"], SIZES["hidden"]
BATCH, TIME = SIZES["batch"], SIZES["time"]
keras.config.set_floatx("float64")


def weights_of(model: Any) -> dict[str, Any]:
    """The model's weights by their paths, none of them zero any more."""
    rng = np.random.default_rng(5)
    for weight in model.trainable_variables:
        weight.assign(rng.standard_normal(weight.shape) * 0.5)
    return {w.path: keras.ops.convert_to_numpy(w) for w in model.trainable_variables}


def differentiated(model: Any, names: list[str], inputs: list[Any], call: Any, upstream: Any) -> Any:
    """Output and gradients of weights (by path) and inputs (by these names)."""
    leaves = [torch.tensor(value, requires_grad=True) for value in inputs]
    output = call(*leaves)
    (output * torch.tensor(upstream)).sum().backward()
    found = {w.path: w.value.grad.numpy() for w in model.trainable_variables}
    found |= {name: tensor.grad.numpy() for name, tensor in zip(names, leaves, strict=True)}
    return output.detach().numpy(), found


def recurrent(family: str, layers: int, directions: int, reset: str = "after") -> Real:
    keras.utils.clear_session()
    kind = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[family]
    more = {"reset_after": reset == "after"} if family == "gru" else {}
    parts = [kind(HIDDEN, return_sequences=True, **more) for _ in range(layers)]
    if directions == 2:
        parts = [keras.layers.Bidirectional(part) for part in parts]
    model = keras.Sequential([keras.Input((TIME, INPUT), BATCH), *parts])
    places = suffixes(layers, directions)
    states = ("a0", "c0") if family == "lstm" else ("a0",)

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        names = ["x", *(s + p for p in places for s in states)]

        def call(x: Any, *initial: Any) -> Any:
            each = directions * len(states)
            for k, part in enumerate(parts):
                own = list(initial[k * each : (k + 1) * each])
                x = part(x, initial_state=own if len(own) > 1 else own[0])
            return x

        inputs = [data["x"].transpose(1, 0, 2), *(data[name] for name in names[1:])]
        output, gradients = differentiated(model, names, inputs, call, upstream.transpose(1, 0, 2))
        return output.transpose(1, 0, 2), {**gradients, "x": gradients["x"].transpose(1, 0, 2)}

    return Real(weights_of(model), run, {"reset": reset} if family == "gru" else {}, SINGLE)


def dense(layers: int) -> Real:
    keras.utils.clear_session()
    widths = [6, 7, 5][:layers]
    parts = [keras.layers.Dense(n, activation="tanh" if k < layers - 1 else None) for k, n in enumerate(widths)]
    model = keras.Sequential([keras.Input((3,)), *parts])

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        return differentiated(model, ["x"], [data["x"]], model, upstream)  # type: ignore[no-any-return]

    return Real(weights_of(model), run, tolerance=SINGLE)


def attention() -> Real:
    keras.utils.clear_session()
    layer = keras.layers.MultiHeadAttention(SIZES["head"], SIZES["key"])
    shape = (BATCH, TIME, SIZES["head"] * SIZES["key"])
    layer.build(shape, shape, shape)

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        return differentiated(layer, ["x"], [data["x"]], lambda x: layer(x, x), upstream)  # type: ignore[no-any-return]

    return Real(weights_of(layer), run, tolerance=SINGLE)
