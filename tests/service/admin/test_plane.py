"""The admin plane is there only where it was asked for, and says in a line what it lacks."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contract.errors import InvalidSettings
from contract.publishing import Publisher
from service.admin.keys import make_key
from service.admin.plane import AdminPlane
from service.draining import Draining
from service.loading import load_version
from service.metrics import Metrics
from service.recent import RecentRequests
from service.registry import Registry
from service.settings import Settings
from service.watcher import Swap

ROWS = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
KEY, LINE = make_key("ops")
PATHS = ("/admin", "/admin/jobs", "/admin/audit", "/admin/datasets", "/admin/models/iris/versions")


def plane_of(publisher: Publisher, state: Path | None = None, **overrides: Any) -> AdminPlane:
    settings = Settings(models=publisher.root, admin_keys=LINE, state=state, **overrides)
    registry = Registry(partial(load_version, publisher), default_model=None, max_loaded_versions=1)
    return AdminPlane(settings, registry, Metrics(None), Draining(0), RecentRequests(0), None)


@pytest.mark.parametrize("overrides", [{}, {"admin": "off", "admin_keys": LINE}])
def test_without_keys_or_turned_off_there_is_nothing_below_admin(
    publisher: Publisher, foundry: Any, start: Any, overrides: dict[str, str]
) -> None:
    foundry.publish(publisher)
    before = sorted(publisher.root.rglob("*"))
    client = start(**overrides)
    for path in PATHS:
        assert client.get(path, headers={"Authorization": f"Bearer {KEY}"}).status_code == 404
    assert client.post("/predict", json=ROWS).status_code == 200
    assert not [path for path in client.get("/schema/openapi.json").json()["paths"] if path.startswith("/admin")]
    assert sorted(publisher.root.rglob("*")) == before


@pytest.mark.parametrize("taken", ["", "jobs", "jobs.sqlite", "services"])
def test_a_state_folder_that_cannot_be_used_is_an_error_in_one_line(
    publisher: Publisher, foundry: Any, tmp_path: Path, taken: str
) -> None:
    foundry.publish(publisher)
    state = tmp_path / "state"
    if taken == "jobs.sqlite":
        (state / taken).mkdir(parents=True)
    else:
        state.parent.mkdir(exist_ok=True)
        if taken:
            state.mkdir()
        (state / taken).write_text("")

    async def run() -> None:
        async with plane_of(publisher, state).lifespan(None):
            pass

    with pytest.raises(
        InvalidSettings, match=r"^LITET_STATE must be a folder that can be written to, got .+state: .+$"
    ):
        asyncio.run(run())


def test_the_state_may_lie_elsewhere(publisher: Publisher, foundry: Any, start: Any, tmp_path: Path) -> None:
    foundry.publish(publisher)
    before = sorted(publisher.root.rglob("*"))
    start(admin_keys=LINE, state=tmp_path / "elsewhere" / "state")
    assert (tmp_path / "elsewhere" / "state" / "jobs.sqlite").exists()
    assert sorted(publisher.root.rglob("*")) == before


def test_a_look_at_the_jobs_that_fails_is_not_the_last_one(
    open_admin: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, state: Path
) -> None:
    monkeypatch.setattr("service.admin.plane.SETTLE_S", 0.01)
    admin = open_admin()
    aside = state.with_name("aside")
    with caplog.at_level(logging.ERROR):
        state.rename(aside)
        while "a look at the jobs failed" not in caplog.text:
            admin.client.get("/health/live")
        aside.rename(state)
    assert admin.wait(admin.order("publish succeed"))["state"] == "succeeded"


def test_what_the_disk_refuses_is_a_problem_without_a_path(admin: Any, state: Path) -> None:
    aside = state.with_name("aside")
    state.rename(aside)
    answer = admin.get("/jobs")
    assert answer.status_code == 507
    assert answer.json()["type"] == "urn:litet:problem:storage-failed"
    assert str(state) not in answer.text
    aside.rename(state)
    assert admin.get("/jobs").status_code == 200


def watched(plane: AdminPlane, version: int, replaced: int | None) -> bool:
    """Whether a version is watched once a worker has swapped it in."""
    swap = Swap(model="iris", version=version, replaced=replaced, takes_same_rows=True)
    asyncio.run(plane.on_swap(swap))
    return plane.watch._watched.get("iris") is not None


def test_what_was_promoted_over_another_version_is_watched(publisher: Publisher, foundry: Any) -> None:
    plane = plane_of(publisher)
    foundry.publish(publisher)
    assert not watched(plane, 1, None)
    foundry.publish(publisher, seed=1)
    assert watched(plane, 2, 1)
    publisher.promote("iris", 1)
    assert watched(plane, 1, 2)


def test_of_two_quick_promotions_the_second_is_watched(publisher: Publisher, foundry: Any) -> None:
    plane = plane_of(publisher)
    foundry.publish(publisher)
    watched(plane, 1, None)
    foundry.publish(publisher, seed=1)
    foundry.publish(publisher, seed=2)
    assert not watched(plane, 2, 1)  # the worker had read the pointer before the second
    assert watched(plane, 3, 2)


def test_what_a_person_rolled_back_to_is_not_watched(publisher: Publisher, foundry: Any) -> None:
    plane = plane_of(publisher)
    foundry.publish(publisher)
    watched(plane, 1, None)
    foundry.publish(publisher, seed=1)
    watched(plane, 2, 1)
    publisher.roll_back("iris")
    assert not watched(plane, 1, 2)


def test_after_going_to_and_fro_a_rollback_is_still_told_from_a_promotion(publisher: Publisher, foundry: Any) -> None:
    plane = plane_of(publisher)
    foundry.publish(publisher)
    watched(plane, 1, None)
    foundry.publish(publisher, seed=1)
    for version, replaced in ((2, 1), (1, 2), (2, 1)):
        publisher.promote("iris", version)
        assert watched(plane, version, replaced)
    publisher.roll_back("iris")  # to 1, and the version that served before it is 2 once more
    assert not watched(plane, 1, 2)


def test_a_pointer_that_cannot_be_read_is_not_watched(publisher: Publisher, foundry: Any) -> None:
    plane = plane_of(publisher)
    foundry.publish(publisher)
    (publisher.root / "iris" / "current").write_text("{")
    assert not watched(plane, 1, None)
    (publisher.root / "iris" / "current").unlink()
    assert not watched(plane, 1, None)
