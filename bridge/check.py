"""`rowcol check`: the verdict on gradients that a program wrote into a folder of `rowcol export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .problem import NOT_ANSWERED, Problem

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from .declaration import Declaration
    from .exchange import Order
    from .report.schema import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rowcol check`."""
    parser.description = "Compare the gradients that a program wrote into a folder of `rowcol export`."
    parser.add_argument("folder", metavar="DIR", help="the folder that rowcol export wrote")
    parser.add_argument("--json", action="store_true", help="the report for programs")
    parser.add_argument(
        "--verbose", "-v", action="store_true", help="both numbers at the worst place, other edits, and the cases"
    )


def command(args: argparse.Namespace) -> int:
    """Run `rowcol check`."""
    report = check(args.folder)
    if args.json:
        from .report.plain import as_json

        print(as_json(report))
    else:
        from .report.paper import Paper
        from .report.terminal import render

        print(render(report, Paper(), args.verbose))
    return report["status"]


def check(folder: str) -> Report:
    """The report on a program's answers. Reads only; a folder that cannot be judged becomes a report too."""
    from .examine import examine
    from .exchange import read_order
    from .judge import UNDECIDED
    from .options import Options
    from .report.schema import failed

    try:
        order = read_order(folder)
        options = Options(seed=order.seed)
        port, places = answers(folder, order)
    except Problem as problem:
        return failed(problem, 0)
    report = examine(port, options, by_numbers=True)
    for array in report["arrays"]:
        if array["note"] and array["note"] not in report["remarks"] and array["case"] in places.by_label:
            array["note"] += f" (in {places.of(array['name'], array['case'])})"
    if report["finding"] == UNDECIDED and not order.own_loss:
        report["remarks"].append(
            "`rowcol export --own-loss` writes cases that tell a wrong gradient from another forward pass"
        )
    return report


class Places(NamedTuple):
    """In which folders the cases of a verdict are: by their label, and by the arrays that cannot be compared there."""

    by_label: Mapping[str, Sequence[str]]
    unusable: Mapping[str, Sequence[str]]

    def of(self, name: str, label: str) -> str:
        """Where something is to be said of an array, on a case of this label."""
        return ", ".join(self.unusable.get(name, ())) or " or ".join(self.by_label[label])


def answers(folder: str, order: Order) -> tuple[Declaration, Places]:
    """A program as a port: its declaration, and a function that gives the answers in the folder."""
    import os

    from .diff import LOSS
    from .exchange import DECLARATION, answering, check_inputs, folder_of, questions, read_answer

    port = order.port(os.path.join(folder, DECLARATION))
    asked = questions(port, order.seed, order.own_loss)
    found = []
    for number, question in enumerate(asked):
        check_inputs(folder, number, question)
        found.append(read_answer(folder, number, port, question))
    missing = [folder_of(k) for k, question in enumerate(asked) if question.needed and found[k] is None]
    if missing:
        every = len(missing) == sum(question.needed for question in asked)
        where = "no case has an answer yet" if every else f"there is no answer in {', '.join(missing)}"
        raise Problem(
            f"{where}. Expected answer.npz, answer.json or a folder answer in each; README.txt says more.",
            file=folder,
            status=NOT_ANSWERED,
        )
    given = {folder_of(k): [LOSS] * (found[k][0] is not None) + [*found[k][1]] for k, q in enumerate(asked) if q.needed}
    anywhere = dict.fromkeys(name for names in given.values() for name in names)
    for where, names in given.items():
        lacking = [name for name in anywhere if name not in names]
        if lacking:
            raise Problem(
                f"the answer in {where} lacks {', '.join(lacking)}, which other cases have. Expected the same arrays "
                "in each; was the program ended early?",
                file=folder,
                status=NOT_ANSWERED,
            )
    by_label: dict[str, list[str]] = {}
    unusable: dict[str, list[str]] = {}
    for k, question in enumerate(asked):
        if question.needed:  # the examples of one batch, each a case here, share its label
            by_label.setdefault(question.what, []).append(folder_of(k))
            for name in given[folder_of(k)]:
                value = found[k][0] if name == LOSS else found[k][1][name]
                if _unusable(value, question.gradients.get(name)):
                    unusable.setdefault(name, []).append(folder_of(k))
    return answering(port.with_(file=folder), asked, found), Places(by_label, unusable)


def _unusable(value: Any, shape: tuple[int, ...] | None) -> bool:
    """Is it of another shape than the array's (a loss may have any), or no finite number?"""
    import numpy as np

    from .answer import without_ones

    if value is None or (shape is not None and without_ones(np.shape(value)) != without_ones(shape)):
        return True
    return not np.all(np.isfinite(value))
