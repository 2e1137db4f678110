"""Memory that was freed goes back to the system: glibc would rather keep it for the next large request."""

from __future__ import annotations

import ctypes
import sys


def trim() -> None:
    """Give free memory back, where the C library can; some milliseconds, not for the event loop."""
    if sys.platform == "linux":
        malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
        if malloc_trim is not None:
            malloc_trim(0)
