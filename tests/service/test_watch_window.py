"""A version that does clearly worse than the one before is rolled back, once, within its window, and no other is."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from contract.errors import Superseded
from service.watch_window import Counts, Kind, WatchWindow, worse

WINDOW_S = 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """A window over iris/2, promoted over iris/1, and what it rolled back."""

    def __init__(self, n_before: int = 100, error: Exception | None = None, *, takes_same_rows: bool = False) -> None:
        self.clock = Clock()
        self.error = error
        self.acted = threading.Event()
        self.undone: list[tuple[str, int, str]] = []
        self.window = WatchWindow(self.roll_back, window_s=WINDOW_S, clock=self.clock)
        self.count(1, answered=n_before)
        self.window.begin("iris", 2, 1, takes_same_rows=takes_same_rows)

    def roll_back(self, model: str, version: int, reason: str) -> None:
        self.undone.append((model, version, reason))
        self.acted.set()
        if self.error:
            raise self.error

    def count(self, version: int, **numbers: int) -> None:
        kinds: dict[Kind, int] = numbers  # type: ignore[assignment] # their names are kinds
        for kind, number in kinds.items():
            for _ in range(number):
                self.window.count("iris", version, kind)

    def look(self) -> int:
        """How many were rolled back so far."""
        asyncio.run(self.window.look())
        return len(self.undone)


@pytest.mark.parametrize("kind", ["refused", "invalid", "failed"])
def test_a_version_with_more_errors_is_rolled_back_once(kind: str) -> None:
    stage = Stage()
    stage.count(2, answered=40, **{kind: 20})
    assert stage.look() == 1
    model, version, reason = stage.undone[0]
    assert (model, version) == ("iris", 2)
    assert reason == f"{kind} requests rose from 0.0% to 33.3% of 60"
    stage.count(2, **{kind: 20})
    assert stage.look() == 1


def test_a_version_that_does_as_well_stays() -> None:
    stage = Stage(n_before=0)
    stage.count(1, answered=90, refused=10)
    stage.count(2, answered=90, refused=11)
    assert stage.look() == 0


def test_few_requests_say_nothing() -> None:
    stage = Stage()
    stage.count(2, failed=49)
    assert stage.look() == 0
    stage.count(2, failed=1)
    assert stage.look() == 1


def test_after_the_window_nothing_is_rolled_back() -> None:
    stage = Stage()
    stage.clock.now = WINDOW_S
    assert stage.look() == 0
    stage.count(2, failed=100)
    assert stage.look() == 0


def test_a_window_that_was_ended_rolls_nothing_back() -> None:
    stage = Stage()
    stage.count(2, failed=100)
    stage.window.end("iris")
    assert stage.look() == 0


def test_a_rollback_that_somebody_else_made_is_none_to_worry_about(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(error=Superseded("somebody was faster"))
    stage.count(2, failed=100)
    assert stage.look() == 1
    assert not caplog.text
    assert stage.look() == 1


def test_a_rollback_that_the_disk_refused_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(error=OSError("no space"))
    stage.count(2, failed=100)
    assert stage.look() == 1
    assert "not rolled back" in caplog.text
    stage.error = None
    assert stage.look() == 2
    assert stage.look() == 2


def test_callers_cannot_undo_a_promotion_by_rows_that_no_version_takes() -> None:
    stage = Stage(takes_same_rows=True)
    stage.count(2, refused=100)
    assert stage.look() == 0
    stage.count(2, invalid=100)
    assert stage.look() == 1


def test_what_came_before_the_window_does_not_count() -> None:
    stage = Stage()
    stage.count(2, failed=100)
    stage.window.begin("iris", 2, 1, takes_same_rows=False)
    stage.count(2, answered=50)
    assert stage.look() == 0


def test_each_model_has_a_window_of_its_own() -> None:
    stage = Stage()
    for _ in range(100):
        stage.window.count("wine", 2, "failed")
    stage.count(2, answered=100)
    assert stage.look() == 0


@pytest.mark.parametrize(
    ("before", "after", "is_worse"),
    [
        (Counts(answered=100), Counts(answered=96, failed=4), False),  # a rise of less than 5 points
        (Counts(answered=10_000), Counts(answered=9_400, failed=600), True),
        (Counts(answered=60), Counts(answered=45, failed=5), False),  # perhaps by chance
        (Counts(failed=100), Counts(failed=100), False),  # as bad as before
        (Counts(answered=50, failed=50), Counts(answered=100), False),  # better
        (Counts(), Counts(answered=100, refused=100), False),  # nobody knows how many were refused before
        (Counts(), Counts(answered=80, invalid=20), True),
        (Counts(answered=49), Counts(answered=40, refused=20), False),
        (Counts(), Counts(), False),
    ],
)
def test_only_a_rise_that_is_clear_is_worse(before: Counts, after: Counts, is_worse: bool) -> None:
    assert (worse(before, after, ignore_refused=False) is not None) is is_worse


def test_the_window_is_looked_at_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.watch_window.TICK_S", 0.001)

    async def run() -> Any:
        stage = Stage()
        stage.count(2, failed=100)
        async with stage.window.lifespan(None):
            await asyncio.to_thread(stage.acted.wait)
        return stage.undone

    assert len(asyncio.run(run())) == 1
