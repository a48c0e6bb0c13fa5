"""Right ports of the recurrent network, written in many ways: other layouts, other algebra, other orders.

Each is made from a seed. What is mathematically the same must agree, however it rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rowcol.bridge import port
from rowcol.bridge.declaration import Declaration

Array = NDArray[Any]
Spelling = Mapping[str, str]
T = TypeVar("T")

# How people write each quantity. The keys of a spelling; the values are its possible ways.
WAYS = {
    "pre": ("x first", "h first", "bias first", "stacked [h x 1]"),
    "tanh slope": ("1 - h**2", "1 - h*h", "(1-h)(1+h)", "dh - dh*h*h", "1/cosh**2", "(1-h) + h(1-h)"),
    "sigmoid slope": ("h(1-h)", "h - h*h", "dh*h - dh*h*h", "1/4 - (h-1/2)**2"),
    "sigmoid": ("1/(1+exp(-a))", "exp(a)/(1+exp(a))", "(1+tanh(a/2))/2"),
    "softmax": ("shifted", "unshifted", "exp of log-softmax"),
    "softmax loss": ("log of p[class]", "y log p", "logsumexp - z", "log of sum(y p)"),
    "softmax error": ("p - y", "minus one at the class", "y(p-1) + (1-y)p"),
    "logistic loss": ("logaddexp", "max(z,0) - zy + log1p", "y log s + (1-y) log(1-s)"),
    "logistic error": ("s - y", "(1-y)s - y(1-s)"),
    "squared loss": ("half the squares", "norm", "step by step"),
    "products": ("in the loop", "stacked", "einsum", "tensordot", "example by example", "forwards in time"),
    "carry": ("@ W.T", "(W @ .T).T", "einsum"),
    "mean": ("divide the loss and the error", "divide at the end"),
}
KINDS = ("softmax", "logistic", "squared error")
UPSTREAMS = {"states": ("da", "hidden"), "logits": ("dz", "output"), "output": ("dp", "output")}


def right_port(seed: int) -> Declaration:
    """A right port: a random declaration, and a function that computes it in a random spelling."""
    rng = np.random.default_rng([seed, 40])
    spelling = {quantity: pick(rng, ways) for quantity, ways in WAYS.items()}
    last = rng.random() < 0.3
    upstream = pick(rng, list(UPSTREAMS)) if rng.random() < 0.35 else ""
    kind = "" if upstream else pick(rng, KINDS)
    lines, axes = layout(rng, kind, upstream, last)
    keywords: dict[str, Any] = {
        "activation": pick(rng, ("tanh", "tanh", "relu", "sigmoid")),
        "dtype": pick(rng, ("float64", "float64", "float64", "float32")),
        "objective": (f"upstream of the {upstream}" if upstream else kind) + " at the last step" * last,
    }
    if not upstream:
        over = ("sum", "mean over batch", "mean over batch and time", "mean over time")
        keywords["reduction"] = pick(rng, over)
    if rng.random() < 0.1:
        keywords["clip"] = pick(rng, (5, "norm 0.25"))
    settings = {**keywords, "kind": kind, "upstream": upstream, "last": last}

    def regrouped(**arrays: Array) -> tuple[Any, dict[str, Array]]:
        return computed(arrays, axes, spelling, settings)

    port("rnn", "\n".join(lines), **keywords)(regrouped)
    declaration: Declaration = regrouped.__rowcol__  # type: ignore[attr-defined]
    return declaration.with_(name=f"regrouped, seed {seed}: {spelling} {keywords}")


def pick(rng: np.random.Generator, choices: tuple[T, ...] | list[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def layout(
    rng: np.random.Generator, kind: str, upstream: str, last: bool
) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Layout lines with every array's axes in a random order, and those axes by the array's name."""
    batch = ("batch",) if rng.random() < 0.8 else ()
    over_time = () if last else ("time",)
    axes: dict[str, tuple[str, ...]] = {
        "Wax": ("hidden", "input"),
        "Waa": ("hidden", "prev"),
        "b": ("hidden",),
        "x": ("time", *batch) if rng.random() < 0.2 else ("time", *batch, "input"),
    }
    if rng.random() < 0.85:
        axes["a0"] = (*batch, "hidden")
    if upstream != "states":
        axes |= {"Wya": ("output", "hidden"), "by": ("output",)}
    if upstream:
        name, axis = UPSTREAMS[upstream]
        axes[name] = (*over_time, *batch, axis)
    else:
        classes = kind == "softmax" and rng.random() < 0.4
        axes["y"] = (*over_time, *batch) if classes else (*over_time, *batch, "output")
    for name, its in axes.items():
        order = [its[k] for k in rng.permutation(len(its))]
        if name in ("b", "by") and rng.random() < 0.6:
            order.insert(int(rng.integers(2)), "1")
        axes[name] = tuple(order)
    return [f"{name}: {name}  {' '.join(its)}" for name, its in axes.items()], axes


