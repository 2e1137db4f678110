"""Which predictor a request means that names a model, and perhaps a version of it, in its path."""

from __future__ import annotations

import asyncio
import logging

from contract.errors import ArtifactError, NotFound
from contract.names import PATTERN
from contract.repository import VERSION, Repository
from service.errors import NotReady
from service.predictor import Predictor
from service.registry import Registry

logger = logging.getLogger(__name__)


def read_version(text: str) -> int:
    """The number of a version.

    Raises:
        NotFound: no version is called that.
    """
    if not VERSION.fullmatch(text):
        raise NotFound(f"a version must be a number, got {text[:80]!r}")
    return int(text)


class Lookup:
    """Looks in memory first, and on the disk for what is not there."""

    def __init__(self, registry: Registry, repository: Repository) -> None:
        self._registry = registry
        self._repository = repository

    def current(self, name: str | None) -> Predictor:
        """The predictor of a model, of the default one for None.

        Raises:
            NotFound, NotReady: as `Registry.get` and `Registry.get_default`.
        """
        return self._registry.get_default() if name is None else self._registry.get(name)

    async def get(self, name: str, version: str | None = None) -> Predictor:
        """The predictor of a version, of the current one for None.

        Raises:
            NotFound: no such model is loaded, or it has no such version.
            ArtifactError: the version must not be served.
        """
        if version is None:
            return self._registry.get(name)
        return await self._registry.get_version(name, read_version(version))

    async def get_published(self, name: str, version: str | None = None) -> Predictor:
        """As `get`, but tells what could serve, and does not, from what there is not.

        Raises:
            NotFound: no such model or version is published.
            NotReady: it is, but it is not loaded.
            ArtifactError: as `get`.
        """
        try:
            return await self.get(name, version)
        except NotFound:
            if not await asyncio.to_thread(self._is_published, name, version):
                raise
        raise NotReady(f"the model {name!r} is not loaded")

    async def get_ready(self, name: str, version: str | None = None) -> Predictor:
        """As `get_published`, but a version that must not be served is not ready, either.

        Raises:
            NotFound, NotReady: as `get_published`.
        """
        try:
            return await self.get_published(name, version)
        except ArtifactError as error:
            logger.error("a version was refused", extra={"model": name, "error": str(error)})  # noqa: TRY400 # the file is to blame
            raise NotReady(f"version {version} of {name!r} must not be served; the log says why") from None

    def _is_published(self, name: str, version: str | None) -> bool:
        versions = self._repository.versions(name) if PATTERN.fullmatch(name) else []
        return bool(versions) if version is None else read_version(version) in versions
