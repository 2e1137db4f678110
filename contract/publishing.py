"""The model repository, write side: publish, promote, roll back, collect.

Every change is made aside, forced to disk and renamed into place, so a process killed at any point leaves the old state
or the new one. Writers of one model take turns on a kernel lock, which a killed process gives up by dying.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from contract import durable
from contract.card import Card, ModelFile, Origin, Report
from contract.errors import CorruptArtifact, NotFound, Superseded
from contract.model_file import CARD_FILE, MODEL_FILE
from contract.names import check_name
from contract.repository import POINTER_FILE, VERSION, Pointer, Repository
from contract.staging import locked, staging_folder

LAST_VERSION_FILE = ".last-version"
"""Holds the highest version there ever was: records may speak of versions that have been deleted since."""
FENCE_FILE = ".fence"
"""Holds the number that a job must have been given to publish: a later job, or a cancellation, raises it."""
MAX_PREVIOUS = 100
"""How many earlier versions a pointer remembers for rollbacks."""


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
        with self._staged(name, model) as staging:
            return self._add_version(name, staging, model, report, None)

    def publish_job(self, name: str, model: bytes, report: Report, origin: Origin, *, promote: bool) -> Card:
        """Add the version that a job made; with `promote` it serves from then on, where what its gate saw still holds.

        All under one lock: whoever raises the fence or changes the pointer comes before it, and is noticed, or after.

        Raises:
            Superseded: the fence has another number than the job's, or, with `promote`, the pointer another sequence
                than the one the gate compared with. Nothing was published.
            CorruptArtifact: as for `publish`, or the fence is not readable.
            OSError: as for `publish`, and nothing was published; or as for `promote`, once the version was.
        """
        with self._staged(name, model) as staging:
            if (fence := self._fence(name)) != origin.fence:
                raise Superseded(f"a job must hold the fence of {name!r} to publish, got {origin.fence}, not {fence}")
            pointer = self._pointer_or_none(name)
            if promote and (pointer.sequence if pointer else None) != origin.gate.sequence:
                raise Superseded(f"the version of {name!r} that serves must be the one that the gate compared with")
            card = self._add_version(name, staging, model, report, origin)
            if promote:
                self._point(card, _with_served(pointer), pointer)
        return card

    def raise_fence(self, name: str, at_least: int = 0) -> int:
        """The fence's new number, above the one it had: no job with another may publish from now on.

        Raises:
            CorruptArtifact: the fence is not readable.
            OSError: the disk is full or fails.
        """
        folder = self._make_folder(name)
        with locked(folder), staging_folder(folder, within_lock=True) as staging:
            number = max(at_least, self._fence(name) + 1)
            durable.replace_file(folder / FENCE_FILE, str(number).encode(), aside=staging / FENCE_FILE)
        return number

    def promote(self, name: str, version: int) -> Pointer:
        """Make a published version the one that serves; nothing changes where it already does.

        Raises:
            NotFound: there is no such version.
            CorruptArtifact: its bytes are not what its card says, or the model's pointer is not readable.
            OSError: the disk is full or fails; the version serves only where the very last fsync was what failed.
        """
        with locked(self._folder(name)):
            artifact = self.read(name, version)
            pointer = self._pointer_or_none(name)
            if pointer and (pointer.version, pointer.sha256) == (version, artifact.card.model_file.sha256):
                return pointer
            return self._point(artifact.card, _with_served(pointer), pointer)

    def roll_back(self, name: str, version: int | None = None) -> Pointer:
        """Make the version that served before the current one serve again. A second call goes one further back.

        `version` is the one to be rid of, where only that one is.

        Raises:
            Superseded: another version than `version` serves.
            NotFound: there is no such model, no version served before this one, or the one that did was deleted.
            CorruptArtifact: the earlier version's bytes are not what its card says, or the pointer is not readable.
            OSError: as for `promote`.
        """
        with locked(self._folder(name)):
            pointer = self.current(name)
            if version not in (None, pointer.version):
                raise Superseded(f"the version to roll back must be the one that serves, got {name}/{version}")
            if not pointer.previous:
                raise NotFound(f"a rollback needs an earlier version, got none before {name}/{pointer.version}")
            *previous, earlier = pointer.previous
            return self._point(self.read(name, earlier).card, tuple(previous), pointer)

    @contextlib.contextmanager
    def _staged(self, name: str, model: bytes) -> Iterator[Path]:
        """A staging folder with the model file in it. Inside, the model's lock is held."""
        folder = self._make_folder(name)
        with staging_folder(folder) as staging:
            durable.write_file(staging / MODEL_FILE, model)
            with locked(folder):
                yield staging

    def _add_version(self, name: str, staging: Path, model: bytes, report: Report, origin: Origin | None) -> Card:
        folder = self.root / name
        pointer = self._pointer_or_none(name)
        card = Card(
            name=name,
            version=_next_version(folder, pointer),
            parent_version=pointer.version if pointer else None,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            model_file=ModelFile(size_bytes=len(model), sha256=hashlib.sha256(model).hexdigest()),
            origin=origin,
            report=report,
        )
        durable.write_file(staging / CARD_FILE, card.encode())
        durable.replace_file(folder / LAST_VERSION_FILE, str(card.version).encode(), aside=staging / LAST_VERSION_FILE)
        durable.sync_folder(staging)
        durable.rename_folder(staging, folder / str(card.version))
        return card

    def _point(self, card: Card, previous: tuple[int, ...], old: Pointer | None) -> Pointer:
        pointer = Pointer(
            name=card.name,
            version=card.version,
            sha256=card.model_file.sha256,
            sequence=old.sequence + 1 if old else 1,
            previous=previous,
        )
        folder = self.root / card.name
        with staging_folder(folder, within_lock=True) as staging:
            durable.replace_file(
                folder / POINTER_FILE, msgspec.json.encode(pointer) + b"\n", aside=staging / POINTER_FILE
            )
        return pointer

    def _fence(self, name: str) -> int:
        """The number in the fence file; 0 where there is none."""
        try:
            return int((self.root / name / FENCE_FILE).read_text("ascii"))
        except FileNotFoundError:
            return 0
        except ValueError as error:
            raise CorruptArtifact(
                f"the fence of {name!r} must be a number: {error}; delete {name}/{FENCE_FILE}"
            ) from error

    def _make_folder(self, name: str) -> Path:
        folder = self.root / check_name(name)
        durable.make_folder(folder)
        durable.sync_folder(self.root)
        return folder

    def _folder(self, name: str) -> Path:
        folder = self.root / check_name(name)
        if not folder.is_dir():
            raise NotFound(f"a model must be published, got {name!r}")
        return folder

    def _pointer_or_none(self, name: str) -> Pointer | None:
        return self.current(name) if self.pointer_stamp(name) else None


def _with_served(pointer: Pointer | None) -> tuple[int, ...]:
    """The versions that served before, once the pointer's is one of them."""
    return (*pointer.previous, pointer.version)[-MAX_PREVIOUS:] if pointer else ()


def _next_version(folder: Path, pointer: Pointer | None) -> int:
    """One above every version that a model has, had or may have had: numbers that junk took count as well."""
    taken = [entry.name for entry in folder.iterdir()]
    with contextlib.suppress(FileNotFoundError):
        taken.append((folder / LAST_VERSION_FILE).read_text("ascii", "replace"))
    served = (pointer.version, *pointer.previous) if pointer else ()
    return max((0, *served, *(int(text) for text in taken if VERSION.fullmatch(text)))) + 1
