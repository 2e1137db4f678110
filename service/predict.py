"""The prediction routes. Between a body and its answer there is one pure function; the rest is HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from contract.errors import CallerError, InvalidRows
from service.answers import encode_answers
from service.bodies import read_json_body
from service.documents import PREDICT_RESPONSES, PredictOperation
from service.errors import NotFinite
from service.memory import trim
from service.metrics import Metrics
from service.predictor import Predictor
from service.recent import RecentRequests
from service.registry import Registry
from service.requests import BULKY_BYTES, read_rows
from service.watch_window import Kind, WatchWindow

INLINE_BYTES = 64 * 1024
"""Bodies up to this size, some thousand rows, are answered on the event loop within a few milliseconds. Above it the
hand-over to a thread, 0.05 ms, costs less than the wait of the other requests."""

# A POST that creates nothing answers 200, where Litestar would say 201.
DOCUMENTED: dict[str, Any] = {"status_code": 200, "operation_class": PredictOperation, "responses": PREDICT_RESPONSES}


class Answered(NamedTuple):
    """A response's JSON and the number of rows in it."""

    content: bytes
    n_rows: int


def answer(predictor: Predictor, body: bytes, max_rows: int) -> Answered:
    """The answer to a body. Depends on nothing else, changes nothing.

    Raises:
        CallerError: the body is not one that the model can answer (`service.requests.read_rows`, `Predictor.predict`).
    """
    tensors = read_rows(body, predictor.reader, max_rows)
    answers = predictor.predict(tensors)
    return Answered(encode_answers(predictor, answers, tensors.unseen), tensors.n_samples)


def answer_bulky(predictor: Predictor, body: bytes, max_rows: int) -> Answered:
    """`answer`, but what it took in memory is given back at once, where it failed, too.

    Raises:
        CallerError: as `answer`.
    """
    try:
        return answer(predictor, body, max_rows)
    except CallerError as error:
        # The frames of an exception keep the decoded rows until somebody has handled it.
        error.__context__ = error.__traceback__ = None
        raise
    finally:
        trim()


class Predict:
    """Answers requests within the limits of the settings.

    One thread takes the large bodies in turn: decoding holds the interpreter's lock anyway, and a large body takes ten
    times its size in memory, which must not add up.
    """

    def __init__(
        self,
        registry: Registry,
        metrics: Metrics,
        recent: RecentRequests,
        watch: WatchWindow | None,
        *,
        max_body_bytes: int,
        max_rows: int,
    ) -> None:
        self._registry = registry
        self._metrics = metrics
        self._recent = recent
        self._watch = watch
        self._max_body_bytes = max_body_bytes
        self._max_rows = max_rows
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-body")

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Stop the thread at the end."""
        try:
            yield
        finally:
            self._executor.shutdown()

    def routes(self) -> list[HTTPRouteHandler]:
        """The handlers."""

        @post("/predict", summary="Predict", **DOCUMENTED)
        async def predict(request: Request[Any, Any, Any]) -> Response[bytes]:
            """Answer rows with the default model's current version."""
            body = await self._read(request)
            return await self._respond(body, self._registry.get_default())

        @post("/models/{name:str}/predict", summary="Predict with a model", **DOCUMENTED)
        async def predict_with_model(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
            """Answer rows with a model's current version."""
            body = await self._read(request)
            return await self._respond(body, self._registry.get(name))

        @post("/models/{name:str}/versions/{version:int}/predict", summary="Predict with a version", **DOCUMENTED)
        async def predict_with_version(
            request: Request[Any, Any, Any], name: FromPath[str], version: FromPath[int]
        ) -> Response[bytes]:
            """Answer rows with one version of a model, whether it is the current one or not."""
            body = await self._read(request)
            return await self._respond_unwatched(body, await self._registry.get_version(name, version))

        return [predict, predict_with_model, predict_with_version]

    async def _read(self, request: Request[Any, Any, Any]) -> bytes:
        """The body. Read before the predictor is looked up, so that a slow upload is answered by what serves then."""
        return await read_json_body(request.scope["headers"], request.receive, self._max_body_bytes)

    async def _respond(self, body: bytes, predictor: Predictor) -> Response[bytes]:
        """The response of a model's current version, which is watched, and whose requests are kept for a replay."""
        try:
            response = await self._respond_unwatched(body, predictor)
        except Exception as error:
            if self._watch and (kind := _kind(error)):
                self._watch.count(predictor.name, predictor.version, kind)
            raise
        if self._watch:
            self._watch.count(predictor.name, predictor.version, "answered")
        self._recent.add(predictor.name, body)
        return response

    async def _respond_unwatched(self, body: bytes, predictor: Predictor) -> Response[bytes]:
        if len(body) <= INLINE_BYTES:
            answered = answer(predictor, body, self._max_rows)
        else:
            work = answer if len(body) < BULKY_BYTES else answer_bulky
            loop = asyncio.get_running_loop()
            answered = await loop.run_in_executor(self._executor, work, predictor, body, self._max_rows)
        self._metrics.count_rows(predictor.name, predictor.version, answered.n_rows)
        return Response(answered.content, media_type="application/json")


def _kind(error: Exception) -> Kind | None:
    """What the watch window calls an error; None where the version has no part in it."""
    if isinstance(error, NotFinite):
        return "invalid"
    if isinstance(error, InvalidRows):
        return "refused"
    return None if isinstance(error, CallerError) else "failed"
