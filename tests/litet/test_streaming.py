"""`litet predict` on files of any length: batches, threads, what is left behind when it ends early."""

import errno
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from litet import scoring, write_behind
from litet.answer_files import write_csv, write_parquet, written_aside
from litet.write_behind import WriteBehind
from training import binary_rows, csv_text

HEADER = "wing,tail,place\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    table = folder / "birds.csv"
    rows = [f"{i % 10}.5,{i % 5},{('north', 'south')[i % 2]},{'owl' if i % 10 < 5 else 'crow'}" for i in range(60)]
    table.write_text("\n".join(["wing,tail,place,bird", *rows]) + "\n")
    command = ["train", table, "--target", "bird", "--models", folder, "--max-epochs", "5", "--json"]
    subprocess.run([sys.executable, "-m", "litet", *command], check=True, capture_output=True)
    return folder


@pytest.fixture
def small_steps(monkeypatch):
    """Batches of a few rows, read in blocks and slices that do not fit them."""
    monkeypatch.setattr(scoring, "BATCH_ROWS", 8)
    monkeypatch.setattr(csv_text, "BYTES_PER_BLOCK", 50)
    monkeypatch.setattr(binary_rows, "MIN_ROWS", 1)
    monkeypatch.setattr(binary_rows, "MAX_CELLS", 33)


def own_threads():
    """The threads of reading ahead and of writing behind."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("read", "write"))]


def birds(n_rows):
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "place": rng.choice(["north", "south", "west"], n_rows),
            "wing": rng.uniform(0, 10, n_rows).round(1),
            "other": ["x, y"] * n_rows,
            "tail": [None if i % 7 == 0 else float(i % 5) for i in range(n_rows)],
        }
    )


def write_all(frame, folder):
    frame.write_csv(folder / "t.csv")
    frame.write_csv(folder / "t.tsv", separator="\t")
    frame.write_parquet(folder / "t.parquet", row_group_size=13)
    frame.write_ipc(folder / "t.arrow", record_batch_size=11)
    frame.write_ipc_stream(folder / "stream.arrow")
    return [folder / name for name in ("t.csv", "t.tsv", "t.parquet", "t.arrow", "stream.arrow")]


def test_answers_are_the_same_whatever_the_file_and_its_steps(litet, models, tmp_path, monkeypatch, request):
    paths = write_all(birds(200), tmp_path)
    expected = litet("predict", "birds", paths[0], "--models", models).out
    assert expected.count("\n") == 201
    request.getfixturevalue("small_steps")
    assert {litet("predict", "birds", path, "--models", models).out for path in paths} == {expected}
    litet("predict", "birds", paths[2], "-o", tmp_path / "out.parquet", "--models", models)
    assert pl.read_parquet(tmp_path / "out.parquet").write_csv() == expected


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.arrow", "stream.arrow"])
def test_faults_are_the_same_whatever_the_file_and_its_steps(litet, models, tmp_path, small_steps, name):
    frame = birds(200).with_columns(pl.col("wing").cast(pl.String))
    cells = frame["wing"].to_list()
    cells[100] = cells[102] = cells[190] = "wide"
    write_all(frame.with_columns(pl.Series("wing", cells)), tmp_path)
    outcome = litet("predict", "birds", tmp_path / name, "-o", tmp_path / "out.csv", "--models", models)
    assert outcome.exit_code == 2
    assert outcome.err.startswith(
        "litet: row 100, feature 'wing': expected a finite float32 number or null, got \"wide\""
    )
    assert outcome.err.count("\n") == 1
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_late_fault_leaves_what_was_there_and_nothing_else(litet, models, tmp_path, small_steps, suffix):
    rows = tmp_path / "rows.csv"
    rows.write_text(HEADER + "1.5,2,north\n" * 500 + "1.5,2\n")
    folder = tmp_path / "out"
    folder.mkdir()
    output = folder / f"out{suffix}"
    output.write_text("old")
    outcome = litet("predict", "birds", rows, "-o", output, "--models", models)
    assert outcome.exit_code == 2
    assert "the row in line 502 has 2" in outcome.err
    assert [path.name for path in folder.iterdir()] == [output.name]
    assert output.read_text() == "old"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_full_disk_is_one_line_and_exit_code_1(litet, models, tmp_path, small_steps, monkeypatch, suffix):
    rows = tmp_path / "rows.csv"
    rows.write_text(HEADER + "1.5,2,north\n" * 500)

    def fail(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", fail)
    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", fail)
    outcome = litet("predict", "birds", rows, "-o", tmp_path / f"out{suffix}", "--models", models)
    assert (outcome.exit_code, outcome.err) == (
        1,
        f"litet: [Errno 28] No space left on device: '{tmp_path}/out{suffix}'\n",
    )
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_device_without_space_is_an_os_error(write):
    frame = pl.DataFrame({"label": ["a"] * 1_000})
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        write(full, iter([frame] * 1_000))


def test_an_interrupt_leaves_nothing_and_is_exit_code_130(litet, models, tmp_path, small_steps, monkeypatch):
    rows = tmp_path / "rows.csv"
    rows.write_text(HEADER + "1.5,2,north\n" * 500)
    frames = scoring.answers_frame
    n_frames = 0

    def interrupt(*arguments):
        nonlocal n_frames
        n_frames += 1
        if n_frames == 5:
            signal.raise_signal(signal.SIGINT)
        return frames(*arguments)

    monkeypatch.setattr(scoring, "answers_frame", interrupt)
    for suffix in (".csv", ".parquet"):
        n_frames = 0
        assert litet("predict", "birds", rows, "-o", tmp_path / f"out{suffix}", "--models", models).exit_code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
    assert not own_threads()


def start(models, rows, *arguments, **streams):
    command = [sys.executable, "-m", "litet", "predict", "birds", str(rows), "--models", str(models), *arguments]
    return subprocess.Popen(command, **streams)


def test_a_pipe_that_is_closed_early_ends_it_quietly(models, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text(HEADER + "1.5,2,north\n" * 300_000)
    with start(models, rows, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"label,class_index,probability_crow,probability_owl,unseen\n"
        process.stdout.close()
        assert process.stderr.read() == b""


def on_terminal(models, rows, *arguments):
    """What the command writes to a terminal on stderr."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def read():
        try:
            while chunk := os.read(ours, 1024):
                shown.extend(chunk)
        except OSError:  # what Linux answers once the other side is closed
            return

    with start(models, rows, *arguments, stdout=subprocess.DEVNULL, stderr=theirs):
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
    reader.join()
    os.close(ours)
    return shown.decode()


