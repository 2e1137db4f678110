"""Following a job to its end, over connections that break and services that restart."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from contract.job import DECODER, LAST, Cancelled, Decided, Epoch, Event, Failed, Found, Staged, Succeeded
from litet.admin_client import AdminClient, Unavailable, UnreadableAnswer, one_line
from litet.admin_messages import Job
from litet.event_stream import EventParser, Message

SILENCE_S = 20.0
"""Without a byte for so long, four heartbeats, a connection is dead."""
FIRST_PAUSE_S = 0.5
LAST_PAUSE_S = 10.0
SETTLE_S = 0.1
"""Between the last event and the end of the trainer's process lies a moment."""
NAMES = {kind.__struct_config__.tag for kind in (Staged, Epoch, Found, Decided, Succeeded, Failed, Cancelled)}


class Follower:
    """Shows the events of a job, and tells what it has to put up with.

    `show` gets each event once, in order, `tell` one line each time that the connection is lost.
    """

    def __init__(
        self,
        client: AdminClient,
        job_id: str,
        *,
        timeout_s: float,
        show: Callable[[Event], None],
        tell: Callable[[str], None],
    ) -> None:
        self._client = client
        self._job_id = job_id
        self._timeout_s = timeout_s
        self._show = show
        self._tell = tell
        self._heard_at = time.monotonic()
        self._last_id = ""
        self._told_last = False
        self._first_pause_s = FIRST_PAUSE_S
        self._pause_s = FIRST_PAUSE_S

    def follow(self) -> Job:
        """The job, once it is over.

        Raises:
            Unavailable: nothing was heard of the service for `timeout_s`.
            Refused, UnreadableAnswer: there is no such job, the key is wrong, or it is not the admin API.
        """
        while True:
            try:
                if not self._told_last:
                    self._stream()
                job = self._client.job(self._job_id)
            except Unavailable as error:
                self._wait(str(error))
                continue
            self._heard_at = time.monotonic()
            if job.is_over:  # one cancelled while it was queued has no last event
                return job
            if self._told_last:
                time.sleep(SETTLE_S)
            else:
                self._wait("the stream ended before the job")

    def _stream(self) -> None:
        parser = EventParser()
        with self._client.events(self._job_id, self._last_id, self._patience_s()) as pieces:
            for piece in pieces:
                self._heard_at = time.monotonic()
                for message in parser.feed(piece):
                    self._take(message)
                if parser.retry_s is not None and parser.retry_s != self._first_pause_s:
                    self._first_pause_s = self._pause_s = parser.retry_s
                if self._told_last:
                    return

    def _take(self, message: Message) -> None:
        self._pause_s = self._first_pause_s
        self._last_id = message.last_id or self._last_id
        if message.event not in NAMES:
            return  # a heartbeat, or something that a later version tells
        try:
            event = DECODER.decode(message.data)
        except msgspec.MsgspecError as error:
            raise UnreadableAnswer(f"an event of a job must be readable: {one_line(str(error))[:200]}") from error
        self._show(event)
        self._told_last = isinstance(event, LAST)

    def _wait(self, problem: str) -> None:
        left_s = self._left_s()
        if left_s <= 0:
            raise Unavailable(
                f"{problem}; gave up after {self._timeout_s:g} s of silence. The job may go on: "
                f"litet jobs watch {self._job_id}"
            )
        pause_s = min(self._pause_s, left_s)
        self._pause_s = min(2 * self._pause_s, LAST_PAUSE_S)
        self._tell(f"{problem}; again in {pause_s:.2g} s")
        time.sleep(pause_s)

    def _patience_s(self) -> float:
        """With one connection. Never 0, which a socket takes for "do not wait"."""
        return max(0.1, min(SILENCE_S, self._left_s()))

    def _left_s(self) -> float:
        """Of the silence that is put up with."""
        return self._timeout_s - (time.monotonic() - self._heard_at)
