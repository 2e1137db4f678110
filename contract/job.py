"""A retraining job as service and trainer see it: what the service orders, and what the trainer tells while it works.

The service writes the order into the job's folder and starts the trainer on it. The trainer appends its events, one
JSON object a line; the last one says how it ended. Who holds the kernel lock of the model is the one that may append.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Literal

import msgspec

from contract.card import EpochRecord, Metrics
from contract.config import ColumnChoice, TrainingConfig
from contract.decision import Finding, GateDecision, GateLimits
from contract.errors import CorruptArtifact

ORDER_FILE = "order.json"
EVENTS_FILE = "events.jsonl"
LOG_FILE = "trainer.log"
PROCESS_FILE = "process.json"
BUILTIN_DATASETS = ("iris", "wine", "breast_cancer", "digits")
"""Names of the tables that come with the trainer."""

Promote = Literal["auto", "manual"]
DataChecks = Literal["refuse", "warn"]
Outcome = Literal["promoted", "held", "published"]
"""Of a job that succeeded: its version serves; the gate held it back; or it waits for a person, as was asked for."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """All that a trainer is told.

    `fence` is the number that the model's fence must still have when it publishes. `table` is the path of an uploaded
    table, or the name of a built-in; `dataset` is the name of the lineage whose held-out rows lie below `held_out`.
    `requests` is the descriptor of an open file with recent requests to replay, one JSON body a line; `lifeline` a file
    that the service holds a lock on for as long as it lives. `max_s` is how long the job may take.
    """

    id: str
    fence: int
    model: str
    models: str
    table: str
    dataset: str
    target: str | None
    held_out: str
    config: TrainingConfig
    columns: ColumnChoice
    promote: Promote
    data_checks: DataChecks
    limits: GateLimits
    requested_by: str
    note: str = ""
    requests: int | None = None
    lifeline: str | None = None
    max_s: float = 86_400.0


class Staged(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="stage"):
    """A stage begins: reading, checking, preparing, fitting, calibrating, exporting, evaluating, comparing, publishing.

    Comparing and publishing come again where another version was promoted meanwhile.
    """

    time: str
    stage: str


class Epoch(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="epoch"):
    """An epoch is over, `seconds` after fitting began."""

    time: str
    record: EpochRecord
    max_epochs: int
    seconds: float


class Found(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="finding"):
    """A check of the data found something."""

    time: str
    finding: Finding


class Decided(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="gate"):
    """The gate has decided."""

    time: str
    gate: GateDecision
    metrics: Metrics


class Succeeded(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="succeeded"):
    """The version is published. The last event."""

    time: str
    version: int
    outcome: Outcome


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="failed"):
    """Nothing was published. The last event. `ours` says that the cause is not what was asked for."""

    time: str
    error: str
    ours: bool


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="cancelled"):
    """Somebody called it off, and nothing was published. The last event."""

    time: str
    by: str


Event = Staged | Epoch | Found | Decided | Succeeded | Failed | Cancelled
LAST = (Succeeded, Failed, Cancelled)
APPENDING = threading.Lock()
DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """The trainer's process: its id, and when the kernel says it began, since ids are used again."""

    pid: int
    began: str | None

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has this id now."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:  # gone, or a system without /proc
            return cls(pid=pid, began=None)
        return cls(pid=pid, began=fields[19])


def append_event(folder: Path, event: Event) -> None:
    """Add a line to a job's events. What a killed writer left of a line goes. Threads of a process take turns.

    Raises:
        CorruptArtifact: the event could not be read back: it holds a NaN, an infinity or text that is not Unicode.
        OSError: the disk is full or fails.
    """
    line = _line(event)
    with APPENDING:
        descriptor = os.open(folder / EVENTS_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            end = _end_of_lines(descriptor)
            os.ftruncate(descriptor, end)
            os.lseek(descriptor, end, os.SEEK_SET)
            view = memoryview(line)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)


def read_events(folder: Path, start: int = 0) -> tuple[list[Event], int]:
    """The events from byte `start` on, and the byte behind the last whole line; none where there is no file yet.

    Raises:
        CorruptArtifact: a whole line is no event.
    """
    try:
        with (folder / EVENTS_FILE).open("rb", buffering=0) as file:
            # Read at once: between two reads a torn line may become another one, and half of each would be seen.
            content = os.pread(file.fileno(), os.fstat(file.fileno()).st_size, start)
    except FileNotFoundError:
        return [], start
    whole = content[: content.rfind(b"\n") + 1]
    return [_event(line) for line in whole.splitlines()], start + len(whole)


def _line(event: Event) -> bytes:
    try:
        line = msgspec.json.encode(event)
    except UnicodeEncodeError as error:
        raise CorruptArtifact(f"an event must be text: {error}") from error
    _event(line)
    return line + b"\n"


def _event(line: bytes) -> Event:
    try:
        return DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptArtifact(f"an event of a job must be readable: {error}") from error


def _end_of_lines(descriptor: int) -> int:
    """The byte behind the last whole line."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    while end:
        start = max(0, end - 4096)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
