"""Model names: the only text of a caller's that ever stands for a folder, and only after this check."""

from __future__ import annotations

import re

from contract.errors import InvalidName

PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def check_name(name: str) -> str:
    """`name` itself, where it is a model name.

    Raises:
        InvalidName: it does not match `^[a-z0-9][a-z0-9_-]{0,63}$`.
    """
    if not PATTERN.fullmatch(name):
        raise InvalidName(f"a model name must match ^[a-z0-9][a-z0-9_-]{{0,63}}$, got {name[:80]!r}")
    return name


def name_from(text: str) -> str:
    """A model name made of any text, such as a file's stem; `model` where nothing usable is left."""
    name = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:64]
    return name or "model"
