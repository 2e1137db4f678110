"""A job as the API shows it: its record, and what its trainer has told so far."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from contract.card import Metrics
from contract.decision import Finding, GateDecision
from contract.errors import CorruptArtifact
from contract.job import LOG_FILE, Decided, Epoch, Event, Found, Outcome, Promote, Staged, read_events
from service.admin.job_record import Job, State

LOG_LINES = 50
LOG_BYTES = 8192


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands. `fraction` and `eta_s` are those of fitting to its last epoch; most runs stop before."""

    stage: str
    epoch: int | None = None
    max_epochs: int | None = None
    fraction: float | None = None
    eta_s: float | None = None
    train_loss: float | None = None
    valid_loss: float | None = None


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job. What another version of litet ordered, and this one cannot read, is
    None. `metrics` are those of the challenger on the held-out rows; `log` is the end of the trainer's.
    """

    id: str
    number: int
    model: str
    state: State
    outcome: Outcome | None
    version: int | None
    dataset: str | None
    dataset_version: str | None
    target: str | None
    promote: Promote | None
    requested_by: str | None
    note: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    error: str | None
    progress: Progress | None = None
    findings: list[Finding] | msgspec.UnsetType = msgspec.UNSET
    metrics: Metrics | msgspec.UnsetType | None = msgspec.UNSET
    gate: GateDecision | msgspec.UnsetType | None = msgspec.UNSET
    log: list[str] | msgspec.UnsetType = msgspec.UNSET


class Jobs(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs, the newest first."""

    jobs: list[JobView]


def summarize(job: Job, folder: Path) -> JobView:
    """A job in a line; with its progress where it runs."""
    order = job.requested.order if job.requested else None
    running = job.state == "running"
    return JobView(
        id=job.id,
        number=job.number,
        model=job.model,
        state=job.state,
        outcome=job.outcome,
        version=job.version,
        dataset=order.dataset if order else None,
        dataset_version=job.requested.dataset_version if job.requested else None,
        target=order.target if order else None,
        promote=order.promote if order else None,
        requested_by=order.requested_by if order else None,
        note=order.note if order else "",
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        error=job.error,
        progress=_progress(_events(folder)) if running else None,
    )


def describe(job: Job, folder: Path) -> JobView:
    """All that is known of a job. Reads files: for threads."""
    events = _events(folder)
    decided = next((event for event in reversed(events) if isinstance(event, Decided)), None)
    return msgspec.structs.replace(
        summarize(job, folder),
        findings=[event.finding for event in events if isinstance(event, Found)],
        metrics=decided.metrics if decided else None,
        gate=decided.gate if decided else None,
        log=_log_tail(folder),
    )


def _events(folder: Path) -> list[Event]:
    """What the trainer told; nothing where that cannot be read: the job is to be seen all the same."""
    try:
        return read_events(folder)[0]
    except CorruptArtifact:
        return []


def _progress(events: Sequence[Event]) -> Progress:
    stage = next((event.stage for event in reversed(events) if isinstance(event, Staged)), "starting")
    last = next((event for event in reversed(events) if isinstance(event, Epoch)), None)
    if last is None:
        return Progress(stage=stage)
    epoch, max_epochs = last.record.epoch, last.max_epochs
    return Progress(
        stage=stage,
        epoch=epoch,
        max_epochs=max_epochs,
        fraction=epoch / max_epochs,
        eta_s=round(last.seconds / epoch * (max_epochs - epoch), 1) if stage == "fitting" else None,
        train_loss=last.record.train_loss,
        valid_loss=last.record.valid_loss,
    )


def _log_tail(folder: Path) -> list[str]:
    try:
        with (folder / LOG_FILE).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-LOG_LINES:]
