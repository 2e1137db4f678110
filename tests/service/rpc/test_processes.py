"""gRPC of real processes: several workers on one port, one that dies, a stop that loses no call."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from open_inference.grpc.protocol import ModelInferResponse
from open_inference.grpc.service import GRPCInferenceServiceStub

from contract.publishing import Publisher
from tests.service.rpc.asking import typed_rows
from tests.service.test_server import PATIENCE_S, Server, is_running, running

OF_ITS_OWN = [("grpc.use_local_subchannel_pool", 1)]
"""Else channels to one address share a connection, and so a worker."""
INFER = "/inference.GRPCInferenceService/ModelInfer"
Status = HealthCheckResponse.ServingStatus


@contextlib.contextmanager
def connected(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.wait_for("listening")["grpc"], options=OF_ITS_OWN) as channel:
        yield channel


def infer(channel: grpc.Channel) -> str:
    """The version that answers."""
    answer = GRPCInferenceServiceStub(channel).ModelInfer(typed_rows(), timeout=PATIENCE_S, wait_for_ready=True)
    return str(answer.model_version)


class Callers:
    """Calls on connections of their own, and the workers that answered them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._n_calls = 0

    def answered_by(self) -> int:
        with connected(self._server) as channel:
            assert infer(channel) == "1"
        self._n_calls += 1
        while True:
            pids = [line["pid"] for line in self._server.lines if line.get("method") == "GRPC"]
            if len(pids) >= self._n_calls:
                return int(pids[self._n_calls - 1])
            self._server.wait_for("request", len([x for x in self._server.lines if x["message"] == "request"]) + 1)


def test_workers_share_the_port_and_come_back(publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher)
    with running(publisher, workers=2, grpc_port=0) as server:
        server.wait_for("listening for gRPC", 2)
        first, second = server.worker_pids(2)
        callers = Callers(server)
        for pid in (first, second):
            server.wait_until(lambda: callers.answered_by() == pid)  # noqa: B023 # called at once

        os.kill(first, signal.SIGKILL)
        server.wait_until(lambda: not is_running(first))
        assert callers.answered_by() != first
        server.wait_for("listening for gRPC", 3)
        replacement = server.worker_pids(3)[2]
        server.wait_until(lambda: callers.answered_by() == replacement)
        server.wait_until(lambda: callers.answered_by() == second)
        metrics = httpx.get(f"{server.url}/metrics").text
        assert f'litet_requests_total{{method="GRPC",route="{INFER}",status="200"}}' in metrics

        server.process.send_signal(signal.SIGTERM)
        assert server.exit_code() == 0
        assert not [line for line in server.lines if line["level"] == "error"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_finishes_the_calls_under_way_and_is_announced(publisher: Publisher, foundry: Any, workers: int) -> None:
    foundry.publish(publisher)
    with running(publisher, workers=workers, grpc_port=0, drain_delay_s=1.5) as server:
        server.wait_for("listening for gRPC", workers)
        with connected(server) as channel:
            assert infer(channel) == "1"
            watch = HealthStub(channel).Watch(HealthCheckRequest(), timeout=PATIENCE_S)
            assert next(watch).status == Status.SERVING
            messages: queue.Queue[bytes | None] = queue.Queue()
            call = channel.stream_unary(INFER, response_deserializer=ModelInferResponse.FromString)
            under_way = call.future(iter(messages.get, None), timeout=PATIENCE_S)

            server.process.send_signal(signal.SIGTERM)
            assert [response.status for response in watch] == [Status.NOT_SERVING]
            assert infer(channel) == "1"  # not ready, yet serving
            server.wait_for("Waiting for application shutdown.", workers)
            messages.put(typed_rows().SerializeToString())
            messages.put(None)
            assert under_way.result(PATIENCE_S).model_version == "1"
        assert server.exit_code() == 0
        assert not [line for line in server.lines if line["level"] == "error"]


HIDDEN = "import sys; sys.modules['grpc'] = None; from litet.__main__ import main; sys.argv[0] = 'litet'; main()"


@pytest.mark.parametrize("port", ["taken", "impossible", "hidden"])
def test_a_port_that_cannot_be_served_is_an_error_in_one_line(tmp_path: Path, port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        asked = {"taken": number, "impossible": "grpc", "hidden": "0"}[port]
        expected = {
            "taken": f"LITET_HOST and LITET_GRPC_PORT must be free to listen on, got 127.0.0.1:{number}: ",
            "impossible": "LITET_GRPC_PORT must be a whole number from 0 to 65535, got 'grpc'",
            "hidden": "LITET_GRPC_PORT needs litet[grpc] to be installed; lacks grpc",
        }[port]
        command = ["-c", HIDDEN] if port == "hidden" else ["-m", "litet"]
        done = subprocess.run(
            [sys.executable, *command, "serve", "--models", str(tmp_path), "--port", "0", "--grpc-port", asked],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("LITET_")},
        )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert expected in line
