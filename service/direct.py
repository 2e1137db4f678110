"""Predictions answered where their last byte arrives, without the app.

What a prediction costs in a framework is not the prediction: a task, a scope, two queues and a router take three times
as long as the model. So the server's protocol asks here first. What is answered here is a small request for a model's
current version that succeeds; everything else, every error among it, takes the way through the app, which would have
given the same answer, byte for byte.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import NamedTuple

from contract.errors import LitetError
from service.draining import Draining
from service.formats.exchange import MAX_CACHED_BYTES, Dialect, Exchange, negotiate
from service.formats.rows import Rows
from service.formats.scored import Scored
from service.gathering import score_all
from service.predict import Predict
from service.predictor import Predictor
from service.telemetry import Telemetry

logger = logging.getLogger(__name__)

TARGET = re.compile(rb"(/predict|/invocations|/models/([a-z0-9_-]+)/predict)(?:\?(.*))?")
ROUTES = {b"/predict": "/predict", b"/invocations": "/invocations"}
BY_NAME = "/models/{name}/predict"


class Plan(NamedTuple):
    """How a request will be answered, as far as its target and two of its headers tell."""

    name: str | None
    path: str
    route: str
    exchange: Exchange
    content_type: bytes


class Request(NamedTuple):
    """A request whose head is there: since when, in seconds of `perf_counter`, and from whom."""

    plan: Plan
    started: float
    given_id: bytes | None
    client: str | None


class Response(NamedTuple):
    """A successful answer."""

    content_type: bytes
    request_id: bytes
    content: bytes


Reply = Callable[[Response | None], None]
"""Takes the answer; None where the app has to give it."""


class Asked(NamedTuple):
    """A request whose rows were read."""

    request: Request
    predictor: Predictor
    rows: Rows
    n_bytes: int
    reply: Reply


class Direct:
    """Answers what can be answered at once: at the end of the event loop's turn, together with what else came in it."""

    def __init__(self, predict: Predict, telemetry: Telemetry, draining: Draining) -> None:
        self._predict = predict
        self._telemetry = telemetry
        self._draining = draining
        self._waiting: list[Asked] = []

    def plan(self, target: bytes, content_type: bytes, accept: bytes, n_bytes: int) -> Plan | None:
        """What to do with a POST whose body has so many bytes; None where that is not for here."""
        if self._draining.started:  # what is answered from now on says so
            return None
        if n_bytes > self._predict.max_body_bytes or len(target) + len(content_type) + len(accept) > MAX_CACHED_BYTES:
            return None
        plan = _plan(target, content_type, accept)
        return plan if plan is not None and n_bytes <= plan.exchange.inline_bytes else None

    def request(self, plan: Plan, given_id: bytes | None, client: str | None) -> Request:
        """A request that begins now."""
        return Request(plan, perf_counter(), given_id, client)

    def ask(self, request: Request, body: bytes, reply: Reply) -> None:
        """Have `reply` called with the answer to a body: now, or before the event loop looks for more requests."""
        read = self._read(request.plan, body)
        if read is None:
            reply(None)
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.answer_waiting)
        self._waiting.append(Asked(request, *read, len(body), reply))

    def answer_waiting(self) -> None:
        """Answer everything that was asked and not yet answered."""
        waiting, self._waiting = self._waiting, []
        by_version: dict[Predictor, list[Asked]] = {}
        for asked in waiting:
            by_version.setdefault(asked.predictor, []).append(asked)
        for predictor, group in by_version.items():
            for asked, scored in zip(group, score_all(predictor, [asked.rows for asked in group]), strict=True):
                self._reply(asked, scored)

    def _read(self, plan: Plan, body: bytes) -> tuple[Predictor, Rows] | None:
        try:
            exchange, predictor = plan.exchange, self._predict.current(plan.name)
            max_rows = min(self._predict.max_rows, exchange.inline_rows(predictor))
            rows = exchange.read(body, predictor.reader, max_rows, partial=exchange.partial)
        except Exception:  # noqa: BLE001 # whatever it is, the app meets it again, and says and counts it
            return None
        return predictor, rows

    def _reply(self, asked: Asked, scored: Scored | None) -> None:
        request, predictor, rows, n_bytes, reply = asked
        plan = request.plan
        try:
            content = plan.exchange.write(scored, plan.exchange.outputs) if scored else None
        except Exception:  # noqa: BLE001 # as above
            content = None
        if content is None:
            reply(None)
            return
        request_id = self._telemetry.name(request.given_id)
        reply(Response(plan.content_type, request_id, content))
        # Afterwards: the answer is on its way already, and need not wait for what nobody waits for.
        try:
            self._predict.count(predictor, rows.tensors, n_bytes)
            seconds = perf_counter() - request.started
            self._telemetry.record(request_id, "POST", plan.path, plan.route, 200, seconds, request.client)
        except Exception:  # others wait for their answers
            logger.exception("an answered request was not counted")


@lru_cache(maxsize=512)
def _plan(target: bytes, content_type: bytes, accept: bytes) -> Plan | None:
    if not (found := TARGET.fullmatch(target)):
        return None
    path, name, query = found.groups()
    dialect: Dialect = "mlflow" if path == b"/invocations" else "litet"
    try:
        exchange = negotiate(dialect, content_type, accept, query or b"")
    except LitetError:
        return None
    return Plan(
        name.decode() if name else None,
        path.decode(),
        ROUTES.get(path, BY_NAME),
        exchange,
        exchange.content_type.encode(),
    )
