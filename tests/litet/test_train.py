"""`litet train`: from a file to a published version, and one line for what cannot be done."""

import contextlib
import json
import os
import subprocess
import sys

import polars as pl
import pytest

from contract.repository import Repository

QUICK = ("--max-epochs", "3", "--hidden-sizes", "4")


def test_training_publishes_a_version_that_serves(litet, table, tmp_path):
    outcome = litet("train", table, "--target", "bird", "--models", tmp_path / "models", *QUICK)
    assert outcome.exit_code == 0
    assert "published  birds/1" in outcome.out
    pointer, artifact = Repository(tmp_path / "models").read_current("birds")
    assert pointer.version == 1
    assert artifact.card.report.data.source == "birds.csv"


def test_training_says_what_it_did(litet, table, tmp_path):
    out = litet("train", table, "--target", "bird", "--models", tmp_path, *QUICK).out
    words = ("60 rows", "stopped: max_epochs", "temperature", "parity", "accuracy", "log loss", "ECE", "owl", "crow")
    assert [word for word in words if word not in out] == []


def test_without_a_terminal_progress_is_plain_lines_on_stderr(litet, table, tmp_path):
    err = litet("train", table, "--target", "bird", "--models", tmp_path, *QUICK).err
    assert err.splitlines()[:2] == ["preparing …", "fitting …"]
    assert "epoch 1/3  train loss" in err
    assert "\x1b" not in err


def test_json_is_one_object_and_nothing_else(litet, table, tmp_path):
    outcome = litet("train", table, "--target", "bird", "--models", tmp_path, "--json", *QUICK)
    card = json.loads(outcome.out)
    assert (card["name"], card["version"], outcome.err) == ("birds", 1, "")
    assert card["report"]["config"]["max_epochs"] == 3
    assert len(card["report"]["training"]["history"]) == 3


def test_a_built_in_table_knows_its_target(litet, tmp_path):
    assert "published  iris/1" in litet("train", "iris", "--models", tmp_path, *QUICK).out


def test_a_second_run_is_a_second_version_and_without_promotion_the_first_serves_on(litet, tmp_path):
    litet("train", "iris", "--models", tmp_path, *QUICK)
    outcome = litet("train", "iris", "--models", tmp_path, "--no-promote", *QUICK)
    assert "litet promote iris 2" in outcome.out
    assert Repository(tmp_path).versions("iris") == [1, 2]
    assert Repository(tmp_path).current("iris").version == 1


def test_every_option_reaches_the_config(litet, table, tmp_path):
    options = {
        "hidden_sizes": "5,6", "activation": "tanh", "dropout": "0.2", "max_thresholds": "4", "max_categories": "2",
        "max_epochs": "2", "batch_size": "all", "accumulation_steps": "2", "lr": "0.1", "weight_decay": "0.5",
        "patience": "none", "valid_fraction": "0.2", "test_fraction": "0.3", "seed": "7", "n_members": "1",
        "n_frequencies": "0", "optimizer": "adam", "beta2": "0.9", "schedule": "constant", "conformal_fraction": "0.1",
        "decision": "costs", "costs": '{"crow": {"owl": 2}, "owl": {"crow": 1}}',
    }  # fmt: skip
    flags = [part for name, text in options.items() for part in (f"--{name.replace('_', '-')}", text)]
    switches = ("--time-budget", "99", "--batch-norm", "--no-standardize", "--no-class-weights", "--no-calibrate")
    outcome = litet("train", table, "--target", "bird", "--models", tmp_path, "--json", *flags, *switches)
    report = json.loads(outcome.out)["report"]
    assert report["config"] == {
        "hidden_sizes": [5, 6], "activation": "tanh", "n_members": 1, "n_frequencies": 0, "dropout": 0.2,
        "batch_norm": True, "standardize": False, "max_thresholds": 4, "max_categories": 2, "max_epochs": 2,
        "batch_size": None, "accumulation_steps": 2, "optimizer": "adam", "lr": 0.1, "beta2": 0.9,
        "schedule": "constant", "time_budget_s": 99, "weight_decay": 0.5, "patience": None,
        "class_weights": False, "calibrate": False,
        "valid_fraction": 0.2, "test_fraction": 0.3, "conformal_fraction": 0.1, "decision": "costs",
        "costs": {"crow": {"owl": 2.0}, "owl": {"crow": 1.0}}, "seed": 7,
    }  # fmt: skip
    assert report["calibration"] is None


