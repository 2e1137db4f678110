"""The audit log: who did what, in lines that can only be added to.

Each line of `audit.jsonl` is an entry in JSON that ends with a hash: the SHA-256 of the line without its field `hash`.
The field `previous` is the hash of the line before. So a line that was changed, taken out, put in or moved does not fit
those around it. `audit.head` names the last entry, so that lines cut off at the end are missed as well. An entry is
made to follow the head, not whatever line comes last: once somebody else has cut the log, the break stays in it.

Whoever may write both files can make another chain from the start. Against that, keep a copy of the head elsewhere.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from contract import durable
from contract.config import Json
from service.admin.lines import append, opened, pieces_backwards, size_bytes, whole_lines

logger = logging.getLogger(__name__)

LOG_FILE = "audit.jsonl"
HEAD_FILE = "audit.head"
LOCK_FILE = "audit.lock"
NO_HASH = "0" * 64
"""What the first entry has for the hash of the one before."""
SEAL = b',"hash":"%b"}'
SEAL_BYTES = len(SEAL % NO_HASH.encode())


class Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an entry says: at `time` (UTC) `actor` did `action` to `subject`. Entries are counted from 1."""

    sequence: int
    time: str
    actor: str
    action: str
    subject: str
    details: dict[str, Json]
    previous: str


class Entry(Content, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of the log."""

    hash: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The last entry's number and hash."""

    sequence: int = 0
    hash: str = NO_HASH


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a log is worth: so many entries, from `first_time` to `last_time`, fit each other.

    `broken_at` is the line, counted from 1, that does not fit, or is missing, for a `reason`; None in an intact log.
    """

    n_entries: int
    first_time: str | None
    last_time: str | None
    broken_at: int | None
    reason: str | None


class Audit:
    """The audit log in a folder. Any process or thread may add to it; calls block for the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def record(self, actor: str, action: str, subject: str, details: dict[str, Json]) -> Entry:
        """Add an entry. It is on the disk when this returns, and not in the log after an error.

        Raises:
            OSError: the disk is full or fails.
            TypeError, ValueError: what is to be recorded cannot be written as JSON.
        """
        durable.make_folder(self._folder)
        with _locked(self._folder), opened(self._folder / LOG_FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT) as log:
            pieces = pieces_backwards(log)
            end = os.fstat(log).st_size - len(next(pieces))
            last = self._last(log, next(pieces, b""))
            content = Content(
                sequence=last.sequence + 1,
                time=datetime.now(UTC).isoformat(timespec="milliseconds"),
                actor=actor,
                action=action,
                subject=subject,
                details=details,
                previous=last.hash,
            )
            line = _seal(msgspec.json.encode(content, order="deterministic"))
            entry = msgspec.json.decode(line, type=Entry)
            if end == 0:
                durable.sync_folder(self._folder)  # the new file's name
            append(log, end, line + b"\n")
            try:
                self._point(entry)
            except OSError:  # the entry stands; the next one makes up for it, and fails if it cannot
                logger.exception("the head of the audit log cannot be written")
        return entry

    def entries(self, limit: int, before: int | None = None) -> list[Entry]:
        """The latest entries, newest first; with `before`, those below that number. What is no entry is left out."""
        try:
            with opened(self._folder / LOG_FILE, os.O_RDONLY) as log:
                found = map(_decode, islice(pieces_backwards(log), 1, None))
                wanted = (entry for entry in found if entry and (before is None or entry.sequence < before))
                return list(islice(wanted, limit))
        except FileNotFoundError:
            return []

    def _last(self, log: int, line: bytes) -> Head:
        """What the next entry follows: the head, or the line just behind it, whose writer was killed too early."""
        head = _read_head(self._folder)
        if _misfit(line, head):
            return head
        os.fsync(log)
        return self._point(msgspec.json.decode(line, type=Entry))

    def _point(self, entry: Entry) -> Head:
        head = Head(sequence=entry.sequence, hash=entry.hash)
        aside = self._folder / f"{HEAD_FILE}.new"
        aside.unlink(missing_ok=True)
        durable.replace_file(self._folder / HEAD_FILE, msgspec.json.encode(head) + b"\n", aside=aside)
        return head


def verify(folder: Path) -> Verdict:
    """Whether the log in a folder is as it was written. A half line at its end, of a killed writer, does not count.

    Raises:
        OSError: the log cannot be read.
    """
    # Both are looked at while nobody writes; what is behind `n_bytes` was added since.
    with _locked(folder) if (folder / LOCK_FILE).exists() else contextlib.nullcontext():
        head, n_bytes = _read_head(folder), size_bytes(folder / LOG_FILE)
    fit = Head()
    first = last = broken = None
    for line in whole_lines(folder / LOG_FILE, n_bytes):
        if reason := _misfit(line, fit):
            broken = fit.sequence + 1, reason
            break
        last = msgspec.json.decode(line, type=Entry)
        first = first or last
        fit = Head(sequence=last.sequence, hash=last.hash)
    broken_at, reason = broken or _misfit_of_head(head, fit, last) or (None, None)
    return Verdict(
        n_entries=fit.sequence,
        first_time=first.time if first else None,
        last_time=last.time if last else None,
        broken_at=broken_at,
        reason=reason,
    )


def _misfit_of_head(head: Head, fit: Head, last: Entry | None) -> tuple[int, str] | None:
    """The line that is wrong, and why, where the head names neither the last entry, `fit`, nor the one before it."""
    # The latter is what a writer leaves that is killed between line and head.
    if head == fit or (last and head == Head(sequence=last.sequence - 1, hash=last.previous)):
        return None
    if head.sequence == fit.sequence:
        return fit.sequence, "its hash must be the one in the head"
    return min(head.sequence, fit.sequence) + 1, f"the log ends at entry {fit.sequence}, the head says {head.sequence}"


def _misfit(line: bytes, last: Head) -> str | None:
    """Why a line cannot follow the entry `last`; None where it can."""
    entry = _decode(line)
    if entry is None:
        return "it must be an entry of an audit log"
    if _seal(line[:-SEAL_BYTES] + b"}") != line:
        return "its hash must be that of what it says"
    if entry.sequence != last.sequence + 1:
        return f"its sequence must be {last.sequence + 1}, got {entry.sequence}"
    if entry.previous != last.hash:
        return "its previous must be the hash of the entry before it"
    return None


def _seal(content: bytes) -> bytes:
    """A JSON object with the hash of its bytes as its last field."""
    return content[:-1] + SEAL % hashlib.sha256(content).hexdigest().encode()


def _decode(line: bytes) -> Entry | None:
    try:
        return msgspec.json.decode(line, type=Entry)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _read_head(folder: Path) -> Head:
    """The head; that of an empty log where it is missing or damaged, which `verify` then notices."""
    try:
        return msgspec.json.decode((folder / HEAD_FILE).read_bytes(), type=Head)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return Head()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The writers' lock. The kernel takes it back from one that dies."""
    lock = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
