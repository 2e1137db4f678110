"""The examples of the API's description are true of the model that comes with litet."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from service.admin.keys import make_key
from service.app import create_app
from service.settings import Settings

MODELS = Path(__file__).parents[2] / "models"
KEY, LINE = make_key("reader")
PLACES = {"name": "iris", "version": "1"}
STATISTICS = "/stats"
SCORE = re.compile(r"[0-9.e-]+:")
"""How the text of a class begins."""


class Asked(NamedTuple):
    """What a request example says to send."""

    method: str
    path: str
    headers: dict[str, str]
    content: str


class Described:
    """The description of a service, and the service."""

    def __init__(self, client: TestClient[Litestar]) -> None:
        self._client = client
        self._paths: dict[str, Any] = client.get("/schema/openapi.json").json()["paths"]

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, methods in sorted(self._paths.items(), reverse=True):  # unload first, then load
            for method, operation in methods.items():
                if not path.startswith("/admin"):
                    yield method.upper(), path, operation

    def requests(self) -> Iterator[tuple[str, Asked, dict[str, Any]]]:
        """Each request example by name, and its operation."""
        for method, path, operation in self.operations():
            for content_type, body in operation.get("requestBody", {}).get("content", {}).items():
                for name, example in body.get("examples", {}).items():
                    headers = {"Content-Type": content_type, **_header_examples(operation, name)}
                    value = example["value"]
                    content = value if isinstance(value, str) else json.dumps(value)
                    yield name, Asked(method, path.format(**PLACES), headers, content), operation

    def ask(self, asked: Asked) -> httpx.Response:
        return self._client.request(
            asked.method,
            asked.path,
            content=asked.content,
            headers={**asked.headers, "Authorization": f"Bearer {KEY}"},
        )


def _header_examples(operation: dict[str, Any], name: str) -> dict[str, str]:
    """The headers that go with a body example: the examples that have its name."""
    return {
        parameter["name"]: str(parameter["examples"][name]["value"])
        for parameter in operation["parameters"]
        if parameter.get("in") == "header" and name in parameter.get("examples", {})
    }


def _answer_examples(operation: dict[str, Any]) -> dict[str, Any]:
    content = operation["responses"]["200"].get("content", {}).get("application/json", {})
    return {name: example["value"] for name, example in content.get("examples", {}).items()}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    state = tmp_path_factory.mktemp("state")
    settings = Settings.from_env({}, models=MODELS, state=state, admin_keys=LINE, poll_interval_s=3600.0)
    with TestClient(create_app(settings)) as client:
        yield Described(client)


def test_every_request_example_is_answered_as_the_answer_example_says(described: Described) -> None:
    n_compared = 0
    for name, asked, operation in described.requests():
        answer = described.ask(asked)
        assert answer.status_code == 200, (asked, answer.text)
        examples = _answer_examples(operation)
        if answer.headers["content-type"] == "application/json":
            # The one of the same name; or the first, for all. The others are tested where what they need is made.
            expected = examples[name] if name in examples else next(iter(examples.values()))
            assert is_close(expected, answer.json()), (asked, answer.text)
            n_compared += 1
    assert n_compared >= 25


def test_every_answer_example_is_what_is_answered(described: Described) -> None:
    told = set()
    for method, path, operation in described.operations():
        examples = _answer_examples(operation)
        if "iris" not in examples:
            continue
        answer = described.ask(Asked(method, path.format(**PLACES), {}, ""))
        expected = examples["iris"]
        if path.endswith(STATISTICS):  # which differ with every request: the same members, whatever they count
            assert shape(answer.json()) == shape(expected)
        else:
            assert is_close(expected, answer.json()), (path, answer.text)
        told.add(f"{method} {path}")
    # Text for Prometheus; and what is as long as the model, or another with every version of litet.
    lacking = {"GET /metrics", "GET /models/{name}", "GET /v2", "GET /"}
    assert {f"GET {path}" for method, path, _ in described.operations() if method == "GET"} - told == lacking


def test_bytes_are_answered_where_the_example_asks_for_them(described: Described) -> None:
    asked = [asked for name, asked, _ in described.requests() if name == "bytes_wanted"]
    for one in asked:
        answer = described.ask(one)
        assert answer.headers["content-type"] == "application/octet-stream"
        n_json = int(answer.headers["Inference-Header-Content-Length"])
        outputs = json.loads(answer.content[:n_json])["outputs"]
        assert n_json + sum(one["parameters"]["binary_data_size"] for one in outputs) == len(answer.content)
    assert len(asked) == 2


def is_close(one: Any, other: Any) -> bool:
    """Whether they are the same but for the last digits of numbers, which differ between processors."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_close, one, other))
    if isinstance(one, str) and SCORE.match(one):
        (score, name), (other_score, other_name) = (text.split(":", 1) for text in (one, other))
        return name == other_name and is_close(float(score), float(other_score))
    return math.isclose(one, other, rel_tol=1e-4) if isinstance(one, float) else bool(one == other)


def shape(value: Any) -> Any:
    """What is left without the values."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else type(value).__name__
