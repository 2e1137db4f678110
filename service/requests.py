"""Bytes of a body → the tensors of its rows, or what exactly is wrong with them.

One typed decode tells nearly everything. The decoder stops at the literals `NaN` and `Infinity`, which Python writes
though they are no JSON, and at numbers beyond float64; only then a second, lenient reading finds the rows they are in.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np

from contract.errors import InvalidRows
from contract.faults import shorten
from contract.tensors import RowReader, Tensors
from service.errors import BodyTooLarge, InvalidBody, MalformedBody

SHAPE = '{"instances": [row, …]}, each row an array or an object'


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a prediction is asked with. Rows stay unchecked here: `RowReader` names each fault of each."""

    instances: list[Any]


DECODER = msgspec.json.Decoder(Body)

BULKY_BYTES = 2**20
"""Smaller bodies cannot decode to much; above, it is worth counting first."""


def read_rows(body: bytes, reader: RowReader, max_rows: int) -> Tensors:
    """The tensors of the rows in `body`.

    Raises:
        MalformedBody: it is not JSON, or nests too deeply.
        InvalidBody: it is JSON of another shape, or has no rows.
        BodyTooLarge: it has more than `max_rows` rows.
        InvalidRows: rows do not fit the model.
    """
    _check_size(body, max_rows)
    try:
        rows = DECODER.decode(body).instances
        if not rows:
            raise InvalidBody("a body must hold at least one row, got none")
        if len(rows) > max_rows:
            raise BodyTooLarge(f"a body must hold at most {max_rows} rows, got {len(rows)}")
        return reader.read(rows)
    except msgspec.DecodeError as error:
        raise _explain(error, body, reader) from None
    except UnicodeDecodeError:
        raise MalformedBody("a body must be UTF-8") from None
    except RecursionError:
        raise MalformedBody("a body must not nest so deeply") from None


def _check_size(body: bytes, max_rows: int) -> None:
    """Refuse too many rows while they are bytes: an empty array takes 3 of them here, and some 70 once decoded.

    Raises:
        BodyTooLarge: outside of texts, the body opens more arrays and objects than `max_rows` rows need.
    """
    limit = max_rows + 2  # the list of rows, and the object around it
    if len(body) < BULKY_BYTES or body.count(b"[") + body.count(b"{") <= limit:
        return
    characters = np.frombuffer(body.replace(rb"\\", b"").replace(rb"\"", b""), np.uint8)
    within_text = np.logical_xor.accumulate(characters == ord('"'))
    opening = (characters == ord("[")) | (characters == ord("{"))
    if np.count_nonzero(opening & ~within_text) > limit:
        raise BodyTooLarge(f"a body must hold at most {max_rows} rows, got more arrays and objects than those need")


def _explain(error: msgspec.DecodeError, body: bytes, reader: RowReader) -> Exception:
    message = str(error)
    if ("out of range" in message or b"NaN" in body or b"Infinity" in body) and (faults := _find(body, reader)):
        return faults
    if not isinstance(error, msgspec.ValidationError):
        return MalformedBody(f"a body must be JSON: {shorten(message)}")
    return InvalidBody(f"a body must be {SHAPE}: {message[0].lower()}{message[1:200]}")


class NaN(float):
    """`NaN` where a value should be. A type of its own, since no feature takes it; a fault shows the type's name."""

    __slots__ = ()


def _constant(literal: str) -> float:
    return NaN(literal) if literal == "NaN" else float(literal)


def _find(body: bytes, reader: RowReader) -> InvalidRows | None:
    """What is wrong with the rows, read as Python reads JSON; None where even that fails, or nothing is."""
    try:
        document = json.loads(body.decode(), parse_constant=_constant)
        rows = document.get("instances") if isinstance(document, dict) else None
        if isinstance(rows, list):
            reader.read(rows)
    except InvalidRows as faults:
        return faults
    except (ValueError, RecursionError):
        return None
    return None
