"""Sizes of memory as a user writes them."""

import click
import pytest

from litet.sizes import ByteSize


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("2GB", 2 * 10**9), ("1.5 gib", 3 * 2**29), ("800MB", 8 * 10**8), ("512MiB", 2**29), ("1tb", 10**12)],
)
def test_a_size_is_a_number_with_a_unit(text, n_bytes):
    assert ByteSize().convert(text, None, None) == n_bytes


@pytest.mark.parametrize("text", ["2", "GB", "-2GB", "2 gigs", "", "1e3MB"])
def test_anything_else_is_refused_with_what_was_given(text):
    with pytest.raises(click.BadParameter, match="such as 2GB; got") as caught:
        ByteSize().convert(text, None, None)
    assert repr(text) in str(caught.value)
