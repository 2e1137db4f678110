"""Every run has a folder of its own for its metrics, and none outlives its run for long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from service.metrics_folder import PREFIX, metrics_folder

DIE = """
import os, pathlib, signal, sys
from service.metrics_folder import metrics_folder
with metrics_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "counter_1.db").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_is_fresh_and_gone_afterwards(tmp_path: Path) -> None:
    with metrics_folder(tmp_path) as folder:
        assert list(folder.iterdir()) == []
        (folder / "counter_1.db").touch()
    assert list(tmp_path.iterdir()) == []


def test_runs_at_once_leave_each_others_folders_alone(tmp_path: Path) -> None:
    with metrics_folder(tmp_path) as first, metrics_folder(tmp_path) as second:
        assert first != second
        assert first.is_dir()


def test_a_folder_of_a_killed_run_is_collected_by_the_next(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", DIE, str(tmp_path)], cwd=root, check=False, timeout=60)
    assert killed.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(PREFIX)
    with metrics_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / f"{PREFIX}file").touch()
    with metrics_folder(tmp_path):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"precious", f"{PREFIX}file"}
