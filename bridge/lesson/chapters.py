"""The chapters, in words and in numbers; every number is computed by the two implementations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rowcol.batched import readout as in_rows
from rowcol.reference import readout as in_columns

from .blocks import Ask, Block, Chapter, Drawn, Matrices, Step, Table, Text, Try
from .equations import PRODUCTS, Equation, Operand, derived, equations, operand, written
from .faults import FAULTS, TRANSPOSE, Bench, fault_named
from .network import (
    AXES,
    COLUMNS,
    HONEST,
    IN_COLUMNS,
    ROWS,
    SHORT,
    SINGLE,
    SQUARE,
    SYMMETRIC,
    TINY,
    Array,
    Run,
    differs,
    steps_of,
)

PEOPLE = ("Ada", "Ben", "Cem")
FEATURES = ("age", "height", "weight")
SCORES = ("pulse", "stride", "dose")
TABLE = np.array([[20.0, 185.0, 75.0], [85.0, 155.0, 95.0], [40.0, 205.0, 120.0]])
COUNTS = np.array([[-0.5, -0.2, 0.1], [0.2, 0.4, -0.1], [0.3, -0.1, 0.5]])

STORY = "transpose-dh_next"


def chapters(bench: Bench) -> list[Chapter]:
    """All of them, in order."""
    return [
        people(),
        both_ways(),
        turned_round(),
        by_names(),
        square(bench),
        one_step(bench),
        story(bench),
        fooled(bench),
    ]


def scores(table: Array, counts: Array) -> Array:
    """table @ counts, by the batched side's affine readout with a bias of zero."""
    return in_rows.forward(table, counts, np.zeros(counts.shape[1]))


def scores_of(person: Array, counts: Array) -> Array:
    """counts @ person, by the reference's: one person, a column."""
    return in_columns.forward({0: person}, [0], counts, np.zeros((len(counts), 1)))[0]


def people() -> Chapter:
    """A table of people, and what its rows and columns mean."""
    right, wrong = scores(TABLE, COUNTS), scores(TABLE, COUNTS.T)
    pairs = [
        [f"{value:g} ({feature})", f"{COUNTS[k, 0]:.1f} ({feature} for pulse)", f"{value * COUNTS[k, 0]:.1f}"]
        for k, (feature, value) in enumerate(zip(FEATURES, TABLE[0], strict=True))
    ]
    crossed = [
        [f"{value:g} ({feature})", f"{COUNTS[0, k]:.1f} (age for {SCORES[k]})", f"{value * COUNTS[0, k]:.1f}"]
        for k, (feature, value) in enumerate(zip(FEATURES, TABLE[0], strict=True))
    ]
    blocks: list[Block] = [
        Table(
            "In this table a row is a person and a column is something known of every person.",
            ["", *FEATURES],
            [[name, *(f"{v:g}" for v in row)] for name, row in zip(PEOPLE, TABLE, strict=True)],
        ),
        Table(
            "A second table says how much each of these counts for three made-up scores: its rows are the columns "
            "of the first.",
            ["", *SCORES],
            [[name, *(f"{v:.1f}" for v in row)] for name, row in zip(FEATURES, COUNTS, strict=True)],
        ),
        Table(
            "The product of the two pairs like with like; this is Ada's pulse, term by term.",
            ["Ada's", "times", "is"],
            [*pairs, ["sum", "", f"{right[0, 0]:.1f}"]],
        ),
        Ask(
            "The second table is square. Multiply by its transpose instead: will anything complain?",
            "No. 3 by 3 is 3 by 3, and a product looks at sizes only. But now Ada's height is multiplied by what "
            "an age counts for.",
            [
                Table(
                    "The same number with the transpose: three features of Ada, each times something that belongs to "
                    "her age.",
                    ["Ada's", "times", "is"],
                    [*crossed, ["sum", "", f"{wrong[0, 0]:.1f}"]],
                ),
                Matrices(
                    "All nine scores, right and with the transpose: the same shape, another meaning in every place.",
                    [
                        Drawn("table @ counts", ("person", "score"), right),
                        "and",
                        Drawn("table @ counts.T", ("person", "score"), wrong),
                    ],
                ),
            ],
        ),
        Text("Matching sizes is not matching meanings. That is all there is to it; the rest is where it happens."),
    ]
    return Chapter("A table of people", blocks)


