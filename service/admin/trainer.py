"""The trainer's process: how it is started, and how it is ended. Which of the two, and when, `runner` decides."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from contract.job import LOG_FILE, ORDER_FILE, PROCESS_FILE, Order, Process

MODULE = "training.retrain"
OWN_VARIABLES = ("LITET_", "_LITET_", "PROMETHEUS_")
"""Prefixes of what the service is told and the trainer need not know, keys among it."""
ONE_THREAD = dict.fromkeys(
    (
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "POLARS_MAX_THREADS",
        "RAYON_NUM_THREADS",
    ),
    "1",
)


@contextlib.contextmanager
def try_lock(path: Path) -> Iterator[int | None]:
    """The descriptor of a lock file, locked; None where somebody else holds it. A child that inherits it keeps it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)


def start_trainer(
    python: str, folder: Path, order: Order, lock: int, bodies: Sequence[bytes]
) -> subprocess.Popen[bytes]:
    """A trainer on a job's folder, in a session of its own. It inherits the lock; `bodies` reach it in memory alone.

    Raises:
        OSError: the interpreter cannot be started, or the disk is full or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _memory_file(bodies) as requests, (folder / LOG_FILE).open("wb") as log:
        order = msgspec.structs.replace(order, requests=requests)
        (folder / ORDER_FILE).write_bytes(msgspec.json.encode(order))
        return subprocess.Popen(  # noqa: S603 # nothing in it comes from a caller
            # -P: what lies in the current folder, such as a volume of data, is not to be imported.
            [python, "-P", "-m", MODULE, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock, requests),
            start_new_session=True,
            env=trainer_environment(),
        )


def kill_trainer(folder: Path) -> bool:
    """End the trainer that works in this folder, whatever it is doing; False where there is none (yet)."""
    try:
        process = msgspec.json.decode((folder / PROCESS_FILE).read_bytes(), type=Process)
    except (FileNotFoundError, msgspec.DecodeError):
        return False
    if Process.of(process.pid) != process:
        return False
    try:
        # Its group is named after whatever was started, which may be a script around the interpreter.
        os.killpg(os.getpgid(process.pid), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def trainer_environment() -> dict[str, str]:
    """The environment without what the service is told, and with one thread for whatever can have several."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
    return {**kept, **ONE_THREAD, "PYTHONUNBUFFERED": "1", "ORT_DISABLE_TELEMETRY": "1"}


@contextlib.contextmanager
def _memory_file(bodies: Sequence[bytes]) -> Iterator[int]:
    """The descriptor of a file without a name, with a body a line: JSON has its line breaks escaped or to spare."""
    descriptor = os.memfd_create("litet-requests")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.writelines(body.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n" for body in bodies)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
