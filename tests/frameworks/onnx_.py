"""ONNX' operators, run by ONNX Runtime. Its recurrent operators and its Attention have single precision only."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from .held import SINGLE, SIZES, Arrays, Real, suffixes

INPUT, HIDDEN = SIZES["input"], SIZES["hidden"]


def session(nodes: list[Any], weights: Arrays, inputs: list[str], output: str, dtype: Any) -> Any:
    kind = TensorProto.FLOAT if dtype == np.float32 else TensorProto.DOUBLE
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(name, kind, None) for name in inputs],
        [helper.make_tensor_value_info(output, kind, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=9)
    quiet = onnxruntime.SessionOptions()
    quiet.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), quiet, ["CPUExecutionProvider"])


def random(shapes: dict[str, tuple[int, ...]], dtype: Any) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    return {name: (rng.standard_normal(shape) * 0.5).astype(dtype) for name, shape in shapes.items()}


def recurrent(family: str, layers: int, directions: int, reset: str = "after") -> Real:
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[family]
    shapes: dict[str, tuple[int, ...]] = {}
    nodes: list[Any] = []
    inputs, below = ["X"], "X"
    keywords = {"hidden_size": HIDDEN, "direction": "bidirectional" if directions == 2 else "forward"}
    if family == "gru":
        keywords["linear_before_reset"] = int(reset == "after")
    for k in range(layers):
        end = f"_{k}" if k else ""
        width = INPUT if k == 0 else HIDDEN * directions
        shapes["W" + end] = (directions, gates * HIDDEN, width)
        shapes["R" + end] = (directions, gates * HIDDEN, HIDDEN)
        shapes["B" + end] = (directions, 2 * gates * HIDDEN)
        states = ["initial_h" + end] + ["initial_c" + end] * (family == "lstm")
        inputs += states
        names = [below, "W" + end, "R" + end, "B" + end, "", *states]
        nodes.append(helper.make_node(family.upper(), names, ["Y" + end], **keywords))
        nodes.append(helper.make_node("Transpose", ["Y" + end], ["T" + end], perm=[0, 2, 1, 3]))
        nodes.append(helper.make_node("Reshape", ["T" + end, "flat"], ["H" + end]))
        below = "H" + end
    weights = random(shapes, np.float32)
    flat = np.array([0, 0, HIDDEN * directions])
    ran = session(nodes, {**weights, "flat": flat}, inputs, below, np.float32)
    places = suffixes(layers, directions)

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        given = {"X": data["x"]}
        for k in range(layers):
            own = places[k * directions : (k + 1) * directions]
            for array, name in (("a0", "initial_h"), ("c0", "initial_c")):
                if array in data:
                    given[name + (f"_{k}" if k else "")] = np.stack([data[array + p] for p in own])
        return ran.run(None, {name: value.astype(np.float32) for name, value in given.items()})[0], {}

    return Real(weights, run, {"reset": reset} if family == "gru" else {}, SINGLE)


def dense(layers: int) -> Real:
    widths = [3, 6, 7, 5][: layers + 1]
    shapes: dict[str, tuple[int, ...]] = {}
    nodes: list[Any] = []
    below = "A"
    for k in range(layers):
        end = f"_{k}" if k else ""
        shapes["B" + end], shapes["C" + end] = (widths[k], widths[k + 1]), (widths[k + 1],)
        nodes.append(helper.make_node("Gemm", [below, "B" + end, "C" + end], ["Z" + end]))
        nodes.append(helper.make_node("Tanh", ["Z" + end], ["H" + end]))
        below, output = "H" + end, "Z" + end
    weights = random(shapes, np.float64)
    ran = session(nodes[:-1], weights, ["A"], output, np.float64)
    return Real(weights, lambda data, upstream: (ran.run(None, {"A": data["x"]})[0], {}))


def attention() -> Real:
    size = SIZES["head"] * SIZES["key"]
    shapes = {"weights": (size, 3 * size), "bias": (3 * size,), "gemm_B": (size, size), "gemm_C": (size,)}
    weights = random(shapes, np.float32)  # type: ignore[arg-type]
    nodes = [
        helper.make_node(
            "Attention", ["input", "weights", "bias"], ["mixed"], domain="com.microsoft", num_heads=SIZES["head"]
        ),
        helper.make_node("MatMul", ["mixed", "gemm_B"], ["product"]),
        helper.make_node("Add", ["product", "gemm_C"], ["output"]),
    ]
    ran = session(nodes, weights, ["input"], "output", np.float32)

    def run(data: Arrays, upstream: Any) -> tuple[Any, Arrays]:
        return ran.run(None, {"input": data["x"].astype(np.float32)})[0], {}

    return Real(weights, run, tolerance=SINGLE)
