"""A child ends with whoever waits for it, in either event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from service.child import run_child

Loop = Callable[[], asyncio.AbstractEventLoop]
SHELL = "/bin/sh"
PATIENCE_S = 30


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Loop:
    made: Loop = request.param
    return made


def test_a_child_is_waited_for_with_all_that_it_says(loop: Loop) -> None:
    script = "echo $WORD; head -c 200000 /dev/zero >&2; exit 3"
    with asyncio.Runner(loop_factory=loop) as runner:
        ended = runner.run(run_child([SHELL, "-c", script], timeout_s=60, environment={**os.environ, "WORD": "out"}))
    assert (ended.code, ended.output, len(ended.errors)) == (3, b"out\n", 200_000)


def test_a_child_that_takes_too_long_is_ended(loop: Loop) -> None:
    with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(TimeoutError):
        runner.run(run_child([SHELL, "-c", "exec sleep 60"], timeout_s=0.1))


def test_a_program_that_is_not_there_is_an_error(loop: Loop, tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(FileNotFoundError):
        runner.run(run_child([str(tmp_path / "absent")], timeout_s=60))


def test_a_child_is_ended_with_its_own_children_where_nobody_waits_any_more(loop: Loop, tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)

    async def run() -> None:
        waiting = asyncio.create_task(run_child([SHELL, "-c", f"exec 3>{held}; sleep 600; exit"], timeout_s=600))
        with await asyncio.to_thread(held.open, "rb") as holders:
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                async with asyncio.timeout(PATIENCE_S):
                    await waiting
            assert await asyncio.to_thread(holders.read) == b""  # it ends with the last process that holds it

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())
