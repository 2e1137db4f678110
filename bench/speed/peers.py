"""pytabkit's networks, each fit in a process of the rivals' environment."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from bench.environments import ROOT, added
from bench.rivals.environment import HERE, interpreter
from bench.speed.clock import Now
from bench.speed.rows import Rows

WANTED = Path(__file__).with_name("pytabkit.txt")
"""What its plain networks need and it does not bring."""
MODELS = ("RealMLP-TD", "RealMLP-TD without label smoothing", "MLP-RTDL")
Curve = list[tuple[float, float]]
Process = Callable[[Rows, int, float, float], Curve]


def processes(now: Now) -> dict[str, Process]:
    """For each model what fits it once: rows, seed, target, limit in seconds → its curve.

    Raises:
        RunFailed: venv or pip failed.
    """
    python = interpreter()
    added(HERE, WANTED)
    return {f"pytabkit {model}": partial(_fit, python, model, now.__name__) for model in MODELS}


def _fit(python: Path, model: str, now: str, rows: Rows, seed: int, target: float, limit_s: float) -> Curve:
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "rows.npz", Path(folder) / "curve.json"
        arrays = {"x_train": rows.x_train, "y_train": rows.y_train, "x_valid": rows.x_valid, "y_valid": rows.y_valid}
        np.savez(given, **arrays)
        program = [str(python), "-m", "bench.speed.pytabkit_process", model, str(given), str(seed)]
        command = [*program, str(target), str(limit_s), now, str(out)]
        # Its plain networks leave checkpoints where they are run.
        subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
        return [(seconds, loss) for seconds, loss in json.loads(out.read_text())]
