"""What is promoted is served; what is broken is refused and what served before goes on."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from contract.errors import ArtifactError, NotFound
from contract.model_file import MODEL_FILE
from contract.publishing import Publisher
from service.loading import load_version
from service.metrics import Metrics
from service.registry import Registry
from service.unloaded import Unloaded
from service.watcher import RETRY_S, Swap, Watcher

ROWS = {"instances": [[5.1, 3.5, 1.4, 0.2]]}

Start = Callable[..., TestClient[Litestar]]
Poll = Callable[[TestClient[Litestar]], None]


def version_of(client: TestClient[Litestar], name: str = "iris") -> int:
    answer = client.post(f"/models/{name}/predict", json=ROWS)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["version"])


def metric(client: TestClient[Litestar], line: str) -> float:
    found = [text for text in client.get("/metrics").text.splitlines() if text.startswith(line)]
    return float(found[0].split()[-1]) if found else 0.0


def test_a_promoted_version_serves_after_the_next_look(
    publisher: Publisher, foundry: Any, start: Start, poll: Poll
) -> None:
    foundry.publish(publisher)
    client = start()
    before = client.post("/predict", json=ROWS).json()
    card = foundry.publish(publisher, seed=1, promote=False)
    poll(client)
    assert version_of(client) == 1
    publisher.promote("iris", card.version)
    poll(client)
    after = client.post("/predict", json=ROWS).json()
    assert (before["version"], after["version"]) == (1, 2)
    assert before["predictions"] != after["predictions"]
    assert metric(client, 'litet_swaps_total{model="iris",outcome="loaded"}') == 2
    assert metric(client, 'litet_model_version{model="iris"}') == 2


def test_a_roll_back_serves_the_version_before(publisher: Publisher, foundry: Any, start: Start, poll: Poll) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, seed=1)
    client = start()
    assert version_of(client) == 2
    publisher.roll_back("iris")
    poll(client)
    assert version_of(client) == 1


def test_a_new_model_is_served_and_a_vanished_one_is_not(
    publisher: Publisher, foundry: Any, start: Start, poll: Poll
) -> None:
    foundry.publish(publisher)
    client = start()
    foundry.publish(publisher, "other")
    poll(client)
    assert version_of(client, "other") == 1
    shutil.rmtree(publisher.root / "iris")
    poll(client)
    assert client.post("/models/iris/predict", json=ROWS).status_code == 404
    assert metric(client, 'litet_model_version{model="iris"}') == 0
    assert client.get("/health/ready").json()["models"] == {"other": 1}


def flip_a_bit(publisher: Publisher, version: int) -> None:
    path = publisher.root / "iris" / str(version) / MODEL_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_off(publisher: Publisher, version: int) -> None:
    path = publisher.root / "iris" / str(version) / MODEL_FILE
    path.write_bytes(path.read_bytes()[:-10])


def lose_the_card(publisher: Publisher, version: int) -> None:
    (publisher.root / "iris" / str(version) / "card.json").unlink()


def lose_the_version(publisher: Publisher, version: int) -> None:
    shutil.rmtree(publisher.root / "iris" / str(version))


def break_the_pointer(publisher: Publisher, _version: int) -> None:
    (publisher.root / "iris" / "current").write_text("{")


@pytest.mark.parametrize("damage", [flip_a_bit, cut_off, lose_the_card, lose_the_version, break_the_pointer])
def test_a_damaged_version_is_refused(
    publisher: Publisher,
    foundry: Any,
    start: Start,
    poll: Poll,
    damage: Callable[[Publisher, int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    foundry.publish(publisher)
    client = start()
    card = foundry.publish(publisher, seed=1)
    damage(publisher, card.version)
    with caplog.at_level(logging.ERROR):
        poll(client)
    assert version_of(client) == 1
    assert metric(client, 'litet_swaps_total{model="iris",outcome="refused"}') == 1
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert vars(record)["model"] == "iris"
    assert vars(record)["serving"] == 1
    assert vars(record)["error"]


def test_a_version_of_the_wrong_graph_is_refused(publisher: Publisher, foundry: Any, start: Start, poll: Poll) -> None:
    foundry.publish(publisher)
    client = start()
    # Whole, with the right hash: but other weights than the card's probe was made with, and then no model at all.
    for content in (foundry.model(foundry.numeric(), seed=5), b"no model"):
        foundry.publish(publisher, seed=1, model=content)
        poll(client)
        assert version_of(client) == 1
    assert metric(client, 'litet_swaps_total{model="iris",outcome="refused"}') == 2


def test_a_good_version_serves_after_a_refused_one(
    publisher: Publisher, foundry: Any, start: Start, poll: Poll
) -> None:
    foundry.publish(publisher)
    client = start()
    foundry.publish(publisher, model=b"no model")
    poll(client)
    foundry.publish(publisher, seed=1)
    poll(client)
    assert version_of(client) == 3


def test_a_start_falls_back_to_the_latest_version_that_loads(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, seed=1)
    for _ in range(2):
        foundry.publish(publisher, model=b"no model")
    client = start()
    assert version_of(client) == 2
    assert metric(client, 'litet_swaps_total{model="iris",outcome="refused"}') == 1


def test_a_model_that_cannot_be_loaded_does_not_stop_the_others(
    publisher: Publisher, foundry: Any, start: Start
) -> None:
    foundry.publish(publisher, "broken", model=b"no model")
    foundry.publish(publisher)
    client = start()
    assert client.get("/health/ready").json()["models"] == {"iris": 1}
    assert client.post("/models/broken/predict", json=ROWS).status_code == 503


def test_a_model_that_cannot_be_looked_into_does_not_stop_the_others(
    publisher: Publisher, foundry: Any, start: Start, poll: Poll, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(operation: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(path: Path, *arguments: Any, **options: Any) -> Any:
            if path.parent.name == "locked":
                raise PermissionError(13, "Permission denied", str(path))
            return operation(path, *arguments, **options)

        return guarded

    foundry.publish(publisher, "locked")
    foundry.publish(publisher)
    for name in ("stat", "read_bytes"):  # root, as which tests often run, may read everything
        monkeypatch.setattr(Path, name, locked(getattr(Path, name)))
    client = start()
    assert metric(client, 'litet_swaps_total{model="locked",outcome="refused"}') == 1
    foundry.publish(publisher, seed=1)
    poll(client)
    assert version_of(client) == 2


def test_a_refused_version_asked_for_by_number_is_a_problem_of_ours(
    publisher: Publisher, foundry: Any, start: Start
) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, model=b"no model", promote=False)
    client = start()
    answer = client.post("/models/iris/versions/2/predict", json=ROWS)
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:litet:problem:refused-version"
    assert "onnxruntime" not in answer.text
    assert version_of(client) == 1


@pytest.mark.parametrize("instead", [None, "a file"])
def test_a_repository_that_cannot_be_read_keeps_what_is_loaded(
    publisher: Publisher,
    foundry: Any,
    start: Start,
    poll: Poll,
    caplog: pytest.LogCaptureFixture,
    instead: str | None,
) -> None:
    foundry.publish(publisher)
    client = start()
    aside = publisher.root.with_name("aside")
    publisher.root.rename(aside)
    if instead:
        publisher.root.write_text(instead)
    for _ in range(3):
        poll(client)
    assert version_of(client) == 1
    assert [record.getMessage() for record in caplog.records].count("the model repository cannot be read") == 1
    publisher.root.unlink(missing_ok=True)
    aside.rename(publisher.root)
    foundry.publish(publisher, seed=1)
    poll(client)
    assert version_of(client) == 2


def test_a_start_without_a_repository_waits_for_one(
    publisher: Publisher, foundry: Any, start: Start, poll: Poll
) -> None:
    client = start()
    assert client.get("/health/ready").status_code == 503
    foundry.publish(publisher)
    poll(client)
    assert client.get("/health/ready").status_code == 200


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make_watcher(publisher: Publisher, clock: Clock) -> tuple[Watcher, Registry, Metrics]:
    metrics = Metrics(None)
    registry = Registry(partial(load_version, publisher), default_model=None, max_loaded_versions=2)
    watcher = Watcher(publisher, Unloaded(publisher.root / ".litet"), registry, metrics, interval_s=1, clock=clock)
    return watcher, registry, metrics


def refusals(metrics: Metrics) -> int:
    lines = [line for line in metrics.render().decode().splitlines() if 'outcome="refused"' in line]
    return int(float(lines[0].split()[-1])) if lines else 0


def test_a_refused_version_is_tried_again_only_after_a_while(publisher: Publisher, foundry: Any) -> None:
    clock = Clock()
    watcher, registry, metrics = make_watcher(publisher, clock)
    card = foundry.publish(publisher)
    path = publisher.root / "iris" / "1" / MODEL_FILE
    content = path.read_bytes()
    path.write_bytes(content[:100])  # still being copied, say

    async def look() -> None:
        for _ in range(3):
            await watcher.poll()
        assert refusals(metrics) == 1
        path.write_bytes(content)
        clock.now = RETRY_S - 1
        await watcher.poll()
        assert not registry.current()
        clock.now = RETRY_S
        await watcher.poll()

    asyncio.run(look())
    assert registry.get("iris").version == card.version


def test_a_pointer_that_says_the_same_again_loads_nothing(publisher: Publisher, foundry: Any) -> None:
    watcher, registry, _metrics = make_watcher(publisher, Clock())
    foundry.publish(publisher)

    async def look() -> None:
        await watcher.poll()
        before = registry.get("iris")
        pointer = publisher.root / "iris" / "current"
        pointer.with_name("again").write_bytes(pointer.read_bytes())
        pointer.with_name("again").replace(pointer)
        await watcher.poll()
        assert registry.get("iris") is before

    asyncio.run(look())


def test_a_replaced_predictor_is_released_in_a_thread_once_no_request_uses_it(
    publisher: Publisher, foundry: Any
) -> None:
    watcher, registry, _metrics = make_watcher(publisher, Clock())
    foundry.publish(publisher)
    threads: list[threading.Thread] = []

    async def look() -> None:
        await watcher.poll()
        weakref.finalize(registry.get("iris"), lambda: threads.append(threading.current_thread()))
        foundry.publish(publisher, seed=1)
        await watcher.poll()

    asyncio.run(look())
    (thread,) = threads
    assert thread is not threading.main_thread()


def test_a_request_under_way_keeps_its_predictor_through_a_swap(publisher: Publisher, foundry: Any) -> None:
    watcher, registry, _metrics = make_watcher(publisher, Clock())
    foundry.publish(publisher)

    async def look() -> None:
        await watcher.poll()
        taken = registry.get("iris")
        foundry.publish(publisher, seed=1)
        await watcher.poll()
        assert registry.get("iris").version == 2
        assert taken.predict(taken.reader.read([[1.0, 2.0, 3.0, 4.0]])).class_index.shape == (1,)

    asyncio.run(look())


def test_a_repository_that_is_empty_of_a_sudden_keeps_what_is_loaded(
    publisher: Publisher, foundry: Any, start: Start, poll: Poll
) -> None:
    foundry.publish(publisher)
    client = start()
    (publisher.root / "iris").rename(publisher.root.with_name("aside"))
    poll(client)
    assert version_of(client) == 1


@pytest.mark.parametrize("instead", ["nothing", "a folder", "a loop"])
def test_a_model_whose_pointer_is_no_file_any_more_goes_on_serving(
    publisher: Publisher, foundry: Any, start: Start, poll: Poll, instead: str
) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, "other")
    client = start()
    pointer = publisher.root / "iris" / "current"
    pointer.unlink()
    if instead == "a folder":
        pointer.mkdir()
    elif instead == "a loop":
        pointer.symlink_to(pointer)
    poll(client)
    assert version_of(client) == 1


def test_whoever_wants_to_is_told_of_every_swap_and_of_what_was_replaced(publisher: Publisher, foundry: Any) -> None:
    told: list[tuple[str, int, int | None]] = []

    async def on_swap(swap: Swap) -> None:
        told.append((swap.model, swap.version, swap.replaced))
        assert swap.takes_same_rows is (swap.replaced is not None)

    registry = Registry(partial(load_version, publisher), default_model=None, max_loaded_versions=1)
    unloaded = Unloaded(publisher.root / ".litet")
    watcher = Watcher(publisher, unloaded, registry, Metrics(None), interval_s=3600.0, on_swap=on_swap)

    async def run() -> None:
        foundry.publish(publisher)
        await watcher.poll()
        await watcher.poll()
        foundry.publish(publisher, seed=1)
        await watcher.poll()
        foundry.publish(publisher, seed=1, model=b"no model")
        await watcher.poll()
        publisher.roll_back("iris")
        publisher.roll_back("iris")
        await watcher.poll()

    asyncio.run(run())
    assert told == [("iris", 1, None), ("iris", 2, 1), ("iris", 1, 2)]


def test_an_unloaded_model_stays_out_of_every_worker_whatever_is_promoted(publisher: Publisher, foundry: Any) -> None:
    workers = [make_watcher(publisher, Clock()) for _ in range(2)]
    (one, first, metrics), (other, second, _metrics) = workers
    foundry.publish(publisher)
    foundry.publish(publisher, "other")

    async def look() -> None:
        await one.poll()
        await other.poll()
        await second.get_version("iris", 1)
        await one.unload("iris")
        assert list(first.current()) == ["other"]
        foundry.publish(publisher, seed=1)
        for watcher in (one, other):
            await watcher.poll()
            await watcher.poll()
        assert list(first.current()) == list(second.current()) == ["other"]
        with pytest.raises(NotFound):
            await second.get_version("iris", 2)
        late, third, _ = make_watcher(publisher, Clock())
        await late.poll()
        assert list(third.current()) == ["other"]

    asyncio.run(look())
    assert 'litet_model_version{model="iris"} 0.0' in metrics.render().decode()


def test_a_load_takes_an_unloaded_model_in_again_with_what_was_promoted_meanwhile(
    publisher: Publisher, foundry: Any
) -> None:
    (one, first, _), (other, second, _) = (make_watcher(publisher, Clock()) for _ in range(2))
    foundry.publish(publisher)

    async def look() -> None:
        await one.poll()
        await other.poll()
        await one.unload("iris")
        await other.poll()
        foundry.publish(publisher, seed=1)
        await other.load("iris")
        assert second.get("iris").version == 2
        assert not first.current()
        await one.poll()
        assert first.get("iris").version == 2

    asyncio.run(look())


def test_a_load_tries_a_refused_version_again_in_every_worker(publisher: Publisher, foundry: Any) -> None:
    clock = Clock()  # which stands still
    (one, first, _), (other, second, _) = (make_watcher(publisher, clock) for _ in range(2))
    foundry.publish(publisher)
    path = publisher.root / "iris" / "1" / MODEL_FILE
    content = path.read_bytes()
    path.write_bytes(content[:100])

    async def look() -> None:
        await one.poll()
        await other.poll()
        assert "bytes" in one.refusal("iris")
        with pytest.raises(ArtifactError, match="bytes"):
            await one.load("iris")
        path.write_bytes(content)
        await other.poll()
        assert not first.current()
        assert not second.current()
        await one.load("iris")
        await other.poll()

    asyncio.run(look())
    assert first.get("iris").version == second.get("iris").version == 1
    assert not one.refusal("iris")


def test_a_load_that_fails_changes_nothing(publisher: Publisher, foundry: Any) -> None:
    watcher, registry, _metrics = make_watcher(publisher, Clock())
    foundry.publish(publisher)
    foundry.publish(publisher, "other")

    async def look() -> None:
        await watcher.poll()
        await watcher.unload("other")
        for name in ("iris", "other"):
            foundry.publish(publisher, name, model=b"no model")
            with pytest.raises(ArtifactError):
                await watcher.load(name)
        await watcher.poll()
        assert {name: one.version for name, one in registry.current().items()} == {"iris": 1}

    asyncio.run(look())


def test_a_load_of_what_serves_already_loads_nothing(publisher: Publisher, foundry: Any) -> None:
    watcher, registry, _metrics = make_watcher(publisher, Clock())
    foundry.publish(publisher)

    async def look() -> None:
        await watcher.poll()
        before = registry.get("iris")
        await watcher.load("iris")
        await watcher.poll()
        assert registry.get("iris") is before

    asyncio.run(look())


def test_a_model_without_a_current_version_cannot_be_loaded(publisher: Publisher, foundry: Any) -> None:
    watcher, registry, _metrics = make_watcher(publisher, Clock())
    foundry.publish(publisher, promote=False)

    async def look() -> None:
        for name in ("iris", "none"):
            with pytest.raises(NotFound):
                await watcher.load(name)

    asyncio.run(look())
    assert not registry.current()


def test_an_unloading_is_heeded_though_the_repository_cannot_be_read(
    publisher: Publisher, foundry: Any, tmp_path: Path
) -> None:
    registry = Registry(partial(load_version, publisher), default_model=None, max_loaded_versions=1)
    unloaded = Unloaded(tmp_path / "state")
    watcher = Watcher(publisher, unloaded, registry, Metrics(None), interval_s=1)
    foundry.publish(publisher)

    async def look() -> None:
        await watcher.poll()
        publisher.root.rename(tmp_path / "aside")
        unloaded.add("iris")
        await watcher.poll()

    asyncio.run(look())
    assert not registry.current()


def test_marks_that_cannot_be_read_stay_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unloaded = Unloaded(tmp_path)
    unloaded.add("iris")
    before = unloaded.read()
    assert before.names == {"iris"}

    def fail(_path: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", fail)
        assert unloaded.read() == unloaded.read() == before
    assert [record.getMessage() for record in caplog.records] == ["which models were unloaded cannot be read"]
    unloaded.remove("iris")
    unloaded.remove("iris")
    after = unloaded.read()
    assert not after.names
    assert after.stamp != before.stamp
