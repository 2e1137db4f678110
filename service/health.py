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


def health_routes(registry: Registry, draining: Draining, default_model: str | None) -> list[HTTPRouteHandler]:
    """The handlers."""

    @get("/health/live", sync_to_thread=False, summary="Liveness")
    def live() -> Live:
        """Whether the process answers at all: restart it where it does not."""
        return Live()

    # MLflow's scoring server and SageMaker's containers are probed at /ping.
    @get(["/health/ready", "/ping"], sync_to_thread=False, summary="Readiness", responses=responses(503))
    def ready() -> Ready:
        """Whether to send requests here: the default model, or where none is set any model, is loaded."""
        if draining.started:
            raise NotReady("the process is stopping")
        models = {name: predictor.version for name, predictor in registry.current().items()}
        if not models:
            raise NotReady("no model is loaded")
        if default_model is not None and default_model not in models:
            raise NotReady(f"the default model {default_model!r} is not loaded")
        return Ready(models=models)

    return [live, ready]
