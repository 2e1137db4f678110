"""The registry knows who answers, loads versions once, and keeps only so many."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from contract.errors import CorruptArtifact, NotFound
from service.errors import NotReady
from service.predictor import Predictor
from service.registry import Registry


def make_predictor(name: str, version: int) -> Predictor:
    return cast("Predictor", SimpleNamespace(name=name, version=version))


def make_registry(load: Any = make_predictor, **options: Any) -> Registry:
    return Registry(load, **{"default_model": None, "max_loaded_versions": 2, **options})


def test_a_model_that_is_put_is_found_until_it_is_removed() -> None:
    registry = make_registry()
    first, second = make_predictor("iris", 1), make_predictor("iris", 2)
    assert registry.put(first) is None
    assert registry.get("iris") is first
    assert registry.put(second) is first
    assert registry.get("iris") is second
    assert registry.remove("iris") is second
    with pytest.raises(NotFound):
        registry.get("iris")


def test_a_snapshot_of_the_models_never_changes() -> None:
    registry = make_registry()
    registry.put(make_predictor("iris", 1))
    snapshot = registry.current()
    registry.put(make_predictor("iris", 2))
    registry.put(make_predictor("penguins", 1))
    assert {name: predictor.version for name, predictor in snapshot.items()} == {"iris": 1}


def test_the_only_model_is_the_default() -> None:
    registry = make_registry()
    with pytest.raises(NotReady, match="no model"):
        registry.get_default()
    registry.put(make_predictor("iris", 1))
    assert registry.get_default().name == "iris"


def test_several_models_need_one_to_be_set_as_default() -> None:
    registry = make_registry()
    registry.put(make_predictor("iris", 1))
    registry.put(make_predictor("penguins", 1))
    with pytest.raises(NotFound, match=r"set LITET_DEFAULT_MODEL, or use POST /models/\{name\}/predict"):
        registry.get_default()


def test_a_default_that_is_set_is_never_another_model() -> None:
    registry = make_registry(default_model="iris")
    registry.put(make_predictor("penguins", 1))
    with pytest.raises(NotReady, match="'iris' is not loaded"):
        registry.get_default()
    registry.put(make_predictor("iris", 1))
    assert registry.get_default().name == "iris"


def test_a_version_that_serves_is_not_loaded_again() -> None:
    def refuse(name: str, version: int) -> Predictor:
        raise AssertionError(name, version)

    registry = make_registry(refuse)
    current = make_predictor("iris", 3)
    registry.put(current)
    assert asyncio.run(registry.get_version("iris", 3)) is current


def test_callers_at_once_share_one_load_off_the_event_loop() -> None:
    threads = []
    release = threading.Event()

    def load(name: str, version: int) -> Predictor:
        threads.append(threading.current_thread())
        release.wait(10)
        return make_predictor(name, version)

    async def ask() -> list[Predictor]:
        registry = make_registry(load)
        registry.put(make_predictor("iris", 3))
        asked = [asyncio.create_task(registry.get_version("iris", 1)) for _ in range(5)]
        await asyncio.sleep(0)
        release.set()
        return await asyncio.gather(*asked)

    predictors = asyncio.run(ask())
    assert all(predictor is predictors[0] for predictor in predictors)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_a_caller_that_gives_up_leaves_the_load_to_the_others() -> None:
    release = threading.Event()

    def load(name: str, version: int) -> Predictor:
        release.wait(10)
        return make_predictor(name, version)

    async def ask() -> Predictor:
        registry = make_registry(load)
        registry.put(make_predictor("iris", 3))
        first, second = (asyncio.create_task(registry.get_version("iris", 1)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(ask()).version == 1


def test_the_version_not_used_for_longest_makes_room() -> None:
    loads: list[int] = []

    def load(name: str, version: int) -> Predictor:
        loads.append(version)
        return make_predictor(name, version)

    async def ask() -> None:
        registry = make_registry(load)
        registry.put(make_predictor("iris", 9))
        for version in (1, 2, 1, 3, 1, 2):
            await registry.get_version("iris", version)

    asyncio.run(ask())
    assert loads == [1, 2, 3, 2]


def test_a_load_that_failed_is_tried_again() -> None:
    outcomes: list[Any] = [CorruptArtifact("torn"), make_predictor("iris", 1)]

    def load(_name: str, _version: int) -> Predictor:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return cast("Predictor", outcome)

    async def ask() -> Predictor:
        registry = make_registry(load)
        registry.put(make_predictor("iris", 9))
        with pytest.raises(CorruptArtifact):
            await registry.get_version("iris", 1)
        return await registry.get_version("iris", 1)

    assert asyncio.run(ask()).version == 1


def test_the_versions_of_a_removed_model_go_with_it() -> None:
    async def ask() -> None:
        registry = make_registry()
        registry.put(make_predictor("iris", 9))
        await registry.get_version("iris", 1)
        registry.remove("iris")
        with pytest.raises(NotFound):
            await registry.get_version("iris", 1)

    asyncio.run(ask())
