"""Tells a job's events while it runs: appended to its file for the service, and as lines to the log."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from contract.card import EpochRecord, Metrics
from contract.decision import Finding, GateDecision
from contract.job import Decided, Epoch, Event, Found, Outcome, Staged, Succeeded, append_event
from training.observer import Observer
from training.stopping import is_finite

EVERY_EPOCH = 1_000
"""So many epochs are told one by one; of later ones those that come at least `SPACING_S` after the last."""
SPACING_S = 0.2


class EventObserver(Observer):
    """Writes what it is told into a job's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._began = time.monotonic()
        self._last_told = 0.0

    def stage(self, name: str) -> None:
        self._began = time.monotonic()
        self._tell(Staged(time=now(), stage=name), name)

    def epoch(self, record: EpochRecord, max_epochs: int) -> None:
        if not is_finite(record):  # a loss on its way to infinity, which JSON cannot hold; the run's end tells it
            return
        seconds = time.monotonic() - self._began
        if record.epoch <= EVERY_EPOCH or record.epoch == max_epochs or seconds - self._last_told >= SPACING_S:
            self._last_told = seconds
            append_event(
                self._folder, Epoch(time=now(), record=record, max_epochs=max_epochs, seconds=round(seconds, 3))
            )

    def finding(self, finding: Finding) -> None:
        """A check of the data found something."""
        self._tell(Found(time=now(), finding=finding), finding.detail)

    def decided(self, gate: GateDecision, metrics: Metrics) -> None:
        """The gate has decided."""
        self._tell(Decided(time=now(), gate=gate, metrics=metrics), "; ".join(gate.reasons) or "the gate lets it pass")

    def succeeded(self, version: int, outcome: Outcome) -> None:
        """The version is published."""
        self._tell(Succeeded(time=now(), version=version, outcome=outcome), f"version {version} {outcome}")

    def _tell(self, event: Event, line: str) -> None:
        sys.stderr.write(f"{now()} {line}\n")
        append_event(self._folder, event)


def now() -> str:
    """The time, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
