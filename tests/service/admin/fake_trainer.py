"""A trainer that trains nothing: it does what the note of its order says, step by step, and never imports torch.

Called as the real one is: `-P -m training.retrain FOLDER` or `-P -m training.retrain.inspection FILE`. A step is
`name` or `name:argument`; steps stand between spaces. `THEATRE` is a folder that tests and trainers share: the file of
the model to publish, the FIFOs at which they meet, and what a trainer has noted down.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from contract.card import EpochRecord, Origin, Report
from contract.decision import Finding, GateDecision
from contract.errors import NotFound, Superseded
from contract.job import (
    EVENTS_FILE,
    ORDER_FILE,
    PROCESS_FILE,
    Decided,
    Epoch,
    Failed,
    Found,
    Order,
    Outcome,
    Process,
    Staged,
    Succeeded,
    append_event,
)
from contract.publishing import Publisher


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Actor:
    def __init__(self, theatre: Path, folder: Path) -> None:
        self.theatre = theatre
        self.folder = folder
        self.order = msgspec.json.decode((folder / ORDER_FILE).read_bytes(), type=Order)
        self.report = msgspec.json.decode((theatre / "report.json").read_bytes(), type=Report)
        self.publisher = Publisher(Path(self.order.models))
        self.passed = True
        self.version = 0
        self.outcome: Outcome = "published"

    def play(self) -> None:
        steps = self.order.note.split()
        if steps[:1] == ["unborn"]:
            self.hold("unborn")
        (self.folder / PROCESS_FILE).write_bytes(msgspec.json.encode(Process.of(os.getpid())))
        if self.order.lifeline:
            threading.Thread(target=self.end_with, args=[self.order.lifeline], daemon=True).start()
        for step in steps:
            name, _, argument = step.partition(":")
            if name != "unborn":
                getattr(self, name)(*[argument] if argument else [])

    def end_with(self, lifeline: str) -> None:
        try:
            fcntl.flock(os.open(lifeline, os.O_RDWR | os.O_CLOEXEC), fcntl.LOCK_SH)
            append_event(self.folder, Failed(time=now(), error="the service stopped", ours=False))
        finally:
            os.kill(os.getpid(), signal.SIGKILL)

    def hold(self, place: str) -> None:
        """Meet the test, then wait until it lets go."""
        (self.theatre / f"{self.order.model}.{place}.reached").open("w").close()
        (self.theatre / f"{self.order.model}.{place}.go").read_bytes()

    def stage(self, name: str) -> None:
        append_event(self.folder, Staged(time=now(), stage=name))

    def epoch(self, number: str) -> None:
        record = EpochRecord(epoch=int(number), train_loss=0.5, valid_loss=0.6, gradient_norm=1.0, update_ratio=0.1)
        append_event(self.folder, Epoch(time=now(), record=record, max_epochs=10, seconds=2.0))

    def finding(self) -> None:
        finding = Finding(check="few_rows", detail="3 rows", value=3, limit=5, refused=False)
        append_event(self.folder, Found(time=now(), finding=finding))

    def torn(self) -> None:
        with (self.folder / EVENTS_FILE).open("ab") as file:
            file.write(b'{"event":"stage","ti')

    def unreadable(self) -> None:
        with (self.folder / EVENTS_FILE).open("ab") as file:
            file.write(b'{"event":"dance"}\n')

    def refuse(self) -> None:
        self.passed = False

    def gate(self) -> None:
        append_event(self.folder, Decided(time=now(), gate=self.decision(), metrics=self.report.metrics))

    def decision(self) -> GateDecision:
        try:
            pointer = self.publisher.current(self.order.model)
        except NotFound:
            pointer = None
        return GateDecision(
            passed=self.passed,
            reasons=() if self.passed else ("log_loss: worse by 0.1",),
            champion=pointer.version if pointer else None,
            sequence=pointer.sequence if pointer else None,
            n_held_out=30,
            held_out_sha256="1" * 64,
        )

    def publish(self) -> None:
        origin = Origin(
            job=self.order.id,
            fence=self.order.fence,
            requested_by=self.order.requested_by,
            note=self.order.note,
            gate=self.decision(),
        )
        promote = self.order.promote == "auto" and self.passed
        model = (self.theatre / "model.onnx").read_bytes()
        try:
            card = self.publisher.publish_job(self.order.model, model, self.report, origin, promote=promote)
        except Superseded as error:
            self.fail(str(error))
        self.version = card.version
        self.outcome = "promoted" if promote else "published" if self.passed else "held"

    def succeed(self) -> None:
        append_event(self.folder, Succeeded(time=now(), version=self.version, outcome=self.outcome))

    def fail(self, error: str = "no luck") -> None:
        append_event(self.folder, Failed(time=now(), error=error, ours=False))
        sys.exit(1)

    def say(self, words: str) -> None:
        sys.stderr.write(f"{words}\n")
        sys.stderr.flush()

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def note_down(self) -> None:
        """What the service gave to this process."""
        seen = {
            "argv": sys.argv,
            "environment": dict(os.environ),
            "requests": [],
            "files": sorted(path.name for path in self.folder.iterdir()),
        }
        if self.order.requests is not None:
            with os.fdopen(os.dup(self.order.requests), "rb") as file:
                seen["requests"] = file.read().decode().splitlines()
        (self.theatre / "seen.json").write_bytes(msgspec.json.encode(seen))


def inspect(path: Path) -> dict[str, object]:
    """Like the reader's facts of a CSV file; what begins with a question mark is none."""
    lines = path.read_text().splitlines()
    if lines[0].startswith("?"):
        return {"type": "Refusal", "error": "a table must be readable, got the body"}
    if lines[0].startswith("!"):
        sys.exit("ModuleNotFoundError: No module named 'polars'")
    columns = [{"name": name, "dtype": "String"} for name in lines[0].split(",")]
    return {
        "type": "TableFacts",
        "n_rows": len(lines) - 1,
        "n_columns": len(columns),
        "columns": columns,
        "warnings": [],
    }


def main(theatre: Path) -> None:
    flag, option, module, path = sys.argv[1:]
    assert (flag, option) == ("-P", "-m")
    if module == "training.retrain":
        Actor(theatre, Path(path)).play()
    else:
        assert module == "training.retrain.inspection"
        with (theatre / "inspections").open("a") as file:
            file.write(f"{path}\n")
        sys.stdout.buffer.write(msgspec.json.encode(inspect(Path(path))))
