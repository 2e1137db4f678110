"""Below /admin nothing is open, whatever the path and the method, and nothing else is closed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import pytest
from litestar import Litestar, Request, Router, delete, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp

from service.admin import authentication
from service.admin.authentication import MAX_ATTEMPTS, WINDOW_S, authenticated, require_actor
from service.admin.keys import Keys
from service.draining import Draining
from service.metrics import Metrics
from service.problems import to_response
from service.telemetry import Telemetry, observed

KEY = "litet_right"
RIGHT = [(b"authorization", b"Bearer litet_right")]
WRONG = [(b"authorization", b"Bearer litet_wrong")]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> Any:
        return msgspec.json.decode(self.body)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def name_of(request: Request[Any, Any, Any]) -> str:
    """As a handler would that forgot to ask whether there is a name."""
    return str(request.scope["state"].get("actor"))


@get("/jobs", sync_to_thread=False)
def show(request: Request[Any, Any, Any]) -> str:
    return name_of(request)


@post("/jobs", sync_to_thread=False)
def make(request: Request[Any, Any, Any]) -> str:
    return name_of(request)


@delete("/jobs/{job:str}", status_code=200, sync_to_thread=False)
def cancel(request: Request[Any, Any, Any], job: FromPath[str]) -> str:
    return name_of(request)


@get(["/", "/administrators", "/health/admin"], sync_to_thread=False)
def public(request: Request[Any, Any, Any]) -> str:
    return "open"


def make_app() -> Litestar:
    router = Router("/admin", route_handlers=[show, make, cancel], guards=[require_actor])
    return Litestar([router, public], exception_handlers={Exception: to_response}, logging_config=None, debug=False)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(clock: Clock) -> Litestar:
    """As `create_app` puts it together."""
    app = make_app()
    keys = Keys(f"ann:{hashlib.sha256(KEY.encode()).hexdigest()}", None)
    app.asgi_handler = authenticated(app.asgi_handler, keys, clock)
    app.asgi_handler = observed(app.asgi_handler, Telemetry(Metrics(None), access_log=False), Draining(0))
    return app


def ask(
    app: ASGIApp,
    path: str,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    method: str = "GET",
    client: tuple[str, int] | None = ("192.0.2.1", 1234),
    **more: Any,
) -> Answer:
    """What the app answers to exactly this, which no client has tidied up."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
        "client": client,
        "server": ("localhost", 8000),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
        **more,
    }
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    head, *bodies = sent
    fields = {name.decode().lower(): value.decode() for name, value in head["headers"]}
    return Answer(head["status"], fields, b"".join(message.get("body", b"") for message in bodies))


def test_a_right_key_opens_the_admin_plane_in_its_holders_name(app: Litestar) -> None:
    assert ask(app, "/admin/jobs", RIGHT)[::2] == (200, b"ann")
    assert ask(app, "/admin/jobs", RIGHT, method="POST")[::2] == (201, b"ann")
    assert ask(app, "/admin/jobs/7", RIGHT, method="DELETE")[::2] == (200, b"ann")
    assert ask(app, "/admin/unknown", RIGHT).status == 404
    assert ask(app, "/admin/jobs", RIGHT, method="PUT").status == 405


@pytest.mark.parametrize("scheme", [b"bearer ", b"BEARER ", b"Bearer  "])
def test_the_scheme_is_read_as_http_does(app: Litestar, scheme: bytes) -> None:
    assert ask(app, "/admin/jobs", [(b"authorization", scheme + KEY.encode())]).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize(
    "path",
    [
        "/admin",
        "/admin/",
        "/admin/jobs",
        "/admin/jobs/",
        "/admin/jobs/7",
        "/admin/unknown",
        "/admin//jobs",
        "//admin/jobs",
        "///admin///jobs//",
        "admin/jobs",
        "/admin/../health/live",
        "/admin/./jobs",
    ],
)
def test_every_path_and_method_below_admin_is_closed(app: Litestar, path: str, method: str) -> None:
    answer = ask(app, path, method=method)
    assert answer.status == 401
    assert b"jobs" not in answer.body
    assert "allow" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/ADMIN/jobs",
        "/./admin/jobs",
        "/x/../admin/jobs",
        "/ admin/jobs",
        "/admin /jobs",
        "/admin\\jobs",
        "\\admin/jobs",
        "/admin;a=b/jobs",
        "/admin%2fjobs",
        "/%61dmin/jobs",
        "/admin\0/jobs",
        "/\ufeffadmin/jobs",
        "/admin\u2215jobs",
    ],
)
def test_what_only_looks_like_admin_leads_nowhere(app: Litestar, path: str) -> None:
    assert ask(app, path).status == 404


@pytest.mark.parametrize("path", ["/", "/administrators", "/health/admin"])
def test_nothing_else_is_closed(app: Litestar, path: str) -> None:
    for headers in ((), WRONG, RIGHT):
        assert ask(app, path, headers)[::2] == (200, b"open")


def test_the_guard_refuses_what_comes_past_the_wrapper(app: Litestar) -> None:
    for headers in ((), WRONG, RIGHT):
        answer = ask(app, "/prefix/admin/jobs", headers, root_path="/prefix")
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert ask(make_app(), "/admin/jobs", headers).status == 401


