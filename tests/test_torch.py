"""PyTorch as a third party: its modules, declared as ports, against the reference. Needs the extra `torch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from rowcol.bridge import compare, port

torch = pytest.importorskip("torch")
nn = torch.nn

LIMIT = 1e-10  # of the largest element of an array


def agrees(function: Callable[..., Any]) -> None:
    """The verdict is that all agrees, and every array is within LIMIT."""
    result = compare(function)
    assert result.agrees, str(result)
    for array in result.report["arrays"]:
        assert array["state"] == "agrees", (array["name"], array["state"])
        assert array["difference"] <= LIMIT * array["size"], array["name"]


def leaf(array: np.ndarray) -> Any:
    return torch.tensor(array, requires_grad=True)


def places(layers: int, directions: int) -> Iterator[tuple[str, str]]:
    """PyTorch's suffix and ours, for each layer and direction."""
    for layer in range(layers):
        for reverse in ("", "_reverse")[:directions]:
            yield f"_l{layer}{reverse}", ("" if layer == 0 else f".{layer}") + reverse.replace("_", ".")


def recurrent(kind: str, layers: int, directions: int, **keywords: Any) -> Callable[..., Any]:
    """nn.RNN, nn.LSTM or nn.GRU as a port: two biases, gates stacked, states of all layers in one array."""
    gates = {"rnn": "", "lstm": "[i f g o]", "gru": "[r z n]"}[kind]
    rows = f"({'gate ' if gates else ''}hidden)" if gates else "hidden"
    lines = ["x: x time batch input", f"dout: da time batch {'below' if directions == 2 else 'hidden'}"]
    for k, (theirs, ours) in enumerate(places(layers, directions)):
        below = "input" if k < directions else "below"
        lines += [
            f"weight_ih{theirs}: Wax{ours}{gates} {rows} {below}",
            f"weight_hh{theirs}: Waa{ours}{gates} {rows} prev",
            f"bias_ih{theirs}: b{ours}{gates} {rows}",
            f"bias_hh{theirs}: b{ours}[r z]|bn{ours} ((gate hidden)|hidden)"
            if kind == "gru"
            else f"bias_hh{theirs}: b{ours}{gates} {rows}",
            f"h0[{k}]: a0{ours} batch hidden",
        ]
        lines += [f"c0[{k}]: c0{ours} batch hidden"] if kind == "lstm" else []
    module_class = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind]

    @port(kind, "\n".join(lines), **keywords)
    def module(x: Any, dout: Any, input: int, hidden: int, **arrays: Any) -> Any:
        net = module_class(input, hidden, layers, bidirectional=directions == 2).double()
        states = {name: leaf(arrays.pop(name)) for name in ("h0", "c0") if name in arrays}
        with torch.no_grad():
            for name, value in net.named_parameters():
                value.copy_(torch.tensor(arrays[name]))
        inputs = leaf(x)
        out, _ = net(inputs, tuple(states.values()) if kind == "lstm" else states["h0"])
        loss = (out * torch.tensor(dout)).sum()
        loss.backward()
        leaves = {"x": inputs, **states, **dict(net.named_parameters())}
        return out.detach().numpy(), {name: value.grad.numpy() for name, value in leaves.items()}

    return module


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_recurrent_modules_agree(kind: str, layers: int, directions: int) -> None:
    keywords = {"reset": "after", "update": "z keeps"} if kind == "gru" else {}
    agrees(recurrent(kind, layers, directions, **keywords))


def test_the_other_reset_convention_is_recognised() -> None:
    """PyTorch's GRU resets after the product: declared as z that takes, the declaration is what is wrong."""
    result = compare(recurrent("gru", 1, 1, reset="after", update="z takes"))
    assert result.report["finding"] == "declaration"
    assert result.report["declared"] == "update='z keeps'"


