"""Files that are whole or not there, even when the power goes.

A rename is atomic, but neither it nor the bytes are on disk until both the file and its folder are fsynced. An fsync
that fails is an error to its caller, never a thing to try again: the kernel may already have dropped the pages.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, and force their names to disk. One that exists is left alone."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def write_file(path: Path, content: bytes) -> None:
    """Write a new file and force it to disk. Its name is durable once `sync_folder` has run on its folder."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk."""
    with _open_folder(folder) as descriptor:
        os.fsync(descriptor)


def rename_folder(source: Path, target: Path) -> None:
    """Give a finished folder its final name. After an error it has its old one.

    Raises:
        FileExistsError: the name is taken. Nothing is replaced.
    """
    if target.exists():
        raise FileExistsError(f"{target.name} exists")
    with _open_folder(target.parent) as descriptor:
        source.rename(target)
        try:
            os.fsync(descriptor)
        except OSError:
            target.rename(source)
            raise


def replace_file(path: Path, content: bytes, aside: Path) -> None:
    """Put `content` in the place of `path`: a reader sees the old bytes or the new ones.

    `aside` is where the new bytes are written first; it must lie on the same file system. After an error the old bytes
    are in place, but for one: where the last fsync fails, the new bytes may have been read already and stay.
    """
    write_file(aside, content)
    with _open_folder(path.parent) as descriptor:
        aside.replace(path)
        os.fsync(descriptor)


@contextlib.contextmanager
def _open_folder(folder: Path) -> Iterator[int]:
    """A descriptor to fsync a folder with, opened before a rename so that nothing but the fsync can fail after it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
