"""`rowcol train`: both implementations learn a text side by side, and are compared at every step."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .problem import AGREES, DIFFERS, Problem

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from .learners import Race, Step

# The text that comes with the package: names of dinosaurs, one a line.
DINOSAURS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "dinosaurs.txt")

STEPS, RATE, HIDDEN, LENGTH, BATCH, SEED = 1000, 0.01, 48, 16, 3, 0
DTYPES = ("float64", "float32")

LIMIT = 100.0  # times as far as the third run drifts from the reference, the batched side may
ROWS = 10  # of the table of progress
LARGE = 1e-6  # a drift that calls for a word of explanation
SAMPLE, SAMPLE_LINES = 240, 12  # characters drawn from each model, and lines shown of them
COLUMN = 37  # width of a sample; two of them, side by side, fit into 80 columns

HEAD = """\
            loss per character      apart from the reference      gradients'
  step    reference      batched      batched     third run   difference/bar"""

Out = Callable[[str], object]


@dataclass
class Training:
    """What a training showed.

    `reference_loss`, `batched_loss` and `third_loss` are a character's, in nats, over the steps of the
    table's last row. `distances` holds, for every step, the largest distance between the weights of the two
    implementations; `drifts`, that between the reference and the third run, which is the reference
    started one rounding unit away.
    """

    text: str
    characters: int
    different: int
    options: dict[str, Any]
    reference_loss: float = 0.0
    batched_loss: float = 0.0
    third_loss: float = 0.0
    distances: list[float] = field(default_factory=list)
    drifts: list[float] = field(default_factory=list)
    worst_ratio: float = 0.0
    worst_array: str = ""
    worst_step: int = 0
    steps_beyond: int = 0
    first_beyond: int = 0
    compared: int = 0
    blind: int = 0
    samples: dict[str, str] = field(default_factory=dict)

    @property
    def gradients_agree(self) -> bool:
        """At every step, from the same weights, within the bar."""
        return self.steps_beyond == 0 and self.compared > 0

    @property
    def worst_drift(self) -> tuple[float, int]:
        """How many times as far apart the two have been as the third run has by then, and at which step."""
        worst, at = 0.0, 0
        distance = drift = 0.0
        for step, (one, other) in enumerate(zip(self.distances, self.drifts, strict=True), 1):
            distance, drift = max(distance, one), max(drift, other)
            if distance > worst * drift:
                worst, at = (distance / drift if drift else float("inf")), step
        return worst, at

    @property
    def drift_agrees(self) -> bool:
        """The weights never drift apart faster than rounding explains."""
        return self.worst_drift[0] <= LIMIT

    @property
    def agrees(self) -> bool:
        """Gradients within the bar, and weights no further apart than rounding explains."""
        return self.gradients_agree and self.drift_agrees

    def as_json(self) -> dict[str, Any]:
        """The final numbers, for programs."""
        drift, drift_step = self.worst_drift
        return {
            "agrees": self.agrees,
            "text": self.text,
            "characters": self.characters,
            "different_characters": self.different,
            **self.options,
            "loss": {
                "reference": self.reference_loss,
                "batched": _number(self.batched_loss),
                "third run": self.third_loss,
            },
            "gradients": {
                "agree": self.gradients_agree,
                "worst_ratio_to_bar": _number(self.worst_ratio),
                "worst_array": self.worst_array,
                "worst_step": self.worst_step,
                "steps_beyond_bar": self.steps_beyond,
                "compared": self.compared,
                "blind": self.blind,
            },
            "weights": {
                "agree": self.drift_agrees,
                "distance": _number(self.distances[-1]),
                "largest_distance": _number(max(self.distances)),
                "third_run_distance": self.drifts[-1],
                "largest_third_run_distance": max(self.drifts),
                "times_third_run": _number(drift),
                "times_third_run_at_step": drift_step,
                "limit": LIMIT,
            },
            "samples": self.samples,
        }


def _number(value: float) -> float | None:
    """JSON knows no infinity, nor what is not a number."""
    return value if value < float("inf") else None


def read_text(path: str) -> str:
    """The text of a UTF-8 file, its lines ending in newlines however the file writes them."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise Problem("no such file. Expected a text to learn from, in UTF-8.", file=path) from None
    except IsADirectoryError:
        raise Problem("is a directory. Expected a text file, in UTF-8.", file=path) from None
    except OSError as error:
        if os.path.isdir(path):
            raise Problem("is a directory. Expected a text file, in UTF-8.", file=path) from None
        raise Problem(f"cannot be read: {error.strerror}.", file=path) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Problem(
            f"is not UTF-8: byte {error.start} (0x{data[error.start]:02x}) begins no character. "
            "Save the text as UTF-8.",
            file=path,
            line=line,
        ) from None
    return text.replace("\r\n", "\n")


