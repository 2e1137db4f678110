"""From the model repository to a predictor: read, verify, build, warm up, compare. Slow and blocking: for threads."""

from __future__ import annotations

import logging

from contract.errors import LitetError
from contract.repository import Repository
from service.memory import trim
from service.predictor import Predictor

logger = logging.getLogger(__name__)


def load_version(repository: Repository, name: str, version: int) -> Predictor:
    """A published version, proven.

    Raises:
        NotFound: there is no such version.
        ArtifactError: it must not be served.
    """
    return Predictor(repository.read(name, version))


def load_current(repository: Repository, name: str, loaded: Predictor | None) -> Predictor:
    """The version that the pointer names, proven; `loaded` itself where it is that version.

    Raises:
        NotFound: there is no such model.
        ArtifactError: it must not be served.
    """
    pointer = repository.current(name)
    if loaded and (loaded.version, loaded.card.model_file.sha256) == (pointer.version, pointer.sha256):
        return loaded
    _pointer, artifact = repository.read_current(name)
    return Predictor(artifact)


def load_previous(repository: Repository, name: str) -> Predictor | None:
    """The latest version that served before the current one and still can; None where there is none."""
    try:
        previous = repository.current(name).previous
    except (LitetError, OSError):
        return None
    for version in reversed(previous):
        try:
            return load_version(repository, name, version)
        except (LitetError, OSError) as error:
            logger.warning(
                "an earlier version cannot be loaded either",
                extra={"model": name, "version": version, "error": str(error)},
            )
    return None


def release(predictors: list[Predictor | None]) -> None:
    """Let go of replaced predictors and hand their memory back to the system, in this thread.

    The list must hold the last references but those of requests under way, which keep theirs alive until they are done.
    """
    predictors.clear()
    trim()
