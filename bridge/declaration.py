"""`@port`: how a user declares which arrays a function takes and gives back, and in which layout."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from .axes import Layout, LayoutError, Map
from .family import Axes, Family, Implementation, Setting, family_named, words_of
from .notation import parse
from .objective import LAST, OWN, UPWARDS, Objective, parse_objective
from .problem import NOT_ANSWERED, Problem, about, nearest

F = TypeVar("F", bound=Callable[..., Any])
DTYPES = ("float64", "float32")
REDUCIBLE = ("batch", "time", "output")
# What a finding says in place of a keyword begins so.
LAYOUT_LINE, LAYOUT_LINES, NOT_WRITTEN = "the layout line ", "the layout lines ", "no "
IN_ORDER = " in the order "  # what it says of gates has this in it
KEYWORDS = ("objective", "reduction", "clip", "sizes", "dtype", "dialect")


class Clip(NamedTuple):
    """A bound on every element (`norm=False`), or on the norm of all parameter gradients together."""

    bound: float
    norm: bool = False

    def __str__(self) -> str:
        return f"norm {self.bound:g}" if self.norm else f"{self.bound:g}"


class Sizes(NamedTuple):
    """Axes that a port fixes (`hidden = 4`) and axes that it ties to others (`output = input`)."""

    fixed: Mapping[str, int]
    tied: Mapping[str, str]


@dataclass(frozen=True)
class Declaration:
    """A side: a function, and everything that has to be known to run it on a case.

    `reduction` holds the axes that the loss is a mean over; the empty tuple is the sum.
    `written` holds the keywords that the user wrote, so that a message can quote them; `silent`, the canonical
    arrays that must be zero because the side it is compared with does without them; `given`, what `@port` was
    given, so that the function can be declared anew.
    """

    function: Callable[..., Any]
    family: Family
    layout: Layout
    objective: Objective
    reduction: tuple[str, ...]
    settings: Mapping[str, Any]
    clip: Clip | None
    sizes: Sizes
    dtype: str
    name: str
    file: str | None
    line: int | None
    written: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    given: tuple[str | Family, str, Mapping[str, Any]] = ("", "", MappingProxyType({}))

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The port's arrays that have a gradient: all but targets, upstreams and class indices."""
        given = self.family.all_given(self.objective)
        return tuple(
            name
            for name in self.layout.names
            if not any(
                line.indices or given & set(line.arrays) for line in self.layout.lines if line.base == name
            )
        )

    @cached_property
    def arrays(self) -> dict[str, Axes]:
        """The canonical arrays that take part, with their axes."""
        return self.family.arrays(self.objective, self.settings)

    def bind(self, sizes: Mapping[str, int]) -> Map:
        """The layout at given sizes; made once for each."""
        key = tuple(sorted(sizes.items()))
        if key not in self._maps:
            self._maps[key] = self.layout.bind(sizes)
        return self._maps[key]

    @cached_property
    def _maps(self) -> dict[tuple[tuple[str, int], ...], Map]:
        return {}

    def with_(self, **changes: Any) -> Declaration:
        """The same declaration with some fields changed."""
        return replace(self, **changes)

    def problem(self, what: str, status: int = NOT_ANSWERED) -> Problem:
        """A problem of this side's, at the line of its function."""
        return Problem(what, file=self.file, line=self.line, status=status)

    def anew(self, family: str | None, objective: str | None) -> Declaration:
        """The same function and layout declared for another family or objective; `Problem` where they do not fit."""
        old, text, keywords = self.given
        phrase = {} if objective is None else {"objective": objective}
        return declared(self.function, family or old, text, {**keywords, **phrase})


