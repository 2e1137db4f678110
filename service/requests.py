"""Bytes of a body → the tensors of its rows, or what exactly is wrong with them.

One typed decode tells nearly everything. The decoder stops at the literals `NaN` and `Infinity`, which Python writes
though they are no JSON, and at numbers beyond float64; only then a second, lenient reading finds the rows they are in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from contract.errors import Fault, InvalidRows
from contract.faults import MAX_FAULTS, shorten
from contract.schema import Schema
from contract.tensors import RowReader, Tensors
from service.errors import BodyTooLarge, InvalidBody, MalformedBody

SHAPE = '{"instances": [row, …]}, each row an array or an object'


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a prediction is asked with. Rows stay unchecked here: `RowReader` names each fault of each."""

    instances: list[Any]


DECODER = msgspec.json.Decoder(Body)

NUMBER = "a finite float32 number or null"

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
        raise _explain(error, body, reader.schema) from None
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


def _explain(error: msgspec.DecodeError, body: bytes, schema: Schema) -> Exception:
    message = str(error)
    if ("out of range" in message or b"NaN" in body or b"Infinity" in body) and (faults := _find(body, schema)):
        return faults
    if not isinstance(error, msgspec.ValidationError):
        return MalformedBody(f"a body must be JSON: {shorten(message)}")
    return InvalidBody(f"a body must be {SHAPE}: {message[0].lower()}{message[1:200]}")


class _Literal(str):
    """The text of `NaN`, `Infinity` or `-Infinity` where a value should be."""

    __slots__ = ()


LITERALS = {text: _Literal(text) for text in ("NaN", "Infinity", "-Infinity")}


def _find(body: bytes, schema: Schema) -> InvalidRows | None:
    """The cells that hold no finite number; None where there is none, or the body is malformed in another way, too."""
    faults: list[Fault] = []
    n_faults = 0
    for row, name, cell in _cells(body, schema):
        if isinstance(cell, _Literal) or (isinstance(cell, float) and not math.isfinite(cell)):
            n_faults += 1
            if len(faults) < MAX_FAULTS:
                got = str(cell) if isinstance(cell, _Literal) else "a number beyond float64"
                faults.append(Fault(row=row, feature=shorten(name), expected=NUMBER, got=got))
    return InvalidRows(faults, n_faults) if faults else None


def _cells(body: bytes, schema: Schema) -> Iterator[tuple[int, str, Any]]:
    """Row, feature and content of each cell, read as Python reads JSON; nothing where even that fails."""
    try:
        document = json.loads(body.decode(), parse_constant=LITERALS.__getitem__)
    except (ValueError, RecursionError):
        return
    rows = document.get("instances") if isinstance(document, dict) else None
    names = [feature.name for feature in schema.features]
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        if isinstance(row, list):
            yield from ((index, name, cell) for name, cell in zip(names, row, strict=False))
        elif isinstance(row, dict):
            yield from ((index, name, cell) for name, cell in row.items())
