"""JSON as bytes, looked at before it is decoded: outside of its texts, and without decoding it."""

from __future__ import annotations

import numpy as np

from service.errors import BodyTooLarge, InvalidBody, MalformedBody

ASIDE = b"\x00\x01\x02"
"""Stands for `NaN` in a text while it is looked for elsewhere. No JSON has such bytes, within a text or outside."""


def check_objects(text: bytes, limit: int) -> None:
    """Refuse too many objects while they are bytes: an empty one takes 3 of them here, and some 100 once decoded.

    Raises:
        BodyTooLarge: there are more than `limit`.
    """
    if text.count(b"{") > limit and np.count_nonzero(_characters(text)[~_within_texts(text)] == ord("{")) > limit:
        raise BodyTooLarge(f"a body must hold at most {limit} objects, got more")


def without_nan(text: bytes) -> bytes:
    """JSON with `null` for each literal `NaN`, which Python writes though it is no JSON.

    Raises:
        InvalidBody: there is an infinite number in it.
        MalformedBody: there are bytes in it that no JSON has.
    """
    if ASIDE[:1] in text:
        raise MalformedBody("a body must be JSON: invalid character")
    characters, within = _characters(text).copy(), _within_texts(text)
    if not within[_places(text, b"Infinity")].all():
        raise InvalidBody("numbers must be finite, or null where they are missing, got Infinity")
    places = _places(text, b"NaN")
    for offset, byte in enumerate(ASIDE):
        characters[places[within[places]] + offset] = byte
    return characters.tobytes().replace(b"NaN", b"null").replace(ASIDE, b"NaN")


def _characters(text: bytes) -> np.ndarray:
    return np.frombuffer(text, np.uint8)


def _within_texts(text: bytes) -> np.ndarray:
    """Whether each byte stands within a text: bool `(len(text),)`."""
    unescaped = text.replace(rb"\\", b"__").replace(rb"\"", b"__")
    return np.logical_xor.accumulate(_characters(unescaped) == ord('"'))


def _places(text: bytes, word: bytes) -> np.ndarray:
    """Where a word begins: int64 `(n,)`."""
    characters = _characters(text)
    n_places = max(0, len(text) - len(word) + 1)
    found = np.ones(n_places, bool)
    for offset, byte in enumerate(word):
        found &= characters[offset : offset + n_places] == byte
    return np.flatnonzero(found)
