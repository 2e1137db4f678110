"""Starts trainers with what only this process knows: their interpreter, its service's lifeline, its recent requests."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from contract.job import Order
from service.admin.lifeline import is_held
from service.admin.trainer import start_trainer

logger = logging.getLogger(__name__)

RecentRequests = Callable[[str], Sequence[bytes]]


class Launcher:
    """Starts trainers, which end with the holder of `lifeline`. `is_stopping` says whether this process is about to."""

    def __init__(self, python: str, recent_requests: RecentRequests, is_stopping: Callable[[], bool]) -> None:
        self._python = python
        self._recent_requests = recent_requests
        self._is_stopping = is_stopping
        self.lifeline: Path | None = None

    def check(self) -> None:
        """Log it where no trainer could be started. Serving goes on."""
        if shutil.which(self._python) is None:
            logger.warning(
                "LITET_TRAINER_PYTHON must be an interpreter: no job can run", extra={"trainer_python": self._python}
            )

    def can_start(self) -> bool:
        """Whether a trainer started now would not have to end at once."""
        return not self._is_stopping() and self.lifeline is not None and is_held(self.lifeline)

    def start(self, folder: Path, order: Order, lock: int) -> None:
        """A trainer on a job's folder, which inherits the lock.

        Raises:
            OSError: the interpreter cannot be started, or the disk is full or fails.
        """
        order = msgspec.structs.replace(order, lifeline=str(self.lifeline))
        trainer = start_trainer(self._python, folder, order, lock, self._recent_requests(order.model))
        # Waited for, or it would stay a zombie for as long as this process lives.
        threading.Thread(target=trainer.wait, daemon=True, name="trainer").start()
