"""The service put together: the one place where its parts meet."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from litestar import Litestar, get

from contract.repository import Repository
from service.admin.authentication import authenticated
from service.admin.keys import Keys
from service.admin.plane import AdminPlane
from service.catalogue import catalogue_routes
from service.direct import Direct
from service.draining import Draining
from service.health import health_routes
from service.loading import load_version
from service.metrics import Metrics
from service.openapi import openapi_config
from service.predict import Predict
from service.problems import to_response
from service.recent import RecentRequests
from service.registry import Registry
from service.settings import Settings
from service.telemetry import Telemetry, observed
from service.watcher import Watcher

METRICS_MEDIA_TYPE = "text/plain; version=0.0.4"


def create_app(settings: Settings, metrics_folder: Path | None = None, lifeline_path: Path | None = None) -> Litestar:
    """The ASGI app. It loads its models when its lifespan begins, not before.

    `metrics_folder` is where several workers share their metrics (`service.metrics`), `lifeline_path` what tells
    trainers that their supervisor lives (`service.admin.lifeline`).

    Raises:
        InvalidSettings: the admin keys cannot be read.
    """
    repository = Repository(settings.models)
    registry = Registry(
        partial(load_version, repository),
        default_model=settings.default_model,
        max_loaded_versions=settings.max_loaded_versions,
    )
    metrics = Metrics(metrics_folder)
    draining = Draining(settings.drain_delay_s)
    recent = RecentRequests(settings.replay_requests if settings.has_admin else 0)
    admin = AdminPlane(settings, registry, metrics, draining, recent, lifeline_path) if settings.has_admin else None
    watcher = Watcher(
        repository,
        registry,
        metrics,
        interval_s=settings.poll_interval_s,
        on_swap=admin.on_swap if admin and settings.watch_window_s else None,
    )
    predict = Predict(
        registry,
        metrics,
        recent,
        admin.watch if admin else None,
        max_body_bytes=settings.max_body_bytes,
        max_rows=settings.max_rows,
    )

    @get("/metrics", sync_to_thread=False, media_type=METRICS_MEDIA_TYPE, summary="Metrics")
    def show_metrics() -> bytes:
        """All workers' metrics in Prometheus' text format."""
        return metrics.render()

    app = Litestar(
        [
            *predict.routes(),
            *catalogue_routes(registry, repository),
            *health_routes(registry, draining, settings.default_model),
            show_metrics,
            *([admin.router] if admin else []),
        ],
        lifespan=[draining.lifespan, predict.lifespan, *([admin.lifespan] if admin else []), watcher.lifespan],
        exception_handlers={Exception: to_response},
        openapi_config=openapi_config(),
        request_max_body_size=settings.max_body_bytes,
        # Else Litestar would configure logging, and look for LITESTAR_DEBUG and LITESTAR_PDB in the environment.
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )
    app.state.watcher = watcher
    app.state.draining = draining
    if admin:
        keys = Keys(settings.admin_keys, settings.admin_keys_file)
        app.asgi_handler = authenticated(app.asgi_handler, keys)
    # Litestar's own middleware sits inside its routes and never sees an unknown path.
    telemetry = Telemetry(metrics, access_log=settings.access_log)
    app.asgi_handler = observed(app.asgi_handler, telemetry, draining)
    app.state.direct = Direct(predict, telemetry, draining)
    return app
