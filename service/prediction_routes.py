"""The prediction routes: our own, MLflow's, and those of versions 1 and 2 of the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from contract.errors import NotFound
from service.documents.predictions import INVOCATIONS, PREDICTIONS
from service.lookup import read_version
from service.predict import Predict
from service.v1.documents import PREDICT
from service.v2.documents import INFER

ACTION = ":predict"


def prediction_routes(predict: Predict) -> list[HTTPRouteHandler]:
    """The handlers."""

    @post("/predict", summary="Predict", **PREDICTIONS)
    async def predict_default(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Answer rows with the default model's current version."""
        return await predict.respond(request, None, "litet")

    @post("/models/{name:str}/predict", summary="Predict with a model", **PREDICTIONS)
    async def predict_with_model(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        """Answer rows with a model's current version."""
        return await predict.respond(request, name, "litet")

    @post("/models/{name:str}/versions/{version:str}/predict", summary="Predict with a version", **PREDICTIONS)
    async def predict_with_version(
        request: Request[Any, Any, Any], name: FromPath[str], version: FromPath[str]
    ) -> Response[bytes]:
        """Answer rows with one version of a model, whether it is the current one or not."""
        return await predict.respond_version(request, name, read_version(version), "litet")

    @post("/invocations", summary="Predict as MLflow does", **INVOCATIONS)
    async def invoke(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Answer rows, as MLflow's scoring server takes them, with the default model's current version."""
        return await predict.respond(request, None, "mlflow")

    return [predict_default, predict_with_model, predict_with_version, invoke]


def v2_routes(predict: Predict) -> list[HTTPRouteHandler]:
    """The handlers of the Open Inference Protocol's `infer`."""

    @post("/v2/models/{name:str}/infer", summary="Infer", **INFER)
    async def infer(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        """Answer tensors with a model's current version."""
        return await predict.respond(request, name, "v2")

    @post("/v2/models/{name:str}/versions/{version:str}/infer", summary="Infer with a version", **INFER)
    async def infer_with_version(
        request: Request[Any, Any, Any], name: FromPath[str], version: FromPath[str]
    ) -> Response[bytes]:
        """Answer tensors with one version of a model, whether it is the current one or not."""
        return await predict.respond_version(request, name, read_version(version), "v2")

    return [infer, infer_with_version]


def v1_routes(predict: Predict) -> list[HTTPRouteHandler]:
    """The handlers of version 1. What its paths call `{name}:predict` is one segment to the router."""

    @post("/v1/models/{name:str}", summary="Predict as TensorFlow Serving does", **PREDICT)
    async def predict_v1(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        """Answer instances with a model's current version."""
        if ":" not in name:  # the model's status, which is asked for with GET
            raise MethodNotAllowedException(headers={"Allow": "GET, OPTIONS"})
        return await predict.respond(request, _subject(name), "v1")

    @post("/v1/models/{name:str}/versions/{version:str}", summary="The same with a version", **PREDICT)
    async def predict_v1_version(
        request: Request[Any, Any, Any], name: FromPath[str], version: FromPath[str]
    ) -> Response[bytes]:
        """Answer instances with one version of a model, whether it is the current one or not."""
        return await predict.respond_version(request, name, read_version(_subject(version)), "v1")

    return [predict_v1, predict_v1_version]


def _subject(segment: str) -> str:
    if not segment.endswith(ACTION):
        raise NotFound(f"a model can be asked to {ACTION[1:]} only: the path must end with {ACTION}")
    return segment.removesuffix(ACTION)
