"""The admin routes are described, each with the key that it wants."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from contract.config import TrainingConfig
from service.admin.retrain_request import RetrainBody

ADMIN = {
    ("put", "/admin/datasets/{name}"),
    ("get", "/admin/datasets"),
    ("post", "/admin/retrain"),
    ("post", "/admin/models/{name}/retrain"),
    ("get", "/admin/jobs"),
    ("get", "/admin/jobs/{job_id}"),
    ("get", "/admin/jobs/{job_id}/events"),
    ("post", "/admin/jobs/{job_id}/cancel"),
    ("get", "/admin/models/{name}/versions"),
    ("post", "/admin/models/{name}/versions/{version}/promote"),
    ("post", "/admin/models/{name}/rollback"),
    ("get", "/admin/audit"),
}
REPOSITORY = {
    ("post", "/v2/repository/index"),
    ("post", "/v2/repository/models/{name}/load"),
    ("post", "/v2/repository/models/{name}/unload"),
}
RETRAIN = "/admin/models/{name}/retrain"


@pytest.fixture
def description(admin: Any) -> dict[str, Any]:
    document: dict[str, Any] = admin.client.get("/schema/openapi.json").json()
    return document


def secured(description: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            if operation.get("security"):
                yield (method, path), operation


def test_the_operations_that_want_a_key_are_these(description: dict[str, Any]) -> None:
    found = dict(secured(description))
    assert found.keys() == ADMIN | REPOSITORY
    assert description["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for place, operation in found.items():
        assert operation["security"] == [{"key": []}]
        assert operation["tags"] == (["admin"] if place in ADMIN else ["Open Inference Protocol v2"])
        assert operation["description"]


def test_refusals_are_described_as_they_are(admin: Any, description: dict[str, Any]) -> None:
    headers = {"401": "WWW-Authenticate", "429": "Retry-After"}
    for _place, operation in secured(description):
        for status, header in headers.items():
            assert header in operation["responses"][status]["headers"]
    answers = [admin.client.get("/admin/jobs") for _ in range(11)]
    assert {str(answer.status_code) for answer in answers} == headers.keys()
    assert all(headers[str(answer.status_code)] in answer.headers for answer in answers)


def test_every_reference_leads_somewhere_and_every_operation_has_a_name(description: dict[str, Any]) -> None:
    references: list[tuple[str, str]] = re.findall(r"'\$ref': '#/components/([a-z]+)/([^']+)'", str(description))
    assert all(name in description["components"][kind] for kind, name in references)
    ids = [operation["operationId"] for path in description["paths"].values() for operation in path.values()]
    assert len(set(ids)) == len(ids)


def test_admin_errors_are_described_as_problems(description: dict[str, Any]) -> None:
    for (_method, path), operation in secured(description):
        expected = "application/problem+json" if path.startswith("/admin") else "application/json"
        for status, response in operation["responses"].items():
            if status >= "400":
                assert set(response["content"]) == {expected}, (path, status)


def test_the_request_to_retrain_is_described_with_the_fields_that_it_takes(description: dict[str, Any]) -> None:
    body = description["paths"]["/admin/retrain"]["post"]["requestBody"]["content"]["application/json"]
    fields = body["schema"]["properties"]
    assert set(fields) == set(RetrainBody.__struct_fields__)
    assert set(fields["config"]["properties"]) == set(TrainingConfig.__struct_fields__)
    upload = description["paths"]["/admin/datasets/{name}"]["put"]["requestBody"]["content"]
    assert "text/csv" in upload
    events = description["paths"]["/admin/jobs/{job_id}/events"]["get"]["responses"]["200"]["content"]
    assert set(events) == {"text/event-stream"}


def test_the_examples_of_uploading_and_retraining_work(admin: Any, description: dict[str, Any]) -> None:
    table = description["paths"]["/admin/datasets/{name}"]["put"]["requestBody"]["content"]["text/csv"]["examples"]
    assert admin.put("/datasets/flowers", table["table"]["value"].encode()).status_code == 201
    body = description["paths"][RETRAIN]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        answer = admin.post("/models/iris/retrain", json=example["value"])
        assert answer.status_code == 202, answer.text
        admin.wait(answer.json()["id"])


def test_an_ordered_job_is_found_where_the_description_says(admin: Any, description: dict[str, Any]) -> None:
    accepted = description["paths"][RETRAIN]["post"]["responses"]["202"]
    answer = admin.retrain()
    assert re.search(accepted["headers"]["Location"]["schema"]["pattern"], answer.headers["Location"])
    linked = {link["operationId"] for link in accepted["links"].values()}
    jobs = {operation["operationId"] for (_, path), operation in secured(description) if "{job_id}" in path}
    assert linked == jobs
    assert {json.dumps(link["parameters"]) for link in accepted["links"].values()} == {
        '{"job_id": "$response.body#/id"}'
    }
    admin.wait(answer.json()["id"])
