"""The routes of versions and of the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
from service.admin.acts import recorded
from service.admin.audit import Audit, Entry
from service.admin.audit import verify as verify_log
from service.admin.authentication import actor_of
from service.lookup import read_version
from service.problems import responses
from service.proof import prove

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="At most so many")]
Before = Annotated[
    # Litestar checks the bound, but describes no bounds of what may be None.
    int | None,
    QueryParameter(ge=1, schema_extra={"minimum": 1}, description="Only entries whose sequence is below"),
]
Verify = Annotated[bool, QueryParameter(description="Whether to read the whole log and check its chain")]


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


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the whole log is as it was written: `n_entries` are; the line `broken_at` is the first that is not."""

    intact: bool
    broken_at: int | None
    reason: str | None
    n_entries: int


class AuditLog(msgspec.Struct, frozen=True, kw_only=True):
    """Entries, newest first; `chain` is null where it was not asked for."""

    chain: Chain | None
    entries: list[Entry]


def model_routes(publisher: Publisher, audit: Audit, audit_folder: Path) -> list[HTTPRouteHandler]:
    """The handlers."""

    @get("/models/{name:str}/versions", summary="Versions", responses=responses(401, 404, 422))
    async def list_versions(name: FromPath[str]) -> Versions:
        """All versions of a model, each with its metrics, its job and the gate's decision."""
        return await asyncio.to_thread(_versions, publisher, name)

    @post(
        "/models/{name:str}/versions/{version:str}/promote",
        status_code=200,
        summary="Promote",
        responses=responses(401, 404, 422, 503, 507),
    )
    async def promote(request: Request[Any, Any, Any], name: FromPath[str], version: FromPath[str]) -> Pointer:
        """Let a version serve. It is loaded in a process of its own before; all workers follow within a second."""
        number = read_version(version)
        await prove(publisher.root, name, number)
        subject, actor = f"{name}/{number}", actor_of(request)
        return await asyncio.to_thread(
            _record, audit, actor, "model.promote", subject, lambda: publisher.promote(name, number)
        )

    @post(
        "/models/{name:str}/rollback",
        status_code=200,
        summary="Roll back",
        responses=responses(401, 404, 409, 422, 503, 507),
    )
    async def roll_back(request: Request[Any, Any, Any], name: FromPath[str]) -> Pointer:
        """Let the version that served before serve again; a second call goes one further back."""
        return await asyncio.to_thread(_roll_back, publisher, audit, actor_of(request), name)

    @get("/audit", summary="Audit log", responses=responses(401))
    async def show_audit(limit: Limit = 100, before: Before = None, verify: Verify = False) -> AuditLog:  # noqa: FBT002 # a query parameter
        """The latest entries of the audit log. With `before`, the sequence of the last one seen, those that follow."""
        chain = await asyncio.to_thread(_check, audit_folder) if verify else None
        return AuditLog(chain=chain, entries=await asyncio.to_thread(audit.entries, limit, before))

    return [list_versions, promote, roll_back, show_audit]


def _roll_back(publisher: Publisher, audit: Audit, actor: str, name: str) -> Pointer:
    pointer = publisher.current(name)
    if not pointer.previous:
        raise NotFound(f"a rollback needs an earlier version, got none before {name}/{pointer.version}")
    publisher.read(name, pointer.previous[-1])
    subject = f"{name}/{pointer.version}"
    return _record(audit, actor, "model.roll_back", subject, lambda: publisher.roll_back(name, pointer.version))


def _record(audit: Audit, actor: str, action: str, subject: str, act: Callable[[], Pointer]) -> Pointer:
    """Record an act and do it, in this order. Where it then fails, a second entry says so."""
    with recorded(audit, actor, action, subject):
        return act()


def _check(audit_folder: Path) -> Chain:
    verdict = verify_log(audit_folder)
    return Chain(
        intact=verdict.broken_at is None,
        broken_at=verdict.broken_at,
        reason=verdict.reason,
        n_entries=verdict.n_entries,
    )


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
