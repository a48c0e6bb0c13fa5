"""PyTorch's own modules."""

from __future__ import annotations

from typing import Any

import torch

from .held import SIZES, Arrays, Real, suffixes

INPUT, HIDDEN = SIZES["input"], SIZES["hidden"]


def weights_of(module: Any) -> dict[str, Any]:
    """The module's parameters, none of them zero any more."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.randn(value.shape, generator=generator, dtype=value.dtype) * 0.5)
    return {name: value.detach().numpy() for name, value in module.named_parameters()}


def leaf(value: Any) -> Any:
    return torch.tensor(value, requires_grad=True)


def gradients_of(module: Any) -> dict[str, Any]:
    return {name: value.grad.numpy() for name, value in module.named_parameters()}


def recurrent(family: str, layers: int, directions: int) -> Real:
    kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[family]
    module = kind(INPUT, HIDDEN, layers, bidirectional=directions == 2).double()
    places = suffixes(layers, directions)

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        module.zero_grad()
        leaves = {name: leaf(value) for name, value in data.items()}
        states = [torch.stack([leaves[s + p] for p in places]) for s in ("a0", "c0") if s in leaves]
        output, _ = module(leaves["x"], tuple(states) if family == "lstm" else states[0])
        (output * torch.tensor(upstream)).sum().backward()
        return output.detach().numpy(), gradients_of(module) | {n: v.grad.numpy() for n, v in leaves.items()}

    return Real(weights_of(module), run)


def dense(layers: int) -> Real:
    widths = [3, 6, 7, 5][: layers + 1]
    parts: list[Any] = []
    for k in range(layers):
        parts += [torch.nn.Linear(widths[k], widths[k + 1]), torch.nn.Tanh()]
    module = (parts[0] if layers == 1 else torch.nn.Sequential(*parts[:-1])).double()

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        module.zero_grad()
        x = leaf(data["x"])
        output = module(x)
        (output * torch.tensor(upstream)).sum().backward()
        return output.detach().numpy(), gradients_of(module) | {"x": x.grad.numpy()}

    return Real(weights_of(module), run)


def attention() -> Real:
    size = SIZES["head"] * SIZES["key"]
    module = torch.nn.MultiheadAttention(size, SIZES["head"], batch_first=True).double()

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        module.zero_grad()
        x = leaf(data["x"])
        output, _ = module(x, x, x, need_weights=False)
        (output * torch.tensor(upstream)).sum().backward()
        return output.detach().numpy(), gradients_of(module) | {"x": x.grad.numpy()}

    return Real(weights_of(module), run)


def cs231n_attention() -> Real:
    """The captioning transformer's layer: four Linear layers, heads split after the projections."""
    size, heads = SIZES["head"] * SIZES["key"], SIZES["head"]
    module = torch.nn.ModuleDict(
        {name: torch.nn.Linear(size, size) for name in ("query", "key_", "value", "proj")}
    ).double()

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        module.zero_grad()
        x = leaf(data["x"])
        split = [module[n](x).unflatten(-1, (heads, -1)).transpose(1, 2) for n in ("query", "key_", "value")]
        mixed = torch.nn.functional.scaled_dot_product_attention(*split)
        output = module["proj"](mixed.transpose(1, 2).flatten(-2))
        (output * torch.tensor(upstream)).sum().backward()
        found = {name.replace("key_", "key"): g for name, g in gradients_of(module).items()}
        return output.detach().numpy(), found | {"x": x.grad.numpy()}

    return Real({name.replace("key_", "key"): w for name, w in weights_of(module).items()}, run)