def port(family: str | Family, layout: str = "", **keywords: Any) -> Callable[[F], F]:
    """Declare a function as a port of `family`; the function itself is returned unchanged.

    `family` is a name ("rnn", "lstm", ...), a family of one's own (`rowcol.bridge.own.own_family`), or "any" for a
    port that fits no family: its gradients are then held against its own loss.

    `layout` has one line an array: the port's name, the canonical name, the port's axes in order.
    Keywords: `objective`, `reduction`, `clip`, `sizes`, `dtype` and the settings of the family
    (`activation`). With `dialect="pytorch"` (and `layers=2, bidirectional=True`) the arrays are those of that
    dialect (`rowcol dialects`), and only what differs from it needs a line. Raises `Problem` where the
    declaration cannot be right, naming line and word.
    """

    if callable(family):
        raise _misplaced('@port stands without its arguments. Write @port("rnn", """...layout...""").')

    def declare(function: F) -> F:
        if isinstance(function, type) or not callable(function):
            what = f"the class {function.__name__}" if isinstance(function, type) else repr(function)
            raise _misplaced(f"@port declares a function that runs the network once, and not {what}.")
        declaration = declared(function, family, layout, keywords)
        try:
            function.__rowcol__ = declaration  # type: ignore[attr-defined]
        except AttributeError:
            raise _misplaced(
                f"@port cannot mark {declaration.name}, a {type(function).__name__}. "
                "Write a function that calls it, and declare that."
            ) from None
        return function

    return declare


def _misplaced(what: str) -> Problem:
    """What is wrong with a use of `port`, at the line that uses it."""
    import sys

    frame = sys._getframe(2)
    return Problem(what, file=frame.f_code.co_filename, line=frame.f_lineno)


def declared(
    function: Callable[..., Any], family: str | Family, layout: str, keywords: Mapping[str, Any]
) -> Declaration:
    """The declaration that `@port(family, layout, **keywords)` makes of a function."""
    file, line = place_of(function)
    try:
        found = _declared(function, family, layout, keywords, file, line)
        return found.with_(given=(family, layout, dict(keywords)))
    except Problem as problem:
        number = getattr(problem, "number", None)
        if number is not None and file is not None and line is not None:
            line = line_of_text(file, line, layout, number)
        raise problem.at(file, line) from None


def _declared(
    function: Callable[..., Any],
    family: str | Family,
    text: str,
    keywords: Mapping[str, Any],
    file: str | None,
    line: int | None,
) -> Declaration:
    if not isinstance(text, str):
        raise Problem(f"the layout is a text with one line an array, and not {text!r}.")
    written = frozenset(keywords)
    if "dialect" in keywords:
        from .dialects import in_dialect

        text, keywords = in_dialect(function, family, text, keywords)
    if family == "any":
        from .own import family_of_lines

        case = keywords.get("case")
        keywords = {k: v for k, v in keywords.items() if k != "case"}
        family = family_of_lines("any", text, case=case)
    elif not isinstance(family, Family):
        family = family_named(str(family), words_of(text))
    if "activations" in keywords:  # one a layer: the same choice under the name that reads better then
        keywords = {k: v for k, v in keywords.items() if k != "activations"} | {
            "activation": keywords["activations"]
        }
    known = KEYWORDS + tuple(family.settings)
    for word in keywords:
        if word not in known:
            raise Problem(
                f"@port does not know the keyword '{word}'{nearest(word, known, '.')} "
                f"For the family '{family.name}' it takes {', '.join(known)}."
            )
    settings: dict[str, Any] = {}
    for name, setting in family.settings.items():
        with about(name):
            settings[name] = _setting(name, setting, keywords)
    first_reading = parse(text, family.vocabulary())
    with about("objective" if "objective" in keywords else None):
        objective = _objective(family, first_reading, keywords.get("objective"))
    arrays = family.arrays(objective)
    for row in first_reading.lines:
        for array in row.arrays:
            if array not in arrays:
                raise LayoutError(
                    f"the line '{row.text}' names '{array}', which the objective '{objective}' does not use. "
                    f"Take the line out, or write the objective that uses it.",
                    number=row.number,
                )
    layout = parse(text, family.vocabulary(objective, settings))
    for array in family.arrays(objective, settings):
        if array not in layout.canonical and array not in family.absent:
            axes = " ".join(arrays[array])
            raise Problem(
                f"the layout has no line for '{array}' ({axes}), which the family '{family.name}' needs "
                f"under the objective '{objective}'. Add a line such as '{array}: {array}  {axes}'"
                f"{_on_its_own(family, layout, array) if 'objective' not in keywords else '.'}"
            )
    with about("reduction"):
        reduction = parse_reduction(keywords.get("reduction", "sum"))
    with about("clip"):
        clip = parse_clip(keywords.get("clip"))
    with about("sizes"):
        sizes = parse_sizes(keywords.get("sizes", ""), family)
    with about("dtype"):
        dtype = _one_of("dtype", keywords.get("dtype", "float64"), DTYPES)
    return Declaration(
        function=function,
        family=family,
        layout=layout,
        objective=objective,
        reduction=reduction,
        settings=settings,
        clip=clip,
        sizes=sizes,
        dtype=dtype,
        name=getattr(_innermost(function), "__name__", type(function).__name__),
        file=file,
        line=line,
        written=written,
    )


