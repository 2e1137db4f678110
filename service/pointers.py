"""The pointers of a model repository, looked at again and again: which models there are, and whether another version is
to serve.
"""

from __future__ import annotations

import logging
import os

from contract.repository import Repository

logger = logging.getLogger(__name__)

Stamp = tuple[int, int, int] | None
"""Another one whenever a pointer is replaced; None where it cannot be looked at."""


class Pointers:
    """For threads: storage can be slow."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._readable = True

    def read(self) -> dict[str, Stamp] | None:
        """The stamps there are, by model; None where the repository cannot be read."""
        try:
            # `names` takes an absent root for an empty one. Here it rather is a disk that went away.
            os.scandir(self._repository.root).close()
            names = self._repository.names()
        except OSError as error:
            if self._readable:
                logger.warning("the model repository cannot be read", extra={"error": str(error)})
            self._readable = False
            return None
        self._readable = True
        return {name: self.stamp(name) for name in names}

    def stamp(self, name: str) -> Stamp:
        """That of one model."""
        try:
            return self._repository.pointer_stamp(name)
        except OSError:  # loading it says why, and leaves the other models alone
            return None
