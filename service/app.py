"""The service put together: the one place where its parts meet."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from litestar import Litestar, Router, get

from contract.repository import Repository
from service.accounting import Accounting
from service.admin.authentication import authenticated
from service.admin.keys import Keys
from service.admin.plane import AdminPlane
from service.catalogue import catalogue_routes
from service.direct import Direct
from service.draining import Draining
from service.health import Readiness, health_routes
from service.loading import load_version
from service.lookup import Lookup
from service.metrics import Metrics
from service.openapi import openapi_config
from service.predict import Predict
from service.prediction_routes import prediction_routes, v1_routes, v2_routes
from service.problems import to_response
from service.recent import RecentRequests
from service.registry import Registry
from service.rpc.extra import check_installed
from service.settings import Settings
from service.statistics import Statistics
from service.telemetry import Telemetry, observed
from service.unloaded import Unloaded
from service.v1.models import model_routes
from service.v2.configuration import configuration_routes
from service.v2.health import health_routes as v2_health_routes
from service.v2.metadata import metadata_routes, server_metadata
from service.v2.repository import RepositoryRoutes, settle_s
from service.v2.statistics_routes import statistics_routes
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
    unloaded = Unloaded(settings.state_folder)
    watcher = Watcher(
        repository,
        unloaded,
        registry,
        metrics,
        interval_s=settings.poll_interval_s,
        on_swap=admin.on_swap if admin and settings.watch_window_s else None,
    )
    statistics = Statistics(metrics_folder)
    accounting = Accounting(metrics, statistics, recent, admin.watch if admin else None)
    lookup = Lookup(registry, repository)
    predict = Predict(lookup, accounting, max_body_bytes=settings.max_body_bytes, max_rows=settings.max_rows)
    readiness = Readiness(registry, draining, settings.default_model)
    openapi = openapi_config()
    server = server_metadata(openapi.version, has_admin=settings.has_admin)
    admin_routers: list[Router] = []
    if admin:
        settle = partial(asyncio.sleep, settle_s(settings))
        repository_routes = RepositoryRoutes(repository, registry, unloaded, watcher, admin.audit, settle)
        admin_routers = [admin.router, repository_routes.router()]
    telemetry = Telemetry(metrics, access_log=settings.access_log)
    rpc = None
    if settings.grpc_port is not None:
        check_installed()
        # Here, for the packages may be absent, and take start-up time and memory that most services need not spend.
        from service.rpc.calls import Calls  # noqa: PLC0415
        from service.rpc.health import Health  # noqa: PLC0415
        from service.rpc.inference import Inference  # noqa: PLC0415
        from service.rpc.server import RpcServer  # noqa: PLC0415

        inference = Inference(predict, lookup, readiness, repository, server)
        rpc = RpcServer(settings, inference, Health(readiness, draining), Calls(telemetry))

    @get("/metrics", sync_to_thread=False, media_type=METRICS_MEDIA_TYPE, summary="Metrics")
    def show_metrics() -> bytes:
        """All workers' metrics in Prometheus' text format."""
        return metrics.render()

    app = Litestar(
        [
            *prediction_routes(predict),
            *v1_routes(predict),
            *v2_routes(predict),
            *catalogue_routes(registry, repository),
            *model_routes(registry, lookup),
            *metadata_routes(registry, repository, lookup, server),
            *configuration_routes(lookup, settings.max_rows),
            *statistics_routes(registry, repository, statistics),
            *health_routes(readiness),
            *v2_health_routes(readiness, lookup),
            show_metrics,
            *admin_routers,
        ],
        lifespan=[
            draining.lifespan,
            statistics.lifespan,
            predict.lifespan,
            *([admin.lifespan] if admin else []),
            watcher.lifespan,
            *([rpc.lifespan] if rpc else []),
        ],
        exception_handlers={Exception: to_response},
        openapi_config=openapi,
        request_max_body_size=settings.max_body_bytes,
        # Else Litestar would configure logging, and look for LITESTAR_DEBUG and LITESTAR_PDB in the environment.
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )
    app.state.watcher = watcher
    app.state.draining = draining
    app.state.rpc = rpc
    if admin:
        keys = Keys(settings.admin_keys, settings.admin_keys_file)
        app.asgi_handler = authenticated(app.asgi_handler, keys)
    # Litestar's own middleware sits inside its routes and never sees an unknown path.
    app.asgi_handler = observed(app.asgi_handler, telemetry, draining)
    app.state.direct = Direct(predict, accounting, telemetry, draining)
    return app
