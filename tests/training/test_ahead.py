"""While the caller has one item, the next is made."""

import threading

import pytest

from training.ahead import read_ahead


def test_reading_ahead_gives_the_items_in_their_order():
    assert list(read_ahead(iter("abc"))) == ["a", "b", "c"]


def test_reading_ahead_makes_the_next_item_before_it_is_asked_for():
    is_made = threading.Event()

    def items():
        yield 1
        is_made.set()
        yield 2

    ahead = read_ahead(items())
    assert next(ahead) == 1
    assert is_made.wait(30)
    ahead.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("read")]


def test_reading_ahead_raises_an_error_in_its_turn():
    def items():
        yield 1
        yield 2
        raise ValueError("no more")

    seen = []
    with pytest.raises(ValueError, match="no more"):
        seen.extend(read_ahead(items()))
    assert seen == [1, 2]
