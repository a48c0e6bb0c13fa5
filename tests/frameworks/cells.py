"""Every cell of dialect and family, and who holds it against the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .held import Real, held

SHAPES = ((1, 1), (2, 1), (1, 2), (2, 2))  # layers and directions of recurrent networks
DEPTHS = ((1, 1), (2, 1), (3, 1))
RECURRENT = ("rnn", "lstm", "gru")


@dataclass(frozen=True)
class Cell:
    """One network of a family in a dialect: what makes it, and what has to be installed for that."""

    dialect: str
    family: str
    layers: int
    directions: int
    module: str
    maker: str
    needs: tuple[str, ...]
    words: tuple[str, ...] = ()  # settings that the dialect has more than one of

    def __str__(self) -> str:
        shape = f"{self.layers} layers" if self.layers > 1 else "1 layer"
        return ", ".join([self.dialect, self.family, shape, *["bidirectional"] * (self.directions - 1), *self.words])

    @property
    def missing(self) -> str | None:
        """What is not installed."""
        for name in self.needs:
            try:
                import_module(name)
            except ImportError:
                return name
        return None

    def real(self) -> Real:
        maker = getattr(import_module(f".{self.module}", __package__), self.maker)
        shape: tuple[Any, ...] = (self.family, self.layers, self.directions, *self.words)
        if self.family == "dense":
            shape = (self.layers,)
        elif self.family == "attention":
            shape = ()
        elif self.module == "scripts":
            shape = (self.layers, self.directions)
        made: Real = maker(*shape)
        return made

    def held(self) -> tuple[float, float, float]:
        """How far outputs and gradients are apart, and how far they may be."""
        real = self.real()
        return *held(real, self.family, self.dialect, self.layers, self.directions), real.tolerance


def cells() -> Iterator[Cell]:
    """All of them."""
    frameworks = {
        "pytorch": ("pytorch", "", ("torch",)),
        "keras": ("keras_", "", ("jax", "keras")),
        "onnx": ("onnx_", "", ("onnx", "onnxruntime")),
        "flax": ("flax_", "", ("jax", "flax")),
        "nnx": ("flax_", "nnx_", ("jax", "flax")),
    }
    for dialect, (module, prefix, needs) in frameworks.items():
        for family in RECURRENT:
            resets = ("after", "before") if family == "gru" and dialect in ("keras", "onnx") else ()
            for layers, directions in SHAPES:
                for words in [(reset,) for reset in resets] or [()]:
                    maker = prefix + "recurrent"
                    yield Cell(dialect, family, layers, directions, module, maker, needs, words)
        for layers, _ in DEPTHS:
            yield Cell(dialect, "dense", layers, 1, module, prefix + "dense", needs)
        yield Cell(dialect, "attention", 1, 1, module, prefix + "attention", needs)
    for dialect, families in (("karpathy", "rnn"), ("coursera", "rnn lstm"), ("cs231n", "rnn lstm")):
        for family in families.split():
            yield Cell(dialect, family, 1, 1, "scripts", f"{dialect}_{family}", ())
    for dialect in ("coursera", "cs231n"):
        for layers, _ in DEPTHS:
            yield Cell(dialect, "dense", layers, 1, "scripts", f"{dialect}_dense", ())
    yield Cell("cs231n", "attention", 1, 1, "pytorch", "cs231n_attention", ("torch",))
    for layers in (1, 2):
        yield Cell("gpt2", "dense", layers, 1, "gpt2", "dense", ("torch", "transformers"))
    yield Cell("gpt2", "attention", 1, 1, "gpt2", "attention", ("torch", "transformers"))
