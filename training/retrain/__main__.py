"""`python -m training.retrain FOLDER`: carry out the order in a job's folder. Started by the service, never by hand.

It lives no longer than the service that started it and than it may, and whatever happens it tries to say so in its last
event.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from contract.errors import CallerError, LitetError
from contract.job import ORDER_FILE, PROCESS_FILE, Failed, Order, Process, append_event
from training.retrain.stepping_back import keep_descriptors, step_back


def main() -> None:
    """Exit with 0 where the job succeeded, with 1 where it failed."""
    folder = Path(sys.argv[1])
    step_back()
    keep_descriptors()
    (folder / PROCESS_FILE).write_bytes(msgspec.json.encode(Process.of(os.getpid())))
    order = msgspec.json.decode((folder / ORDER_FILE).read_bytes(), type=Order)
    if order.lifeline:
        threading.Thread(target=_end_with, args=[Path(order.lifeline), folder], daemon=True).start()
    threading.Thread(target=_end_after, args=[order.max_s, folder], daemon=True).start()
    try:
        # Imported here, for it takes seconds in which the job can already be called off.
        from training.retrain.job import retrain  # noqa: PLC0415

        retrain(order, folder)
    except LitetError as error:
        _fail(folder, str(error), ours=not isinstance(error, CallerError))
    except Exception as error:  # noqa: BLE001 # the service learns of it, whatever it was
        traceback.print_exc()
        _fail(folder, f"{type(error).__name__}: {error}", ours=True)


def _end_with(lifeline: Path, folder: Path) -> None:
    """Wait until the service lets go of its lifeline, or is dead; then end at once."""
    with contextlib.suppress(FileNotFoundError):  # gone already
        fcntl.flock(os.open(lifeline, os.O_RDWR | os.O_CLOEXEC), fcntl.LOCK_SH)
    _end(folder, "the service stopped while the job was running", ours=False)


def _end_after(max_s: float, folder: Path) -> None:
    time.sleep(max_s)
    _end(folder, f"a job must end within {max_s:g} s", ours=False)


def _end(folder: Path, error: str, *, ours: bool) -> None:
    """End whatever the main thread does. Where it had published already, the version's card says so."""
    try:
        append_event(folder, Failed(time=_now(), error=error, ours=ours))
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def _fail(folder: Path, error: str, *, ours: bool) -> None:
    sys.stderr.write(f"{error}\n")
    text = error.encode("utf-8", "replace").decode()[:2000]  # a path of a job may hold what is no Unicode
    append_event(folder, Failed(time=_now(), error=text, ours=ours))
    sys.exit(1)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    main()
