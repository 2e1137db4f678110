"""What is kept of a job: one row of a table, and how rows are read."""

from __future__ import annotations

import sqlite3
from typing import Any, Literal

import msgspec

from contract.job import Order, Outcome

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
OVER = ("succeeded", "failed", "cancelled")
FIELDS = (
    "number, id, model, state, requested, created_at, started_at, finished_at, newest_version, cancelled_by, outcome,"
    " version, error"
)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request to retrain, resolved: all that the order needs but what is known only once the job starts."""

    order: Order
    dataset_version: str | None
    """SHA-256 of the uploaded table; None for a built-in."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `newest_version` is the model's newest version when the job started, `cancelled_by` who called it
    off while it ran. Times are UTC.
    """

    number: int
    id: str
    model: str
    state: State
    requested: Request | None
    """None where another version of litet wrote what this one cannot read."""
    created_at: str
    started_at: str | None
    finished_at: str | None
    newest_version: int
    cancelled_by: str | None
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


def first(database: sqlite3.Connection, condition: str, *values: Any) -> Job | None:
    """The oldest job that meets a condition."""
    return next(iter(select(database, f"{condition} ORDER BY number LIMIT 1", *values)), None)


def select(database: sqlite3.Connection, rest: str, *values: Any) -> list[Job]:
    """The jobs of a query, of which `rest` is all behind WHERE."""
    rows = database.execute(f"SELECT {FIELDS} FROM jobs WHERE {rest}", values)  # noqa: S608 # no caller's text in it
    names = FIELDS.split(", ")
    return [_job(dict(zip(names, row, strict=True))) for row in rows]


def _job(row: dict[str, Any]) -> Job:
    try:
        requested = msgspec.json.decode(row["requested"], type=Request)
    except msgspec.ValidationError:
        requested = None
    return msgspec.convert({**row, "requested": requested}, Job)
