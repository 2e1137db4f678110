"""`litet jobs`: the jobs of a running service, listed, shown, watched, cancelled."""

import io
import json
import os
import signal
import subprocess
import sys

import pytest
from rich.console import Console

from contract.job import DECODER
from litet.watching import BarDisplay, make_progress
from tests.litet.fake_admin import (
    FINDING,
    KEY,
    Break,
    Silence,
    epoch,
    event,
    job,
    run_of,
    running_admin,
    succeeded,
)

JOB = job()["id"]


@pytest.fixture
def admin(monkeypatch):
    with running_admin() as admin:
        monkeypatch.setenv("LITET_URL", admin.url)
        monkeypatch.setenv("LITET_KEY", KEY)
        admin.add(job())
        yield admin


def test_jobs_are_listed_newest_first(admin, litet):
    progress = {"stage": "fitting", "epoch": 3, "max_epochs": 9, "fraction": 0.3, "eta_s": 12.0}
    admin.add(succeeded("held", number=2), job(3, state="failed", error="no rows"), job(4, progress=progress))
    outcome = litet("jobs")
    _, fourth, third, second, first = outcome.out.splitlines()
    assert outcome.exit_code == 0
    assert "fitting, epoch 3/9, at most 12 s left" in fourth
    assert "failed" in third
    assert "no rows" in third
    assert "version 3 was held back by the gate" in second
    assert first.startswith(f"1       {JOB}")


def test_the_list_is_one_json_object_and_takes_filters(admin, litet):
    outcome = litet("jobs", "--model", "birds", "--state", "running", "--limit", "5", "--json")
    assert [one["id"] for one in json.loads(outcome.out)["jobs"]] == [JOB]
    assert admin.asked[0].query == {"model": ["birds"], "state": ["running"], "limit": ["5"]}


def test_the_list_can_be_asked_for_by_name(admin, litet):
    assert litet("jobs", "list").out == litet("jobs").out


def test_no_job_says_what_to_do(admin, litet):
    admin.jobs.clear()
    assert "litet retrain" in litet("jobs").out


@pytest.mark.parametrize("outcome", ["held", "promoted", "published"])
def test_show_prints_what_the_decision_rests_on(admin, litet, outcome):
    admin.add(succeeded(outcome, number=2))
    shown = litet("jobs", "show", "2")
    assert shown.exit_code == 0
    assert "warning: leak in column 'tail': tells the label (0.99, limit 0.95)" in shown.out
    assert "log loss  0.2000    0.3000      +0.1000   +0.0500 … +0.1500  0.0200" in shown.out
    assert "compared with version 2 on 9 held-out rows" in shown.out
    assert "schema     tail is gone" in shown.out
    assert "note       few rows" in shown.out
    held = outcome == "held"
    assert ("reason     log_loss is worse" in shown.out) is held
    assert ("3 requests, 7 rows: 50.0% change their class (limit 25.0%)" in shown.out) is held
    assert ("litet promote birds 3" in shown.out) is (outcome != "promoted")


def test_show_of_a_failed_job_has_the_end_of_its_log(admin, litet):
    admin.add(job(2, state="failed", error="it broke", log=["one", "two\x1b[2J"]))
    out = litet("jobs", "show", job(2)["id"]).out
    assert "failed: it broke" in out
    assert "log        one\nlog        two�[2J\n" in out


def test_show_as_json_is_the_job(admin, litet):
    admin.add(succeeded("held", number=2))
    assert json.loads(litet("jobs", "show", "2", "--json").out)["gate"]["reasons"] == ["log_loss is worse"]


def test_a_number_that_is_not_listed_is_taken_for_an_id(admin, litet):
    admin.add(job(2, id="1234567890123456"))
    assert "1234567890123456" in litet("jobs", "show", "1234567890123456").out


def test_cancel_calls_a_job_off(admin, litet):
    outcome = litet("jobs", "cancel", "1")
    assert (outcome.exit_code, outcome.out) == (0, f"job 1 ({JOB}) of birds cancelled\n")
    assert admin.jobs[JOB]["state"] == "cancelled"


def test_cancel_of_a_job_that_is_over_is_exit_code_2(admin, litet):
    admin.refuse(f"POST /admin/jobs/{JOB}/cancel", 409, "a job must be under way to be cancelled, got failed")
    outcome = litet("jobs", "cancel", JOB)
    assert outcome.exit_code == 2
    assert outcome.err == "litet: a job must be under way to be cancelled, got failed\n"


@pytest.mark.parametrize(("outcome", "exit_code"), [("promoted", 0), ("published", 0), ("held", 3)])
def test_watch_tells_what_happens_and_leaves_with_how_it_ended(admin, litet, outcome, exit_code):
    admin.play(run_of(outcome), shown=[succeeded(outcome)])
    watched = litet("jobs", "watch", JOB)
    assert watched.exit_code == exit_code
    told = watched.err.splitlines()
    assert told[0] == "reading …"
    assert told[3] == "epoch 5/10  train loss 0.5000  valid loss 0.2500  at most 2 s left"
    assert told[4] == ("gate: held back: log_loss is worse" if outcome == "held" else "gate: passed")
    assert watched.out.startswith(f"job 1 ({JOB}) of birds succeeded: birds/3 ")


