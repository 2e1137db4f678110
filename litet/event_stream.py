"""Server-sent events as a client reads them: bytes in any pieces → messages (WHATWG HTML §9.2.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

LINE_END = re.compile(rb"\r\n|\r|\n")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Message(msgspec.Struct, frozen=True):
    """One message. `last_id` is the last id that the stream has named so far; empty where it has named none."""

    event: str
    data: str
    last_id: str


class EventParser:
    """Parses one stream. What follows its last blank line is no message, and goes.

    `retry_s` is how long the server asks to wait before connecting again; None where it did not ask.
    """

    def __init__(self) -> None:
        self.retry_s: float | None = None
        self._rest = b""
        self._after_cr = False
        self._is_first_line = True
        self._event = ""
        self._data: list[str] = []
        self._last_id = ""

    def feed(self, piece: bytes) -> Iterator[Message]:
        """The messages that are whole with this piece."""
        for line in self._lines(piece):
            if line:
                self._take(line)
                continue
            if self._data:
                yield Message(self._event or "message", "\n".join(self._data), self._last_id)
            self._event, self._data = "", []

    def _lines(self, piece: bytes) -> list[str]:
        if not piece:
            return []
        # A carriage return ends its line at once; a line feed that comes in the next piece belongs to it.
        self._rest += piece.removeprefix(b"\n") if self._after_cr else piece
        self._after_cr = piece.endswith(b"\r")
        *lines, self._rest = LINE_END.split(self._rest)
        if lines and self._is_first_line:
            self._is_first_line = False
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
        return [line.decode("utf-8", "replace") for line in lines]

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._last_id = value
        elif name == "retry" and value.isascii() and value.isdecimal():
            self.retry_s = int(value) / 1000
