"""Each peer's own virtual environment, made when first needed of the exact versions in the text file of its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.peers.wrk import RunFailed

ROOT = Path(__file__).parents[2]
HERE = ROOT / ".venv-peers"
STAMP = ".installed"


def version(name: str) -> str:
    """The version of a peer that is asked for."""
    return next(line.partition("==")[2] for line in _wanted(name).splitlines() if line.startswith(f"{name}=="))


def environment(name: str) -> Path:
    """The folder of programs of a peer's environment, installed anew where its versions are not those asked for.

    Raises:
        RunFailed: venv or pip failed.
    """
    wanted = _wanted(name)
    folder = HERE / name
    stamp = folder / STAMP
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {name}: {len(wanted.splitlines())} packages in {folder.relative_to(ROOT)}", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        requirements = str(Path(__file__).with_name(f"{name}.txt"))
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "-r", requirements])
        stamp.write_text(wanted)
    return folder / "bin"


def _wanted(name: str) -> str:
    return Path(__file__).with_name(f"{name}.txt").read_text()


def _run(command: list[str]) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        lines = (finished.stderr or finished.stdout).strip().splitlines() or ["no reason given"]
        reason = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
        raise RunFailed(f"{' '.join(command[1:3])} failed: {reason[:200]}")
