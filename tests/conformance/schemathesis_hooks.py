"""What Schemathesis cannot know of our service by its document (schemathesis.toml names this file)."""

from __future__ import annotations

import gzip
import zlib
from functools import partial
from typing import Any

import requests
import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import IgnoredAuth, MissingHeaderNotRejected

PACK = {"gzip": gzip.compress, "deflate": zlib.compress}
JSON_BYTES = "Inference-Header-Content-Length"


@schemathesis.serializer("application/x-ndjson")
def write_lines(_context: Any, value: Any) -> bytes | str:
    """To the document, lines of JSON are text."""
    return value if isinstance(value, bytes) else str(value)


@schemathesis.hook
def before_call(_context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    is_good = case.meta is None or case.meta.generation.mode.is_positive
    kwargs["auth"] = partial(agree, is_good=is_good)
    # Bad rows, which is what most bad bodies have, are listed then, and no reason to refuse them.
    if not is_good and case.query and str(case.query.get("partial")).lower() == "true":
        case.query["partial"] = "false"


def agree(request: requests.PreparedRequest, *, is_good: bool) -> requests.PreparedRequest:
    """Have headers say of a body what is true of it."""
    pack = PACK.get(request.headers.get("Content-Encoding", ""))
    if request.body and (pack or JSON_BYTES in request.headers):
        body = request.body.encode() if isinstance(request.body, str) else request.body
        if is_good and JSON_BYTES in request.headers and request.headers["Content-Type"] == "application/json":
            request.headers[JSON_BYTES] = str(len(body))
        request.prepare_body(pack(body) if pack else body, None)
    return request


@schemathesis.hook
def after_call(context: HookContext, _case: Case, response: Response) -> None:
    # Else those who come later would ask a service without models, which fails as it should.
    if context.operation.label.endswith("/unload") and response.status_code == 200:
        load = f"{response.request.url.removesuffix('/unload')}/load"
        key = {"Authorization": response.request.headers["Authorization"]}
        requests.post(load, headers=key, timeout=30).raise_for_status()


@schemathesis.hook
def filter_failure(_context: HookContext, failure: Failure, _case: Case, response: Response) -> bool:
    """Whether a failure is one."""
    if isinstance(failure, IgnoredAuth | MissingHeaderNotRejected):
        # Of requests without a right key, the eleventh in a minute is refused with 429, as the document says; these
        # checks know of no refusal but 401.
        return "429" not in failure.message
    if isinstance(failure, AcceptedNegativeData):
        # Litestar takes the word null in a query for what is not there. Nobody is told so, and nobody is harmed.
        return "=null" not in str(response.request.url)
    return True
