"""Models that somebody took out of service: a file for each, which all workers look for, and which outlives them."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import NamedTuple

from contract import durable
from contract.names import check_name

logger = logging.getLogger(__name__)

FOLDER = "unloaded"


class Marks(NamedTuple):
    """The models that are out. `stamp` is another one after every `add` and `remove`."""

    names: frozenset[str] = frozenset()
    stamp: int = 0


class Unloaded:
    """The marks in a state folder, which need not exist. Blocks for the disk."""

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER
        self._last = Marks()
        self._readable = True

    def read(self) -> Marks:
        """The marks there are; those that there were, where they cannot be read."""
        try:
            stamp = self._folder.stat().st_mtime_ns  # first: what changes meanwhile is seen the next time
            self._last = Marks(frozenset(path.name for path in self._folder.iterdir()), stamp)
        except FileNotFoundError:
            self._last = Marks()
        except OSError as error:
            if self._readable:
                logger.warning("which models were unloaded cannot be read", extra={"error": str(error)})
            self._readable = False
            return self._last
        self._readable = True
        return self._last

    def add(self, name: str) -> None:
        """Mark a model. It is marked, on the disk, when this returns.

        Raises:
            OSError: the disk is full or fails.
        """
        durable.make_folder(self._folder)
        with contextlib.suppress(FileExistsError):
            durable.write_file(self._folder / check_name(name), b"")
        durable.sync_folder(self._folder)

    def remove(self, name: str) -> None:
        """Take a model's mark away. Where there was none, the stamp changes all the same.

        Raises:
            OSError: the disk is full or fails.
        """
        durable.make_folder(self._folder)
        (self._folder / check_name(name)).unlink(missing_ok=True)
        os.utime(self._folder)
        durable.sync_folder(self._folder)
