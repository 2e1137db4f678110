"""The jobs in SQLite: what was asked for, in which state it is, how it ended. Any process of the service may use it.

    queued ──▶ running ──▶ succeeded | failed | cancelled
       └──────────────────────────────▶ failed | cancelled

Every change is one transaction whose condition names the state that it leaves, so of two processes that want to make
the same change one makes it. Nothing here says that a trainer is alive: that is the kernel lock's to say
(`service.admin.runner`).
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from contract.errors import NotFound
from contract.job import Outcome
from contract.staging import locked
from service.admin.job_record import Job, Request, RequestId, State, first, select
from service.errors import Conflict, InvalidBody

BUSY_S = 10.0
"""How long a process waits for another's transaction, each of which takes milliseconds."""

SCHEMA_VERSION = 1
SCHEMA = f"""
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    requested TEXT NOT NULL,
    request_id TEXT UNIQUE,
    request_sha256 TEXT,
    created_at TEXT NOT NULL,
    started_at TEXT,
    finished_at TEXT,
    newest_version INTEGER NOT NULL DEFAULT 0,
    cancelled_by TEXT,
    outcome TEXT,
    version INTEGER,
    error TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, number);
CREATE INDEX IF NOT EXISTS jobs_by_model ON jobs (model, number);
"""


