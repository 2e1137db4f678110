"""Every error as RFC 9457 problem details: what is wrong, with which row and feature, and nothing of our insides.

Below `/v1` and `/v2` it is what other people's clients look for: `{"error": "…"}`.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import ResponseSpec
from litestar.response.base import ASGIResponse

from contract.errors import (
    ArtifactError,
    CallerError,
    Fault,
    InvalidConfig,
    InvalidData,
    InvalidName,
    InvalidRows,
    LitetError,
    NotFound,
    Superseded,
)
from service.bodies import JSON
from service.errors import (
    BodyTooLarge,
    Conflict,
    InvalidBody,
    MalformedBody,
    NoDecision,
    NoPredictionSets,
    NotAcceptable,
    NotReady,
    ReportedNotReady,
    StorageFailed,
    TooManyAttempts,
    TrainerUnavailable,
    Unauthorized,
    UnsupportedBody,
    UnusableArtifact,
)
from service.logs import REQUEST_ID

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
PROTOCOLS = frozenset({"v1", "v2"})
"""First segments of the paths below which errors are those of a protocol."""
PROTOCOL_STATUSES = {422: 400}
"""What is another status there."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem. `type` identifies its kind, `detail` says the rule and what broke it.

    `errors` spells out the first faults of the rows, of `n_errors` in all. `request_id` finds the log lines of a
    fault of ours.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[Fault, ...] | msgspec.UnsetType = msgspec.UNSET
    n_errors: int | msgspec.UnsetType = msgspec.UNSET
    request_id: str | msgspec.UnsetType = msgspec.UNSET


class Error(msgspec.Struct, frozen=True):
    """What is wrong, as protocols of other people say it."""

    error: str


KINDS: dict[type[LitetError], tuple[int, str, str]] = {
    MalformedBody: (400, "malformed-body", "The body cannot be read"),
    Unauthorized: (401, "unauthorized", "An admin key is needed"),
    NotFound: (404, "not-found", "Not found"),
    NotAcceptable: (406, "not-acceptable", "The answer cannot be of that type"),
    Conflict: (409, "conflict", "Not possible in the present state"),
    Superseded: (409, "superseded", "It has changed meanwhile"),
    BodyTooLarge: (413, "body-too-large", "The body is too large"),
    UnsupportedBody: (415, "unsupported-body", "The body is of another type"),
    InvalidBody: (422, "invalid-body", "The body has another shape"),
    InvalidRows: (422, "invalid-rows", "Rows do not fit the model"),
    NoDecision: (422, "no-decision", "The version makes no decision"),
    NoPredictionSets: (422, "no-prediction-sets", "The version gives no prediction sets"),
    InvalidName: (422, "invalid-name", "Not a name"),
    InvalidData: (422, "invalid-data", "Not a table to train on"),
    InvalidConfig: (422, "invalid-config", "A training option is out of its range"),
    TooManyAttempts: (429, "too-many-attempts", "Too many wrong admin keys"),
    CallerError: (400, "invalid-request", "The request cannot be served"),
    ArtifactError: (503, "refused-version", "The version cannot be served"),
    UnusableArtifact: (503, "unusable-artifact", "A file of the repository cannot be used"),
    ReportedNotReady: (400, "not-ready", "The service is not ready"),
    NotReady: (503, "not-ready", "The service is not ready"),
    TrainerUnavailable: (503, "trainer-unavailable", "The trainer cannot be used"),
    StorageFailed: (507, "storage-failed", "The disk is full or fails"),
}
"""Status, name and title of each error; of its nearest base where it is not listed."""

ROUTING = {
    400: "the request must be valid HTTP",
    404: "nothing is served at this path",
    405: "the path must be asked with a method that it allows",
}
"""What to say instead of the framework's own words."""


