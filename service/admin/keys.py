"""Admin keys: how one is made, and whose a given one is. Only their SHA-256 is ever stored.

A plain hash is enough: a key is 256 random bits, which no dictionary holds and nobody can try out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from contract.errors import InvalidSettings

logger = logging.getLogger(__name__)

PREFIX = "litet_"
"""Begins each key, so that people and secret scanners know one when they see it."""
ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
ENTRY = re.compile(rf"({ID.pattern}):([0-9a-fA-F]{{64}})")
SECONDS_BETWEEN_LOOKS = 1.0

Digests = dict[str, bytes]
"""SHA-256 of each key by the id of its holder."""
Stamp = tuple[int, ...]


def make_key(key_id: str) -> tuple[str, str]:
    """A new key, and the line to store of it: `<id>:<SHA-256 in hex>`.

    Raises:
        InvalidSettings: the id is not of the form of ids.
    """
    if not ID.fullmatch(key_id):
        raise InvalidSettings(f"the id of a key must match ^{ID.pattern}$, got {key_id[:80]!r}")
    key = PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return key, f"{key_id}:{hashlib.sha256(key.encode()).hexdigest()}"


class Keys:
    """The keys of the environment, `text`, and of a file, which is read again when it changes.

    A changed file counts within a second. Where it cannot be read or is not valid, the keys from before stay and an
    error is logged; one without a line takes all of its keys away. `clock` counts seconds.

    Raises:
        InvalidSettings: a line or entry is not `<id>:<64 hex digits>`, an id or key is there twice, or the file cannot
            be read. The message has the variable and the line, but not what stands there.
    """

    def __init__(self, text: str | None, file: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._from_text = _parse("LITET_ADMIN_KEYS", "entry", re.split(r"[,\s]+", text or ""), {})
        self._file = file
        self._clock = clock
        self._next_look = clock() + SECONDS_BETWEEN_LOOKS
        self._stamp = _stamp(file) if file else None
        try:
            self._digests = self._read(file) if file else self._from_text
        except OSError as error:
            raise InvalidSettings(f"LITET_ADMIN_KEYS_FILE must be readable: {error}") from error

    def __repr__(self) -> str:
        return f"Keys({', '.join(self._digests)})"

    def identify(self, key: bytes) -> str | None:
        """The id of a key's holder; None where it is nobody's. How long it takes says nothing of the stored keys."""
        if self._file and self._clock() >= self._next_look:
            self._next_look = self._clock() + SECONDS_BETWEEN_LOOKS
            self._look_again(self._file)
        digest = hashlib.sha256(key).digest()
        holder = None
        for key_id, stored in self._digests.items():
            if hmac.compare_digest(digest, stored):
                holder = key_id
        return holder

    def _look_again(self, file: Path) -> None:
        stamp = _stamp(file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._digests = self._read(file)
        except InvalidSettings as error:
            self._keep(error)
        except OSError as error:
            self._stamp = None  # a disk or a full table of open files may mend without a trace on the file
            self._keep(error)
        else:
            logger.info("the admin keys were read again", extra={"ids": list(self._digests)})

    def _keep(self, error: Exception) -> None:
        logger.error("the admin keys cannot be read again; those from before stay", extra={"error": str(error)})

    def _read(self, file: Path) -> Digests:
        lines = file.read_bytes().decode("utf-8", "replace").split("\n")
        return _parse("LITET_ADMIN_KEYS_FILE", "line", (line.strip() for line in lines), self._from_text)


def _parse(variable: str, unit: str, entries: Iterable[str], known: Digests) -> Digests:
    """The known keys and those of the entries. Blank ones and comments count, but hold no key."""
    digests = dict(known)
    for number, entry in enumerate(entries, start=1):
        if not entry or entry.startswith("#"):
            continue
        match = ENTRY.fullmatch(entry)
        if not match:
            raise InvalidSettings(f"{variable} must hold <id>:<64 hex digits>, got something else in {unit} {number}")
        key_id, digest = match[1], bytes.fromhex(match[2])
        if key_id in digests or digest in digests.values():
            raise InvalidSettings(f"{variable} must hold each id and key once, got one again in {unit} {number}")
        digests[key_id] = digest
    return digests


def _stamp(file: Path) -> Stamp | None:
    """What changes when a file does; None where there is none. Follows links, by which mounted secrets are swapped."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
