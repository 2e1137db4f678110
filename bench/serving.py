"""The cost of a prediction over HTTP: `make bench-serving`; beside what users pick instead: `make bench-peers`.

Each server runs on one core and wrk on another, one server at a time. Every round starts each server anew, checks its
answers, and measures all of it for as many seconds. "echo" is the floor: uvicorn, as litet runs it, with an app that
reads nothing and answers with bytes of the same length. Ratios within one run are the claim.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.peers.figures import EVERYWHERE, Figures
from bench.peers.measuring import Cores, answer_of, measure
from bench.peers.ratios import claims
from bench.peers.rows import iris_rows, train_mixed
from bench.peers.servers import IRIS, Server, echo_servers, litet_servers, peer_servers
from bench.peers.tables import print_claims, print_failures, print_per_row, print_single_rows, print_starts
from bench.peers.wrk import RunFailed, check_installed
from bench.report import save
from contract.publishing import Publisher


def main() -> None:
    """Measure, print, save; exit with 2 where that is impossible."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true", help="also FastAPI, MLServer, LitServe and BentoML")
    parser.add_argument("--rounds", type=int, default=5, help="times that everything is measured")
    parser.add_argument("--seconds", type=int, default=1, help="length of one measurement")
    parser.add_argument("--quick", action="store_true", help="one round")
    arguments = parser.parse_args()
    try:
        check_installed()
        cores = Cores.take()
        with tempfile.TemporaryDirectory() as folder:
            servers = take_part(Path(folder), cores, with_peers=arguments.peers)
            figures = measure_in_turn(servers, cores, 1 if arguments.quick else arguments.rounds, arguments.seconds)
    except RunFailed as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    cases = [case.name for server in servers for case in server.cases]
    notes = {server.name: server.note for server in servers}
    listed = claims(figures, with_peers=arguments.peers)
    print_single_rows(figures, cases)
    print_per_row(figures, cases)
    print_starts(figures, notes)
    print_claims(listed)
    print_failures(figures)
    content = {
        "claims": [{"aim": claim.aim, **asdict(claim)} for claim in listed],
        "notes": notes,
        **figures.to_builtins(),
    }
    save("peers" if arguments.peers else "serving", content)


def take_part(folder: Path, cores: Cores, *, with_peers: bool) -> list[Server]:
    """The servers, each with what it needs to run.

    Raises:
        RunFailed: litet does not train, serve or answer as its model does.
    """
    iris_models, mixed_models = folder / "iris-models", folder / "mixed-models"
    shutil.copytree(IRIS / "1", iris_models / "iris" / "1")
    Publisher(iris_models).promote("iris", 1)
    iris = iris_rows(IRIS / "1" / "model.onnx")
    servers = litet_servers(iris, train_mixed(mixed_models), iris_models, mixed_models)
    answer = folder / "answer.json"
    answer.write_bytes(answer_of(servers[0], cores))
    return [*servers, *echo_servers(iris, answer), *(peer_servers(iris) if with_peers else ())]


def measure_in_turn(servers: Sequence[Server], cores: Cores, n_rounds: int, seconds: int) -> Figures:
    """Every server once a round, so that a change in the machine's speed hits them all."""
    figures = Figures()
    for n_done in range(n_rounds):
        for server in servers:
            if any(EVERYWHERE in figures.failures.get(case.name, {}) for case in server.cases):
                continue
            print(f"round {n_done + 1} of {n_rounds}: {server.name}", flush=True)
            measure(server, cores, seconds, figures)
    return figures


if __name__ == "__main__":
    main()
