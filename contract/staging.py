"""Folders in which something is made ready before it gets its name, and the lock under which that happens.

Writers of one folder take turns on a kernel lock, which a killed process gives up by dying; what it left is swept up by
the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

STAGING_PREFIX = ".staging-"
LOCK_FILE = ".lock"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a staging folder is opened to lock it. What only has its name, such as a link, is refused."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's write lock; also sweep up what killed writers left."""
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _collect(folder)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def staging_folder(folder: Path, *, within_lock: bool = False) -> Iterator[Path]:
    """A folder to write in that readers never see, gone afterwards unless it was renamed.

    Its owner holds a kernel lock on it; one without a living owner is collected. The lock is taken under the folder's
    own, which `within_lock` says is held, so that no collector meets the folder between its making and its locking.
    """
    staging = folder / f"{STAGING_PREFIX}{secrets.token_hex(8)}"
    with contextlib.ExitStack() as cleanup:
        with contextlib.nullcontext() if within_lock else locked(folder):
            cleanup.callback(shutil.rmtree, staging, ignore_errors=True)
            staging.mkdir()
            cleanup.callback(os.close, descriptor := os.open(staging, FOLDER))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield staging


def _collect(folder: Path) -> None:
    """Remove the staging folders whose owners are dead; what cannot be removed is left. The caller holds the lock."""
    for staging in folder.glob(f"{STAGING_PREFIX}*"):
        try:
            descriptor = os.open(staging, FOLDER)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
        shutil.rmtree(staging, ignore_errors=True)
