"""Optional packages: a command that needs them says which extra brings them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from contract.errors import MissingExtra


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Imports inside may fail for want of an optional package.

    Raises:
        MissingExtra: one did; the message says what to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra(f"this command needs the extra {extra!r}: pip install 'litet[{extra}]' ({error})") from error
