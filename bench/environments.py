"""Virtual environments of what is compared with litet, made when first needed of exact versions in a text file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.peers.wrk import RunFailed

ROOT = Path(__file__).parents[1]
STAMP = ".installed"


def installed(folder: Path, requirements: Path) -> Path:
    """The folder of an environment's programs, installed anew where its versions are not those asked for.

    Raises:
        RunFailed: venv or pip failed.
    """
    wanted = requirements.read_text()
    stamp = folder / STAMP
    if not stamp.exists() or stamp.read_text() != wanted:
        n_packages = len(wanted.splitlines())
        print(f"installing {n_packages} packages in {folder.relative_to(ROOT)}", file=sys.stderr, flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(requirements)])
        stamp.write_text(wanted)
    return folder / "bin"


def added(folder: Path, requirements: Path) -> None:
    """Puts packages beside those of an environment that is installed; those that are there cost a second.

    Raises:
        RunFailed: pip failed.
    """
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(requirements)])


def _run(command: list[str]) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        lines = (finished.stderr or finished.stdout).strip().splitlines() or ["no reason given"]
        reason = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
        raise RunFailed(f"{' '.join(command[1:3])} failed: {reason[:200]}")