def both_ways() -> Chapter:
    """The same product in both conventions."""
    person = ("person", "feature")
    columns = np.hstack([scores_of(row[:, None], COUNTS.T) for row in TABLE])
    return Chapter(
        "The same product, written twice",
        [
            Text(
                "Some write a person as a row and multiply from the right: `X @ W`. Others write a person as a column "
                "and multiply from the left: `W @ a`. `rowcol.batched` does the first, for all people at once; "
                "`rowcol.reference` does the second, one person after the other."
            ),
            Matrices(
                "In rows, X @ W: the inner axis, the one that is summed over, is `feature`.",
                [
                    Drawn("Z", ("person", "score"), scores(TABLE, COUNTS), "Z"),
                    "=",
                    Drawn("X", person, TABLE, "X"),
                    "@",
                    Drawn("W", ("feature", "score"), COUNTS, "W"),
                ],
                ROWS,
            ),
            Matrices(
                "In columns, W @ a, with the people set side by side: the inner axis is `feature` again.",
                [
                    Drawn("z", ("score", "person"), columns, "Z"),
                    "=",
                    Drawn("W", ("score", "feature"), COUNTS.T, "W"),
                    "@",
                    Drawn("a", ("feature", "person"), TABLE.T, "X"),
                ],
                COLUMNS,
            ),
            Text(
                "Every matrix stands on its side, `W` too: in rows it is `feature` by `score`, in columns `score` by "
                "`feature`. The numbers are the same."
            ),
        ],
    )


def glossary() -> list[list[str]]:
    """The names of the network."""
    said = {
        "x": "the inputs of a step",
        "h": "the state after a step",
        "h0": "the state before the first step",
        "z": "the scores of a step",
        "p": "softmax of the scores: probabilities",
        "y": "the targets: 1 at the right class",
        "Wxh": "weights from the inputs",
        "Whh": "weights from the state before",
        "Why": "weights to the scores",
        "bh": "what is added before tanh",
        "by": "what is added to the scores",
        "slope": "of tanh where it gave h: 1 - h²",
        "dpre": "the gradient of what goes into tanh",
        "dh_out": "of the state, through its own scores",
        "dh_next": "of the state before, handed back",
        "dh": "of the state, both together",
    }
    return [[f"`{name}`", f"`{IN_COLUMNS[name]}`", f"`{' '.join(AXES[name])}`", words] for name, words in said.items()]


def turned_round() -> Chapter:
    """Why (AB)^T = B^T A^T turns W·a into X·W."""
    terms = [
        [f, f"{c:.1f} × {v:g}", f"{v:g} × {c:.1f}"] for f, c, v in zip(FEATURES, COUNTS[:, 1], TABLE[1], strict=True)
    ]
    z = scores_of(TABLE[1][:, None], COUNTS.T)[1, 0]
    forward = [e for e in equations(ROWS) if e.quantity in ("h", "z", *PRODUCTS)]
    other = {e.quantity: e for e in equations(COLUMNS)}
    return Chapter(
        "Why (AB)ᵀ = BᵀAᵀ turns W·a into X·W",
        [
            Table(
                "One number, Ben's stride, as each convention computes it: the same terms, with the factors swapped.",
                ["", "W @ a: a row of W, a column", "X @ W: a row, a column of W"],
                [*terms, ["sum", f"{z:.1f}", f"{scores(TABLE, COUNTS)[1, 1]:.1f}"]],
            ),
            Text(
                "A transpose swaps rows and columns, so the transpose of a product has its factors in the other order, "
                "each transposed: `(W a)ᵀ = aᵀ Wᵀ`. Call aᵀ `X`, and keep the weights as Wᵀ from the start: `X @ W`."
            ),
            Text(
                "From here on the example is a small recurrent network. At every step it makes a state from its inputs "
                "and the state of the step before, and scores from the state; the loss compares the scores with a "
                "target. A name with `d` in front is the gradient of the loss with respect to what is named behind it."
            ),
            Table("The names of both conventions.", ["rows", "columns", "axes, in rows", "what it is"], glossary()),
            Ask(
                "Turn `Waa.T @ daraw` round by this rule. What is it in rows?",
                "`dpre @ Whh.T`: the factors change places; `daraw` becomes `dpre`, which is its transpose; and "
                "`Waa.T` becomes `Whh.T`, since Whh is Waa's transpose. The `.T` stays. Whoever takes it away "
                "because the weights are transposed already makes the mistake of chapter 7.",
            ),
            Table(
                "So each product of a recurrent network is read backwards.",
                ["in rows, X·W", "in columns, W·a"],
                [[f"`{line(e, ROWS)}`", f"`{line(other[e.quantity], COLUMNS)}`"] for e in forward],
            ),
        ],
    )


