"""`python -m bench.promises.killed_writer ROOT MODEL REPORT EVERY N_TIMES`: publishes as a job does; is killed.

Of the steps on the disk it takes one in `EVERY`, and leaves `N_TIMES` copies of ROOT for each, `ROOT-<step>-<time>`, in
which a process that was at that step was killed; at last one, `ROOT-done`, in which none was. Forks are killed, which
spares each of them the start of an interpreter.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from itertools import count
from pathlib import Path

import msgspec

from contract.card import Origin, Report
from contract.decision import GateDecision
from contract.publishing import Publisher
from tests.contract.steps import watch

FENCE = 1


def main() -> None:
    """Until a fork comes to the end unharmed."""
    root, model_file, report_file, every, n_times = sys.argv[1:]
    model = Path(model_file).read_bytes()
    report = msgspec.json.decode(Path(report_file).read_bytes(), type=Report)
    for step in count(1, int(every)):
        for time in range(int(n_times)):
            copy = Path(f"{root}-{step:04}-{time:02}")
            shutil.copytree(root, copy)
            process = os.fork()
            if not process:
                _publish_and_die(step, Publisher(copy), model, report)
            _, status = os.waitpid(process, 0)
            if os.WIFEXITED(status):
                copy.rename(f"{root}-done")
                sys.exit(os.WEXITSTATUS(status))


def _publish_and_die(at: int, publisher: Publisher, model: bytes, report: Report) -> None:
    n_steps = 0

    def step(_name: str) -> None:
        nonlocal n_steps
        n_steps += 1
        if n_steps == at:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(step)
    try:
        (name,) = publisher.names()
        origin = _origin(publisher.current(name).sequence)
        publisher.publish_job(name, model, report, origin, promote=True)
    except BaseException:  # noqa: BLE001 # a fork must not return into its parent's code
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _origin(sequence: int) -> Origin:
    """Of a job whose gate let its version pass over the one that served at this sequence."""
    gate = GateDecision(passed=True, reasons=(), champion=1, sequence=sequence, n_held_out=1, held_out_sha256="0" * 64)
    return Origin(job="0" * 16, fence=FENCE, requested_by="bench", note="", gate=gate)


if __name__ == "__main__":
    main()
