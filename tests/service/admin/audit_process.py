"""A writer of an audit log in a process of its own, for tests that race it or kill it.

python audit_process.py race FOLDER ACTOR N    once told to go: record that many entries
python audit_process.py kill FOLDER            for each step of recording one: a copy of FOLDER, FOLDER-<step>, in which
                                               a process that was at that step was killed
"""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from itertools import count
from pathlib import Path

from service.admin.audit import Audit
from tests.contract.writer_process import _die_at, wait_for_go


def race(folder: Path, actor: str, n_entries: str) -> None:
    wait_for_go()
    for i in range(int(n_entries)):
        Audit(folder).record(actor, "race", str(i), {})


def kill(folder: Path) -> None:
    for at in count(1):
        copy = folder.with_name(f"{folder.name}-{at:04}")
        if folder.exists():
            shutil.copytree(folder, copy)
        process = os.fork()
        if not process:
            _die_at(at, partial(Audit(copy).record, "killed", "act", "subject", {}))
        _, status = os.waitpid(process, 0)
        if os.WIFEXITED(status):
            sys.exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    mode, folder, *rest = sys.argv[1:]
    {"race": race, "kill": kill}[mode](Path(folder), *rest)
