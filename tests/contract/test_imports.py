"""Importing the contract costs nothing: no package beyond numpy and msgspec, no file, no thread, no logging."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import contract

FOLDER = Path(contract.__file__).parent
MODULES = sorted(f"contract.{path.stem}" for path in FOLDER.glob("*.py") if path.stem != "__init__")

PROBE = """
import json, logging, sys, threading, warnings
import msgspec, numpy
before = set(sys.modules)
events = []
DOING = ("open", "os.", "fcntl.", "shutil.", "tempfile.", "socket.", "subprocess.", "signal.", "sqlite3.")
IMPORTING = (".py", ".pyc", ".so")

def hook(event, args):
    if event.startswith(DOING) and event != "os.listdir" and not str(args[0]).endswith(IMPORTING):
        events.append(f"{event} {args}")

sys.addaudithook(hook)
module = __import__(sys.argv[1], fromlist=["*"])
found = list(events)
added = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps({
    "added": sorted(added - sys.stdlib_module_names - {"contract", "msgspec", "numpy"}),
    "events": found,
    "handlers": len(logging.getLogger().handlers) + len(logging.getLogger("contract").handlers),
    "threads": threading.active_count(),
}))
"""


def probe(module: str, code: str = PROBE, path: Path = FOLDER.parent) -> dict[str, Any]:
    """What an import of `module` does in a fresh interpreter. `-B`: caching bytecode is the interpreter's own doing."""
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", code, module],
        env=os.environ | {"PYTHONPATH": str(path)},
        cwd=path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_there_are_modules_to_import() -> None:
    assert "contract.publishing" in MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_numpy_and_msgspec_at_most_and_does_nothing(module: str) -> None:
    assert probe(module) == {"added": [], "events": [], "handlers": 0, "threads": 1}


def test_the_probe_notices_what_a_module_does(tmp_path: Path) -> None:
    """A detector that never fired would prove nothing."""
    (tmp_path / "guilty.py").write_text(
        "import logging, foreign\nlogging.basicConfig()\nopen('notes.txt', 'w').close()\n"
    )
    (tmp_path / "foreign.py").touch()
    found = probe("guilty", path=tmp_path)
    assert found["added"] == ["foreign", "guilty"]
    assert found["handlers"] == 1
    assert ["notes.txt" in event for event in found["events"]] == [True]
