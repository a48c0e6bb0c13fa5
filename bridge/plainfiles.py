"""Files that somebody else wrote, read as what they are: text and plain numbers, and no more of them than is needed.

Nothing of a file is believed that its bytes do not bear out, nothing in it is run, and every message names it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .problem import Problem, nearest

Array = NDArray[Any]
ROOM = 1 << 20  # bytes that any file may have, beside those of its numbers
WIDEST = 64  # bytes that a number may take, as text
PLAIN = re.compile(r"\w[\w.-]*")
UNREADABLE = (ValueError, KeyError, SyntaxError, TypeError, RecursionError, MemoryError)  # what a bad header raises


def arrays_in(place: str, known: Sequence[str], numbers: int) -> Iterator[tuple[str, Any]]:
    """Names and arrays of an archive, a JSON file or a folder. What nobody asked for is named, not read."""
    room = ROOM + WIDEST * numbers
    if os.path.isdir(place):
        yield from _of_folder(place, known, room)
    elif place.endswith(".json"):
        found = json_of(bytes_of(place, room), place)
        if not isinstance(found, dict):
            raise Problem(f"holds no object {{name: numbers}}, but {_kind(found)}.", file=place)
        for name in _plain(found, known, place):
            wanted = name in known and found[name] is not None
            yield name, numbers_of(found[name], f"'{name}'", place) if wanted else None
    else:
        yield from _of_archive(place, known, room)


def _of_folder(place: str, known: Sequence[str], room: int) -> Iterator[tuple[str, Any]]:
    seen: dict[str, str] = {}
    for file in sorted(os.listdir(place)):
        name, ending = os.path.splitext(file)
        if file.startswith(".") or ending not in (".npy", ".json"):
            continue  # an editor's or a system's own
        if name in seen:
            raise Problem(f"there are {seen[name]} and {file}, and one of them must go.", file=place)
        seen[name] = file
        (name,) = _plain([name], known, place)
        path = os.path.join(place, file)
        if name not in known:
            yield name, None
        elif ending == ".json":
            yield name, numbers_of(json_of(bytes_of(path, room), path), "it", path)
        else:
            yield name, array_of(bytes_of(path, room), "", path)


def _of_archive(place: str, known: Sequence[str], room: int) -> Iterator[tuple[str, Any]]:
    import io
    import zipfile
    import zlib

    data = bytes_of(place, room)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            names = [member.filename.removesuffix(".npy") for member in members]
            if len(set(names)) < len(names):
                raise Problem("holds two arrays of one name.", file=place)
            for member, name in zip(members, _plain(names, known, place), strict=True):
                if name not in known:
                    yield name, None
                    continue
                with archive.open(member) as opened:
                    content = opened.read(room + 1)
                if len(content) > room:
                    raise Problem(_too_large(f"'{name}'", room), file=place)
                yield name, array_of(content, f"'{name}' ", place)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        what = f"is no whole .npz archive ({first_line(error)}). Was it written to its end?"
        raise Problem(what, file=place) from None


def _plain(names: Sequence[str] | Mapping[str, Any], known: Sequence[str], place: str) -> list[str]:
    """The names, none of which is more than a name."""
    for name in names:
        if not PLAIN.fullmatch(name) or len(name) > 100:
            close = nearest(name[:100], known, ".")
            raise Problem(
                f"holds {shown_as_text(name)}, which is no name of an array{close} Expected: {', '.join(known)}. "
                "Nothing else of it was read.",
                file=place,
            )
    return list(names)


def bytes_of(path: str, room: int) -> bytes:
    """A file's content; only of a plain file, and not of one that is much larger than it can need to be."""
    try:
        if not os.path.isfile(path):
            raise Problem("is no plain file.", file=path)
        with open(path, "rb") as file:
            data = file.read(room + 1)
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror}.", file=path) from None
    if len(data) > room:
        raise Problem(_too_large("it", room), file=path)
    return data


def _too_large(what: str, room: int) -> str:
    return f"{what} is larger than it can be (more than {room} bytes). Does it belong to this case?"


def array_of(data: bytes, what: str, place: str) -> Array:
    """The array in a .npy file's bytes; `what` it is begins every message. Raises `Problem` where it is none."""
    import io
    import tokenize

    stream = io.BytesIO(data)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        reader = readers[npy.read_magic(stream)]
        shape, fortran, dtype = reader(stream)
    except (*UNREADABLE, tokenize.TokenError) as error:
        raise Problem(f"{what}is no array in the .npy format ({first_line(error)}).", file=place) from None
    if dtype.hasobject:
        raise Problem(f"{what}holds pickled objects, which are never read. Write plain numbers.", file=place)
    if dtype.kind not in "fiub":
        raise Problem(f"{what}holds {shown_as_text(str(dtype))}. Expected real numbers, such as <f8.", file=place)
    left = len(data) - stream.tell()
    expected = prod(shape) * dtype.itemsize
    if any(n < 0 for n in shape):
        raise Problem(f"{what}claims the shape {shown_as_text(str(shape))}, which no array has.", file=place)
    if expected != left:
        short = "is cut off, or its header is wrong" if expected > left else "is longer than its header says"
        raise Problem(
            f"{what}{short}: a {dtype.name} array of shape {shown_as_text(str(tuple(shape)))} has {expected} bytes; "
            f"there are {left}.",
            file=place,
        )
    try:
        flat = np.frombuffer(data, dtype, offset=stream.tell()) if left else np.zeros(0, dtype)
        array = flat.reshape(shape, order="F" if fortran else "C")
    except ValueError as error:
        raise Problem(f"{what}is no array that NumPy can hold ({first_line(error)}).", file=place) from None
    return np.array(array, dtype=dtype.newbyteorder("="), order="C")


def json_of(data: bytes, place: str) -> Any:
    """What a JSON file holds; `place` is where a problem of its lies."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Problem(f"is no whole JSON file ({first_line(error)}).", file=place) from None


def numbers_of(value: Any, what: str, place: str) -> Array:
    """A number, or lists of lists of them, as an array; null is what JSON has for a number that is none."""
    if isinstance(value, dict):
        raise Problem(
            f"{what} is an object. Write lists of numbers (in JavaScript, Array.from(typed array)).",
            file=place,
        )
    try:
        array = np.array(_without_null(value))
    except (ValueError, RecursionError, OverflowError):
        raise Problem(f"{what} has rows of different lengths.", file=place) from None
    if array.dtype.kind not in "fiub":
        raise Problem(f"{what} holds something that is no number.", file=place)
    return array


def _without_null(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_null(one) for one in value]
    return np.nan if value is None else value


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a single value")


def shown_as_text(text: str) -> str:
    """A text that a file holds, fit to be shown."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def first_line(error: BaseException) -> str:
    """What an exception says, in one short line of ASCII."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:100].encode("ascii", "backslashreplace").decode()
