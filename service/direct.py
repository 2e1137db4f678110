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
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from time import perf_counter_ns

import msgspec

from contract.errors import LitetError
from service.accounting import Accounting
from service.bodies import DECIDING, read_head
from service.draining import Draining
from service.exchange import Exchange, Question, Written
from service.formats.exchange import MAX_CACHED_BYTES
from service.formats.scored import Scored
from service.gathering import score_all
from service.negotiation import Dialect, negotiate
from service.predict import Predict
from service.predictor import Predictor
from service.statistics import Timings
from service.telemetry import Telemetry

logger = logging.getLogger(__name__)

NAME = rb"[a-z0-9_-]+"
ROUTES: dict[str, tuple[Dialect, str]] = {
    "default": ("litet", "/predict"),
    "invoked": ("mlflow", "/invocations"),
    "ours": ("litet", "/models/{name}/predict"),
    "v2": ("v2", "/v2/models/{name}/infer"),
    "v1": ("v1", "/v1/models/{name}"),
}
"""By the group of `TARGET` that a path's model, or all of the path, stands in: what it speaks, and its template."""
TARGET = re.compile(
    rb"((?P<default>/predict)|(?P<invoked>/invocations)|/models/(?P<ours>%b)/predict"
    rb"|/v2/models/(?P<v2>%b)/infer|/v1/models/(?P<v1>%b):predict)(?:\?(?P<query>.*))?" % (NAME, NAME, NAME)
)


class Plan(msgspec.Struct, frozen=True):
    """How a request will be answered, as far as its target and some of its headers tell."""

    name: str | None
    path: str
    route: str
    exchange: Exchange


class Request(msgspec.Struct, frozen=True):
    """A request whose head is there: since when, in nanoseconds of `perf_counter_ns`, and from whom."""

    plan: Plan
    started_ns: int
    given_id: bytes | None
    client: str | None


class Response(msgspec.Struct, frozen=True):
    """A successful answer."""

    written: Written
    request_id: bytes


Reply = Callable[[Response | None], None]
"""Takes the answer; None where the app has to give it."""


class Asked(msgspec.Struct, frozen=True):
    """A request that was read: that took `input_ns` nanoseconds, and was done at `read_ns` of `perf_counter_ns`."""

    request: Request
    predictor: Predictor
    question: Question
    n_bytes: int
    input_ns: int
    read_ns: int
    reply: Reply


class Direct:
    """Answers what can be answered at once: at the end of the event loop's turn, together with what else came in it."""

    def __init__(self, predict: Predict, accounting: Accounting, telemetry: Telemetry, draining: Draining) -> None:
        self._predict = predict
        self._accounting = accounting
        self._telemetry = telemetry
        self._draining = draining
        self._waiting: list[Asked] = []

    def plan(self, target: bytes, headers: Mapping[bytes, bytes], n_bytes: int) -> Plan | None:
        """What to do with a POST whose body has so many bytes; None where that is not for here."""
        if self._draining.started:  # what is answered from now on says so
            return None
        get = headers.get
        content_type, accept, encoding, n_json = [get(name) for name in DECIDING]
        n_cached = (
            len(target) + len(content_type or b"") + len(accept or b"") + len(encoding or b"") + len(n_json or b"")
        )
        if n_bytes > self._predict.max_body_bytes or n_cached > MAX_CACHED_BYTES:
            return None
        plan = _plan(target, content_type, accept, encoding, n_json)
        return plan if plan is not None and n_bytes <= plan.exchange.inline_bytes else None

    def request(self, plan: Plan, given_id: bytes | None, client: str | None) -> Request:
        """A request that begins now."""
        return Request(plan, perf_counter_ns(), given_id, client)

    def ask(self, request: Request, body: bytes, reply: Reply) -> None:
        """Have `reply` called with the answer to a body: now, or before the event loop looks for more requests."""
        began = perf_counter_ns()
        try:
            exchange, predictor = request.plan.exchange, self._predict.lookup.current(request.plan.name)
            max_rows = min(self._predict.max_rows, exchange.inline_rows(predictor))
            question = exchange.read(body, predictor, max_rows)
        except Exception:  # noqa: BLE001 # whatever it is, the app meets it again, and says and counts it
            reply(None)
            return
        read = perf_counter_ns()
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.answer_waiting)
        self._waiting.append(Asked(request, predictor, question, len(body), read - began, read, reply))

    def answer_waiting(self) -> None:
        """Answer everything that was asked and not yet answered."""
        waiting, self._waiting = self._waiting, []
        by_version: dict[Predictor, list[Asked]] = {}
        for asked in waiting:
            by_version.setdefault(asked.predictor, []).append(asked)
        for predictor, group in by_version.items():
            self._answer(predictor, group)

    def _answer(self, predictor: Predictor, group: Sequence[Asked]) -> None:
        """Answer requests for one version. They are counted when all answers are on their way."""
        began = perf_counter_ns()
        all_scored = score_all(predictor, [asked.question.rows for asked in group])
        ran = perf_counter_ns()
        replied = [(asked, self._reply(asked, scored)) for asked, scored in zip(group, all_scored, strict=True)]
        ended = perf_counter_ns()
        try:
            self._count(predictor, [(asked, name) for asked, name in replied if name], began, ran, ended)
        except Exception:  # others wait for their answers
            logger.exception("answered requests were not counted")

    def _reply(self, asked: Asked, scored: Scored | None) -> bytes | None:
        """Give an answer; its request's id, or None where it was not to be had here."""
        try:
            written = asked.question.write(scored) if scored else None
        except Exception:  # noqa: BLE001 # as above
            written = None
        if written is None:
            asked.reply(None)
            return None
        request_id = self._telemetry.name(asked.request.given_id)
        asked.reply(Response(written, request_id))
        return request_id

    def _count(
        self, predictor: Predictor, answered: Sequence[tuple[Asked, bytes]], began: int, ran: int, ended: int
    ) -> None:
        """Count requests that were answered: the model ran from `began` to `ran`, the last answer left at `ended`."""
        if not answered:
            return
        n_requests, input_ns, read_ns, served = len(answered), 0, 0, []
        for asked, request_id in answered:
            input_ns += asked.input_ns
            read_ns += asked.read_ns
            served.append((asked.question.rows.tensors, asked.n_bytes))
            request = asked.request
            plan, seconds = request.plan, (ended - request.started_ns) * 1e-9
            self._telemetry.record(request_id, "POST", plan.path, plan.route, 200, seconds, request.client)
        timings = Timings(input_ns, n_requests * began - read_ns, n_requests * (ran - began), ended - ran)
        self._accounting.answered(predictor, served, timings, 1 if predictor.is_batch_invariant else n_requests)


@lru_cache(maxsize=512)
def _plan(target: bytes, *said: bytes | None) -> Plan | None:
    if not (found := TARGET.fullmatch(target)):
        return None
    group = next(name for name in ROUTES if found[name])
    dialect, route = ROUTES[group]
    try:
        head = read_head([(name, value) for name, value in zip(DECIDING, said, strict=True) if value is not None])
        exchange = negotiate(dialect, head, found["query"] or b"")
    except LitetError:
        return None
    name = found[group].decode() if "{name}" in route else None
    return Plan(name, found[1].decode(), route, exchange)
