"""What retraining promises, put to the test: `make bench-reliability`.

Each promise is kept or broken by a count, a ratio or a time. The service runs in the serving environment, the trainer
in this one. The full counts take 13 minutes on two cores; `--quick` takes two and proves less.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from bench.promises.disks import fail_the_disk
from bench.promises.gate import stop_poison
from bench.promises.jobs import cancel_anywhen, leave_no_orphans, one_at_a_time
from bench.promises.killing import kill_publishing
from bench.promises.measured import Measured
from bench.promises.memory import stay_flat
from bench.promises.poison import BUILTINS, EXTERNAL, read_source
from bench.promises.refusing import refuse_damaged
from bench.promises.starving import starve
from bench.promises.swaps import swap_under_load
from bench.report import save

Run = Callable[[Path], list[Measured]]


def runs(data: Path | None, *, quick: bool) -> Mapping[str, Run]:
    """The promises by name, each with its counts. `data` is a folder of more tables for the gate."""

    def gate(folder: Path) -> list[Measured]:
        builtins = [read_source(name, None) for name in (BUILTINS[:2] if quick else BUILTINS)]
        external = [read_source(name, data) for name in EXTERNAL] if data else []
        return stop_poison(folder, [*builtins, *external], n_clean=4 if quick else 20)

    def swaps(folder: Path) -> list[Measured]:
        return swap_under_load(folder, n_swaps=5 if quick else 100, rate=450, gaps_s=(2.05, 2.75))

    def starving(folder: Path) -> list[Measured]:
        return starve(folder, n_rows=10_000 if quick else 100_000, n_columns=20, seconds=4 if quick else 20)

    def atomic(folder: Path) -> list[Measured]:
        return kill_publishing(folder, every=5 if quick else 1, n_times=1 if quick else 25, n_started=2 if quick else 8)

    def damage(folder: Path) -> list[Measured]:
        counts = (8, 100, 4) if quick else (64, 1000, 16)
        return refuse_damaged(folder, n_truncations=counts[0], n_flips=counts[1], n_served=counts[2])

    def memory(folder: Path) -> list[Measured]:
        counts = (20, 30, 30) if quick else (50, 300, 50)
        return stay_flat(folder, n_warm_up=counts[0], n_swaps=counts[1], n_leaking=counts[2])

    return {
        "swaps": swaps,
        "starving": starving,
        "atomic": atomic,
        "disk": lambda folder: fail_the_disk(folder, n_steps=3 if quick else 20),
        "damage": damage,
        "single": lambda folder: one_at_a_time(folder, n_posts=50),
        "orphans": leave_no_orphans,
        "cancel": lambda folder: cancel_anywhen(folder, n_times=3 if quick else 20),
        "memory": memory,
        "gate": gate,
    }


def main() -> None:
    """Measure, print, save; exit with 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts")
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(runs(None, quick=True)))
    parser.add_argument("--data", type=Path, help="folder with adult.csv and magic.csv, for the gate")
    arguments = parser.parse_args()
    figures: dict[str, dict[str, object]] = {}
    kept = True
    print(f"{'':<42}{'reached':<72}{'target':<26}kept")
    for name, run in runs(arguments.data, quick=arguments.quick).items():
        if arguments.only and name not in arguments.only:
            continue
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            measured = run(Path(folder))
        for one in measured:
            print(f"{one.promise:<42}{one.figure:<72}{one.target:<26}{'yes' if one.ok else 'NO'}", flush=True)
        seconds = round(time.monotonic() - started, 1)
        figures[name] = {"seconds": seconds, "measured": msgspec.to_builtins(measured)}
        kept = kept and all(one.ok for one in measured)
    save("reliability", figures)
    if not kept:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