def to_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The response for any exception. One that nobody foresaw is logged, and its text kept from the caller."""
    path = request.scope.get("path", "")
    problem, headers = _find_problem(error, path)
    status, media_type, content = _encode(problem, path)
    return Response(content, status_code=status, media_type=media_type, headers=headers)


def protocol_error(error: Exception, path: str) -> tuple[int, str]:
    """Status and text of what `to_response` says of an exception below `/v2`, for where that is not HTTP."""
    return _say(_find_problem(error, path)[0])


def refusal(error: CallerError, path: str) -> ASGIResponse:
    """What `to_response` says of an error, for where no route has been found yet: around the app."""
    problem = _describe(error, *KINDS[type(error)])
    status, media_type, content = _encode(problem, path)
    return ASGIResponse(body=content, status_code=status, media_type=media_type, headers=_headers(error))


def invalid_http(path: str) -> tuple[str, bytes]:
    """Media type and body of the response to what is no HTTP, for where no app has seen it."""
    problem = Problem(type="about:blank", title=HTTPStatus.BAD_REQUEST.phrase, status=400, detail=ROUTING[400])
    _status, media_type, content = _encode(problem, path)
    return media_type, content


def protocol_responses(*statuses: int) -> dict[int, ResponseSpec]:
    """How OpenAPI documents these error statuses below `/v1` and `/v2`. 400 is always among them."""
    return {
        status: ResponseSpec(Error, description=HTTPStatus(status).phrase, generate_examples=False)
        for status in sorted({400, *statuses})
    }


def responses(*statuses: int) -> dict[int, ResponseSpec]:
    """How OpenAPI documents these error statuses. 400 is always among them: any request can be malformed."""
    return {
        status: ResponseSpec(
            Problem, description=HTTPStatus(status).phrase, media_type=MEDIA_TYPE, generate_examples=False
        )
        for status in sorted({400, *statuses})
    }


def _find_problem(error: Exception, path: str) -> tuple[Problem, dict[str, str]]:
    """What any exception is to the caller, and the headers that go with it."""
    headers: dict[str, str] = {}
    if isinstance(error, LitetError) and (kind := _kind(error)):
        problem = _describe(error, *kind)
        headers = _headers(error)
    elif isinstance(error, HTTPException) and error.status_code < 500:
        phrase = HTTPStatus(error.status_code).phrase
        detail = _parameters(error) or ROUTING.get(error.status_code, phrase)
        problem = Problem(type="about:blank", title=phrase, status=error.status_code, detail=detail)
        headers = error.headers or {}
    else:
        logger.error("a request failed", exc_info=error, extra={"path": path})
        problem = Problem(
            type="about:blank",
            title="Internal Server Error",
            status=500,
            detail="the service failed to answer; its log says more under this request_id",
            request_id=REQUEST_ID.get(),
        )
    return problem, headers


def _encode(problem: Problem, path: str) -> tuple[int, str, bytes]:
    """Status, media type and body, in the terms of whoever speaks at a path."""
    if path.lstrip("/").partition("/")[0] not in PROTOCOLS:
        return problem.status, MEDIA_TYPE, msgspec.json.encode(problem)
    status, text = _say(problem)
    return status, JSON, msgspec.json.encode(Error(text))


def _say(problem: Problem) -> tuple[int, str]:
    """Status and text of a problem in protocols of other people."""
    request_id = "" if problem.request_id is msgspec.UNSET else f" (request {problem.request_id})"
    return PROTOCOL_STATUSES.get(problem.status, problem.status), f"{problem.detail}{request_id}"


def _parameters(error: HTTPException) -> str:
    """Which parameters are wrong, and how, where the framework checked them; else empty."""
    faults = error.extra if isinstance(error, ValidationException) and isinstance(error.extra, list) else []
    return "; ".join(f"{fault.get('key')}: {str(fault.get('message'))[:200]}" for fault in faults[:10])


def _kind(error: LitetError) -> tuple[int, str, str] | None:
    return next((KINDS[base] for base in type(error).__mro__ if base in KINDS), None)


def _headers(error: LitetError) -> dict[str, str]:
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, TooManyAttempts):
        return {"Retry-After": str(error.retry_after_s)}
    return {}


def _describe(error: LitetError, status: int, name: str, title: str) -> Problem:
    if isinstance(error, ArtifactError):
        logger.error("a version was refused", extra={"error": str(error)})
        detail = "the version is published, but what it holds must not be served; the log says why"
        return Problem(type=_urn(name), title=title, status=status, detail=detail, request_id=REQUEST_ID.get())
    problem = Problem(type=_urn(name), title=title, status=status, detail=str(error))
    if isinstance(error, InvalidRows):
        return msgspec.structs.replace(problem, errors=error.faults, n_errors=error.n_faults)
    return problem


def _urn(name: str) -> str:
    return f"urn:litet:problem:{name}"
