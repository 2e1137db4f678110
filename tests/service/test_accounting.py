"""What is kept of requests."""

from __future__ import annotations

import pytest

from contract.errors import Fault, InvalidRows
from service.accounting import _kind
from service.errors import BodyTooLarge, InvalidBody, MalformedBody, NotFinite

FAULT = [Fault(row=0, expected="a number", got="text")]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotFinite(FAULT, 1), "invalid"),
        (InvalidRows(FAULT, 1), "refused"),
        (RuntimeError("onnxruntime"), "failed"),
        (MalformedBody("no JSON"), None),
        (InvalidBody("no instances"), None),
        (BodyTooLarge("too many rows"), None),
    ],
)
def test_only_what_a_version_has_a_part_in_speaks_against_it(error: Exception, kind: str | None) -> None:
    assert _kind(error) == kind
