"""`batched/`, forward and backward, against PyTorch's modules, the step-by-step loop, and the speed of `A @ B`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from math import log2
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from rowcol import batched

from . import inplace, loops
from .measure import Work, clock, digits, paired, peak_memory, product_of_squares, ratio

Array = np.ndarray[Any, Any]
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
FAMILIES = (*GATES, "dense", "attention")
HEADS = 4


class Sizes(NamedTuple):
    batch: int
    time: int
    input: int
    hidden: int
    output: int

    def __str__(self) -> str:
        return " ".join(map(str, self))


SIZES = (
    Sizes(1, 25, 65, 100, 65),
    Sizes(32, 25, 65, 100, 65),
    Sizes(64, 50, 128, 256, 128),
    Sizes(64, 100, 128, 512, 128),
    Sizes(128, 64, 256, 1024, 256),
)


def arrays(family: str, sizes: Sizes, dtype: str) -> dict[str, Array]:
    """Random parameters and data by the names of the batched side. Dense takes every step of every row as an example;
    attention, rows as long as the hidden states."""
    rng = np.random.default_rng(0)
    N, T, D, H, K = sizes

    def normal(*shape: int, sums_over: int = 16) -> Array:
        return (rng.standard_normal(shape) / np.sqrt(sums_over)).astype(dtype)

    def targets(*shape: int) -> Array:
        return np.eye(K, dtype=dtype)[rng.integers(0, K, shape)]

    if family == "dense":
        return {
            **{"x": normal(N * T, D, sums_over=1), "y": targets(N * T)},
            **{"W1": normal(D, H, sums_over=D), "W2": normal(H, H, sums_over=H), "W3": normal(H, K, sums_over=H)},
            **{"b1": normal(H), "b2": normal(H), "b3": normal(K)},
        }
    if family == "attention":
        return {
            **{"x": normal(N, T, H, sums_over=1), "dout": normal(N, T, H)},
            **{"W": normal(H, 3 * H, sums_over=H), "b": normal(3 * H)},
            **{"Wo": normal(H, H, sums_over=H), "bo": normal(H)},
        }
    G = GATES[family]
    return {
        **{"x": normal(T, N, D, sums_over=1), "y": targets(T, N), "h0": normal(N, H)},
        **{"Wxh": normal(D, G * H, sums_over=D), "Whh": normal(H, G * H, sums_over=H), "bh": normal(G * H)},
        **{"Why": normal(H, K, sums_over=H), "by": normal(K)},
        **({"c0": normal(N, H)} if family == "lstm" else {"bn": normal(H)} if family == "gru" else {}),
    }


SETTINGS: dict[str, dict[str, Any]] = {
    "gru": {"reset": "after", "update": "z keeps"},
    "attention": {"head": HEADS},
}


def ours(family: str, given: dict[str, Array]) -> Callable[[], tuple[Any, dict[str, Array]]]:
    function = getattr(batched, family)
    return lambda: function(**given, **SETTINGS.get(family, {}))


def by_steps(family: str, given: dict[str, Array]) -> Callable[[], tuple[Any, dict[str, Array]]] | None:
    function = getattr(loops, family, None)
    return None if function is None else lambda: function(**given)


def in_place(family: str, given: dict[str, Array]) -> inplace.Run | None:
    function = getattr(inplace, family, None)
    return None if function is None else function(**given)


def in_torch(family: str, given: dict[str, Array]) -> Callable[[], tuple[float, dict[str, Any]]]:
    """The same network of PyTorch's own modules; a run gives the loss and some of the gradients."""
    import torch

    t = {name: torch.tensor(array) for name, array in given.items()}
    like: dict[str, Any] = {"dtype": t["x"].dtype}
    data = [t[name].requires_grad_() for name in ("x", "h0", "c0") if name in t]

    def linear(W: Any, b: Any) -> Any:
        layer = torch.nn.Linear(*W.shape, **like)
        with torch.no_grad():
            layer.weight.copy_(W.T)
            layer.bias.copy_(b)
        return layer

    if family == "attention":
        H = t["x"].shape[-1]
        module: Any = torch.nn.MultiheadAttention(H, HEADS, batch_first=True, **like)
        with torch.no_grad():
            module.in_proj_weight.copy_(t["W"].T)
            module.in_proj_bias.copy_(t["b"])
            module.out_proj.weight.copy_(t["Wo"].T)
            module.out_proj.bias.copy_(t["bo"])
        parameters = [*module.parameters()]

        def loss() -> Any:
            return (module(t["x"], t["x"], t["x"], need_weights=False)[0] * t["dout"]).sum()

        def gradients() -> dict[str, Any]:
            return {"W": module.in_proj_weight.grad.T, "x": t["x"].grad}
    else:
        entropy = torch.nn.CrossEntropyLoss(reduction="sum")
        classes = t["y"].argmax(-1).reshape(-1)
        if family == "dense":
            first = linear(t["W1"], t["b1"])
            last = linear(t["W3"], t["b3"])
            module = torch.nn.Sequential(first, torch.nn.Tanh(), linear(t["W2"], t["b2"]), torch.nn.Tanh(), last)
            parameters = [*module.parameters()]

            def loss() -> Any:
                return entropy(module(t["x"]), classes)

            def gradients() -> dict[str, Any]:
                return {"W1": first.weight.grad.T, "x": t["x"].grad}
        else:
            H = t["h0"].shape[-1]
            module = getattr(torch.nn, family.upper())(t["x"].shape[-1], H, **like)
            with torch.no_grad():
                module.weight_ih_l0.copy_(t["Wxh"].T)
                module.weight_hh_l0.copy_(t["Whh"].T)
                module.bias_ih_l0.copy_(t["bh"])
                module.bias_hh_l0.zero_()
                if family == "gru":
                    module.bias_hh_l0[2 * H :] = t["bn"]
            out = linear(t["Why"], t["by"])
            parameters = [*module.parameters(), *out.parameters()]

            def loss() -> Any:
                states = tuple(one[None] for one in data[1:])
                h, _ = module(t["x"], states if family == "lstm" else states[0])
                return entropy(out(h).reshape(len(classes), -1), classes)

            def gradients() -> dict[str, Any]:
                return {"Whh": module.weight_hh_l0.grad.T, "x": t["x"].grad, "h0": t["h0"].grad}

    def run() -> tuple[float, dict[str, Any]]:
        for one in (*parameters, *data):
            one.grad = None
        total = loss()
        total.backward()
        return total.item(), gradients()

    return run


