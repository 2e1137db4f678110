"""A job's events as server-sent events (WHATWG HTML §9.2): from the file that the trainer appends to.

An event's id is its number in the file, from 1, so whoever lost the connection goes on behind `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from contract.errors import CorruptArtifact
from contract.job import LAST, Event, read_events

logger = logging.getLogger(__name__)

POLL_S = 0.2
HEARTBEAT_S = 5.0
"""Shorter than any proxy's patience with a silent connection."""


async def stream_events(
    folder: Path, last_id: int, is_over: Callable[[], bool], is_stopping: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """The events behind number `last_id`, to the last one; a heartbeat where nothing happens.

    `is_over` says whether the job is over, so that no more will come (it runs in a thread); `is_stopping` whether the
    process is about to end, so that a client should come back to another.
    """
    yield b"retry: 1000\n\n"
    number, position, beat = 0, 0, time.monotonic()
    while True:
        over = await asyncio.to_thread(is_over)  # asked before reading: what it wrote last is then there to be read
        try:
            events, position = await asyncio.to_thread(read_events, folder, position)
        except CorruptArtifact:  # from another version of the trainer; the job itself says how it ends
            logger.exception("the events of a job cannot be read", extra={"job": folder.name})
            return
        for event in events:
            number += 1
            if number > last_id:
                yield encode_event(number, event)
                beat = time.monotonic()
        if over or is_stopping() or (events and isinstance(events[-1], LAST)):
            return
        if time.monotonic() - beat >= HEARTBEAT_S:
            yield b"event: heartbeat\ndata: {}\n\n"
            beat = time.monotonic()
        await asyncio.sleep(POLL_S)


def encode_event(number: int, event: Event) -> bytes:
    """One event. Its data is one line, for JSON has no line breaks."""
    name = event.__struct_config__.tag
    return f"id: {number}\nevent: {name}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"
