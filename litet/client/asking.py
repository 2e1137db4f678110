"""Asking until there is an answer: what is worth another attempt, when, and for how long.

Nothing here does I/O or sleeps. A question is a generator: it yields attempts, is sent what came of each, and returns
its answer. So one description serves a client that blocks and one that awaits (https://sans-io.readthedocs.io).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Generator, Mapping
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import httpx
import msgspec

from contract.errors import InvalidSettings
from litet.client.failures import TimedOut, decode, failure, no_answer

BACKOFF_S = 0.2
"""The longest pause before the second attempt; it doubles with each further one, and is drawn from 0 on, so that the
clients of a service that was away do not come back all at once
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter)."""
MAX_BACKOFF_S = 5.0
MAX_RETRY_AFTER_S = 10
"""No service makes a client wait longer at a time, whatever its Retry-After says."""
AGAIN = frozenset({502, 503})
"""Not ready, stopping, or too busy; and what a gateway says where the service behind it cannot be reached."""
LOSSES = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout, httpx.ProxyError)
"""Nobody was there, or the connection broke off: a prediction changes nothing, and may be asked for twice. A service
that is merely slow would not become faster by that."""

T = TypeVar("T")


class Call(NamedTuple):
    """A request. `path` is below the service's URL."""

    method: Literal["GET", "POST"]
    path: str
    content: bytes = b""
    headers: Mapping[str, str] = {}


class Attempt(NamedTuple):
    """A call to make after `pause_s` seconds, with connections that may be silent for `timeout_s`."""

    call: Call
    pause_s: float
    timeout_s: float


class Reply(NamedTuple):
    """What came back. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Lost(NamedTuple):
    """Nothing came back."""

    error: httpx.RequestError


Steps: TypeAlias = Generator[Attempt, Reply | Lost, T]
"""A question whose answer is a T."""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for an answer.

    `timeout_s` is for the connection to be made, and for each silence of it; `deadline_s` for all of a question, with
    the pauses between its attempts; `retries` is the number of further attempts of a request.

    Raises:
        InvalidSettings: one is out of its range.
    """

    timeout_s: float
    deadline_s: float
    retries: int

    def __post_init__(self) -> None:
        for name in ("timeout_s", "deadline_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidSettings(f"{name} must be a positive number of seconds, got {getattr(self, name)!r}")
        if self.retries < 0:
            raise InvalidSettings(f"retries must be 0 or more, got {self.retries!r}")


class Asker:
    """Makes the calls of one question, all before its deadline. `draw` gives a number between two others."""

    def __init__(
        self,
        url: str,
        patience: Patience,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.url = url
        self._patience = patience
        self._clock = clock
        self._draw = draw
        self._ends_at = clock() + patience.deadline_s

    def ask(self, call: Call) -> Steps[Reply]:
        """What comes back, from the last attempt if there are several; bad answers, too.

        Raises:
            Unavailable: nothing, to the last attempt.
            TimedOut: nothing in time.
            UnreadableAnswer: something that is not HTTP as it should be.
        """
        outcome = yield self._attempt(call, 0.0)
        for number in range(self._patience.retries):
            if not _is_worth_another(outcome):
                break
            pause_s = self._pause(number, outcome)
            if pause_s >= self._left():
                break
            outcome = yield self._attempt(call, pause_s)
        if isinstance(outcome, Lost):
            raise no_answer(self.url, outcome.error) from outcome.error
        return outcome

    def get(self, path: str, kind: type[T]) -> Steps[T]:
        """The message at a path.

        Raises:
            NotFound, Refused, Unavailable, TimedOut, UnreadableAnswer: there is none (`litet.client.failures`).
        """
        reply = yield from self.ask(Call("GET", path))
        if reply.status != 200:
            raise failure(self.url, reply.status, reply.content)
        return decode(self.url, reply.content, kind)

    def _attempt(self, call: Call, pause_s: float) -> Attempt:
        left = self._left() - pause_s
        if left <= 0:
            raise TimedOut(f"{self.url} must answer within {self._patience.deadline_s:g} s, got no answer yet")
        return Attempt(call, pause_s, min(self._patience.timeout_s, left))

    def _left(self) -> float:
        return self._ends_at - self._clock()

    def _pause(self, number: int, outcome: Reply | Lost) -> float:
        pause_s = self._draw(0.0, min(MAX_BACKOFF_S, BACKOFF_S * 2**number))
        return pause_s if isinstance(outcome, Lost) else pause_s + _retry_after_s(outcome)


def _is_worth_another(outcome: Reply | Lost) -> bool:
    if isinstance(outcome, Lost):
        return isinstance(outcome.error, LOSSES)
    return outcome.status in AGAIN


def _retry_after_s(reply: Reply) -> float:
    """What the service asks for, where it does so in seconds; dates are not read."""
    text = reply.headers.get("retry-after", "").strip()
    if not (text.isascii() and text.isdigit()):
        return 0
    return MAX_RETRY_AFTER_S if len(text) > 3 else min(int(text), MAX_RETRY_AFTER_S)
