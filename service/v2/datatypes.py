"""The protocol's datatypes: which array each is, and how its elements stand in bytes (little-endian, row-major)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np

from contract.faults import shorten
from service.errors import InvalidBody

BYTES = "BYTES"
BOOL = "BOOL"
FP32 = "FP32"
INT64 = "INT64"
FLOATS: dict[str, np.dtype[Any]] = {"FP16": np.dtype("<f2"), FP32: np.dtype("<f4"), "FP64": np.dtype("<f8")}
INTEGERS: dict[str, np.dtype[Any]] = {
    f"{sign}INT{bits}": np.dtype(f"<{code}{bits // 8}")
    for sign, code in (("", "i"), ("U", "u"))
    for bits in (8, 16, 32, 64)
}
NUMBERS: dict[str, np.dtype[Any]] = {BOOL: np.dtype("?"), **INTEGERS, **FLOATS}
"""All but BYTES, whose array is one of Python's str."""
NAMES = (*NUMBERS, BYTES)
LENGTH = struct.Struct("<I")


def check_datatype(datatype: str) -> None:
    """Whether a datatype is one that is read.

    Raises:
        InvalidBody: it is not.
    """
    if datatype not in NUMBERS and datatype != BYTES:
        raise InvalidBody(f"a datatype must be one of {', '.join(NAMES)}; got {shorten(datatype)!r}")


def from_bytes(name: str, datatype: str, content: bytes | memoryview, n_elements: int) -> np.ndarray:
    """The elements of an input, `(n_elements,)`: a view of its bytes, or for BYTES str as objects.

    Raises:
        InvalidBody: there are more or fewer bytes than so many elements take, or a text is not UTF-8.
    """
    if datatype == BYTES:
        return _texts(name, content, n_elements)
    dtype = NUMBERS[datatype]
    if len(content) != n_elements * dtype.itemsize:
        raise InvalidBody(
            f"input {shorten(name)!r} must have {n_elements * dtype.itemsize} bytes, as its shape and datatype say, "
            f"got {len(content)}"
        )
    return np.frombuffer(content, dtype)


def to_bytes(array: np.ndarray) -> bytes:
    """The bytes of an output's elements; str is written as BYTES."""
    if array.dtype != object:
        return array.tobytes()
    encoded = [text.encode() for text in array.ravel()]
    return b"".join([LENGTH.pack(len(text)) + text for text in encoded])


def decode_texts(name: str, texts: Iterable[bytes]) -> np.ndarray:
    """Encoded texts as str, `(n_elements,)` of objects.

    Raises:
        InvalidBody: one is not UTF-8.
    """
    try:
        return np.array([text.decode() for text in texts], dtype=object)
    except UnicodeDecodeError:
        raise InvalidBody(f"input {shorten(name)!r} must hold texts in UTF-8, got other bytes") from None


def _texts(name: str, content: bytes | memoryview, n_elements: int) -> np.ndarray:
    texts = []
    start = 0
    for _ in range(n_elements):
        if start + LENGTH.size > len(content):
            break
        (length,) = LENGTH.unpack_from(content, start)
        end = start + LENGTH.size + length
        if end > len(content):
            break
        texts.append(bytes(content[start + LENGTH.size : end]))
        start = end
    if len(texts) < n_elements or start != len(content):
        raise InvalidBody(
            f"input {shorten(name)!r} must have {n_elements} elements, each its length in 4 bytes and then so many, "
            f"got {len(content)} bytes that are not"
        )
    return decode_texts(name, texts)
