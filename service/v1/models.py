"""The models that are served, as TensorFlow Serving and KServe describe them."""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from service.lookup import Lookup
from service.problems import protocol_responses
from service.registry import Registry


class ModelNames(msgspec.Struct, frozen=True, kw_only=True):
    """The models that are loaded, by name."""

    models: list[str]


class VersionError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a version: nothing."""

    error_code: Literal["OK"] = "OK"
    error_message: Literal[""] = ""


class VersionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A version that serves."""

    version: str
    state: Literal["AVAILABLE"] = "AVAILABLE"
    status: VersionError = VersionError()


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A model that answers, with the version that does: `ready` is for KServe's clients, the rest for TensorFlow's."""

    name: str
    ready: bool = True
    model_version_status: list[VersionStatus]


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["alive"] = "alive"


def model_routes(registry: Registry, lookup: Lookup) -> list[HTTPRouteHandler]:
    """The handlers."""

    @get("/", sync_to_thread=False, summary="Liveness")
    def live() -> Alive:
        """Whether the process answers, as KServe's clients of version 1 ask."""
        return Alive()

    @get("/v1/models", sync_to_thread=False, summary="Models")
    def list_models() -> ModelNames:
        """The models that are loaded."""
        return ModelNames(models=sorted(registry.current()))

    @get("/v1/models/{name:str}", summary="Model status", responses=protocol_responses(404, 503))
    async def show_model(name: FromPath[str]) -> ModelStatus:
        """Whether a model answers, and with which version."""
        predictor = await lookup.get_ready(name)
        return ModelStatus(name=name, model_version_status=[VersionStatus(version=str(predictor.version))])

    return [live, list_models, show_model]
