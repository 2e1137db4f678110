"""Uploaded tables on disk: versions whose bytes never change, named by their SHA-256.

    datasets/<name>/<sha256>/table.csv    the bytes as they came; the suffix is the format they are said to have
    datasets/<name>/<sha256>/facts.json   the format, and what the trainer's reader found in them
    datasets/<name>/latest                the version that was uploaded last

A table is received aside, looked at by the trainer's interpreter (this process cannot read tables), and only then
given its name. Bytes that come again as another format are read anew: their facts are replaced, and whoever was given
the file under its old suffix keeps it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from contract import durable
from contract.errors import CorruptArtifact, NotFound
from contract.job import BUILTIN_DATASETS
from contract.names import PATTERN, check_name
from contract.staging import locked, staging_folder
from service.admin.receiving import staged, write_blocks
from service.errors import BodyTooLarge, Conflict

logger = logging.getLogger(__name__)

TABLE = "table"
FACTS_FILE = "facts.json"
LATEST_FILE = "latest"
MIN_PREFIX = 8
"""Fewer digits of a SHA-256 are no name for a version."""
SHA256 = re.compile("[0-9a-f]{64}")

Suffix = Literal[".csv", ".tsv", ".parquet", ".arrow"]


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a table. `dtype` is what a model can take it for: numeric, categorical or date, or else its type."""

    name: str
    dtype: str


