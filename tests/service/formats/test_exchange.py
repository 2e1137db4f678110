"""What a request comes in and is answered in."""

from __future__ import annotations

import pytest

from service.errors import InvalidBody, NotAcceptable, UnsupportedBody
from service.formats.accept import preferred
from service.formats.exchange import ARROW, CSV, FORMATS, NDJSON, PARTIAL_SHARE, negotiate
from service.formats.outputs import ALL

JSON = "application/json"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/*", CSV),
        ("text/csv", CSV),
        ("Text/CSV; header=present", CSV),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("application/json;q=0.5, text/csv", CSV),
        ("application/json, text/csv", JSON),
        ("text/csv, application/json", CSV),
        ("*/*, text/csv;q=0.2", JSON),
        ("application/json;q=0, */*", NDJSON),
        ("application/jsonl", NDJSON),
        (ARROW, ARROW),
        ("text/csv;q=nonsense, application/x-ndjson;q=0.1", NDJSON),
        ("text/csv;q=7, application/json", JSON),
        ("*/*;q=0.1, text/*", CSV),
        ("*/*, application/*;q=0", CSV),
        ("text/csv;q=nan, application/json;q=0.1", JSON),
        ("image/png", None),
        ("text/csv;q=0", None),
        ("application", None),
        (";;,,=", None),
    ],
)
def test_the_format_with_the_highest_weight_is_preferred(accept: str, wanted: str | None) -> None:
    assert preferred(accept.encode(), FORMATS, {"application/jsonl": NDJSON}) == wanted


def test_a_request_that_says_nothing_of_its_answer_gets_json() -> None:
    for content_type in FORMATS:
        assert negotiate("litet", content_type.encode(), b"", b"").content_type == JSON.encode()


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json; charset=utf-16",
        "x",
    ],
)
def test_other_types_are_refused_with_those_that_are_read(content_type: str) -> None:
    with pytest.raises(UnsupportedBody, match=r"application/json, application/x-ndjson, text/csv"):
        negotiate("litet", content_type.encode(), b"", b"")


def test_mlflows_route_reads_mlflows_types() -> None:
    assert negotiate("mlflow", b"text/csv", b"", b"").reads == negotiate("litet", b"text/csv", b"", b"").reads
    assert (
        negotiate("mlflow", b"application/json", b"", b"").reads
        != negotiate("litet", b"application/json", b"", b"").reads
    )
    with pytest.raises(UnsupportedBody):
        negotiate("mlflow", ARROW.encode(), b"", b"")


def test_an_answer_that_nobody_can_give_is_refused() -> None:
    with pytest.raises(NotAcceptable, match="got 'image/png'"):
        negotiate("litet", b"application/json", b"image/png", b"")


def test_the_query_chooses_outputs_and_partial_answers() -> None:
    plain = negotiate("litet", b"application/json", b"", b"")
    assert (plain.outputs, plain.partial) == (ALL, False)
    asked = negotiate("litet", b"application/json", b"", b"outputs=label,%20logits&partial=true")
    assert (asked.outputs, asked.partial) == ({"label", "logits"}, True)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("prediction_set=", "prediction_set must be a number above 0 and below 1, got ''"),
        ("prediction_set=0", "got '0'"),
        ("prediction_set=1", "got '1'"),
        ("prediction_set=nan", "got 'nan'"),
        ("prediction_set=90%25", "got '90%'"),
        ("prediction_set=0.9&per_class=yes", "per_class must be true or false, got 'yes'"),
        ("per_class=true", "per_class needs a prediction_set, got none"),
        ("outputs=", "outputs must be some of label, class_index, probabilities, logits, decision; got ''"),
        ("outputs=label,score", "got 'label,score'"),
        ("partial=1", "partial must be true or false, got '1'"),
        ("output=label", "outputs, partial, prediction_set or per_class only, got 'output'"),
        ("x" * 5000 + "=1", "prediction_set or per_class only"),
    ],
)
def test_another_query_is_refused(query: str, says: str) -> None:
    with pytest.raises(InvalidBody, match=says):
        negotiate("litet", b"application/json", b"", query.encode())


class Sized:
    """What of a predictor decides."""

    def __init__(self, *, has_texts: bool) -> None:
        self.has_texts, self.width = has_texts, 10


def inline_rows(content_type: str, accept: str, query: str = "", *, has_texts: bool = False) -> int:
    exchange = negotiate("litet", content_type.encode(), accept.encode(), query.encode())
    return exchange.inline_rows(Sized(has_texts=has_texts))  # type: ignore[arg-type] # as much of one as is used


def test_so_many_rows_are_answered_at_once_as_both_formats_are_quick_for() -> None:
    assert inline_rows(ARROW, ARROW) == FORMATS[ARROW].inline_numbers // 10
    assert inline_rows(ARROW, "") == inline_rows(JSON, ARROW) == FORMATS[JSON].inline_numbers // 10
    assert inline_rows(ARROW, CSV, has_texts=True) == FORMATS[CSV].inline_cells // 10
    assert negotiate("litet", ARROW.encode(), b"", b"").inline_bytes == FORMATS[JSON].inline_bytes


def test_fewer_rows_are_answered_at_once_where_bad_ones_are_listed() -> None:
    assert inline_rows(JSON, JSON, "partial=true") == FORMATS[JSON].inline_numbers // PARTIAL_SHARE // 10
