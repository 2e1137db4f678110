"""The routes of jobs: retrain, look, follow, cancel."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from contract.config import Json
from service.admin.audit import Audit
from service.admin.authentication import actor_of
from service.admin.documents import EVENTS_RESPONSE, FollowOperation, RetrainOperation
from service.admin.job_events import stream_events
from service.admin.job_record import Job, RequestId, State
from service.admin.job_store import JobStore
from service.admin.job_view import Jobs, JobView, describe, summarize
from service.admin.retrain_request import Resolver, decode_retrain
from service.admin.runner import Runner
from service.bodies import read_json_body
from service.draining import Draining
from service.errors import InvalidBody
from service.problems import responses
from service.registry import Registry

MAX_REQUEST_BYTES = 64 * 1024
MAX_KEY = 255
ACCEPTED: dict[str, Any] = {
    "status_code": 202,
    "operation_class": RetrainOperation,
    "responses": {
        202: ResponseSpec(JobView, description="The job; Location says where", generate_examples=False),
        **responses(401, 404, 409, 413, 415, 422, 503, 507),
    },
}

# `state` is a name that Litestar keeps to itself.
InState = Annotated[State | None, QueryParameter(name="state")]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="At most so many")]


class JobRoutes:
    """The handlers, and what they have in common."""

    def __init__(
        self, store: JobStore, runner: Runner, resolver: Resolver, audit: Audit, registry: Registry, draining: Draining
    ) -> None:
        self._store = store
        self._runner = runner
        self._resolver = resolver
        self._audit = audit
        self._registry = registry
        self._draining = draining

    def routes(self) -> list[HTTPRouteHandler]:
        """The handlers."""

        @post("/retrain", summary="Retrain", **ACCEPTED)
        async def retrain(request: Request[Any, Any, Any]) -> Response[JobView]:
            """Order a job that retrains the default model."""
            return await self._retrain(request, self._registry.get_default().name)

        @post("/models/{name:str}/retrain", summary="Retrain a model", **ACCEPTED)
        async def retrain_model(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[JobView]:
            """Order a job that retrains a model: train, check, publish, and promote it where the gate lets it pass."""
            return await self._retrain(request, name)

        @get("/jobs", summary="Jobs", responses=responses(401))
        async def list_jobs(model: FromQuery[str | None] = None, in_state: InState = None, limit: Limit = 100) -> Jobs:
            """The latest jobs, newest first."""
            return await asyncio.to_thread(self._list, model, in_state, limit)

        @get("/jobs/{job_id:str}", summary="One job", responses=responses(401, 404))
        async def show_job(job_id: FromPath[str]) -> JobView:
            """All that is known of a job: its progress, its metrics, the gate's decision, the end of its log."""
            return await asyncio.to_thread(self._show, job_id)

        @get(
            "/jobs/{job_id:str}/events",
            summary="Follow a job",
            operation_class=FollowOperation,
            responses={**EVENTS_RESPONSE, **responses(401, 404)},
        )
        async def follow_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Stream:
            """A job's events as they come, from behind `Last-Event-ID` on, to the last one."""
            last_id = request.headers.get("last-event-id", "0")
            return await self._follow(job_id, int(last_id) if last_id.isdecimal() and len(last_id) < MAX_KEY else 0)

        @post(
            "/jobs/{job_id:str}/cancel",
            status_code=200,
            summary="Cancel a job",
            responses=responses(401, 404, 409, 503, 507),
        )
        async def cancel_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> JobView:
            """Call a job off: its trainer is dead when this answers, and has published nothing."""
            job = await asyncio.to_thread(self._runner.cancel, job_id, actor_of(request))
            return await asyncio.to_thread(describe, job, self._runner.folder(job))

        return [retrain, retrain_model, list_jobs, show_job, follow_job, cancel_job]

    async def _retrain(self, request: Request[Any, Any, Any], model: str) -> Response[JobView]:
        body = await read_json_body(request.scope["headers"], request.receive, MAX_REQUEST_BYTES)
        actor = actor_of(request)
        request_id = _request_id(request, actor, body)
        view = await asyncio.to_thread(self._order, model, body, actor, request_id)
        return Response(view, status_code=202, headers={"Location": f"/admin/jobs/{view.id}"})

    def _order(self, model: str, body: bytes, actor: str, request_id: RequestId | None) -> JobView:
        asked = decode_retrain(body)
        if request_id and (known := self._store.find(request_id)):
            return summarize(known, self._runner.folder(known))
        wanted = self._resolver.resolve(model, asked, actor)
        details: dict[str, Json] = {"dataset": asked.dataset, "version": wanted.dataset_version, "note": asked.note}

        def witness(job: Job) -> None:
            self._audit.record(actor, "job.create", f"{model}/jobs/{job.id}", details)

        job, is_new = self._store.create(wanted, request_id, witness, queue=asked.queue)
        if is_new:
            self._runner.settle()
        job = self._store.get(job.id)
        return summarize(job, self._runner.folder(job))

    def _list(self, model: str | None, state: State | None, limit: int) -> Jobs:
        self._settle()
        jobs = self._store.latest(model=model, state=state, limit=limit)
        return Jobs(jobs=[summarize(job, self._runner.folder(job)) for job in jobs])

    def _show(self, job_id: str) -> JobView:
        job = self._store.get(job_id)
        if not job.is_over:
            self._settle()
            job = self._store.get(job_id)
        return describe(job, self._runner.folder(job))

    def _settle(self) -> None:
        """Have what is shown be true to this moment; while the disk is full, to an earlier one."""
        with contextlib.suppress(OSError, sqlite3.Error):  # logged by who looks after the jobs every second
            self._runner.settle()

    async def _follow(self, job_id: str, last_id: int) -> Stream:
        job = await asyncio.to_thread(self._store.get, job_id)
        events = stream_events(
            self._runner.folder(job),
            last_id,
            is_over=lambda: self._store.get(job_id).is_over,
            is_stopping=lambda: self._draining.started,
        )
        return Stream(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _request_id(request: Request[Any, Any, Any], actor: str, body: bytes) -> RequestId | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
        raise InvalidBody(f"an Idempotency-Key must be 1 to {MAX_KEY} printable characters")
    asked = hashlib.sha256(request.scope["path"].encode() + b"\0" + body).hexdigest()
    return RequestId(hashlib.sha256(f"{actor}\0{key}".encode()).hexdigest(), asked)
