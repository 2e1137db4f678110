"""Retraining as an operator does it: a key, a service without torch, a table sent to it, jobs, the gate, a way back."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.docs.conftest import blocks_of
from tests.running import running_service

BUSY_MACHINE_S = 60
SPECIES = {"Adelie": (38.8, 3700), "Chinstrap": (48.8, 3733), "Gentoo": (47.5, 5076)}


@pytest.fixture
def penguins() -> list[list[str]]:
    """Rows of bill length, mass and species, whose species can be told but for some."""
    draw = random.Random(0)
    rows = [
        [f"{draw.gauss(length, 2.5):.1f}", f"{draw.gauss(mass, 300):.0f}", name]
        for name, (length, mass) in SPECIES.items()
        for _ in range(150)
    ]
    draw.shuffle(rows)
    return rows


class Operator:
    """Types commands with a key in a folder of their own."""

    def __init__(self, folder: Path, url: str, key: str) -> None:
        self.folder = folder
        self.url = url
        self.environ = {**os.environ, "LITET_URL": url, "LITET_KEY": key}

    def write(self, rows: list[list[str]]) -> None:
        lines = [",".join(row) for row in (["bill_length_mm", "body_mass_g", "species"], *rows)]
        (self.folder / "penguins.csv").write_text("\n".join(lines) + "\n")

    def litet(self, *arguments: str) -> tuple[int, Any]:
        """The exit code and the JSON of a command."""
        command = [sys.executable, "-m", "litet", *arguments, "--json"]
        done = subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def shell(self, script: str) -> str:
        done = subprocess.run(
            ["sh", "-e", "-c", script], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=True
        )
        return done.stdout

    def served(self) -> int:
        body = {"instances": [[39.0, 3700]]}
        return int(httpx.post(f"{self.url}/predict", json=body, timeout=BUSY_MACHINE_S).json()["version"])

    def wait_for_version(self, version: int) -> None:
        versions = (self.served() for _ in range(10_000))
        assert next(served for served in versions if served == version) == version


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    made = subprocess.run(
        [sys.executable, "-m", "litet", "key", "ops", "--json"], capture_output=True, text=True, check=True
    ).stdout
    key = json.loads(made)
    (tmp_path / "models").mkdir()
    options = ("--admin-keys", key["line"], "--trainer-python", sys.executable, "--max-label-flips", "0.2")
    with running_service(tmp_path / "models", *options) as url:
        yield Operator(tmp_path, url, key["key"])


def with_wrong_labels(rows: list[list[str]]) -> list[list[str]]:
    draw = random.Random(1)
    names = list(SPECIES)
    return [[*cells, draw.choice(names) if draw.random() < 0.6 else name] for *cells, name in rows]


def test_a_service_makes_a_model_keeps_it_fresh_and_protects_it(operator: Operator, penguins: list[list[str]]) -> None:
    operator.write(penguins)
    order = ("retrain", "penguins", "--upload", "penguins.csv", "--max-epochs", "40")

    code, first = operator.litet(*order, "--create", "--target", "species")
    assert (code, first["state"], first["outcome"], first["version"]) == (0, "succeeded", "promoted", 1)
    operator.wait_for_version(1)

    # The commands of the guide, word by word.
    (curl,) = [block.text for block in blocks_of("docs/retraining.md") if "curl -T" in block.text]
    answers = [json.loads(part) for part in operator.shell(curl.replace("curl", "curl -s -w '\\n'")).splitlines()]
    assert answers[0]["n_rows"] == len(penguins)
    _, done = operator.litet("jobs", "watch", answers[1]["id"])
    assert (done["outcome"], done["requested_by"], done["note"]) == ("promoted", "ops", "weekly")
    operator.wait_for_version(2)

    operator.write(with_wrong_labels(penguins))
    code, poisoned = operator.litet(*order)
    assert (code, poisoned["outcome"], poisoned["version"]) == (3, "held", 3)
    assert poisoned["gate"]["comparisons"][0]["passed"] is False
    assert operator.served() == 2

    operator.shell('curl -s -X POST -H "Authorization: Bearer $LITET_KEY" $LITET_URL/admin/models/penguins/rollback')
    operator.wait_for_version(1)

    code, verdict = operator.litet("audit", "models/.litet/audit.jsonl")
    assert (code, verdict["broken_at"]) == (0, None)
    lines = (operator.folder / "models/.litet/audit.jsonl").read_text().splitlines()
    acts = [json.loads(line)["action"] for line in lines]
    assert [act for act in acts if act.startswith(("job.", "model."))] == [
        "job.create",
        "job.promoted",
        "job.create",
        "job.promoted",
        "job.create",
        "job.held",
        "model.roll_back",
    ]