def test_a_terminal_shows_a_bar_with_rows_and_speed(models, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text(HEADER + "1.5,2,north\n" * 100)
    shown = on_terminal(models, rows, "-o", str(tmp_path / "out.csv"))
    assert "100 rows" in shown
    assert "rows/s" in shown
    assert "100%" in shown
    assert "rows" not in on_terminal(models, rows, "-o", str(tmp_path / "out.csv"), "--json")


def test_a_summary_is_one_json_object(litet, models, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text(HEADER + "1.5,2,north\n" * 3)
    output = tmp_path / "out.csv"
    outcome = litet("predict", "birds", rows, "-o", output, "--models", models, "--json")
    summary = json.loads(outcome.out)
    assert summary.pop("seconds") > 0
    assert summary == {"model": "birds", "version": 1, "rows": 3, "output": str(output)}
    assert outcome.err == ""
    assert litet("predict", "birds", rows, "--models", models, "--json").exit_code == 2


def put_all(write, items):
    with WriteBehind(write) as writer:
        for item in items:
            writer.put(item)


def test_writing_behind_keeps_the_order_and_waits_for_the_end():
    written = []
    put_all(written.extend, range(100))
    assert written == list(range(100))


def test_an_error_of_the_writer_reaches_who_puts():
    def write(items):
        next(items)
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        put_all(write, range(10 * write_behind.MAX_WAITING))
    assert not own_threads()


def test_an_error_after_the_last_item_is_raised_too():
    def write(items):
        list(items)
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        put_all(write, [1])


def test_an_error_of_who_puts_ends_the_writer():
    def items():
        yield 1
        raise KeyError

    written = []
    with pytest.raises(KeyError):
        put_all(written.extend, items())
    assert written == [1]
    assert not own_threads()


def test_a_closed_output_is_told_in_one_line(models, tmp_path):
    (tmp_path / "rows.csv").write_text(HEADER + "1.5,2,north\n")
    command = f"{sys.executable} -m litet predict birds {tmp_path}/rows.csv --models {models} >&-"
    finished = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert "standard output is closed" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_an_output_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OSError, match=r"No space left on device: '.*out\.csv'"), written_aside(tmp_path / "out.csv"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())