class TableFacts(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the trainer's reader found in a table."""

    n_rows: int
    n_columns: int
    columns: tuple[Column, ...]
    warnings: tuple[str, ...]


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an uploaded table."""

    name: str
    version: str
    format: Suffix
    size_bytes: int
    n_rows: int
    n_columns: int
    columns: tuple[Column, ...]
    warnings: tuple[str, ...]
    created_at: str


Inspect = Callable[[Path], Awaitable[TableFacts]]
"""What a file holds. Raises InvalidData where it is no table. Nobody reads it any more once this is over."""
Witness = Callable[[Dataset, bool], None]
"""Is shown a dataset, and whether it is new, before it counts."""


class Datasets:
    """The uploaded tables below one folder."""

    def __init__(self, folder: Path, inspect: Inspect, *, max_bytes: int) -> None:
        self._folder = folder
        self._inspect = inspect
        self._max_bytes = max_bytes
        self._turn = asyncio.Semaphore(1)

    async def receive(
        self, name: str, suffix: Suffix, blocks: AsyncIterator[bytes], witness: Witness, *, declared: int = 0
    ) -> tuple[Dataset, bool]:
        """Take in a table; False where its very bytes were there already. It is the latest version from then on.

        `witness` is shown it before it counts; if it raises, nothing has changed. `declared` is how many bytes are said
        to come.

        Raises:
            InvalidName: not a name for a table.
            Conflict: a table that comes with the trainer has the name.
            BodyTooLarge: more bytes than allowed.
            MalformedBody: it ended before its end.
            InvalidData: it is no table.
            OSError: the disk is full or fails.
        """
        self._check_size(declared)
        if check_name(name) in BUILTIN_DATASETS:
            raise Conflict(f"a dataset must not have the name of a built-in table, got {name!r}")
        await asyncio.to_thread(durable.make_folder, self._folder)
        async with staged(self._folder) as staging:
            table = f"{TABLE}{suffix}"
            sha256 = await write_blocks(staging, table, blocks, max_bytes=self._max_bytes)
            dataset = await staging.run(self._known, name, sha256)
            if dataset is None or dataset.format != suffix:
                dataset = await self._describe(name, sha256, suffix, staging.path / table)
            return await staging.run(self._accept, dataset, staging.path, witness)

    def _check_size(self, declared: int) -> None:
        if declared > self._max_bytes:
            raise BodyTooLarge(f"a dataset must have at most {self._max_bytes} bytes, got {declared} announced")

    def by_name(self) -> dict[str, list[Dataset]]:
        """All versions that can be read, oldest first."""
        if not self._folder.is_dir():
            return {}
        # The root of a volume may hold what is no dataset, such as lost+found.
        names = sorted(
            entry.name for entry in self._folder.iterdir() if entry.is_dir() and PATTERN.fullmatch(entry.name)
        )
        found = {name: sorted(self._versions(name), key=lambda one: one.created_at) for name in names}
        return {name: versions for name, versions in found.items() if versions}

    def find(self, name: str, version: str | None) -> tuple[Dataset, Path]:
        """A version, by the beginning of its SHA-256 or the latest one, and its file.

        Raises:
            NotFound: there is no such dataset or version, or several begin so.
            CorruptArtifact: what is written down of it is damaged.
        """
        wanted = (self.latest(name) if version is None else version) or ""
        found = [one for one in self._names_of_versions(check_name(name)) if one.startswith(wanted)]
        dataset = self._read(name, found[0]) if len(found) == 1 and len(wanted) >= MIN_PREFIX else None
        if dataset is None:
            known = ", ".join([*self.by_name(), *BUILTIN_DATASETS])
            what = f"{name!r}" + (f" in version {version[:80]!r}" if version is not None else "")
            raise NotFound(f"a dataset must be uploaded or built in ({known}), got {what}")
        return dataset, self._folder / name / dataset.version / f"{TABLE}{dataset.format}"

    def latest(self, name: str) -> str | None:
        """The SHA-256 of the version that was uploaded last, of those that are left; None where there is none."""
        try:
            latest = (self._folder / check_name(name) / LATEST_FILE).read_text("ascii", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        if latest in self._names_of_versions(name):
            return latest
        newest = max(self._versions(name), key=lambda one: one.created_at, default=None)
        return newest.version if newest else None

    async def _describe(self, name: str, sha256: str, suffix: Suffix, path: Path) -> Dataset:
        async with self._turn:  # a reader takes several times a table's size in memory
            facts = await self._inspect(path)
        status = await asyncio.to_thread(path.stat)
        return Dataset(
            name=name,
            version=sha256,
            format=suffix,
            size_bytes=status.st_size,
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            **msgspec.structs.asdict(facts),
        )

    def _accept(self, dataset: Dataset, staging: Path, witness: Witness) -> tuple[Dataset, bool]:
        folder = self._folder / dataset.name
        version = folder / dataset.version
        durable.make_folder(folder)
        with locked(folder), staging_folder(folder, within_lock=True) as aside:
            # Asked under the lock: the same bytes may come twice at once, and versions may be deleted.
            is_new, known = not version.exists(), self._known(dataset.name, dataset.version)
            if known and known.format == dataset.format:
                dataset = known
            witness(dataset, is_new)
            if is_new:
                durable.write_file(staging / FACTS_FILE, msgspec.json.encode(dataset))
                durable.sync_folder(staging)
                durable.rename_folder(staging, version)
            elif dataset != known:
                _replace_facts(version, dataset, staging, aside)
            durable.replace_file(folder / LATEST_FILE, dataset.version.encode(), aside=aside / LATEST_FILE)
        return dataset, is_new

    def _versions(self, name: str) -> Iterator[Dataset]:
        return filter(None, (self._known(name, version) for version in self._names_of_versions(name)))

    def _names_of_versions(self, name: str) -> list[str]:
        try:
            return [path.name for path in (self._folder / name).iterdir() if SHA256.fullmatch(path.name)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _known(self, name: str, version: str) -> Dataset | None:
        """A version; None where it is not there or damaged, which the log then says: it is not the others' trouble."""
        try:
            return self._read(name, version)
        except CorruptArtifact as error:
            logger.error("a dataset was passed over", extra={"error": str(error)})  # noqa: TRY400 # no fault of ours
            return None

    def _read(self, name: str, version: str) -> Dataset | None:
        """A version; None where it is not there.

        Raises:
            CorruptArtifact: what is written down of it is damaged.
        """
        try:
            dataset = msgspec.json.decode((self._folder / name / version / FACTS_FILE).read_bytes(), type=Dataset)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise CorruptArtifact(
                f"the facts of the dataset {name}/{version} must be readable: {reason}; upload it again, or delete it"
            ) from error
        if (dataset.name, dataset.version) != (name, version):
            raise CorruptArtifact(
                f"the facts of the dataset {name}/{version} must name it, got {dataset.name}/{dataset.version}"
            )
        return dataset


def _replace_facts(version: Path, dataset: Dataset, staging: Path, aside: Path) -> None:
    """Have a version read as `dataset` says: the same bytes come to lie under another suffix first."""
    table = f"{TABLE}{dataset.format}"
    (staging / table).replace(version / table)
    durable.sync_folder(version)
    durable.replace_file(version / FACTS_FILE, msgspec.json.encode(dataset), aside=aside / FACTS_FILE)