def by_names() -> Chapter:
    """Where the transposes of a backward pass come from, by the names of axes."""
    rows = []
    for name, (one, other) in PRODUCTS.items():
        first, second = operand(one), operand(other)
        (summed,) = set(first.axes(ROWS)) & set(second.axes(ROWS)) - set(AXES[name])
        row_text, column_text = (
            "`" + " @ ".join(called(operand(o), side) for o in written(side, name, one, other)) + "`"
            for side in (ROWS, COLUMNS)
        )
        rows.append([f"`{name}`", f"`{' '.join(AXES[name])}`", f"`{summed}`", row_text, column_text])
    swap, left, right = derived(AXES["dWhh"], operand("h[t-1]").axes(ROWS), operand("dpre").axes(ROWS))
    assert (swap, left, right) == (False, True, False)
    return Chapter(
        "Where the transposes of a backward pass come from",
        [
            Text(
                "Not from trying until the shapes fit. From names: a gradient has the axes of what it is the gradient "
                "of; and a product sums over the axis that both factors have and the result has not. Put that axis "
                "in the middle, and the other two where the result has them."
            ),
            Text(
                "Take `dWhh`. It has the axes of `Whh`: `prev hidden`. It is made from the states of the step before, "
                "`batch prev`, and from `dpre`, `batch hidden`. Both have `batch`, and `dWhh` has not: `batch` goes "
                "into the middle. So the states are transposed, `prev batch`, and `dpre` is not: `h_prev.T @ dpre`."
            ),
            Ask(
                "`dh_next` has the axes `batch prev`. It is made from `dpre`, `batch hidden`, and `Whh`, "
                "`prev hidden`. Which one is transposed?",
                "The axis that goes is `hidden`. In `dpre` it stands on the inner side already; in `Whh` it does not. "
                "So: `dpre @ Whh.T`.",
                [
                    Table(
                        "All six products of the backward pass, derived so (the axes are those of the rows).",
                        ["", "has the axes", "sums over", "in rows", "in columns"],
                        rows,
                    ),
                ],
            ),
            Text(
                "No size was looked at. `prev` and `hidden` have the same size and are different axes: one is the unit "
                "that speaks, the step before, the other the unit that listens."
            ),
        ],
    )


def square(bench: Bench) -> Chapter:
    """Why a square matrix hides the mistake and a non-square one cannot."""
    rows = []
    message = ""
    for fault in (f for f in FAULTS if f.kind == TRANSPOSE):
        outcomes = [outcome(bench, fault.name, on, side) for on in (HONEST, SQUARE) for side in (ROWS, COLUMNS)]
        rows.append([f"`{fault.title}`", *outcomes])
        stop = bench.runs(fault, ROWS)[HONEST].stop
        if stop is not None and fault.title == "dWhh":
            message = f"`{stop.code}` raises `{stop.message}`"
    sizes = bench.data[HONEST].sizes
    named = ", ".join(f"{axis} {sizes[axis]}" for axis in ("batch", "input", "hidden", "output", "time"))
    return Chapter(
        "A square matrix hides the mistake",
        [
            Text(f"This network has no two sizes alike: {named}. Only `Whh` is square, since prev is hidden again."),
            Ask(
                "Leave out one `.T` of the six products, and run. Which of the six programs raise?",
                "All but one. A matrix that is not square does not fit the wrong way round, and says so at its line. "
                "`Whh` fits both ways.",
                [
                    Table(
                        "Each `.T` left out, one at a time, with all sizes different and with every size 3: the "
                        "implementation raises, or it runs and so many of its seven gradients are wrong.",
                        ["no `.T` for", "different: rows", "columns", "every 3: rows", "columns"],
                        rows,
                    ),
                ],
            ),
            Text(
                f"What NumPy says is worth reading: {message}. The 12 are the rows of all steps of the batch, 6 times "
                "2, which the batched side multiplies at once."
            ),
            Text(
                "With every size 3 the weights of all layers are square, and more mistakes run through. So "
                "choose sizes that all differ, and let the shapes find what shapes can find. "
                "What is left is the square matrix."
            ),
            Try("Leave them out yourself, at the workbench", "transpose-dh_out", HONEST),
        ],
    )


