"""The API is described for machines and people, without any other host."""

from __future__ import annotations

import gzip
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


def operations(description: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }


def test_the_description_is_openapi_3_1_of_every_route(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    assert description["info"]["title"] == "litet"
    model, version = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
    assert operations(description).keys() == {
        "GET /",
        "POST /predict",
        "POST /models/{name}/predict",
        "POST /models/{name}/versions/{version}/predict",
        "GET /models",
        "GET /models/{name}",
        "POST /invocations",
        "GET /ping",
        "GET /health/live",
        "GET /health/ready",
        "GET /metrics",
        "GET /v1/models",
        "GET /v1/models/{name}",
        "POST /v1/models/{name}:predict",
        "POST /v1/models/{name}/versions/{version}:predict",
        "GET /v2",
        "GET /v2/health/live",
        "GET /v2/health/ready",
        "GET /v2/models",
        "GET /v2/models/stats",
        *(f"GET {path}{what}" for path in (model, version) for what in ("", "/config", "/ready", "/stats")),
        *(f"POST {path}/infer" for path in (model, version)),
    }


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    references: list[tuple[str, str]] = re.findall(r"'\$ref': '#/components/([a-z]+)/([^']+)'", str(description))
    assert {kind for kind, _name in references} == {"headers", "parameters", "schemas"}
    assert all(name in description["components"][kind] for kind, name in references)


def test_every_operation_is_described_and_named_once(description: dict[str, Any]) -> None:
    found = operations(description).values()
    assert all(operation["description"] and operation["responses"] for operation in found)
    assert len({operation["operationId"] for operation in found}) == len(found)


def test_operations_are_grouped_by_what_they_speak(description: dict[str, Any]) -> None:
    groups = {tag["name"] for tag in description["tags"]}
    tags = {name: tag for name, operation in operations(description).items() for (tag,) in [operation["tags"]]}
    assert set(tags.values()) == groups
    assert tags["POST /predict"] == tags["GET /models"] == "litet"
    assert tags["POST /invocations"] == tags["GET /ping"] == "MLflow"
    assert tags["POST /v1/models/{name}:predict"] == tags["GET /"] == "Open Inference Protocol v1"
    assert tags["POST /v2/models/{name}/infer"] == tags["GET /v2"] == "Open Inference Protocol v2"
    assert tags["GET /metrics"] == tags["GET /health/ready"] == "health"


def test_errors_are_described_in_the_terms_of_whoever_asks(description: dict[str, Any]) -> None:
    for name, operation in operations(description).items():
        is_protocol = name.split("/")[1] in {"v1", "v2"}
        media_type, schema = ("application/json", "Error") if is_protocol else ("application/problem+json", "Problem")
        for status, response in operation["responses"].items():
            if status >= "400":
                assert response["content"] == {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def test_every_request_and_answer_can_be_named(description: dict[str, Any], service: Service) -> None:
    for operation in operations(description).values():
        assert {"$ref": "#/components/parameters/RequestId"} in operation["parameters"]
        assert all("X-Request-ID" in response["headers"] for response in operation["responses"].values())
    given = description["components"]["parameters"]["RequestId"]["name"]
    pattern = description["components"]["headers"]["RequestId"]["schema"]["pattern"]
    for name in ("mine-1", "not mine"):
        answered = service.get("/health/live", headers={given: name}).headers["X-Request-ID"]
        assert re.search(pattern, answered)
        assert (answered == name) == bool(re.search(pattern, name))


def test_parameters_of_paths_are_those_that_there_can_be(description: dict[str, Any]) -> None:
    for operation in operations(description).values():
        found = {one["name"]: one for one in operation["parameters"] if one.get("in") == "path"}
        if "name" in found:
            pattern = found["name"]["schema"]["pattern"]
            assert [name for name in ("iris", "a_b-1", "Iris", "-a", "a" * 65) if re.search(pattern, name)] == [
                "iris",
                "a_b-1",
            ]
        if "version" in found:
            assert found["version"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}


def test_no_choice_excludes_what_fits_two_of_its_members(description: dict[str, Any]) -> None:
    assert "'oneOf'" not in str(description)


@pytest.mark.parametrize("path", ["/predict", "/models/{name}/predict", "/invocations"])
def test_answers_are_described_in_each_format(description: dict[str, Any], path: str) -> None:
    operation = description["paths"][path]["post"]
    content = operation["responses"]["200"]["content"]
    assert set(content) == set(FORMATS)
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/Predictions"}
    assert {"406", "413", "415", "422"} <= operation["responses"].keys()
    assert {"outputs", "partial", "Content-Encoding"} <= {one.get("name") for one in operation["parameters"]}


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