# The port itself --------------------------------------------------------------------------------------------


def straight(array: Any, axes: tuple[str, ...], wanted: tuple[str, ...]) -> Array:
    """An array with axes in some order as one with the wanted axes; one that is not there has length one."""
    array = np.asarray(array)
    array = array.reshape([n for n, a in zip(array.shape, axes, strict=True) if a != "1"])
    named = [a for a in axes if a != "1"]
    array = array.transpose([named.index(a) for a in wanted if a in named])
    return np.expand_dims(array, tuple(k for k, a in enumerate(wanted) if a not in named))


def back(array: Array, wanted: tuple[str, ...], axes: tuple[str, ...]) -> Array:
    """The inverse of `straight`."""
    array = array.reshape([n for n, a in zip(array.shape, wanted, strict=True) if a in axes])
    named = [a for a in wanted if a in axes]
    array = array.transpose([named.index(a) for a in axes if a != "1"])
    return np.expand_dims(array, tuple(k for k, a in enumerate(axes) if a == "1"))


def computed(
    arrays: Mapping[str, Any],
    axes: Mapping[str, tuple[str, ...]],
    spelling: Spelling,
    settings: Mapping[str, Any],
) -> tuple[Any, dict[str, Array]]:
    """Loss (or output) and gradients of a network whose arrays are laid out as `axes` says."""
    dtype = np.dtype(settings["dtype"])
    Wxh = straight(arrays["Wax"], axes["Wax"], ("input", "hidden"))
    Whh = straight(arrays["Waa"], axes["Waa"], ("prev", "hidden"))
    bh = straight(arrays["b"], axes["b"], ("hidden",))
    x = states_or_classes(arrays["x"], axes["x"], "input", len(Wxh), dtype)
    h0 = np.zeros((x.shape[1], len(Whh)), dtype)
    if "a0" in axes:
        h0 = straight(arrays["a0"], axes["a0"], ("batch", "hidden"))
    given: dict[str, Array] = {}
    if "Wya" in axes:
        given["Why"] = straight(arrays["Wya"], axes["Wya"], ("hidden", "output"))
        given["by"] = straight(arrays["by"], axes["by"], ("output",))
    name = UPSTREAMS[settings["upstream"]][0] if settings["upstream"] else "y"
    feature = "hidden" if name == "da" else "output"
    outputs = given["by"].size if "by" in given else len(Whh)
    target = states_or_classes(arrays[name], axes[name], feature, outputs, dtype)

    h, pre = forward(x, h0, Wxh, Whh, bh, settings["activation"], spelling)
    seen = h[-1:] if settings["last"] else h[1:]
    loss, dh_out, readout = head(seen, target, given, spelling, settings)
    share = 1.0
    if not settings["upstream"]:
        share = 1 / reduced(settings["reduction"], target.shape)
    at_once = spelling["mean"] == "divide the loss and the error"
    if at_once:
        loss, dh_out = loss * share, [d * dtype.type(share) for d in dh_out]
        readout = {n: g * dtype.type(share) for n, g in readout.items()}
    if settings["last"]:
        dh_out = [np.zeros_like(h0) for _ in x[:-1]] + dh_out
    gradients = backward(dh_out, x, h, pre, Wxh, Whh, settings["activation"], spelling) | readout
    if not at_once:
        loss, gradients = loss * share, {n: g * dtype.type(share) for n, g in gradients.items()}

    straightened = {
        "Wax": ("input", "hidden"),
        "Waa": ("prev", "hidden"),
        "b": ("hidden",),
        "Wya": ("hidden", "output"),
        "by": ("output",),
        "a0": ("batch", "hidden"),
        "x": ("time", "batch", "input"),
    }
    out = {
        n: back(gradients[n], wanted, axes[n])
        for n, wanted in straightened.items()
        if n in gradients and n in axes and (n != "x" or "input" in axes["x"])
    }
    clip(out, settings.get("clip"))
    if settings["upstream"] and loss.ndim:
        loss = back(loss, ("time", "batch", feature), axes[name])
    return loss, out


def states_or_classes(array: Any, axes: tuple[str, ...], feature: str, size: int, dtype: Any) -> Array:
    """(time, batch, feature), from vectors or from class indices."""
    if feature in axes:
        return straight(array, axes, ("time", "batch", feature))
    return np.eye(size, dtype=dtype)[straight(array, axes, ("time", "batch"))]


