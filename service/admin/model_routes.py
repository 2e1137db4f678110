"""The routes of versions and of the audit log."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from contract.card import Card
from contract.decision import GateDecision
from contract.errors import CorruptArtifact, LitetError, NotFound
from contract.publishing import Publisher
from contract.repository import Pointer
from service.admin.audit import Audit, Entry, verify
from service.admin.authentication import actor_of
from service.problems import responses
from service.proof import prove

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="At most so many")]


class HeldOutMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """How a version did on its held-out rows, in short."""

    accuracy: float
    balanced_accuracy: float
    log_loss: float
    ece: float


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A published version; `error` says why nothing else is known of a damaged one."""

    version: int
    current: bool
    created_at: str | None = None
    source: str | None = None
    sha256: str | None = None
    job: str | None = None
    requested_by: str | None = None
    metrics: HeldOutMetrics | None = None
    gate: GateDecision | None = None
    error: str | None = None


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of a model, oldest first."""

    model: str
    current: int | None
    versions: list[Version]


class AuditLog(msgspec.Struct, frozen=True, kw_only=True):
    """Entries, newest first, and whether the whole log is as it was written: else the first line that does not fit."""

    intact: bool
    broken_at: int | None
    reason: str | None
    n_entries: int
    entries: list[Entry]


def model_routes(publisher: Publisher, audit: Audit, audit_folder: Path) -> list[HTTPRouteHandler]:
    """The handlers."""

    @get("/models/{name:str}/versions", summary="Versions", responses=responses(401, 404, 422))
    async def list_versions(name: FromPath[str]) -> Versions:
        """All versions of a model, each with its metrics, its job and the gate's decision."""
        return await asyncio.to_thread(_versions, publisher, name)

    @post(
        "/models/{name:str}/versions/{version:int}/promote",
        status_code=200,
        summary="Promote",
        responses=responses(401, 404, 422, 503, 507),
    )
    async def promote(request: Request[Any, Any, Any], name: FromPath[str], version: FromPath[int]) -> Pointer:
        """Let a version serve. It is loaded in a process of its own before; all workers follow within a second."""

        def act() -> Pointer:
            prove(publisher.root, name, version)
            audit.record(actor_of(request), "model.promote", f"{name}/{version}", {})
            return publisher.promote(name, version)

        return await asyncio.to_thread(act)

    @post(
        "/models/{name:str}/rollback",
        status_code=200,
        summary="Roll back",
        responses=responses(401, 404, 409, 422, 503, 507),
    )
    async def roll_back(request: Request[Any, Any, Any], name: FromPath[str]) -> Pointer:
        """Let the version that served before serve again; a second call goes one further back."""

        def act() -> Pointer:
            pointer = publisher.current(name)
            audit.record(actor_of(request), "model.roll_back", f"{name}/{pointer.version}", {})
            return publisher.roll_back(name, pointer.version)

        return await asyncio.to_thread(act)

    @get("/audit", summary="Audit log", responses=responses(401))
    async def show_audit(limit: Limit = 100) -> AuditLog:
        """The latest entries of the audit log, and whether its chain is unbroken."""
        verdict = await asyncio.to_thread(verify, audit_folder)
        return AuditLog(
            intact=verdict.broken_at is None,
            broken_at=verdict.broken_at,
            reason=verdict.reason,
            n_entries=verdict.n_entries,
            entries=await asyncio.to_thread(audit.entries, limit),
        )

    return [list_versions, promote, roll_back, show_audit]


def _versions(publisher: Publisher, name: str) -> Versions:
    numbers = publisher.versions(name)
    if not numbers:
        raise NotFound(f"a model must be published, got {name!r}")
    try:
        current = publisher.current(name).version
    except (NotFound, CorruptArtifact):
        current = None
    return Versions(model=name, current=current, versions=[_version(publisher, name, one, current) for one in numbers])


def _version(publisher: Publisher, name: str, version: int, current: int | None) -> Version:
    try:
        card = publisher.card(name, version)
    except (LitetError, OSError) as error:
        return Version(version=version, current=version == current, error=str(error))
    return _describe(card, is_current=version == current)


def _describe(card: Card, *, is_current: bool) -> Version:
    metrics, origin = card.report.metrics, card.origin
    return Version(
        version=card.version,
        current=is_current,
        created_at=card.created_at,
        source=card.report.data.source,
        sha256=card.model_file.sha256,
        job=origin.job if origin else None,
        requested_by=origin.requested_by if origin else None,
        gate=origin.gate if origin else None,
        metrics=HeldOutMetrics(
            accuracy=metrics.accuracy,
            balanced_accuracy=metrics.balanced_accuracy,
            log_loss=metrics.log_loss,
            ece=metrics.ece,
        ),
    )
