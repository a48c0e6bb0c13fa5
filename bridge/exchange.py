"""Cases and gradients as files, for programs in any language.

    FOLDER/rowcol.json           the declaration, and what each case asks for
    FOLDER/README.txt            the same in words
    FOLDER/case-01/inputs.npz    or inputs.json, or a folder inputs/ with a .npy file for each array
    FOLDER/case-01/answer.npz    or answer.json, or a folder answer/: what the program wrote

A verdict asks a side several questions. They are put to a function that writes down what it is handed: those
are the cases. When the program has answered, they are put once more, to a function that looks the answers up.
Files are read as what they are: text and plain numbers, never more of them than an answer can need.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .case import Case, cases, choose_sizes
from .declaration import Declaration, declared
from .diff import LOSS, single_cases
from .family import family_named
from .judge import cases_at_one, shortens
from .oracle import slope
from .plainfiles import PLAIN, ROOM, arrays_in, bytes_of, json_of
from .problem import Problem, about
from .run import run

Array = NDArray[Any]
Shape = tuple[int, ...]
FORMAT = 1  # of rowcol.json; raised when an older version could not read it
DECLARATION = "rowcol.json"
INPUTS, ANSWER = "inputs", "answer"
FORMATS = ("npz", "npy", "json")
MOVED = " moved"
MOST = 4_000_000  # numbers in a case


# What is asked ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """The data of one call: the port's arrays, and the shapes of the gradients that are asked for."""

    what: str
    arrays: Mapping[str, Any]
    gradients: Mapping[str, Shape]
    sizes: Mapping[str, int]
    needed: bool  # without an answer to it there is no verdict

    @property
    def mark(self) -> bytes:
        """A digest of the data: the same data are the same question."""
        import hashlib

        digest = hashlib.sha256()
        for name in sorted(self.arrays):
            value = np.ascontiguousarray(self.arrays[name])
            digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
            digest.update(value.tobytes())
        return digest.digest()

    @property
    def numbers(self) -> int:
        """How many numbers it holds, or its answer."""
        return sum(np.size(value) for value in self.arrays.values()) + 1


def questions(port: Declaration, seed: int, own_loss: bool) -> list[Question]:
    """All that a verdict on a port asks of it, in order, each once.

    `own_loss`: also what it takes to hold the gradients against the port's own loss.
    """
    asked: dict[bytes, Question] = {}

    def asking(what: str, case: Case, needed: bool = False) -> Declaration:
        shapes = port.bind(case.sizes).shapes
        gradients = {name: shapes[name] for name in port.parameters}

        def write_down(**arrays: Any) -> tuple[float, dict[str, Array]]:
            question = Question(what, arrays, gradients, case.sizes, needed)
            asked.setdefault(question.mark, question)
            return 0.0, {}

        return port.with_(function=write_down)

    chosen = single_cases(port, cases(port, seed))
    for case in chosen:
        run(asking(case.label, case, needed=True), case)
    for axis in ("time", "batch"):
        if not shortens(port, axis):
            continue
        try:
            alone = cases_at_one(port, axis, seed)
        except Problem:
            continue  # the port fixes that axis
        for case in alone:
            run(asking(f"{axis} = 1", case), case)
    if own_loss:
        # Where gradients are clipped, only small ones are those of a loss.
        case = chosen[0] if port.clip is None else chosen[-1]
        for name, shape in port.bind(case.sizes).shapes.items():
            if name in port.parameters:
                slope(asking(f"{name}{MOVED}", case), case, name, np.zeros(shape))
    return list(asked.values())


def answering(port: Declaration, asked: Sequence[Question], answers: Sequence[Any]) -> Declaration:
    """The port whose function gives the answers that were read (None where there is none)."""
    known = {question.mark: answer for question, answer in zip(asked, answers, strict=True)}

    def look_up(**arrays: Any) -> Any:
        answer = known.get(Question("", arrays, {}, {}, False).mark)
        if answer is None:
            raise Problem("there is no answer for these data.", file=port.file)
        return answer

    return port.with_(function=look_up)


