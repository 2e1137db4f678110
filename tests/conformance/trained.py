"""Models, trained as a user would, in another environment than ours."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PYTHON = os.environ.get("LITET_SERVE_PYTHON") or str(Path(__file__).parents[2] / ".venv" / "bin" / "python")
"""The interpreter that trains and serves. It cannot be ours: see requirements.txt."""
FLOWERS = ("iris", "--preset", "reference", "--max-epochs", "5", "--conformal-fraction", "0.1")
BIRDS = ("--target", "bird", "--categorical", "ring", "--preset", "reference", "--max-epochs", "30")


def train(folder: Path) -> Path:
    """A repository with iris; birds, whose version 2 is not promoted; spare, which nobody minds being unloaded; and
    counted, of which nobody asks anything but to see it counted.
    """
    models, table = folder / "models", folder / "birds.csv"
    table.write_text("\n".join(["wing,tail,place,ring,tame,bird", *map(_bird, range(120))]) + "\n", encoding="utf-8")
    with ThreadPoolExecutor() as pool:
        flowers = [
            pool.submit(litet, "train", *FLOWERS, "--name", name, "--models", models)
            for name in ("iris", "spare", "counted")
        ]
        litet("train", table, *BIRDS, "--models", models)
        litet("train", table, *BIRDS, "--models", models, "--seed", 1, "--no-promote")
        for trained in flowers:
            trained.result()
    return models


def litet(*arguments: object) -> str:
    """What a command prints."""
    command = [PYTHON, "-m", "litet", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _bird(i: int) -> str:
    """A row with a hole in a number and in a text, integers and booleans for categories, and labels with a colon."""
    tail = "" if i % 7 == 0 else i % 5
    place = ("Växjö", "東京", "Малмё", "")[i % 4]
    label = ("uggla", "skata: röd", "kråka")[i % 10 // 4]
    return f"{i % 10}.5,{tail},{place},{(1, 2, 30)[i % 3]},{('true', 'false')[i % 2]},{label}"
