"""Memory, open files and threads stay flat however often versions are swapped; and who looks would see a leak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.promises.load import under_load
from bench.promises.measured import ROOT, Measured
from bench.promises.models import NAME, REQUEST, publish
from bench.promises.promoter import promoter
from bench.promises.serving import Service, serving

LEAKING = ROOT / "bench" / "promises" / "leaking_service.py"
HIDDEN_SIZES = (512, 512)
"""A model of a megabyte, so that one that is not let go shows."""
N_WORKERS = 2
RATE = 100.0
MAX_GROWTH_MIB = 32.0
MAX_MORE = 2
"""Open files and threads: some come and go."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one process holds."""

    mib: float
    n_descriptors: int
    n_threads: int

    @classmethod
    def of(cls, pid: int) -> Resources:
        """What a process holds now."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.strip()}
        n_descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(status["VmRSS"]) / 1024, n_descriptors, int(status["Threads"]))


def stay_flat(folder: Path, *, n_warm_up: int, n_swaps: int, n_leaking: int) -> list[Measured]:
    """Swap under load, and once more on a service that leaks."""
    growth = _growth(folder / "sound", n_warm_up, n_swaps, None)
    leak = _growth(folder / "leaking", n_warm_up, n_leaking, LEAKING)
    figure = (
        f"+{growth['mib']:.1f} MiB, {growth['descriptors']:+.0f} files, {growth['threads']:+.0f} threads in "
        f"{n_swaps} swaps"
    )
    target = f"< {MAX_GROWTH_MIB:g} MiB, ≤ {MAX_MORE}, ≤ {MAX_MORE}"
    return [
        Measured("memory stays flat", figure, target, _is_flat(growth), growth),
        Measured(
            "a leak would be seen",
            f"+{leak['mib']:.0f} MiB in {n_leaking} swaps of a leaking service",
            f"≥ {MAX_GROWTH_MIB:g} MiB",
            not _is_flat(leak),
            leak,
        ),
    ]


def _is_flat(growth: Mapping[str, float]) -> bool:
    return growth["mib"] < MAX_GROWTH_MIB and max(growth["descriptors"], growth["threads"]) <= MAX_MORE


def _growth(folder: Path, n_warm_up: int, n_swaps: int, script: Path | None) -> dict[str, float]:
    """The most that a worker grew by from after the warm-up to the end."""
    models = folder / "models"
    publish(models, 2, HIDDEN_SIZES)
    measured: list[list[Resources]] = []
    with (
        serving(models, script=script, workers=N_WORKERS, poll_interval_s=0.05) as service,
        promoter(models, NAME) as promote,
    ):
        pids = service.worker_pids(N_WORKERS)

        def act() -> None:
            for n_done in range(1, n_warm_up + n_swaps + 1):
                promote(1 + n_done % 2)
                _wait_for_swap(service, n_done)
                if n_done in (n_warm_up, n_warm_up + n_swaps):
                    measured.append([Resources.of(pid) for pid in pids])

        load = under_load(service.url, REQUEST, RATE, act)
    before, after = measured
    return {
        "mib": _most(before, after, "mib"),
        "descriptors": _most(before, after, "n_descriptors"),
        "threads": _most(before, after, "n_threads"),
        "failures": len(load.failures),
        "rss_before_mib": max(one.mib for one in before),
        "rss_after_mib": max(one.mib for one in after),
    }


def _wait_for_swap(service: Service, n_swaps: int) -> None:
    """Until every worker has taken over so many versions beside its first."""
    service.wait_for(lambda line: line["message"] == "a version serves", (n_swaps + 1) * N_WORKERS)


def _most(before: Sequence[Resources], after: Sequence[Resources], name: str) -> float:
    return float(max(getattr(b, name) - getattr(a, name) for a, b in zip(before, after, strict=True)))
