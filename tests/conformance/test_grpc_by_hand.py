"""What tools ask of any gRPC server, in bytes: their packages need another protobuf than the clients here."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from tests.conformance.live import PATIENCE_S, Live

SERVICE = b"inference.GRPCInferenceService"
SERVING = b"\x08\x01"


@pytest.fixture
def channel(live: Live) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(live.grpc_address) as channel:
        yield channel


def text(field: int, content: bytes) -> bytes:
    """A message of one field of text, as protobuf encodes it."""
    return bytes([field << 3 | 2, len(content)]) + content


@pytest.mark.parametrize("request_", [b"", text(1, SERVICE)], ids=["server", "service"])
def test_health_is_told_as_kubernetes_asks_for_it(channel, request_):
    assert channel.unary_unary("/grpc.health.v1.Health/Check")(request_, timeout=PATIENCE_S) == SERVING


def test_the_health_of_an_unknown_service_is_not_found(channel):
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/grpc.health.v1.Health/Check")(text(1, b"no.Such"), timeout=PATIENCE_S)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_reflection_lists_the_services(channel):
    ask = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    listed = next(iter(ask(iter([text(7, b"")]), timeout=PATIENCE_S)))
    assert text(1, SERVICE) in listed
    assert text(1, b"grpc.health.v1.Health") in listed


def test_reflection_describes_the_service(channel):
    ask = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    described = next(iter(ask(iter([text(4, SERVICE)]), timeout=PATIENCE_S)))
    assert b"ModelInfer" in described


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\xff\x01x", b"\x00" * 100])
def test_what_is_no_message_is_refused_and_the_service_lives(channel, body):
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(body, timeout=PATIENCE_S)
    assert refused.value.code() in {grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT}
    live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=PATIENCE_S)
    assert live == b"\x08\x01"
