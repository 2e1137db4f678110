"""How fast litet trains beside scikit-learn, skorch, Lightning and pytabkit: `make bench-training`.

Three parts: an epoch's time (`bench.speed.epochs`), where it goes (`bench.speed.shares`), and seconds to the same valid
loss on two tables (`bench.speed.race`). Contenders take turns, so that a change in the machine's speed hits them all.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from bench.report import save
from bench.rivals.tables import built_in, read_folder
from bench.speed import epochs, peers, plain, race, rows, shares
from bench.speed.clock import Now

PARTS = ("epochs", "shares", "race")


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("LITET_BENCH_DATA"), help="a folder of CSV files")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--repeats", type=int, default=7, help="runs of each, in turn; of the race so many seeds")
    parser.add_argument("--rival-repeats", type=int, default=3, help="seeds of pytabkit, which takes minutes")
    parser.add_argument("--limit", type=float, default=150.0, metavar="SECONDS", help="what a run of the race may take")
    parser.add_argument(
        "--processor", action="store_true", help="count seconds of the processor, where others use the machine, too"
    )
    parser.add_argument("--quick", action="store_true", help="one run of each, at most 30 s, without pytabkit")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.repeats, arguments.rival_repeats, arguments.limit = 1, 0, 30.0
    plain.quieten()
    now = time.process_time if arguments.processor else time.perf_counter
    figures: dict[str, object] = {}
    if "epochs" in arguments.parts:
        figures["epochs"] = epochs.measure(arguments.repeats, now)
    if "shares" in arguments.parts:
        figures["shares"] = shares.measure(rows.big(), epochs.BIG, arguments.repeats, now)
    if "race" in arguments.parts:
        figures["race"] = _race(arguments, now)
    save("training", figures)


def _race(arguments: argparse.Namespace, now: Now) -> dict[str, dict[str, object]]:
    with tempfile.TemporaryDirectory() as place:
        splits = list(read_folder(arguments.data) if arguments.data else built_in(Path(place)))
        if not arguments.data:
            print("\nno folder of tables was named (--data, LITET_BENCH_DATA): scikit-learn's own, which are small")
        names = race.TABLES if arguments.data else ("breast_cancer", "digits")
        return race.measure(
            [split for split in splits if split.name in names],
            peers.processes(now) if arguments.rival_repeats else {},
            now,
            repeats=arguments.repeats,
            rival_repeats=arguments.rival_repeats,
            limit_s=arguments.limit,
        )


if __name__ == "__main__":
    main()