def reduced(reduction: str, shape: tuple[int, ...]) -> int:
    return (shape[1] if "batch" in reduction else 1) * (shape[0] if "time" in reduction else 1)


def clip(gradients: dict[str, Array], bound: Any) -> None:
    """As declared: of the parameters only, each element or the common norm."""
    own = [n for n in gradients if n not in ("x", "a0")]
    if bound == 5:
        for name in own:
            gradients[name] = np.clip(gradients[name], -5, 5)
    elif bound:
        norm = np.sqrt(sum(np.vdot(gradients[n], gradients[n]) for n in own))
        for name in own:
            gradients[name] = gradients[name] * np.asarray(min(1.0, 0.25 / norm), gradients[name].dtype)


def sigmoid(a: Array, way: str) -> Array:
    one, half = a.dtype.type(1), a.dtype.type(0.5)
    if way == "(1+tanh(a/2))/2":
        return half * (one + np.tanh(half * a))
    if way == "exp(a)/(1+exp(a))":
        return np.exp(a) / (one + np.exp(a))
    return one / (one + np.exp(-a))


def forward(
    x: Array, h0: Array, Wxh: Array, Whh: Array, bh: Array, activation: str, spelling: Spelling
) -> tuple[Array, list[Array]]:
    """States, the initial one in front, and what stands inside the activation."""
    hs, pres = [h0], []
    ones = np.ones((len(h0), 1), h0.dtype)
    packed = np.vstack([Whh, Wxh, bh[None]])
    functions: dict[str, Callable[[Array], Array]] = {
        "tanh": np.tanh,
        "relu": lambda a: np.maximum(a, 0),
        "sigmoid": lambda a: sigmoid(a, spelling["sigmoid"]),
    }
    for step in x:
        if spelling["pre"] == "x first":
            a = step @ Wxh + hs[-1] @ Whh + bh
        elif spelling["pre"] == "h first":
            a = (Whh.T @ hs[-1].T).T + (Wxh.T @ step.T).T + bh
        elif spelling["pre"] == "bias first":
            a = bh + np.einsum("bi,ih->bh", step, Wxh) + hs[-1] @ Whh
        else:
            a = np.hstack([hs[-1], step, ones]) @ packed
        pres.append(a)
        hs.append(functions[activation](a))
    return np.stack(hs), pres


def through(dh: Array, h: Array, a: Array, activation: str, spelling: Spelling) -> Array:
    """dh times the slope of the activation."""
    way = spelling["tanh slope"] if activation == "tanh" else spelling["sigmoid slope"]
    if activation == "relu":
        return dh * (a > 0)
    if way in ("dh - dh*h*h", "dh*h - dh*h*h"):
        return (dh if activation == "tanh" else dh * h) - dh * h * h
    slope: Array = {
        "1 - h**2": lambda: 1 - h**2,
        "1 - h*h": lambda: 1 - h * h,
        "(1-h)(1+h)": lambda: (1 - h) * (1 + h),
        "(1-h) + h(1-h)": lambda: (1 - h) + h * (1 - h),
        "1/cosh**2": lambda: 1 / np.cosh(a) ** 2,
        "h(1-h)": lambda: h * (1 - h),
        "h - h*h": lambda: h - h * h,
        "1/4 - (h-1/2)**2": lambda: h.dtype.type(0.25) - (h - h.dtype.type(0.5)) ** 2,
    }[way]()
    return slope * dh


def backward(
    dh_out: list[Array],
    x: Array,
    h: Array,
    pre: list[Array],
    Wxh: Array,
    Whh: Array,
    activation: str,
    spelling: Spelling,
) -> dict[str, Array]:
    """The gradients of the recurrence, by canonical name; matrices as they are multiplied from the right."""
    carried = np.zeros_like(h[0])
    steps: list[Array] = []
    for t in reversed(range(len(x))):
        daraw = through(dh_out[t] + carried, h[t + 1], pre[t], activation, spelling)
        steps.insert(0, daraw)
        if spelling["carry"] == "@ W.T":
            carried = daraw @ Whh.T
        elif spelling["carry"] == "einsum":
            carried = np.einsum("bh,ph->bp", daraw, Whh)
        else:
            carried = (Whh @ daraw.T).T
    d = np.stack(steps)
    return {
        "Wax": product(x, d, spelling["products"]),
        "Waa": product(h[:-1], d, spelling["products"]),
        "b": d.sum(axis=(0, 1)) if spelling["carry"] == "einsum" else sum(s.sum(axis=0) for s in steps[::-1]),
        "a0": carried,
        "x": d @ Wxh.T if spelling["carry"] != "einsum" else np.einsum("tbh,ih->tbi", d, Wxh),
    }


