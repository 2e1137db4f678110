"""Arrow IPC streams, cut into streams of one record batch each: polars reads a stream only as a whole.

Of a message's flatbuffer only what tells its kind, its length and its dictionary is read.

https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import NamedTuple

_CONTINUATION = b"\xff\xff\xff\xff"
_END = _CONTINUATION + bytes(4)
_SCHEMA, _DICTIONARY, _RECORD_BATCH = 1, 2, 3
_HEADER_TYPE, _HEADER, _BODY_LENGTH = 1, 2, 3
"""Fields of Message in Arrow's Message.fbs, counted from 0."""
_DICTIONARY_ID, _IS_DELTA = 0, 2
"""Fields of DictionaryBatch."""


class BrokenMessage(Exception):
    """The bytes are no Arrow message."""


class _Message(NamedTuple):
    kind: int
    dictionary: int
    is_delta: bool
    content: bytes


def read_record_batches(file: io.FileIO) -> Iterator[io.BytesIO]:
    """For each record batch a stream of the schema, the dictionaries up to there, and that record batch.

    If there is no record batch, a stream of the schema alone.

    Raises:
        BrokenMessage: a message is cut off, or is none.
    """
    schema = b""
    dictionaries: dict[int, bytes] = {}
    n_batches = 0
    while (message := _read_message(file)) is not None:
        if not schema and message.kind != _SCHEMA:
            raise BrokenMessage("it does not begin with a schema")
        if message.kind == _SCHEMA:
            schema = message.content
        elif message.kind == _DICTIONARY:
            before = dictionaries.get(message.dictionary, b"") if message.is_delta else b""
            dictionaries[message.dictionary] = before + message.content
        elif message.kind == _RECORD_BATCH:
            n_batches += 1
            yield io.BytesIO(b"".join((schema, *dictionaries.values(), message.content, _END)))
    if not n_batches:
        yield io.BytesIO(schema + _END)


def _read_message(file: io.FileIO) -> _Message | None:
    """The next message; None at the end."""
    prefix = file.read(4)
    if not prefix:
        return None
    if len(prefix) < 4:
        raise BrokenMessage("it ends within a message")
    if prefix == _CONTINUATION:
        prefix += _read(file, 4)
    (size,) = struct.unpack("<i", prefix[-4:])  # Arrow before 0.15 wrote no continuation mark
    if not size:
        return None
    metadata = _read(file, size)
    try:
        table = _Table(metadata, struct.unpack_from("<I", metadata)[0])
        kind = table.integer(_HEADER_TYPE, "<B")
        header = table.table(_HEADER)
        body = _read(file, table.integer(_BODY_LENGTH, "<q"))
        is_dictionary = kind == _DICTIONARY
        dictionary = header.integer(_DICTIONARY_ID, "<q") if is_dictionary else 0
        is_delta = is_dictionary and bool(header.integer(_IS_DELTA, "<B"))
    except struct.error:
        raise BrokenMessage("a message's metadata are not as Arrow writes them") from None
    return _Message(kind, dictionary, is_delta, prefix + metadata + body)


def _read(file: io.FileIO, size: int) -> bytes:
    """So many bytes; never more memory than the file has bytes."""
    at = file.tell()
    left = file.seek(0, io.SEEK_END) - at
    file.seek(at)
    if not 0 <= size <= left:
        raise BrokenMessage(f"a message has {size} bytes, {left} are left")
    content = b""
    while len(content) < size:
        content += file.read(size - len(content))
    return content


class _Table:
    """A table of a flatbuffer: https://flatbuffers.dev/internals/."""

    def __init__(self, buffer: bytes, at: int) -> None:
        self._buffer = buffer
        self._at = at
        self._fields = at - struct.unpack_from("<i", buffer, at)[0]

    def integer(self, field: int, form: str) -> int:
        """The number in a field; 0 where it is left out."""
        offset = self._offset(field)
        value: int = struct.unpack_from(form, self._buffer, self._at + offset)[0] if offset else 0
        return value

    def table(self, field: int) -> _Table:
        """The table that a field points at."""
        at = self._at + self._offset(field)
        return _Table(self._buffer, at + struct.unpack_from("<I", self._buffer, at)[0])

    def _offset(self, field: int) -> int:
        position = 4 + 2 * field
        (size,) = struct.unpack_from("<H", self._buffer, self._fields)
        value: int = struct.unpack_from("<H", self._buffer, self._fields + position)[0] if position < size else 0
        return value
