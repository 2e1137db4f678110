"""Is the process alive, and can it answer? Open to all, and cheap: probes ask all the time."""

from __future__ import annotations

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from service.draining import Draining
from service.errors import NotReady
from service.problems import responses
from service.registry import Registry


class Live(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str = "live"


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions can be asked for. `models` holds the version that serves of each."""

    status: str = "ready"
    models: dict[str, int]


class Readiness:
    """Whether to send requests to this process: the default model, or where none is set any model, is loaded."""

    def __init__(self, registry: Registry, draining: Draining, default_model: str | None) -> None:
        self._registry = registry
        self._draining = draining
        self._default_model = default_model

    def check(self) -> dict[str, int]:
        """The version that serves of each model.

        Raises:
            NotReady: no requests should be sent.
        """
        if self._draining.started:
            raise NotReady("the process is stopping")
        models = {name: predictor.version for name, predictor in self._registry.current().items()}
        if not models:
            raise NotReady("no model is loaded")
        if self._default_model is not None and self._default_model not in models:
            raise NotReady(f"the default model {self._default_model!r} is not loaded")
        return models

    def is_ready(self) -> bool:
        """Whether requests should be sent."""
        try:
            self.check()
        except NotReady:
            return False
        return True


def health_routes(readiness: Readiness) -> list[HTTPRouteHandler]:
    """The handlers."""

    @get("/health/live", sync_to_thread=False, summary="Liveness")
    def live() -> Live:
        """Whether the process answers at all: restart it where it does not."""
        return Live()

    # MLflow's scoring server and SageMaker's containers are probed at /ping.
    @get(["/health/ready", "/ping"], sync_to_thread=False, summary="Readiness", responses=responses(503))
    def ready() -> Ready:
        """Whether to send requests here: the default model, or where none is set any model, is loaded."""
        return Ready(models=readiness.check())

    return [live, ready]