def _on_its_own(family: Family, layout: Layout, missing: str) -> str:
    """What else may be meant where a line for the targets or the output layer is missing: a layer without them."""
    of_the_loss = {*family.readout, *([family.target[0]] if family.target is not None else [])}
    if missing not in of_the_loss or not family.upstream:
        return "."
    name, axes = next(iter(family.upstream.values()))
    axes = tuple(axis for axis in axes if axis != "batch" or not layout.one_example)
    return f"; or, for a layer on its own, a line for its upstream gradient, such as 'd_out: {name}  {' '.join(axes)}'."


def side(
    family: Family, implementation: Implementation, objective: Objective, settings: Mapping[str, Any]
) -> Declaration:
    """One of our own implementations, declared as a user would, for an objective and settings."""
    arrays = family.arrays(objective, settings)
    lines = []
    for line in implementation.layout.splitlines():
        name = line.split(":")[-1].partition("[")[0].split()
        if not name or name[0] not in arrays:
            continue
        if objective.last and name[0] == family.given(objective):
            line = re.sub(r"\btime\b", "", line)
        lines.append(line)
    phrase = {} if objective.kind == OWN else {"objective": objective.implemented}
    return declared(implementation.function, family, "\n".join(lines), {**phrase, **settings})


def place_of(function: Callable[..., Any]) -> tuple[str | None, int | None]:
    """File and first line of a function, or (None, None) for what has no Python source."""
    inner = _innermost(function)
    code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else (None, None)


def _innermost(function: Any) -> Any:
    """What a decorated function or a `functools.partial` calls in the end."""
    while True:
        inner = getattr(function, "__wrapped__", None)
        if inner is None and type(function).__name__ == "partial":
            inner = function.func
        if inner is None:
            return function
        function = inner


def place_to_write(port: Declaration, phrase: str) -> str:
    """Where what a finding says of a declaration (`"reduction='sum'"`, `"the layout line '...'"`) is to be written."""
    if port.file is None or port.line is None:
        return "Say so to `rowcol export`, and export anew."
    name = phrase.partition("'")[2].partition(":")[0]
    for line in port.layout.lines if phrase.startswith((LAYOUT_LINE, LAYOUT_LINES)) else ():
        if line.text.partition(":")[0] == name:
            number = line_of_text(port.file, port.line, port.given[1], line.number)
            which = "That line" if phrase.startswith(LAYOUT_LINE) else "The first of them"
            return f"{which} stands at {os.path.basename(port.file)}:{number}."
    what = "Take it out of" if phrase.startswith(NOT_WRITTEN) else "Write it behind the layout in"
    what = "Write it in the layout of" if IN_ORDER in phrase else what
    return f"{what} the @port of {port.name}(), at {os.path.basename(port.file)}:{port.line}."


