"""A `ModelInferRequest` as bytes, looked at before it is parsed: a field takes two of them, an object some hundred.

The encoding is https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from open_inference.grpc.protocol import ModelInferRequest

from service.errors import BodyTooLarge

SMALL_BYTES = 64 * 1024
"""What is not looked at, since it cannot hold much."""
MAX_FIELDS = 20_000
"""Of a request and of its inputs and outputs, but for the elements: several for each feature of a very wide table."""
MAX_SHAPE_BYTES = 1_000
VARINT, FIXED_64, LENGTH_DELIMITED, FIXED_32 = 0, 1, 2, 5
SIZES = {FIXED_64: 8, FIXED_32: 4}

_REQUEST = ModelInferRequest.DESCRIPTOR.fields_by_name
INPUTS: int = _REQUEST["inputs"].number
OUTPUTS: int = _REQUEST["outputs"].number
SHAPE: int = ModelInferRequest.InferInputTensor.DESCRIPTOR.fields_by_name["shape"].number


class Field(NamedTuple):
    """A field: its number, and where its value begins and ends."""

    number: int
    start: int
    end: int


def check_fields(body: bytes) -> None:
    """Refuse a message of more parts than any request has. What is no message at all is left to the parser.

    Raises:
        BodyTooLarge: it has more than `MAX_FIELDS`, or a shape of more dimensions than any.
    """
    if len(body) <= SMALL_BYTES:
        return
    n_fields = 0
    try:
        for number, start, end in _fields(body, 0, len(body)):
            n_fields += 1
            if number in (INPUTS, OUTPUTS):
                for part in _fields(body, start, end):
                    n_fields += 1
                    if number == INPUTS and part.number == SHAPE and part.end - part.start > MAX_SHAPE_BYTES:
                        raise BodyTooLarge(f"a shape must have at most {MAX_SHAPE_BYTES} bytes")
                    _check(n_fields)
            _check(n_fields)
    except (IndexError, ValueError):
        return


def _check(n_fields: int) -> None:
    if n_fields > MAX_FIELDS:
        raise BodyTooLarge(f"a message must have at most {MAX_FIELDS} fields, got more")


def _fields(body: bytes, start: int, end: int) -> Iterator[Field]:
    """The fields of a message.

    Raises:
        IndexError, ValueError: it ends within one, or has one that nobody writes any more.
    """
    while start < end:
        tag, start = _varint(body, start)
        kind = tag & 7
        if kind == VARINT:
            _value, stop = _varint(body, start)
        elif kind == LENGTH_DELIMITED:
            size, start = _varint(body, start)
            stop = start + size
        elif kind in SIZES:
            stop = start + SIZES[kind]
        else:
            raise ValueError
        if stop > end:
            raise IndexError
        yield Field(tag >> 3, start, stop)
        start = stop


def _varint(body: bytes, start: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        byte = body[start]
        value |= (byte & 0x7F) << shift
        start += 1
        if byte < 0x80:
            return value, start
    raise ValueError
