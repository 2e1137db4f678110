"""The main job, as a user does it: a table, a model, a service, a better model, a broken one."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from contract.repository import Repository
from tests.running import running_service

BUSY_MACHINE_S = 30
"""How long to wait for what should take a second."""


def litet(*arguments: object) -> str:
    command = [sys.executable, "-m", "litet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BUSY_MACHINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "weather.csv"
    rows = [f"{i % 12};{('N', 'S')[i % 2]};{i * 0.1:.1f}".replace(".", ",") + f";{int(i % 12 > 5)}" for i in range(120)]
    path.write_text("\n".join(["month;wind;pressure;rain", *rows]) + "\n", encoding="utf-8-sig")
    return path


def test_from_a_table_to_answers_that_follow_every_promotion(table, tmp_path):
    models = tmp_path / "models"
    litet("train", table, "--target", "rain", "--models", models, "--max-epochs", 60)
    with running_service(models, "--workers", "2") as url, httpx.Client(base_url=url, timeout=BUSY_MACHINE_S) as client:
        rows = {"instances": [{"month": 9, "wind": "N", "pressure": 1.5}, {"month": 1, "wind": "E", "pressure": None}]}

        def answer() -> dict:
            return client.post("/predict", json=rows).raise_for_status().json()

        def served() -> set[int]:
            """The versions that a few connections of their own meet: every worker's."""
            return {
                httpx.post(f"{url}/predict", json=rows, timeout=BUSY_MACHINE_S).json()["version"] for _ in range(12)
            }

        first = answer()
        assert (first["model"], first["version"]) == ("weather", 1)
        assert [one["label"] for one in first["predictions"]] == [1, 0]
        assert [one.get("unseen") for one in first["predictions"]] == [None, ["wind"]]

        litet("train", table, "--target", "rain", "--models", models, "--max-epochs", 60, "--seed", 1)
        wait_until(lambda: served() == {2})
        assert answer()["predictions"][0]["logits"] != first["predictions"][0]["logits"]

        litet("rollback", "weather", "--models", models)
        wait_until(lambda: served() == {1})
        assert answer() == first

        path = models / "weather" / "2" / "model.onnx"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(subprocess.CalledProcessError):
            litet("promote", "weather", 2, "--models", models)
        assert served() == {1}
        assert httpx.get(f"{url}/health/ready").status_code == 200


def test_a_file_scored_offline_gets_the_answers_of_the_service(table, tmp_path):
    models = tmp_path / "models"
    litet("train", table, "--target", "rain", "--models", models, "--max-epochs", 5)
    lines = litet("predict", "weather", table, "--models", models).splitlines()[1:]
    offline = [[float(number) for number in line.split(",")[2:4]] for line in lines]
    rows = [line.split(";") for line in table.read_text(encoding="utf-8-sig").splitlines()[1:]]
    instances = [[float(month), wind, float(pressure.replace(",", "."))] for month, wind, pressure, _ in rows]
    with running_service(models) as url:
        online = httpx.post(f"{url}/predict", json={"instances": instances}, timeout=BUSY_MACHINE_S).json()[
            "predictions"
        ]
    for ours, theirs in zip(offline, online, strict=True):
        assert theirs["probabilities"] == pytest.approx(ours, abs=1e-6)


def test_training_killed_at_any_moment_leaves_the_repository_whole(tmp_path):
    models = tmp_path / "models"
    litet("train", "iris", "--preset", "reference", "--max-epochs", 1, "--models", models)
    command = [sys.executable, "-m", "litet", "train", "iris", "--preset", "reference", "--models", str(models)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("fitting"))
        process.kill()
    repository = Repository(models)
    assert repository.versions("iris") == [1]
    assert repository.read_current("iris")[0].version == 1
