"""How often each version was asked, and where the time went, in the shape of Triton's statistics extension."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from contract.errors import NotFound
from contract.repository import Repository
from service.lookup import read_version
from service.problems import protocol_responses
from service.registry import Registry
from service.statistics import Counts, Key, Statistics

NS_PER_MS = 1_000_000


class Duration(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests, and how many nanoseconds they took together."""

    count: int = 0
    ns: int = 0


class InferenceStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the answered requests, and those that failed. Nothing is cached."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration = Duration()
    cache_miss: Duration = Duration()


class BatchStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Executions of one batch size, which are not counted apart."""

    batch_size: int
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration


class MemoryUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of one device, which is not counted by version."""

    type: str
    id: int
    byte_size: int


class ModelStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What one version was asked by all workers since the service started.

    `last_inference` is in milliseconds since 1970, 0 for never; `inference_count` counts rows, `execution_count` runs
    of the model.
    """

    name: str
    version: str
    last_inference: int
    inference_count: int
    execution_count: int
    inference_stats: InferenceStatistics
    batch_stats: list[BatchStatistics] = []
    memory_usage: list[MemoryUsage] = []


class AllStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of some versions, by name and version."""

    model_stats: list[ModelStatistics]


def statistics_routes(registry: Registry, repository: Repository, statistics: Statistics) -> list[HTTPRouteHandler]:
    """The handlers, in threads: what the other workers counted is read from files."""

    @get("/v2/models/stats", sync_to_thread=True, summary="Statistics")
    def show_all() -> AllStatistics:
        """The statistics of every version that is current, or was asked since the service started."""
        totals = statistics.totals()
        current = {(name, predictor.version) for name, predictor in registry.current().items()}
        return _describe((key, totals.get(key)) for key in current | totals.keys())

    @get(
        "/v2/models/{name:str}/stats",
        sync_to_thread=True,
        summary="Model statistics",
        responses=protocol_responses(404),
    )
    def show_model(name: FromPath[str]) -> AllStatistics:
        """The statistics of a model's current version, and of every other that was asked since the service started."""
        current = (name, registry.get(name).version)
        totals = statistics.totals()
        asked = {key for key in totals if key[0] == name}
        return _describe((key, totals.get(key)) for key in asked | {current})

    @get(
        "/v2/models/{name:str}/versions/{version:str}/stats",
        sync_to_thread=True,
        summary="Version statistics",
        responses=protocol_responses(404),
    )
    def show_version(name: FromPath[str], version: FromPath[str]) -> AllStatistics:
        """The statistics of one version of a model."""
        key = (name, read_version(version))
        counts = statistics.totals().get(key)
        if counts is None and key[1] not in (registry.get(name).version, *repository.versions(name)):
            raise NotFound(f"a version must be published, got {name}/{version}")
        return _describe([(key, counts)])

    return [show_all, show_model, show_version]


def _describe(counted: Iterable[tuple[Key, Counts | None]]) -> AllStatistics:
    return AllStatistics(
        model_stats=[
            _model_statistics(name, version, counts or Counts())
            for (name, version), counts in sorted(counted, key=lambda one: one[0])
        ]
    )


def _model_statistics(name: str, version: int, counts: Counts) -> ModelStatistics:
    n = counts.n_answered
    total_ns = counts.input_ns + counts.queue_ns + counts.infer_ns + counts.output_ns
    return ModelStatistics(
        name=name,
        version=str(version),
        last_inference=counts.last_ns // NS_PER_MS,
        inference_count=counts.n_rows,
        execution_count=counts.n_runs,
        inference_stats=InferenceStatistics(
            success=Duration(count=n, ns=total_ns),
            fail=Duration(count=counts.n_failed, ns=counts.failed_ns),
            queue=Duration(count=n, ns=counts.queue_ns),
            compute_input=Duration(count=n, ns=counts.input_ns),
            compute_infer=Duration(count=n, ns=counts.infer_ns),
            compute_output=Duration(count=n, ns=counts.output_ns),
        ),
    )
