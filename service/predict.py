"""The prediction routes. Between a body and its answer there is one pure function, `Exchange.answer`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from contract.errors import CallerError, InvalidRows
from contract.tensors import Tensors
from service.bodies import read_body, read_head
from service.documents import INVOCATIONS, PREDICTIONS
from service.errors import BodyTooLarge, NotFinite
from service.formats.exchange import Answered, Dialect, Exchange, negotiate
from service.formats.json_document import BULKY_BYTES
from service.memory import trim
from service.metrics import Metrics
from service.predictor import Predictor
from service.recent import RecentRequests
from service.registry import Registry
from service.watch_window import Kind, WatchWindow

INLINE_BYTES = 4096
"""How much of a body is answered on the event loop where it did not go the direct way (`service.direct`)."""


def answer_bulky(exchange: Exchange, predictor: Predictor, body: bytes, max_rows: int) -> Answered:
    """`Exchange.answer`, but what it took in memory is given back at once, where it failed, too.

    Raises:
        CallerError: as `Exchange.answer`.
    """
    try:
        return exchange.answer(predictor, body, max_rows)
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
        self.max_body_bytes = max_body_bytes
        self.max_rows = max_rows
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

        @post("/predict", summary="Predict", **PREDICTIONS)
        async def predict(request: Request[Any, Any, Any]) -> Response[bytes]:
            """Answer rows with the default model's current version."""
            return await self._respond(request, None)

        @post("/models/{name:str}/predict", summary="Predict with a model", **PREDICTIONS)
        async def predict_with_model(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
            """Answer rows with a model's current version."""
            return await self._respond(request, name)

        @post("/models/{name:str}/versions/{version:int}/predict", summary="Predict with a version", **PREDICTIONS)
        async def predict_with_version(
            request: Request[Any, Any, Any], name: FromPath[str], version: FromPath[int]
        ) -> Response[bytes]:
            """Answer rows with one version of a model, whether it is the current one or not."""
            exchange, body = await self._read(request, "litet")
            predictor = await self._registry.get_version(name, version)
            answered = await self._answer(exchange, predictor, body)
            self._metrics.count_rows(name, version, answered.tensors.n_samples)
            return Response(answered.content, media_type=exchange.media_type)

        @post("/invocations", summary="Predict as MLflow does", **INVOCATIONS)
        async def invoke(request: Request[Any, Any, Any]) -> Response[bytes]:
            """Answer rows, as MLflow's scoring server takes them, with the default model's current version."""
            return await self._respond(request, None, "mlflow")

        return [predict, predict_with_model, predict_with_version, invoke]

    def current(self, name: str | None) -> Predictor:
        """The predictor of a model, of the default one for None.

        Raises:
            NotFound, NotReady: as `Registry.get` and `Registry.get_default`.
        """
        return self._registry.get_default() if name is None else self._registry.get(name)

    def count(self, predictor: Predictor, tensors: Tensors, n_bytes: int) -> None:
        """One answered request, of so many bytes, for a model's current version."""
        self._metrics.count_rows(predictor.name, predictor.version, tensors.n_samples)
        if self._watch:
            self._watch.count(predictor.name, predictor.version, "answered")
            self._recent.add(predictor.name, predictor.reader, tensors, n_bytes)

    async def _respond(
        self, request: Request[Any, Any, Any], name: str | None, dialect: Dialect = "litet"
    ) -> Response[bytes]:
        """The response of a model's current version, which is watched, and whose requests are kept for a replay."""
        exchange, body = await self._read(request, dialect)
        predictor = self.current(name)
        try:
            answered = await self._answer(exchange, predictor, body)
        except Exception as error:
            if self._watch and (kind := _kind(error)):
                self._watch.count(predictor.name, predictor.version, kind)
            raise
        self.count(predictor, answered.tensors, len(body))
        return Response(answered.content, media_type=exchange.media_type)

    async def _read(self, request: Request[Any, Any, Any], dialect: Dialect) -> tuple[Exchange, bytes]:
        """The body. Read before the predictor is looked up, so that a slow upload is answered by what serves then."""
        scope = request.scope
        head = read_head(scope["headers"])
        exchange = negotiate(dialect, head.content_type, head.accept, scope["query_string"])
        return exchange, await read_body(head, request.receive, self.max_body_bytes)

    async def _answer(self, exchange: Exchange, predictor: Predictor, body: bytes) -> Answered:
        """The answer: of few rows at once, of more by the thread.

        What comes here is mostly what had something wrong with it, which takes long to say: so few bytes are few.
        """
        inline_rows = min(self.max_rows, exchange.inline_rows(predictor))
        if len(body) <= INLINE_BYTES:
            try:
                return exchange.answer(predictor, body, inline_rows)
            except BodyTooLarge:
                if inline_rows == self.max_rows:
                    raise
        work = answer_bulky if len(body) >= BULKY_BYTES else Exchange.answer
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, work, exchange, predictor, body, self.max_rows)


def _kind(error: Exception) -> Kind | None:
    """What the watch window calls an error; None where the version has no part in it."""
    if isinstance(error, NotFinite):
        return "invalid"
    if isinstance(error, InvalidRows):
        return "refused"
    return None if isinstance(error, CallerError) else "failed"