def test_both_layers_answer_in_the_same_words(app: Litestar) -> None:
    by_wrapper = ask(app, "/admin/jobs")
    by_guard = ask(app, "/prefix/admin/jobs", root_path="/prefix")
    assert by_wrapper.body == by_guard.body
    assert by_wrapper.headers.keys() == by_guard.headers.keys()
    assert {**by_wrapper.headers, "x-request-id": ""} == {**by_guard.headers, "x-request-id": ""}
    assert by_wrapper.headers["content-type"] == "application/problem+json"
    assert by_wrapper.headers["content-length"] == str(len(by_wrapper.body))
    assert by_wrapper.problem == {
        "type": "urn:litet:problem:unauthorized",
        "title": "An admin key is needed",
        "status": 401,
        "detail": "an admin request must have one header Authorization: Bearer <key> with a key of this service",
    }


@pytest.mark.parametrize(
    "headers",
    [
        [b""],
        [b"Bearer"],
        [b"Bearer "],
        [KEY.encode()],
        [b"Basic " + KEY.encode()],
        [b"Bearer\t" + KEY.encode()],
        [b"Bearer " + KEY.encode() + b"x"],
        [b"Bearer " + KEY.encode() + b", Bearer " + KEY.encode()],
        [b"Bearer " + KEY.encode() * 1000],
        [b"Bearer \xff\xfe\xc3\xa9"],
        [b"Bearer \0"],
        [b"Bearer " + KEY.encode(), b"Bearer " + KEY.encode()],
        [b"Bearer litet_wrong", b"Bearer " + KEY.encode()],
        [b"", b"Bearer " + KEY.encode()],
    ],
)
def test_one_header_with_one_right_key_is_needed(app: Litestar, headers: list[bytes]) -> None:
    assert ask(app, "/admin/jobs", [(b"authorization", value) for value in headers]).status == 401


def test_the_holders_name_stays_within_its_request(app: Litestar) -> None:
    shared: dict[str, Any] = {}
    assert ask(app, "/admin/jobs", RIGHT, state=shared).status == 200
    assert "actor" not in shared
    assert ask(app, "/admin/jobs", state=shared).status == 401


def test_wrong_keys_are_not_looked_at_after_ten_in_a_minute(app: Litestar, clock: Clock) -> None:
    for _ in range(MAX_ATTEMPTS):
        assert ask(app, "/admin/jobs", WRONG).status == 401
        clock.now += 1
    answer = ask(app, "/admin/jobs", WRONG)
    assert answer.status == 429
    assert answer.headers["retry-after"] == "50"
    assert answer.problem["type"] == "urn:litet:problem:too-many-attempts"
    assert "x-request-id" in answer.headers
    clock.now += 50
    assert ask(app, "/admin/jobs", WRONG).status == 401
    assert ask(app, "/admin/jobs", WRONG).status == 429


def test_refused_attempts_do_not_put_off_the_end_of_the_wait(app: Litestar, clock: Clock) -> None:
    for _ in range(MAX_ATTEMPTS * 3):
        ask(app, "/admin/jobs", WRONG)
        clock.now += 1
    clock.now += WINDOW_S - MAX_ATTEMPTS * 3
    assert ask(app, "/admin/jobs", WRONG).status == 401


def test_a_right_key_passes_where_others_guess(app: Litestar) -> None:
    for _ in range(MAX_ATTEMPTS + 1):
        ask(app, "/admin/jobs", WRONG)
    assert ask(app, "/admin/jobs", RIGHT).status == 200
    assert ask(app, "/admin/jobs", WRONG).status == 429


def test_an_address_is_the_peers_and_never_a_header(app: Litestar) -> None:
    for i in range(MAX_ATTEMPTS):
        ask(app, "/admin/jobs", [*WRONG, (b"x-forwarded-for", f"198.51.100.{i}".encode())])
    assert ask(app, "/admin/jobs", [*WRONG, (b"x-forwarded-for", b"203.0.113.9")]).status == 429
    assert ask(app, "/admin/jobs", WRONG, client=("192.0.2.1", 4321)).status == 429
    assert ask(app, "/admin/jobs", WRONG, client=("192.0.2.2", 1234)).status == 401
    assert ask(app, "/admin/jobs", WRONG, client=None).status == 401


def test_only_so_many_addresses_are_remembered(app: Litestar, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(authentication, "MAX_CLIENTS", 3)
    for _ in range(MAX_ATTEMPTS):
        for name in ("a", "b"):
            ask(app, "/admin/jobs", WRONG, client=(name, 1))
    ask(app, "/admin/jobs", WRONG, client=("c", 1))
    assert ask(app, "/admin/jobs", WRONG, client=("a", 1)).status == 429  # so b is the oldest
    ask(app, "/admin/jobs", WRONG, client=("d", 1))
    assert ask(app, "/admin/jobs", WRONG, client=("a", 1)).status == 429
    assert ask(app, "/admin/jobs", WRONG, client=("b", 1)).status == 401


def test_failed_attempts_are_logged_without_what_was_tried(app: Litestar, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for _ in range(MAX_ATTEMPTS + 5):
            ask(app, "/admin/jobs", WRONG)
    records = [vars(record) for record in caplog.records if record.name == authentication.__name__]
    assert [record["attempts"] for record in records] == list(range(1, MAX_ATTEMPTS + 1))
    assert {(record["client"], record["path"]) for record in records} == {("192.0.2.1", "/admin/jobs")}
    assert "litet_" not in str([vars(record) for record in caplog.records])
