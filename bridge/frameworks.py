"""Ports written in a framework: a function of tensors that returns what comes out; autograd does the rest.

    @torch_port("lstm", dialect="pytorch")
    def lstm(x, h0, c0, **weights):
        net = torch.nn.LSTM(x.shape[2], h0.shape[2])
        return torch.func.functional_call(net, weights, (x, (h0, c0)))[0]

The function is handed the arrays of its layout as tensors, and returns the loss, or under an upstream
objective the layer's output. Its gradients are those of the framework: a backward pass that somebody wrote
(`autograd.Function`, `jax.custom_vjp`) is taken where there is one. Each framework is imported when a port
of it is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from .declaration import Declaration, declared
from .problem import Problem

F = TypeVar("F", bound=Callable[..., Any])
Differentiate = Callable[[Callable[[Mapping[str, Any]], Any], Mapping[str, Any], Any], "tuple[Any, dict[str, Any]]"]


def torch_port(family: str, layout: str = "", **keywords: Any) -> Callable[[F], F]:
    """`@port` for a function of PyTorch tensors."""
    torch = _framework("torch", "torch")

    def differentiate(
        function: Callable[[Mapping[str, Any]], Any], arrays: Mapping[str, Any], upstream: Any
    ) -> tuple[Any, dict[str, Any]]:
        tensors = {name: _tensor(torch, value) for name, value in arrays.items()}
        out = function(tensors)
        total = out if upstream is None else (out * _tensor(torch, upstream).detach()).sum()
        total.backward()
        found = {name: getattr(tensor, "grad", None) for name, tensor in tensors.items()}
        return out.detach().numpy(), {name: g.numpy() for name, g in found.items() if g is not None}

    return _port(family, layout, keywords, differentiate)


def jax_port(family: str, layout: str = "", **keywords: Any) -> Callable[[F], F]:
    """`@port` for a function of JAX arrays. Switches JAX to 64 bits, unless the port's dtype is float32."""
    jax = _framework("jax", "jax")
    if keywords.get("dtype", "float64") == "float64":
        jax.config.update("jax_enable_x64", True)
    jnp = import_module("jax.numpy")

    def differentiate(
        function: Callable[[Mapping[str, Any]], Any], arrays: Mapping[str, Any], upstream: Any
    ) -> tuple[Any, dict[str, Any]]:
        given = {name: jnp.asarray(v) if isinstance(v, np.ndarray) else v for name, v in arrays.items()}
        real = {name: v for name, v in given.items() if _is_real(arrays[name])}
        out, pull = jax.vjp(lambda real: function({**given, **real}), real)
        (gradients,) = pull(jnp.ones_like(out) if upstream is None else jnp.asarray(upstream))
        return np.asarray(out), {name: np.asarray(value) for name, value in gradients.items()}

    return _port(family, layout, keywords, differentiate)


def keras_port(family: str, layout: str = "", **keywords: Any) -> Callable[[F], F]:
    """`@port` for a function of Keras tensors, such as one that calls `layer.stateless_call`. Any backend.

    Keras' type rules make 32 bits of 64 in many places: on PyTorch in every product of matrices, unless the
    layer runs in one piece; on JAX in its own tanh (hand the layer `activation=jax.numpy.tanh`) and in attention
    that is not asked for its scores. Declare dtype="float32" where that cannot be helped.
    """
    backend = _framework("keras", "keras").backend.backend()
    if backend == "torch":
        return torch_port(family, layout, **keywords)
    if backend == "jax":
        return jax_port(family, layout, **keywords)
    if backend == "tensorflow":
        return _tensorflow_port(family, layout, keywords)
    raise Problem(f"Keras' backend '{backend}' gives no gradients; choose torch, jax or tensorflow.")


def _tensorflow_port(family: str, layout: str, keywords: Mapping[str, Any]) -> Callable[[F], F]:
    tf = _framework("tensorflow", "keras")

    def differentiate(
        function: Callable[[Mapping[str, Any]], Any], arrays: Mapping[str, Any], upstream: Any
    ) -> tuple[Any, dict[str, Any]]:
        given = {n: tf.convert_to_tensor(v) if isinstance(v, np.ndarray) else v for n, v in arrays.items()}
        real = {name: v for name, v in given.items() if _is_real(arrays[name])}
        with tf.GradientTape() as tape:
            tape.watch(real)
            out = function(given)
            total = out if upstream is None else tf.reduce_sum(out * tf.convert_to_tensor(upstream))
        found = tape.gradient(total, real)
        return out.numpy(), {name: g.numpy() for name, g in found.items() if g is not None}

    return _port(family, layout, keywords, differentiate)


class _Differentiated:
    """A function of tensors as a side is called: arrays by name in, output and gradients out."""

    def __init__(self, function: Callable[..., Any], differentiate: Differentiate, given: str | None) -> None:
        from inspect import Parameter, signature

        own = signature(function)
        self.function, self.differentiate, self.given = function, differentiate, given
        self.wants_given = given in own.parameters
        self.__name__ = function.__name__
        self.__signature__ = own
        if given is not None and not self.wants_given:
            rest = [p for p in own.parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
            anything = [p for p in own.parameters.values() if p.kind is Parameter.VAR_KEYWORD]
            more = Parameter(given, Parameter.KEYWORD_ONLY)
            self.__signature__ = own.replace(parameters=[*rest, more, *anything])

    def __call__(self, **arrays: Any) -> tuple[Any, dict[str, Any]]:
        upstream = None if self.given is None else arrays[self.given]
        if self.given is not None and not self.wants_given:
            del arrays[self.given]
        return self.differentiate(lambda tensors: self.function(**tensors), arrays, upstream)


def _port(family: str, layout: str, keywords: Mapping[str, Any], differentiate: Differentiate) -> Callable[[F], F]:
    """Declare a function of tensors; what is run is the function with its differentiation."""

    def declare(function: F) -> F:
        declaration = declared(function, family, layout, keywords)
        run = _Differentiated(function, differentiate, _upstream(declaration))
        function.__rowcol__ = declaration.with_(function=run)  # type: ignore[attr-defined]
        return function

    return declare


def _upstream(declaration: Declaration) -> str | None:
    """The port's name for the given gradient, under an upstream objective."""
    if not declaration.objective.upstream:
        return None
    beside = declaration.family.beside.get(declaration.objective.kind, {})
    if extra := set(beside) & declaration.layout.canonical:
        raise Problem(f"{', '.join(extra)}: a port of tensors gives one output, and has one upstream gradient.")
    array = declaration.family.given(declaration.objective)
    return next(line.base for line in declaration.layout.lines if array in line.arrays)


def _tensor(torch: Any, value: Any) -> Any:
    """An array as a tensor of its own, differentiated where it is real; a number as it is."""
    return torch.tensor(value, requires_grad=_is_real(value)) if isinstance(value, np.ndarray) else value


def _is_real(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _framework(name: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise Problem(f'{name} cannot be imported ({error}): pip install "rowcol[{extra}]".') from None
