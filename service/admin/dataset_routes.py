"""The routes of uploaded tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
from litestar import Request, Response, get, put
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import FromPath
from litestar.types import Receive

from contract.config import Json
from service.admin.audit import Audit
from service.admin.authentication import actor_of
from service.admin.datasets import Dataset, Datasets, Suffix
from service.admin.documents import UploadOperation
from service.bodies import declared_bytes
from service.errors import MalformedBody, UnsupportedBody
from service.problems import responses

SUFFIXES: dict[bytes, Suffix] = {
    b"text/csv": ".csv",
    b"text/tab-separated-values": ".tsv",
    b"application/vnd.apache.parquet": ".parquet",
    b"application/vnd.apache.arrow.file": ".arrow",
    b"application/vnd.apache.arrow.stream": ".arrow",
}


class NamedDataset(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of one dataset, oldest first; `latest` is the one that was uploaded last."""

    name: str
    latest: str | None
    versions: list[Dataset]


class DatasetList(msgspec.Struct, frozen=True, kw_only=True):
    """The uploaded datasets."""

    datasets: list[NamedDataset]


def dataset_routes(datasets: Datasets, audit: Audit) -> list[HTTPRouteHandler]:
    """The handlers."""

    @put(
        "/datasets/{name:str}",
        summary="Upload a dataset",
        operation_class=UploadOperation,
        status_code=201,
        responses={
            200: ResponseSpec(Dataset, description="These very bytes were there already", generate_examples=False),
            **responses(401, 409, 413, 415, 422, 503, 507),
        },
    )
    async def upload(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[Dataset]:
        """Take in a table as the latest version of a dataset. It is read to its end before it is accepted."""
        suffix = _suffix(request.scope["headers"])
        actor = actor_of(request)

        def witness(dataset: Dataset, is_new: bool) -> None:  # noqa: FBT001 # what a witness is shown
            details: dict[str, Json] = {
                "version": dataset.version,
                "format": dataset.format,
                "n_rows": dataset.n_rows,
                "is_new": is_new,
            }
            audit.record(actor, "dataset.upload", name, details)

        declared = declared_bytes(request.scope["headers"])
        dataset, is_new = await datasets.receive(name, suffix, _blocks(request.receive), witness, declared=declared)
        return Response(dataset, status_code=201 if is_new else 200)

    @get("/datasets", summary="Datasets", responses=responses(401))
    async def list_datasets() -> DatasetList:
        """The uploaded datasets with their versions."""
        return await asyncio.to_thread(_list, datasets)

    return [upload, list_datasets]


def _list(datasets: Datasets) -> DatasetList:
    return DatasetList(
        datasets=[
            NamedDataset(name=name, latest=datasets.latest(name), versions=versions)
            for name, versions in datasets.by_name().items()
        ]
    )


def _suffix(headers: Iterable[tuple[bytes, bytes]]) -> Suffix:
    values = dict(headers)
    if values.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise UnsupportedBody("a body must be sent without Content-Encoding")
    content_type = values.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if content_type not in SUFFIXES:
        known = ", ".join(name.decode() for name in SUFFIXES)
        raise UnsupportedBody(f"a dataset must be sent with a Content-Type of {known}")
    return SUFFIXES[content_type]


async def _blocks(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise MalformedBody("a body must be sent to its end")
        yield message["body"]
        if not message["more_body"]:
            return
