"""However a trainer ends, its job comes to the right end, the model is free again, and no process is left."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from contract.job import PROCESS_FILE, Process
from contract.publishing import Publisher
from service.admin.job_store import JobStore
from service.admin.lifeline import lifeline
from service.admin.trainer import try_lock


def process_of(state: Path, job_id: str) -> int:
    content = (state / "jobs" / job_id / PROCESS_FILE).read_bytes()
    return msgspec.json.decode(content, type=Process).pid


def is_gone(pid: int) -> bool:
    """Dead and waited for: not even a zombie is left."""
    return not Path(f"/proc/{pid}").exists()


def wait_until_gone(pid: int) -> None:
    descriptor = None
    while not is_gone(pid):
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        os.close(descriptor)


def test_a_killed_trainer_fails_its_job_with_the_last_words_of_its_log(
    admin: Any, publisher: Publisher, state: Path
) -> None:
    job_id = admin.order("stage:fitting say:out-of-memory torn die")
    job = admin.wait(job_id)
    assert job["state"] == "failed"
    assert job["error"].endswith("its log ends with: out-of-memory")
    wait_until_gone(process_of(state, job_id))
    assert publisher.versions("iris") == [1]
    assert ("litet", "job.failed", f"iris/jobs/{job_id}") in admin.audit()
    assert admin.wait(admin.order())["state"] == "succeeded"


@pytest.mark.parametrize(
    ("note", "promote", "outcome"),
    [
        ("publish die", "auto", "promoted"),
        ("publish torn die", "manual", "published"),
        ("refuse publish die", "auto", "held"),
    ],
)
def test_a_trainer_killed_after_publishing_has_succeeded(admin: Any, note: str, promote: str, outcome: str) -> None:
    job = admin.wait(admin.order(note, promote=promote))
    assert (job["state"], job["outcome"], job["version"], job["error"]) == ("succeeded", outcome, 2, None)


def test_a_version_promoted_over_the_one_of_a_killed_trainer_does_not_change_how_its_job_ended(
    admin: Any, theatre: Any, publisher: Publisher, foundry: Any
) -> None:
    theatre.place("here")
    job_id = admin.order("publish hold:here die")
    theatre.reached("here")
    foundry.publish(publisher, seed=5)
    theatre.go("here")
    job = admin.wait(job_id)
    assert (job["state"], job["outcome"], job["version"]) == ("succeeded", "promoted", 2)


def test_what_a_trainer_told_last_holds_however_it_ended(admin: Any) -> None:
    assert admin.wait(admin.order("publish succeed die"))["state"] == "succeeded"
    assert admin.wait(admin.order("fail:no-rows"))["error"] == "no-rows"


def test_a_trainer_that_tells_what_nobody_understands_fails_its_job(admin: Any) -> None:
    job_id = admin.order("unreadable die")
    admin.get("/jobs")
    (job,) = admin.jobs()
    while job["state"] == "running":
        (job,) = admin.jobs()
    assert (job["id"], job["state"]) == (job_id, "failed")
    assert admin.wait(admin.order())["state"] == "succeeded"


def test_a_trainer_ends_with_its_service_and_the_next_service_says_so(
    open_admin: Any, theatre: Any, state: Path, publisher: Publisher
) -> None:
    theatre.place("here")
    admin = open_admin()
    job_id = admin.order("hold:here publish succeed")
    theatre.reached("here")
    pid = process_of(state, job_id)
    admin.close()
    wait_until_gone(pid)
    after = open_admin()
    job = after.wait(job_id)
    assert (job["state"], job["error"]) == ("failed", "the service stopped")
    assert publisher.versions("iris") == [1]
    assert after.wait(after.order())["state"] == "succeeded"
    assert len(list((state / "services").iterdir())) == 1


def test_a_trainer_outlives_its_worker_where_the_service_goes_on(open_admin: Any, theatre: Any, state: Path) -> None:
    theatre.place("here")
    with lifeline(state) as path:
        one, other = open_admin(path), open_admin(path)
        job_id = one.order("hold:here publish succeed")
        theatre.reached("here")
        one.close()
        theatre.go("here")
        assert other.wait(job_id)["state"] == "succeeded"
    assert list((state / "services").iterdir()) == []


def test_what_dead_services_left_is_swept_up(state: Path) -> None:
    with lifeline(state) as living:
        (state / "services" / "dead").touch()
        with lifeline(state) as path:
            assert set((state / "services").iterdir()) == {living, path}


def test_a_job_whose_worker_died_before_it_started_the_trainer_fails(open_admin: Any, state: Path) -> None:
    admin = open_admin()
    store = JobStore(state / "jobs.sqlite", max_running=1, max_queued=1)
    with try_lock(state / "locks" / "iris.lock") as lock:
        assert lock is not None
        job_id = admin.order("fail")
        assert admin.job(job_id)["state"] == "queued"
        assert store.start(store.get(job_id), 1)
        assert admin.job(job_id)["state"] == "running"
    assert "never began" in admin.wait(job_id)["error"]
    assert admin.wait(admin.order())["state"] == "succeeded"


def test_a_trainer_that_cannot_be_started_fails_the_job(open_admin: Any, tmp_path: Path) -> None:
    admin = open_admin(trainer_python=tmp_path / "absent")
    job = admin.wait(admin.order())
    assert job["error"].startswith("not started: ")
    assert job["finished_at"]


def test_a_fence_that_cannot_be_read_fails_the_job(admin: Any, publisher: Publisher) -> None:
    (publisher.root / "iris" / ".fence").write_text("?")
    job = admin.wait(admin.order())
    assert job["error"].startswith("not started: the fence of 'iris' must be a number")


def test_a_trainer_is_told_nothing_of_the_services_environment(
    admin: Any, theatre: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITET_ADMIN_KEYS", "secret")
    monkeypatch.setenv("_LITET_LIFELINE", "secret")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "kept")
    admin.wait(admin.order("note_down fail"))
    seen = theatre.seen()
    assert seen["argv"][1:4] == ["-P", "-m", "training.retrain"]
    assert "secret" not in seen["environment"].values()
    assert not [name for name in seen["environment"] if name.startswith(("LITET_", "_LITET_", "PROMETHEUS_"))]
    assert seen["environment"]["HTTPS_PROXY"] == "kept"
    assert seen["environment"]["OMP_NUM_THREADS"] == "1"


def test_recent_requests_reach_the_trainer_in_memory_alone(open_admin: Any, theatre: Any, state: Path) -> None:
    admin = open_admin(replay_requests=3)
    bodies = [f'{{"instances":\n[[{number},3.5,1.4,0.2]]}}' for number in range(5)]
    for body in (*bodies, f'{{"instances":[[5,3.5,1.4,0.2]]{" " * 4096}}}', '{"instances":[["no"]]}'):
        admin.client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    job_id = admin.order("note_down fail")
    admin.wait(job_id)
    seen = theatre.seen()
    rows = [json.loads(body)["instances"] for body in seen["requests"]]
    np.testing.assert_allclose(rows, [[[number, 3.5, 1.4, 0.2]] for number in (2, 3, 4)], rtol=1e-6)
    for path in state.rglob("*"):
        if path.is_file():
            assert b"instances" not in path.read_bytes()


@pytest.mark.parametrize("note", ["publish fail", "publish succeed fail"])
def test_a_trainer_that_fails_after_publishing_has_succeeded(admin: Any, note: str) -> None:
    job = admin.wait(admin.order(note))
    assert (job["state"], job["outcome"], job["version"], job["error"]) == ("succeeded", "promoted", 2, None)


def test_a_state_folder_that_began_anew_takes_its_fences_from_the_models(admin: Any, publisher: Publisher) -> None:
    publisher.raise_fence("iris", 40)
    assert admin.wait(admin.order())["outcome"] == "promoted"
    assert admin.wait(admin.order())["outcome"] == "promoted"


def test_a_job_that_this_version_cannot_read_fails_and_is_shown_all_the_same(
    admin: Any, theatre: Any, state: Path
) -> None:
    theatre.place("here")
    first = admin.order("hold:here publish succeed")
    theatre.reached("here")
    second = admin.order(queue=True)
    with contextlib.closing(sqlite3.connect(state / "jobs.sqlite")) as database:
        database.execute("UPDATE jobs SET requested = '{\"order\": 1}'")
        database.commit()
    assert {job["id"]: job["dataset"] for job in admin.jobs()} == {first: None, second: None}
    theatre.go("here")
    assert admin.wait(first)["state"] == "succeeded"
    failed = admin.wait(second)
    assert (failed["state"], failed["error"][:11]) == ("failed", "not started")


def test_a_state_folder_of_another_layout_is_refused_in_one_line(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(sqlite3.DatabaseError, match="must have layout 1, got 99"):
        JobStore(tmp_path / "jobs.sqlite", max_running=1, max_queued=1).prepare()


def test_a_queued_job_is_not_started_by_a_service_whose_lifeline_is_free(
    open_admin: Any, state: Path, tmp_path: Path
) -> None:
    with lifeline(state) as path:
        admin = open_admin(lifeline_path=path)
        path_kept = path
    assert not path_kept.exists()
    assert admin.job(admin.order())["state"] == "queued"
    assert open_admin().wait(admin.jobs()[0]["id"])["state"] == "succeeded"
