"""A service with a gRPC port, and clients of it made of the same stubs that other people's are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from open_inference.grpc.protocol import ModelInferRequest, ModelInferResponse
from open_inference.grpc.service import GRPCInferenceServiceStub

from contract.publishing import Publisher
from service.app import create_app
from service.settings import Settings

PATIENCE_S = 30


class Rpc:
    """An app behind both protocols in this process. `http` asks it over HTTP, `stub` over gRPC."""

    def __init__(self, http: TestClient[Litestar], channel: grpc.Channel) -> None:
        self.http = http
        self.channel = channel
        self.stub: Any = GRPCInferenceServiceStub(channel)

    @property
    def app(self) -> Litestar:
        return self.http.app

    def infer(self, request: ModelInferRequest, **options: Any) -> ModelInferResponse:
        answer: ModelInferResponse = self.stub.ModelInfer(request, timeout=PATIENCE_S, **options)
        return answer

    def refusal(self, request: ModelInferRequest) -> tuple[grpc.StatusCode, str]:
        """The code and the text of a request's error."""
        with pytest.raises(grpc.RpcError) as caught:
            self.infer(request)
        return caught.value.code(), caught.value.details()


@pytest.fixture
def rpc(publisher: Publisher) -> Iterator[Callable[..., Rpc]]:
    """Starts an app on the publisher's folder."""
    yield from _started(publisher)


def _started(publisher: Publisher) -> Iterator[Callable[..., Rpc]]:
    running: list[Rpc] = []

    def start(**overrides: Any) -> Rpc:
        options = {"poll_interval_s": 3600.0, "grpc_port": 0, "shutdown_timeout_s": 5, **overrides}
        http = TestClient(create_app(Settings.from_env({}, models=publisher.root, **options)))
        http.__enter__()
        rpc = Rpc(http, grpc.insecure_channel(http.app.state.rpc.address))
        running.append(rpc)
        return rpc

    yield start
    for rpc in running:
        rpc.channel.close()
        rpc.http.__exit__(None, None, None)


@pytest.fixture(scope="session")
def shared(foundry: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rpc]:
    """One app for all tests that change nothing: iris, with a second version that is not current; and penguins."""
    publisher = Publisher(tmp_path_factory.mktemp("rpc") / "models")
    foundry.publish(publisher, "iris")
    foundry.publish(publisher, "iris", seed=1, promote=False)
    foundry.publish(publisher, "penguins", foundry.mixed())
    starter = _started(publisher)
    yield next(starter)(default_model="iris", max_rows=20_000)
    next(starter, None)
