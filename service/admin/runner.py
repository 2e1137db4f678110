"""Starts jobs, notices how they end, calls them off. Any process of the service may, at any time: what is true stands
in files and in the kernel's locks.

A model's lock is held from before its job runs until its trainer is dead: first by the process that starts the job,
then by the trainer, which inherits it. So whoever gets the lock of a running job knows that its trainer is gone, and
alone may write down how it ended.
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from contract.config import Json
from contract.decision import GateDecision
from contract.errors import LitetError, NotFound
from contract.job import (
    LAST,
    LOG_FILE,
    Cancelled,
    Decided,
    Event,
    Failed,
    Outcome,
    Succeeded,
    append_event,
    read_events,
)
from contract.publishing import Publisher
from service.admin.audit import Audit
from service.admin.job_store import Job, JobStore, now
from service.admin.trainer import kill_trainer, start_trainer, try_lock
from service.errors import Conflict, NotReady
from service.metrics import Metrics

logger = logging.getLogger(__name__)

KILL_S = 10.0
"""Within which a killed process has ended, unless the kernel waits for a disk."""
WAIT_S = 0.01
SERVICE = "litet"
"""Who acts, in the audit log, where it is no key's holder."""

RecentRequests = Callable[[str], Sequence[bytes]]


class Runner:
    """The jobs of one state folder. Calls block: for threads. Trainers end with the holder of `lifeline`."""

    def __init__(
        self,
        state: Path,
        store: JobStore,
        publisher: Publisher,
        audit: Audit,
        metrics: Metrics,
        *,
        python: str,
        recent_requests: RecentRequests,
    ) -> None:
        self._state = state
        self._store = store
        self._publisher = publisher
        self._audit = audit
        self._metrics = metrics
        self._python = python
        self._recent_requests = recent_requests
        self.lifeline: Path | None = None
        self._children: list[subprocess.Popen[bytes]] = []

    def folder(self, job: Job) -> Path:
        """Where the job's order, events and log lie."""
        return self._state / "jobs" / job.id

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            OSError: they cannot be made.
        """
        (self._state / "jobs").mkdir(parents=True, exist_ok=True)
        (self._state / "locks").mkdir(exist_ok=True)

    def settle(self) -> None:
        """Write down how jobs ended whose trainer is gone, and start those whose turn it is."""
        self._children = [child for child in self._children if child.poll() is None]
        for job in self._store.open_jobs():
            try:
                if job.state == "running":
                    self._settle_running(job)
                else:
                    self._start(job)
            except (LitetError, OSError):  # one job's trouble is not the others'
                logger.exception("a job could not be looked after", extra={"job": job.id})

    def cancel(self, job_id: str, by: str) -> Job:
        """Call a job off. Once this returns, its trainer is dead and has published nothing, and never will.

        Raises:
            NotFound: there is no such job.
            Conflict: it is over already.
            NotReady: the trainer could not be ended in time.
        """
        job = self._store.get(job_id)
        if job.state == "queued" and self._store.finish(job, "cancelled"):
            self._metrics.count_job(job.model, "cancelled", None)
            self._record(by, "job.cancel", job, {})
            return self._store.get(job_id)
        job = self._store.get(job_id)
        if not job.is_over:
            self._publisher.raise_fence(job.model, job.number + 1)
            self._end(job, by)
            job = self._store.get(job_id)
        if job.state != "cancelled":
            raise Conflict(f"a job must be under way to be cancelled, got {job.state}")
        return job

    def _end(self, job: Job, by: str) -> None:
        deadline = time.monotonic() + KILL_S
        while time.monotonic() < deadline:
            kill_trainer(self.folder(job))
            with try_lock(self._lock(job)) as lock:
                if lock is not None:
                    self._settle(job, Cancelled(time=now(), by=by), by)
                    return
            time.sleep(WAIT_S)
        raise NotReady("the trainer must end when it is killed, and did not yet: the job can publish nothing any more")

    def _start(self, job: Job) -> None:
        with try_lock(self._lock(job)) as lock:
            if lock is None:
                return
            newest = max(self._publisher.versions(job.model), default=0)
            if not self._store.start(job, newest):
                return
            lifeline = str(self.lifeline) if self.lifeline else None
            order = msgspec.structs.replace(job.requested.order, fence=job.number, lifeline=lifeline)
            try:
                self._publisher.raise_fence(job.model, job.number)
                bodies = self._recent_requests(job.model)
                self._children.append(start_trainer(self._python, self.folder(job), order, lock, bodies))
            except OSError as error:
                logger.exception("a trainer could not be started", extra={"job": job.id})
                self._settle(self._store.get(job.id), Failed(time=now(), error=f"not started: {error}", ours=True))

    def _settle_running(self, job: Job) -> None:
        with try_lock(self._lock(job)) as lock:
            if lock is not None:
                self._settle(job, None)

    def _settle(self, job: Job, ending: Event | None, by: str = SERVICE) -> None:
        """Write down how a job ended: as its trainer said, or as its card does, else by `ending`. The lock is held."""
        job = self._store.get(job.id)
        if job.is_over:
            return
        events, _ = read_events(self.folder(job))
        last: Event
        if events and isinstance(events[-1], LAST):
            last = events[-1]
        else:
            last = self._published(job) or ending or Failed(time=now(), error=self._last_words(job), ours=True)
            self._append(job, last)
        gate = next((event.gate for event in events if isinstance(event, Decided)), None)
        self._finish(job, last, gate, by)

    def _finish(self, job: Job, last: Event, gate: GateDecision | None, by: str) -> None:
        details: dict[str, Json] = {"gate": msgspec.to_builtins(gate)} if gate else {}
        if isinstance(last, Succeeded):
            self._store.finish(job, "succeeded", outcome=last.outcome, version=last.version)
            self._metrics.count_job(job.model, "succeeded", last.outcome)
            self._record(SERVICE, f"job.{last.outcome}", job, {**details, "version": last.version})
        elif isinstance(last, Cancelled):
            self._store.finish(job, "cancelled")
            self._metrics.count_job(job.model, "cancelled", None)
            self._record(by, "job.cancel", job, {})
        elif isinstance(last, Failed):
            self._store.finish(job, "failed", error=last.error)
            self._metrics.count_job(job.model, "failed", None)
            self._record(SERVICE, "job.failed", job, {**details, "error": last.error})

    def _published(self, job: Job) -> Succeeded | None:
        """The version that a trainer published before it died, if it did. The card is what says so."""
        for version in reversed(self._publisher.versions(job.model)):
            if version <= job.newest_version:
                return None
            try:
                origin = self._publisher.card(job.model, version).origin
            except LitetError:
                continue
            if origin and origin.job == job.id:
                outcome = self._outcome(job.model, version, held=not origin.gate.passed)
                return Succeeded(time=now(), version=version, outcome=outcome)
        return None

    def _outcome(self, model: str, version: int, *, held: bool) -> Outcome:
        try:
            pointer = self._publisher.current(model)
        except NotFound:
            return "held" if held else "published"
        if version == pointer.version or version in pointer.previous:
            return "promoted"
        return "held" if held else "published"

    def _append(self, job: Job, last: Event) -> None:
        try:
            self.folder(job).mkdir(parents=True, exist_ok=True)
            append_event(self.folder(job), last)
        except OSError:  # whoever follows the events asks for the job's state, too
            logger.exception("the end of a job could not be added to its events", extra={"job": job.id})

    def _last_words(self, job: Job) -> str:
        """What the trainer's log ends with: the one trace of a death that it could not report."""
        try:
            lines = (self.folder(job) / LOG_FILE).read_text("utf-8", "replace").split("\n")
        except OSError:
            lines = []
        words = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return f"the trainer was killed, or never began; its log ends with: {words[:300]}"

    def _record(self, actor: str, action: str, job: Job, details: dict[str, Json]) -> None:
        try:
            self._audit.record(actor, action, f"{job.model}/jobs/{job.id}", details)
        except OSError:  # the end of a job is a fact already; it must not be held up for want of a line
            logger.exception("the audit log cannot be written", extra={"job": job.id, "action": action})

    def _lock(self, job: Job) -> Path:
        return self._state / "locks" / f"{job.model}.lock"
