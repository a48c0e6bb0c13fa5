"""Reports for programs."""

from __future__ import annotations

from typing import Any


def as_json(data: Any) -> str:
    """Plain data as JSON that every reader takes: what is no finite number (no difference, say) is null."""
    import json

    return json.dumps(_finite(data), indent=2, allow_nan=False)


def schema(name: str = "schema.json") -> str:
    """The JSON Schema of what a command prints as JSON: that of `rowcol diff`, or another file's."""
    import os

    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    if isinstance(data, float) and data - data != 0:
        return None
    return data
