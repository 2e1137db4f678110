"""What the service says of itself over gRPC, and how its calls are named and counted."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from open_inference.grpc.protocol import (
    ModelMetadataRequest,
    ModelReadyRequest,
    ServerLiveRequest,
    ServerMetadataRequest,
    ServerReadyRequest,
)

from contract.errors import InvalidSettings
from contract.publishing import Publisher
from service.app import create_app
from service.rpc.extra import PACKAGES, check_installed
from service.settings import Settings
from tests.service.rpc.asking import ROWS, raw_rows, typed_rows
from tests.service.rpc.conftest import PATIENCE_S, Rpc

ROOT = Path(__file__).parents[3]
SERVICE = "inference.GRPCInferenceService"
INFER = f"/{SERVICE}/ModelInfer"
Start = Callable[..., Rpc]
Status = HealthCheckResponse.ServingStatus


def wait_until(condition: Callable[[], bool]) -> None:
    """For what is counted behind an answer."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_ready(service: Rpc, model: str, version: str = "") -> bool:
    return bool(service.stub.ModelReady(ModelReadyRequest(name=model, version=version)).ready)


def health(service: Rpc) -> Any:
    return HealthStub(service.channel)


def n_requests(service: Rpc, status: int, route: str = INFER) -> float:
    text = service.http.get("/metrics").text
    found = re.search(rf'litet_requests_total{{method="GRPC",route="{route}",status="{status}"}} (\S+)', text)
    return float(found[1]) if found else 0.0


def test_a_server_is_live_and_is_ready_once_it_has_a_model(rpc: Start, publisher: Publisher, foundry: Any) -> None:
    empty = rpc()
    assert empty.stub.ServerLive(ServerLiveRequest()).live
    assert not empty.stub.ServerReady(ServerReadyRequest()).ready
    assert health(empty).Check(HealthCheckRequest()).status == Status.NOT_SERVING
    foundry.publish(publisher)
    service = rpc()
    assert service.stub.ServerReady(ServerReadyRequest()).ready
    for name in ("", SERVICE):
        assert health(service).Check(HealthCheckRequest(service=name)).status == Status.SERVING
    assert dict(health(service).List(HealthListRequest()).statuses) == {
        "": HealthCheckResponse(status="SERVING"),
        SERVICE: HealthCheckResponse(status="SERVING"),
    }


def test_a_server_that_is_told_to_stop_answers_but_is_not_ready(rpc: Start, publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher)
    service = rpc()
    watch = health(service).Watch(HealthCheckRequest(), timeout=PATIENCE_S)
    assert next(watch).status == Status.SERVING
    service.app.state.draining.started = True
    assert [response.status for response in watch] == [Status.NOT_SERVING]  # and that is its end
    assert health(service).Check(HealthCheckRequest()).status == Status.NOT_SERVING
    assert not service.stub.ServerReady(ServerReadyRequest()).ready
    assert service.stub.ServerLive(ServerLiveRequest()).live
    assert service.infer(typed_rows()).model_version == "1"


def test_who_watches_sees_a_server_become_ready(
    rpc: Start, publisher: Publisher, foundry: Any, poll: Callable[..., None]
) -> None:
    service = rpc()
    watch = health(service).Watch(HealthCheckRequest(service=SERVICE), timeout=PATIENCE_S)
    assert next(watch).status == Status.NOT_SERVING
    foundry.publish(publisher)
    poll(service.http)
    assert next(watch).status == Status.SERVING
    watch.cancel()


