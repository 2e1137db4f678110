"""Jobs are ordered once, run one at a time for a model, and wait for their turn; whichever worker is asked."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contract.job import Order
from contract.publishing import Publisher
from service.admin.job_record import Job
from service.admin.job_store import JobStore

HOLD = "hold:here publish succeed"


def test_a_job_trains_publishes_and_is_promoted(admin: Any, publisher: Publisher) -> None:
    answer = admin.retrain("stage:reading gate publish succeed")
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/admin/jobs/{job['id']}"
    assert job["state"] in {"queued", "running"}
    assert job["requested_by"] == "ops"
    done = admin.wait(job["id"])
    assert (done["state"], done["outcome"], done["version"], done["error"]) == ("succeeded", "promoted", 2, None)
    assert done["gate"]["passed"] is True
    assert done["metrics"]["accuracy"] == 0.9
    assert done["created_at"] <= done["started_at"] <= done["finished_at"]
    assert publisher.current("iris").version == 2
    assert admin.metric('litet_jobs_total{model="iris",outcome="promoted",state="succeeded"}') == 1
    admin.poll()
    assert admin.client.post("/predict", json={"instances": [[5.1, 3.5, 1.4, 0.2]]}).json()["version"] == 2


@pytest.mark.parametrize(
    ("note", "promote", "outcome"),
    [("publish succeed", "manual", "published"), ("refuse publish succeed", "auto", "held")],
)
def test_a_version_that_must_wait_does_not_serve(
    admin: Any, publisher: Publisher, note: str, promote: str, outcome: str
) -> None:
    done = admin.wait(admin.order(note, promote=promote))
    assert (done["state"], done["outcome"], done["version"]) == ("succeeded", outcome, 2)
    assert publisher.current("iris").version == 1


def test_the_default_model_needs_no_name(admin: Any) -> None:
    answer = admin.post("/retrain", json={"dataset": "iris", "note": "fail"})
    assert answer.status_code == 202
    assert answer.json()["model"] == "iris"
    assert admin.wait(answer.json()["id"])["error"] == "no luck"


def test_a_running_job_shows_its_progress_and_its_log(admin: Any, theatre: Any) -> None:
    theatre.place("here")
    job_id = admin.order("say:hello stage:fitting finding epoch:4 hold:here fail")
    theatre.reached("here")
    job = admin.job(job_id)
    assert job["state"] == "running"
    assert job["progress"] == {
        "stage": "fitting",
        "epoch": 4,
        "max_epochs": 10,
        "fraction": 0.4,
        "eta_s": 3.0,
        "train_loss": 0.5,
        "valid_loss": 0.6,
    }
    assert job["findings"][0]["check"] == "few_rows"
    assert job["log"] == ["hello"]
    (listed,) = admin.jobs()
    assert listed["progress"] == job["progress"]
    assert not {"findings", "metrics", "gate", "log"} & listed.keys()
    theatre.go("here")
    assert admin.wait(job_id)["progress"] is None


def test_fifty_requests_with_one_key_order_one_job(open_admin: Any, theatre: Any) -> None:
    theatre.place("here")
    workers = [open_admin(), open_admin()]

    def ask(number: int) -> str:
        return str(workers[number % 2].order(HOLD, headers={"Idempotency-Key": "one"}))

    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(ask, range(50)))
    assert len(ids) == 1
    assert [job["id"] for job in workers[0].jobs()] == list(ids)
    assert sum(action == "job.create" for _, action, _ in workers[0].audit()) == 1


@pytest.mark.parametrize(("queue", "n_accepted"), [(False, 1), (True, 4)])
def test_of_fifty_requests_one_runs_and_as_many_wait_as_may(
    open_admin: Any, theatre: Any, queue: bool, n_accepted: int
) -> None:
    theatre.place("here")
    workers = [open_admin(max_queued_jobs=3), open_admin(max_queued_jobs=3)]

    def ask(number: int) -> int:
        headers = {"Idempotency-Key": str(number)}
        return int(workers[number % 2].retrain(HOLD, queue=queue, headers=headers).status_code)

    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(ask, range(50)))
    assert statuses == [202] * n_accepted + [409] * (50 - n_accepted)
    assert [job["state"] for job in workers[0].jobs()] == ["queued"] * (n_accepted - 1) + ["running"]


def test_a_repeated_request_gets_its_job_even_once_that_is_over(admin: Any) -> None:
    key = {"Idempotency-Key": "again"}
    first = admin.order("fail", headers=key)
    admin.wait(first)
    answer = admin.retrain("fail", headers=key)
    assert (answer.status_code, answer.json()["id"], answer.json()["state"]) == (202, first, "failed")


def test_a_key_is_good_for_one_request_only(admin: Any) -> None:
    key = {"Idempotency-Key": "again"}
    admin.wait(admin.order("fail", headers=key))
    for answer in (admin.retrain("fail:otherwise", headers=key), admin.retrain("fail", "other", headers=key)):
        assert answer.status_code == 422
        assert "Idempotency-Key" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["", "x" * 256, "\x7f"])
def test_a_key_must_be_short_text(admin: Any, key: str) -> None:
    assert admin.retrain("fail", headers={"Idempotency-Key": key}).status_code == 422


def test_jobs_of_other_models_run_beside_each_other_up_to_the_limit(
    open_admin: Any, theatre: Any, publisher: Publisher, foundry: Any
) -> None:
    admin = open_admin(max_running_jobs=2)
    ids = {}
    for model in ("a", "b", "c"):
        foundry.publish(publisher, model)
        theatre.place("here", model)
        ids[model] = admin.order("hold:here fail", model)
    theatre.reached("here", "a")
    theatre.reached("here", "b")
    assert admin.job(ids["c"])["state"] == "queued"
    theatre.go("here", "b")
    assert admin.wait(ids["b"])["state"] == "failed"
    admin.jobs()
    theatre.reached("here", "c")
    assert {job["model"]: job["state"] for job in admin.jobs()} == {"a": "running", "b": "failed", "c": "running"}


def test_no_more_jobs_wait_than_may_and_one_that_need_not_wait_does_not_count(
    open_admin: Any, theatre: Any, publisher: Publisher, foundry: Any
) -> None:
    admin = open_admin(max_running_jobs=2, max_queued_jobs=1)
    for model in ("a", "b", "c"):
        foundry.publish(publisher, model)
        theatre.place("here", model)
    admin.order(HOLD, "a")
    admin.order(HOLD, "a", queue=True)
    admin.order(HOLD, "b")
    answer = admin.retrain(HOLD, "c")
    assert answer.status_code == 409
    assert "at most 1 jobs may wait" in answer.json()["detail"]


def test_queued_jobs_run_in_the_order_of_their_requests_from_whichever_worker(open_admin: Any, theatre: Any) -> None:
    theatre.place("here")
    one, other = open_admin(), open_admin()
    first = one.order("hold:here fail")
    rest = [(one, other)[number % 2].order(f"fail:{number}", queue=True) for number in range(4)]
    assert [job["state"] for job in one.jobs(state="queued")] == ["queued"] * 4
    theatre.reached("here")
    theatre.go("here")
    for job_id in (first, *rest):
        other.wait(job_id)
    jobs = list(reversed(one.jobs()))
    assert [job["id"] for job in jobs] == [first, *rest]
    times = [(job["started_at"], job["finished_at"]) for job in jobs]
    assert times == sorted(times)
    assert all(before[1] <= after[0] for before, after in pairwise(times))


def test_jobs_are_listed_by_model_and_state(admin: Any, publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher, "other")
    first = admin.order("fail")
    admin.wait(first)
    second = admin.order("publish succeed", "other")
    admin.wait(second)
    assert [job["id"] for job in admin.jobs()] == [second, first]
    assert [job["id"] for job in admin.jobs(limit=1)] == [second]
    assert [job["id"] for job in admin.jobs(model="iris")] == [first]
    assert [job["id"] for job in admin.jobs(state="succeeded")] == [second]
    assert admin.jobs(model="other", state="failed") == []
    assert admin.get("/jobs", params={"limit": 0}).status_code == 400


def test_a_job_that_is_none_is_not_found(admin: Any) -> None:
    for answer in (admin.get("/jobs/x"), admin.get("/jobs/x/events"), admin.post("/jobs/x/cancel")):
        assert answer.status_code == 404
        assert "'x'" in answer.json()["detail"]


def test_several_processes_may_prepare_one_store_at_once(tmp_path: Path) -> None:
    def prepare(_number: int) -> None:
        JobStore(tmp_path / "jobs.sqlite", max_running=1, max_queued=1).prepare()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(prepare, range(64)))
    with sqlite3.connect(tmp_path / "jobs.sqlite") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_an_order_without_an_audit_entry_is_no_job(admin: Any, state: Path) -> None:
    (state / "audit.jsonl").unlink(missing_ok=True)
    (state / "audit.jsonl").mkdir()
    answer = admin.retrain("publish succeed")
    assert answer.status_code == 507
    assert str(state) not in answer.text
    assert admin.jobs() == []
    (state / "audit.jsonl").rmdir()
    assert admin.wait(admin.order("publish succeed"))["version"] == 2


def test_the_order_says_all_that_a_trainer_needs(admin: Any, state: Path, publisher: Publisher) -> None:
    job_id = admin.order("fail")
    admin.wait(job_id)
    order = msgspec.json.decode((state / "jobs" / job_id / "order.json").read_bytes(), type=Order)
    assert (order.id, order.model, order.models) == (job_id, "iris", str(publisher.root))
    assert order.fence == admin.job(job_id)["number"]
    assert order.held_out == str(state / "held-out")


def test_a_job_starts_only_when_it_is_the_oldest_of_its_model_and_there_is_room(
    admin: Any, theatre: Any, tmp_path: Path
) -> None:
    template = admin.retrain("fail").json()["id"]
    admin.wait(template)
    known = JobStore(Path(tmp_path / "models" / ".litet" / "jobs.sqlite"), max_running=1, max_queued=9)
    request = known.get(template).requested
    store = JobStore(tmp_path / "jobs.sqlite", max_running=2, max_queued=9)
    store.prepare()

    def order(model: str) -> Job:
        wanted = msgspec.structs.replace(request, order=msgspec.structs.replace(request.order, model=model))
        return store.create(wanted, None, lambda _job: None, queue=True)[0]

    first, second, other, third = order("iris"), order("iris"), order("wine"), order("flowers")
    assert not store.start(second, 0)
    assert store.start(first, 7)
    assert not store.start(first, 7)
    assert not store.start(second, 7)
    assert store.start(other, 0)
    assert not store.start(third, 0)
    assert store.get(first.id).newest_version == 7
    assert store.finish(store.get(first.id), "failed", error="no luck")
    assert not store.finish(first, "cancelled")
    assert store.start(second, 7)
    assert not store.start(third, 0)
