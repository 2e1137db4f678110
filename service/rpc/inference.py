"""The methods of `inference.GRPCInferenceService`: messages in bytes → messages in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from open_inference.grpc.protocol import (
    DESCRIPTOR,
    ModelInferRequest,
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelReadyResponse,
    ServerLiveResponse,
    ServerMetadataResponse,
    ServerReadyResponse,
)

from contract.errors import NotFound
from contract.repository import Repository
from service.errors import MalformedBody, NotReady
from service.health import Readiness
from service.lookup import Lookup
from service.predict import Predict
from service.rpc.calls import Handler
from service.rpc.exchange import InferExchange
from service.rpc.wire_fields import check_fields
from service.v2.exchange import INLINE_BYTES
from service.v2.metadata import ServerMetadata, TensorMetadata, read_metadata

SERVICE: str = DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
EXTENSIONS = ("classification",)
"""Those of the server's extensions that are to be had here; the others are HTTP's."""

M = TypeVar("M", bound=Message)


class Inference:
    """The service. It answers what the routes below `/v2` answer."""

    def __init__(
        self, predict: Predict, lookup: Lookup, readiness: Readiness, repository: Repository, server: ServerMetadata
    ) -> None:
        self._predict = predict
        self._lookup = lookup
        self._readiness = readiness
        self._repository = repository
        self._server = server

    def methods(self) -> Mapping[str, Handler]:
        """The methods by name."""
        return {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer,
        }

    async def _server_live(self, _body: bytes) -> bytes:
        """That the server answers at all."""
        return _encode(ServerLiveResponse(live=True))

    async def _server_ready(self, _body: bytes) -> bytes:
        """Whether to send requests here."""
        return _encode(ServerReadyResponse(ready=self._readiness.is_ready()))

    async def _model_ready(self, body: bytes) -> bytes:
        """Whether a version of a model answers. That there is no such model is no error here, but an answer."""
        asked = parse(ModelReadyRequest, body)
        try:
            await self._lookup.get_ready(asked.name, asked.version or None)
        except (NotFound, NotReady):
            return _encode(ModelReadyResponse(ready=False))
        return _encode(ModelReadyResponse(ready=True))

    async def _server_metadata(self, _body: bytes) -> bytes:
        """What the server is."""
        return _encode(
            ServerMetadataResponse(name=self._server.name, version=self._server.version, extensions=EXTENSIONS)
        )

    async def _model_metadata(self, body: bytes) -> bytes:
        """A model's versions, and the inputs and outputs of one of them."""
        asked = parse(ModelMetadataRequest, body)
        found = await read_metadata(self._repository, await self._lookup.get(asked.name, asked.version or None))
        return _encode(
            ModelMetadataResponse(
                name=found.name,
                versions=found.versions,
                platform=found.platform,
                inputs=map(_tensor, found.inputs),
                outputs=map(_tensor, found.outputs),
            )
        )

    async def _model_infer(self, body: bytes) -> bytes:
        """The answer to tensors."""
        work = partial(_parse_request, body)
        request = work() if len(body) <= INLINE_BYTES else await self._predict.in_turn(work)
        version: str | None = request.model_version or None
        predictor = await self._lookup.get_published(request.model_name, version)
        exchange = InferExchange(request)
        answer = self._predict.answer_version if version else self._predict.answer
        answered = await answer(exchange, predictor, body, inline_bytes=exchange.inline_bytes)
        return answered.written.content


def _parse_request(body: bytes) -> ModelInferRequest:
    check_fields(body)
    return parse(ModelInferRequest, body)


def parse(kind: type[M], body: bytes) -> M:
    """The message of a kind in a body.

    Raises:
        MalformedBody: there is none.
    """
    try:
        message: M = kind.FromString(body)
    except DecodeError:
        raise MalformedBody(f"a message must be a {kind.DESCRIPTOR.name}, got other bytes") from None
    return message


def _encode(message: Message) -> bytes:
    content: bytes = message.SerializeToString()
    return content


def _tensor(tensor: TensorMetadata) -> ModelMetadataResponse.TensorMetadata:
    return ModelMetadataResponse.TensorMetadata(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