def test_costs_can_be_read_from_a_file(litet, table, tmp_path):
    (tmp_path / "costs.json").write_text('{"crow": {"owl": 5}, "owl": {"crow": 1}}')
    asked = ("--decision", "costs", "--costs", tmp_path / "costs.json")
    outcome = litet("train", table, "--target", "bird", "--models", tmp_path, *asked, *QUICK)
    assert "decision   by costs: balanced accuracy" in outcome.out
    _, artifact = Repository(tmp_path).read_current("birds")
    assert b'{"costs":[[0.0,5.0],[1.0,0.0]]}' in artifact.model


def test_columns_can_be_left_out_kept_and_made_categories(litet, table, tmp_path):
    columns = ("--exclude", "wing", "--categorical", "tail")
    outcome = litet("train", table, "--target", "bird", "--models", tmp_path, "--json", *columns, *QUICK)
    assert outcome.exit_code == 0
    _, artifact = Repository(tmp_path).read_current("birds")
    assert b'"name":"wing"' not in artifact.model
    assert b'"kind":"categorical","name":"tail"' in artifact.model


def test_a_trace_prints_the_first_step(litet, tmp_path):
    out = litet("train", "iris", "--preset", "reference", "--max-epochs", "1", "--trace", "--models", tmp_path).out
    assert "3. loss = criterion(logits, y): 1.241493, shape [], one scalar" in out
    assert "layers.0.weight              (10, 4)" in out


def test_a_run_that_diverges_publishes_nothing(litet, tmp_path):
    outcome = litet("train", "iris", "--preset", "reference", "--lr", "100", "--models", tmp_path)
    assert outcome.exit_code == 2
    assert outcome.err.splitlines()[-1].startswith("litet: the loss must fall")
    assert Repository(tmp_path).versions("iris") == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv", "--target", "y"], "nowhere.csv"),
        (["iris", "--target", "colour"], "colour"),
        (["iris", "--dropout", "2"], "dropout: expected `float` <= 0.9, got 2.0"),
        (["iris", "--lr", "fast"], "expected FLOAT, got 'fast'"),
        (["iris", "--hidden-sizes", "4,b"], "expected INTEGER,…, got '4,b'"),
        (["iris", "--costs", "nowhere.json"], "expected an object in JSON, or a file that holds one"),
        (["iris", "--costs", '{"setosa": '], "expected an object in JSON, or a file that holds one"),
        (["iris", "--decision", "costs"], "costs and a decision of 'costs' go together, got 'costs' and None"),
        (["iris", "--costs", '{"setosa": {"virginica": -1}}', "--decision", "costs"], "finite and 0 or more, got -1"),
        (["iris", "--costs", '{"setosa": 3}', "--decision", "costs"], "costs: expected `object`"),
        (["iris", "--decision", "f1"], "decision 'f1' needs two classes, got 3"),
        (["iris", "--patience", "never"], "expected INTEGER or 'none', got 'never'"),
        (["iris", "--activation", "softmax"], "'softmax' is not one of"),
        (["iris", "--name", "../up"], "must match"),
        (["iris", "--exclude", "colour"], "colour"),
        (["iris", "--trace", "--json"], "choose one"),
        (["iris", "--no-such-option"], "--no-such-option"),
        ([], "DATA"),
    ],
)
def test_a_callers_fault_is_one_line_and_exit_code_2(litet, tmp_path, arguments, words):
    outcome = litet("train", *arguments, "--models", tmp_path)
    assert outcome.exit_code == 2
    assert words in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def test_a_file_needs_a_target(litet, table, tmp_path):
    outcome = litet("train", table, "--models", tmp_path)
    assert outcome.exit_code == 2
    assert "--target must name the column to predict, one of: wing, tail, place, bird" in outcome.err