class JobStore:
    """The jobs in one SQLite file. Calls block for some milliseconds: not for the event loop."""

    def __init__(self, path: Path, *, max_running: int, max_queued: int) -> None:
        self._path = path
        self._max_running = max_running
        self._max_queued = max_queued
        self._kept_open: sqlite3.Connection | None = None

    def prepare(self) -> None:
        """Make the file, where there is none, and keep it open: then jobs can be read while the disk is full.

        Raises:
            sqlite3.Error, OSError: it cannot be made or used, or another version of litet made it otherwise.
        """
        # Of several workers that switch a new file to write-ahead logging at once, SQLite lets only one.
        with locked(self._path.parent), contextlib.closing(self._connect()) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version not in (0, SCHEMA_VERSION):
                raise sqlite3.DatabaseError(f"{self._path.name} must have layout {SCHEMA_VERSION}, got {version}")
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(SCHEMA)
        # The last connection to close would take SQLite's shared memory with it, and the next could not make it anew.
        self._kept_open = self._connect()
        self._kept_open.execute("SELECT 1 FROM jobs LIMIT 1")

    def close(self) -> None:
        """Let go of the file."""
        if self._kept_open is not None:
            self._kept_open.close()
            self._kept_open = None

    def create(
        self, request: Request, request_id: RequestId | None, witness: Callable[[Job], None], *, queue: bool
    ) -> tuple[Job, bool]:
        """A new job, queued; or, and False with it, the one that the same request made before.

        `witness` is shown the new job before it counts; if it raises, there is no job.

        Raises:
            InvalidBody: the request's key was used for another request.
            Conflict: the model has a job that is not over and `queue` is false, or too many wait already.
        """
        with self._transaction() as database:
            if request_id and (known := _known(database, request_id)):
                return known, False
            self._check_room(database, request.order.model, queue=queue)
            job_id = secrets.token_hex(8)
            order = msgspec.structs.replace(request.order, id=job_id)
            database.execute(
                "INSERT INTO jobs (id, model, state, requested, request_id, request_sha256, created_at)"
                " VALUES (?, ?, 'queued', ?, ?, ?, ?)",
                [
                    job_id,
                    order.model,
                    msgspec.json.encode(msgspec.structs.replace(request, order=order)).decode(),
                    request_id.key if request_id else None,
                    request_id.sha256 if request_id else None,
                    now(),
                ],
            )
            job = first(database, "id = ?", job_id)
            assert job  # noqa: S101 # inserted above
            witness(job)
            return job, True

    def find(self, request_id: RequestId) -> Job | None:
        """The job that the same request made before; None where it did not.

        Raises:
            InvalidBody: the request's key was used for another request.
        """
        with contextlib.closing(self._connect()) as database:
            return _known(database, request_id)

    def get(self, job_id: str) -> Job:
        """A job by its id.

        Raises:
            NotFound: there is none.
        """
        with contextlib.closing(self._connect()) as database:
            job = first(database, "id = ?", job_id)
        if job is None:
            raise NotFound(f"a job must exist, got {job_id[:80]!r}")
        return job

    def latest(self, *, model: str | None = None, state: str | None = None, limit: int = 100) -> list[Job]:
        """The latest jobs, newest first."""
        conditions = {"model": model, "state": state}
        given = {name: value for name, value in conditions.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in given) or "TRUE"
        with contextlib.closing(self._connect()) as database:
            return select(database, f"{where} ORDER BY number DESC LIMIT ?", *given.values(), limit)

    def open_jobs(self) -> list[Job]:
        """The jobs that are running or queued, oldest first."""
        with contextlib.closing(self._connect()) as database:
            return select(database, "state IN ('running', 'queued') ORDER BY number")

    def start(self, job: Job, newest_version: int) -> bool:
        """Let a queued job run; False where it is not its turn. The caller holds the model's lock.

        A turn comes where the job is the model's oldest, none of the model runs, and not too many run in all.
        """
        with self._transaction() as database:
            (n_running,) = database.execute("SELECT count(*) FROM jobs WHERE state = 'running'").fetchone()
            ahead = database.execute(
                "SELECT 1 FROM jobs WHERE model = ? AND number < ? AND state IN ('running', 'queued')",
                [job.model, job.number],
            ).fetchone()
            if ahead or n_running >= self._max_running:
                return False
            changed = database.execute(
                "UPDATE jobs SET state = 'running', started_at = ?, newest_version = ?"
                " WHERE id = ? AND state = 'queued'",
                [now(), newest_version, job.id],
            )
            return changed.rowcount == 1

    def call_off(self, job: Job, by: str) -> None:
        """Write down that a running job is to end, and for whom: whoever notices its end then knows why."""
        with self._transaction() as database:
            database.execute("UPDATE jobs SET cancelled_by = ? WHERE id = ? AND state = 'running'", [by, job.id])

    def finish(
        self,
        job: Job,
        state: State,
        *,
        outcome: Outcome | None = None,
        version: int | None = None,
        error: str | None = None,
    ) -> bool:
        """Write down how a job ended; False where it no longer is in the state that `job` says."""
        with self._transaction() as database:
            changed = database.execute(
                "UPDATE jobs SET state = ?, outcome = ?, version = ?, error = ?, finished_at = ?"
                " WHERE id = ? AND state = ?",
                [state, outcome, version, error, now(), job.id, job.state],
            )
            return changed.rowcount == 1

    def _check_room(self, database: sqlite3.Connection, model: str, *, queue: bool) -> None:
        busy = first(database, "model = ? AND state IN ('running', 'queued')", model)
        if busy and not queue:
            raise Conflict(
                f"a model must have no job under way to be retrained, got {model!r} with job {busy.id} {busy.state}; "
                'send "queue": true (--queue) to wait for it'
            )
        counts = "SELECT count(*), count(DISTINCT model) FROM jobs WHERE state IN ('running', 'queued')"
        n_open, n_models = database.execute(counts).fetchone()
        # A job whose turn has come but that nobody has started yet does not wait.
        n_waiting = n_open - min(n_models, self._max_running)
        if (busy or n_models >= self._max_running) and n_waiting >= self._max_queued:
            raise Conflict(f"at most {self._max_queued} jobs may wait for their turn, got one more")

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA synchronous = FULL")
        return database

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One that excludes all others from its beginning on, so that what it reads stays true to its end."""
        with contextlib.closing(self._connect()) as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                if database.in_transaction:  # SQLite ends one by itself where the disk is full
                    database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


def now() -> str:
    """The time, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _known(database: sqlite3.Connection, request_id: RequestId) -> Job | None:
    job = first(database, "request_id = ?", request_id.key)
    if job and first(database, "id = ? AND request_sha256 = ?", job.id, request_id.sha256) is None:
        raise InvalidBody("an Idempotency-Key must be used for one request only, got it with another body")
    return job
