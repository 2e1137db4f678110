"""Once a cancellation has answered, the trainer is dead and has published nothing, and never will."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contract.job import PROCESS_FILE, Process
from contract.publishing import Publisher
from service.admin.job_store import JobStore
from tests.service.admin.conftest import wait_until


def is_alive(state: Path, job_id: str) -> bool:
    path = state / "jobs" / job_id / PROCESS_FILE
    process = msgspec.json.decode(path.read_bytes(), type=Process)
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return Process.of(process.pid) == process and stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def test_a_queued_job_is_called_off_before_it_begins(admin: Any, theatre: Any, state: Path) -> None:
    theatre.place("here")
    first = admin.order("hold:here fail")
    queued = admin.order("publish succeed", queue=True)
    theatre.reached("here")
    answer = admin.post(f"/jobs/{queued}/cancel")
    assert answer.status_code == 200
    assert answer.json()["state"] == "cancelled"
    assert answer.json()["finished_at"]
    theatre.go("here")
    admin.wait(first)
    assert not (state / "jobs" / queued / "order.json").exists()
    assert ("ops", "job.cancel", f"iris/jobs/{queued}") in admin.audit()
    assert admin.metric('litet_jobs_total{model="iris",outcome="",state="cancelled"}') == 1


@pytest.mark.parametrize("step", ["stage:fitting hold:here publish succeed", "gate stage:publishing hold:here publish"])
def test_a_running_job_is_dead_and_published_nothing(
    open_admin: Any, theatre: Any, publisher: Publisher, state: Path, step: str
) -> None:
    theatre.place("here")
    one, other = open_admin(), open_admin()
    job_id = one.order(step)
    theatre.reached("here")
    assert is_alive(state, job_id)
    answer = other.post(f"/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert not is_alive(state, job_id)
    assert publisher.versions("iris") == [1]
    events = one.get(f"/jobs/{job_id}/events").text
    assert "event: cancelled" in events
    assert '"by":"ops"' in events
    again = one.post(f"/jobs/{job_id}/cancel")
    assert again.status_code == 409
    assert "got cancelled" in again.json()["detail"]
    assert [action for _, action, _ in one.audit()] == ["job.create", "job.cancel"]
    assert one.wait(one.order())["state"] == "succeeded"


def test_a_job_is_called_off_before_its_trainer_can_be_named(
    admin: Any, theatre: Any, publisher: Publisher, state: Path
) -> None:
    theatre.place("unborn")
    job_id = admin.order("unborn publish succeed")
    theatre.reached("unborn")
    assert not (state / "jobs" / job_id / PROCESS_FILE).exists()
    with ThreadPoolExecutor(1) as pool:
        fence = publisher.root / "iris" / ".fence"
        raised = fence.read_text()
        cancelling = pool.submit(admin.post, f"/jobs/{job_id}/cancel")
        wait_until(lambda: fence.read_text() != raised)
        theatre.go("unborn")
        assert cancelling.result().json()["state"] == "cancelled"
    assert not is_alive(state, job_id)
    assert publisher.versions("iris") == [1]


def test_a_trainer_behind_a_script_is_killed_as_well(
    open_admin: Any, theatre: Any, publisher: Publisher, state: Path, tmp_path: Path
) -> None:
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\n"{theatre.trainer}" "$@"\nexit $?\n')
    script.chmod(0o755)
    theatre.place("here")
    admin = open_admin(trainer_python=script)
    job_id = admin.order("hold:here publish succeed")
    theatre.reached("here")
    assert admin.post(f"/jobs/{job_id}/cancel").json()["state"] == "cancelled"
    assert not is_alive(state, job_id)
    assert publisher.versions("iris") == [1]


def test_a_trainer_that_nobody_could_kill_publishes_nothing_once_the_fence_is_raised(
    admin: Any, theatre: Any, publisher: Publisher
) -> None:
    theatre.place("here")
    job_id = admin.order("hold:here publish succeed")
    theatre.reached("here")
    publisher.raise_fence("iris", admin.job(job_id)["number"] + 1)
    theatre.go("here")
    job = admin.wait(job_id)
    assert job["state"] == "failed"
    assert "must hold the fence" in job["error"]
    assert publisher.versions("iris") == [1]


def test_a_cancellation_whose_worker_died_comes_to_its_end(
    admin: Any, theatre: Any, publisher: Publisher, state: Path
) -> None:
    theatre.place("here")
    job_id = admin.order("hold:here publish succeed")
    theatre.reached("here")
    store = JobStore(state / "jobs.sqlite", max_running=1, max_queued=1)
    store.call_off(store.get(job_id), "ops")
    publisher.raise_fence("iris", store.get(job_id).number + 1)
    theatre.go("here")
    job = admin.wait(job_id)
    assert (job["state"], job["error"]) == ("cancelled", None)
    assert publisher.versions("iris") == [1]


@pytest.mark.parametrize("note", ["publish hold:here succeed", "publish succeed hold:here"])
def test_a_job_that_has_published_cannot_be_called_off(
    admin: Any, theatre: Any, publisher: Publisher, note: str
) -> None:
    theatre.place("here")
    job_id = admin.order(note)
    theatre.reached("here")
    answer = admin.post(f"/jobs/{job_id}/cancel")
    assert answer.status_code == 409
    assert "got succeeded" in answer.json()["detail"]
    job = admin.job(job_id)
    assert (job["state"], job["outcome"], job["version"]) == ("succeeded", "promoted", 2)
    assert publisher.current("iris").version == 2


def test_a_cancellation_without_an_audit_entry_does_nothing(admin: Any, theatre: Any, state: Path) -> None:
    theatre.place("here")
    job_id = admin.order("hold:here publish succeed")
    theatre.reached("here")
    log = (state / "audit.jsonl").rename(state / "aside")
    (state / "audit.jsonl").mkdir()
    assert admin.post(f"/jobs/{job_id}/cancel").status_code == 507
    assert is_alive(state, job_id)
    (state / "audit.jsonl").rmdir()
    log.rename(state / "audit.jsonl")
    theatre.go("here")
    assert admin.wait(job_id)["state"] == "succeeded"


def test_at_whatever_moment_a_job_is_called_off_it_is_or_it_has_succeeded(
    open_admin: Any, publisher: Publisher, state: Path
) -> None:
    one, other = open_admin(), open_admin()
    moments, pause, ends = random.Random(5), threading.Event(), set()
    for number in range(50):
        before = publisher.versions("iris")
        job_id = one.order("stage:fitting epoch:1 gate stage:publishing publish succeed")
        pause.wait(moments.uniform(0, 0.2))
        answer = (one, other)[number % 2].post(f"/jobs/{job_id}/cancel")
        job = one.job(job_id)
        ends.add(job["state"])
        after = publisher.versions("iris")
        if answer.status_code == 200:
            assert job["state"] == "cancelled"
            assert after == before
        else:
            assert answer.status_code == 409
            assert job["state"] == "succeeded"
            assert after == [*before, job["version"]]
        assert not (state / "jobs" / job_id / PROCESS_FILE).exists() or not is_alive(state, job_id)
    assert "cancelled" in ends
    assert sum(job["state"] == "succeeded" for job in one.jobs()) == len(publisher.versions("iris")) - 1
