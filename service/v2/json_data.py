"""The `data` of an input in JSON → an array: nested or flat, null where missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from contract.faults import shorten
from service.errors import InvalidBody
from service.formats.json_document import NOT_JSON
from service.v2.datatypes import BOOL, BYTES, FLOATS, NUMBERS

Decoder = msgspec.json.Decoder[Any]

SMALL_BYTES = 4096
"""What is not counted before it is decoded, since it cannot be many."""
FLOAT = "FLOAT"
INTEGER = "INTEGER"


def _decoders(kind: Any) -> tuple[Decoder, Decoder]:
    return msgspec.json.Decoder(list[kind]), msgspec.json.Decoder(list[list[kind]])


DECODERS = {
    FLOAT: _decoders(float | None),
    INTEGER: _decoders(int | None),
    BOOL: _decoders(bool | None),
    BYTES: _decoders(str | None),
}
"""For flat and for nested data. No input has more than two dimensions."""
NESTED = re.compile(rb"\s*\[\s*\[")
EXPECTED = {FLOAT: "numbers", INTEGER: "whole numbers", BOOL: "true and false", BYTES: "strings"}


def read_data(name: str, datatype: str, shape: Sequence[int], n_elements: int, data: msgspec.Raw) -> np.ndarray:
    """The elements, `(n_elements,)`: float64, int64 or uint64, or bool; objects, with None where null, if any is.

    Raises:
        InvalidBody: they are not of the datatype, or more or fewer than the shape says.
    """
    kind = datatype if datatype in DECODERS else FLOAT if datatype in FLOATS else INTEGER
    text = bytes(data)
    if len(text) > SMALL_BYTES and _has_more(text, kind, shape[0], n_elements):
        raise _wrong_count(name, n_elements, "more")
    elements = _decode(name, kind, text, len(shape))
    if len(elements) != n_elements:
        raise _wrong_count(name, n_elements, str(len(elements)))
    return _to_array(name, datatype, kind, elements)


def _has_more(text: bytes, kind: str, n_rows: int, n_elements: int) -> bool:
    """Whether there are more elements, or arrays, than the shape says: told by their bytes, before they are there.

    Texts may hold commas and brackets. They are told by their quotes: an escaped one may be none, and lets some pass.
    """
    if kind == BYTES:
        return text.count(b'"') - text.count(rb"\"") > 2 * n_elements
    return text.count(b",") >= n_elements or text.count(b"[") > n_rows + 1


def _wrong_count(name: str, n_elements: int, got: str) -> InvalidBody:
    return InvalidBody(f"input {shorten(name)!r} must have {n_elements} elements, as its shape says, got {got}")


def _decode(name: str, kind: str, text: bytes, n_dimensions: int) -> list[Any]:
    flat, nested = DECODERS[kind]
    is_nested = n_dimensions == 2 and (text[1:2] == b"[" or (text[1:2].isspace() and NESTED.match(text)))
    try:
        return list(chain.from_iterable(nested.decode(text))) if is_nested else flat.decode(text)
    except NOT_JSON as error:
        reason = str(error)
        raise InvalidBody(
            f"the data of input {shorten(name)!r} must be {EXPECTED[kind]} in an array, or in one for each row: "
            f"{reason[:1].lower()}{reason[1:200]}"
        ) from None


def _to_array(name: str, datatype: str, kind: str, elements: list[Any]) -> np.ndarray:
    if kind == BYTES:
        return np.array(elements, dtype=object)
    if kind == FLOAT:
        array = np.array(elements, dtype=np.float64)  # None becomes NaN
        if datatype != "FP16":
            return array
        with np.errstate(over="ignore"):  # what FP16 cannot hold is infinite, which no model takes
            return array.astype(FLOATS[datatype])
    present = [element for element in elements if element is not None]
    try:
        array = np.array(present, dtype=NUMBERS[datatype])
    except OverflowError:
        raise InvalidBody(f"input {shorten(name)!r} must hold {datatype}, got a number out of its range") from None
    return array if len(present) == len(elements) else np.array(elements, dtype=object)
