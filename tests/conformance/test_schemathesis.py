"""Schemathesis asks for what the service's own OpenAPI document says can be asked for, and for what it says cannot.

What it checks, what not and why stands in schemathesis.toml, beside it what it has to be told (schemathesis_hooks.py).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.live import Live, live_service

HERE = Path(__file__).parent
COMMAND = (Path(sys.executable).with_name("schemathesis"), "--config-file", HERE / "schemathesis.toml", "run")
DOCUMENT = "/schema/openapi.json"
FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SEEN_TO_SUCCEED = {200, 201, 202}

Statuses = dict[str, set[int]]
"""Those with which each operation answered; "GET /models" is one."""


@pytest.fixture(scope="module")
def scratch(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A service of its own, with copies of the models: everything that can be done to it is. Its trainers have no time
    to get anywhere.
    """
    folder = tmp_path_factory.mktemp("scratch")
    copies = shutil.copytree(models, folder / "models", ignore=shutil.ignore_patterns(".litet"))
    with live_service(copies, poll_interval_s=0.02, max_job_s=0.5) as service:
        yield service


@pytest.fixture(scope="module")
def document(scratch: Live) -> dict[str, Any]:
    return httpx.get(f"{scratch.url}{DOCUMENT}").json()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


@pytest.mark.timeout(300)
def test_whatever_is_asked_is_answered_as_documented(scratch, operations, tmp_path):
    answered = run(scratch, tmp_path, f"{scratch.url}{DOCUMENT}", key=True)
    assert answered.keys() == operations.keys()
    # Else most of what there is would not have been tried. There is nothing to go back to, and no job lives so long.
    fruitless = {"POST /admin/models/{name}/rollback", "POST /admin/jobs/{job_id}/cancel"}
    assert {name for name, statuses in answered.items() if not statuses & SEEN_TO_SUCCEED} <= fruitless


@pytest.mark.timeout(300)
def test_without_a_key_nothing_is_done_that_wants_one(scratch, operations, tmp_path):
    answered = run(scratch, tmp_path, f"{scratch.url}{DOCUMENT}", "--phases", "examples,coverage")
    for name, operation in operations.items():
        if operation.get("security"):
            assert answered[name] <= {401, 429}, name
        else:
            assert answered[name] & SEEN_TO_SUCCEED, name


@pytest.mark.timeout(300)
def test_whatever_fits_iris_is_answered(scratch, document, tmp_path):
    narrow = tmp_path / "iris.json"
    narrow.write_text(json.dumps(of_iris(document)))
    options = ("--url", scratch.url, "--mode", "positive", "--checks", "positive_data_acceptance")
    answered = run(scratch, tmp_path, narrow, *options)
    assert len(answered) == 8
    assert all(statuses == {200} for statuses in answered.values()), answered


def of_iris(document: dict[str, Any]) -> dict[str, Any]:
    """What the document would say of predictions if there were no other model than iris/1: rows of four numbers."""
    # Far from float32's limits, where answers are not finite, and from FP16's.
    cell = {"type": ["number", "null"], "minimum": -1000, "maximum": 1000}
    row = {"type": "array", "minItems": 4, "maxItems": 4, "items": cell}
    by_name = {
        "type": "object",
        "required": list(FEATURES),
        "properties": dict.fromkeys(FEATURES, cell),
        "additionalProperties": False,
    }
    rows = {"anyOf": [{"type": "array", "minItems": 1, "items": one} for one in (row, by_name)]}
    column = {"type": "array", "minItems": 2, "maxItems": 2, "items": cell}
    columns = {**by_name, "properties": dict.fromkeys(FEATURES, column)}
    data = {"type": "array", "minItems": 1, "items": row}
    split = {"columns": {"const": list(FEATURES)}, "data": data}
    # One by one, for 1.0 is an integer to JSON Schema, and none to the service.
    whole = {"enum": [None, 0, 1, 100]}

    def tensor(datatypes: list[str], element: dict[str, Any]) -> dict[str, Any]:
        flat = {"type": "array", "minItems": 8, "maxItems": 8, "items": element}
        nested = {"type": "array", "minItems": 2, "maxItems": 2, "items": {**row, "items": element}}
        return exactly(
            name={"const": "x_num"},
            shape={"const": [2, 4]},
            datatype={"enum": datatypes},
            data={"anyOf": [flat, nested]},
        )

    integers = [f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)]
    kinds = [tensor(["FP16", "FP32", "FP64"], cell), tensor(integers, whole), tensor(["BOOL"], {"type": "boolean"})]
    inputs = {"type": "array", "minItems": 1, "maxItems": 1, "items": {"anyOf": kinds}}
    schemas = document["components"]["schemas"] | {
        "PredictionRequest": {"anyOf": [exactly(instances=rows), exactly(columns=columns), exactly(**split)]},
        "InvocationRequest": {
            "anyOf": [
                exactly(dataframe_split=exactly(**split)),
                exactly(dataframe_records={"type": "array", "minItems": 1, "items": by_name}),
                exactly(instances=rows),
                exactly(inputs={"anyOf": [rows, columns]}),
            ]
        },
        "V1PredictRequest": exactly(instances=rows),
        "InferRequest": exactly(inputs=inputs),
    }
    outputs = ["label", "class_index", "probabilities", "logits"]
    of_parameter = {
        "name": {"const": "iris"},
        "version": {"const": 1},
        "outputs": {"type": "array", "minItems": 1, "items": {"enum": outputs}},
    }
    paths = {}
    for path, methods in document["paths"].items():
        if path.endswith(("predict", "infer", "invocations")):
            body = methods["post"]["requestBody"]["content"]["application/json"]
            content = {"application/json": {"schema": body["schema"]}}
            # iris has no rule for decisions, and per_class alone means nothing.
            parameters = [
                {**one, "schema": of_parameter.get(one.get("name"), one.get("schema"))} if "name" in one else one
                for one in methods["post"]["parameters"]
                if one.get("name") != "per_class"
            ]
            post = {**methods["post"], "parameters": parameters, "requestBody": {"required": True, "content": content}}
            paths[path] = {"post": post}
    return {**document, "paths": paths, "components": {**document["components"], "schemas": schemas}}


def exactly(**properties: Any) -> dict[str, Any]:
    """An object that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def run(live: Live, folder: Path, document: str | Path, *options: str, key: bool = False) -> Statuses:
    """The statuses that each operation was answered with. There must be nothing to complain about."""
    report = folder / "report.ndjson"
    header = ("--header", f"Authorization: {live.admin['Authorization']}") if key else ()
    command = [*COMMAND, document, *header, *options, "--report-ndjson-path", report]
    environ = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    finished = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environ, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return _statuses(report)


def _statuses(report: Path) -> Statuses:
    statuses: Statuses = defaultdict(set)
    for line in report.read_text().splitlines():
        if finished := json.loads(line).get("ScenarioFinished"):
            operation = finished["recorder"]["label"]
            for one in finished["recorder"].get("interactions", {}).values():
                # Some are of another method, to see it refused.
                if operation.startswith(f"{one['request']['method']} "):
                    statuses[operation].add(one["response"]["status_code"])
    return dict(statuses)
