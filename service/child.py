"""Processes that end with whoever waits for them: one that ran on would hold up the service's own end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Ended(NamedTuple):
    """How a child ended (the negative signal, where one ended it), and what it wrote."""

    code: int
    output: bytes
    errors: bytes


async def run_child(command: Sequence[str], *, timeout_s: float, environment: Mapping[str, str] | None = None) -> Ended:
    """Run a program to its end. It is killed, with its own children, if that takes too long or the caller is cancelled.

    A thread waits for it rather than the loop, whose own way of doing so differs from loop to loop.

    Raises:
        TimeoutError: it took longer than `timeout_s`.
        OSError: it cannot be started.
    """
    process = subprocess.Popen(  # noqa: S603, ASYNC220 # the callers' commands; a millisecond
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    waiting = asyncio.get_running_loop().run_in_executor(None, process.communicate)
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await asyncio.shield(waiting)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the group, for the program may be a script around another
        await waiting
        raise
    return Ended(process.returncode, output, errors)