# The declaration --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Order:
    """What was exported: enough to make every case again."""

    name: str
    family: str
    layout: str
    keywords: Mapping[str, Any]
    seed: int
    own_loss: bool

    def port(self, file: str) -> Declaration:
        """The declaration of the program as a port; `file` is where a problem of its lies."""
        try:
            with about("family"):
                family_named(self.family)  # a family of somebody's own has no data that could be written
            made = declared(_nobody, self.family, self.layout, self.keywords)
            if made.layout.one_example:
                sizes = ", ".join(filter(None, (self.keywords.get("sizes", ""), "batch = 1")))
                made = declared(_nobody, self.family, self.layout, {**self.keywords, "sizes": sizes})
        except Problem as problem:
            found = Problem(problem.what, file=file, line=getattr(problem, "number", None))
            found.keyword = problem.keyword
            raise found from None
        made = made.with_(name=self.name, file=file, line=None)
        _check_names(made)
        sizes_of_one = choose_sizes(made, np.random.default_rng(self.seed))
        numbers = sum(prod(sizes_of_one[axis] for axis in axes) for axes in made.arrays.values())
        if numbers > MOST:
            raise Problem(
                f"a case of these sizes has {numbers} numbers; at most {MOST} are written: choose smaller.",
                file=file,
            )
        return made


def _nobody(**arrays: Any) -> Any:
    """The function of a port that is not there."""
    raise Problem("there are no answers yet.")


def _check_names(port: Declaration) -> None:
    """Every array must be able to be a file, and a file of its own."""
    seen: dict[str, str] = {}
    for name in port.layout.names:
        if name == LOSS:
            raise Problem("no array can be called 'loss': in an answer, that is the loss.", file=port.file)
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise Problem(
                f"the arrays '{other}' and '{name}' are one file where capitals do not count: rename one.",
                file=port.file,
            )


def read_order(folder: str) -> Order:
    """What `rowcol.json` says. Raises `Problem` where it is not what was exported."""
    file = os.path.join(folder, DECLARATION)
    if os.path.isfile(folder):
        raise Problem("is a file; expected the folder that `rowcol export` wrote.", file=folder)
    if not os.path.isdir(folder):
        raise Problem("no such folder. `rowcol export` writes one.", file=folder)
    if not os.path.isfile(file):
        raise Problem(f"is no folder that `rowcol export` wrote: there is no {DECLARATION} in it.", file=folder)
    found = json_of(bytes_of(file, 4 * ROOM), file)
    if not isinstance(found, dict) or found.get("rowcol") != FORMAT:
        raise Problem(f"is not what `rowcol export` writes ('rowcol': {FORMAT} is missing).", file=file)
    layout, keywords = found.get("layout"), found.get("keywords")
    fits = {
        "name": isinstance(found.get("name"), str) and PLAIN.fullmatch(found["name"]),
        "family": isinstance(found.get("family"), str),
        "layout": isinstance(layout, list) and all(isinstance(line, str) for line in layout),
        "keywords": isinstance(keywords, dict)
        and all(isinstance(value, str | bool | int | float) for value in keywords.values()),
        "seed": type(found.get("seed")) is int and found["seed"] >= 0,
        "own loss": isinstance(found.get("own loss"), bool),
    }
    for key, right in fits.items():
        if not right:
            raise Problem(f"'{key}' is missing or is not what `rowcol export` writes there.", file=file)
    assert isinstance(layout, list) and isinstance(keywords, dict)
    return Order(
        found["name"], found["family"], "\n".join(layout), keywords, found["seed"], found["own loss"]
    )


def folder_of(number: int) -> str:
    """`case-01` is the first."""
    return f"case-{number + 1:02d}"


# Writing ----------------------------------------------------------------------------------------------------


def write(folder: str, order: Order, asked: Sequence[Question], form: str, readme: str) -> None:
    """Write all cases into a new folder (or an empty one)."""
    try:
        if os.path.exists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
            what = "is there already and is not empty; nothing was written. Choose another name."
            raise Problem(what, file=folder)
        os.makedirs(folder, exist_ok=True)
        for number, question in enumerate(asked):
            case = os.path.join(folder, folder_of(number))
            os.mkdir(case)
            _write_arrays(case, question.arrays, form)
        with open(os.path.join(folder, "README.txt"), "w", encoding="utf-8") as file:
            file.write(readme)
        with open(os.path.join(folder, DECLARATION), "w", encoding="utf-8") as file:
            file.write(_declaration(order, asked, form))
    except OSError as error:
        raise Problem(f"cannot be written: {error.strerror}.", file=error.filename or folder) from None


