"""Ports in a framework: five lines each, and what is wrong with one is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rowcol.bridge.examine import Options, examine_file
from rowcol.bridge.report.schema import Report

PYTORCH = """
import torch
from rowcol.bridge.frameworks import torch_port

@torch_port("lstm", dialect="pytorch")
def lstm(x, h0, c0, **weights):
    net = torch.nn.LSTM(x.shape[2], h0.shape[2])
    return torch.func.functional_call(net, weights, (x, (h0, c0)))[0]

@torch_port("gru", dialect="pytorch", layers=2, bidirectional=True)
def gru(x, h0, hidden, **weights):
    net = torch.nn.GRU(x.shape[2], hidden, 2, bidirectional=True)
    return torch.func.functional_call(net, weights, (x, h0))[0]
"""
AUTOGRAD = """
import torch
from rowcol.bridge.frameworks import torch_port

class MyRNN(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, h0, W1, W2, bh):
        h = [h0]
        for t in range(x.shape[0]):
            h.append(torch.tanh(x[t] @ W1 + h[-1] @ W2 + bh))
        ctx.save_for_backward(x, W1, W2, *h)
        return torch.stack(h[1:])

    @staticmethod
    def backward(ctx, dout):
        x, W1, W2, *h = ctx.saved_tensors
        dW1, dW2, dx = torch.zeros_like(W1), torch.zeros_like(W2), torch.zeros_like(x)
        dbh, dh_next = torch.zeros_like(W2[0]), torch.zeros_like(h[0])
        for t in reversed(range(x.shape[0])):
            dtanh = (dout[t] + dh_next) * (1 - h[t + 1] ** 2)
            dbh += dtanh.sum(0)
            dW1 += x[t].T @ dtanh
            dW2 += h[t].T @ dtanh
            dx[t] = dtanh @ W1.T
            dh_next = dtanh @ W2.T
        return dx, dh_next, dW1, dW2, dbh

LAYOUT = '''
    W1: Wax input hidden
    W2: Waa prev hidden
    bh: b hidden
    x: x time batch input
    h0: a0 batch hidden
    dh: da time batch hidden
'''

@torch_port("rnn", LAYOUT)
def mine(x, h0, W1, W2, bh):
    return MyRNN.apply(x, h0, W1, W2, bh)
"""
KERAS = """
import keras
from rowcol.bridge.frameworks import keras_port
from {module} import tanh

@keras_port("lstm", dialect="keras")
def lstm(x, h0, c0, hidden, **weights):
    layer = keras.layers.LSTM(hidden, activation={activation}, return_sequences=True, dtype="float64")
    layer.build(x.shape)
    return layer.stateless_call(list(weights.values()), layer.non_trainable_variables, x, [h0, c0])[0]
"""
FLAX = """
import flax.linen as nn
from flax.traverse_util import unflatten_dict
from rowcol.bridge.frameworks import jax_port

@jax_port("gru", dialect="flax")
def gru(x, h0, hidden, **params):
    cell = nn.RNN(nn.GRUCell(hidden))
    return cell.apply({"params": {"cell": unflatten_dict(params, sep=".")}}, x, initial_carry=h0)
"""
CONV1D = """
import torch
from rowcol.bridge.frameworks import torch_port

@torch_port("attention", dialect="gpt2")
def block(x, head, **w):
    q, k, v = (x @ w["c_attn.weight"] + w["c_attn.bias"]).chunk(3, -1)
    q, k, v = (part.unflatten(-1, (head, -1)).transpose(1, 2) for part in (q, k, v))
    mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return mixed.transpose(1, 2).flatten(-2) @ w["c_proj.weight"].T + w["c_proj.bias"]
"""


def keras_source(module: str, activation: str) -> str:
    return KERAS.replace("{module}", module).replace("{activation}", activation)


def reports(folder: Path, source: str, name: str) -> list[Report]:
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(source))
    return examine_file(str(path), Options())


def all_agree(found: list[Report]) -> bool:
    return all(report["agrees"] and " 0 of " not in report["headline"] for report in found)


def test_pytorch_modules_are_ports(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = reports(tmp_path, PYTORCH, "modules_of_pytorch")
    assert [report["headline"].split(",")[0] for report in found] == [
        "7 of 7 gradients checked",
        "18 of 18 gradients checked",
    ]


def test_a_backward_pass_written_in_pytorch_is_a_port(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    assert all_agree(reports(tmp_path, AUTOGRAD, "function_of_pytorch"))


def test_a_missing_transpose_in_pytorch_code_is_found_and_mended(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (report,) = reports(tmp_path, AUTOGRAD.replace("dtanh @ W2.T", "dtanh @ W2"), "fault_of_pytorch")
    assert not report["agrees"]
    assert report["diagnosis"] is not None
    assert "+            dh_next = dtanh @ W2.T\n" in report["diagnosis"]["patch"]


def keras_report(folder: Path, source: str, backend: str) -> Report:
    """In a process of its own, for Keras asks for its backend once."""
    pytest.importorskip(backend)
    pytest.importorskip("keras")
    path = folder / "layer_of_keras.py"
    path.write_text(source)
    command = [sys.executable, "-m", "rowcol.bridge.cli", "diff", str(path), "--json"]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    report: Report = json.loads(done.stdout)
    return report


@pytest.mark.parametrize(
    ("backend", "module", "activation"), [("torch", "torch", "'tanh'"), ("jax", "jax.numpy", "tanh")]
)
def test_a_keras_layer_is_a_port_in_double_precision(
    backend: str, module: str, activation: str, tmp_path: Path
) -> None:
    report = keras_report(tmp_path, keras_source(module, activation), backend)
    assert report["headline"].startswith("6 of 6 gradients checked, all agree;")
    assert not report["remarks"]


def test_what_keras_computes_in_single_precision_agrees_with_a_remark(tmp_path: Path) -> None:
    report = keras_report(tmp_path, keras_source("jax.numpy", "'tanh'"), "jax")
    assert report["agrees"]
    assert "computes in float32" in " ".join(report["remarks"])


def test_swapped_initial_states_of_a_keras_layer_are_not_agreed_to(tmp_path: Path) -> None:
    right = keras_source("jax.numpy", "tanh")
    wrong = right.replace("[h0, c0]", "[c0, h0]")
    assert wrong != right
    report = keras_report(tmp_path, wrong, "jax")
    assert not report["agrees"]


def test_a_flax_layer_is_a_port(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    pytest.importorskip("flax")
    assert all_agree(reports(tmp_path, FLAX, "layer_of_flax"))


def test_a_conv1d_applied_like_a_linear_layer_is_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (report,) = reports(tmp_path, CONV1D, "conv1d_of_gpt2")
    assert not report["agrees"]
    assert report["finding"] == "declaration"
    assert "c_proj.weight" in " ".join(report["sentences"]) + str(report["declared"])
