"""The virtual environment of the rivals, with the exact versions in `requirements.txt`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.environments import ROOT, installed

HERE = ROOT / ".venv-rivals"
WANTED = Path(__file__).with_name("requirements.txt")


def interpreter() -> Path:
    """Its Python.

    Raises:
        RunFailed: venv or pip failed.
    """
    return installed(HERE, WANTED) / "python"


def versions() -> str:
    """Changes with the versions."""
    return hashlib.sha256(WANTED.read_bytes()).hexdigest()[:8]
