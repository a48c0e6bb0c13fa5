"""A matrix as a small picture: one pixel an element, coloured by its sign and size."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

BELOW, ABOVE, NO_NUMBER = (47, 111, 208), (224, 102, 16), (150, 0, 120)


def png(values: Sequence[Sequence[float]], largest: float) -> str:
    """The picture in base64. Zero is transparent, so that it fits light paper and dark."""
    lines = b"".join(b"\0" + b"".join(_pixel(value, largest) for value in line) for line in values)
    head = struct.pack(">IIBBBBB", len(values[0]), len(values), 8, 6, 0, 0, 0)
    chunks = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(lines, 9)) + _chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode("ascii")


def _pixel(value: float, largest: float) -> bytes:
    if value - value != 0:
        return bytes((*NO_NUMBER, 255))
    share = min(abs(value) / largest, 1.0) if largest > 0 else 0.0
    return bytes((*(BELOW if value < 0 else ABOVE), round(255 * share)))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