@pytest.mark.parametrize(
    ("last", "state", "told"),
    [
        (event(1, "failed", error="no\nrows", ours=False), "failed", "failed: no rows"),
        (event(1, "cancelled", by="eve"), "cancelled", "cancelled by eve"),
    ],
)
def test_watch_of_a_job_without_a_version_is_exit_code_1(admin, litet, last, state, told):
    admin.play([last], shown=[job(state=state)])
    watched = litet("jobs", "watch", JOB)
    assert watched.exit_code == 1
    assert watched.err.splitlines() == [told]


def test_watch_as_json_is_the_job_at_its_end_and_tells_trouble_only(admin, litet):
    admin.play([run_of("held")[0], Break()], run_of("held"), shown=[succeeded("held")])
    watched = litet("jobs", "watch", JOB, "--json")
    assert (watched.exit_code, json.loads(watched.out)["outcome"]) == (3, "held")
    (line,) = watched.err.splitlines()
    assert "again in" in line


def test_of_many_epochs_few_are_told(admin, litet):
    epochs = [event(number, "epoch", **epoch(number)) for number in range(1, 10)]
    admin.play([*epochs, event(10, "cancelled", by="eve")], shown=[job(state="cancelled")])
    assert len(litet("jobs", "watch", JOB).err.splitlines()) < 9


def test_watch_gives_up_after_silence(admin, litet):
    admin.play([Silence()], 503, shown=[job()])
    watched = litet("jobs", "watch", JOB, "--timeout-s", "0.2")
    assert watched.exit_code == 1
    assert "gave up after 0.2 s of silence" in watched.err


def test_an_interrupted_watch_leaves_the_job_running_and_says_so(admin):
    admin.play([run_of("held")[0], Silence()], shown=[job()])
    command = [sys.executable, "-m", "litet", "jobs", "watch", JOB]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "reading …\n"
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode == 130
    assert f"watch it: litet jobs watch {JOB}; cancel it: litet jobs cancel {JOB}" in told
    assert "Traceback" not in told
    assert not [asked for asked in admin.asked if asked.method == "POST"]


def test_the_bar_shows_stage_and_losses_and_lines_above_it():
    screen = io.StringIO()
    with make_progress(Console(file=screen, force_terminal=True, width=160, color_system=None)) as progress:
        display = BarDisplay(progress)
        for line in run_of("held"):
            display.show(DECODER.decode(line.partition(b"data: ")[2]))
        display.tell("[bold]as it is")
        progress.refresh()
    shown = screen.getvalue()
    assert "fitting …" in shown
    assert "epoch 5/10  train loss 0.5000" in shown
    assert f"leak in column 'tail': {FINDING['detail']}" in shown
    assert "[bold]as it is" in shown


@pytest.mark.parametrize("name", ["list", "show", "watch", "cancel"])
def test_help_says_that_the_key_is_no_option(litet, name):
    assert "other users of the machine can see command lines" in " ".join(litet("jobs", name, "--help").out.split())


def test_an_unknown_command_is_exit_code_2(admin, litet):
    assert litet("jobs", "fly").exit_code == 2
    assert admin.asked == []


def test_a_wrong_key_is_exit_code_2(admin, litet, tmp_path):
    (tmp_path / "key").write_text("wrong")
    outcome = litet("jobs", "--key-file", tmp_path / "key")
    assert (outcome.exit_code, outcome.err) == (2, "litet: a key is needed\n")


def test_no_key_is_exit_code_2(admin, litet, monkeypatch):
    monkeypatch.delenv("LITET_KEY")
    outcome = litet("jobs")
    assert outcome.exit_code == 2
    assert len(outcome.err.splitlines()) == 1
    assert admin.asked == []


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "http://", "http://[::1", ""])
def test_what_is_no_url_is_exit_code_2(admin, litet, url):
    outcome = litet("jobs", "--url", url)
    assert outcome.exit_code == 2
    assert "expected a URL" in outcome.err


def test_a_service_that_fails_or_is_not_there_is_exit_code_1(admin, litet):
    admin.refuse("GET /admin/jobs", 503, "it is stopping")
    failed, missing = litet("jobs"), litet("jobs", "--url", "http://127.0.0.1:1")
    assert (failed.exit_code, missing.exit_code) == (1, 1)
    assert failed.err == f"litet: the service at {admin.url} failed: it is stopping\n"
    assert len(missing.err.splitlines()) == 1


def test_the_client_loads_neither_side_of_the_house(admin):
    code = """
import sys
sys.argv = ["litet", "jobs"]
from litet.__main__ import main
try:
    main()
except SystemExit:
    pass
print("MODULES", *sys.modules)
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name.partition(".")[0] for name in output.partition("MODULES")[2].split()}
    assert "httpx" in loaded
    assert not loaded & {"litestar", "onnxruntime", "polars", "service", "sklearn", "torch", "training"}