def outcome(bench: Bench, fault: str, on: str, side: str) -> str:
    """What comes of a mistake, in few words."""
    mistake = fault_named(fault)
    if bench.runs(mistake, side)[on].stop is not None:
        return "raises"
    wrong = [name for name, share in bench.errors(mistake, on, side).items() if differs(share)]
    return f"{len(wrong)} wrong" if wrong else "all right"


STEP = 3  # the step that is looked at


def one_step(bench: Bench) -> Chapter:
    """One step of backpropagation in both conventions, array by array."""
    t = STEP
    shown: list[Matrices] = []
    said = {
        "dz": "What the loss asks of the scores: the probabilities less the targets.",
        "dh_out": "Through the output weights, back to the state.",
        "dh": "To that is added what the step after has handed back.",
        "dpre": "Through tanh, element by element, by its slope 1 - h².",
        "dh_next": "Through the recurrent weights, to the step before: the line of the story.",
    }
    by_side = {side: {e.quantity: e for e in equations(side)} for side in (ROWS, COLUMNS)}
    for name, words in said.items():
        for side in (ROWS, COLUMNS):
            run = bench.right(HONEST, side)
            sentence = f"{words} In rows:" if side == ROWS else "In columns:"
            shown.append(Matrices(sentence, list(drawn(by_side[side][name], run, bench, t)), side))
    return Chapter(
        "One step back, array by array",
        [
            Text(
                f"This is step t = {t} of {bench.data[HONEST].T} on the way back, as each implementation goes it. The "
                "numbers are shown with two decimals; you can check any of them."
            ),
            Step("Both conventions, line by line.", shown),
        ],
    )


def drawn(equation: Equation, run: Run, bench: Bench, t: int) -> Iterator[Drawn | str]:
    """An equation with its values at a step: the result, and what it is made from."""
    side, name = run.convention, equation.quantity
    yield Drawn(called(operand(name), side, t), Operand(name, "", False).axes(side), run.steps[name][t], name)
    for k, term in enumerate(equation.terms):
        yield "=" if k == 0 else "-" if term[0].startswith("-") else "+"
        for m, text in enumerate(term):
            one = operand(text)
            if m:
                yield "*" if equation.elementwise else "@"
            yield Drawn(called(one, side, t), one.axes(side), value(one, run, bench, t), one.name, one.transposed)


def value(one: Operand, run: Run, bench: Bench, t: int) -> Array:
    """What an operand is at a step, as the convention lays it out."""
    at = t + {"": 0, "[t-1]": -1, "[t+1]": 1}[one.step]
    if one.name in run.steps:
        found = run.steps[one.name].get(at, np.zeros_like(run.steps[one.name][t]))
    else:
        given = np.atleast_2d(bench.data[HONEST].arrays[one.name])
        found = given if run.convention == ROWS else given.T
    return found.T if one.transposed else found


def called(one: Operand, side: str, t: int | None = None) -> str:
    """An operand by its name in a convention; with a step, `h[t-1]` becomes `h[2]`."""
    name = one.name if side == ROWS else IN_COLUMNS[one.name]
    step = one.step
    if t is not None and one.name in ("x", "y", "h", "z", "p", "dz", "dh_out", "slope", "dh", "dpre", "dh_next", "dx"):
        step = f"[{t + {'': 0, '[t-1]': -1, '[t+1]': 1}[one.step]}]"
    return name + step + ".T" * one.transposed


