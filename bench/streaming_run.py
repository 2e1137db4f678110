"""One training run of `bench.streaming`, in a process of its own, which prints its figures as one JSON object."""

from __future__ import annotations

import argparse
import json
import re
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from contract.card import EpochRecord
from contract.config import make_config
from contract.model_file import LOGITS
from training.calibration import log_loss
from training.dataset import frame_tensors
from training.labels import label_indices
from training.observer import Observer
from training.parity import open_session, run_session
from training.preprocessing import Preprocessing
from training.run import TrainedModel, train_model
from training.streamed.portions import EPOCH_ROWS
from training.streamed.rest import Rest
from training.streamed.run import train_streamed
from training.streamed.table import StreamedTable, open_table
from training.table import read_table


class Watch(Observer):
    """Notes when stages begin, and how much of the epochs the loop was given."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}
        self.n_epochs = self.share = 0.0

    def stage(self, name: str) -> None:
        self.began[name] = time.perf_counter()

    def epoch(self, record: EpochRecord, max_epochs: int) -> None:  # noqa: ARG002 # who is told decides what it needs
        self.n_epochs += 1
        self.last_share, self.share = self.share, 0.0

    def progress(self, share: float) -> None:
        self.share = share


@dataclass(slots=True)
class Reading:
    """What reading slices, and making the network's inputs of them, has taken."""

    seconds: float = 0.0
    n_rows: int = 0

    def watch(self) -> None:
        """Sum up from now on."""
        read = Rest.read

        def timed(
            rest: Rest, start: int, n_rows: int, preprocessing: Preprocessing
        ) -> tuple[torch.Tensor, torch.Tensor]:
            started = time.perf_counter()
            x, y = read(rest, start, n_rows, preprocessing)
            self.seconds += time.perf_counter() - started
            self.n_rows += len(y)
            return x, y

        Rest.read = timed  # type: ignore[method-assign]


def main() -> None:
    """Train, and print."""
    started = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("target")
    parser.add_argument("--limit", type=int, help="bytes of memory; without, all there is")
    parser.add_argument("--time-budget", type=float, required=True)
    parser.add_argument("--fresh", required=True, help="rows to ask the model about")
    options = parser.parse_args()
    if options.limit:
        resource.setrlimit(resource.RLIMIT_DATA, (options.limit, options.limit))
    start_bytes = _peak_bytes()
    config = make_config(time_budget_s=options.time_budget)
    watch, reading = Watch(), Reading()
    reading.watch()
    with open_table(options.path, config.max_categories, options.limit) as table:
        train = train_streamed if isinstance(table, StreamedTable) else train_model
        trained = train(table, options.target, config, observer=watch)  # type: ignore[operator]
    fitting_s = watch.began["calibrating"] - watch.began["fitting"]
    figures = {
        "is_streamed": isinstance(table, StreamedTable),
        "start_bytes": start_bytes,
        "peak_bytes": _peak_bytes(),
        "preparing_s": watch.began["fitting"] - started,
        "fitting_s": fitting_s,
        "reading_s": reading.seconds,
        "read_rows": reading.n_rows,
        "n_epochs": watch.n_epochs - 1 + watch.last_share,
        "epoch_rows": min(EPOCH_ROWS, trained.report.data.rows.train),
        "valid_loss": min(record.valid_loss for record in trained.report.training.history),
        "fresh_log_loss": _log_loss(trained, options.fresh, options.target),
        "whole_s": time.perf_counter() - started,
    }
    print(json.dumps(figures))


def _peak_bytes() -> int:
    """Of this process since it began; `ru_maxrss` would take over what its parent had."""
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(kilobytes) * 1024


def _log_loss(trained: TrainedModel, path: str, target: str) -> float:
    frame = read_table(path).frame
    y = label_indices(trained.schema.labels, frame, target)
    return log_loss(run_session(open_session(trained.model), frame_tensors(trained.schema, frame))[LOGITS], y)


if __name__ == "__main__":
    main()
