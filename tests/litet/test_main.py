"""The command line loads a side of the house only when a command needs it."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from litet.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]
HEAVY = {"litestar", "numpy", "onnxruntime", "polars", "rich", "service", "sklearn", "torch", "training"}


def modules_loaded_by(*arguments: str) -> set[str]:
    """The top-level modules in an interpreter that has run `litet` with these arguments."""
    code = f"""
import sys
sys.argv = {["litet", *arguments]!r}
from litet.__main__ import main
try:
    main()
except SystemExit:
    print("MODULES", *sys.modules)
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return {name.partition(".")[0] for name in output.partition("MODULES")[2].split()}


def test_help_loads_no_side_of_the_house():
    assert not modules_loaded_by("--help") & HEAVY


def test_moving_the_current_version_loads_only_the_contract():
    loaded = modules_loaded_by("rollback", "nobody", "--models", "nowhere")
    assert not loaded & (HEAVY - {"numpy"})


def test_the_help_of_every_command_works(litet):
    for name in COMMANDS:
        outcome = litet(name, "--help")
        assert outcome.exit_code == 0
        assert f"Usage: litet {name}" in outcome.out


def test_help_lists_every_command(litet):
    out = litet("--help").out
    assert all(name in out for name in COMMANDS)


def test_an_unknown_command_is_exit_code_2(litet):
    outcome = litet("fly")
    assert outcome.exit_code == 2
    assert "fly" in outcome.err


def test_a_missing_package_says_which_extra_brings_it(litet, monkeypatch, table):
    monkeypatch.setitem(sys.modules, "training.run", None)
    outcome = litet("train", table, "--target", "bird")
    assert outcome.exit_code == 2
    assert "pip install 'litet[train]'" in outcome.err


@pytest.mark.parametrize(("status", "exit_code", "word"), [(200, 0, "ready"), (503, 1, "not ready: 503")])
def test_health_follows_the_services_answer(litet, monkeypatch, status, exit_code, word):
    asked = []

    def get(url: str, timeout: float) -> httpx.Response:
        asked.append(url)
        return httpx.Response(status)

    monkeypatch.setattr(httpx, "get", get)
    monkeypatch.setenv("LITET_PORT", "1234")
    outcome = litet("health")
    assert (outcome.exit_code, outcome.out.strip(), asked) == (exit_code, word, ["http://127.0.0.1:1234/health/ready"])


def test_health_is_1_where_nobody_listens(litet):
    outcome = litet("health", "--url", "http://127.0.0.1:1")
    assert outcome.exit_code == 1
    assert "not reachable" in outcome.err


def test_nothing_is_written_to_the_home_folder(tmp_path):
    (tmp_path / "table.csv").write_text("sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n")
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: text for name, text in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-m", "litet", "predict", "iris", tmp_path / "table.csv"]
    subprocess.run(command, env=environment | {"HOME": str(home)}, check=True, capture_output=True, cwd=ROOT)
    assert list(home.rglob("*")) == []
