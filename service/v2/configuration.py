"""A model's configuration in the words of Triton's `ModelConfig`, which its tools read to drive a model."""

from __future__ import annotations

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from service.lookup import Lookup
from service.predictor import Predictor
from service.problems import protocol_responses
from service.v2.datatypes import BYTES
from service.v2.metadata import PLATFORM, TensorMetadata, input_tensors, output_tensors

BACKEND = "onnxruntime"
MAX_INT32 = 2**31 - 1


class Every(msgspec.Struct, frozen=True):
    """Nothing more to say."""


class VersionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Which versions can be asked for: all that are published."""

    all: Every = Every()


class InputConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An input; `dims` are those of one row."""

    name: str
    data_type: str
    dims: tuple[int, ...]


class Reshape(msgspec.Struct, frozen=True, kw_only=True):
    """The dimensions of one row as the model has them, where `dims`, which cannot be empty, are others."""

    shape: tuple[int, ...]


class OutputConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An output; `dims` are those of one row."""

    name: str
    data_type: str
    dims: tuple[int, ...]
    reshape: Reshape | msgspec.UnsetType = msgspec.UNSET


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A value in text; here always JSON."""

    string_value: str


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """What the tensors mean: the class labels in the order of the logits, and the features of a row in theirs."""

    labels: Parameter
    features: Parameter


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration that Triton would have of the same model file. `max_batch_size` is the most rows a request."""

    name: str
    platform: str = PLATFORM
    backend: str = BACKEND
    version_policy: VersionPolicy = VersionPolicy()
    max_batch_size: int
    input: list[InputConfig]
    output: list[OutputConfig]
    parameters: Parameters


def configuration_routes(lookup: Lookup, max_rows: int) -> list[HTTPRouteHandler]:
    """The handlers."""

    @get("/v2/models/{name:str}/config", summary="Model configuration", responses=protocol_responses(404))
    async def show_config(name: FromPath[str]) -> ModelConfig:
        """The configuration of a model's current version."""
        return _configuration(await lookup.get(name), max_rows)

    @get(
        "/v2/models/{name:str}/versions/{version:str}/config",
        summary="Version configuration",
        responses=protocol_responses(404, 503),
    )
    async def show_version_config(name: FromPath[str], version: FromPath[str]) -> ModelConfig:
        """The configuration of one version of a model."""
        return _configuration(await lookup.get(name, version), max_rows)

    return [show_config, show_version_config]


def _configuration(predictor: Predictor, max_rows: int) -> ModelConfig:
    schema = predictor.schema
    return ModelConfig(
        name=predictor.name,
        max_batch_size=min(max_rows, MAX_INT32),
        input=[
            InputConfig(name=tensor.name, data_type=_data_type(tensor), dims=tensor.shape[1:])
            for tensor in input_tensors(schema)
        ],
        output=[_output(tensor) for tensor in output_tensors(schema)],
        parameters=Parameters(labels=_parameter(schema.labels), features=_parameter(schema.features)),
    )


def _output(tensor: TensorMetadata) -> OutputConfig:
    if dims := tensor.shape[1:]:
        return OutputConfig(name=tensor.name, data_type=_data_type(tensor), dims=dims)
    return OutputConfig(name=tensor.name, data_type=_data_type(tensor), dims=(1,), reshape=Reshape(shape=()))


def _data_type(tensor: TensorMetadata) -> str:
    return "TYPE_STRING" if tensor.datatype == BYTES else f"TYPE_{tensor.datatype}"


def _parameter(value: object) -> Parameter:
    return Parameter(string_value=msgspec.json.encode(value).decode())
