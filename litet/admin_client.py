"""The admin API from a client's side: typed calls, and what can come instead of an answer.

LitetError
├── CallerError
│   └── Refused           a 4xx: what was asked for, or the key that it was asked with
├── Unavailable           nobody answers, the connection breaks off, or a 5xx
└── UnreadableAnswer      an answer that is not the admin API's
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from contract.errors import CallerError, Fault, LitetError
from litet.admin_messages import Dataset, Job, Jobs, RetrainRequest, State

MAX_LISTED = 1000
"""As many jobs as one answer lists."""
BLOCK_BYTES = 256 * 1024
TIMEOUT = httpx.Timeout(60, connect=10)
UPLOAD_TIMEOUT = httpx.Timeout(60, connect=10, read=600)
"""A table is read to its end before the service answers."""

T = TypeVar("T")


class Refused(CallerError):
    """The service did not accept the request, or the key."""


class Unavailable(LitetError):
    """The service cannot be reached, the connection broke off, or the service failed."""


class UnreadableAnswer(LitetError):
    """Something answered, but not as the admin API does."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Problem details (RFC 9457) of a request that failed."""

    type: str
    detail: str
    errors: tuple[Fault, ...] = ()


class AdminClient:
    """The admin API of the service at `url`, asked with one admin key. A context manager.

    Every call raises Refused, Unavailable or UnreadableAnswer where it gets no answer of its type.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def retrain(self, model: str | None, request: RetrainRequest, idempotency_key: str | None) -> Job:
        """Order a job for a model, the default one if None. A key sent before gets the job that it got then."""
        path = "/admin/retrain" if model is None else f"/admin/models/{quote(model, safe='')}/retrain"
        headers = {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        with self._border():
            response = self._http.post(path, content=msgspec.json.encode(request), headers=headers)
        return self._answer(response, Job)

    def jobs(self, *, model: str | None = None, state: State | None = None, limit: int = MAX_LISTED) -> Jobs:
        """The latest jobs, newest first."""
        asked = {"model": model, "state": state, "limit": str(limit)}
        with self._border():
            response = self._http.get("/admin/jobs", params={name: text for name, text in asked.items() if text})
        return self._answer(response, Jobs)

    def job(self, job_id: str) -> Job:
        """All that is known of a job."""
        with self._border():
            response = self._http.get(_job_path(job_id))
        return self._answer(response, Job)

    def cancel(self, job_id: str) -> Job:
        """Call a job off."""
        with self._border():
            response = self._http.post(f"{_job_path(job_id)}/cancel")
        return self._answer(response, Job)

    def upload(self, name: str, file: Path, content_type: str, sent: Callable[[int], None]) -> tuple[Dataset, bool]:
        """Send a table as a dataset's latest version; False where its very bytes were there already.

        `sent` is told the number of bytes of each block.
        """
        headers = {"Content-Type": content_type, "Content-Length": str(file.stat().st_size)}
        with self._border():
            response = self._http.put(
                f"/admin/datasets/{quote(name, safe='')}",
                content=_blocks(file, sent),
                headers=headers,
                timeout=UPLOAD_TIMEOUT,
            )
        return self._answer(response, Dataset), response.status_code == httpx.codes.CREATED

    @contextmanager
    def events(self, job_id: str, last_id: str, silence_s: float) -> Iterator[Iterator[bytes]]:
        """The event stream of a job from behind event `last_id` (empty: from the first), in pieces as they come.

        After `silence_s` without a byte it counts as broken off.
        """
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        timeout = httpx.Timeout(silence_s)
        with (
            self._border(),
            self._http.stream("GET", f"{_job_path(job_id)}/events", headers=headers, timeout=timeout) as response,
        ):
            if not response.is_success:
                response.read()
                raise self._failure(response)
            yield response.iter_bytes()

    @contextmanager
    def _border(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise Unavailable(f"no answer from {self._url}: {one_line(str(error)) or type(error).__name__}") from error
        except UnicodeEncodeError as error:  # an argument of the command line that is no text
            raise Refused(f"what is sent must be Unicode text: {error}") from error

    def _answer(self, response: httpx.Response, kind: type[T]) -> T:
        if not response.is_success:
            raise self._failure(response)
        try:
            return msgspec.json.decode(response.content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            message = f"{self._url} must answer as the admin API does: {one_line(str(error))[:200]}"
            raise UnreadableAnswer(message) from error

    def _failure(self, response: httpx.Response) -> LitetError:
        status = f"{response.status_code} {response.reason_phrase}"
        if response.status_code < 400:
            return UnreadableAnswer(f"{self._url} must answer as the admin API does, got {status}")
        try:
            problem = msgspec.json.decode(response.content, type=Problem)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            detail = status
        else:
            detail = one_line("; ".join([problem.detail, *map(_fault_text, problem.errors)]))
            if response.status_code == httpx.codes.NOT_FOUND and problem.type == "about:blank":
                detail += f" (the service at {self._url} has no admin API: it needs an admin key, and LITET_ADMIN on)"
        if response.status_code < 500:
            return Refused(detail)
        return Unavailable(f"the service at {self._url} failed: {detail}")


def one_line(text: str) -> str:
    """Text from afar as one line that cannot steer a terminal."""
    return "".join(
        character if character.isprintable() else "�" for character in " ".join(text.expandtabs(1).splitlines())
    )


def _job_path(job_id: str) -> str:
    return f"/admin/jobs/{quote(job_id, safe='')}"


def _blocks(file: Path, sent: Callable[[int], None]) -> Iterator[bytes]:
    with file.open("rb") as source:
        while block := source.read(BLOCK_BYTES):
            yield block
            sent(len(block))


def _fault_text(fault: Fault) -> str:
    feature = f", feature {fault.feature!r}" if fault.feature is not None else ""
    return f"row {fault.row}{feature}: expected {fault.expected}, got {fault.got}"
