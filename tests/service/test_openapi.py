"""The API is described for machines and people, without any other host."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from service.formats.exchange import FORMATS
from service.openapi import FOLDER

Service = TestClient[Litestar]


@pytest.fixture
def description(service: Service) -> dict[str, Any]:
    document: dict[str, Any] = service.get("/schema/openapi.json").json()
    return document


def test_the_description_is_openapi_3_1_of_every_route(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    assert description["info"]["title"] == "litet"
    assert set(description["paths"]) == {
        "/predict",
        "/models/{name}/predict",
        "/models/{name}/versions/{version}/predict",
        "/models",
        "/models/{name}",
        "/invocations",
        "/ping",
        "/health/live",
        "/health/ready",
        "/metrics",
    }


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    references: list[str] = re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(description))
    assert references
    assert set(references) <= description["components"]["schemas"].keys()


def test_every_operation_is_described_and_named_once(description: dict[str, Any]) -> None:
    operations = [operation for path in description["paths"].values() for operation in path.values()]
    assert all(operation["description"] and operation["responses"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_errors_are_described_as_problems(description: dict[str, Any]) -> None:
    for path in description["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status != "200":
                    assert set(response["content"]) == {"application/problem+json"}


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
def test_predictions_are_described_with_examples_that_work(
    service: Service, description: dict[str, Any], path: str
) -> None:
    operation = description["paths"][path]["post"]
    assert operation["requestBody"]["required"] is True
    n_examples = 0
    for content_type, body in operation["requestBody"]["content"].items():
        for example in body.get("examples", {}).values():
            value = example["value"]
            content = value if isinstance(value, str) else json.dumps(value)
            answer = service.post(path, content=content, headers={"content-type": content_type})
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["predictions"]) == 2
            n_examples += 1
    assert n_examples >= 5


@pytest.mark.parametrize("path", ["/predict", "/models/{name}/predict", "/invocations"])
def test_answers_are_described_in_each_format(description: dict[str, Any], path: str) -> None:
    operation = description["paths"][path]["post"]
    content = operation["responses"]["200"]["content"]
    assert set(content) == set(FORMATS)
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/Predictions"}
    assert {"406", "413", "415", "422"} <= operation["responses"].keys()
    assert {"outputs", "partial"} <= {parameter["name"] for parameter in operation["parameters"]}


@pytest.mark.parametrize("path", ["/schema", "/schema/"])
def test_the_page_refers_to_nothing_elsewhere(service: Service, path: str) -> None:
    answer = service.get(path)
    assert answer.headers["content-type"].startswith("text/html")
    assert "http:" not in answer.text
    assert "https:" not in answer.text
    assert not re.search(r"""(?:src|href|url)\s*[=:]\s*["']//""", answer.text)
    assert "validatorUrl: null" in answer.text  # or a badge would be fetched
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    for local in re.findall(r'(?:src|href|url)(?:=|: )"(/[^"]+)"', answer.text):
        assert service.get(local).status_code == 200, local


@pytest.mark.parametrize(
    ("name", "media_type"), [("swagger-ui-bundle.js", "text/javascript"), ("swagger-ui.css", "text/css")]
)
def test_the_pages_files_are_sent_compressed_as_they_lie(service: Service, name: str, media_type: str) -> None:
    with service.stream("GET", f"/schema/{name}") as answer:
        sent = b"".join(answer.iter_raw())
    assert answer.headers["content-type"].startswith(media_type)
    assert answer.headers["content-encoding"] == "gzip"
    assert "max-age" in answer.headers["cache-control"]
    assert sent == (FOLDER / f"{name}.gz").read_bytes()
    assert len(gzip.decompress(sent)) > len(sent)


@pytest.mark.parametrize(
    "path",
    ["/schema/README.md", "/schema/LICENSE", "/schema/..%2fopenapi.py", "/schema/swagger-ui.css.gz", "/schema/x.json"],
)
def test_no_other_file_is_served(service: Service, path: str) -> None:
    answer: httpx.Response = service.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
