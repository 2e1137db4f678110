"""Which exchange a request is for: by what its route speaks, and by its headers."""

from __future__ import annotations

from typing import Literal

from service.bodies import Head
from service.exchange import Exchange
from service.formats.exchange import negotiate as negotiate_formats
from service.v1.exchange import negotiate_predict
from service.v2.exchange import negotiate_infer

Dialect = Literal["litet", "mlflow", "v1", "v2"]
"""Our own, or one of other people's."""


def negotiate(dialect: Dialect, head: Head, query: bytes) -> Exchange:
    """The exchange that a request asks for.

    Raises:
        CallerError: its headers, or its query, ask for what is not to be had.
    """
    match dialect:
        case "v2":
            return negotiate_infer(head.content_type, head.json_bytes, head.accept_encoding)
        case "v1":
            return negotiate_predict(head.content_type, head.accept_encoding)
        case _:
            return negotiate_formats(dialect, head.content_type, head.accept, query)
