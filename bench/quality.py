"""How good the default model is beside what a user would pick instead: `make bench-quality`.

Each model is trained on the first 80 % of each table's rows and tested on the last 20 %, with its library's defaults,
one at a time, with all cores. Peers' answers are kept in bench/results/rivals, by version, table and seed, and are not
computed again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

import numpy as np

from bench.report import RESULTS, save
from bench.rivals.environment import interpreter, versions
from bench.rivals.scores import Scores, score
from bench.rivals.summary import print_summary, print_tables
from bench.rivals.tables import TARGET, Split, built_in, read_folder

LITET = "litet"
PEERS = ("LightGBM", "XGBoost", "CatBoost", "logistic regression", "sklearn MLP", "RealMLP-TD")
ANCHORS = ("RealMLP-TD, 8 members", "TabM-D")
KEPT = RESULTS / "rivals"
TIMES = ("seconds", "us_per_row")


def main() -> None:
    """Train what is not kept, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("LITET_BENCH_DATA"), help="a folder of CSV files")
    parser.add_argument("--r-tables", action="store_true", help="33 tables of R packages, which decided nothing")
    parser.add_argument("--tables", nargs="*", help="only these")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=PEERS, help=f"beside whom; {', '.join(ANCHORS)} take hours")
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=JSON", help="options of litet's training")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = r_tables() if arguments.r_tables else arguments.data
        splits = list(read_folder(folder) if folder else built_in(Path(place)))
        if not folder:
            print("no folder of tables was named (--data, LITET_BENCH_DATA): scikit-learn's own, which are small")
        wanted = [split for split in splits if not arguments.tables or split.name in arguments.tables]
        figures = {split.name: measure(split, arguments.peers, arguments.seeds, arguments.set) for split in wanted}
    print_tables(figures)
    print_summary(figures)
    save("quality", {name: {model: asdict(scores) for model, scores in row.items()} for name, row in figures.items()})


def measure(split: Split, peers: Sequence[str], n_seeds: int, options: Sequence[str]) -> dict[str, Scores]:
    """Each model's scores on one table."""
    y = np.array([split.labels.index(label) for label in split.test[TARGET].cast(str)])
    figures = {}
    for model in (LITET, *peers):
        of_seeds = []
        for seed in range(n_seeds):
            print(f"{split.name}: {model}, seed {seed}", file=sys.stderr, flush=True)
            answers = ours(split, seed, options) if model == LITET else kept(model, split, seed)
            one = score(answers["probabilities"], y)
            of_seeds.append(one | {name: float(answers[name]) for name in ("seconds", "n_bytes", "us_per_row")})
        means = {name: fmean(one[name] for one in of_seeds) for name in of_seeds[0]}
        # Others who use the machine only ever add to a time.
        figures[model] = Scores(**means | {name: min(one[name] for one in of_seeds) for name in TIMES})
    return figures


def r_tables() -> Path:
    """The folder of the tables of R packages, written where it is not there yet."""
    folder = RESULTS / "r_tables"
    subprocess.run([str(interpreter()), str(Path(__file__).parent / "rivals" / "r_tables.py"), str(folder)], check=True)
    return folder


def ours(split: Split, seed: int, options: Sequence[str]) -> Mapping[str, np.ndarray]:
    """litet's answers, computed anew."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out.npz"
        program = [sys.executable, "-m", "bench.rivals.ours", str(split.path), str(split.n_train), str(seed), str(out)]
        subprocess.run([*program, *options], check=True)
        return dict(np.load(out))


def kept(peer: str, split: Split, seed: int) -> Mapping[str, np.ndarray]:
    """A peer's answers, computed where they are not kept."""
    python = interpreter()
    out = KEPT / f"{peer.replace(' ', '_')}-{split.name}-{split.fingerprint()}-{versions()}-{seed}.npz"
    if not out.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        program = [str(python), str(Path(__file__).parent / "rivals" / "peer.py")]
        given = [peer, str(split.path), str(split.n_train), str(seed), str(out.with_suffix(".part.npz"))]
        subprocess.run([*program, *given, *split.categorical], check=True)
        out.with_suffix(".part.npz").rename(out)
    return dict(np.load(out))


if __name__ == "__main__":
    main()