def test_a_folder_that_cannot_be_written_is_one_line_and_exit_code_1(litet, tmp_path):
    (tmp_path / "models").write_text("a file where a folder should be")
    outcome = litet("train", "iris", "--models", tmp_path / "models", *QUICK)
    assert outcome.exit_code in (1, 2)
    assert "Traceback" not in outcome.err


def test_a_file_name_that_is_not_utf_8_does_not_cost_the_run(litet, table, tmp_path):
    odd = tmp_path / "b\udcffrds.csv"
    odd.write_text(table.read_text())
    outcome = litet("train", odd, "--target", "bird", "--name", "birds", "--models", tmp_path / "models", *QUICK)
    assert outcome.exit_code == 0
    assert Repository(tmp_path / "models").card("birds", 1).report.data.source == "b\ufffdrds.csv"


def test_a_column_that_looks_like_an_id_can_be_kept(litet, table, tmp_path):
    numbered = tmp_path / "numbered.csv"
    header, *rows = table.read_text().splitlines()
    numbered.write_text("\n".join([f"row,{header}", *(f"{i},{row}" for i, row in enumerate(rows))]) + "\n")
    plain = litet("train", numbered, "--target", "bird", "--models", tmp_path / "a", "--json", *QUICK)
    kept = litet(
        "train", numbered, "--target", "bird", "--models", tmp_path / "b", "--json", "--include", "row", *QUICK
    )
    assert "row" in json.loads(plain.out)["report"]["data"]["excluded"]
    assert json.loads(kept.out)["report"]["data"]["excluded"] == {}


def test_on_a_terminal_progress_is_a_bar(table, tmp_path):
    command = [sys.executable, "-m", "litet", "train", table, "--target", "bird", "--models", tmp_path / "m", *QUICK]
    main, terminal = os.openpty()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        written = b""
        with contextlib.suppress(OSError):  # how Linux tells that the other end is closed
            while part := os.read(main, 4096):
                written += part
    os.close(main)
    assert process.returncode == 0
    assert b"epoch 3/3" in written
    assert b"\x1b[" in written


def test_a_parquet_larger_than_the_memory_is_streamed(litet, table, tmp_path, monkeypatch):
    monkeypatch.setattr("training.streamed.memory.COPIES", 300_000)
    monkeypatch.setattr("training.streamed.memory.MIN_SAMPLE_ROWS", 1)
    monkeypatch.setattr("training.streamed.scan.ROWS_OF_EACH_LABEL", 10)
    monkeypatch.setattr("training.streamed.table.MOST_PER_BYTE", 10_000_000)
    pl.read_csv(table).write_parquet(tmp_path / "birds.parquet")
    arguments = ("train", tmp_path / "birds.parquet", "--models", tmp_path, "--max-memory", "1GB")
    assert "must name the column to predict, one of: wing, tail, place, bird" in litet(*arguments).err
    outcome = litet(*arguments, "--target", "bird", *QUICK)
    assert outcome.exit_code == 0
    assert "of 60 rows decided on columns" in outcome.out
    assert "birds.parquet: 60 rows, 4 columns" in outcome.out


@pytest.mark.parametrize(
    ("size", "message"), [("2", "expected a number with MB, GB"), ("3MB", "must have at least 1GB of memory, got")]
)
def test_memory_that_makes_no_sense_is_refused(litet, size, message):
    outcome = litet("train", "iris", "--max-memory", size)
    assert outcome.exit_code == 2
    assert message in outcome.err
