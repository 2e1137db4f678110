"""A file of lines that is only added to, and may end with half a line: the one that a killed writer was at."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

BLOCK_BYTES = 64 * 2**10


@contextlib.contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """The descriptor of a file.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def append(descriptor: int, end: int, content: bytes) -> None:
    """Make `content` what follows byte `end`, and force it to disk. The file ends at `end` after an error.

    Raises:
        OSError: the disk is full or fails.
    """
    if os.fstat(descriptor).st_size != end:
        os.ftruncate(descriptor, end)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, end)
        raise


def pieces_backwards(descriptor: int) -> Iterator[bytes]:
    """What stands between line breaks, last first. The first piece is the half line, or empty where there is none."""
    start = os.fstat(descriptor).st_size
    rest = b""
    while start:
        n_bytes = min(BLOCK_BYTES, start)
        start -= n_bytes
        rest, *pieces = (os.pread(descriptor, n_bytes, start) + rest).split(b"\n")
        yield from reversed(pieces)
    yield rest


def whole_lines(path: Path, n_bytes: int) -> Iterator[bytes]:
    """The lines within the first `n_bytes` of a file, without their line breaks.

    Raises:
        OSError: it cannot be read.
    """
    if not n_bytes:
        return
    with path.open("rb") as file:
        for line in file:
            n_bytes -= len(line)
            if n_bytes < 0 or not line.endswith(b"\n"):
                return
            yield line[:-1]


def size_bytes(path: Path) -> int:
    """The size of a file; 0 where there is none.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
