"""Files that are whole or not there, even when the power goes.

A rename is atomic, but neither it nor the bytes are on disk until both the file and its folder are fsynced. An fsync
that fails is an error to its caller, never a thing to try again: the kernel may already have dropped the pages.
"""

from __future__ import annotations

import os
from pathlib import Path


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
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename_folder(source: Path, target: Path) -> None:
    """Give a finished folder its final name.

    Raises:
        FileExistsError: the name is taken. Nothing is replaced.
    """
    if target.exists():
        raise FileExistsError(f"{target.name} exists")
    source.rename(target)
    sync_folder(target.parent)


def replace_file(path: Path, content: bytes, aside: Path) -> None:
    """Put `content` in the place of `path`: a reader sees the old bytes or the new ones.

    `aside` is where the new bytes are written first; it must lie on the same file system.
    """
    write_file(aside, content)
    aside.replace(path)
    sync_folder(path.parent)
