"""A job's events come in order, once each, to the last one, and whoever lost the connection goes on behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from contract.job import EVENTS_FILE, Failed, Staged, append_event
from service.admin import job_events
from service.admin.job_events import stream_events

STORY = "stage:reading finding stage:fitting epoch:1 epoch:2 gate stage:publishing publish succeed"
NAMES = ["stage", "finding", "stage", "epoch", "epoch", "gate", "stage", "succeeded"]


def never() -> bool:
    return False


def told(text: str) -> list[tuple[int, str]]:
    """Id and name of each event."""
    return [
        (int(number), name)
        for number, name in re.findall(r"^id: (\d+)\nevent: (\w+)\ndata: \{.+\}$", text, re.MULTILINE)
    ]


def stage(folder: Path, name: str) -> None:
    append_event(folder, Staged(time="2026-01-01T00:00:00+00:00", stage=name))


def end(folder: Path) -> None:
    append_event(folder, Failed(time="2026-01-01T00:00:00+00:00", error="no luck", ours=False))


def follow(folder: Path, plot: Callable[[AsyncIterator[bytes]], Any], **options: Any) -> Any:
    """What `plot` makes of a stream."""

    async def run() -> Any:
        wanted = {"last_id": 0, "is_over": never, "is_stopping": never, **options}
        return await plot(stream_events(folder, **wanted))

    return asyncio.run(run())


async def everything(stream: AsyncIterator[bytes]) -> str:
    return b"".join([piece async for piece in stream]).decode()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_events, "POLL_S", 0.001)


def test_events_come_in_order_with_their_numbers_to_the_last_one(admin: Any) -> None:
    answer = admin.get(f"/jobs/{admin.order(STORY)}/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith("retry: 1000\n\n")
    assert told(answer.text) == list(enumerate(NAMES, start=1))
    assert '"outcome":"promoted"' in answer.text.rstrip().rpartition("\n")[2]


def test_whoever_lost_the_connection_goes_on_behind_the_last_event(open_admin: Any) -> None:
    one, other = open_admin(), open_admin()
    job_id = one.order(STORY)
    one.wait(job_id)
    for last_id in (0, 1, 5, 8, 9):
        answer = other.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": str(last_id)})
        assert told(answer.text) == list(enumerate(NAMES, start=1))[last_id:]


@pytest.mark.parametrize("last_id", ["", "-1", "x", "1.5", "9" * 5000])
def test_a_last_id_that_is_none_counts_as_none(admin: Any, last_id: str) -> None:
    answer = admin.get(f"/jobs/{admin.order('stage:reading fail')}/events", headers={"Last-Event-ID": last_id})
    assert told(answer.text) == [(1, "stage"), (2, "failed")]


def test_a_queued_job_is_waited_for(admin: Any, theatre: Any) -> None:
    theatre.place("here")
    admin.order("hold:here fail")
    queued = admin.order("stage:reading fail", queue=True)
    theatre.reached("here")
    theatre.go("here")
    assert told(admin.get(f"/jobs/{queued}/events").text) == [(1, "stage"), (2, "failed")]


def test_the_end_of_a_killed_trainer_is_told_as_well(admin: Any) -> None:
    text = admin.get(f"/jobs/{admin.order('stage:reading torn die')}/events").text
    assert told(text) == [(1, "stage"), (2, "failed")]


def test_a_stream_without_a_last_event_ends_with_its_job(admin: Any, theatre: Any) -> None:
    theatre.place("here")
    admin.order("hold:here fail")
    queued = admin.order(queue=True)
    admin.post(f"/jobs/{queued}/cancel")
    assert told(admin.get(f"/jobs/{queued}/events").text) in ([], [(1, "cancelled")])


def test_half_a_line_is_never_sent(tmp_path: Path) -> None:
    async def plot(stream: AsyncIterator[bytes]) -> str:
        await anext(stream)
        stage(tmp_path, "reading")
        with (tmp_path / EVENTS_FILE).open("ab") as file:
            file.write(b'{"event":"stage",')
        first = await anext(stream)
        stage(tmp_path, "fitting")
        end(tmp_path)
        return first.decode() + await everything(stream)

    text = follow(tmp_path, plot)
    assert told(text) == [(1, "stage"), (2, "stage"), (3, "failed")]
    assert "fitting" in text


def test_where_nothing_happens_a_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_events, "HEARTBEAT_S", 0.002)

    async def plot(stream: AsyncIterator[bytes]) -> list[bytes]:
        beats = [await anext(stream) for _ in range(3)][1:]
        end(tmp_path)
        rest = await everything(stream)
        assert told(rest) == [(1, "failed")]
        return beats

    assert follow(tmp_path, plot) == [b"event: heartbeat\ndata: {}\n\n"] * 2


def test_a_stream_ends_when_the_service_stops(tmp_path: Path) -> None:
    stage(tmp_path, "reading")
    assert told(follow(tmp_path, everything, is_stopping=lambda: True)) == [(1, "stage")]


def test_a_draining_worker_sends_its_followers_away(admin: Any, theatre: Any) -> None:
    theatre.place("here")
    job_id = admin.order("stage:reading hold:here fail")
    theatre.reached("here")
    admin.client.app.state.draining.started = True
    assert told(admin.get(f"/jobs/{job_id}/events").text) == [(1, "stage")]


def test_a_job_that_is_over_has_all_of_its_events_read_before_the_end(tmp_path: Path) -> None:
    def is_over() -> bool:
        """The last event is written just before the state."""
        end(tmp_path)
        return True

    assert told(follow(tmp_path, everything, is_over=is_over)) == [(1, "failed")]


def test_what_nobody_understands_ends_the_stream(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage(tmp_path, "reading")
    with (tmp_path / EVENTS_FILE).open("ab") as file:
        file.write(b'{"event":"dance"}\n')
    assert told(follow(tmp_path, everything)) == []
    assert "the events of a job cannot be read" in caplog.text
