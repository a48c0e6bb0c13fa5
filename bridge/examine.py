"""The one way through: case -> run -> diff -> judge -> diagnose -> report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from .bound import cases_beyond, seen
from .case import Case, cases
from .declaration import DTYPES, Declaration, Sizes, parse_sizes, place_to_write, reduction_phrase
from .diagnosis import Diagnosis
from .diff import (
    AGREES,
    BLIND,
    DIFFERS,
    LOSS,
    NOT_PROVIDED,
    Diff,
    Expected,
    Verdict,
    compared,
    expect,
    parameters_of,
    single_cases,
)
from .innocent import OFF
from .judge import ANOTHER_MODEL, DECLARATION, NAMES, UNREAD, Judgement, judge
from .load import load
from .meant import declaration_that_runs
from .options import Options
from .oracle import OwnLoss, trusted_side
from .problem import AGREES as STATUS_AGREES
from .problem import DIFFERS as STATUS_DIFFERS
from .problem import NOT_ANSWERED, Problem, Raised, Several, origin
from .report.schema import ArrayReport, Details, Report, blank, failed, problem_of
from .run import look_around, run
from .steady import steady
from .timings import stage, taken
from .unread import hardly_any_read, in_words, unread, where
from .words import listed


def examine_file(
    path: str, options: Options, *, apart: bool = False, tell: Callable[[Report], object] = lambda report: None
) -> list[Report]:
    """Load a port file and examine each of its ports. Problems become reports too.

    `apart`: raise `Several` rather than examine one port after another in the same process. `tell` as `examine` has it.
    """
    try:
        with stage("load"):
            trusted = load(options.against)[0] if options.against is not None else None
            ports = load(path)
    except Problem as problem:
        file = path.partition("::")[0]
        return [failed(problem.at(file, None), options.seed, blank(options.seed, file))]

    names = list(dict.fromkeys(port.name for port in ports))
    if apart and len(names) > 1:
        raise Several(names)

    def again(name: str) -> Declaration:
        return next(port for port in load(path) if port.name == name)

    return [
        examine(port, options, lambda name=port.name: again(name), trusted, tell=tell)  # type: ignore[misc]
        for port in ports
    ]


def examine(
    port: Declaration,
    options: Options,
    again: Callable[[], Declaration] | None = None,
    against: Declaration | None = None,
    *,
    by_numbers: bool = False,
    tell: Callable[[Report], object] = lambda report: None,
) -> Report:
    """Compare one port with the trusted side of its family (or with another port, `against`), and report.

    `by_numbers`: the function looks its answers up: it is asked once, and its numbers are diagnosed. `tell` is called
    with what there is of the report, before the port is called and before the line is looked for: the process may
    end there.
    """
    report, details = _examined(port, options, again, against, by_numbers, tell)
    if options.detailed:
        _add(report, "details", details)
    if options.timings:
        report["timings"] = taken()
    if options.patches:
        return report
    from .report.withhold import withheld

    return withheld(report)


def _examined(
    port: Declaration,
    options: Options,
    again: Callable[[], Declaration] | None,
    against: Declaration | None,
    by_numbers: bool,
    tell: Callable[[Report], object],
) -> tuple[Report, Callable[[], Details | None]]:
    """The report, and what makes its details: they are for those who ask, then or later."""
    look_around()
    try:
        with stage("case"):
            _check(options)
            if options.family is not None or options.objective is not None:
                port = port.anew(options.family, options.objective)
            if options.dtype is not None:
                port = port.with_(dtype=options.dtype)
            tell(_begun(port, options))
            port, trusted = (port, trusted_side(port)) if against is None else facing(port, against)
            chosen = _chosen(port, options)
        with stage("run"):
            unsteady = None if by_numbers else steady(port, chosen[0], again)
        if unsteady is not None:
            what = f"{port.name}() gives another answer when it is run again on the same data: it {unsteady}"
            own = unread(port, trusted, chosen[:1])
            if set(own) & parameters_of(port):
                what = in_words(port, own)
            raise port.problem(what, STATUS_DIFFERS)
        with stage("run"):
            expected = [expect(port, trusted, case) for case in chosen]
            if isinstance(trusted, Declaration) and options.case is None and not by_numbers:
                sizes = parse_sizes(options.sizes, port.family)
                expected += cases_beyond(port, trusted, expected, options.seed + len(chosen), sizes)
                chosen = [one.case for one in expected]
            answers = [run(port, case) for case in chosen]
        with stage("diff"):
            found = compared(port, expected, answers)
        with stage("judge"):
            judgement = judge(port, trusted, found, options.seed)
        port, found = judgement.port, judgement.found
        if port.clip is not None and judgement.agrees and (bound := seen(port, found, judgement.verdicts)):
            judgement.remarks.append(bound)
    except Problem as problem:
        report = failed(problem.at(port.file, port.line), options.seed, _begun(port, options))
        if isinstance(problem, Raised) and against is None and not by_numbers:
            _add(report, "declared", lambda: declaration_that_runs(port, options.seed))
            if report["declared"] is not None:
                said = f"The declaration, not the code, is what differs: with {report['declared']} everything agrees."
                said += f"\n    {place_to_write(port, report['declared'])}"
                assert report["error"] is not None
                report["error"]["what"] += f"\n    {said}"
                return report, lambda: None
        if options.diagnose and isinstance(problem, Raised) and against is None:
            _add(report, "diagnosis", lambda: _of_one_that_raises(port, options))
            return report, lambda: _details_of_one_that_raises(port, report, options)
        return report, lambda: None
    report = _report(port, trusted, options, judgement, found.expected)
    diagnosable = judgement.finding not in (None, DECLARATION, NAMES) and _says_something(judgement, found)
    if options.diagnose and diagnosable:
        tell(report)
        _add(report, "diagnosis", lambda: _diagnosis(port, trusted, found, judgement, options, by_numbers))
    if judgement.finding == ANOTHER_MODEL and not options.asked_to_patch:
        _withhold_patch(report)
    if judgement.finding in (None, NAMES) or by_numbers:
        return report, lambda: None

    def details() -> Details:
        from .details import details

        return details(port, trusted, found.expected, judgement, report["diagnosis"])

    return report, details


def _check(options: Options) -> None:
    """Raise `Problem` where a case cannot be chosen so: the command's own arguments have been checked, a call's not."""
    for name, value, least in (("seed", options.seed, 0), ("cases", 1 if options.cases is None else options.cases, 1)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
            raise Problem(f"{name} = {value!r} must be a whole number from {least} on.")
    if options.dtype is not None and options.dtype not in DTYPES:
        raise Problem(f"dtype = {options.dtype!r} must be one of {', '.join(map(repr, DTYPES))}.")


def _chosen(port: Declaration, options: Options) -> list[Case]:
    """The cases that a port is compared on."""
    count = options.cases if options.case is None else options.case + 1
    made = list(cases(port, options.seed, parse_sizes(options.sizes, port.family), count))
    return single_cases(port, made[options.case or 0 :])


def _withhold_patch(report: Report) -> None:
    """A right gradient of another model may be what its author wants: no patch is shown that was not asked for."""
    diagnosis = report["diagnosis"]
    if diagnosis is None or diagnosis["patch"] is None:
        return
    report["diagnosis"] = {**diagnosis, "claim": "another model", "patch": None, "changes": []}
    report["remarks"].append("rowcol fix writes a patch that makes it the declared model, if that is wanted")


def _add(report: Report, what: Literal["diagnosis", "details", "declared"], work: Callable[[], Any]) -> None:
    """Add a part of a report. One that fails is our own mistake, which is said, and costs nobody the verdict."""
    try:
        found = work()
    except Exception as error:
        missing = "the line was not looked for" if what == "diagnosis" else "there are no details"
        report["remarks"].append(
            f"{missing}: {type(error).__name__} at {origin(error)} ({error}). That mistake is rowcol's own; please "
            "report it"
        )
        return
    if found is not None:
        report[what] = found


def _details_of_one_that_raises(port: Declaration, report: Report, options: Options) -> Details | None:
    """What a page shows besides; None where there is no case to show it on."""
    from .details import details

    made = _asked_of_one_that_raises(port, options)
    return None if made is None else details(port, *made, None, report["diagnosis"])


def _diagnosis(
    port: Declaration,
    trusted: Declaration | OwnLoss,
    found: Diff,
    judgement: Judgement,
    options: Options,
    by_numbers: bool,
) -> Diagnosis | None:
    """The line, from the source; and what the numbers alone tell where there is none, or no patch was verified."""
    if isinstance(trusted, OwnLoss):
        from .diagnose.alone import diagnose_alone

        return diagnose_alone(port, found.expected, options.seed, options.search)
    from .diagnose.engine import BUDGET as USUAL
    from .diagnose.engine import diagnose
    from .diagnose.numbers import BUDGET, FURTHER, diagnose_numbers

    if judgement.finding == UNREAD:
        # It may be left out of the code. Where it is not, every line is suspect, and no number tells which.
        diagnosis = diagnose(port, trusted, found.expected, judgement, options.seed, options.search)
        return diagnosis if diagnosis is not None and diagnosis["patch"] is not None else None
    diagnosis = None if by_numbers else diagnose(port, trusted, found.expected, judgement, options.seed, options.search)
    if diagnosis is not None and diagnosis["patch"] is not None:
        return diagnosis
    longer = 1.0 if options.search is None else options.search / USUAL
    told = diagnose_numbers(port, found, judgement, longer * (BUDGET if diagnosis is None else FURTHER))
    if diagnosis is None or told is None:
        return diagnosis or told
    return {**diagnosis, "explanation": told["explanation"]}


def _says_something(judgement: Judgement, found: Diff) -> bool:
    """Is anything wrong that numbers tell? What is no array, or nobody's gradient, has been said by then.

    Where hardly any weight reaches the code, no line of it is at fault; some may be left out there.
    """
    if hardly_any_read(judgement.port, judgement.unread):
        return False
    misshapen = {name for answer in found.answers for name in answer.misshapen}
    wrong = [v for v in judgement.verdicts.values() if v.state == DIFFERS]
    return any(v.difference or v.name in misshapen for v in wrong)


def _of_one_that_raises(port: Declaration, options: Options) -> Diagnosis | None:
    """The diagnosis of a port that raises on a legal case; None for one that does not."""
    from .diagnose.engine import diagnose

    made = _asked_of_one_that_raises(port, options)
    return None if made is None else diagnose(port, *made, None, options.seed, options.search)


def _asked_of_one_that_raises(port: Declaration, options: Options) -> tuple[Declaration, list[Expected]] | None:
    """The trusted side and what it expects of a port that raises; None where nothing is expected."""
    try:
        trusted = trusted_side(port)
        if not isinstance(trusted, Declaration):
            return None
        return trusted, [expect(port, trusted, case) for case in _chosen(port, options)]
    except Problem:
        return None


def facing(port: Declaration, trusted: Declaration) -> tuple[Declaration, Declaration]:
    """A port as it is compared with another one, which is trusted: with sizes and arrays that both can take."""

    def no(what: str) -> Problem:
        return trusted.problem(f"{trusted.name}() cannot be what {port.name}() is held against: {what}")

    if port.family.name != trusted.family.name:
        raise no(f"its family is '{trusted.family.name}', the port's '{port.family.name}'.")
    if str(port.objective) != str(trusted.objective) or port.settings != trusted.settings:
        raise no(
            f"it computes '{trusted.objective}' with {dict(trusted.settings)}, the port '{port.objective}' with "
            f"{dict(port.settings)}."
        )
    if trusted.clip is not None:
        raise no("it clips its gradients. Declare an unclipped one; the port may clip.")
    fixed = {**trusted.sizes.fixed, **port.sizes.fixed}
    for axis, size in trusted.sizes.fixed.items():
        if fixed[axis] != size:
            raise no(f"it fixes {axis} = {size}, the port {axis} = {fixed[axis]}.")
    sizes = Sizes(fixed, {**trusted.sizes.tied, **port.sizes.tied})
    silent = frozenset(trusted.arrays) - trusted.layout.canonical
    return port.with_(sizes=sizes, silent=silent), trusted


def _begun(port: Declaration, options: Options) -> Report:
    """A report that says no more than which port it is on."""
    report = blank(options.seed)
    report["port"], report["file"], report["line"] = port.name, port.file, port.line
    report["family"], report["objective"] = port.family.name, str(port.objective)
    report["reduction"], report["dtype"] = reduction_phrase(port.reduction), port.dtype
    return report


def _report(
    port: Declaration,
    trusted: Declaration | OwnLoss,
    options: Options,
    judgement: Judgement,
    expected: list[Expected],
) -> Report:
    report = _begun(port, options)
    report["trusted"] = trusted.name
    report["arrays"] = [_array(port, v, judgement.found) for v in judgement.verdicts.values()]
    if judgement.found.first != LOSS and LOSS in judgement.verdicts and isinstance(trusted, Declaration):
        from .output import described

        described(report["arrays"], port, trusted, judgement.found)
    seen: dict[int, Case] = {e.case.seed: e.case for e in expected}
    report["cases"] = [{"label": c.label, "seed": c.seed, "sizes": dict(c.sizes)} for c in seen.values()]
    report["finding"] = judgement.finding
    report["sentences"] = judgement.sentences
    report["remarks"] = judgement.remarks
    report["declared"] = judgement.declared
    report["status"], report["headline"] = _headline(judgement, trusted.name)
    report["agrees"] = report["status"] == STATUS_AGREES
    return report


def _headline(judgement: Judgement, trusted: str) -> tuple[int, str]:
    """The exit status and the verdict in one line: how many of how many."""
    gradients = [v for v in judgement.verdicts.values() if v.name != LOSS]
    states = [v.state for v in gradients if v.name in judgement.port.parameters]
    strange = len(gradients) - len(states)
    total = len(states)
    given = total - states.count(NOT_PROVIDED)
    loss = judgement.verdicts.get(LOSS)
    first = judgement.found.first
    about_loss = {
        None: "no loss was given" if trusted != OwnLoss.name else "held against its own loss",
        AGREES: f"the {first} agrees",
        DIFFERS: f"the {first} differs",
        BLIND: f"the {first} is blind",
    }[loss.state if loss else None]
    if loss and loss.state == AGREES and loss.note:
        about_loss += " *"
    if judgement.finding == DECLARATION:
        return STATUS_DIFFERS, f"the declaration, not the code: with {judgement.declared} everything agrees"
    if judgement.finding == NAMES and not given:
        return (
            STATUS_DIFFERS,
            "nothing was compared: the gradients come back under names that the layout does not have",
        )
    if judgement.finding == UNREAD:
        said = f"nothing that it returns depends on {listed(judgement.unread)}"
        return STATUS_DIFFERS, f"{said}: {where(judgement.unread)}"
    unnamed = f", {strange} under names that the layout has no gradient of" * bool(strange)
    if judgement.finding == NAMES:
        return STATUS_DIFFERS, f"{states.count(AGREES)} of {total} gradients agree{unnamed}; {about_loss}"
    if loss and not judgement.found.gives_gradients and loss.state in (AGREES, DIFFERS):
        status = STATUS_AGREES if loss.state == AGREES else STATUS_DIFFERS
        return status, f"the forward pass {about_loss.removeprefix(f'the {first} ')}; no gradient was returned"
    if DIFFERS in states or (loss and loss.state == DIFFERS):
        wrong = states.count(DIFFERS)
        right = states.count(AGREES)
        return STATUS_DIFFERS, f"{wrong} of {given} gradients differ, {right} agree{unnamed}; {about_loss}"
    if not given:
        return NOT_ANSWERED, "no gradient was returned: nothing was compared"
    if AGREES not in states:
        return NOT_ANSWERED, "every gradient is blind: these cases cannot tell"
    checked = states.count(AGREES)
    blind = f", {states.count(BLIND)} blind" if BLIND in states else ""
    if loss and loss.state == AGREES and loss.note.startswith(OFF):
        about_loss = f"the loss is {loss.note.removeprefix(OFF)}: a numerical check of your own is off by that factor"
    excused = any(v.note for v in judgement.verdicts.values() if v.state == AGREES and v.name != LOSS)
    return STATUS_AGREES, f"{checked} of {total} gradients checked, all agree{' *' * excused}{blind}; {about_loss}"


def _array(port: Declaration, verdict: Verdict, found: Diff) -> ArrayReport:
    from .pieces import pieces

    lines = [line for line in port.layout.lines if line.base == verdict.name]
    return {
        "name": verdict.name,
        "canonical": ", ".join(dict.fromkeys(a for line in lines for a in line.arrays)),
        "axes": " ".join(port.layout.axes(verdict.name)) if lines else "",
        "parameter": verdict.name in parameters_of(port),
        "shape": list(verdict.shape),
        "state": verdict.state,
        "difference": verdict.difference,
        "bar": verdict.bar,
        "size": verdict.size,
        "where": list(verdict.where),
        "port": verdict.port,
        "trusted": verdict.trusted,
        "case": verdict.case,
        "note": verdict.note,
        "pieces": pieces(port, found, verdict.name) if verdict.state == DIFFERS else {},
    }


class Result:
    """What `compare` returns: `.agrees`, `.gradients` (name -> verdict), `.diagnosis`, `.patch`.

    `str(result)` is the report as the terminal shows it, a notebook shows it as a page does; `.report` is the
    same as plain data.
    """

    def __init__(self, report: Report, details: Callable[[], Details | None] | None = None) -> None:
        self.report, self._details = report, details

    @property
    def agrees(self) -> bool:
        """Does every array that the port gives agree?"""
        return self.report["agrees"]

    @property
    def gradients(self) -> dict[str, str]:
        """`"agrees"`, `"differs"`, `"blind"` or `"not provided"` for each array of the port."""
        return {a["name"]: a["state"] for a in self.report["arrays"] if a["name"] != LOSS}

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What was found about the line, as plain data; None where nothing differs."""
        return self.report["diagnosis"]

    @property
    def patch(self) -> str | None:
        """The verified patch as a unified diff, or None."""
        diagnosis = self.report["diagnosis"]
        return None if diagnosis is None else diagnosis["patch"]

    def __str__(self) -> str:
        from .report.terminal import render

        return render(self.report)

    def _repr_html_(self) -> str:
        """The report as notebooks show it, with its details, which are made when they are first asked for."""
        from .report.html import notebook

        if self._details is not None:
            _add(self.report, "details", self._details)
            self._details = None
        return notebook(self.report)

    def __repr__(self) -> str:
        return f"<rowcol: {self.report['headline']}>"


def compare(
    function: Callable[..., Any],
    *,
    seed: int = 0,
    dtype: str | None = None,
    sizes: str = "",
    cases: int | None = None,
) -> Result:
    """Compare a function that `@port` declares with the trusted side of its family, in this process.

    Raises `Problem` where there is nothing to compare (no port, or a port that does not answer).
    """
    declaration = getattr(function, "__rowcol__", None)
    if not isinstance(declaration, Declaration):
        raise Problem(f"{function!r} is no port: put @port(family, layout) above it.")
    report, details = _examined(declaration, Options(seed, dtype, sizes, cases), None, None, False, lambda report: None)
    problem = problem_of(report)
    if problem is not None and problem.status == NOT_ANSWERED:
        raise problem
    return Result(report, details)
