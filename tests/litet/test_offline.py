"""`litet predict` and `litet evaluate`: published models on files, without a server."""

import json
import subprocess
import sys

import polars as pl
import pytest

from contract.repository import Repository
from service.answers import Answers
from service.predictor import Predictor


@pytest.fixture
def models(litet, table, tmp_path):
    folder = tmp_path / "models"
    for seed in (0, 1):
        litet("train", table, "--target", "bird", "--models", folder, "--max-epochs", "20", "--seed", seed, "--json")
    return folder


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predictions_have_a_line_for_each_row_in_order(litet, models, table, tmp_path, suffix):
    output = tmp_path / f"out{suffix}"
    outcome = litet("predict", "birds", table, "-o", output, "--models", models)
    assert (outcome.exit_code, outcome.out) == (0, "")
    frame = pl.read_csv(output) if suffix == ".csv" else pl.read_parquet(output)
    assert frame.columns == ["label", "class_index", "probability_crow", "probability_owl", "unseen"]
    truth = pl.read_csv(table)["bird"]
    assert frame.height == 60
    assert (frame["label"] == truth).mean() > 0.9
    assert (frame["probability_crow"] + frame["probability_owl"] - 1).abs().max() < 1e-6


@pytest.mark.parametrize("flags", [(), ("--per-class",)])
def test_prediction_sets_are_lists_of_labels_in_parquet_and_their_json_in_csv(litet, models, table, tmp_path, flags):
    outputs = [tmp_path / "out.csv", tmp_path / "out.parquet"]
    for output in outputs:
        asked = ("predict", "birds", table, "--prediction-set", "0.5", *flags, "-o", output, "--models", models)
        assert litet(*asked).exit_code == 0
    lists = pl.read_parquet(outputs[1])["prediction_set"].to_list()
    assert [json.loads(cell) for cell in pl.read_csv(outputs[0])["prediction_set"]] == lists
    predictor = Predictor(Repository(models).read("birds", 2))
    frame = pl.read_parquet(outputs[1])
    probabilities = frame.select("probability_crow", "probability_owl").to_numpy()
    answers = Answers(probabilities, probabilities, probabilities.argmax(axis=1))
    sets = predictor.prediction_sets(answers, 0.5, per_class=bool(flags))
    assert lists == [[label for label, is_in in zip(["crow", "owl"], row, strict=True) if is_in] for row in sets]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_decision_is_a_column_of_models_that_have_a_rule(litet, table, tmp_path, suffix):
    costs = '{"crow": {"owl": 1000000}, "owl": {"crow": 1}}'
    asked = ("--max-epochs", "2", "--decision", "costs", "--costs", costs)
    litet("train", table, "--target", "bird", "--models", tmp_path, *asked)
    output = tmp_path / f"out{suffix}"
    litet("predict", "birds", table, "-o", output, "--models", tmp_path)
    frame = pl.read_csv(output) if suffix == ".csv" else pl.read_parquet(output)
    assert frame.columns == ["label", "class_index", "probability_crow", "probability_owl", "decision", "unseen"]
    assert set(frame["decision"]) == {"crow"} < set(frame["label"])


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--prediction-set", "1"], "1.0 is not in the range 0<x<1"),
        (["--per-class"], "--per-class needs --prediction-set"),
    ],
)
def test_a_prediction_set_needs_a_level_between_0_and_1(litet, models, table, flags, says):
    outcome = litet("predict", "birds", table, *flags, "--models", models)
    assert outcome.exit_code == 2
    assert says in outcome.err


def test_a_version_without_calibration_rows_gives_no_prediction_sets(litet, table, tmp_path):
    litet("train", table, "--target", "bird", "--models", tmp_path, "--max-epochs", "2", "--conformal-fraction", "0")
    outcome = litet("predict", "birds", table, "--prediction-set", "0.9", "--models", tmp_path)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert "trained with a conformal_fraction above 0, got birds/1 without calibration rows" in outcome.err


def test_predictions_go_to_standard_output_as_csv(litet, models, table):
    out = litet("predict", "birds", table, "--models", models).out
    assert out.startswith("label,class_index,probability_crow,probability_owl,unseen\n")
    assert out.count("\n") == 61


