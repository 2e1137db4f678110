"""What the server is, which models it has, and what their tensors are."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from contract.model_file import CLASS_INDEX, LOGITS, PROBABILITIES, X_CAT, X_NUM
from contract.repository import Repository
from contract.schema import Schema
from service.lookup import Lookup
from service.predictor import Predictor
from service.problems import protocol_responses
from service.registry import Registry
from service.v2.datatypes import BYTES, FP32, INT64

NAME = "litet"
PLATFORM = "onnxruntime_onnx"
"""What Triton calls models of this kind."""
EXTENSIONS = ("classification", "model_configuration", "statistics", "binary_tensor_data")
ADMIN_EXTENSIONS = ("model_repository", "model_repository(unload_dependents)")
ANY = -1
"""A dimension of any size."""


class ServerMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The server and what it can do beyond the protocol's core."""

    name: str
    version: str
    extensions: tuple[str, ...]


class ModelNames(msgspec.Struct, frozen=True, kw_only=True):
    """The models that are loaded, by name."""

    models: list[str]


class TensorMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor; -1 is a dimension of any size: the rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class ModelMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """A model: its published versions, and the tensors of the one that was asked for."""

    name: str
    versions: list[str]
    platform: str = PLATFORM
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


def metadata_routes(
    registry: Registry, repository: Repository, lookup: Lookup, server: ServerMetadata
) -> list[HTTPRouteHandler]:
    """The handlers."""

    @get("/v2", sync_to_thread=False, summary="Server metadata")
    def show_server() -> ServerMetadata:
        """The server's name, its version, and the extensions of the protocol that it has."""
        return server

    @get("/v2/models", sync_to_thread=False, summary="Models")
    def list_models() -> ModelNames:
        """The models that are loaded."""
        return ModelNames(models=sorted(registry.current()))

    @get("/v2/models/{name:str}", summary="Model metadata", responses=protocol_responses(404))
    async def show_model(name: FromPath[str]) -> ModelMetadata:
        """A model's versions, and the inputs and outputs of its current one.

        Of a model called `stats` ask for a version: at this path is what `/v2/models/stats` says of all models.
        """
        return await read_metadata(repository, await lookup.get(name))

    @get(
        "/v2/models/{name:str}/versions/{version:str}",
        summary="Version metadata",
        responses=protocol_responses(404, 503),
    )
    async def show_version(name: FromPath[str], version: FromPath[str]) -> ModelMetadata:
        """A model's versions, and the inputs and outputs of one of them."""
        return await read_metadata(repository, await lookup.get(name, version))

    return [show_server, list_models, show_model, show_version]


def server_metadata(version: str, *, has_admin: bool) -> ServerMetadata:
    """This server's."""
    extensions = EXTENSIONS + ADMIN_EXTENSIONS if has_admin else EXTENSIONS
    return ServerMetadata(name=NAME, version=version, extensions=extensions)


def input_tensors(schema: Schema) -> list[TensorMetadata]:
    """The model file's inputs. In their place each feature is taken as an input of its own (`service.v2.inputs`)."""
    tensors = ((X_NUM, FP32, len(schema.numeric)), (X_CAT, BYTES, len(schema.categorical)))
    return [TensorMetadata(name=name, datatype=datatype, shape=(ANY, n)) for name, datatype, n in tensors if n]


def output_tensors(schema: Schema) -> list[TensorMetadata]:
    """The model file's outputs."""
    n_classes = len(schema.labels)
    return [
        TensorMetadata(name=LOGITS, datatype=FP32, shape=(ANY, n_classes)),
        TensorMetadata(name=PROBABILITIES, datatype=FP32, shape=(ANY, n_classes)),
        TensorMetadata(name=CLASS_INDEX, datatype=INT64, shape=(ANY,)),
    ]


def model_metadata(predictor: Predictor, versions: list[int]) -> ModelMetadata:
    """A version, and the others of its model."""
    return ModelMetadata(
        name=predictor.name,
        versions=[str(version) for version in sorted({*versions, predictor.version})],
        inputs=input_tensors(predictor.schema),
        outputs=output_tensors(predictor.schema),
    )


async def read_metadata(repository: Repository, predictor: Predictor) -> ModelMetadata:
    """A version, and the others that are published of its model now."""
    versions: list[int] = []
    with contextlib.suppress(OSError):  # what is loaded can be described without the disk
        versions = await asyncio.to_thread(repository.versions, predictor.name)
    return model_metadata(predictor, versions)
