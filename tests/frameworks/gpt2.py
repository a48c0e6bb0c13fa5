"""GPT-2's own layers, as Hugging Face's transformers has them."""

from __future__ import annotations

from typing import Any

import torch
from transformers import GPT2Config
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention
from transformers.pytorch_utils import Conv1D

from .held import SIZES, Arrays, Real
from .pytorch import gradients_of, leaf, weights_of


def attention() -> Real:
    size = SIZES["head"] * SIZES["key"]
    config = GPT2Config(n_embd=size, n_head=SIZES["head"], attn_pdrop=0, resid_pdrop=0, n_positions=SIZES["time"])
    config._attn_implementation = "eager"
    module = GPT2Attention(config).double().eval()
    mask = torch.full((SIZES["time"], SIZES["time"]), -torch.inf, dtype=torch.float64).triu(1)

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        module.zero_grad()
        x = leaf(data["x"])
        output = module(x, attention_mask=mask[None, None])[0]
        (output * torch.tensor(upstream)).sum().backward()
        return output.detach().numpy(), gradients_of(module) | {"x": x.grad.numpy()}

    return Real(weights_of(module), run, {"causal": True})


def dense(layers: int) -> Real:
    """One Conv1D, or the two of a block's mlp with tanh for its GELU."""
    parts = {"c_fc": Conv1D(6, 3), "c_proj": Conv1D(7, 6)}
    module = (Conv1D(6, 3) if layers == 1 else torch.nn.ModuleDict(parts)).double()

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        module.zero_grad()
        x = leaf(data["x"])
        output = module(x) if layers == 1 else module["c_proj"](torch.tanh(module["c_fc"](x)))
        (output * torch.tensor(upstream)).sum().backward()
        return output.detach().numpy(), gradients_of(module) | {"x": x.grad.numpy()}

    return Real(weights_of(module), run)
