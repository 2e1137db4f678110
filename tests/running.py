"""Starts the service as a user would, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVE_PYTHON = os.environ.get("LITET_SERVE_PYTHON", sys.executable)
"""The interpreter that serves: in `make test` that of the serving environment, in which torch is not installed."""


@contextmanager
def running_service(models: Path, *options: str) -> Iterator[str]:
    """The URL of `litet serve` on a free port, stopped at the end; its exit code is checked."""
    command = [SERVE_PYTHON, "-m", "litet", "serve", "--models", str(models), "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=models.parent) as process:
        assert process.stderr is not None
        try:
            yield next(json.loads(line)["url"] for line in process.stderr if '"url"' in line)
        finally:
            process.terminate()
            process.stderr.read()
    assert process.returncode == 0
