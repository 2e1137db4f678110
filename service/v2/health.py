"""Is the server alive, can it answer, can one of its models? Said by the status, and for some clients by the body."""

from __future__ import annotations

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from service.errors import NotReady, ReportedNotReady
from service.health import Readiness
from service.lookup import Lookup
from service.problems import protocol_responses


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the server is alive, and whether requests should be sent to it."""

    live: bool
    ready: bool


class ModelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A model that answers."""

    name: str
    ready: bool = True


def health_routes(readiness: Readiness, lookup: Lookup) -> list[HTTPRouteHandler]:
    """The handlers."""

    @get("/v2/health/live", sync_to_thread=False, summary="Server live")
    def live() -> Health:
        """Whether the server answers at all."""
        return Health(live=True, ready=readiness.is_ready())

    @get("/v2/health/ready", sync_to_thread=False, summary="Server ready", responses=protocol_responses(400))
    def ready() -> Health:
        """Whether to send requests here: the default model, or where none is set any model, is loaded."""
        try:
            readiness.check()
        except NotReady as error:
            raise ReportedNotReady(str(error)) from None
        return Health(live=True, ready=True)

    @get("/v2/models/{name:str}/ready", summary="Model ready", responses=protocol_responses(404))
    async def model_ready(name: FromPath[str]) -> ModelHealth:
        """Whether a model's current version answers."""
        return await _model_health(lookup, name, None)

    @get(
        "/v2/models/{name:str}/versions/{version:str}/ready", summary="Version ready", responses=protocol_responses(404)
    )
    async def version_ready(name: FromPath[str], version: FromPath[str]) -> ModelHealth:
        """Whether one version of a model answers. It is loaded for that, where it is not."""
        return await _model_health(lookup, name, version)

    return [live, ready, model_ready, version_ready]


async def _model_health(lookup: Lookup, name: str, version: str | None) -> ModelHealth:
    try:
        predictor = await lookup.get_ready(name, version)
    except NotReady as error:
        raise ReportedNotReady(str(error)) from None
    return ModelHealth(name=predictor.name)
