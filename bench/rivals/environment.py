"""The virtual environment of the peers, made when first needed of the exact versions in `requirements.txt`."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = ROOT / ".venv-rivals"
WANTED = Path(__file__).with_name("requirements.txt")
STAMP = HERE / ".installed"


def interpreter() -> Path:
    """Its Python, after it was made anew where the versions have changed."""
    python = HERE / "bin" / "python"
    if not STAMP.exists() or STAMP.read_text() != WANTED.read_text():
        print(f"installing the peers in {HERE.relative_to(ROOT)}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(HERE)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(WANTED)], check=True)
        STAMP.write_text(WANTED.read_text())
    return python


def versions() -> str:
    """Changes with the versions."""
    return hashlib.sha256(WANTED.read_bytes()).hexdigest()[:8]
