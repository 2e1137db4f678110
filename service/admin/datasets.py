"""Uploaded tables on disk: versions that never change, named by the SHA-256 of their bytes.

    datasets/<name>/<sha256>/table.csv    the bytes as they came
    datasets/<name>/<sha256>/facts.json   what the trainer's reader found in them
    datasets/<name>/latest                the version that was uploaded last

A table is received aside, looked at by the trainer's interpreter (this process cannot read tables), and only then
given its name.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from contract import durable
from contract.errors import NotFound
from contract.job import BUILTIN_DATASETS
from contract.names import PATTERN, check_name
from contract.staging import locked, staging_folder
from service.errors import BodyTooLarge, Conflict, MalformedBody

TABLE = "table"
FACTS_FILE = "facts.json"
LATEST_FILE = "latest"
MIN_PREFIX = 8
"""Fewer digits of a SHA-256 are no name for a version."""
BLOCK_BYTES = 2**20

Suffix = Literal[".csv", ".tsv", ".parquet", ".arrow"]


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a table; `dtype` is the reader's word for its type."""

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


Inspect = Callable[[Path], TableFacts]
"""What a file holds. Raises InvalidData where it is no table."""
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
        self, name: str, suffix: Suffix, blocks: AsyncIterator[bytes], witness: Witness
    ) -> tuple[Dataset, bool]:
        """Take in a table; False where its very bytes were there already. It is the latest version from then on.

        `witness` is shown it before it counts; if it raises, nothing has changed.

        Raises:
            InvalidName: not a name for a table.
            Conflict: a table that comes with the trainer has the name.
            BodyTooLarge: more bytes than allowed.
            MalformedBody: it ended before its end.
            InvalidData: it is no table.
            OSError: the disk is full or fails.
        """
        if check_name(name) in BUILTIN_DATASETS:
            raise Conflict(f"a dataset must not have the name of a built-in table, got {name!r}")
        with contextlib.ExitStack() as cleanup:
            await asyncio.to_thread(durable.make_folder, self._folder)
            staging = await asyncio.to_thread(cleanup.enter_context, staging_folder(self._folder))
            path = staging / f"{TABLE}{suffix}"
            sha256 = await self._write(path, blocks)
            async with self._turn:  # a reader takes several times a table's size in memory
                return await asyncio.to_thread(self._accept, name, staging, suffix, sha256, witness)

    def list(self) -> dict[str, list[Dataset]]:
        """All versions by name, oldest first."""
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
        """
        check_name(name)
        wanted = self.latest(name) if version is None else version
        found = [one for one in self._versions(name) if wanted and one.version.startswith(wanted)]
        if len(found) != 1 or len(wanted or "") < MIN_PREFIX:
            known = ", ".join([*self.list(), *BUILTIN_DATASETS])
            what = f"{name!r}" + (f" in version {version[:80]!r}" if version is not None else "")
            raise NotFound(f"a dataset must be uploaded or built in ({known}), got {what}")
        return found[0], self._folder / name / found[0].version / f"{TABLE}{found[0].format}"

    def latest(self, name: str) -> str | None:
        """The SHA-256 of the version that was uploaded last; None where there is none."""
        try:
            return (self._folder / check_name(name) / LATEST_FILE).read_text("ascii")
        except FileNotFoundError:
            return None

    async def _write(self, path: Path, blocks: AsyncIterator[bytes]) -> str:
        """Write what comes to a new file; its SHA-256."""
        digest, size = hashlib.sha256(), 0
        with path.open("xb") as file:
            async for block in _gathered(blocks):
                size += len(block)
                if size > self._max_bytes:
                    raise BodyTooLarge(f"a dataset must have at most {self._max_bytes} bytes")
                await asyncio.to_thread(digest.update, block)
                await asyncio.to_thread(file.write, block)
            await asyncio.to_thread(file.flush)
            await asyncio.to_thread(os.fsync, file.fileno())
        if not size:
            raise MalformedBody("a dataset must have columns and rows, got an empty body")
        return digest.hexdigest()

    def _accept(self, name: str, staging: Path, suffix: Suffix, sha256: str, witness: Witness) -> tuple[Dataset, bool]:
        folder = self._folder / name
        dataset = self._version(name, sha256) or self._describe(name, staging, suffix, sha256)
        durable.make_folder(folder)
        with locked(folder), staging_folder(folder, within_lock=True) as aside:
            is_new = not (folder / sha256).exists()  # asked under the lock: the same bytes may come twice at once
            witness(dataset, is_new)
            if is_new:
                durable.rename_folder(staging, folder / sha256)
            durable.replace_file(folder / LATEST_FILE, sha256.encode(), aside=aside / LATEST_FILE)
        return dataset, is_new

    def _describe(self, name: str, staging: Path, suffix: Suffix, sha256: str) -> Dataset:
        """Have the table looked at, and write down beside it what was found."""
        path = staging / f"{TABLE}{suffix}"
        facts = self._inspect(path)
        dataset = Dataset(
            name=name,
            version=sha256,
            format=suffix,
            size_bytes=path.stat().st_size,
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            **msgspec.structs.asdict(facts),
        )
        durable.write_file(staging / FACTS_FILE, msgspec.json.encode(dataset))
        durable.sync_folder(staging)
        return dataset

    def _version(self, name: str, sha256: str) -> Dataset | None:
        return next((one for one in self._versions(name) if one.version == sha256), None)

    def _versions(self, name: str) -> Iterator[Dataset]:
        for path in (self._folder / name).glob(f"*/{FACTS_FILE}"):
            if not path.parent.name.startswith("."):
                yield msgspec.json.decode(path.read_bytes(), type=Dataset)


async def _gathered(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in blocks large enough to be worth a thread's turn."""
    waiting: list[bytes] = []
    size = 0
    async for block in blocks:
        waiting.append(block)
        size += len(block)
        if size >= BLOCK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
