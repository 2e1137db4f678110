"""A process that works beside those that serve, and steps back for them."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

LOWEST_PRIORITY = 19
FIRST_TO_GO = b"1000"
"""Of the processes that share a memory limit the kernel kills this one, not one that serves."""


def step_back() -> None:
    """Let whoever serves go first, for the processor and for memory."""
    os.nice(LOWEST_PRIORITY)
    if sys.platform == "linux":  # the lowest priority alone lets a process finish the turn that it has begun
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(OSError):  # not every system has it
        Path("/proc/self/oom_score_adj").write_bytes(FIRST_TO_GO)


def keep_descriptors() -> None:
    """Hand no inherited descriptor on: a child that outlived this process would go on holding the job's lock."""
    with contextlib.suppress(FileNotFoundError):  # not every system has it
        for entry in list(Path("/proc/self/fd").iterdir()):
            descriptor = int(entry.name)
            with contextlib.suppress(OSError):  # the one that the list was read by
                os.set_inheritable(descriptor, descriptor <= 2)
