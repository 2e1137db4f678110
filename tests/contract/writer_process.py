"""A writer in a process of its own, for tests that race it, hold it or kill it.

python writer_process.py race ROOT REPORT N_VERSIONS    once told to go: publish and promote that many versions
python writer_process.py hold ROOT REPORT               publish, but wait with the model file written until told to go
python writer_process.py jobs ROOT REPORT               for each origin told: publish a version of that job, and promote
                                                        it where the gate passed; answers its number, or null
python writer_process.py kill ROOT REPORT OPERATION     for each step of an operation: a copy of ROOT, ROOT-<step>, in
                                                        which a process that was at that step was killed
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import msgspec

from contract import durable
from contract.card import Origin, Report
from contract.errors import Superseded
from contract.job import Succeeded, append_event
from contract.publishing import Publisher
from tests.contract.origins import origin
from tests.contract.steps import watch

HELD_FENCE = 7
"""What a job of `OPERATIONS` holds, and what they raise."""
EVENT = Succeeded(time="2026-01-02T03:04:05+00:00", version=3, outcome="promoted")


def publish_job(publisher: Publisher, report: Report) -> None:
    """As a job that saw what serves now."""
    sequence = publisher.current("iris").sequence if publisher.names() else None
    publisher.publish_job("iris", b"published", report, origin(HELD_FENCE, sequence), promote=True)


OPERATIONS: dict[str, Callable[[Publisher, Report], object]] = {
    "publish": lambda publisher, report: publisher.publish("iris", b"published", report),
    "publish_job": publish_job,
    "raise_fence": lambda publisher, _: publisher.raise_fence("iris", HELD_FENCE + 1),
    "promote": lambda publisher, _: publisher.promote("iris", 2),
    "roll_back": lambda publisher, _: publisher.roll_back("iris"),
}
MORE_OPERATIONS = OPERATIONS | {"append_event": lambda publisher, _: append_event(publisher.root, EVENT)}
"""With those on other folders than a repository's."""


def wait_for_go() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def race(root: Path, report: Report, n_versions: str) -> None:
    publisher = Publisher(root)
    wait_for_go()
    done = []
    for turn in range(int(n_versions)):
        content = f"{os.getpid()} {turn}"
        card = publisher.publish("iris", content.encode(), report)
        pointer = publisher.promote("iris", card.version)
        done.append((card.version, content, pointer.sequence))
    print(json.dumps(done))


def hold(root: Path, report: Report) -> None:
    write_file = durable.write_file

    def write_and_wait(path: Path, content: bytes) -> None:
        write_file(path, content)
        durable.write_file = write_file
        wait_for_go()

    durable.write_file = write_and_wait
    print(json.dumps(Publisher(root).publish("iris", b"held", report).version))


def jobs(root: Path, report: Report) -> None:
    publisher = Publisher(root)
    print("ready", flush=True)
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Origin)
        version = None
        with contextlib.suppress(Superseded):
            content = f"{os.getpid()} {order.fence}".encode()
            version = publisher.publish_job("iris", content, report, order, promote=order.gate.passed).version
        print(json.dumps(version), flush=True)


def kill(root: Path, report: Report, operation: str) -> None:
    """Forks of this process are killed, for that spares each of them the start of an interpreter."""
    for at in count(1):
        copy = root.with_name(f"{root.name}-{at:04}")
        if root.exists():
            shutil.copytree(root, copy)
        process = os.fork()
        if not process:
            _die_at(at, partial(MORE_OPERATIONS[operation], Publisher(copy), report))
        _, status = os.waitpid(process, 0)
        if os.WIFEXITED(status):
            sys.exit(os.WEXITSTATUS(status))


def _die_at(at: int, operate: Callable[[], object]) -> None:
    n_steps = 0

    def step(_name: str) -> None:
        nonlocal n_steps
        n_steps += 1
        if n_steps == at:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(step)
    try:
        operate()
    except BaseException:  # noqa: BLE001 # a fork must not return into its parent's code
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    mode, folder, report_file, *rest = sys.argv[1:]
    modes: dict[str, Callable[..., None]] = {"race": race, "hold": hold, "jobs": jobs, "kill": kill}
    modes[mode](Path(folder), msgspec.json.decode(Path(report_file).read_bytes(), type=Report), *rest)