def line(equation: Equation, side: str) -> str:
    """An equation as one line of text."""
    terms = []
    for term in equation.terms:
        sign = "-" if term[0].startswith("-") else ""
        terms.append(sign + (" * " if equation.elementwise else " @ ").join(called(operand(o), side) for o in term))
    total = " + ".join(terms).replace("+ -", "- ")
    if equation.function:
        total = f"{equation.function}({total})"
    name = equation.quantity if side == ROWS else IN_COLUMNS[equation.quantity]
    return f"{name} {'+=' if equation.over else '='} {total}"


def percent(share: float | None) -> str:
    """An error in words: 0 where it is rounding."""
    if share is None:
        return "-"
    if not differs(share):
        return "0"
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1g} %"


def story(bench: Bench) -> Chapter:
    """The fault of the story, and how it goes back through time."""
    fault = fault_named(STORY)
    run, right = bench.runs(fault, ROWS)[HONEST], bench.right(HONEST)
    T = bench.data[HONEST].T
    back = steps_of(run, ("dz", "dh", "dpre", "dh_next"), T, right)
    errors = bench.errors(fault, HONEST)
    was, becomes = fault.edits[ROWS], fault.edits[COLUMNS]
    assert was is not None and becomes is not None
    verdicts = [
        [f"`{name}`", percent(share), "differs" if differs(share) else "agrees"] for name, share in errors.items()
    ]
    return Chapter(
        "The fault of the story, and how it travels",
        [
            Text(
                f"In rows, `{was.was}` is written as `{was.becomes}`; in columns, `{becomes.was}` as "
                f"`{becomes.becomes}`. Every product fits, and the loss is right."
            ),
            Ask(
                "Which gradients turn wrong, and at which step does the first error show?",
                "Those of the output layer are right: they are computed before the line. At the last step nothing has "
                "been handed back yet, so `dh` is right there. Its `dh_next` is the first wrong value.",
                [
                    Table(
                        "The error of each array at each step, as a share of its largest element; downwards is the way "
                        "back.",
                        ["step", "dz", "dh", "dpre", "dh_next"],
                        [[f"t = {t}", *(percent(back[n][t]) for n in back)] for t in reversed(range(T))],
                    ),
                    Table("And what is left of it in the gradients.", ["", "error", "verdict"], verdicts),
                    Matrices(
                        "The gradient of Whh, wrong and right: nothing in its looks gives it away.",
                        [
                            Drawn("dWhh, wrong", AXES["dWhh"], run.gradients["dWhh"]),
                            "and",
                            Drawn("dWhh, right", AXES["dWhh"], right.gradients["dWhh"]),
                        ],
                    ),
                ],
            ),
            Try("See it travel, at the workbench", STORY, HONEST),
        ],
    )


def fooled(bench: Bench) -> Chapter:
    """Four ways to fool oneself."""
    transpose, loss = fault_named(STORY), fault_named("loss")
    rows = []
    for on in (HONEST, SINGLE, SYMMETRIC, TINY, SHORT):
        rows.append(
            [
                bench.data[on].title,
                percent(bench.errors(transpose, on)["dWhh"]),
                percent(bench.errors(loss, on)["loss"]),
            ]
        )
    tiny = bench.errors(transpose, TINY)["dWhh"]
    return Chapter(
        "Four ways to fool oneself",
        [
            Text(
                "A check can pass because the code is right, or because the data cannot tell. Here are two mistakes, "
                "each on five sets of data: the transpose of the story, and a loss that takes the logarithm of the sum "
                "over the batch where it should sum the logarithms."
            ),
            Ask(
                "Which of these hides the transpose: a batch of one, a symmetric `Whh`, tiny weights, one step only?",
                "The last three: a symmetric matrix is its own transpose; tiny weights hand next to nothing back, "
                f"and the error ({percent(tiny)}) hides under a tolerance; with one step nothing is handed back at "
                "all. A batch of one hides the other mistake: the sum of one number is that number.",
                [
                    Table(
                        "The error that each mistake makes on each data.",
                        ["data", "transpose: error of dWhh", "loss: error of the loss"],
                        rows,
                    ),
                ],
            ),
            Text(
                "So: weights that are random, of ordinary size and not symmetric; several steps; several examples; "
                "sizes that all differ; and something independent to compare with. `rowcol diff PORT.py` does that "
                "with your own code, and finds the line."
            ),
            Try("Try each of them, at the workbench", STORY, SYMMETRIC),
        ],
    )
