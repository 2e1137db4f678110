"""The model repository, read side: which models and versions there are, which one serves, and their verified bytes.

    models/<name>/<version>/model.onnx     never changed once it is there
    models/<name>/<version>/card.json
    models/<name>/current                  the version that serves; replaced whole
    models/<name>/.*                       the publishers' own; readers never look at them

Readers take no lock: every file is either immutable or replaced by a rename. Whatever else lies in these folders, links
included, is neither a model nor a version.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import msgspec

from contract.card import Card
from contract.errors import CorruptArtifact, NotFound
from contract.model_file import CARD_FILE, MODEL_FILE
from contract.names import PATTERN, check_name

POINTER_FILE = "current"
VERSION = re.compile(r"[1-9][0-9]{0,17}")
MAX_VERSION = 10**18 - 1
"""The largest version that `VERSION` matches; with it a version fits 64 bits."""


class Pointer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `current` says. `sequence` grows by one with every promotion and rollback; `previous` holds the versions
    that served before, the latest last.
    """

    name: str
    version: int
    sha256: str
    sequence: int
    previous: tuple[int, ...] = ()


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A version read and verified: `model` has the size and the SHA-256 that `card` states."""

    card: Card
    model: bytes


class Repository:
    """The models under one folder. A folder that does not exist holds none."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """The models that have been promoted at least once, in alphabetical order.

        One whose folder cannot be looked into is among them: whoever reads it is told why it cannot.
        """
        return sorted(
            name for name in _folders(self.root) if PATTERN.fullmatch(name) and _may_be_file(self._pointer_path(name))
        )

    def published_names(self) -> list[str]:
        """The models that have a version, promoted or not, in alphabetical order."""
        return sorted(name for name in _folders(self.root) if PATTERN.fullmatch(name) and self.versions(name))

    def versions(self, name: str) -> list[int]:
        """The published versions of a model, in ascending order; empty where there is no such model."""
        return sorted(int(folder) for folder in _folders(self.root / check_name(name)) if VERSION.fullmatch(folder))

    def current(self, name: str) -> Pointer:
        """The pointer of a model.

        Raises:
            NotFound: there is no such model, or none of its versions was ever promoted.
            CorruptArtifact: the pointer is not readable.
        """
        try:
            content = self._pointer_path(check_name(name)).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"a model must have a current version, got {name!r}") from None
        except IsADirectoryError:
            raise CorruptArtifact(f"the pointer of {name!r} must be a file") from None
        try:
            pointer = msgspec.json.decode(content, type=Pointer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise CorruptArtifact(
                f"the pointer of {name!r} must be readable: {error}; delete {name}/current and promote a version"
            ) from error
        if pointer.name != name:
            raise CorruptArtifact(f"the pointer of {name!r} must name it, got {pointer.name!r}")
        return pointer

    def pointer_stamp(self, name: str) -> tuple[int, int, int] | None:
        """A value that changes whenever the pointer is replaced; None where there is no pointer. Costs one `stat`."""
        try:
            status = self._pointer_path(check_name(name)).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def card(self, name: str, version: int) -> Card:
        """The card of a version.

        Raises:
            NotFound: there is no such version.
            CorruptArtifact: the card is not readable, or speaks of another version.
        """
        card = Card.decode(self._read(name, version, CARD_FILE))
        if (card.name, card.version) != (name, version):
            raise CorruptArtifact(f"the card of {name}/{version} must name it, got {card.name}/{card.version}")
        return card

    def read(self, name: str, version: int) -> Artifact:
        """A version's bytes, checked against its card.

        Raises:
            NotFound: there is no such version.
            CorruptArtifact: size or SHA-256 differ from the card's.
        """
        card = self.card(name, version)
        model = self._read(name, version, MODEL_FILE)
        if len(model) != card.model_file.size_bytes:
            raise CorruptArtifact(f"{name}/{version} must have {card.model_file.size_bytes} bytes, got {len(model)}")
        if hashlib.sha256(model).hexdigest() != card.model_file.sha256:
            raise CorruptArtifact(f"{name}/{version} must have the SHA-256 {card.model_file.sha256} of its card")
        return Artifact(card=card, model=model)

    def read_current(self, name: str) -> tuple[Pointer, Artifact]:
        """The version that serves, checked against both its card and the pointer.

        Raises:
            NotFound: there is no such model.
            CorruptArtifact: bytes, card and pointer do not agree.
        """
        pointer = self.current(name)
        try:
            artifact = self.read(name, pointer.version)
        except NotFound as error:
            raise CorruptArtifact(f"the pointer of {name!r} must name a version that exists: {error}") from error
        if artifact.card.model_file.sha256 != pointer.sha256:
            raise CorruptArtifact(f"{name}/{pointer.version} must have the SHA-256 {pointer.sha256} of its pointer")
        return pointer, artifact

    def _pointer_path(self, name: str) -> Path:
        return self.root / name / POINTER_FILE

    def _read(self, name: str, version: int, file: str) -> bytes:
        check_name(name)
        if not 1 <= version <= MAX_VERSION:
            raise NotFound(f"a version of {name!r} must lie between 1 and {MAX_VERSION}")
        folder = self.root / name / str(version)
        try:
            return (folder / file).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            if folder.is_dir():
                raise CorruptArtifact(f"{name}/{version} must hold the file {file}") from None
            raise NotFound(f"a version must be published, got {name}/{version}") from None


def _may_be_file(path: Path) -> bool:
    """Whether there is a file, as far as one may look."""
    try:
        return path.is_file()
    except OSError:
        return True


def _folders(path: Path) -> list[str]:
    """The names of the folders in one; empty where there is no such folder."""
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
