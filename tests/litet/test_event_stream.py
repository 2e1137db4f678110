"""Server-sent events: however the bytes are cut, the same messages."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litet.event_stream import EventParser, Message


def parse(*pieces: bytes) -> list[Message]:
    parser = EventParser()
    return [message for piece in pieces for message in parser.feed(piece)]


def test_a_message_has_event_data_and_id():
    assert parse(b"id: 7\nevent: stage\ndata: {}\n\n") == [Message("stage", "{}", "7")]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_lines_end_in_any_of_three_ways(end):
    assert parse(end.join([b"event: a", b"data: 1", b"data: 2", b"", b""])) == [Message("a", "1\n2", "")]


def test_comments_and_unknown_fields_are_no_data():
    assert parse(b": hello\nfly: 1\ndata: x\n:\n\n") == [Message("message", "x", "")]


def test_one_space_behind_the_colon_goes_and_a_field_may_have_no_value():
    assert parse(b"data:  a\ndata:b\ndata\n\n") == [Message("message", " a\nb\n", "")]


def test_an_event_without_data_is_no_message_and_leaves_no_name_behind():
    assert parse(b"event: a\n\ndata: x\n\n") == [Message("message", "x", "")]


def test_the_last_id_stays_until_another_comes():
    messages = parse(b"id: 1\ndata: a\n\ndata: b\n\nid: x\0y\ndata: c\n\nid\ndata: d\n\n")
    assert [message.last_id for message in messages] == ["1", "1", "1", ""]


def test_half_a_message_is_none():
    assert parse(b"data: a\n\ndata: b\n") == [Message("message", "a", "")]


def test_a_byte_order_mark_is_skipped_once():
    assert parse(b"\xef\xbb\xbfdata: a\n\n", b"\xef\xbb\xbfdata: b\n\n") == [Message("message", "a", "")]


def test_line_breaks_of_unicode_are_data():
    assert parse("data: a\u2028b\x0bc\x85d\n\n".encode()) == [Message("message", "a\u2028b\x0bc\x85d", "")]


@pytest.mark.parametrize(("text", "retry_s"), [(b"1500", 1.5), (b"soon", None), (b"-1", None), (b"", None)])
def test_retry_is_a_whole_number_of_milliseconds(text, retry_s):
    parser = EventParser()
    assert list(parser.feed(b"retry: " + text + b"\n\n")) == []
    assert parser.retry_s == retry_s


STREAM = (
    "\ufeffid: 1\r\nevent: a\r\ndata: grün\r\n\r\n: hm\rdata: x\rdata\r\rdata: y\n\n\r\nid: 2\ndata: z\r\n\r\n".encode()
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_it_does_not_matter_where_the_stream_is_split(cuts):
    bounds = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(bounds)]
    assert parse(*pieces) == parse(STREAM)
    assert [message.data for message in parse(STREAM)] == ["grün", "x\n", "y", "z"]
