from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from contract.card import (
    Calibration,
    ClassMetrics,
    DataFacts,
    EpochRecord,
    Metrics,
    Parity,
    Probe,
    Report,
    Rows,
    Training,
)
from contract.publishing import Publisher


@pytest.fixture(scope="session")
def report() -> Report:
    """A report with something in every place, nested configuration included."""
    return Report(
        config={"lr": 0.01, "seed": 7, "early_stop": True, "d_blocks": [64, 32], "schedule": {"kind": None}},
        data=DataFacts(
            source="iris.csv",
            sha256="0" * 64,
            n_rows=152,
            n_columns=5,
            target="species",
            rows=Rows(train=90, valid=30, test=30, dropped=2),
            class_counts=(50, 50, 50),
            excluded={"id": "one value a row"},
            warnings=("a class is rare",),
        ),
        training=Training(
            stop_reason="plateau",
            n_epochs=2,
            best_epoch=1,
            n_parameters=83,
            seconds=0.25,
            history=(
                EpochRecord(epoch=1, train_loss=1.1, valid_loss=1.0, gradient_norm=0.5, update_ratio=0.001),
                EpochRecord(epoch=2, train_loss=0.9, valid_loss=1.2, gradient_norm=0.4, update_ratio=0.002),
            ),
        ),
        calibration=Calibration(
            temperature=1.5, log_loss_before=0.3, log_loss_after=0.25, ece_before=0.1, ece_after=0.05
        ),
        metrics=Metrics(
            n_samples=30,
            accuracy=0.9,
            balanced_accuracy=0.9,
            macro_f1=0.9,
            log_loss=0.25,
            brier=0.2,
            ece=0.05,
            majority_accuracy=0.33,
            per_class=(ClassMetrics(label=True, n_samples=15, precision=0.9, recall=0.8, f1=0.85),),
            confusion_matrix=((14, 1), (2, 13)),
        ),
        parity=Parity(n_samples=64, max_error=1e-6, tolerance=1e-4),
        probe=Probe(x_num=((5.1, None),), x_cat=(("red", ""),), logits=((0.5, -0.5),)),
        libraries={"torch": "2.13.0"},
    )


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "models")


@pytest.fixture
def start_writer(tmp_path: Path, report: Report) -> Callable[..., subprocess.Popen[str]]:
    """Starts `writer_process.py` in one of its modes. Who starts one closes it: use it as a context manager."""
    report_file = tmp_path / "report.json"
    report_file.write_bytes(msgspec.json.encode(report))
    script = Path(__file__).with_name("writer_process.py")

    def start(mode: str, root: Path, *rest: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(script), mode, str(root), str(report_file), *map(str, rest)],
            env=os.environ | {"PYTHONPATH": str(script.parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    return start
