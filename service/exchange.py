"""What stands between a body and its answer: how the rows of a request are read, and what is written of them.

Each protocol has an exchange of its own (`service.negotiation`); scoring and sending are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Protocol

import msgspec

from contract.tensors import Tensors
from service.formats.rows import Rows
from service.formats.scored import Scored
from service.predictor import Predictor
from service.scoring import score
from service.statistics import Timings


class Written(msgspec.Struct, frozen=True):
    """An answer's bytes, and the headers that say what they are."""

    content: bytes
    content_type: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Question(msgspec.Struct, frozen=True):
    """The rows that a body asks about, and how their answers are written."""

    rows: Rows
    write: Callable[[Scored], Written]


class Exchange(Protocol):
    """How the bodies of one kind of request are read and answered.

    Bodies of up to `inline_bytes` are answered on the event loop.
    """

    @property
    def inline_bytes(self) -> int: ...

    def inline_rows(self, predictor: Predictor) -> int:
        """How many rows are answered on the event loop."""

    def read(self, body: bytes, predictor: Predictor, max_rows: int) -> Question:
        """What a body asks. Depends on nothing else, changes nothing.

        Raises:
            CallerError: it is not one that the model can answer (`service.formats.rows.Read`).
        """


class Answered(msgspec.Struct, frozen=True):
    """A written answer, the rows that it is for, and how long each part of it took."""

    written: Written
    tensors: Tensors
    timings: Timings


def answer(exchange: Exchange, predictor: Predictor, body: bytes, max_rows: int) -> Answered:
    """The answer to a body: a pure function but for the clock.

    Raises:
        CallerError: the body is not one that the model can answer.
    """
    started = perf_counter_ns()
    question = exchange.read(body, predictor, max_rows)
    read = perf_counter_ns()
    scored = score(predictor, question.rows)
    ran = perf_counter_ns()
    written = question.write(scored)
    return Answered(written, question.rows.tensors, Timings(read - started, 0, ran - read, perf_counter_ns() - ran))