def cell(kind: str) -> Callable[..., Any]:
    """One step of nn.RNNCell, nn.LSTMCell or nn.GRUCell: arrays without a time axis."""
    gates = {"rnn": "", "lstm": "[i f g o]", "gru": "[r z n]"}[kind]
    rows = "(gate hidden)" if gates else "hidden"
    last = "b[r z]|bn ((gate hidden)|hidden)" if kind == "gru" else f"b{gates} {rows}"
    layout = f"""
        x: x batch input
        dh: da batch hidden
        h: a0 batch hidden
        {"c: c0 batch hidden" if kind == "lstm" else ""}
        {"dc: dc batch hidden" if kind == "lstm" else ""}
        weight_ih: Wax{gates} {rows} input
        weight_hh: Waa{gates} {rows} prev
        bias_ih: b{gates} {rows}
        bias_hh: {last}
    """
    keywords = {"reset": "after", "update": "z keeps"} if kind == "gru" else {}
    cell_class = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}[kind]

    @port(kind, layout, **keywords)
    def step(x: Any, dh: Any, input: int, hidden: int, **arrays: Any) -> Any:
        net = cell_class(input, hidden).double()
        with torch.no_grad():
            for name, value in net.named_parameters():
                value.copy_(torch.tensor(arrays[name]))
        leaves = {"x": leaf(x), **{n: leaf(arrays[n]) for n in ("h", "c") if n in arrays}}
        if kind == "lstm":
            h, c = net(leaves["x"], (leaves["h"], leaves["c"]))
            loss = (h * torch.tensor(dh)).sum() + (c * torch.tensor(arrays["dc"])).sum()
        else:
            loss = (net(leaves["x"], leaves["h"]) * torch.tensor(dh)).sum()
        loss.backward()
        leaves |= dict(net.named_parameters())
        return loss.item(), {name: value.grad.numpy() for name, value in leaves.items()}

    return step


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_cells_of_one_step_agree(kind: str) -> None:
    agrees(cell(kind))


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_linear_stacks_agree(layers: int, activation: str) -> None:
    widths = ["input", *(f"hidden{k}" for k in range(1, layers)), "output"]
    layout = "\n".join(
        f"weight{k}: W{k} {widths[k]} {widths[k - 1]}\nbias{k}: b{k} {widths[k]}" for k in range(1, layers + 1)
    )

    @port("dense", layout + "\nx: x batch input\ny: y batch", activation=activation)
    def stack(x: Any, y: Any, **arrays: Any) -> Any:
        leaves = {name: leaf(value) for name, value in {"x": x, **arrays}.items()}
        h = leaves["x"]
        for k in range(1, layers + 1):
            h = nn.functional.linear(h, leaves[f"weight{k}"], leaves[f"bias{k}"])
            h = getattr(torch, activation)(h) if k < layers else h
        loss = nn.functional.cross_entropy(h, torch.tensor(y), reduction="sum")
        loss.backward()
        return loss.item(), {name: value.grad.numpy() for name, value in leaves.items()}

    agrees(stack)


@pytest.mark.parametrize("causal", [False, True])
def test_multihead_attention_agrees(causal: bool) -> None:
    @port(
        "attention",
        """
        in_proj_weight: W[q k v] (part head key) model
        in_proj_bias: b[q k v] (part head key)
        weight: Wo model (head key)
        bias: bo model
        x: x batch time model
        dout: dout batch time model
        """,
        causal=causal,
    )
    def module(
        in_proj_weight: Any, in_proj_bias: Any, weight: Any, bias: Any, x: Any, dout: Any, head: int
    ) -> Any:
        net = nn.MultiheadAttention(x.shape[2], head, batch_first=True).double()
        with torch.no_grad():
            net.in_proj_weight.copy_(torch.tensor(in_proj_weight))
            net.in_proj_bias.copy_(torch.tensor(in_proj_bias))
            net.out_proj.weight.copy_(torch.tensor(weight))
            net.out_proj.bias.copy_(torch.tensor(bias))
        inputs = leaf(x)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1]).double() if causal else None
        out, _ = net(inputs, inputs, inputs, attn_mask=mask, need_weights=False)
        (out * torch.tensor(dout)).sum().backward()
        leaves = {
            "in_proj_weight": net.in_proj_weight,
            "in_proj_bias": net.in_proj_bias,
            "weight": net.out_proj.weight,
            "bias": net.out_proj.bias,
            "x": inputs,
        }
        return out.detach().numpy(), {name: value.grad.numpy() for name, value in leaves.items()}

    agrees(module)