def check_text(text: str, path: str, length: int, batch: int) -> None:
    """Raises `Problem` where there is nothing to learn, or too little for one batch."""
    if not text:
        raise Problem("is empty. Expected a text to learn from.", file=path)
    if len(text) == 1:
        raise Problem(
            "has one character only. A model learns which character follows which: two are the least.",
            file=path,
        )
    if len(set(text)) == 1:
        raise Problem(
            f"has {len(text):,} characters, but all are {text[0]!r}: there is nothing to learn.", file=path
        )
    needed = batch * length + 1
    if len(text) < needed:
        most = (len(text) - 1) // batch
        advice = f"--length {most}" if most else f"--length 1 --batch {min(batch, len(text) - 1)}"
        raise Problem(
            f"has {len(text):,} characters, too few for a batch of {batch} (--batch) sequences of {length} "
            f"(--length), which take {needed:,}. Try {advice}, or a longer text.",
            file=path,
        )


def check_options(
    steps: int, rate: float, hidden: int, length: int, batch: int, seed: int, dtype: str
) -> None:
    """Raises `Problem` for an option that no training can have."""
    counts = {"steps": steps, "hidden": hidden, "length": length, "batch": batch}
    for name, value in counts.items():
        if value < 1:
            raise Problem(f"--{name} {value}: expected a whole number of at least 1.")
    if not 0 < rate < float("inf"):
        raise Problem(f"--rate {rate:g}: expected a number above 0, such as {RATE:g}.")
    if seed < 0:
        raise Problem(f"--seed {seed}: expected a whole number of at least 0.")
    if dtype not in DTYPES:
        raise Problem(f"--dtype {dtype}: expected {' or '.join(DTYPES)}.")


def train(
    text_path: str | None,
    *,
    steps: int = STEPS,
    rate: float = RATE,
    hidden: int = HIDDEN,
    length: int = LENGTH,
    batch: int = BATCH,
    seed: int = SEED,
    dtype: str = "float64",
    out: Out = print,
) -> Training:
    """Train both implementations on a text file; `out` is told the progress, line by line.

    Without a path they learn the text that comes with rowcol, names of dinosaurs. Raises `Problem` for a
    text or an option that no training can have.
    """
    check_options(steps, rate, hidden, length, batch, seed, dtype)
    path = DINOSAURS if text_path is None else text_path
    text = read_text(path)
    check_text(text, path, length, batch)

    import numpy as np

    from .learners import Race

    points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    alphabet, classes = np.unique(points, return_inverse=True)
    options = {
        "steps": steps,
        "rate": rate,
        "hidden": hidden,
        "length": length,
        "batch": batch,
        "seed": seed,
        "dtype": dtype,
    }
    training = Training(path, len(text), len(alphabet), options)
    _header(training, out)

    race = Race(
        classes.reshape(-1), rate=rate, hidden=hidden, length=length, batch=batch, seed=seed, dtype=dtype
    )
    # Whatever overflows is not finite, and said so below.
    with np.errstate(all="ignore"):
        _run(training, race, out)
        first = int(classes[0]) if "\n" not in text else int(np.searchsorted(alphabet, ord("\n")))
        for name, drawn in race.samples(first, SAMPLE).items():
            training.samples[name] = "".join(chr(alphabet[c]) for c in drawn)
    _samples(training, out)
    _verdict(training, out)
    return training


def _header(training: Training, out: Out) -> None:
    o = training.options
    name = os.path.basename(training.text)
    out(f"{name}: {training.characters:,} characters, {training.different:,} different")
    out("")
    out("  reference   columns, W @ a, one example at a time")
    out("  batched     rows, X @ W, the whole batch at once")
    out("  third run   the reference, its first weights one rounding unit away")
    out("")
    out(f"hidden {o['hidden']}, length {o['length']}, batch {o['batch']}, {o['dtype']}, seed {o['seed']}")
    out(f"Adagrad at rate {o['rate']:g}, gradients clipped to -5 .. 5")
    out("")
    out(HEAD)


