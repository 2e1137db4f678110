"""JSON bytes → a document of any values, or what exactly is wrong with them.

The decoder stops at the literals `NaN` and `Infinity`, which Python writes though they are no JSON, and at numbers
beyond float64; only then a second, lenient reading keeps them, so that their rows can be named.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec
import numpy as np

from contract.faults import shorten
from service.errors import BodyTooLarge, InvalidBody, MalformedBody

BULKY_BYTES = 2**20
"""Smaller bodies cannot decode to much; above, it is worth counting first."""
FRAME = 5
"""The most arrays and objects that a body needs beside its rows: MLflow's, the frame, its names, index and data."""
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding other bytes ends in."""

T = TypeVar("T")


class NaN(float):
    """`NaN` where a value should be. A type of its own, since no feature takes it; a fault shows the type's name."""

    __slots__ = ()


def decode(body: bytes, kind: type[T], shape: str, *, place: str = "") -> T:
    """The document in `body`. Its rows may hold what is no JSON: `NaN`, and infinite numbers.

    `shape` is what messages call `kind`, `place` where in a body this is.

    Raises:
        MalformedBody: it is not JSON, or nests too deeply.
        InvalidBody: it is JSON of another shape.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        try:
            return msgspec.convert(_lenient(str(error), body), kind)
        except (ValueError, RecursionError):
            raise explain(error, shape, place) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise explain(error, shape, place) from None


def check_size(body: bytes, max_rows: int) -> None:
    """Refuse too many rows while they are bytes: an empty array takes 3 of them here, and some 70 once decoded.

    Raises:
        BodyTooLarge: outside of texts, the body opens more arrays and objects than `max_rows` rows need.
    """
    limit = max_rows + FRAME
    if len(body) < BULKY_BYTES or body.count(b"[") + body.count(b"{") <= limit:
        return
    characters = np.frombuffer(body.replace(rb"\\", b"").replace(rb"\"", b""), np.uint8)
    within_text = np.logical_xor.accumulate(characters == ord('"'))
    opening = (characters == ord("[")) | (characters == ord("{"))
    if np.count_nonzero(opening & ~within_text) > limit:
        raise BodyTooLarge(f"a body must hold at most {max_rows} rows, got more arrays and objects than those need")


def explain(error: Exception, shape: str, place: str = "") -> MalformedBody | InvalidBody:
    """What decoding ended in, as what is wrong with the body."""
    if isinstance(error, UnicodeDecodeError):
        return MalformedBody(f"{place}a body must be UTF-8")
    if isinstance(error, RecursionError):
        return MalformedBody(f"{place}a body must not nest so deeply")
    message = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return MalformedBody(f"{place}a body must be JSON: {shorten(message)}")
    return InvalidBody(f"{place}a body must be {shape}: {message[0].lower()}{message[1:200]}")


def _lenient(message: str, body: bytes) -> Any:
    """A document as Python reads JSON.

    Raises:
        ValueError: it would not read it either, or no literal was in the way.
        RecursionError: it nests too deeply.
    """
    if "out of range" not in message and b"NaN" not in body and b"Infinity" not in body:
        raise ValueError
    return json.loads(body.decode(), parse_constant=_constant)


def _constant(literal: str) -> float:
    return NaN(literal) if literal == "NaN" else float(literal)
