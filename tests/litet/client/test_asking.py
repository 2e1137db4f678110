"""Which failures are worth another attempt, after which pause, and until when."""

import httpx
import pytest

from contract.errors import InvalidSettings
from litet.client import TimedOut, Unavailable, UnreadableAnswer
from litet.client.asking import Asker, Call, Lost, Patience, Reply

CALL = Call("GET", "/")
GOOD = Reply(200, {}, b"good")
AWAY = Reply(503, {}, b"away")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Play:
    """Asks once, with outcomes that follow each other, and keeps every attempt. Each takes `takes_s`."""

    def __init__(self, takes_s=0.0, draw=lambda _low, high: high, **patience):
        self.clock = Clock()
        self.takes_s = takes_s
        self.attempts = []
        self.asker = Asker(
            "http://x",
            Patience(**({"timeout_s": 10, "deadline_s": 60, "retries": 5} | patience)),
            clock=self.clock,
            draw=draw,
        )

    def __call__(self, *outcomes):
        steps = self.asker.ask(CALL)
        following = iter(outcomes)
        try:
            attempt = next(steps)
            while True:
                self.attempts.append(attempt)
                self.clock.now += attempt.pause_s + self.takes_s
                attempt = steps.send(next(following))
        except StopIteration as stop:
            return stop.value

    @property
    def pauses(self):
        return [attempt.pause_s for attempt in self.attempts]


def test_a_good_answer_is_asked_for_once():
    play = Play()
    assert play(GOOD) == GOOD
    assert play.attempts == [(CALL, 0.0, 10)]


@pytest.mark.parametrize("status", [201, 302, 400, 404, 413, 422, 429, 500, 504, 507])
def test_what_would_be_answered_alike_again_is_not_asked_again(status):
    play = Play()
    assert play(Reply(status, {}, b"")).status == status
    assert len(play.attempts) == 1


@pytest.mark.parametrize("status", [502, 503])
def test_a_service_that_is_away_is_asked_until_it_is_back(status):
    assert Play()(Reply(status, {}, b""), AWAY, GOOD) == GOOD


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_the_last_refusal_is_the_answer(retries):
    play = Play(retries=retries)
    last = Reply(503, {}, b"last")
    assert play(*[AWAY] * retries, last) == last
    assert len(play.attempts) == retries + 1


@pytest.mark.parametrize(
    "error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError]
)
def test_a_lost_connection_is_made_again(error):
    assert Play()(Lost(error("gone")), Lost(error("gone")), GOOD) == GOOD


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout])
def test_a_slow_service_is_not_asked_to_do_it_twice(error):
    play = Play()
    with pytest.raises(TimedOut, match=r"^http://x must answer in time, got ") as timed_out:
        play(Lost(error("slow")))
    assert isinstance(timed_out.value.__cause__, error)
    assert len(play.attempts) == 1


def test_a_connection_that_is_lost_to_the_end_says_how():
    with pytest.raises(Unavailable, match=r"^no answer from http://x: refused$") as unavailable:
        Play(retries=1)(AWAY, Lost(httpx.ConnectError("refused")))
    assert isinstance(unavailable.value.__cause__, httpx.ConnectError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(httpx.LocalProtocolError, Unavailable), (httpx.UnsupportedProtocol, Unavailable),
     (httpx.DecodingError, UnreadableAnswer)],
)  # fmt: skip
def test_what_the_network_is_not_to_blame_for_is_not_repeated(error, kind):
    play = Play()
    with pytest.raises(kind, match=r"no gzip\?$"):
        play(Lost(error("no\ngzip?")))
    assert len(play.attempts) == 1


def test_pauses_are_drawn_from_nothing_to_twice_the_last_limit():
    drawn = []
    play = Play(draw=lambda low, high: drawn.append((low, high)) or high / 2, retries=7)
    play(*[AWAY] * 8)
    limits = [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert drawn == [(0.0, pytest.approx(limit)) for limit in limits]
    assert play.pauses == [0.0, *(pytest.approx(limit / 2) for limit in limits)]


@pytest.mark.parametrize(
    ("said", "waited"),
    [("7", 7), (" 7 ", 7), ("0", 0), ("3600", 10), ("9" * 5000, 10), ("", 0), ("soon", 0), ("-3", 0), ("1.5", 0),
     ("٣", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0)],
)  # fmt: skip
def test_a_service_says_how_long_it_will_be_away(said, waited):
    play = Play()
    play(Reply(503, {"retry-after": said}, b""), GOOD)
    assert play.pauses == [0.0, pytest.approx(waited + 0.2)]


def test_no_attempt_lasts_beyond_the_deadline():
    play = Play(takes_s=3, deadline_s=14, retries=9)
    assert play(*[AWAY] * 5) == AWAY
    assert [attempt.timeout_s for attempt in play.attempts] == pytest.approx([10, 10, 7.4, 3.6])
    assert play.clock.now <= 114


def test_a_pause_that_would_outlast_the_deadline_is_not_made():
    play = Play(deadline_s=9)
    assert play(Reply(503, {"retry-after": "9"}, b"")).status == 503
    assert len(play.attempts) == 1


def test_all_calls_of_a_question_have_one_deadline():
    play = Play(takes_s=5, deadline_s=10)
    play(GOOD)
    play(GOOD)
    with pytest.raises(TimedOut, match=r"^http://x must answer within 10 s, got no answer yet$"):
        play(GOOD)
    assert len(play.attempts) == 2


@pytest.mark.parametrize(
    ("argument", "value"),
    [("timeout_s", 0), ("timeout_s", float("nan")), ("deadline_s", -1), ("deadline_s", float("inf")), ("retries", -1)],
)
def test_patience_has_limits(argument, value):
    with pytest.raises(InvalidSettings, match=f"^{argument} must be .*, got {value}$"):
        Play(**{argument: value})