def test_a_service_that_there_is_not_has_no_health(shared: Rpc) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        health(shared).Check(HealthCheckRequest(service="other"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    watch = health(shared).Watch(HealthCheckRequest(service="other"), timeout=PATIENCE_S)
    assert next(watch).status == Status.SERVICE_UNKNOWN
    watch.cancel()
    call = shared.channel.unary_stream("/grpc.health.v1.Health/Watch")
    with pytest.raises(grpc.RpcError) as caught:
        list(call(b"\xff", timeout=PATIENCE_S))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_model_is_ready_where_it_answers(rpc: Start, publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, seed=1, promote=False)
    foundry.publish(publisher, model=b"not a model", promote=False)
    service = rpc()
    assert is_ready(service, "iris")
    assert is_ready(service, "iris", "2")
    assert [is_ready(service, *asked) for asked in (("iris", "3"), ("iris", "9"), ("iris", "x"), ("none",))] == [
        False
    ] * 4


def test_metadata_are_those_of_http(shared: Rpc) -> None:
    server = MessageToDict(shared.stub.ServerMetadata(ServerMetadataRequest()))
    http = shared.http.get("/v2").json()
    assert (server["name"], server["version"]) == (http["name"], http["version"])
    assert set(server["extensions"]) <= set(http["extensions"])
    for model, version in (("iris", ""), ("iris", "2"), ("penguins", "")):
        found = MessageToDict(shared.stub.ModelMetadata(ModelMetadataRequest(name=model, version=version)))
        for tensor in (*found["inputs"], *found["outputs"]):
            tensor["shape"] = list(map(int, tensor["shape"]))
        path = f"/v2/models/{model}" + (f"/versions/{version}" if version else "")
        assert found == shared.http.get(path).json()


def test_metadata_of_what_there_is_not_are_not_found(shared: Rpc) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        shared.stub.ModelMetadata(ModelMetadataRequest(name="none"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_tools_find_the_methods_by_reflection(shared: Rpc) -> None:
    database = ProtoReflectionDescriptorDatabase(shared.channel)
    assert {SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())
    file = database.FindFileContainingSymbol(SERVICE)
    assert "ModelInferRequest" in {message.name for message in file.message_type}


def test_a_call_is_named_as_its_client_names_it(shared: Rpc, caplog: pytest.LogCaptureFixture) -> None:
    _, call = shared.stub.ModelInfer.with_call(typed_rows(), metadata=[("x-request-id", "mine-1")])
    assert dict(call.trailing_metadata())["x-request-id"] == "mine-1"
    _, call = shared.stub.ModelInfer.with_call(typed_rows(), metadata=[("x-request-id", "not an id")])
    assert re.fullmatch("[0-9a-f]{32}", dict(call.trailing_metadata())["x-request-id"])
    with pytest.raises(grpc.RpcError) as caught:
        shared.infer(typed_rows(model="none"), metadata=[("x-request-id", "mine-2")])
    assert dict(caught.value.trailing_metadata())["x-request-id"] == "mine-2"


def test_calls_are_counted_with_the_status_that_http_has_for_them(
    rpc: Start, publisher: Publisher, foundry: Any
) -> None:
    foundry.publish(publisher)
    service = rpc()
    service.infer(typed_rows())
    service.infer(raw_rows())
    service.refusal(typed_rows([[1.0]]))
    service.refusal(typed_rows(model="none"))
    with pytest.raises(grpc.RpcError):
        service.channel.unary_unary(f"/{SERVICE}/RepositoryIndex")(b"")
    for status, count in ((200, 2), (400, 1), (404, 1)):
        wait_until(lambda: n_requests(service, status) == count)  # noqa: B023 # called at once
    wait_until(lambda: n_requests(service, 404, "other") == 1)
    assert f'litet_request_seconds_count{{route="{INFER}"}} 4.0' in service.http.get("/metrics").text


def test_a_call_that_is_given_up_is_no_failure_of_the_model(
    rpc: Start, publisher: Publisher, foundry: Any, monkeypatch: Any
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def wait(*_: object) -> None:
        began.set()
        assert go_on.wait(PATIENCE_S)

    foundry.publish(publisher)
    service = rpc(max_rows=100_000)
    monkeypatch.setattr("service.rpc.exchange.read_request", wait)
    call = service.stub.ModelInfer.future(raw_rows(ROWS * 20_000))  # so many are answered by a thread
    assert began.wait(PATIENCE_S)
    assert service.stub.ServerLive(ServerLiveRequest()).live
    call.cancel()
    wait_until(lambda: n_requests(service, 499) == 1)
    go_on.set()
    (stats,) = service.http.get("/v2/models/iris/stats").json()["model_stats"]
    assert stats["inference_stats"]["fail"]["count"] == 0


def test_calls_have_their_line_in_the_access_log(
    rpc: Start, publisher: Publisher, foundry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    foundry.publish(publisher)
    service = rpc(access_log=True)
    service.infer(typed_rows())
    wait_until(lambda: "request" in caplog.messages)
    (line,) = [vars(record) for record in caplog.records if record.message == "request"]
    assert (line["method"], line["path"], line["status"], line["client"]) == ("GRPC", INFER, 200, "127.0.0.1")


UNUSED = """
import json, sys
from litestar.testing import TestClient
from service.app import create_app
from service.settings import Settings

with TestClient(create_app(Settings.from_env({}, models=sys.argv[1]))) as client:
    assert client.get("/health/live").status_code == 200
    print(json.dumps(sorted(sys.modules)))
"""


def test_a_service_without_a_port_for_it_imports_nothing_of_grpc(publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher)
    command = [sys.executable, "-W", "error", "-c", UNUSED, str(publisher.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    packages = {*PACKAGES, "google.protobuf", "service.rpc.server"}
    assert not [name for name in loaded if any(f"{name}.".startswith(f"{package}.") for package in packages)]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_port_where_the_extra_is_missing_is_an_error_that_names_it(
    package: str, monkeypatch: Any, tmp_path: Path
) -> None:
    check_installed()
    monkeypatch.setattr("service.rpc.extra.find_spec", lambda name: None if name == package else object())
    with pytest.raises(InvalidSettings) as caught:
        create_app(Settings(models=tmp_path, grpc_port=0))
    assert str(caught.value) == f"LITET_GRPC_PORT needs litet[grpc] to be installed; lacks {package}"
