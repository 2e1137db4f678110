"""The admin routes are described, each with the key that it wants."""

from __future__ import annotations

import re
from typing import Any

import pytest

from service.admin.retrain_request import RetrainBody

OPERATIONS = {
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


@pytest.fixture
def description(admin: Any) -> dict[str, Any]:
    document: dict[str, Any] = admin.client.get("/schema/openapi.json").json()
    return document


def test_every_admin_route_is_described_with_its_key(description: dict[str, Any]) -> None:
    found = {
        (method, path): operation
        for path, methods in description["paths"].items()
        if path.startswith("/admin")
        for method, operation in methods.items()
    }
    assert found.keys() == OPERATIONS
    assert description["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for operation in found.values():
        assert operation["security"] == [{"key": []}]
        assert operation["tags"] == ["admin"]
        assert operation["description"]
        assert "401" in operation["responses"]


def test_other_routes_want_no_key(description: dict[str, Any]) -> None:
    for path, methods in description["paths"].items():
        if not path.startswith("/admin"):
            assert not [operation for operation in methods.values() if operation.get("security")]


def test_every_reference_leads_somewhere_and_every_operation_has_a_name(description: dict[str, Any]) -> None:
    references: list[str] = re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(description))
    assert set(references) <= description["components"]["schemas"].keys()
    ids = [operation["operationId"] for path in description["paths"].values() for operation in path.values()]
    assert len(set(ids)) == len(ids)


def test_admin_errors_are_described_as_problems(description: dict[str, Any]) -> None:
    for path, methods in description["paths"].items():
        if path.startswith("/admin"):
            for operation in methods.values():
                for status, response in operation["responses"].items():
                    if status >= "400":
                        assert set(response["content"]) == {"application/problem+json"}, (path, status)


def test_the_request_to_retrain_is_described_with_the_fields_that_it_takes(description: dict[str, Any]) -> None:
    body = description["paths"]["/admin/retrain"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["schema"]["properties"]) == set(RetrainBody.__struct_fields__)
    upload = description["paths"]["/admin/datasets/{name}"]["put"]["requestBody"]["content"]
    assert "text/csv" in upload
    events = description["paths"]["/admin/jobs/{job_id}/events"]["get"]["responses"]["200"]["content"]
    assert set(events) == {"text/event-stream"}
