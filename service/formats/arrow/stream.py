"""Arrow IPC streams: messages → the columns of their record batches (https://arrow.apache.org/docs/format/Columnar.html).

The columns are views of the body. Nothing is taken on trust: what a message claims is held against the bytes there are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from service.errors import MalformedBody
from service.formats.arrow.columns import Column
from service.formats.arrow.flatbuffer import BOOL, I16, I64, U8, BadBuffer, Table
from service.formats.arrow.schema import Field, read_fields

CONTINUATION = 0xFFFFFFFF
PREFIX = struct.Struct("<II")
SCHEMA, DICTIONARY_BATCH, RECORD_BATCH = 1, 2, 3
FIRST_VERSION = 3
"""Of the metadata: V4. It differs from V5 in unions only, which are refused."""
MAX_REMEMBERED_BYTES = 16 * 1024
"""Schemas up to this size are remembered: a client sends the same one again and again."""


class Message(NamedTuple):
    """A message: the number of its type, its header, and where its body begins and ends."""

    kind: int
    header: Table
    start: int
    end: int


class Stream:
    """What a body holds: the columns by `fields`, and `n_rows` of them in all record batches.

    Raises, here and in `columns`:
        BadBuffer, MalformedBody: it is no Arrow IPC stream, or one that is compressed.
    """

    def __init__(self, body: bytes) -> None:
        metadata, at = _next_metadata(body, 0)
        is_small = len(metadata) <= MAX_REMEMBERED_BYTES
        self.fields = _remembered_fields(metadata) if is_small else _read_fields(metadata)
        self._body = body
        self._messages = list(_messages(body, at))
        lengths = [message.header.scalar(0, I64) for message in self._messages if message.kind == RECORD_BATCH]
        if min(lengths, default=0) < 0:
            raise BadBuffer(f"a record batch must have 0 rows or more, got {min(lengths)}")
        self.n_rows = sum(lengths)

    def columns(self, positions: Sequence[int]) -> list[list[Column]]:
        """Of each of these fields its columns, one for each record batch."""
        parts: list[list[Column]] = [[] for _ in positions]
        wanted = {self.fields[position].dictionary: self.fields[position].values for position in positions}
        dictionaries: dict[int | None, Column] = {}
        for message in self._messages:
            if message.kind == RECORD_BATCH:
                batch = _Batch(self._body, message, message.header, self.fields)
                for part, position in zip(parts, positions, strict=True):
                    dictionary = dictionaries.get(self.fields[position].dictionary)
                    part.append(batch.column(position, dictionary))
            elif (values := wanted.get(message.header.scalar(0, I64))) is not None:
                dictionaries[message.header.scalar(0, I64)] = self._dictionary(message, values)
        return parts

    def _dictionary(self, message: Message, values: Field) -> Column:
        if message.header.scalar(2, BOOL):
            raise MalformedBody("the dictionaries of an Arrow stream must be whole, got one that adds to another")
        header = message.header.table(1)
        if header is None:
            raise BadBuffer("a dictionary must have values")
        return _Batch(self._body, message, header, [values]).column(0, None)


class _Batch:
    """A record batch, or the values of a dictionary."""

    def __init__(self, body: bytes, message: Message, header: Table, fields: Sequence[Field]) -> None:
        if header.table(3) is not None:
            raise MalformedBody("an Arrow stream must be uncompressed, got one whose record batches are compressed")
        self._body = body
        self._message = message
        self._fields = fields
        self._n_rows = header.scalar(0, I64)
        self._nodes, self._buffers, n_long = header.longs(1, 2), header.longs(2, 2), header.longs(4)
        self._places, ends = _places(fields, n_long)
        if ends != (len(self._nodes) // 2, len(self._buffers) // 2, len(n_long)):
            raise BadBuffer("a record batch must have the nodes and buffers that its schema demands")

    def column(self, position: int, dictionary: Column | None) -> Column:
        """The column of a field. `dictionary` is what its codes stand for, if there are any."""
        field = self._fields[position]
        node, first, last = self._places[position]
        n_rows, n_nulls = self._nodes[2 * node : 2 * node + 2]
        if n_rows != self._n_rows:
            raise BadBuffer(f"a column must have the {self._n_rows} rows of its batch, got {n_rows}")
        buffers = [self._span(2 * index) for index in range(first, last)]
        return Column(self._body, field.kind, field.dtype, n_rows, n_nulls, buffers, dictionary)

    def _span(self, index: int) -> tuple[int, int]:
        """Where a buffer begins and ends in the request's body."""
        offset, length = self._buffers[index : index + 2]
        start, end = self._message.start + offset, self._message.start + offset + length
        if offset < 0 or length < 0 or end > self._message.end:
            raise BadBuffer("a buffer must lie inside its message")
        return start, end


def _read_fields(metadata: bytes) -> tuple[Field, ...]:
    """The fields of the schema that a stream begins with."""
    message = Table.root(metadata)
    schema = message.table(2)
    if schema is None or message.scalar(1, U8) != SCHEMA or message.scalar(3, I64):
        raise BadBuffer("its first message must be the schema")
    return read_fields(schema, len(metadata))


_remembered_fields = lru_cache(maxsize=64)(_read_fields)


def _messages(body: bytes, at: int) -> Iterator[Message]:
    """The messages from a place up to the end of the stream: that of the body, or one that is marked just before it."""
    while at < len(body):
        metadata, start = _next_metadata(body, at)
        if not metadata:
            at = start
            break
        message = Table.root(metadata)
        kind, header = message.scalar(1, U8), message.table(2)
        if header is None or message.scalar(0, I16) < FIRST_VERSION:
            raise BadBuffer("its messages must have headers of version 4 or 5")
        if kind not in (RECORD_BATCH, DICTIONARY_BATCH):
            raise BadBuffer(f"after its schema only record batches and dictionaries may come, got type {kind}")
        at = start + message.scalar(3, I64)
        if not start <= at <= len(body):
            raise BadBuffer("it is cut off")
        yield Message(kind, header, start, at)
    if at != len(body):
        raise BadBuffer(f"nothing may follow its end, got {len(body) - at} bytes")


def _next_metadata(body: bytes, at: int) -> tuple[bytes, int]:
    """The metadata of the message that begins at a place, and where its body begins; empty at the end's mark."""
    if len(body) - at < PREFIX.size:
        raise BadBuffer("it is cut off")
    mark, size = PREFIX.unpack_from(body, at)
    start = at + PREFIX.size
    if mark != CONTINUATION:
        if body.startswith(b"ARROW1"):
            raise MalformedBody("a body must be an Arrow IPC stream, got an Arrow file (Feather)")
        raise BadBuffer("each of its messages must begin with the continuation mark")
    if size > len(body) - start:
        raise BadBuffer("it is cut off")
    return body[start : start + size], start + size


def _places(fields: Sequence[Field], n_long: Sequence[int]) -> tuple[list[tuple[int, int, int]], tuple[int, int, int]]:
    """Of each field its first node, its first buffer and the one after its last; and how much there must be of all."""
    if min(n_long, default=0) < 0:
        raise BadBuffer("views must have 0 buffers or more for their long values")
    places = []
    node = buffer = view = 0
    for field in fields:
        first, buffer = buffer, buffer + field.n_buffers
        if field.n_views:
            buffer += sum(n_long[view : view + field.n_views])
            view += field.n_views
        places.append((node, first, buffer))
        node += field.n_nodes
    return places, (node, buffer, view)
