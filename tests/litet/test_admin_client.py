"""The admin API from a client's side: what is sent, what is made of answers, and of what is none."""

import json
import socket

import msgspec
import pytest

from contract.errors import InvalidSettings
from litet.admin_client import AdminClient, Refused, Unavailable, UnreadableAnswer
from litet.client_options import read_key
from tests.litet.fake_admin import KEY, job, running_admin, succeeded

PROBLEM = "application/problem+json"


@pytest.fixture
def admin():
    with running_admin() as admin:
        yield admin


@pytest.fixture
def client(admin):
    with AdminClient(admin.url, KEY) as client:
        yield client


def test_a_job_is_typed_whatever_a_later_version_adds(admin, client):
    admin.add(succeeded("held", number=4))
    known = client.job("job0000000000004")
    assert (known.number, known.outcome, known.gate.champion, known.is_over) == (4, "held", 2, True)


def test_listed_jobs_know_no_details(admin, client):
    admin.add(job(1), job(2))
    assert [(one.number, one.gate, one.is_over) for one in client.jobs().jobs] == [(2, None, False), (1, None, False)]


def test_only_the_filters_that_were_given_are_sent(admin, client):
    client.jobs(model="birds", limit=7)
    client.jobs(state="failed")
    queries = [asked.query for asked in admin.asked]
    assert queries == [{"model": ["birds"], "limit": ["7"]}, {"state": ["failed"], "limit": ["1000"]}]


def test_an_id_is_no_part_of_the_path_but_its_end(admin, client):
    with pytest.raises(Refused):
        client.job("../models/x?y")
    assert admin.asked[0].path == "/admin/jobs/../models/x?y"  # as it stands once %2F is read


def test_a_service_may_stand_below_a_path(admin):
    with AdminClient(f"{admin.url}/litet/", KEY) as client, pytest.raises(Refused):
        client.jobs()
    assert admin.asked[0].path == "/litet/admin/jobs"


def test_an_upload_is_the_files_bytes_with_its_size_and_type(admin, client, tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes(b"a,b\n" * 200_000)
    blocks = []
    dataset, is_new = client.upload("t", file, "text/csv", blocks.append)
    asked = admin.asked[0]
    assert asked.body == file.read_bytes()
    assert (asked.headers["content-type"], asked.headers["content-length"]) == ("text/csv", "800000")
    assert (sum(blocks), len(blocks) > 1, dataset.n_rows, is_new) == (800_000, True, 60, True)
    assert client.upload("t", file, "text/csv", blocks.append) == (dataset, False)


@pytest.mark.parametrize("status", [401, 403, 404, 409, 413, 415, 422, 429])
def test_a_refusal_is_the_problems_detail(admin, client, status):
    admin.refuse("GET /admin/jobs", status, "the rule,\nthen the value")
    with pytest.raises(Refused, match=r"^the rule, then the value$"):
        client.jobs()


def test_a_refusal_names_the_faults(admin, client):
    fault = {"row": 3, "feature": "wing", "expected": "a number", "got": "'x'"}
    admin.refuse("GET /admin/jobs", 422, "rows must fit", errors=[fault, {**fault, "feature": None}])
    with pytest.raises(Refused) as refused:
        client.jobs()
    one, other = "row 3, feature 'wing': expected a number, got 'x'", "row 3: expected a number, got 'x'"
    assert str(refused.value) == f"rows must fit; {one}; {other}"


def test_text_of_a_service_cannot_steer_the_terminal(admin, client):
    admin.refuse("GET /admin/jobs", 404, "\x1b[2Jgone\x07")
    with pytest.raises(Refused) as refused:
        client.jobs()
    assert str(refused.value) == "�[2Jgone�"


def test_a_service_without_an_admin_api_is_told_from_a_job_that_is_not_there(admin, client):
    admin.refuse("GET /admin/jobs", 404, "nothing is served at this path", type="about:blank")
    with pytest.raises(Refused, match="has no admin API"):
        client.jobs()


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[]", b"[" * 100_000])
def test_a_refusal_that_is_no_problem_is_its_status(admin, client, body):
    admin.answers["GET /admin/jobs"] = 403, PROBLEM, body
    with pytest.raises(Refused, match=r"^403 Forbidden$"):
        client.jobs()


@pytest.mark.parametrize("status", [500, 502, 503, 507])
def test_a_failure_of_the_service_is_not_the_callers_fault(admin, client, status):
    admin.refuse("GET /admin/jobs", status, "the disk is full")
    with pytest.raises(Unavailable, match="failed: the disk is full"):
        client.jobs()


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"{}", b'{"jobs": [{}]}', b"[" * 100_000])
def test_an_answer_of_another_shape_is_not_the_admin_apis(admin, client, body):
    admin.answers["GET /admin/jobs"] = 200, "application/json", body
    with pytest.raises(UnreadableAnswer, match="must answer as the admin API does"):
        client.jobs()


def test_a_redirect_is_not_followed_with_the_key(admin, client):
    admin.answers["GET /admin/jobs"] = 302, "text/plain", b""
    with pytest.raises(UnreadableAnswer, match="got 302 Found"):
        client.jobs()
    assert len(admin.asked) == 1


def test_nobody_there_is_unavailable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with AdminClient(url, KEY) as client, pytest.raises(Unavailable, match=f"no answer from {url}: .*refused"):
            client.jobs()


def test_a_job_goes_back_to_the_json_it_came_from(admin, client):
    sent = succeeded("promoted")
    admin.add(sent)
    del sent["added_by_a_later_version"]
    again = json.loads(msgspec.json.encode(client.job(sent["id"])))
    assert {name: again[name] for name in ("id", "version", "gate", "note", "error")} == {
        name: sent[name] for name in ("id", "version", "gate", "note", "error")
    }
    assert "log" not in again


def test_the_key_of_a_file_wins_over_the_environments(tmp_path):
    file = tmp_path / "key"
    file.write_text(f" {KEY}\n")
    assert read_key(file, {"LITET_KEY": "other"}) == KEY
    assert read_key(None, {"LITET_KEY": f"{KEY}\n"}) == KEY


@pytest.mark.parametrize("content", [b"two words", b"a\nb", "gr\u00fcn".encode(), b"\xff", b"a\0b", b"a\x1bb"])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path, content):
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(InvalidSettings, match="one word of printable ASCII") as refused:
        read_key(file, {})
    assert content.decode("utf-8", "replace") not in str(refused.value).replace(str(file), "")


def test_no_key_says_where_one_goes(tmp_path):
    (tmp_path / "key").write_text("\n")
    with pytest.raises(InvalidSettings, match=r"LITET_KEY must hold an admin key, got none .*--key-file"):
        read_key(None, {})
    with pytest.raises(InvalidSettings, match=r"must hold an admin key, got none$"):
        read_key(tmp_path / "key", {"LITET_KEY": KEY})
