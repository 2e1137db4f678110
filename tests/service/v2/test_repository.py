"""Models go in and out of service for holders of a key, and stay there, and the audit log knows who did it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from contract.model_file import MODEL_FILE
from contract.publishing import Publisher
from service.admin.audit import Audit
from service.admin.authentication import ACTOR
from service.admin.keys import make_key
from service.loading import load_version
from service.metrics import Metrics
from service.problems import to_response
from service.registry import Registry
from service.settings import Settings
from service.unloaded import Unloaded
from service.v2.repository import RepositoryRoutes, settle_s
from service.watcher import Watcher

ROWS = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
TENSOR = {"inputs": [{"name": "x_num", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}]}
KEY, LINE = make_key("ops")
HEADERS = {"Authorization": f"Bearer {KEY}"}

Start = Callable[..., TestClient[Litestar]]
Poll = Callable[[TestClient[Litestar]], None]


class Admin:
    """One worker, seen by a holder of its key."""

    def __init__(self, client: TestClient[Litestar]) -> None:
        self.client = client

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.client.post(f"/v2/repository/{path}", headers=HEADERS, **options)

    def load(self, name: str = "iris", **options: Any) -> httpx.Response:
        return self.post(f"models/{name}/load", **options)

    def unload(self, name: str = "iris", **options: Any) -> httpx.Response:
        return self.post(f"models/{name}/unload", **options)

    def index(self, **options: Any) -> list[tuple[str, str, str, str]]:
        answer = self.post("index", **options)
        assert answer.status_code == 200, answer.text
        return [(entry["name"], entry["version"], entry["state"], entry["reason"]) for entry in answer.json()]

    def audit(self) -> list[tuple[str, str, str]]:
        entries = self.client.get("/admin/audit", headers=HEADERS).json()["entries"]
        return [(entry["actor"], entry["action"], entry["subject"]) for entry in reversed(entries)]

    def version(self, name: str = "iris") -> int | None:
        """The version that answers; None where none does."""
        answer = self.client.post(f"/models/{name}/predict", json=ROWS)
        return int(answer.json()["version"]) if answer.status_code == 200 else None


@pytest.fixture
def open_admin(publisher: Publisher, foundry: Any, start: Start) -> Callable[[], Admin]:
    """Starts workers on one folder, which serves iris/1."""
    foundry.publish(publisher)
    return lambda: Admin(start(admin_keys=LINE, default_model="iris"))


@pytest.fixture
def admin(open_admin: Callable[[], Admin]) -> Admin:
    return open_admin()


def test_without_a_key_of_its_own_a_service_has_no_such_routes(
    publisher: Publisher, foundry: Any, start: Start
) -> None:
    foundry.publish(publisher)
    client = start()
    for path in ("index", "models/iris/load", "models/iris/unload"):
        answer = client.post(f"/v2/repository/{path}", headers=HEADERS)
        assert answer.status_code == 404
        assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "/v2/repository",
        "/v2/repository/",
        "/v2/repository/index",
        "/v2/repository/index/",
        "/v2//repository/index",
        "/v2/repository/unknown",
        "/v2/repository/models/iris/load",
        "/v2/repository/models/iris/unload",
        "/v2///repository/models/iris//load",
    ],
)
def test_every_path_and_method_below_is_closed_without_a_key(admin: Admin, path: str, method: str) -> None:
    for headers in ({}, {"Authorization": "Bearer litet_wrong"}):
        answer = admin.client.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert list(answer.json()) == ["error"]
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["www-authenticate"] == "Bearer"


def test_the_guard_refuses_what_comes_past_the_wrapper(publisher: Publisher, tmp_path: Path) -> None:
    routes, _watcher, _registry = make_routes(publisher, tmp_path, settle=partial(asyncio.sleep, 0))
    app = Litestar([routes.router()], exception_handlers={Exception: to_response}, logging_config=None)
    with TestClient(app) as client:
        for path in ("index", "models/iris/load", "models/iris/unload"):
            answer = client.post(f"/v2/repository/{path}", headers=HEADERS)
            assert answer.status_code == 401
            assert list(answer.json()) == ["error"]


@pytest.mark.parametrize("path", ["/v2", "/v2/models", "/v2/repositories", "/v2/models/repository", "/v1/repository"])
def test_nothing_else_is_closed(admin: Admin, path: str) -> None:
    assert admin.client.get(path).status_code in {200, 404}


def test_an_unloaded_model_answers_nothing_until_it_is_loaded(admin: Admin) -> None:
    assert admin.version() == 1
    answer = admin.unload()
    assert (answer.status_code, answer.json()) == (200, {})
    client = admin.client
    assert admin.version() is None
    for path, body in (
        ("/predict", ROWS),
        ("/models/iris/versions/1/predict", ROWS),
        ("/v2/models/iris/infer", TENSOR),
        ("/v2/models/iris/versions/1/infer", TENSOR),
    ):
        assert client.post(path, json=body).status_code in {404, 503}
    assert client.get("/health/ready").status_code == 503
    assert client.get("/v2/health/live").json() == {"live": True, "ready": False}
    assert client.get("/v2/models").json() == {"models": []}
    assert client.get("/v2/models/iris/ready").status_code == 400
    assert client.get("/v1/models/iris").status_code == 503
    assert 'litet_model_version{model="iris"} 0.0' in client.get("/metrics").text
    answer = admin.load()
    assert (answer.status_code, answer.json()) == (200, {})
    assert admin.version() == 1
    assert client.get("/health/ready").status_code == 200


def test_an_unloaded_model_stays_out_across_restarts_and_promotions(
    publisher: Publisher, foundry: Any, open_admin: Callable[[], Admin], poll: Poll
) -> None:
    admin = open_admin()
    admin.unload()
    foundry.publish(publisher, seed=1)
    poll(admin.client)
    again = open_admin()
    assert admin.version() is again.version() is None
    latest = len(publisher.versions("iris"))
    again.load()
    assert again.version() == latest
    assert admin.version() is None
    poll(admin.client)
    assert admin.version() == latest


def test_the_other_workers_follow_at_their_next_look(open_admin: Callable[[], Admin], poll: Poll) -> None:
    one, other = open_admin(), open_admin()
    poll(other.client)
    one.unload()
    assert other.version() is not None
    poll(other.client)
    assert other.version() is None


def test_asking_twice_is_no_error(admin: Admin) -> None:
    for act in (admin.load, admin.unload, admin.unload, admin.load, admin.load):
        assert act().status_code == 200
    assert admin.version() == 1


def test_acts_are_in_the_audit_log_in_the_holders_name(publisher: Publisher, foundry: Any, admin: Admin) -> None:
    admin.unload()
    admin.load()
    foundry.publish(publisher, model=b"no model")
    assert admin.load().status_code == 503
    assert admin.load("none").status_code == 404
    assert admin.audit() == [
        ("ops", "model.unload", "iris"),
        ("ops", "model.load", "iris"),
        ("ops", "model.load", "iris"),
        ("ops", "model.load.failed", "iris"),
    ]


def test_a_version_that_must_not_be_served_is_refused_with_the_reason(
    publisher: Publisher, foundry: Any, admin: Admin, poll: Poll
) -> None:
    card = foundry.publish(publisher, seed=1)
    path = publisher.root / "iris" / str(card.version) / MODEL_FILE
    content = path.read_bytes()
    path.write_bytes(content[:100])
    poll(admin.client)
    for _ in range(2):
        answer = admin.load()
        assert answer.status_code == 503
        assert answer.json() == {"error": f"iris/2 must have {len(content)} bytes, got 100"}
    assert admin.version() == 1
    path.write_bytes(content)
    assert admin.load().status_code == 200
    assert admin.version() == 2


def test_the_index_says_what_serves_and_why_another_does_not(
    publisher: Publisher, foundry: Any, admin: Admin, poll: Poll
) -> None:
    foundry.publish(publisher, "candidate", promote=False)
    foundry.publish(publisher, "old")
    foundry.publish(publisher, "out")
    foundry.publish(publisher, "broken", model=b"no model")
    poll(admin.client)
    foundry.publish(publisher, "old", model=b"no model")
    foundry.publish(publisher, "late")
    admin.unload("out")
    poll_reason = admin.load("broken").json()["error"]
    admin.load("old")
    ready = [("iris", "1", "READY", ""), ("old", "1", "READY", "")]
    assert admin.index() == [
        ("broken", "1", "UNAVAILABLE", poll_reason),
        ("candidate", "", "UNAVAILABLE", "none of its versions was promoted"),
        ready[0],
        ("late", "1", "UNAVAILABLE", "it is being loaded"),
        ready[1],
        ("old", "2", "UNAVAILABLE", poll_reason),
        ("out", "1", "UNAVAILABLE", "unloaded"),
    ]
    assert admin.index(json={"ready": True}) == ready
    assert admin.index(json={"ready": False}) == admin.index(content=b" ")


def test_a_damaged_pointer_leaves_its_model_in_the_index(publisher: Publisher, admin: Admin) -> None:
    (publisher.root / "iris" / "current").write_text("{")
    assert admin.index() == [("iris", "1", "READY", "")]


@pytest.mark.parametrize("name", ["none", "IRIS", "..", "%2e%2e", "a%2fb", ".litet", "x" * 65])
def test_unknown_names_are_not_found_and_leave_nothing_behind(publisher: Publisher, admin: Admin, name: str) -> None:
    for act in (admin.load, admin.unload):
        assert act(name).status_code == 404
    assert not (publisher.root / ".litet" / "unloaded").exists()
    assert not admin.audit()


@pytest.mark.parametrize("body", [{}, {"parameters": {}}, {"parameters": {"unload_dependents": True, "x": 1}}])
def test_parameters_that_change_nothing_are_accepted(admin: Admin, body: dict[str, Any]) -> None:
    for act in (admin.unload, admin.load):
        assert act(json=body).status_code == 200


@pytest.mark.parametrize("name", ["config", "file:1/model.onnx"])
def test_a_load_of_other_files_is_refused(admin: Admin, name: str) -> None:
    answer = admin.load(json={"parameters": {name: "{}"}})
    assert answer.status_code == 400
    assert answer.json() == {"error": f"a load must be of what the model repository holds, got the parameter {name!r}"}
    assert not admin.audit()


@pytest.mark.parametrize("path", ["index", "models/iris/load", "models/iris/unload"])
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b'{"ready":1,"parameters":1}', 400), (b"\xff", 400), (b" " * 70_000, 413)],
)
def test_a_body_of_another_shape_is_refused(admin: Admin, path: str, body: bytes, status: int) -> None:
    answer = admin.post(path, content=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert admin.version() == 1


@pytest.mark.parametrize("blocked", ["unloaded", "audit.jsonl"])
def test_a_disk_that_fails_changes_nothing(publisher: Publisher, admin: Admin, blocked: str) -> None:
    path = publisher.root / ".litet" / blocked
    if blocked == "unloaded":
        path.write_text("no folder")
    else:
        path.mkdir()
    answer = admin.unload()
    assert answer.status_code == 507
    assert str(publisher.root) not in answer.text
    assert admin.version() == 1


def make_routes(
    publisher: Publisher, tmp_path: Path, settle: Callable[[], Any]
) -> tuple[RepositoryRoutes, Watcher, Registry]:
    registry = Registry(partial(load_version, publisher), default_model=None, max_loaded_versions=1)
    unloaded = Unloaded(tmp_path)
    watcher = Watcher(publisher, unloaded, registry, Metrics(None), interval_s=3600.0)
    return RepositoryRoutes(publisher, registry, unloaded, watcher, Audit(tmp_path), settle), watcher, registry


def test_an_answer_waits_until_the_other_workers_have_had_time_to_look(
    publisher: Publisher, foundry: Any, tmp_path: Path
) -> None:
    foundry.publish(publisher)
    served: list[list[str]] = []

    async def settle() -> None:
        served.append(list(registry.current()))

    routes, watcher, registry = make_routes(publisher, tmp_path, settle)
    app = Litestar([routes.router()], lifespan=[watcher.lifespan], logging_config=None)
    inner = app.asgi_handler

    async def named(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = {ACTOR: "ops"}
        await inner(scope, receive, send)

    app.asgi_handler = named
    with TestClient(app) as client:
        for act in ("unload", "load"):
            assert client.post(f"/v2/repository/models/iris/{act}").status_code == 200
        assert client.post("/v2/repository/index").status_code == 200
    assert served == [[], ["iris"]]


def test_one_worker_waits_for_no_other_and_several_not_for_long() -> None:
    assert settle_s(Settings(workers=1, poll_interval_s=0.5)) == 0
    assert settle_s(Settings(workers=2, poll_interval_s=0.5)) == 0.75
    assert settle_s(Settings(workers=2, poll_interval_s=3600)) == 2