def product(left: Array, right: Array, way: str) -> Array:
    """sum over time and batch of left[t, n] right[t, n]ᵀ."""
    total = np.zeros((left.shape[-1], right.shape[-1]), left.dtype)
    if way == "stacked":
        return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])
    if way == "einsum":
        return np.einsum("tbi,tbj->ij", left, right)
    if way == "tensordot":
        return np.tensordot(left, right, axes=((0, 1), (0, 1)))
    if way == "example by example":
        for n in range(left.shape[1]):
            for t in range(len(left)):
                total += np.outer(left[t, n], right[t, n])
        return total
    for t in range(len(left)) if way == "forwards in time" else reversed(range(len(left))):
        total = total + left[t].T @ right[t]
    return total


def head(
    h: Array, given: Array, readout: Mapping[str, Array], spelling: Spelling, settings: Mapping[str, Any]
) -> tuple[Any, list[Array], dict[str, Array]]:
    """The summed loss (or the output), what reaches each state, and the gradients of the output layer."""
    if settings["upstream"] == "states":
        return h, list(given), {}
    z = h @ readout["Why"] + readout["by"]
    if settings["upstream"] == "logits":
        loss, dz = z, given
    elif settings["upstream"] == "output":
        p, _ = softmax(z, spelling["softmax"])
        loss, dz = p, p * (given - (p * given).sum(axis=-1, keepdims=True))
    else:
        of = {"softmax": of_softmax, "logistic": of_logistic, "squared error": of_squares}
        loss, dz = of[settings["kind"]](z, given, spelling)
    dh = dz @ readout["Why"].T
    return loss, list(dh), {"Wya": product(h, dz, spelling["products"]), "by": dz.sum(axis=(0, 1))}


def softmax(z: Array, way: str) -> tuple[Array, Array]:
    """Probabilities and their logarithms."""
    if way == "unshifted":
        p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
        return p, np.log(p)
    top = z.max(axis=-1, keepdims=True)
    if way == "shifted":
        e = np.exp(z - top)
        p = e / e.sum(axis=-1, keepdims=True)
        return p, np.log(p)
    log_p = z - top - np.log(np.exp(z - top).sum(axis=-1, keepdims=True))
    return np.exp(log_p), log_p


def of_softmax(z: Array, y: Array, spelling: Spelling) -> tuple[Any, Array]:
    p, log_p = softmax(z, spelling["softmax"])
    classes = y.argmax(axis=-1)[..., None]
    way = spelling["softmax loss"]
    if way == "log of p[class]":
        loss = -np.take_along_axis(log_p, classes, -1).sum()
    elif way == "y log p":
        loss = -(y * log_p).sum()
    elif way == "log of sum(y p)":
        loss = -np.log((y * p).sum(axis=-1)).sum()
    else:
        top = z.max(axis=-1)
        log_total = top + np.log(np.exp(z - top[..., None]).sum(axis=-1))
        loss = (log_total - np.take_along_axis(z, classes, -1)[..., 0]).sum()
    if spelling["softmax error"] == "p - y":
        return loss, p - y
    if spelling["softmax error"] == "y(p-1) + (1-y)p":
        return loss, y * (p - 1) + (1 - y) * p
    e = p.copy()
    np.put_along_axis(e, classes, np.take_along_axis(e, classes, -1) - 1, -1)
    return loss, e


def of_logistic(z: Array, y: Array, spelling: Spelling) -> tuple[Any, Array]:
    s = sigmoid(z, spelling["sigmoid"])
    way = spelling["logistic loss"]
    if way == "logaddexp":
        loss = (np.logaddexp(0, z) - y * z).sum()
    elif way == "max(z,0) - zy + log1p":
        loss = (np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))).sum()
    else:
        loss = -(y * np.log(s) + (1 - y) * np.log(1 - s)).sum()
    return loss, s - y if spelling["logistic error"] == "s - y" else (1 - y) * s - y * (1 - s)


def of_squares(z: Array, y: Array, spelling: Spelling) -> tuple[Any, Array]:
    e = z - y
    if spelling["squared loss"] == "norm":
        return 0.5 * np.linalg.norm(e) ** 2, e
    if spelling["squared loss"] == "step by step":
        return sum((step**2).sum() / 2 for step in e), e
    return 0.5 * (e * e).sum(), e
