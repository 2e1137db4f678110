"""What the admin API is sent, and answers: what a client needs of it. Fields that it does not know are ignored."""

from __future__ import annotations

from typing import Literal

import msgspec

from contract.card import Metrics
from contract.config import Json, PresetName
from contract.decision import Finding, GateDecision
from contract.job import DataChecks, Outcome, Promote

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATES: tuple[State, ...] = ("queued", "running", "succeeded", "failed", "cancelled")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands. `fraction` and `eta_s` (seconds) are those of its last epoch; most runs stop before."""

    stage: str
    epoch: int | None = None
    max_epochs: int | None = None
    fraction: float | None = None
    eta_s: float | None = None
    train_loss: float | None = None
    valid_loss: float | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job. What has a default is absent from lists, and as long as it is not known. Times are UTC."""

    id: str
    number: int
    model: str
    state: State
    outcome: Outcome | None
    version: int | None
    dataset: str
    dataset_version: str | None
    target: str | None
    promote: Promote
    requested_by: str
    note: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    error: str | None
    progress: Progress | None = None
    findings: tuple[Finding, ...] = ()
    metrics: Metrics | None = None
    gate: GateDecision | None = None
    log: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.state in {"succeeded", "failed", "cancelled"}


class Jobs(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs, the newest first."""

    jobs: tuple[Job, ...]


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an uploaded table; `version` is the SHA-256 of its bytes, in hexadecimal digits."""

    name: str
    version: str
    n_rows: int
    n_columns: int
    warnings: tuple[str, ...] = ()


class RetrainRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a retrain is asked with. None leaves the choice to the version that serves."""

    dataset: str
    dataset_version: str | None
    target: str | None
    preset: PresetName | None
    config: dict[str, Json]
    include: tuple[str, ...] | None
    exclude: tuple[str, ...] | None
    categorical: tuple[str, ...] | None
    promote: Promote
    data_checks: DataChecks
    queue: bool
    create: bool
    note: str
