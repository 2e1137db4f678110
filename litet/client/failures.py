"""What can come instead of an answer.

LitetError
├── CallerError (contract.errors)
│   ├── InvalidSettings   an argument of the client out of its range
│   ├── InvalidName       no model can be called that
│   ├── InvalidData       what was given is no table, or lacks a feature
│   ├── InvalidRows       rows that do not fit the model, fault by fault
│   ├── NotFound          no such model or version, or no service at this URL
│   └── Refused           another 4xx
├── Unavailable           nobody answers, the connection breaks off, or a 5xx, to the last attempt
│   └── TimedOut          no answer in time
└── UnreadableAnswer      an answer that is not the service's
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import httpx
import msgspec

from contract.errors import InvalidRows, LitetError, NotFound
from litet.admin_client import Problem, Refused, Unavailable, UnreadableAnswer, one_line

MAX_SHOWN = 200
"""How many characters of somebody else's text a message shows."""

T = TypeVar("T")


class TimedOut(Unavailable):
    """No answer came in time. Whether the service still works on it is not known."""


class RowsProblem(Problem, frozen=True, kw_only=True):
    """Problem details (RFC 9457), with the number of all faults in the rows."""

    n_errors: int = 0


class ProtocolError(msgspec.Struct, frozen=True):
    """The same in the Open Inference Protocol."""

    error: str


def failure(url: str, status: int, content: bytes) -> LitetError:
    """What an answer other than a good one says."""
    if status < 400:
        return UnreadableAnswer(f"{url} must answer as litet does, got {_phrase(status)}")
    problem = _problem(content)
    if problem and problem.errors:
        return InvalidRows(problem.errors, max(problem.n_errors, len(problem.errors)))
    detail = one_line(problem.detail) if problem else _protocol_error(content) or _phrase(status)
    if status >= 500:
        return Unavailable(f"the service at {url} failed: {detail}")
    return NotFound(detail) if status == httpx.codes.NOT_FOUND else Refused(detail)


def no_answer(url: str, error: httpx.RequestError) -> LitetError:
    """What became of a request that nothing came back for."""
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{url} must answer in time, got {type(error).__name__}")
    said = one_line(str(error))[:MAX_SHOWN] or type(error).__name__
    if isinstance(error, httpx.DecodingError):
        return UnreadableAnswer(f"{url} must answer as litet does: {said}")
    return Unavailable(f"no answer from {url}: {said}")


@contextmanager
def readable(url: str) -> Iterator[None]:
    """Reading an answer inside may fail.

    Raises:
        UnreadableAnswer: it did.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableAnswer(f"{url} must answer as litet does: {one_line(str(error))[:MAX_SHOWN]}") from error


def decode(url: str, content: bytes, kind: type[T]) -> T:
    """The message in an answer.

    Raises:
        UnreadableAnswer: it is another one.
    """
    with readable(url):
        return msgspec.json.decode(content, type=kind)


def _problem(content: bytes) -> RowsProblem | None:
    try:
        return msgspec.json.decode(content, type=RowsProblem)
    except (ValueError, RecursionError):
        return None


def _protocol_error(content: bytes) -> str:
    try:
        return one_line(msgspec.json.decode(content, type=ProtocolError).error)
    except (ValueError, RecursionError):
        return ""


def _phrase(status: int) -> str:
    return f"{status} {httpx.codes.get_reason_phrase(status)}".strip()
