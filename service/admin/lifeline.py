"""A file that the service holds a kernel lock on for as long as it lives. Trainers wait for the lock, and end with it.

However the service dies, the kernel lets go of the lock. With several workers the supervisor holds it: a worker that is
replaced takes no trainer with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

FOLDER = "services"
VARIABLE = "_LITET_LIFELINE"
"""Tells the workers of a service where its lifeline is."""


@contextlib.contextmanager
def lifeline(state: Path) -> Iterator[Path]:
    """A new lifeline below the state folder, held while inside.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder = state / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / secrets.token_hex(8)
    with _locked(folder):  # or another service could sweep up the file between its making and its locking
        _collect(folder)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether the service whose lifeline this is lives."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _collect(folder: Path) -> None:
    """Remove what dead services left."""
    for path in folder.iterdir():
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # its service ended just now
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)
