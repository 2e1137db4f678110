"""`litet retrain`: what is asked of the service, and what becomes of its answer."""

import hashlib
import json

import pytest

from litet.commands import retrain
from tests.litet.fake_admin import KEY, job, run_of, running_admin, succeeded

RETRAIN = "/admin/models/birds/retrain"


@pytest.fixture
def admin(monkeypatch):
    with running_admin() as admin:
        monkeypatch.setenv("LITET_URL", admin.url)
        monkeypatch.setenv("LITET_KEY", KEY)
        yield admin


def asked_body(admin, path=RETRAIN):
    (asked,) = admin.asked_for("POST", path)
    return asked.json


def test_what_is_not_said_is_left_to_the_service(admin, litet):
    outcome = litet("retrain", "birds", "--dataset", "birds", "--no-watch")
    assert outcome.exit_code == 0
    assert asked_body(admin) == {
        "dataset": "birds", "dataset_version": None, "target": None, "preset": None, "config": {}, "include": None,
        "exclude": None, "categorical": None, "promote": "auto", "data_checks": "refuse", "queue": False,
        "create": False, "note": "",
    }  # fmt: skip
    assert outcome.out == f"job 1 ({job()['id']}) of birds queued; watch it: litet jobs watch {job()['id']}\n"
    assert outcome.err == ""


def test_what_is_said_is_sent(admin, litet):
    arguments = (
        "--dataset iris --target t --preset reference --include a --include b --exclude c --categorical d --manual "
        "--data-checks warn --queue --create --note why --lr 0.1 --hidden-sizes 8,4 --batch-size all --no-calibrate "
        "--activation tanh --idempotency-key once"
    )
    litet("retrain", "birds", *arguments.split(), "--no-watch")
    assert asked_body(admin) == {
        "dataset": "iris", "dataset_version": None, "target": "t", "preset": "reference", "include": ["a", "b"],
        "exclude": ["c"], "categorical": ["d"], "promote": "manual", "data_checks": "warn", "queue": True,
        "create": True, "note": "why",
        "config": {"lr": 0.1, "hidden_sizes": [8, 4], "batch_size": None, "calibrate": False, "activation": "tanh"},
    }  # fmt: skip
    assert admin.asked[0].headers["idempotency-key"] == "once"


def test_without_a_model_the_default_one_is_retrained(admin, litet):
    litet("retrain", "--dataset", "birds", "--no-watch")
    assert asked_body(admin, "/admin/retrain")["dataset"] == "birds"
    assert "idempotency-key" not in admin.asked[0].headers


def test_an_uploaded_table_is_trained_on_in_the_very_version_that_was_sent(admin, litet, table):
    first = litet("retrain", "birds", "--upload", table, "--no-watch")
    again = litet("retrain", "birds", "--upload", table, "--no-watch")
    sha256 = hashlib.sha256(table.read_bytes()).hexdigest()
    put = admin.asked_for("PUT", "/admin/datasets/birds")[0]
    body = admin.asked_for("POST", RETRAIN)[0].json
    assert (put.body, put.headers["content-type"]) == (table.read_bytes(), "text/csv")
    assert (body["dataset"], body["dataset_version"]) == ("birds", sha256)
    warning = "warning    a row is empty"
    assert first.err.splitlines() == [warning, f"birds {sha256[:16]}…: 60 rows, 4 columns, uploaded"]
    assert again.err.splitlines() == [warning, f"birds {sha256[:16]}…: 60 rows, 4 columns, there already"]


@pytest.mark.parametrize(("suffix", "content_type"), retrain.CONTENT_TYPES.items())
def test_the_suffix_tells_the_content_type(admin, litet, tmp_path, suffix, content_type):
    file = tmp_path / f"My Table{suffix.upper()}"
    file.write_bytes(b"x")
    litet("retrain", "birds", "--upload", file, "--dataset-name", "owls", "--no-watch")
    assert admin.asked_for("PUT", "/admin/datasets/owls")[0].headers["content-type"] == content_type


