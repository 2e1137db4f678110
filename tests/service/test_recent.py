"""The last requests of each model are kept, in memory and within bounds."""

from __future__ import annotations

import threading

from service.recent import MAX_BYTES, RecentRequests


def test_the_last_requests_of_each_model_are_kept_oldest_first() -> None:
    recent = RecentRequests(3)
    for number in range(5):
        recent.add("iris", b"%d" % number)
    recent.add("wine", b"w")
    assert recent.of("iris") == [b"2", b"3", b"4"]
    assert recent.of("wine") == [b"w"]
    assert recent.of("none") == []


def test_large_requests_are_left_out() -> None:
    recent = RecentRequests(3)
    recent.add("iris", b"x" * MAX_BYTES)
    recent.add("iris", b"y" * (MAX_BYTES + 1))
    assert recent.of("iris") == [b"x" * MAX_BYTES]


def test_none_are_kept_where_none_are_wanted() -> None:
    recent = RecentRequests(0)
    recent.add("iris", b"x")
    assert recent.of("iris") == []


def test_what_was_given_out_does_not_change() -> None:
    recent = RecentRequests(2)
    recent.add("iris", b"x")
    given = recent.of("iris")
    recent.add("iris", b"y")
    assert given == [b"x"]


def test_any_thread_may_ask_while_requests_come() -> None:
    recent, done = RecentRequests(100), threading.Event()

    def ask() -> None:
        while not done.is_set():
            assert len(recent.of("iris")) <= 100

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(20_000):
        recent.add("iris", b"%d" % number)
    done.set()
    for thread in threads:
        thread.join()
    assert recent.of("iris")[-1] == b"19999"
