"""FlatBuffers, as far as the metadata of Arrow streams needs them (https://flatbuffers.dev/internals).

Reading stays inside the buffer and ends, whatever the bytes say: every step is checked, and who walks a tree of tables
bounds the walk. The library of the same name does neither check.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

U16 = struct.Struct("<H")
U32 = struct.Struct("<I")
I32 = struct.Struct("<i")
VTABLE = struct.Struct("<HH")
BOOL = struct.Struct("<?")
U8 = struct.Struct("<B")
I16 = struct.Struct("<h")
I64 = struct.Struct("<q")
MAX_SLOTS = 16
"""Arrow's tables have 7 at most. Any number of tables may share one list of slots, so its length must not count."""


class BadBuffer(ValueError):
    """Bytes that are no FlatBuffer of the expected tables."""


class Table:
    """A table in a buffer. Slots that it does not have read as their defaults.

    Raises, here and in every method:
        BadBuffer: an offset or a length leads out of the buffer.
    """

    __slots__ = ("_buffer", "_offsets", "_position")

    def __init__(self, buffer: bytes, position: int) -> None:
        self._buffer = buffer
        self._position = position
        vtable = position - _read(I32, buffer, position)
        size = min(_read(U16, buffer, vtable) // 2 - 2, MAX_SLOTS)
        if size < 0 or vtable + 4 + 2 * size > len(buffer):
            raise BadBuffer("a table must have its slots inside the buffer")
        self._offsets: tuple[int, ...] = struct.unpack_from(f"<{size}H", buffer, vtable + 4)

    @classmethod
    def root(cls, buffer: bytes) -> Table:
        """The table that a buffer begins with."""
        return cls(buffer, _read(U32, buffer, 0))

    def scalar(self, slot: int, kind: struct.Struct, default: int = 0) -> int:
        """A number or a boolean."""
        at = self._find(slot)
        return _read(kind, self._buffer, at) if at else default

    def table(self, slot: int) -> Table | None:
        """The table that a slot refers to."""
        at = self._find(slot)
        return Table(self._buffer, self._follow(at)) if at else None

    def tables(self, slot: int) -> Iterator[Table]:
        """The tables of a vector, one at a time: they may be more than anybody wants."""
        start, count = self._vector(slot, 4)
        return (Table(self._buffer, self._follow(start + 4 * index)) for index in range(count))

    def longs(self, slot: int, per_item: int = 1) -> tuple[int, ...]:
        """The int64 of a vector of them, or of structs that hold `per_item` each."""
        start, count = self._vector(slot, 8 * per_item)
        return struct.unpack_from(f"<{count * per_item}q", self._buffer, start)

    def text(self, slot: int) -> str:
        """A string; empty where there is none."""
        start, count = self._vector(slot, 1)
        try:
            return self._buffer[start : start + count].decode()
        except UnicodeDecodeError:
            raise BadBuffer("a string must be UTF-8") from None

    def _find(self, slot: int) -> int:
        """Where a slot's value stands; 0 where the table has none."""
        offset = self._offsets[slot] if slot < len(self._offsets) else 0
        return self._position + offset if offset else 0

    def _follow(self, at: int) -> int:
        return at + _read(U32, self._buffer, at)

    def _vector(self, slot: int, item_bytes: int) -> tuple[int, int]:
        """Where a vector's first item stands, and how many there are."""
        at = self._find(slot)
        if not at:
            return 0, 0
        start = self._follow(at)
        count = _read(U32, self._buffer, start)
        if start + 4 + count * item_bytes > len(self._buffer):
            raise BadBuffer(f"a vector must lie inside the buffer, got {count} items")
        return start + 4, count


class Number:
    """A scalar of a table to write."""

    def __init__(self, kind: struct.Struct, value: int) -> None:
        self.content = kind.pack(value)


class Text:
    """A string to write."""

    def __init__(self, text: str) -> None:
        self.content = text.encode()


class Longs:
    """A vector to write of int64, or of structs that hold `per_item` of them each."""

    def __init__(self, values: Sequence[int], per_item: int = 1) -> None:
        self.content = struct.pack(f"<{len(values)}q", *values)
        self.count = len(values) // per_item


class Tables(list["Slots"]):
    """A vector of tables to write."""


Node = Text | Longs | Tables | dict[int, "Number | Node"]
Slots = dict[int, Number | Node]
"""A table to write: what its slots hold."""


def encode(root: Slots) -> bytes:
    """The buffer whose root is this table."""
    buffer = bytearray(4)
    waiting: list[tuple[int, Node]] = [(0, root)]
    for at, node in waiting:  # grows as tables are placed; what is referred to comes after what refers to it
        start, more = _place(buffer, node)
        U32.pack_into(buffer, at, start - at)
        waiting += more
    buffer.extend(bytes(-len(buffer) % 8))
    return bytes(buffer)


def _place(buffer: bytearray, node: Node) -> tuple[int, list[tuple[int, Node]]]:
    """Append a node: where it begins, and which nodes it refers to from where."""
    if isinstance(node, dict):
        return _place_table(buffer, node)
    buffer.extend(bytes((4 - len(buffer)) % 8))  # so that what follows the count begins at a multiple of 8
    start = len(buffer)
    if isinstance(node, Tables):
        buffer += U32.pack(len(node)) + bytes(4 * len(node))
        return start, [(start + 4 + 4 * index, table) for index, table in enumerate(node)]
    if isinstance(node, Longs):
        buffer += U32.pack(node.count) + node.content
    else:
        buffer += U32.pack(len(node.content)) + node.content + b"\0"
    return start, []


def _place_table(buffer: bytearray, slots: Slots) -> tuple[int, list[tuple[int, Node]]]:
    contents = {slot: value.content if isinstance(value, Number) else bytes(4) for slot, value in slots.items()}
    # The widest first: each is aligned then, for the first stands at a multiple of 8.
    order = sorted(contents, key=lambda slot: -len(contents[slot]))
    offsets = [0] * (max(slots, default=-1) + 1)
    size = 4
    for slot in order:
        offsets[slot] = size
        size += len(contents[slot])
    vtable_bytes = 4 + 2 * len(offsets)
    buffer.extend(bytes((4 - len(buffer) - vtable_bytes) % 8))
    buffer += VTABLE.pack(vtable_bytes, size) + struct.pack(f"<{len(offsets)}H", *offsets)
    start = len(buffer)
    buffer += I32.pack(vtable_bytes) + b"".join(contents[slot] for slot in order)
    return start, [(start + offsets[slot], value) for slot, value in slots.items() if not isinstance(value, Number)]


def _read(kind: struct.Struct, buffer: bytes, position: int) -> int:
    if position < 0:  # which struct would count from the end
        raise BadBuffer("an offset must lead forward")
    try:
        value: int = kind.unpack_from(buffer, position)[0]
    except struct.error:
        raise BadBuffer("an offset must lead into the buffer") from None
    return value
