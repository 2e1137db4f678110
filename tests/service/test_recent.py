"""The last requests of each model are kept, in memory and within bounds."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pytest

from contract.tensors import RowReader
from service.recent import MAX_BYTES, MAX_CELLS, RecentRequests


def keep(recent: RecentRequests, reader: RowReader, number: float, model: str = "iris", n_bytes: int = 1) -> None:
    recent.add(model, reader, reader.read([[number, None, 0.5, 0]]), n_bytes)


def numbers(recent: RecentRequests, model: str = "iris") -> list[float]:
    return [json.loads(body)["instances"][0][0] for body in recent.of(model)]


@pytest.fixture
def reader(foundry: Any) -> RowReader:
    return RowReader(foundry.numeric())


def test_the_last_requests_of_each_model_are_kept_oldest_first(reader: RowReader) -> None:
    recent = RecentRequests(3)
    for number in range(5):
        keep(recent, reader, number)
    keep(recent, reader, 7, "wine")
    assert numbers(recent) == [2, 3, 4]
    assert numbers(recent, "wine") == [7]
    assert recent.of("none") == []


def test_requests_of_any_format_become_documents_of_the_same_rows(foundry: Any) -> None:
    reader, recent = RowReader(foundry.mixed()), RecentRequests(3)
    rows = [(0.1, "Dream", None, "x"), (None, "", 3e38, None)]
    recent.add("penguins", reader, reader.read(rows), 1)
    (body,) = recent.of("penguins")
    before, after = reader.read(rows), reader.read_typed(reader.decoder.decode(body))
    np.testing.assert_array_equal(before.x_num, after.x_num)
    assert before.x_cat.tolist() == after.x_cat.tolist()
    assert before.unseen == after.unseen == {0: ["sex"]}


def test_large_requests_are_left_out(reader: RowReader) -> None:
    recent = RecentRequests(3)
    keep(recent, reader, 1, n_bytes=MAX_BYTES)
    keep(recent, reader, 2, n_bytes=MAX_BYTES + 1)
    assert numbers(recent) == [1]


def test_none_are_kept_where_none_are_wanted(reader: RowReader) -> None:
    recent = RecentRequests(0)
    keep(recent, reader, 1)
    assert recent.of("iris") == []


def test_any_thread_may_ask_while_requests_come(reader: RowReader) -> None:
    recent, done = RecentRequests(100), threading.Event()

    def ask() -> None:
        while not done.is_set():
            assert len(recent.of("iris")) <= 100

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(2_000):
        keep(recent, reader, number)
    done.set()
    for thread in threads:
        thread.join()
    assert numbers(recent)[-1] == 1999


def test_rows_that_no_byte_stands_for_are_left_out_too(reader: RowReader) -> None:
    recent = RecentRequests(3)
    recent.add("iris", reader, reader.read([[None] * 4] * (MAX_CELLS // 4)), 100)
    recent.add("iris", reader, reader.read([[None] * 4] * (MAX_CELLS // 4 + 1)), 100)
    assert len(recent.of("iris")) == 1


def test_texts_that_few_bytes_stand_for_are_left_out_too(foundry: Any) -> None:
    recent, reader = RecentRequests(3), RowReader(foundry.mixed())
    for length in (MAX_BYTES, MAX_BYTES + 1):
        recent.add("penguins", reader, reader.read([[1, "x" * length, 2, None]]), 100)
    assert len(recent.of("penguins")) == 1
