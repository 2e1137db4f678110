"""Starts jobs, notices how they end, calls them off. Any process of the service may, at any time: what is true stands
in files and in the kernel's locks.

A model's lock is held from before its job runs until its trainer is dead: first by the process that starts the job,
then by the trainer, which inherits it. So whoever gets the lock of a running job knows that its trainer is gone, and
alone may write down how it ended.
"""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path

import msgspec

from contract.config import Json
from contract.decision import GateDecision
from contract.errors import CorruptArtifact, LitetError
from contract.job import (
    LAST,
    LOG_FILE,
    Cancelled,
    Decided,
    Event,
    Failed,
    Order,
    Outcome,
    Succeeded,
    append_event,
    read_events,
)
from contract.publishing import Publisher
from service.admin.audit import Audit
from service.admin.job_record import Job
from service.admin.job_store import JobStore, now
from service.admin.launcher import Launcher
from service.admin.trainer import kill_trainer, try_lock
from service.errors import Conflict, NotReady
from service.metrics import Metrics

logger = logging.getLogger(__name__)

KILL_S = 10.0
"""Within which a killed process has ended, unless the kernel waits for a disk."""
WAIT_S = 0.01
SERVICE = "litet"
"""Who acts, in the audit log, where it is no key's holder."""


class Runner:
    """The jobs of one state folder. Calls block: for threads."""

    def __init__(
        self,
        state: Path,
        store: JobStore,
        publisher: Publisher,
        audit: Audit,
        metrics: Metrics,
        launcher: Launcher,
    ) -> None:
        self._state = state
        self._store = store
        self._publisher = publisher
        self._audit = audit
        self._metrics = metrics
        self._launcher = launcher

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
        for job in self._store.open_jobs():
            try:
                if job.state == "running":
                    self._settle_running(job)
                elif self._launcher.can_start():
                    self._start(job)
            except (LitetError, OSError):  # one job's trouble is not the others'
                logger.exception("a job could not be looked after", extra={"job": job.id})

    def cancel(self, job_id: str, by: str) -> Job:
        """Call a job off. Once this returns, its trainer is dead and has published nothing, and never will.

        Raises:
            NotFound: there is no such job.
            Conflict: it is over already.
            NotReady: the trainer could not be ended in time.
            OSError: the disk is full or fails.
        """
        job = self._store.get(job_id)
        if job.is_over:
            raise Conflict(f"a job must be under way to be cancelled, got {job.state}")
        self._audit.record(by, "job.cancel", _subject(job), {})
        if job.state == "queued" and self._store.finish(job, "cancelled"):
            self._metrics.count_job(job.model, "cancelled", None)
            return self._store.get(job_id)
        job = self._store.get(job_id)
        if not job.is_over:
            self._store.call_off(job, by)
            self._publisher.raise_fence(job.model)
            self._end(job)
            job = self._store.get(job_id)
        if job.state != "cancelled":
            raise Conflict(f"a job must be under way to be cancelled, got {job.state}")
        return job

    def _end(self, job: Job) -> None:
        deadline = time.monotonic() + KILL_S
        while time.monotonic() < deadline:
            if self._store.get(job.id).is_over:  # another process saw its end, and may have started the next job
                return
            kill_trainer(self.folder(job))
            with try_lock(self._lock(job)) as lock:
                if lock is not None:
                    self._settle(job)
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
            try:
                order = self._order(job)
                if (job := self._store.get(job.id)).cancelled_by:
                    self._settle(job)
                    return
                self._launcher.start(self.folder(job), order, lock)
            except (LitetError, OSError) as error:
                logger.exception("a trainer could not be started", extra={"job": job.id})
                self._settle(job, Failed(time=now(), error=f"not started: {error}", ours=True))

    def _order(self, job: Job) -> Order:
        """The order, with what is known only now. Whoever cancels the job from here on raises the fence again."""
        if job.requested is None:
            raise CorruptArtifact("a job must have been ordered from a service that understands this one's orders")
        fence = self._publisher.raise_fence(job.model, job.number)
        return msgspec.structs.replace(job.requested.order, fence=fence)

    def _settle_running(self, job: Job) -> None:
        with try_lock(self._lock(job)) as lock:
            if lock is not None:
                self._settle(job)

    def _settle(self, job: Job, ending: Event | None = None) -> None:
        """Write down how a job ended: as its trainer said, or as its card does, else by `ending`. The lock is held."""
        job = self._store.get(job.id)
        if job.is_over:
            return
        if job.cancelled_by:
            ending = Cancelled(time=now(), by=job.cancelled_by)
        events = self._events(job)
        told: Event | None = next((event for event in events[-1:] if isinstance(event, LAST)), None)
        succeeded = next((event for event in events if isinstance(event, Succeeded)), None) or self._published(job)
        # A trainer that fails may have published before, and one that meets the raised fence was called off.
        last: Event = succeeded or ending or told or Failed(time=now(), error=self._last_words(job), ours=True)
        if last is not told:
            self._append(job, last)
        gate = next((event.gate for event in events if isinstance(event, Decided)), None)
        self._finish(job, last, gate)

    def _events(self, job: Job) -> list[Event]:
        """What the trainer told; nothing where that cannot be read, since every job must come to an end."""
        try:
            return read_events(self.folder(job))[0]
        except (LitetError, OSError):
            logger.exception("the events of a job cannot be read", extra={"job": job.id})
            return []

    def _finish(self, job: Job, last: Event, gate: GateDecision | None) -> None:
        details: dict[str, Json] = {"gate": msgspec.to_builtins(gate)} if gate else {}
        if isinstance(last, Succeeded):
            self._record(f"job.{last.outcome}", job, {**details, "version": last.version})
            self._store.finish(job, "succeeded", outcome=last.outcome, version=last.version)
            self._metrics.count_job(job.model, "succeeded", last.outcome)
        elif isinstance(last, Cancelled):
            self._store.finish(job, "cancelled")
            self._metrics.count_job(job.model, "cancelled", None)
        elif isinstance(last, Failed):
            self._record("job.failed", job, {**details, "error": last.error})
            self._store.finish(job, "failed", error=last.error)
            self._metrics.count_job(job.model, "failed", None)

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
        with contextlib.suppress(LitetError):
            pointer = self._publisher.current(model)
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

    def _record(self, action: str, job: Job, details: dict[str, Json]) -> None:
        try:
            self._audit.record(SERVICE, action, _subject(job), details)
        except OSError:  # the end of a job is a fact already; it must not be held up for want of a line
            logger.exception("the audit log cannot be written", extra={"job": job.id, "action": action})

    def _lock(self, job: Job) -> Path:
        return self._state / "locks" / f"{job.model}.lock"


def _subject(job: Job) -> str:
    """What the audit log calls a job."""
    return f"{job.model}/jobs/{job.id}"
