"""A log line is one JSON object, whatever is logged."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

import pytest

from service.logs import REQUEST_ID, JsonFormatter


def line_of(message: str, *args: Any, exc_info: Any = None, **extra: Any) -> dict[str, Any]:
    record = logging.getLogger("some.logger").makeRecord(
        "some.logger", logging.WARNING, "file.py", 1, message, args, exc_info, extra=extra
    )
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert "\r" not in text
    line: dict[str, Any] = json.loads(text)
    return line


def test_a_line_says_when_how_bad_who_and_what() -> None:
    line = line_of("loaded %s", "iris", model="iris", version=3)
    assert line.pop("time").endswith("+00:00")
    assert line.pop("pid") == os.getpid()
    assert line == {
        "level": "warning",
        "logger": "some.logger",
        "message": "loaded iris",
        "model": "iris",
        "version": 3,
    }


def test_a_line_names_the_request_it_belongs_to() -> None:
    token = REQUEST_ID.set("abc")
    try:
        assert line_of("x")["request_id"] == "abc"
    finally:
        REQUEST_ID.reset(token)


@pytest.mark.parametrize("text", ["two\nlines", "a\r\nforged line", "\u2028\x00\x1b[31m", '{"level":"x"}'])
def test_nothing_logged_can_start_a_line_of_its_own(text: str) -> None:
    line = line_of("%s", text, path=text)
    assert line["path"] == text
    assert line["level"] == "warning"


def test_an_exception_is_told_in_the_same_line() -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("with\nlines")
    line = line_of("failed", exc_info=caught._excinfo)
    assert "Traceback" in line["exception"]
    assert "ValueError" in line["exception"]


def test_what_json_cannot_write_is_written_as_text() -> None:
    assert line_of("x", value={1, 2})["value"] == "{1, 2}"
