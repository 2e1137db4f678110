"""The model repository, write side: publish, promote, roll back, collect.

Every change is made aside, forced to disk and renamed into place, so a process killed at any point leaves the old state
or the new one. Writers of one model take turns on a kernel lock, which a killed process gives up by dying.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from contract import durable
from contract.card import Card, ModelFile, Report
from contract.errors import NotFound
from contract.model_file import CARD_FILE, MODEL_FILE
from contract.names import check_name
from contract.repository import POINTER_FILE, VERSION, Pointer, Repository

STAGING_PREFIX = ".staging-"
LOCK_FILE = ".lock"
LAST_VERSION_FILE = ".last-version"
"""Holds the highest version there ever was: records may speak of versions that have been deleted since."""
MAX_PREVIOUS = 100
"""How many earlier versions a pointer remembers for rollbacks."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a staging folder is opened to lock it. What only has its name, such as a link, is refused."""


class Publisher(Repository):
    """A repository that can be written to. Its folder is made when the first version is published."""

    def publish(self, name: str, model: bytes, report: Report) -> Card:
        """Add a version, above every version there ever was. It serves only once it is promoted.

        Racing publishers get different versions. After an error, or a kill, the version does not exist; its number may
        be left out for ever.

        Raises:
            CorruptArtifact: the report could not be read back, or the model's pointer is not readable.
            OSError: the disk is full or fails.
        """
        folder = self.root / check_name(name)
        durable.make_folder(folder)
        durable.sync_folder(self.root)
        model_file = ModelFile(size_bytes=len(model), sha256=hashlib.sha256(model).hexdigest())
        with _staging_folder(folder) as staging:
            durable.write_file(staging / MODEL_FILE, model)
            with _locked(folder):
                pointer = self._pointer_or_none(name)
                card = Card(
                    name=name,
                    version=_next_version(folder, pointer),
                    parent_version=pointer.version if pointer else None,
                    created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                    model_file=model_file,
                    report=report,
                )
                durable.write_file(staging / CARD_FILE, card.encode())
                durable.replace_file(
                    folder / LAST_VERSION_FILE, str(card.version).encode(), aside=staging / LAST_VERSION_FILE
                )
                durable.sync_folder(staging)
                durable.rename_folder(staging, folder / str(card.version))
        return card

    def promote(self, name: str, version: int) -> Pointer:
        """Make a published version the one that serves; nothing changes where it already does.

        Raises:
            NotFound: there is no such version.
            CorruptArtifact: its bytes are not what its card says, or the model's pointer is not readable.
            OSError: the disk is full or fails; the version serves only where the very last fsync was what failed.
        """
        with _locked(self._folder(name)):
            artifact = self.read(name, version)
            pointer = self._pointer_or_none(name)
            if pointer and (pointer.version, pointer.sha256) == (version, artifact.card.model_file.sha256):
                return pointer
            previous = (*pointer.previous, pointer.version)[-MAX_PREVIOUS:] if pointer else ()
            return self._point(artifact.card, previous, pointer)

    def roll_back(self, name: str) -> Pointer:
        """Make the version that served before the current one serve again. A second call goes one further back.

        Raises:
            NotFound: there is no such model, no version served before this one, or the one that did was deleted.
            CorruptArtifact: the earlier version's bytes are not what its card says, or the pointer is not readable.
            OSError: as for `promote`.
        """
        with _locked(self._folder(name)):
            pointer = self.current(name)
            if not pointer.previous:
                raise NotFound(f"a rollback needs an earlier version, got none before {name}/{pointer.version}")
            *previous, version = pointer.previous
            return self._point(self.read(name, version).card, tuple(previous), pointer)

    def _point(self, card: Card, previous: tuple[int, ...], old: Pointer | None) -> Pointer:
        pointer = Pointer(
            name=card.name,
            version=card.version,
            sha256=card.model_file.sha256,
            sequence=old.sequence + 1 if old else 1,
            previous=previous,
        )
        folder = self.root / card.name
        with _staging_folder(folder, locked=True) as staging:
            durable.replace_file(
                folder / POINTER_FILE, msgspec.json.encode(pointer) + b"\n", aside=staging / POINTER_FILE
            )
        return pointer

    def _folder(self, name: str) -> Path:
        folder = self.root / check_name(name)
        if not folder.is_dir():
            raise NotFound(f"a model must be published, got {name!r}")
        return folder

    def _pointer_or_none(self, name: str) -> Pointer | None:
        return self.current(name) if self.pointer_stamp(name) else None


def _next_version(folder: Path, pointer: Pointer | None) -> int:
    """One above every version that a model has, had or may have had: numbers that junk took count as well."""
    taken = [entry.name for entry in folder.iterdir()]
    with contextlib.suppress(FileNotFoundError):
        taken.append((folder / LAST_VERSION_FILE).read_text("ascii", "replace"))
    served = (pointer.version, *pointer.previous) if pointer else ()
    return max((0, *served, *(int(text) for text in taken if VERSION.fullmatch(text)))) + 1


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the model's write lock; also sweep up what killed writers left."""
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _collect(folder)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _staging_folder(folder: Path, *, locked: bool = False) -> Iterator[Path]:
    """A folder to write in that readers never see, gone afterwards unless it was renamed.

    Its owner holds a kernel lock on it; one without a living owner is collected. The lock is taken under the model's
    lock, so that no collector meets the folder between its making and its locking.
    """
    staging = folder / f"{STAGING_PREFIX}{secrets.token_hex(8)}"
    with contextlib.ExitStack() as cleanup:
        with contextlib.nullcontext() if locked else _locked(folder):
            cleanup.callback(shutil.rmtree, staging, ignore_errors=True)
            staging.mkdir()
            cleanup.callback(os.close, descriptor := os.open(staging, FOLDER))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield staging


def _collect(folder: Path) -> None:
    """Remove the staging folders whose owners are dead; what cannot be removed is left. The caller holds the lock."""
    for staging in folder.glob(f"{STAGING_PREFIX}*"):
        try:
            descriptor = os.open(staging, FOLDER)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
        shutil.rmtree(staging, ignore_errors=True)
