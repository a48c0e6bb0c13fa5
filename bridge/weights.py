"""Files of weights: `.npz` and (with the extra `safetensors`) `.safetensors`, read with suspicion, written whole."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .plainfiles import array_of, first_line
from .problem import Problem

Array: TypeAlias = NDArray[Any]

ENDINGS = (".npz", ".safetensors")
ROOM = 1 << 32  # bytes that a file's arrays may have together, unless the file itself is nearly as large
RATIO = 100  # how much larger than its file an array may be beyond that
LONGEST = 300  # characters of an array's name


def read(path: str, ignore: Sequence[str] = ()) -> dict[str, Array]:
    """The arrays of a file by name, without what is to be ignored, which may hold anything.

    Raises `Problem` for a file that is damaged, hostile or of another kind.
    """
    ending = _ending(path)
    try:
        size = os.path.getsize(path)
        arrays = _npz(path, size, ignore) if ending == ".npz" else _safetensors(path, ignore)
    except FileNotFoundError:
        raise Problem("no such file.", file=path) from None
    except MemoryError:
        raise Problem("its arrays do not fit into memory.", file=path) from None
    except OSError as error:
        raise Problem(f"cannot be read: {error.strerror or error}.", file=path) from None
    if not arrays:
        raise Problem("holds no arrays" + " beside those to be ignored" * bool(ignore) + ".", file=path)
    for name, value in arrays.items():
        _check_numbers(name, value.dtype, path)
    return arrays


def is_ignored(name: str, ignore: Sequence[str]) -> bool:
    """Is an array to be left out: does its name begin with one of these words?"""
    return name.startswith(tuple(ignore))


def _check_numbers(name: str, dtype: np.dtype[Any], path: str) -> None:
    """Weights are floating-point numbers; integers and truths beside them are counters, seeds and masks."""
    if dtype.kind not in "fiub":
        raise Problem(f"'{shown(name)}' holds {dtype}; weights are floating-point numbers.", file=path)


def write(path: str, arrays: Mapping[str, Array], overwrite: bool = False) -> None:
    """Write the arrays to a file that appears whole or not at all."""
    ending = _ending(path)
    if os.path.lexists(path) and not overwrite:
        raise Problem("this file is there already, and is left as it is. --force writes over it.", file=path)
    folder, base = os.path.split(path)
    partial = os.path.join(folder, f".{base}.{os.getpid()}")
    try:
        try:
            (_write_npz if ending == ".npz" else _write_safetensors)(partial, arrays)
            os.replace(partial, path)
        finally:
            if os.path.lexists(partial):
                os.remove(partial)
    except OSError as error:
        raise Problem(f"cannot be written: {error.strerror or error}.", file=path) from None


def shown(name: str) -> str:
    """A name out of a file, fit for a terminal."""
    text = "".join(character if character.isprintable() else "?" for character in name)
    return text if len(text) <= 80 else text[:77] + "..."


def _ending(path: str) -> str:
    if os.path.isdir(path):
        raise Problem("is a folder; expected a file of weights.", file=path)
    ending = os.path.splitext(path)[1]
    if ending not in ENDINGS:
        raise Problem(f"a file of weights ends in {' or '.join(ENDINGS)}, and not in '{ending}'.", file=path)
    return ending


def _check_name(name: str, path: str) -> None:
    """A name is a name: nothing that another program could take for a path out of its folder."""
    name = name.removesuffix(":0")  # which Keras had behind every name before its version 3
    parts = re.split(r"[/\\]", name)
    if not name or len(name) > LONGEST or not name.isprintable():
        raise Problem(f"holds an array with the name '{shown(name)}', which cannot be one.", file=path)
    if "\\" in name or ":" in name or "" in parts or ".." in parts or "." in parts:
        raise Problem(f"'{shown(name)}' is a path, and not the name of an array.", file=path)


def _npz(path: str, size: int, ignore: Sequence[str]) -> dict[str, Array]:
    import zipfile
    import zlib

    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > max(ROOM, RATIO * size):
                raise Problem(f"claims to hold {total:,} bytes in a file of {size:,}: it is not unpacked.", file=path)
            for member in members:
                name = member.filename.removesuffix(".npy")
                if is_ignored(name, ignore):
                    continue
                _check_name(name, path)
                if name == member.filename:
                    raise Problem(f"holds '{shown(name)}', which is no array (.npy).", file=path)
                if name in arrays:
                    raise Problem(f"holds '{shown(name)}' twice.", file=path)
                arrays[name] = array_of(archive.read(member), f"'{shown(name)}' ", path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Problem(f"is no .npz file, or a damaged one ({first_line(error)}).", file=path) from None
    return arrays


def _write_npz(path: str, arrays: Mapping[str, Array]) -> None:
    import zipfile

    from numpy.lib import format as npy

    with zipfile.ZipFile(path, "x") as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.asanyarray(value), allow_pickle=False)


def _extra() -> Any:
    from importlib import import_module

    try:
        return import_module("safetensors.numpy")
    except ImportError:
        what = 'a .safetensors file needs the extra: pip install "rowcol[safetensors]", or use .npz.'
        raise Problem(what) from None


def _safetensors(path: str, ignore: Sequence[str]) -> dict[str, Array]:
    extra = _extra()
    try:
        arrays: dict[str, Array] = extra.load_file(path)
    except OSError:
        raise
    except Exception as error:  # its own SafetensorError, and KeyError for a dtype that NumPy does not have
        raise Problem(
            f"is no .safetensors file that NumPy can hold, or a damaged one ({first_line(error)}).",
            file=path,
        ) from None
    for name in arrays:
        _check_name(name, path)
    return {name: value for name, value in arrays.items() if not is_ignored(name, ignore)}


def _write_safetensors(path: str, arrays: Mapping[str, Array]) -> None:
    _extra().save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, path)