def test_a_version_can_be_chosen(litet, models, table):
    assert litet("predict", "birds", table, "--models", models, "--version", "1").out != (
        litet("predict", "birds", table, "--models", models, "--version", "2").out
    )
    assert litet("predict", "birds", table, "--models", models, "--version", "9").exit_code == 2


def test_columns_are_found_by_name_and_others_ignored(litet, models, table, tmp_path):
    frame = pl.read_csv(table)
    shuffled = tmp_path / "shuffled.parquet"
    frame.select("place", "tail", pl.lit(1).alias("other"), "wing").write_parquet(shuffled)
    expected = litet("predict", "birds", table, "--models", models).out
    assert litet("predict", "birds", shuffled, "--models", models).out == expected


def test_an_unseen_category_is_flagged_on_its_row(litet, models, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("wing,tail,place\n1.5,2,north\n1.5,2,west\n")
    lines = litet("predict", "birds", rows, "--models", models).out.splitlines()
    assert lines[1].endswith(",")
    assert lines[2].endswith(",place")


def test_a_cell_that_does_not_fit_is_named_and_nothing_is_written(litet, models, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("wing,tail,place\n1.5,2,north\nwide,2,west\n")
    outcome = litet("predict", "birds", rows, "-o", tmp_path / "out.csv", "--models", models)
    assert outcome.exit_code == 2
    assert "row 1, feature 'wing'" in outcome.err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody", "iris"], "nobody"),
        (["birds", "iris"], "wing"),
        (["birds", "nowhere.csv"], "nowhere.csv"),
        (["birds", "iris", "-o", "out.xlsx"], ".csv or .parquet"),
        (["../up", "iris"], "must match"),
    ],
)
def test_what_cannot_be_scored_is_one_line_and_exit_code_2(litet, models, arguments, words):
    outcome = litet("predict", *arguments, "--models", models)
    assert outcome.exit_code == 2
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_a_table_without_rows_is_refused(litet, models, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("wing,tail,place\n")
    assert litet("predict", "birds", rows, "--models", models).exit_code == 2


def test_evaluating_prints_the_metrics_of_a_file(litet, models, table):
    metrics = json.loads(litet("evaluate", "birds", table, "--models", models, "--json").out)
    assert metrics["n_samples"] == 60
    assert metrics["accuracy"] > 0.9
    text = litet("evaluate", "birds", table, "--models", models, "--target", "bird").out
    assert f"accuracy {metrics['accuracy']:.4f}" in text


def test_rows_without_a_label_are_left_out_of_the_metrics(litet, models, table, tmp_path):
    holes = tmp_path / "holes.csv"
    holes.write_text(table.read_text() + "1.5,2,north,\n")
    assert json.loads(litet("evaluate", "birds", holes, "--models", models, "--json").out)["n_samples"] == 60


def test_a_label_that_the_model_does_not_know_is_refused(litet, models, table, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(table.read_text() + "1.5,2,north,eagle\n")
    outcome = litet("evaluate", "birds", other, "--models", models)
    assert outcome.exit_code == 2
    assert "eagle" in outcome.err


def test_a_damaged_model_is_ours_to_mend_and_exit_code_1(litet, models, table):
    path = models / "birds" / "2" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    outcome = litet("predict", "birds", table, "--models", models)
    assert outcome.exit_code == 1
    assert outcome.err.startswith("litet: birds/2 must have")


def test_models_are_listed_with_the_current_one_marked(litet, models):
    lines = litet("models", "--models", models).out.splitlines()
    assert [line[:9] for line in lines] == ["  birds/1", "* birds/2"]
    listed = json.loads(litet("models", "--models", models, "--json").out)
    assert [(one["version"], one["current"]) for one in listed] == [(1, False), (2, True)]


def test_promote_and_rollback_move_the_current_version(litet, models):
    assert litet("promote", "birds", "1", "--models", models).out == "birds/1 serves now\n"
    assert Repository(models).current("birds").version == 1
    assert json.loads(litet("rollback", "birds", "--models", models, "--json").out)["version"] == 2
    assert Repository(models).current("birds").version == 2


@pytest.mark.parametrize(
    "arguments",
    [("promote", "birds", "9"), ("promote", "nobody", "1"), ("promote", "birds", "0"), ("rollback", "nobody")],
)
def test_promoting_what_is_not_there_is_exit_code_2(litet, models, arguments):
    outcome = litet(*arguments, "--models", models)
    assert outcome.exit_code == 2
    assert "Traceback" not in outcome.err


def test_an_empty_repository_says_how_to_begin(litet, tmp_path):
    assert "litet train iris" in litet("models", "--models", tmp_path).out


def test_scoring_needs_no_training_packages(models, table):
    code = f"""
import sys
sys.modules.update(dict.fromkeys(["torch", "sklearn", "onnx"]))
sys.argv = ["litet", "predict", "birds", {str(table)!r}, "--models", {str(models)!r}]
from litet.__main__ import main
main()
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.count("\n") == 61


def test_row_numbers_count_from_the_first_row_of_the_file(litet, models, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("wing,tail,place\n" + "1.5,2,north\n" * 20_000 + "wide,2,north\n")
    assert "row 20000, feature 'wing'" in litet("predict", "birds", rows, "--models", models).err


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_categories_unseen_in_some_batches_only_are_flagged(litet, models, tmp_path, suffix):
    rows = tmp_path / "rows.csv"
    rows.write_text("wing,tail,place\n" + "1.5,2,north\n" * 20_000 + "1.5,2,west\n")
    output = tmp_path / f"out{suffix}"
    assert litet("predict", "birds", rows, "-o", output, "--models", models).exit_code == 0
    frame = pl.read_csv(output) if suffix == ".csv" else pl.read_parquet(output)
    assert frame["unseen"].drop_nulls().to_list() == ["place"]


def test_an_output_that_cannot_be_is_refused_before_scoring(litet, models, table, tmp_path):
    nowhere = litet("predict", "birds", table, "-o", tmp_path / "no" / "out.csv", "--models", models)
    itself = litet("predict", "birds", table, "-o", table, "--models", models)
    assert (nowhere.exit_code, itself.exit_code) == (2, 2)
    assert table.read_text().startswith("wing")


def test_evaluating_the_training_file_says_so(litet, models, table):
    assert "trained on rows of this very file" in litet("evaluate", "birds", table, "--models", models).err


def test_a_large_file_is_scored_whole_and_in_order(litet, models, table, tmp_path):
    header, *rows = table.read_text().splitlines()
    large = tmp_path / "large.csv"
    large.write_text("\n".join([header, *rows * 300]) + "\n")
    once = litet("predict", "birds", table, "--models", models).out.splitlines()
    often = litet("predict", "birds", large, "--models", models).out.splitlines()
    assert often == [once[0], *once[1:] * 300]


def test_rows_without_a_label_do_not_shift_the_others(litet, models, table, tmp_path):
    header, *rows = table.read_text().splitlines()
    holes = tmp_path / "holes.csv"
    holes.write_text("\n".join([header, "1.5,2,north,", *rows]) + "\n")
    with_holes = json.loads(litet("evaluate", "birds", holes, "--models", models, "--json").out)
    assert with_holes == json.loads(litet("evaluate", "birds", table, "--models", models, "--json").out)


def test_a_version_can_be_evaluated(litet, models, table):
    metrics = [
        json.loads(litet("evaluate", "birds", table, "--models", models, "--json", "--version", version).out)
        for version in (1, 2)
    ]
    assert metrics[0]["log_loss"] != metrics[1]["log_loss"]


def test_an_output_that_exists_is_replaced_and_nothing_else_is_left(litet, models, table, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "scored.csv").write_text("old")
    litet("predict", "birds", table, "-o", folder / "scored.csv", "--models", models)
    assert [path.name for path in folder.iterdir()] == ["scored.csv"]
    assert (folder / "scored.csv").read_text().startswith("label,")


def test_models_lists_what_was_never_promoted_and_what_is_damaged(litet, models):
    litet("train", "iris", "--no-promote", "--max-epochs", "1", "--models", models)
    (models / "birds" / "1" / "card.json").write_text("{")
    lines = litet("models", "--models", models).out.splitlines()
    assert [line[:9].rstrip() for line in lines] == ["  birds/1", "* birds/2", "  iris/1"]
    assert "damaged" in lines[0]
    assert json.loads(litet("models", "--models", models, "--json").out)[0]["error"]
