"""Stands in for the trainer's interpreter on a disk that fails: `python -m bench.promises.failing_trainer PLANS -P
-m MODULE FOLDER`.

`PLANS/<model>` is a JSON file: which step fails, 0 for none, and with which error; a full disk fails all later steps,
too. The steps made are noted in `PLANS/<model>-steps`.
"""

from __future__ import annotations

import atexit
import errno
import io
import json
import os
import runpy
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

from contract.job import ORDER_FILE

STEPS = ("write", "fsync", "rename", "replace", "mkdir", "ftruncate")
TAKES_SPACE = ("write", "mkdir", "open to write", "rename", "replace")
"""What a full disk refuses. It can still force to disk, and cut off, what is there."""
WRITING = frozenset("wax+")


class Disk:
    """Counts the steps, and fails them as planned."""

    def __init__(self, fail_at: int, code: int) -> None:
        self._fail_at = fail_at
        self._code = code
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        """Before each step.

        Raises:
            OSError: it is to fail.
        """
        full = self._code == errno.ENOSPC
        if full and name not in TAKES_SPACE:
            return
        self.steps.append(name)
        n_done = len(self.steps)
        if self._fail_at and (n_done >= self._fail_at if full else n_done == self._fail_at):
            raise OSError(self._code, os.strerror(self._code))


def main() -> None:
    """Run the module as the interpreter would, on the failing disk."""
    plans, _safe_path, _m, module, folder = sys.argv[1:]
    order = json.loads((Path(folder) / ORDER_FILE).read_bytes())
    plan = Path(plans) / order["model"]
    disk = Disk(**json.loads(plan.read_bytes()))
    note = partial(_note, io.open, Path(f"{plan}-steps"), disk)
    atexit.register(note)
    for name in STEPS:
        setattr(os, name, _failing(getattr(os, name), name, disk))
    os.open = _failing_open(os.open, disk)
    io.open = _failing_io_open(io.open, disk)
    sys.argv = [module, folder]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _note(sound_open: Callable[..., IO[str]], path: Path, disk: Disk) -> None:
    with sound_open(path, "w") as file:
        json.dump(disk.steps, file)


def _failing(call: Callable[..., Any], name: str, disk: Disk) -> Callable[..., Any]:
    def failing(*arguments: Any, **named: Any) -> Any:
        disk.step(name)
        return call(*arguments, **named)

    return failing


def _failing_open(call: Callable[..., int], disk: Disk) -> Callable[..., int]:
    def failing(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
        if flags & os.O_CREAT:
            disk.step("open to write")
        return call(path, flags, *arguments, **named)

    return failing


def _failing_io_open(call: Callable[..., Any], disk: Disk) -> Callable[..., Any]:
    """What `pathlib` opens with."""

    def failing(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if WRITING & set(mode):
            disk.step("open to write")
        return call(file, mode, *arguments, **named)

    return failing


if __name__ == "__main__":
    main()