def line_of_text(file: str, line: int, text: str, number: int) -> int:
    """The line of a file in which line `number` of a layout stands; `line` where the text is not found."""
    import linecache

    linecache.checkcache(file)  # it may have been written anew since it was read
    lines = linecache.getlines(file)
    source = "".join(lines)
    start = source.find(text, len("".join(lines[: line - 1])))
    if start < 0:
        start = source.find(text)
    return line if start < 0 or not text else source.count("\n", 0, start) + number


def _objective(family: Family, layout: Layout, phrase: str | None) -> Objective:
    """The objective that the layout's lines imply, or the written one if it does not contradict them."""
    if family.objectives == (OWN,):
        if phrase is not None:
            raise Problem(
                f"objective='{phrase}': a port of the family '{family.name}' gives a loss of its own."
            )
        return Objective(OWN)
    given = {array: kind for kind, (array, _) in family.upstream.items() if array in layout.canonical}
    target = family.target[0] if family.target is not None else next(iter(family.upstream.values()))[0]
    if len(given) > 1 or (given and target not in given and target in layout.canonical):
        names = " and ".join(f"'{n}'" for n in [*given, *[target] * (target in layout.canonical)])
        raise Problem(f"the layout has lines for {names}: only one of them can be what is differentiated.")
    what = next(iter(given), target)
    last = family.timed and _without_time(layout, what) and not _without_time(layout, "x")
    phrase = None if phrase is None else " ".join(str(phrase).split())
    if phrase is None or (phrase == UPWARDS and given):
        return Objective(given.get(what, "softmax"), last)
    if phrase in (UPWARDS, UPWARDS + LAST) and not given:
        lines = ", ".join(f"'{array}'" for array, _ in family.upstream.values())
        raise Problem(f"objective='{phrase}' needs a line for the given gradient: one of {lines}.")
    written = Objective(given[what], last=True) if phrase == UPWARDS + LAST else parse_objective(phrase)
    if written.kind not in family.objectives or (written.last and not family.timed):
        known = ", ".join(f"'{o}'" for o in family.objectives)
        raise Problem(f"objective='{phrase}' is none that the family '{family.name}' has. Known: {known}.")
    implied = given.get(what)
    if implied is not None and written.kind != implied:
        raise Problem(
            f"objective='{phrase}' contradicts the layout, whose line for '{what}' says '{implied}'."
        )
    if written.upstream and implied is None:
        name, axes = family.upstream[written.kind]
        raise Problem(f"objective='{phrase}' needs a line '{name}: {name}  {' '.join(axes)}' in the layout.")
    if what in layout.canonical and last != written.last and not _without_time(layout, "x"):
        should = "without" if written.last else "with"
        fix = written.kind + (LAST if last else "")
        raise Problem(
            f"objective='{phrase}' contradicts the layout: the line for '{what}' should be {should} the axis "
            f"'time' then, or the objective '{fix}'."
        )
    return written


def _without_time(layout: Layout, array: str) -> bool:
    lines = [line for line in layout.lines if array in line.arrays]
    return bool(lines) and all("time" not in line.axes for line in lines)


def _setting(name: str, setting: Setting, keywords: Mapping[str, Any]) -> Any:
    if name not in keywords:
        if setting.required:
            values = " or ".join(f"{name}='{v}'" for v in setting.values)
            raise Problem(f"{values} has to be declared: ports differ in it, and there is no usual way.")
        return setting.values[0]
    value = keywords[name]
    if value in setting.values or setting.accepts(value):
        return value
    return _one_of(name, value, setting.values)


def _one_of(name: str, value: Any, values: tuple[Any, ...]) -> str:
    value = getattr(value, "__name__", value)
    if value not in values:
        known = ", ".join(f"'{v}'" for v in values)
        raise Problem(f"{name}={value!r} is unknown{nearest(str(value), values, '.')} Known: {known}.")
    return str(value)


