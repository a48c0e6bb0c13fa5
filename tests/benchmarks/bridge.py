"""The way through the bridge: from the start of a process to a verdict and to a patch, and against gradient checks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rowcol.bridge import examine
from rowcol.bridge.case import cases
from rowcol.bridge.declaration import Declaration, parse_sizes
from rowcol.bridge.diff import compared, expect
from rowcol.bridge.judge import judge
from rowcol.bridge.load import load
from rowcol.bridge.options import Options
from rowcol.bridge.oracle import trusted_side
from rowcol.bridge.run import run

from . import THREADS, loops
from .measure import digits, ratio
from .networks import SIZES, Array, Sizes, arrays

STORY = Path(examine.__file__).parent / "data" / "story.py"
FAULT, RIGHT = "dh_next = dtanh @ self.W2\n", "dh_next = dtanh @ self.W2.T\n"
SMALLER = (Sizes(1, 6, 7, 9, 5), Sizes(1, 12, 16, 24, 16), SIZES[0])
HEADS = ("what", "against", "ratio", "of", "to")


def rows(runs: int) -> list[list[str]]:
    """All lines of the table; those of processes in seconds on the wall, the others in processor time."""
    with tempfile.TemporaryDirectory() as folder:
        wrong, right = Path(folder, "story.py"), Path(folder, "right.py")
        shutil.copy(STORY, wrong)
        text = STORY.read_text(encoding="utf-8")
        assert text.count(FAULT) == 1
        right.write_text(text.replace(FAULT, RIGHT), encoding="utf-8")
        return [
            *processes(wrong, right, runs, threads=None),
            *processes(wrong, right, runs, threads=1),
            *searching(wrong),
            *checks(right, runs),
        ]


def processes(wrong: Path, right: Path, runs: int, threads: int | None) -> Iterator[list[str]]:
    """From the start of a process to the verdict on a right port, and to the verified patch of the story's.

    With as many threads as NumPy's library likes, which is what people have, or with one; it starts them when it is
    imported. What is imported has been compiled, as it is where it was installed or has run before.
    """
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    if threads is not None:
        environment |= dict.fromkeys(THREADS, str(threads))
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(right.parent / "compiled")
    numpy = [sys.executable, "-c", "import numpy"]
    rowcol = [sys.executable, "-c", "import sys; from rowcol.bridge.cli import main; sys.exit(main())"]
    commands = (numpy, [*rowcol, "diff", str(right)], [*rowcol, "fix", str(wrong)])
    seconds: list[list[float]] = [[] for _ in commands]
    for k in range(runs + 1):
        for command, found in zip(commands, seconds, strict=True):
            begin = time.perf_counter()
            done = subprocess.run(command, capture_output=True, check=False, env=environment)
            if k:  # the first only compiles
                found.append(time.perf_counter() - begin)
            assert done.returncode == (command is commands[2]), done.stderr
    for found, name in zip(seconds[1:], ("rowcol diff, a right port", "rowcol fix, the story's port"), strict=True):
        what = f"{name}; {'any number of threads' if threads is None else f'{threads} thread'}"
        yield [what, 'python -c "import numpy"', str(ratio(found, seconds[0])), _ms(found), _ms(seconds[0])]


def searching(wrong: Path) -> Iterator[list[str]]:
    """Edits tried a second while mending the story's port, as a share of what one run and one compile allow."""
    report = examine.examine_file(str(wrong), Options())[0]
    diagnosis = report["diagnosis"] or {}
    tried, possible = diagnosis["edits_per_second"], diagnosis["possible_per_second"]
    share = digits(tried / possible)
    yield ["edits tried a second", "one run + one compile each", share, f"{tried:.0f}", f"{possible:.0f}"]


def checks(right: Path, runs: int) -> Iterator[list[str]]:
    """One verdict, in process and on one case, against checks of every element by central differences."""
    for sizes in SMALLER:
        verdict = _verdict(load(str(right))[0], sizes)
        given = arrays("rnn", sizes, "float64")
        ours = _seconds(verdict, runs)
        for name, check in (("torch.autograd.gradcheck", _gradcheck), ("central differences by hand", _by_hand)):
            try:
                slow = [_processor_time(check(given))] * len(ours)
            except ImportError:
                continue
            yield [f"verdict at {sizes}", name, str(ratio(slow, ours)), _ms(slow), _ms(ours)]


def _verdict(port: Declaration, sizes: Sizes) -> Callable[[], object]:
    """One verdict on one case of these sizes; the trusted side is taken to have been proved already."""
    fixed = parse_sizes(", ".join(f"{axis} = {size}" for axis, size in sizes._asdict().items()), port.family)
    trusted = trusted_side(port)

    def verdict() -> object:
        case = next(cases(port, 0, fixed))
        found = compared(port, [expect(port, trusted, case)], [run(port, case)])
        judgement = judge(port, trusted, found, 0)
        assert judgement.finding is None
        return judgement

    return verdict


def _gradcheck(given: dict[str, Array]) -> Callable[[], object]:
    """PyTorch's own check of the same network, element by element (its slow mode, the default)."""
    import torch

    return lambda: _torch_check(torch, given)


def _torch_check(torch: Any, given: dict[str, Array]) -> None:
    names = ("Wxh", "Whh", "bh", "Why", "by")
    x, h0 = torch.tensor(given["x"]), torch.tensor(given["h0"])[None]
    classes = torch.tensor(given["y"]).argmax(-1).reshape(-1)
    module = torch.nn.RNN(x.shape[-1], h0.shape[-1], dtype=torch.float64)
    zero = torch.zeros(h0.shape[-1], dtype=torch.float64)

    def loss(Wxh: Any, Whh: Any, bh: Any, Why: Any, by: Any) -> Any:
        weights = {"weight_ih_l0": Wxh.T, "weight_hh_l0": Whh.T, "bias_ih_l0": bh, "bias_hh_l0": zero}
        h, _ = torch.func.functional_call(module, weights, (x, h0))
        return torch.nn.functional.cross_entropy((h @ Why + by).reshape(len(classes), -1), classes, reduction="sum")

    parameters = tuple(torch.tensor(given[name], requires_grad=True) for name in names)
    assert torch.autograd.gradcheck(loss, parameters)


def _by_hand(given: dict[str, Array]) -> Callable[[], object]:
    """The check that people write: each element of each parameter a little up, a little down, two losses."""

    def check() -> None:
        _, gradients = loops.rnn(**given)
        for name in ("Wxh", "Whh", "bh", "Why", "by"):
            flat, gradient = given[name].reshape(-1), gradients[name].reshape(-1)
            for k in range(flat.size):
                kept = flat[k]
                flat[k] = kept + 1e-5
                up = _loss(given)
                flat[k] = kept - 1e-5
                down = _loss(given)
                flat[k] = kept
                assert abs((up - down) / 2e-5 - gradient[k]) < 1e-5 * max(1.0, abs(gradient[k]))

    return check


def _loss(given: dict[str, Array]) -> float:
    """The forward pass alone, one step at a time."""
    h, loss = given["h0"], 0.0
    for x, y in zip(given["x"], given["y"], strict=True):
        h = np.tanh(x @ given["Wxh"] + h @ given["Whh"] + given["bh"])
        loss += loops.readout(h, y, given["Why"], given["by"])[0]
    return loss


def _seconds(work: Callable[[], object], runs: int) -> list[float]:
    work()
    return [_processor_time(work) for _ in range(runs)]


def _processor_time(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _ms(seconds: list[float]) -> str:
    return f"{1e3 * sorted(seconds)[len(seconds) // 2]:,.3g} ms"
