"""Flax' own layers, Linen and NNX, in 64 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict

from .held import SIZES, Arrays, Real, suffixes

INPUT, HIDDEN = SIZES["input"], SIZES["hidden"]
BATCH, TIME = SIZES["batch"], SIZES["time"]
EXACT = {"dtype": jnp.float64, "param_dtype": jnp.float64}
jax.config.update("jax_enable_x64", True)


def random(flat: Arrays) -> dict[str, Any]:
    """Arrays of the same names and shapes, none of them zero."""
    rng = np.random.default_rng(5)
    return {name: rng.standard_normal(value.shape) * 0.5 for name, value in flat.items()}


def real(weights: Arrays, apply: Callable[[Any, Any], Any], batch_first: bool) -> Real:
    """A network whose output is `apply(weights, data)`, with the gradients of both."""

    def turned(value: Any) -> Any:
        return value.swapaxes(0, 1) if batch_first else value

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        inputs = {**data, "x": turned(data["x"])}
        output, pull = jax.vjp(apply, weights, inputs)
        of_weights, of_data = pull(jnp.asarray(turned(upstream)))
        return turned(np.asarray(output)), {**of_weights, **of_data, "x": turned(of_data["x"])}

    return Real(weights, run)


class Stack(nn.Module):
    """Recurrent layers above one another, in one direction or both, with initial states."""

    kind: Any
    layers: int
    directions: int

    @nn.compact
    def __call__(self, x: Any, states: Any) -> Any:
        for layer in range(self.layers):
            own = states[layer * self.directions : (layer + 1) * self.directions]
            cells = [self.kind(HIDDEN, **EXACT) for _ in range(self.directions)]
            if self.directions == 1:
                x = nn.RNN(cells[0])(x, initial_carry=own[0])
            else:
                there = nn.RNN(cells[0])(x, initial_carry=own[0])
                back = nn.RNN(cells[1], reverse=True, keep_order=True)(x, initial_carry=own[1])
                x = jnp.concatenate([there, back], axis=-1)
        return x


def states_of(data: Arrays, family: str, places: list[str]) -> list[Any]:
    """The initial states as Flax carries them: an LSTM's are (c, h)."""
    if family == "lstm":
        return [(data["c0" + p], data["a0" + p]) for p in places]
    return [data["a0" + p] for p in places]


def recurrent(family: str, layers: int, directions: int) -> Real:
    kind = {"rnn": nn.SimpleCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}[family]
    model, places = Stack(kind, layers, directions), suffixes(layers, directions)
    zero = {s + p: jnp.zeros((BATCH, HIDDEN)) for s in ("a0", "c0") for p in places}
    start = model.init(jax.random.key(0), jnp.zeros((BATCH, TIME, INPUT)), states_of(zero, family, places))
    weights = random(flatten_dict(start["params"], sep="/"))

    def apply(weights: Any, data: Any) -> Any:
        tree = {"params": unflatten_dict(weights, sep="/")}
        return model.apply(tree, data["x"], states_of(data, family, places))

    return real(weights, apply, True)


class Dense(nn.Module):
    """Dense layers with tanh between them."""

    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, x: Any) -> Any:
        for k, width in enumerate(self.widths):
            x = nn.Dense(width, **EXACT)(jnp.tanh(x) if k else x)
        return x


def dense(layers: int) -> Real:
    model = Dense((6, 7, 5)[:layers])
    weights = random(flatten_dict(model.init(jax.random.key(0), jnp.zeros((2, 3)))["params"], sep="/"))
    return real(weights, lambda w, data: model.apply({"params": unflatten_dict(w, sep="/")}, data["x"]), False)


def attention() -> Real:
    model = nn.MultiHeadDotProductAttention(SIZES["head"], **EXACT)
    x = jnp.zeros((BATCH, TIME, SIZES["head"] * SIZES["key"]))
    weights = random(flatten_dict(model.init(jax.random.key(0), x, x)["params"], sep="/"))

    def apply(weights: Any, data: Any) -> Any:
        return model.apply({"params": unflatten_dict(weights, sep="/")}, data["x"], data["x"])

    return real(weights, apply, False)


def nnx_real(module: Any, call: Callable[[Any, Any], Any], batch_first: bool) -> Real:
    """An NNX module, by the flat names of its parameters."""
    graph, state, rest = nnx.split(module, nnx.Param, ...)
    flat = {"/".join(map(str, path)): leaf[...] for path, leaf in nnx.to_flat_state(state)}
    paths = {"/".join(map(str, path)): path for path, _ in nnx.to_flat_state(state)}
    weights = random(flat)

    def apply(weights: Any, data: Any) -> Any:
        leaves = [(paths[name], nnx.Param(value)) for name, value in weights.items()]
        return call(nnx.merge(graph, nnx.from_flat_state(leaves), rest), data)

    return real(weights, apply, batch_first)


def nnx_recurrent(family: str, layers: int, directions: int) -> Real:
    kind = {"rnn": nnx.SimpleCell, "lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell}[family]
    places = suffixes(layers, directions)

    def rnn(width: int, **keywords: Any) -> Any:
        return nnx.RNN(kind(width, HIDDEN, rngs=nnx.Rngs(0), **EXACT), **keywords)

    def layer(k: int) -> Any:
        width = INPUT if k == 0 else HIDDEN * directions
        if directions == 1:
            return rnn(width)
        return nnx.Bidirectional(rnn(width), rnn(width))

    stack = [layer(k) for k in range(layers)]
    if layers == directions == 1:
        return nnx_real(stack[0], lambda net, d: net(d["x"], initial_carry=states_of(d, family, places)[0]), True)

    def call(net: Any, data: Any) -> Any:
        states, x = states_of(data, family, places), data["x"]
        for k, part in enumerate(net.layers):
            own = states[k * directions : (k + 1) * directions]
            x = part(x, initial_carry=tuple(own) if directions == 2 else own[0])
        return x

    return nnx_real(nnx.Sequential(*stack), call, True)


def nnx_dense(layers: int) -> Real:
    widths = [3, 6, 7, 5][: layers + 1]
    parts: list[Any] = []
    for k in range(layers):
        parts += [nnx.Linear(widths[k], widths[k + 1], rngs=nnx.Rngs(0), **EXACT), jnp.tanh]
    module = parts[0] if layers == 1 else nnx.Sequential(*parts[:-1])
    return nnx_real(module, lambda net, data: net(data["x"]), False)


def nnx_attention() -> Real:
    size = SIZES["head"] * SIZES["key"]
    # Dropout, though switched off, makes it compute step by step, not with JAX' fused product in 32 bits.
    step_by_step = {"dropout_rate": 0.5, "deterministic": True}
    module = nnx.MultiHeadAttention(SIZES["head"], size, rngs=nnx.Rngs(0), decode=False, **step_by_step, **EXACT)
    return nnx_real(module, lambda net, data: net(data["x"]), False)