def _write_arrays(case: str, arrays: Mapping[str, Any], form: str) -> None:
    if form == "json":
        with open(os.path.join(case, f"{INPUTS}.json"), "w", encoding="utf-8") as file:
            texts = {name: json.dumps(np.asarray(value).tolist()) for name, value in arrays.items()}
            file.write(_lines(texts))
    elif form == "npz":
        import zipfile

        with zipfile.ZipFile(os.path.join(case, f"{INPUTS}.npz"), "w") as archive:
            for name, value in arrays.items():
                with archive.open(f"{name}.npy", "w") as member:
                    npy.write_array(member, np.asarray(value), allow_pickle=False)
    else:
        os.mkdir(os.path.join(case, INPUTS))
        os.mkdir(os.path.join(case, ANSWER))
        for name, value in arrays.items():
            with open(os.path.join(case, INPUTS, f"{name}.npy"), "wb") as binary:
                npy.write_array(binary, np.asarray(value), allow_pickle=False)


def _declaration(order: Order, asked: Sequence[Question], form: str) -> str:
    described = [
        {
            "folder": folder_of(number),
            "what": question.what,
            "sizes": dict(question.sizes),
            "inputs": {name: list(np.shape(value)) for name, value in question.arrays.items()},
            "gradients": {name: list(shape) for name, shape in question.gradients.items()},
        }
        for number, question in enumerate(asked)
    ]
    top = {
        "rowcol": FORMAT,
        "name": order.name,
        "family": order.family,
        "keywords": dict(order.keywords),
        "seed": order.seed,
        "own loss": order.own_loss,
        "format": form,
    }
    parts = {key: json.dumps(value, ensure_ascii=False) for key, value in top.items()}
    parts["layout"] = _list(json.dumps(line, ensure_ascii=False) for line in order.layout.splitlines())
    parts["cases"] = _list(json.dumps(one, ensure_ascii=False) for one in described)
    return _lines(parts)


def _lines(parts: Mapping[str, str]) -> str:
    """A JSON object, an entry a line."""
    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {value}" for key, value in parts.items()) + "\n}\n"


def _list(parts: Iterator[str]) -> str:
    return "[\n    " + ",\n    ".join(parts) + "\n  ]"


# Reading ----------------------------------------------------------------------------------------------------


def check_inputs(folder: str, number: int, question: Question) -> None:
    """Raise `Problem` where the inputs of a case are not those that were exported."""
    case = os.path.join(folder, folder_of(number))
    found = _place(case, INPUTS)
    if found is None:
        raise Problem(f"has no inputs ({', '.join(_places(INPUTS))}): export anew.", file=case)
    arrays = dict(arrays_in(found, list(question.arrays), question.numbers))
    for name, value in question.arrays.items():
        exported = np.asarray(value)
        there = arrays.get(name)
        same = there is not None and np.array_equal(np.asarray(there).astype(exported.dtype), exported)
        if not same:
            raise Problem(
                f"'{name}' is not what was exported (or another version of rowcol or NumPy exported it). "
                "Export anew into another folder.",
                file=found,
            )


def read_answer(folder: str, number: int, port: Declaration, question: Question) -> Any:
    """What the program gave on a case, as a port returns it: (loss, gradients); None for nothing."""
    case = os.path.join(folder, folder_of(number))
    found = _place(case, ANSWER)
    if found is None:
        return None
    known = [*port.parameters, LOSS]
    arrays = dict(arrays_in(found, known, question.numbers))
    strangers = [name for name in arrays if name not in known]
    if not set(arrays) & set(known):
        what = f"{_and(strangers)}, and no array of this family and layout" if arrays else "nothing"
        raise Problem(f"holds {what}. Expected: {', '.join(known)}.", file=found)
    loss = arrays.pop(LOSS, None)
    return loss, {name: value for name, value in arrays.items() if value is not None or name in strangers}


def _places(what: str) -> tuple[str, ...]:
    return f"{what}.npz", f"{what}.json", f"{what}/"


def _place(case: str, what: str) -> str | None:
    """The one file or folder of a case that holds inputs, or an answer."""
    if not os.path.isdir(case):
        return None
    names = [name for name in _places(what) if _is_there(os.path.join(case, name.rstrip("/")), name)]
    if len(names) > 1:
        raise Problem(f"there are {' and '.join(names)}, and one of them must go.", file=case)
    return os.path.join(case, names[0].rstrip("/")) if names else None


def _is_there(path: str, name: str) -> bool:
    if not name.endswith("/"):
        return os.path.lexists(path)
    return os.path.isdir(path) and bool(os.listdir(path))


def _and(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:6]) + (", ..." if len(names) > 6 else "")
