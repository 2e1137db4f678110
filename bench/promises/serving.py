"""A service in processes of its own, with an admin key, and what it logs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from service.admin.keys import make_key

SERVE_PYTHON = os.environ.get("LITET_SERVE_PYTHON", sys.executable)
"""The interpreter that serves: that of the serving environment, where torch is not installed, if there is one."""
PATIENCE_S = 60.0
"""How long to wait, on a busy machine, for what should take a second."""
OWN_VARIABLES = ("LITET_", "PROMETHEUS_")
LOOK_S = 0.02


class Service:
    """A running service. `client` carries the admin key."""

    def __init__(self, process: subprocess.Popen[str], key: str) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._key = key

    def begin(self) -> None:
        """Wait until it listens."""
        (listening,) = self.wait_for(lambda line: line["message"] == "listening")
        self.url = str(listening["url"])
        headers = {"Authorization": f"Bearer {self._key}"}
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE_S, headers=headers)

    def wait_for(self, fits: Callable[[dict[str, Any]], bool], count: int = 1) -> list[dict[str, Any]]:
        """The first `count` logged lines that fit, once they are there."""
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            found[:] = [line for line in self.lines if fits(line)]
            return len(found) >= count or self.process.poll() is not None

        with self._news:
            self._news.wait_for(enough, PATIENCE_S)
        if len(found) < count:
            raise TimeoutError(f"the service must log {count} such lines, got {len(found)}: {self.lines[-3:]}")
        return found[:count]

    def worker_pids(self, count: int) -> list[int]:
        """The processes that have loaded their models."""
        return [line["pid"] for line in self.wait_for(lambda line: line["message"] == "models loaded", count)]

    def kill(self) -> None:
        """Kill supervisor and workers at once, as a machine's failing memory would. Trainers are left alone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def end(self) -> None:
        """Stop it, gently at first, and read its log to the end."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                with self._news:
                    self.lines.append(json.loads(line) if line.startswith("{") else {"message": line})
                    self._news.notify_all()


@contextlib.contextmanager
def serving(models: Path, *, script: Path | None = None, **settings: object) -> Iterator[Service]:
    """`litet serve` on a free port until the end; `script` takes its place. `settings` are those of `Settings`."""
    key, line = make_key("bench")
    given = {"models": models, "port": 0, "admin_keys": line, "trainer_python": sys.executable, **settings}
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
    environ |= {f"LITET_{name.upper()}": str(value) for name, value in given.items()}
    command = [SERVE_PYTHON, "-P", str(script)] if script else [SERVE_PYTHON, "-m", "litet", "serve"]
    process = subprocess.Popen(
        command, env=environ, stderr=subprocess.PIPE, text=True, cwd=models.parent, start_new_session=True
    )
    service = Service(process, key)
    try:
        service.begin()
        with service.client:
            yield service
    finally:
        service.end()


def wait_until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> float:
    """Seconds until the condition held; infinite where it did not within `patience_s`."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > patience_s:
            return float("inf")
        time.sleep(LOOK_S)
    return time.monotonic() - started
