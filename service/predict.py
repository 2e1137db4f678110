"""Answers requests: which model, within which limits, on the event loop or in a thread.

Between a body and its answer there is one pure function, `service.exchange.answer`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter_ns
from typing import Any, TypeVar

from litestar import Request, Response

from contract.errors import CallerError
from service.accounting import Accounting
from service.bodies import Head, read_body, read_head
from service.compression import decompress
from service.errors import BodyTooLarge
from service.exchange import Answered, Exchange, Written, answer
from service.formats.json_document import BULKY_BYTES
from service.lookup import Lookup
from service.memory import trim
from service.negotiation import Dialect, negotiate
from service.predictor import Predictor

INLINE_BYTES = 4096
"""How much of a body is answered on the event loop where it did not go the direct way (`service.direct`): little, as
there is mostly something wrong with it, which takes long to say."""

T = TypeVar("T")


class Predict:
    """Answers requests within the limits of the settings.

    One thread takes the large bodies in turn: decoding holds the interpreter's lock anyway, and a large body takes ten
    times its size in memory, which must not add up.
    """

    def __init__(self, lookup: Lookup, accounting: Accounting, *, max_body_bytes: int, max_rows: int) -> None:
        self.lookup = lookup
        self._accounting = accounting
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

    async def respond(self, request: Request[Any, Any, Any], name: str | None, dialect: Dialect) -> Response[bytes]:
        """The response of a model's current version, which is watched, and whose requests are kept for a replay."""
        head, exchange, body = await self._receive(request, dialect)
        predictor = self.lookup.current(None) if name is None else await self.lookup.get_published(name)
        answered = await self.answer(exchange, predictor, body, head.encoding)
        return _response(answered.written)

    async def respond_version(
        self, request: Request[Any, Any, Any], name: str, version: int, dialect: Dialect
    ) -> Response[bytes]:
        """The response of one version of a model, whether it is the current one or not."""
        head, exchange, body = await self._receive(request, dialect)
        predictor = await self.lookup.get_published(name, str(version))
        answered = await self.answer_version(exchange, predictor, body, head.encoding)
        return _response(answered.written)

    async def answer(
        self,
        exchange: Exchange,
        predictor: Predictor,
        body: bytes,
        encoding: str = "",
        inline_bytes: int = INLINE_BYTES,
    ) -> Answered:
        """The answer of a current version, which is counted, as is its failure.

        Raises:
            CallerError: as `service.exchange.answer` and `service.compression.decompress`.
        """
        started = perf_counter_ns()
        try:
            answered = await self._answer(exchange, predictor, body, encoding, inline_bytes)
        except Exception as error:
            self._accounting.failed(predictor, error, perf_counter_ns() - started)
            raise
        self._accounting.answered(predictor, [(answered.tensors, len(body))], answered.timings)
        return answered

    async def answer_version(
        self,
        exchange: Exchange,
        predictor: Predictor,
        body: bytes,
        encoding: str = "",
        inline_bytes: int = INLINE_BYTES,
    ) -> Answered:
        """As `answer`, of a version that was asked for by its number."""
        started = perf_counter_ns()
        try:
            answered = await self._answer(exchange, predictor, body, encoding, inline_bytes)
        except Exception:
            self._accounting.failed_version(predictor, perf_counter_ns() - started)
            raise
        self._accounting.answered_version(predictor, answered.tensors.n_samples, answered.timings)
        return answered

    async def in_turn(self, work: Callable[[], T]) -> T:
        """What comes of other work on a large body, which the thread does in its turn."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def _receive(self, request: Request[Any, Any, Any], dialect: Dialect) -> tuple[Head, Exchange, bytes]:
        """The body. Read before the predictor is looked up, so that a slow upload is answered by what serves then."""
        scope = request.scope
        head = read_head(scope["headers"])
        exchange = negotiate(dialect, head, scope["query_string"])
        return head, exchange, await read_body(head, request.receive, self.max_body_bytes)

    async def _answer(
        self, exchange: Exchange, predictor: Predictor, body: bytes, encoding: str, inline_bytes: int
    ) -> Answered:
        """The answer: of few rows at once, of more by the thread."""
        inline_rows = min(self.max_rows, exchange.inline_rows(predictor))
        if len(body) <= inline_bytes and not encoding:
            try:
                return answer(exchange, predictor, body, inline_rows)
            except BodyTooLarge:
                if inline_rows == self.max_rows:
                    raise
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._work, exchange, predictor, body, encoding)

    def _work(self, exchange: Exchange, predictor: Predictor, body: bytes, encoding: str) -> Answered:
        """The answer, but what a large body took in memory is given back at once, where it failed, too."""
        is_bulky = len(body) >= BULKY_BYTES
        try:
            if encoding:
                body = decompress(body, encoding, self.max_body_bytes)
                is_bulky = len(body) >= BULKY_BYTES
            return answer(exchange, predictor, body, self.max_rows)
        except CallerError as error:
            # The frames of an exception keep the decoded rows until somebody has handled it.
            error.__context__ = error.__traceback__ = None
            raise
        finally:
            if is_bulky:
                trim()


def _response(written: Written) -> Response[bytes]:
    media_type = written.content_type.partition(b";")[0].decode()  # the framework adds the character set of texts
    headers = {name.decode(): value.decode() for name, value in written.headers}
    return Response(written.content, media_type=media_type, headers=headers)
