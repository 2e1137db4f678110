"""The trainer's process: how it ends, whatever happens, and what it says of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contract.config import ColumnChoice, make_config
from contract.decision import GateLimits
from contract.job import ORDER_FILE, Epoch, Event, Failed, Order, Succeeded, read_events
from contract.publishing import Publisher

Run = Callable[..., tuple[int, list[Event]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Carries out an order that differs from a small good one in what is given; its exit code and events."""

    def run_order(**changes: Any) -> tuple[int, list[Event]]:
        folder = tmp_path / "job"
        folder.mkdir()
        fence = Publisher(tmp_path / "models").raise_fence("iris")
        order = Order(
            id="1",
            fence=fence,
            model="iris",
            models=str(tmp_path / "models"),
            table="iris",
            dataset="iris",
            target=None,
            held_out=str(tmp_path / "held-out"),
            config=make_config("reference", max_epochs=60),
            columns=ColumnChoice(),
            promote="auto",
            data_checks="refuse",
            limits=GateLimits(),
            requested_by="ops",
        )
        order = msgspec.structs.replace(order, **changes)
        (folder / ORDER_FILE).write_bytes(msgspec.json.encode(order))
        done = subprocess.run([sys.executable, "-m", "training.retrain", str(folder)], check=False, capture_output=True)
        return done.returncode, read_events(folder)[0]

    return run_order


def last_words(events: list[Event]) -> tuple[str, bool]:
    assert isinstance(events[-1], Failed)
    return events[-1].error, events[-1].ours


def test_an_order_becomes_a_version_that_serves(run: Run, tmp_path: Path) -> None:
    code, events = run()
    assert code == 0
    assert isinstance(events[-1], Succeeded)
    assert (events[-1].version, events[-1].outcome) == (1, "promoted")
    assert Publisher(tmp_path / "models").current("iris").version == 1
    assert sum(isinstance(event, Epoch) for event in events) == 60


def test_training_that_diverges_is_said_to(run: Run, tmp_path: Path) -> None:
    code, events = run(config=make_config("reference", lr=1e6))
    assert code == 1
    error, ours = last_words(events)
    assert "training diverged at lr 1e+06" in error
    assert not ours
    assert Publisher(tmp_path / "models").versions("iris") == []


def test_a_job_ends_when_its_time_is_up(run: Run) -> None:
    code, events = run(max_s=0.01)
    assert code == -signal.SIGKILL
    assert last_words(events) == ("a job must end within 0.01 s", False)


def test_a_job_of_a_service_that_is_gone_ends_at_once(run: Run, tmp_path: Path) -> None:
    code, events = run(lifeline=str(tmp_path / "gone"))
    assert code == -signal.SIGKILL
    assert last_words(events) == ("the service stopped while the job was running", False)


def test_what_is_said_of_a_table_does_not_tell_where_it_lies(run: Run, tmp_path: Path) -> None:
    code, events = run(table=str(tmp_path / "gone.csv"), dataset="flowers", target="species")
    assert code == 1
    assert last_words(events) == ("a table must exist, got 'flowers'", False)


def test_a_champion_that_is_damaged_is_said_to_be(run: Run, tmp_path: Path) -> None:
    model = tmp_path / "models" / "iris"
    model.mkdir(parents=True)
    (model / "current").write_text("{")
    code, events = run()
    assert code == 1
    error, ours = last_words(events)
    assert error.startswith("the pointer of 'iris' must be readable")
    assert ours
