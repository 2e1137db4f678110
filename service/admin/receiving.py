"""Bytes on their way in: written to a folder aside, which is gone afterwards unless it was renamed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from contract.staging import staging_folder
from service.errors import BodyTooLarge, MalformedBody

BLOCK_BYTES = 2**20

P = ParamSpec("P")
T = TypeVar("T")


class Staging:
    """A folder aside, and calls that block on what lies in it: in threads, one after another.

    A call that was begun goes on where its caller is cancelled; until it is over, the folder stays.
    """

    path: Path

    def __init__(self) -> None:
        self._cleanup = contextlib.ExitStack()
        self._latest: asyncio.Future[Any] | None = None

    async def run(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `act` gives."""
        step = asyncio.ensure_future(asyncio.to_thread(self._run, partial(act, *args, **kwargs)))
        self._latest = step
        return await asyncio.shield(step)

    async def enter(self, parent: Path) -> None:
        """Make the folder.

        Raises:
            OSError: the disk is full or fails.
        """
        self.path = await self.run(self._cleanup.enter_context, staging_folder(parent))

    async def leave(self) -> None:
        """Remove the folder, unless it was renamed, once nothing works on it any more."""
        if self._latest is not None:
            await asyncio.wait([self._latest])
        await asyncio.to_thread(self._cleanup.close)

    def _run(self, act: Callable[[], T]) -> T:
        # A method, so that the thread keeps this object: a loop that ends cancels `leave` as well, and then the folder
        # is removed with the last reference to it.
        return act()


@contextlib.asynccontextmanager
async def staged(parent: Path) -> AsyncIterator[Staging]:
    """A staging folder below `parent`, gone afterwards unless it was renamed.

    Raises:
        OSError: the disk is full or fails.
    """
    staging = Staging()
    try:
        await staging.enter(parent)
        yield staging
    finally:
        await asyncio.shield(staging.leave())


async def write_blocks(staging: Staging, name: str, blocks: AsyncIterator[bytes], *, max_bytes: int) -> str:
    """Write what comes to a new file of a staging folder; its SHA-256.

    Raises:
        BodyTooLarge: more bytes than allowed.
        MalformedBody: there are none.
        OSError: the disk is full or fails.
    """
    digest, size = hashlib.sha256(), 0
    with (staging.path / name).open("xb") as file:
        async for block in _gathered(blocks):
            size += len(block)
            if size > max_bytes:
                raise BodyTooLarge(f"a dataset must have at most {max_bytes} bytes")
            await staging.run(digest.update, block)
            await staging.run(file.write, block)
        await staging.run(file.flush)
        await staging.run(os.fsync, file.fileno())
    if not size:
        raise MalformedBody("a dataset must have columns and rows, got an empty body")
    return digest.hexdigest()


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
