"""Origins of versions, as a job of the service gives them."""

from __future__ import annotations

from contract.card import Origin
from contract.decision import Comparison, Finding, GateDecision, Replay


def origin(fence: int, sequence: int | None = None, *, passed: bool = True) -> Origin:
    """The origin of a job that holds `fence`, and whose gate met a pointer of that sequence. Every place is filled."""
    return Origin(
        job=f"job-{fence}",
        fence=fence,
        requested_by="key-1",
        note="the rows of spring",
        gate=GateDecision(
            passed=passed,
            reasons=() if passed else ("log_loss: worse by 0.1",),
            champion=sequence,
            sequence=sequence,
            n_held_out=30,
            held_out_sha256="1" * 64,
            comparisons=(
                Comparison(
                    metric="log_loss",
                    champion=0.25,
                    challenger=0.24,
                    worse_by=-0.01,
                    low=-0.02,
                    high=0.005,
                    tolerance=0.02,
                    passed=True,
                ),
            ),
            replay=Replay(
                n_requests=3,
                n_rows=12,
                n_refused=0,
                label_flip_rate=0.25,
                max_probability_change=0.5,
                max_label_flips=0.25,
                passed=True,
            ),
            schema_changes=("species: a class more",),
            findings=(Finding(check="few_rows", column="colour", detail="3 rows", value=3, limit=5, refused=False),),
            notes=("few rows were held out",),
        ),
    )
