"""Documents, cut into their blocks."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Block(NamedTuple):
    language: str
    text: str


def blocks_of(document: str) -> list[Block]:
    """The fenced blocks of a document, in order."""
    text = (ROOT / document).read_text()
    return [Block(*groups) for groups in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


@pytest.fixture
def root() -> Path:
    return ROOT
