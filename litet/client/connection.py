"""How both clients reach the service."""

from __future__ import annotations

import httpx

from contract.errors import InvalidSettings
from litet.client.asking import Attempt, Reply

TIMEOUT_S = 10.0
DEADLINE_S = 60.0
RETRIES = 5
HEADERS = {"accept-encoding": "identity"}
"""Numbers hardly shrink, and unpacking them takes longer than a network."""


def check_url(text: str) -> str:
    """A URL that a service can have.

    Raises:
        InvalidSettings: it is none.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidSettings(f"url must be one such as http://127.0.0.1:8000, got {text!r}")
    return text


def to_request(http: httpx.Client | httpx.AsyncClient, attempt: Attempt) -> httpx.Request:
    """The request that an attempt makes."""
    method, path, content, headers = attempt.call
    return http.build_request(method, path, content=content or None, headers=headers, timeout=attempt.timeout_s)


def to_reply(response: httpx.Response) -> Reply:
    """What came back, once it was read."""
    return Reply(response.status_code, response.headers, response.content)
