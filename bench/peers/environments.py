"""Each peer's own virtual environment, with the exact versions in the text file of its name."""

from __future__ import annotations

from pathlib import Path

from bench.environments import ROOT, installed

HERE = ROOT / ".venv-peers"


def version(name: str) -> str:
    """The version of a peer that is asked for."""
    lines = _requirements(name).read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))


def environment(name: str) -> Path:
    """The folder of programs of a peer's environment.

    Raises:
        RunFailed: venv or pip failed.
    """
    return installed(HERE / name, _requirements(name))


def _requirements(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.txt")
