"""Who is told how a run goes on."""

from __future__ import annotations

from contract.card import EpochRecord
from training.trace import StepTrace


class Observer:
    """Told how a run goes on. Does nothing; override what is of interest."""

    def stage(self, name: str) -> None:
        """A stage begins: preparing, fitting, calibrating, exporting, evaluating."""

    def progress(self, share: float) -> None:
        """So much of a long table was read, or of a long epoch trained on, from 0 to 1."""

    def epoch(self, record: EpochRecord, max_epochs: int) -> None:
        """An epoch is over."""

    def first_step(self, trace: StepTrace) -> None:
        """The first step in full; only where `wants_trace` is set."""

    wants_trace = False
