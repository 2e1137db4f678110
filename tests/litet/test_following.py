"""A job is followed to its end over connections that break and services that restart."""

import pytest

from contract.job import Epoch, Found, Succeeded
from litet.admin_client import AdminClient, Refused, Unavailable, UnreadableAnswer
from litet.following import Follower
from tests.litet.fake_admin import HEARTBEAT, KEY, Break, Silence, job, run_of, running_admin, succeeded

JOB = job()["id"]
RUN = run_of("promoted")
DONE = succeeded("promoted")


class Watcher:
    """Follows the job of a fake service, and keeps what it was shown and told."""

    def __init__(self, admin):
        self.admin = admin
        self.events = []
        self.told = []
        admin.add(job())

    def follow(self, timeout_s=30.0):
        with AdminClient(self.admin.url, KEY) as client:
            return Follower(client, JOB, timeout_s=timeout_s, show=self.events.append, tell=self.told.append).follow()

    @property
    def last_ids(self):
        return [one.headers.get("last-event-id") for one in self.admin.asked_for("GET", f"/admin/jobs/{JOB}/events")]


@pytest.fixture
def watcher():
    with running_admin() as admin:
        yield Watcher(admin)


def test_each_event_is_shown_once_and_in_order(watcher):
    watcher.admin.play(RUN, shown=[DONE])
    assert watcher.follow().outcome == "promoted"
    assert [type(event).__name__ for event in watcher.events] == [
        "Staged", "Found", "Staged", "Epoch", "Decided", "Succeeded",
    ]  # fmt: skip
    assert watcher.told == []


def test_events_may_come_in_any_pieces(watcher):
    stream = [b"".join(RUN)[start : start + 7] for start in range(0, len(b"".join(RUN)), 7)]
    watcher.admin.play([b": pieces\n", *stream], shown=[DONE])
    watcher.follow()
    assert len(watcher.events) == len(RUN)


@pytest.mark.parametrize("cut", [[RUN[0], RUN[1], Break()], [RUN[0], RUN[1], RUN[2][:30], Break()], RUN[:2]])
def test_a_broken_stream_goes_on_behind_the_last_whole_event(watcher, cut):
    watcher.admin.play(cut, RUN, shown=[DONE])
    watcher.follow()
    assert len(watcher.events) == len(RUN)
    assert watcher.last_ids == [None, "2"]
    assert len(watcher.told) == 1


def test_a_restarting_service_is_waited_for_and_that_is_said(watcher):
    watcher.admin.play([RUN[0], Break()], 503, 500, RUN, shown=[DONE])
    assert watcher.follow().is_over
    assert watcher.last_ids == [None, "1", "1", "1"]
    assert [("restarting" in text) for text in watcher.told] == [False, True, True]


def test_pauses_begin_as_the_service_asks_and_double(watcher):
    watcher.admin.play([RUN[0], Break()], 503, 503, RUN, shown=[DONE])
    watcher.follow()
    assert [text.rpartition("; ")[2] for text in watcher.told] == [
        "again in 0.01 s",
        "again in 0.02 s",
        "again in 0.04 s",
    ]


def test_heartbeats_and_events_of_a_later_version_are_passed_over(watcher):
    watcher.admin.play([HEARTBEAT, b"id: 0\nevent: dance\ndata: x\n\n", *RUN], shown=[DONE])
    watcher.follow()
    assert len(watcher.events) == len(RUN)


def test_a_job_that_ends_without_a_last_event_is_over_all_the_same(watcher):
    watcher.admin.play([HEARTBEAT], shown=[job(state="cancelled")])
    assert watcher.follow().state == "cancelled"
    assert (watcher.events, watcher.told) == ([], [])


def test_the_end_of_the_trainer_is_waited_for_behind_its_last_event(watcher):
    watcher.admin.play(RUN, shown=[job(), job(), DONE])
    assert watcher.follow().state == "succeeded"
    assert len(watcher.last_ids) == 1
    assert watcher.told == []


def test_a_stream_that_stays_open_behind_the_last_event_is_left(watcher):
    watcher.admin.play([*RUN, Silence()], shown=[DONE])
    watcher.follow()
    assert isinstance(watcher.events[-1], Succeeded)


def test_silence_is_put_up_with_for_so_long_only(watcher):
    watcher.admin.play([RUN[0], Silence()], 503, shown=[job()])
    with pytest.raises(Unavailable, match=rf"gave up after 0.3 s of silence.*litet jobs watch {JOB}"):
        watcher.follow(timeout_s=0.3)


def test_what_cannot_be_mended_by_waiting_is_not_waited_for(watcher):
    watcher.admin.play([RUN[0], Break()], 404, shown=[job()])
    with pytest.raises(Refused):
        watcher.follow()


@pytest.mark.parametrize("data", [b"{", b'{"event":"epoch"}', b"\xff"])
def test_an_event_that_cannot_be_read_ends_it(watcher, data):
    watcher.admin.play([b"event: epoch\ndata: " + data + b"\n\n"], shown=[job()])
    with pytest.raises(UnreadableAnswer, match="an event of a job must be readable"):
        watcher.follow()


def test_events_carry_their_numbers(watcher):
    watcher.admin.play(RUN, shown=[DONE])
    watcher.follow()
    found = next(event for event in watcher.events if isinstance(event, Found))
    epoch = next(event for event in watcher.events if isinstance(event, Epoch))
    assert (found.finding.column, epoch.record.epoch, epoch.max_epochs) == ("tail", 5, 10)
