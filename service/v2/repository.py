"""The repository extension: which models there are, and for holders of an admin key, in and out of service with them.

Only this worker acts at once. The others look every `poll_interval_s`, so an answer waits that long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal, TypeVar

import msgspec
from litestar import Request, Router, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from contract.errors import ArtifactError, CorruptArtifact, NotFound
from contract.names import PATTERN
from contract.repository import Repository
from service.admin.acts import recorded_aside
from service.admin.audit import Audit
from service.admin.authentication import actor_of, require_actor
from service.admin.plane import refused_artifact, storage_failed
from service.bodies import read_body, read_head
from service.errors import InvalidBody, MalformedBody
from service.registry import Registry
from service.settings import Settings
from service.unloaded import Unloaded
from service.v2.documents import ACT, INDEX
from service.watcher import Watcher

MAX_REQUEST_BYTES = 64 * 1024
MAX_SETTLE_S = 2.0

State = Literal["READY", "UNAVAILABLE"]
Body = TypeVar("Body", bound=msgspec.Struct)


class IndexBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the index: all models, or only those that are `ready`."""

    ready: bool = False


class ActBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a load or an unload."""

    parameters: dict[str, Any] = {}


class IndexEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A version that serves, or would, but for the `reason`; it is empty where there is no such version."""

    name: str
    version: str
    state: State
    reason: str = ""


class Done(msgspec.Struct, frozen=True):
    """Nothing more to say."""


def settle_s(settings: Settings) -> float:
    """How long the other workers need to look at what has changed, and to load it."""
    return min(1.5 * settings.poll_interval_s, MAX_SETTLE_S) if settings.workers > 1 else 0.0


class RepositoryRoutes:
    """The handlers, and what they have in common. `settle` waits until the other workers have looked."""

    def __init__(
        self,
        repository: Repository,
        registry: Registry,
        unloaded: Unloaded,
        watcher: Watcher,
        audit: Audit,
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        self._repository = repository
        self._registry = registry
        self._unloaded = unloaded
        self._watcher = watcher
        self._audit = audit
        self._settle = settle

    def router(self) -> Router:
        """The routes, which need a key."""
        return Router(
            "/v2/repository",
            route_handlers=self._routes(),
            guards=[require_actor],
            exception_handlers={OSError: storage_failed, ArtifactError: refused_artifact},
            security=[{"key": []}],
        )

    def _routes(self) -> list[HTTPRouteHandler]:
        @post("/index", summary="Model index", **INDEX)
        async def index(request: Request[Any, Any, Any]) -> list[IndexEntry]:
            """Every published model with the version that serves, and with the one that should, where it does not."""
            body = _decode(IndexBody, await _read(request))
            entries = await asyncio.to_thread(lambda: list(self._index()))
            return [entry for entry in entries if entry.state == "READY" or not body.ready]

        @post("/models/{name:str}/load", summary="Load a model", **ACT)
        async def load(request: Request[Any, Any, Any], name: FromPath[str]) -> Done:
            """Have a model's current version serve, though the model was unloaded, or the version refused before."""
            _check_load(_decode(ActBody, await _read(request)))
            return await self._act(request, name, "model.load", self._watcher.load)

        @post("/models/{name:str}/unload", summary="Unload a model", **ACT)
        async def unload(request: Request[Any, Any, Any], name: FromPath[str]) -> Done:
            """Take a model out of service until it is loaded again, whatever is promoted and restarted meanwhile.

            No model depends on another, so the parameter `unload_dependents` changes nothing.
            """
            _decode(ActBody, await _read(request))
            return await self._act(request, name, "model.unload", self._watcher.unload)

        return [index, load, unload]

    async def _act(
        self, request: Request[Any, Any, Any], name: str, action: str, act: Callable[[str], Awaitable[None]]
    ) -> Done:
        if not PATTERN.fullmatch(name) or not await asyncio.to_thread(self._repository.versions, name):
            raise NotFound(f"a model must be published, got {name[:80]!r}")
        async with recorded_aside(self._audit, actor_of(request), action, name):
            await act(name)
        await self._settle()
        return Done()

    def _index(self) -> Iterator[IndexEntry]:
        current = self._registry.current()
        unloaded = self._unloaded.read().names
        for name in sorted({*self._repository.published_names(), *current}):
            serving = str(current[name].version) if name in current else None
            if serving is not None:
                yield IndexEntry(name=name, version=serving, state="READY")
            promoted = self._promoted(name)
            if serving is not None and promoted in (serving, None):
                continue
            reason = "unloaded" if name in unloaded else self._watcher.refusal(name)
            if not reason:
                reason = "it is being loaded" if promoted else "none of its versions was promoted"
            yield IndexEntry(name=name, version=promoted or "", state="UNAVAILABLE", reason=reason)

    def _promoted(self, name: str) -> str | None:
        """The version that should serve; None where that cannot be told."""
        try:
            return str(self._repository.current(name).version)
        except (NotFound, CorruptArtifact):
            return None


async def _read(request: Request[Any, Any, Any]) -> bytes:
    return await read_body(read_head(request.scope["headers"]), request.receive, MAX_REQUEST_BYTES)


def _decode(kind: type[Body], body: bytes) -> Body:
    """A body; where there is none, what its absence means."""
    try:
        return msgspec.json.decode(body.strip() or b"{}", type=kind)
    except msgspec.ValidationError as error:
        message = str(error)
        raise InvalidBody(f"a body must fit its schema: {message[0].lower()}{message[1:300]}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(f"a body must be JSON: {str(error)[:200]}") from None


def _check_load(body: ActBody) -> None:
    """Triton takes a configuration and files here; what a model is, is in its repository.

    Raises:
        InvalidBody: another configuration or other files are asked for.
    """
    for name in body.parameters:
        if name == "config" or name.startswith("file:"):
            raise InvalidBody(f"a load must be of what the model repository holds, got the parameter {name[:80]!r}")
