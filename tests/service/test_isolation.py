"""The service runs where nothing is installed that only training needs, and importing it does nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from contract.publishing import Publisher

ROOT = Path(__file__).parents[2]

REFUSE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "training", "onnx", "polars", "sklearn", "rich", "pandas"}:
            raise ImportError(f"serving must not import {name}")

sys.meta_path.insert(0, Refuse())
"""

SERVE = """
from litestar.testing import TestClient
from service.app import create_app
from service.settings import Settings

settings = Settings.from_env({}, models=sys.argv[1])
with TestClient(create_app(settings)) as client:
    answer = client.post("/predict", json={"instances": [[5.1, 3.5, 1.4, 0.2]]})
    assert answer.status_code == 200, answer.text
    print(answer.json()["model"], end="")
"""

IMPORT_ALL = """
import importlib, logging, os, pathlib, signal
before = dict(os.environ), list(logging.root.handlers), signal.getsignal(signal.SIGTERM)
for file in sorted(pathlib.Path("service").glob("*.py")):
    importlib.import_module(f"service.{file.stem}")
assert before == (dict(os.environ), list(logging.root.handlers), signal.getsignal(signal.SIGTERM))
import prometheus_client
assert not [m.name for m in prometheus_client.REGISTRY.collect() if m.name.startswith("litet")]
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", REFUSE + code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_service_answers_where_training_cannot_be_imported(publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher)
    assert run(SERVE, str(publisher.root)) == "iris"


def test_importing_the_service_does_nothing() -> None:
    assert run(IMPORT_ALL) == ""