def test_a_dataset_is_named_after_the_model_so_that_dated_files_share_held_out_rows(admin, litet, tmp_path):
    (tmp_path / "Week 47.csv").write_bytes(b"x")
    litet("retrain", "birds", "--upload", tmp_path / "Week 47.csv", "--no-watch")
    assert admin.asked[0].path == "/admin/datasets/birds"


def test_where_the_model_is_left_out_the_name_is_made_of_the_files(admin, litet, tmp_path):
    (tmp_path / "My Table.csv").write_bytes(b"x")
    litet("retrain", "--upload", tmp_path / "My Table.csv", "--no-watch")
    assert admin.asked[0].path == "/admin/datasets/my-table"


def test_a_refused_upload_orders_no_job(admin, litet, table):
    admin.refuse("PUT /admin/datasets/birds", 422, "a table must have a row, got none")
    outcome = litet("retrain", "birds", "--upload", table)
    assert (outcome.exit_code, outcome.err) == (2, "litet: a table must have a row, got none\n")
    assert not admin.asked_for("POST", RETRAIN)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--dataset", "a", "--upload", __file__],
        ["--dataset", "a", "--dataset-name", "b"],
        ["--upload", __file__],  # no table
        ["--upload", "nowhere.csv"],
        ["--dataset", "a", "--state", "x"],
        ["--dataset", "a", "--data-checks", "x"],
        ["--dataset", "a", "--lr", "fast"],
        ["--dataset", "a", "--idempotency-key", "grün"],
        ["--dataset", "a", "--idempotency-key", "a\nb"],
        ["--dataset", "a", "--timeout-s", "0"],
        ["--dataset", "a", "--key", KEY],
    ],
)
def test_misuse_is_exit_code_2_and_asks_for_nothing(admin, litet, arguments):
    outcome = litet("retrain", "birds", *arguments)
    assert outcome.exit_code == 2
    assert outcome.err
    assert admin.asked == []


def test_a_model_name_that_is_none_is_exit_code_2(admin, litet):
    outcome = litet("retrain", "No/Name", "--dataset", "a")
    assert outcome.exit_code == 2
    assert "a model name must match" in outcome.err
    assert admin.asked == []


def test_text_that_is_not_unicode_is_exit_code_2(admin, litet):
    outcome = litet("retrain", "birds", "--dataset", "a", "--note", "\udcff")
    assert outcome.exit_code == 2
    assert "must be Unicode text" in outcome.err


@pytest.mark.parametrize(("outcome", "exit_code"), [("promoted", 0), ("published", 0), ("held", 3)])
def test_a_job_is_watched_to_its_end(admin, litet, outcome, exit_code):
    admin.play(run_of(outcome), shown=[succeeded(outcome)])
    watched = litet("retrain", "birds", "--dataset", "birds")
    assert watched.exit_code == exit_code
    assert watched.err.startswith(f"job 1 ({job()['id']}) of birds queued\nreading …\n")
    assert "gate       " in watched.out


def test_as_json_the_job_is_printed_at_its_end_and_alone(admin, litet):
    admin.play(run_of("held"), shown=[succeeded("held")])
    watched = litet("retrain", "birds", "--dataset", "birds", "--json")
    assert (watched.exit_code, json.loads(watched.out)["outcome"]) == (3, "held")


def test_as_json_without_watching_the_job_is_printed_as_it_was_accepted(admin, litet):
    outcome = litet("retrain", "birds", "--dataset", "birds", "--json", "--no-watch")
    assert json.loads(outcome.out)["state"] == "queued"


@pytest.mark.parametrize(
    ("status", "exit_code"), [(401, 2), (403, 2), (404, 2), (409, 2), (422, 2), (500, 1), (503, 1)]
)
def test_a_problem_is_one_line(admin, litet, status, exit_code):
    admin.refuse(f"POST {RETRAIN}", status, "the rule, then the value")
    outcome = litet("retrain", "birds", "--dataset", "birds")
    assert (outcome.exit_code, outcome.out, len(outcome.err.splitlines())) == (exit_code, "", 1)
    assert outcome.err.endswith("the rule, then the value\n")