def operations(family: str, sizes: Sizes) -> float:
    """The floating-point operations of the products that cannot be left out: each of the forward pass, and two on
    the way back."""
    N, T, D, H, K = sizes
    if family == "dense":
        forward = 2.0 * N * T * (D * H + H * H + H * K)
    elif family == "attention":
        forward = 2.0 * N * T * (3 * H * H + 2 * T * H + H * H)
    else:
        forward = 2.0 * N * T * ((D + H) * GATES[family] * H + H * K)
    return 3 * forward


def products_alone(family: str, sizes: Sizes, dtype: str) -> Work:
    """The same products with NumPy and nothing between them."""
    N, T, D, H, K = sizes
    rng = np.random.default_rng(0)

    def some(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(dtype)

    def layer(rows: int, width: int, outputs: int) -> list[tuple[Array, Array, Array]]:
        """x @ W, and on the way back xᵀ @ dz and dz @ Wᵀ, with where they go."""
        x, W, dz = some(rows, width), some(width, outputs), some(rows, outputs)
        return [(x, W, some(rows, outputs)), (x.T, dz, some(width, outputs)), (dz, W.T, some(rows, width))]

    if family == "dense":
        once = [*layer(T * N, D, H), *layer(T * N, H, H), *layer(T * N, H, K)]
        each_step = []
    elif family == "attention":
        key = H // HEADS
        square, long = some(N, HEADS, T, T), some(N, HEADS, T, key)
        turned = long.swapaxes(-1, -2)
        inside = [(long, turned, square)] * 2 + [(square, long, some(*long.shape))] * 4
        once = [*layer(T * N, H, 3 * H), *layer(T * N, H, H), *inside]
        each_step = []
    else:
        gates = GATES[family] * H
        recurrent, weights, back = layer(T * N, H, gates)
        # A product with Whhᵀ is quickest where the rows of that lie one after the other.
        each_step = [(recurrent[0][:N], recurrent[1], some(N, gates)), (back[0][:N], back[1].copy(), some(N, H))]
        once = [*layer(T * N, D, gates), *layer(T * N, H, K), weights]

    def run() -> None:
        for a, b, into in once:
            np.matmul(a, b, out=into)
        for a, b, into in each_step:
            for _ in range(T):
                np.matmul(a, b, out=into)

    return run


# What stands between the products, as ufuncs and how many times as wide as the hidden states their arrays are: at every
# step of the recurrence, forth and back, and what can be computed of all steps at once.
EACH_STEP = {
    "rnn": "add 1, tanh 1; add 1, multiply 1",
    "lstm": "add 4, negative 3, exp 3, add 3, reciprocal 3, tanh 1, multiply 1, multiply 1, add 1, tanh 1, multiply 1;"
    " add 1, multiply 1, add 1, multiply 1, multiply 3, multiply 1",
    "gru": "add 2, negative 2, exp 2, add 2, reciprocal 2, add 1, multiply 1, add 1, tanh 1, subtract 1, multiply 1,"
    " multiply 1, add 1; add 1, multiply 2, multiply 2, multiply 1, add 1, add 1",
    "dense": "",
    "attention": "",
}
AT_ONCE = {
    "rnn": "add 1; multiply 1, subtract 1, add 1",
    "lstm": "add 4; subtract 3, multiply 3, multiply 2, subtract 2, multiply 5, add 4",
    "gru": "add 3; subtract 2, multiply 2, multiply 1, subtract 1, subtract 2, multiply 3, add 4",
    "dense": "add 1, tanh 1, add 1, tanh 1; multiply 2, subtract 2, multiply 2, add 2",
    "attention": "add 4; add 6",
}
OF_SOFTMAX = "add 1, maximum 1, subtract 1, exp 1, add 1, divide 1; subtract 1, add 1"
OF_SCORES = "multiply 1, maximum 1, subtract 1, exp 1, add 1, divide 1; multiply 1, add 1, subtract 1, multiply 2"
IN_CACHE = 1 << 14  # elements of an array that others of its size fit beside


def elements_alone(family: str, sizes: Sizes, dtype: str) -> Work:
    """What stands between the products: as many ufuncs on as many elements, all in the cache and in arrays that are
    there already."""
    N, T, _, H, K = sizes
    calls: list[tuple[Callable[[], object], int]] = []

    def add(ufuncs: str, elements: int, times: int) -> None:
        for ufunc, width in (item.split() for item in ufuncs.replace(";", ",").split(",") if item.strip()):
            function = getattr(np, ufunc)
            operand = np.full(elements * int(width), 0.5, dtype)
            operands, into = [operand] * function.nin, np.empty_like(operand)
            calls.append((partial(function, *operands, out=into), times))

    def add_at_once(ufuncs: str, elements: int) -> None:
        times = -(-elements // IN_CACHE)
        add(ufuncs, elements // times, times)

    add(EACH_STEP[family], N * H, T)
    add_at_once(AT_ONCE[family], T * N * H)
    if family == "attention":
        add_at_once(OF_SCORES, N * HEADS * T * T)
    else:
        add_at_once(OF_SOFTMAX, T * N * K)

    def run() -> None:
        for call, times in calls:
            for _ in range(times):
                call()

    return run


def check(family: str, works: list[Callable[[], tuple[Any, dict[str, Any]]] | None], dtype: str) -> None:
    """All compute the same: what is timed is the same work."""
    first, *others = [work() for work in works if work is not None]
    room = 1e-3 if dtype == "float32" else 1e-9
    for loss, gradients in others:
        assert abs(float(loss) - float(first[0])) <= room * max(1.0, abs(float(first[0]))), (family, loss, first[0])
        for name, gradient in gradients.items():
            wanted = first[1][name]
            assert np.abs(np.asarray(gradient) - wanted).max() <= room * max(1.0, np.abs(wanted).max()), (family, name)


HEADS_OF_TABLE = (
    *("family", "batch time input hidden output", "dtype", "ms", "products, ms", "floor, ms"),
    *("PyTorch / ours", "/ floor", "loop / ours", "/ floor", "in place / ours", "share of peak", "floor's"),
    *("MiB", "MiB PyTorch"),
)


def row(family: str, sizes: Sizes, dtype: str, runs: int, threads: int) -> list[str]:
    """One line of the table.

    Beside each ratio stands what it would be at the floor: the products and what stands between them, and nothing else,
    below which no program of NumPy's products and ufuncs can come. How far one does come that is written for time
    alone, the ratio "in place" tells: `inplace`.
    """
    given = arrays(family, sizes, dtype)
    mine, loop, torchs = ours(family, given), by_steps(family, given), _torch(family, given)
    here = in_place(family, given)
    check(family, [mine, loop, here, torchs], dtype)
    square, number = product_of_squares(dtype)
    works: dict[str, Work | None] = {
        **{"ours": mine, "torch": torchs, "loop": loop, "in place": here, "peak": square},
        **{"products": products_alone(family, sizes, dtype), "elements": elements_alone(family, sizes, dtype)},
    }
    there = {name: work for name, work in works.items() if work is not None}
    seconds = dict(zip(there, paired(list(there.values()), runs, clock(threads)), strict=True))
    seconds["floor"] = [a + b for a, b in zip(seconds["products"], seconds["elements"], strict=True)]
    seconds["at peak"] = [operations(family, sizes) / number * peak for peak in seconds["peak"]]

    def ms(name: str) -> str:
        return f"{1e3 * median(seconds[name]):.3g}"

    def over(name: str) -> tuple[str, str]:
        if name not in seconds:
            return "", ""
        return str(ratio(seconds[name], seconds["ours"])), digits(ratio(seconds[name], seconds["floor"]).middle)

    memory = [peak_memory(work) if work is not None else None for work in (mine, torchs)]
    return [
        *(family, str(sizes), dtype, ms("ours"), ms("products"), ms("floor")),
        *(*over("torch"), *over("loop"), over("in place")[0], *over("at peak")),
        *("" if one is None else f"{one:.0f}" for one in memory),
    ]


def summary(rows: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """PyTorch / ours, and in brackets PyTorch / floor, in single precision: a row a size, and the families."""
    families = list(dict.fromkeys(row[0] for row in rows))
    found: dict[str, dict[str, str]] = {}
    for family, sizes, dtype, *_, over_ours, over_floor in (row[:8] for row in rows):
        if dtype == "float32":
            found.setdefault(sizes, {})[family] = f"{over_ours.split(' ')[0]} ({over_floor})"
    return [[sizes, *(one.get(family, "") for family in families)] for sizes, one in found.items()], families


def _torch(family: str, given: dict[str, Array]) -> Callable[[], tuple[float, dict[str, Any]]] | None:
    try:
        return in_torch(family, given)
    except ImportError:
        return None


GROWING = ("batch", "time", "hidden")
FROM = Sizes(16, 25, 64, 128, 64)


def growth(family: str, runs: int, threads: int) -> list[list[str]]:
    """How time grows with batch, time and hidden size: the power of two between one doubling and the next."""
    found = []
    for axis in GROWING:
        steps = [FROM._replace(**{axis: getattr(FROM, axis) * 2**k}) for k in range(4)]
        mine = [ours(family, arrays(family, sizes, "float32")) for sizes in steps]
        seconds = paired(list(mine), runs, clock(threads))
        middle = [median(one) for one in seconds]
        powers = [digits(log2(b / a)) for a, b in pairwise(middle)]
        found.append([family, axis, *(f"{1e3 * one:.3g}" for one in middle), " ".join(powers)])
    return found