def _run(training: Training, race: Race, out: Out) -> None:
    """All the steps, with about `ROWS` rows of the table."""
    steps: int = training.options["steps"]
    every = -(-steps // ROWS)
    since: list[Step] = []
    for step in race.steps(steps):
        since.append(step)
        # Of the batched side alone it would be a difference, and is counted as one.
        if not all(abs(number) < float("inf") for number in (step.reference, step.third, step.drift)):
            raise Problem(
                f"losses or weights are no longer finite numbers at step {step.number}: "
                f"--rate {training.options['rate']:g} is too large for {training.options['dtype']}. "
                "Try a smaller one."
            )
        training.distances.append(step.distance)
        training.drifts.append(step.drift)
        training.compared += step.compared
        training.blind += step.blind
        if step.ratio >= training.worst_ratio:
            training.worst_ratio = step.ratio
            training.worst_array, training.worst_step = step.worst, step.number
        if step.ratio > 1:
            training.steps_beyond += 1
            training.first_beyond = training.first_beyond or step.number
        if step.number % every == 0 or step.number == steps:
            training.reference_loss = sum(s.reference for s in since) / len(since)
            training.batched_loss = sum(s.batched for s in since) / len(since)
            training.third_loss = sum(s.third for s in since) / len(since)
            out(
                f"{step.number:6,}{training.reference_loss:13.6f}{training.batched_loss:13.6f}"
                f"{step.distance:13.1e}{step.drift:14.1e}{max(s.ratio for s in since):17.2g}"
            )
            since = []


def _samples(training: Training, out: Out) -> None:
    """What the two models write, side by side."""
    left, right = (_wrapped(training.samples.get(name, "")) for name in ("reference", "batched"))
    out("")
    out("Written with the same random numbers by the two models:")
    out("")
    out(f"  {_padded('reference')}  batched")
    for k in range(min(SAMPLE_LINES, max(len(left), len(right)))):
        one = left[k] if k < len(left) else ""
        other = right[k] if k < len(right) else ""
        out(f"  {_padded(one)}  {other}".rstrip())
    out("")


def _verdict(training: Training, out: Out) -> None:
    """What was compared, how it came out, and in one word whether the two agree."""
    from .bar import MARGIN
    from .learners import BAR_EVERY

    steps: int = training.options["steps"]
    where = f"{training.worst_array}, step {training.worst_step:,}"
    if training.steps_beyond:
        out(f"Gradients  DIFFER from the same weights, at {training.steps_beyond:,} of {steps:,} steps,")
        out(f"           first at step {training.first_beyond:,}; the worst ({where})")
        out(f"           {training.worst_ratio:.2g} x the bar")
    elif training.compared:
        out("Gradients  agree from the same weights, at every step:")
        out(f"           at most {training.worst_ratio:.2g} of the bar ({where})")
    else:
        out("Gradients  cannot be compared: rounding alone moves every one of them too far")
    out(f"           The bar is {MARGIN:.0f} x what one rounding unit moves the reference's by,")
    out(f"           measured at every {BAR_EVERY}th step, and at any that looks wrong")
    if training.blind and training.compared:
        both = training.compared + training.blind
        out(f"           {training.blind:,} of {both:,} comparisons left out: too much rounding to tell")

    times, at = training.worst_drift
    distance, drift = max(training.distances), max(training.drifts)
    verb = "drift" if training.drift_agrees else "DRIFT"
    out(f"Weights    {verb} apart by {distance:.1e}, the third run by {drift:.1e}")
    out(f"           At most {times:.2g} x as far as the third run had by then (step {at:,})")
    out(f"           The limit is {LIMIT:.0f} x")
    if training.agrees and drift > LARGE:
        out("           Rounding alone does that: the third run is the reference's own code")
    out("")
    out("The two implementations agree." if training.agrees else "The two implementations DO NOT agree.")


def _wrapped(text: str) -> list[str]:
    """Lines of at most `COLUMN` columns; what no terminal can show, or would obey, is a question mark."""
    lines = []
    for line in text.strip("\n").split("\n"):
        shown, width = "", 0
        for character in line.replace("\t", " "):
            if not character.isprintable():
                character = "?"
            if width + _width(character) > COLUMN:
                lines.append(shown)
                shown, width = "", 0
            shown += character
            width += _width(character)
        lines.append(shown)
    return lines


def _padded(line: str) -> str:
    return line + " " * (COLUMN - sum(_width(character) for character in line))


def _width(character: str) -> int:
    """Columns that a terminal gives a character."""
    if character.isascii():
        return 1
    from unicodedata import combining, east_asian_width

    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `rowcol train`."""
    parser.add_argument(
        "text", nargs="?", metavar="TEXT", help="a text file in UTF-8; without one, names of dinosaurs"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help="batches to learn from (%(default)s)")
    parser.add_argument("--rate", type=float, default=RATE, help="Adagrad's rate (%(default)s)")
    parser.add_argument("--hidden", type=int, default=HIDDEN, help="size of the hidden state (%(default)s)")
    parser.add_argument("--length", type=int, default=LENGTH, help="characters of a sequence (%(default)s)")
    parser.add_argument("--batch", type=int, default=BATCH, help="sequences of a batch (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the first weights (%(default)s)")
    parser.add_argument("--dtype", choices=DTYPES, default="float64", help="(%(default)s)")
    parser.add_argument("--json", action="store_true", help="only the final numbers, as a JSON object")


def command(args: Namespace) -> int:
    """Run `rowcol train`; the exit status says whether the two implementations agree."""
    training = train(
        args.text,
        steps=args.steps,
        rate=args.rate,
        hidden=args.hidden,
        length=args.length,
        batch=args.batch,
        seed=args.seed,
        dtype=args.dtype,
        out=_silence if args.json else _show,
    )
    if args.json:
        import json

        print(json.dumps(training.as_json(), indent=2))
    return AGREES if training.agrees else DIFFERS


def _silence(line: str) -> None:
    """With --json nothing else is written."""


def _show(line: str) -> None:
    """Write a line at once, with what the terminal's encoding does not have replaced."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)
