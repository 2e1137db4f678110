"""Every request is counted once, by whichever worker it was answered, and no sum ever shrinks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from contract.publishing import Publisher
from service import statistics as module
from service.app import create_app
from service.settings import Settings
from service.statistics import Counts, Statistics, Timings

ROWS = {"instances": [[5.1, 3.5, 1.4, 0.2]] * 3}
TENSOR = {"inputs": [{"name": "x_num", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}]}
PARTS = ("queue", "compute_input", "compute_infer", "compute_output")
NEVER = {"count": 0, "ns": 0}

Start = Callable[..., TestClient[Litestar]]


class Version(NamedTuple):
    """As much of a predictor as is counted by."""

    name: str = "iris"
    version: int = 1


IRIS: Any = Version()
KEY = ("iris", 1)


def stats_of(client: TestClient[Litestar], path: str = "/iris") -> list[dict[str, Any]]:
    answer = client.get(f"/v2/models{path}/stats")
    assert answer.status_code == 200, answer.text
    stats: list[dict[str, Any]] = answer.json()["model_stats"]
    return stats


def test_a_version_that_was_never_asked_has_zeros(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, "other")
    client = start()
    (iris,) = stats_of(client)
    assert iris == {
        "name": "iris",
        "version": "1",
        "last_inference": 0,
        "inference_count": 0,
        "execution_count": 0,
        "inference_stats": dict.fromkeys(("success", "fail", *PARTS, "cache_hit", "cache_miss"), NEVER),
        "batch_stats": [],
        "memory_usage": [],
    }
    assert [stats["name"] for stats in stats_of(client, "")] == ["iris", "other"]


def test_every_answer_is_counted_whatever_protocol_it_was_asked_in(
    publisher: Publisher, foundry: Any, start: Start
) -> None:
    foundry.publish(publisher)
    client = start()
    for path, body in (
        ("/predict", ROWS),
        ("/models/iris/versions/1/predict", ROWS),
        ("/v1/models/iris:predict", ROWS),
        ("/v2/models/iris/infer", TENSOR),
    ):
        assert client.post(path, json=body).status_code == 200
    (iris,) = stats_of(client)
    parts = iris["inference_stats"]
    assert (iris["inference_count"], iris["execution_count"]) == (10, 4)
    assert {parts[name]["count"] for name in ("success", *PARTS)} == {4}
    assert parts["success"]["ns"] == sum(parts[name]["ns"] for name in PARTS)
    assert parts["compute_infer"]["ns"] > 0
    assert parts["fail"] == NEVER
    assert iris["last_inference"] > 0


def test_a_request_that_fails_is_counted_as_failed(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    client = start()
    assert client.post("/predict", json={"instances": [[1, 2, 3, "x"]]}).status_code == 422
    assert client.post("/v2/models/iris/infer", json={"inputs": []}).status_code == 400
    assert client.post("/v2/models/iris/versions/1/infer", json={"inputs": []}).status_code == 400
    (iris,) = stats_of(client)
    assert (iris["inference_count"], iris["execution_count"]) == (0, 0)
    assert iris["inference_stats"]["fail"]["count"] == 3
    assert iris["inference_stats"]["fail"]["ns"] > 0
    assert iris["inference_stats"]["success"] == NEVER


def test_versions_are_counted_apart(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, seed=1, promote=False)
    foundry.publish(publisher, seed=2, promote=False)
    client = start()
    client.post("/predict", json=ROWS)
    client.post("/models/iris/versions/2/predict", json={"instances": [[1, 2, 3, 4]]})
    counted = [(stats["version"], stats["inference_count"]) for stats in stats_of(client)]
    assert counted == [("1", 3), ("2", 1)]
    (second,) = stats_of(client, "/iris/versions/2")
    assert second["inference_count"] == 1
    (third,) = stats_of(client, "/iris/versions/3")
    assert third["inference_count"] == 0


@pytest.fixture
def workers(publisher: Publisher, foundry: Any, tmp_path: Path) -> Iterator[list[TestClient[Litestar]]]:
    """Two on one folder."""
    foundry.publish(publisher)
    folder = tmp_path / "metrics"
    folder.mkdir()
    settings = Settings.from_env({}, models=publisher.root, workers=2)
    with ExitStack() as stack:
        yield [stack.enter_context(TestClient(create_app(settings, folder))) for _ in range(2)]


def test_all_workers_requests_are_summed(workers: list[TestClient[Litestar]], tmp_path: Path) -> None:
    first, second = workers
    first.post("/predict", json=ROWS)
    assert stats_of(first)[0]["inference_count"] == 3
    assert stats_of(second)[0]["inference_count"] == 3
    second.post("/predict", json=ROWS)
    assert stats_of(second)[0]["inference_count"] == 6
    assert stats_of(first)[0]["inference_count"] == 6
    assert not list((tmp_path / "metrics").glob("*.db"))  # which prometheus_client would read


def test_a_workers_numbers_are_there_after_its_end(workers: list[TestClient[Litestar]]) -> None:
    first, second = workers
    first.post("/predict", json=ROWS)
    first.__exit__(None, None, None)
    try:
        assert stats_of(second)[0]["inference_count"] == 3
    finally:
        first.__enter__()


def test_a_worker_writes_its_numbers_without_being_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARE_S", 0.001)
    one, other = Statistics(tmp_path), Statistics(tmp_path)

    async def wait() -> None:
        async with one.lifespan(None), asyncio.timeout(30):
            one.count(IRIS, 1, 7, Timings(1, 2, 3, 4), 1)
            while KEY not in await asyncio.to_thread(other.totals):
                pass

    asyncio.run(wait())
    assert other.totals()[KEY].n_rows == 7


def test_counts_add_up_field_by_field(tmp_path: Path) -> None:
    now = [100]
    one, other = (Statistics(tmp_path, lambda: now[0]) for _ in range(2))
    one.count(IRIS, 1, 5, Timings(0, 15, 300, 3000), 1)
    one.count(IRIS, 3, 6, Timings(2, 25, 300, 5000), 1)
    now[0] = 90
    other.count_failure(IRIS, 50_000)
    one.share()
    expected = Counts(
        n_answered=4,
        n_rows=11,
        n_runs=2,
        input_ns=2,
        queue_ns=40,
        infer_ns=600,
        output_ns=8000,
        n_failed=1,
        failed_ns=50_000,
        last_ns=100,
    )
    assert other.totals() == one.totals() == {KEY: expected}


def test_nobody_sees_a_smaller_sum_than_another_has_seen(tmp_path: Path) -> None:
    one, other = Statistics(tmp_path), Statistics(tmp_path)
    for n in range(1, 5):
        one.count(IRIS, 1, 1, Timings(0, 0, 0, 0), 1)
        assert one.totals()[KEY].n_rows == n
        assert other.totals()[KEY].n_rows == n


def test_totals_are_not_counted_any_further() -> None:
    alone = Statistics(None)
    alone.count(IRIS, 1, 1, Timings(0, 0, 0, 0), 1)
    totals = alone.totals()
    alone.count(IRIS, 1, 1, Timings(0, 0, 0, 0), 1)
    assert totals[KEY].n_rows == 1


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    one = Statistics(tmp_path)
    one.share()
    assert not list(tmp_path.iterdir())
    one.count(IRIS, 1, 1, Timings(0, 0, 0, 0), 1)
    one.share()
    (file,) = tmp_path.iterdir()
    before = file.stat().st_ino
    one.share()
    assert file.stat().st_ino == before


@pytest.mark.parametrize("content", [b"", b"[[", b'[["iris",1,{"n_rows":"x"}]]', b"\xff"])
def test_a_damaged_file_is_left_out_and_logged(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    one = Statistics(tmp_path)
    one.count(IRIS, 1, 1, Timings(0, 0, 0, 0), 1)
    (tmp_path / "statistics-1-x.json").write_bytes(content)
    assert one.totals()[KEY].n_rows == 1
    (record,) = caplog.records
    assert vars(record)["file"] == "statistics-1-x.json"


def test_nobody_is_told_what_the_others_cannot_know_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Statistics(tmp_path), Statistics(tmp_path)
    one.count(IRIS, 1, 1, Timings(0, 0, 0, 0), 1)
    share = one.share

    def share_then_count() -> None:  # as the event loop does while a thread adds up
        share()
        one.count(IRIS, 1, 1, Timings(0, 0, 0, 0), 1)

    monkeypatch.setattr(one, "share", share_then_count)
    assert one.totals()[KEY].n_rows == 1 == other.totals()[KEY].n_rows


def test_a_worker_that_cannot_write_still_knows_its_own_numbers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gone"
    one = Statistics(folder)
    one.count(IRIS, 1, 1, Timings(0, 0, 0, 0), 1)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert one.totals()[KEY].n_rows == 1
    assert len(caplog.records) == 1
    folder.mkdir()
    one.share()
    assert Statistics(folder).totals()[KEY].n_rows == 1
