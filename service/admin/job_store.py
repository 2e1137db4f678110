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
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from contract.errors import NotFound
from contract.job import Order, Outcome
from service.errors import Conflict, InvalidBody

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
OVER = ("succeeded", "failed", "cancelled")
BUSY_S = 10.0
"""How long a process waits for another's transaction, each of which takes milliseconds."""

SCHEMA = """
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
    outcome TEXT,
    version INTEGER,
    error TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, number);
CREATE INDEX IF NOT EXISTS jobs_by_model ON jobs (model, number);
"""
FIELDS = (
    "number, id, model, state, requested, created_at, started_at, finished_at, newest_version, outcome, version, error"
)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request to retrain, resolved: all that the order needs but what is known only once the job starts."""

    order: Order
    dataset_version: str | None
    """SHA-256 of the uploaded table; None for a built-in."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `newest_version` is the model's newest version when the job started. Times are UTC."""

    number: int
    id: str
    model: str
    state: State
    requested: Request
    created_at: str
    started_at: str | None
    finished_at: str | None
    newest_version: int
    outcome: Outcome | None
    version: int | None
    error: str | None

    @property
    def is_over(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.state in OVER


class RequestId(msgspec.Struct, frozen=True):
    """What a repeated request is known by: the caller's key for it, and the SHA-256 of what was asked for."""

    key: str
    sha256: str


class JobStore:
    """The jobs in one SQLite file. Calls block for some milliseconds: not for the event loop."""

    def __init__(self, path: Path, *, max_running: int, max_queued: int) -> None:
        self._path = path
        self._max_running = max_running
        self._max_queued = max_queued

    def prepare(self) -> None:
        """Make the file, where there is none.

        Raises:
            sqlite3.Error, OSError: it cannot be made or used.
        """
        with contextlib.closing(self._connect()) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(SCHEMA)

    def create(self, request: Request, request_id: RequestId | None, *, queue: bool) -> tuple[Job, bool]:
        """A new job, queued; or, and False with it, the one that the same request made before.

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
            job = _first(database, "id = ?", job_id)
            assert job  # noqa: S101 # inserted above
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
            job = _first(database, "id = ?", job_id)
        if job is None:
            raise NotFound(f"a job must exist, got {job_id[:80]!r}")
        return job

    def latest(self, *, model: str | None = None, state: str | None = None, limit: int = 100) -> list[Job]:
        """The latest jobs, newest first."""
        conditions = {"model": model, "state": state}
        given = {name: value for name, value in conditions.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in given) or "TRUE"
        with contextlib.closing(self._connect()) as database:
            return _select(database, f"{where} ORDER BY number DESC LIMIT ?", *given.values(), limit)

    def open_jobs(self) -> list[Job]:
        """The jobs that are running or queued, oldest first."""
        with contextlib.closing(self._connect()) as database:
            return _select(database, "state IN ('running', 'queued') ORDER BY number")

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
        busy = _first(database, "model = ? AND state IN ('running', 'queued')", model)
        if busy and not queue:
            raise Conflict(
                f"a model must have no job under way to be retrained, got {model!r} with job {busy.id} {busy.state}; "
                'send "queue": true to wait for it'
            )
        counts = (
            "SELECT count(*), count(*) FILTER (WHERE state = 'queued') FROM jobs WHERE state IN ('running', 'queued')"
        )
        n_open, n_queued = database.execute(counts).fetchone()
        if (busy or n_open >= self._max_running) and n_queued >= self._max_queued:
            raise Conflict(f"at most {self._max_queued} jobs may wait for their turn, got one more")

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
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
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


def now() -> str:
    """The time, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _known(database: sqlite3.Connection, request_id: RequestId) -> Job | None:
    job = _first(database, "request_id = ?", request_id.key)
    if job and _first(database, "id = ? AND request_sha256 = ?", job.id, request_id.sha256) is None:
        raise InvalidBody("an Idempotency-Key must be used for one request only, got it with another body")
    return job


def _first(database: sqlite3.Connection, condition: str, *values: Any) -> Job | None:
    return next(iter(_select(database, f"{condition} ORDER BY number LIMIT 1", *values)), None)


def _select(database: sqlite3.Connection, rest: str, *values: Any) -> list[Job]:
    rows = database.execute(f"SELECT {FIELDS} FROM jobs WHERE {rest}", values)  # noqa: S608 # no caller's text in it
    names = FIELDS.split(", ")
    return [_job(dict(zip(names, row, strict=True))) for row in rows]


def _job(row: dict[str, Any]) -> Job:
    return msgspec.convert({**row, "requested": msgspec.json.decode(row["requested"])}, Job)
