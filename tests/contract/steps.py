"""Stands in the way of every step that a writer makes on the disk."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from typing import Any

from contract import durable

Step = Callable[[str], None]
"""Told the name of each step just before it is made, and with ` done` behind it just after."""

FUNCTIONS = (
    *((durable, name) for name in ("make_folder", "write_file", "sync_folder", "rename_folder", "replace_file")),
    *((os, name) for name in ("mkdir", "fsync", "rename", "replace", "ftruncate", "close", "unlink", "rmdir")),
    (fcntl, "flock"),
)


def watch(step: Step, replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Have `step` told of every step of this process from now on. `replace` sets an attribute of a module."""
    for module, name in FUNCTIONS:
        replace(module, name, _watched(getattr(module, name), name, step))
    replace(os, "open", _opened(os.open, step))
    replace(os, "write", _written_by_halves(os.write, step))


def _watched(call: Callable[..., Any], name: str, step: Step) -> Callable[..., Any]:
    def watched(*args: Any, **kwargs: Any) -> Any:
        step(name)
        result = call(*args, **kwargs)
        step(f"{name} done")
        return result

    return watched


def _opened(call: Callable[..., int], step: Step) -> Callable[..., int]:
    def opened(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        name = "open" if flags else "open to list"  # the latter is how `shutil.rmtree` looks into a folder
        return int(_watched(call, name, step)(path, flags, *args, **kwargs))

    return opened


def _written_by_halves(write: Callable[[int, Any], int], step: Step) -> Callable[[int, Any], int]:
    """The kernel may write less than it was asked to, and a process may die after that."""

    def written(descriptor: int, content: Any) -> int:
        step("write")
        n_bytes = write(descriptor, content[: max(1, len(content) // 2)])
        step("write done")
        return n_bytes

    return written
