"""A service as it runs in production, two workers and all."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any, NamedTuple

from tests.conformance.trained import PYTHON, litet

PATIENCE_S = 30
"""How long to wait for what should take a second."""
MAX_BODY_BYTES = 2 * 2**20


class Live(NamedTuple):
    """Where a service is, its model repository, and the header that opens its admin plane."""

    url: str
    grpc_address: str
    models: Path
    admin: dict[str, str]

    @property
    def address(self) -> str:
        """Host and port, as tritonclient wants them."""
        return self.url.removeprefix("http://")


@contextmanager
def live_service(models: Path, **settings: object) -> Iterator[Live]:
    """A service on free ports, stopped at the end. It must have logged no error, and stop as it should."""
    key = json.loads(litet("key", "tester", "--json"))
    settings = {
        "models": models,
        "workers": 2,
        "port": 0,
        "grpc_port": 0,
        "default_model": "iris",
        "admin_keys": key["line"],
        "max_body_bytes": MAX_BODY_BYTES,
        **settings,
    }
    options = [text for name, value in settings.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    with logging_process("serve", *options) as wait_for:
        listening = wait_for("listening")
        for _worker in range(2):
            wait_for("models loaded")
        yield Live(listening["url"], listening["grpc"], models, {"Authorization": f"Bearer {key['key']}"})


def wait_until(condition: Callable[[], bool]) -> None:
    """For what another process is about to do, of which it tells nobody."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def logging_process(*arguments: str) -> Iterator[Callable[[str], dict[str, Any]]]:
    """A command of ours while it runs; and how to wait for the next line of its log with a message."""
    lines: Queue[dict[str, Any]] = Queue()
    log: list[str] = []
    errors: list[str] = []

    def read() -> None:
        assert process.stderr is not None
        for text in process.stderr:
            log.append(text)
            line = json.loads(text) if text.startswith("{") else {"level": "error", "message": text}
            lines.put(line)
            if line["level"] in {"error", "critical"}:
                errors.append(text)

    def wait_for(message: str) -> dict[str, Any]:
        while True:
            try:
                line = lines.get(timeout=PATIENCE_S)
            except Empty:
                raise AssertionError(f"{message!r} must be logged, got: {''.join(log)}") from None
            if line["message"] == message:
                return line

    with subprocess.Popen([PYTHON, "-m", "litet", *arguments], stderr=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield wait_for
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
            reader.join(PATIENCE_S)
    assert errors == []
    assert process.returncode == 0