def parse_reduction(phrase: Any) -> tuple[str, ...]:
    """`"sum"` -> (); `"mean over batch and time"` -> ("batch", "time")."""
    words = str(phrase).replace(",", " ").split()
    if words == ["sum"]:
        return ()
    axes = tuple(w for w in words[2:] if w != "and")
    if words[:2] == ["mean", "over"] and axes and set(axes) <= set(REDUCIBLE) and len(set(axes)) == len(axes):
        return tuple(a for a in REDUCIBLE if a in axes)
    raise Problem(
        f"reduction={phrase!r} is unknown. Known: 'sum', 'mean over batch', 'mean over batch and time' "
        f"(or over any of {', '.join(REDUCIBLE)})."
    )


def reduction_phrase(axes: tuple[str, ...]) -> str:
    """The phrase that `parse_reduction` reads."""
    if not axes:
        return "sum"
    return "mean over " + (", ".join(axes[:-1]) + " and " if axes[1:] else "") + axes[-1]


def parse_clip(value: Any) -> Clip | None:
    """None; a number: every element; `"norm 0.25"`: the norm of all gradients together."""
    if value is None:
        return None
    norm = isinstance(value, str) and value.split()[:1] == ["norm"]
    try:
        bound = 0.0 if isinstance(value, bool) else float(value.split()[1] if norm else value)
    except (TypeError, ValueError, IndexError):
        bound = 0.0
    if not bound > 0:
        raise Problem(
            f"clip={value!r} is unknown. Write a positive number (elementwise) or 'norm 0.25' (over all gradients)."
        )
    return Clip(bound, norm)


def parse_sizes(text: str, family: Family) -> Sizes:
    """Read `"output = input, hidden = 4"`: axes tied to axes and axes of a fixed size."""
    axes = sorted({a for shape in family.every_array().values() for a in shape})
    found = Sizes({}, {})
    for part in filter(None, (p.strip() for p in str(text).split(","))):
        axis, _, value = (w.strip() for w in part.partition("="))
        for word in [axis] + [value] * (not value.isdigit()):
            if word not in axes:
                no = f"there is no axis '{word}' in" if word is axis else f"'{word}' is neither a number nor an axis of"
                raise Problem(
                    f"sizes='{text}': {no} the family '{family.name}'"
                    f"{nearest(word, axes, '.')} Write 'axis = number' or 'axis = axis', with commas between."
                )
        if value.isdigit() and int(value) < 1:
            raise Problem(f"sizes='{text}': the axis '{axis}' needs a size of at least 1.")
        for word in (axis, value):
            if " " in family.ties.get(word, ""):
                product = " times ".join(family.ties[word].split())
                raise Problem(f"sizes='{text}': '{word}' is {product}. Fix or tie those.")
        axis, value = family.ties.get(axis, axis), family.ties.get(value, value)
        more = Sizes({axis: int(value)}, {}) if value.isdigit() else Sizes({}, {axis: value})
        try:
            found = joined(found, more)
        except Problem as problem:
            raise Problem(f"sizes='{text}' contradicts itself: {problem.what}") from None
    return found


def joined(first: Sizes, second: Sizes) -> Sizes:
    """What two declarations of sizes say together. Raises `Problem` where they contradict each other."""
    fixed, tied = dict(first.fixed), dict(first.tied)

    def end(axis: str) -> str:
        return end(tied[axis]) if axis in tied else axis

    for one, other in second.tied.items():
        axis, root = end(one), end(other)
        if axis == root:
            continue
        if axis in fixed and root in fixed and fixed[axis] != fixed[root]:
            raise Problem(f"'{one}' is {fixed[axis]} and '{other}' is {fixed[root]}, so they are not equal.")
        tied[axis] = root
        if axis in fixed:
            fixed[root] = fixed.pop(axis)
    for one, size in second.fixed.items():
        axis = end(one)
        if fixed.setdefault(axis, size) != size:
            raise Problem(f"'{one}' cannot be both {fixed[axis]} and {size}.")
    return Sizes(fixed, tied)
