"""`litet key` and `litet audit`: the admin plane's tools for a shell."""

import hashlib
import json

from click.testing import CliRunner

from litet.commands import audit, key
from service.admin.audit import Audit
from service.admin.keys import Keys


def test_a_key_and_its_line_are_printed_and_explained_apart():
    outcome = CliRunner().invoke(key.command, ["ann"])
    made, line = outcome.stdout.splitlines()
    assert outcome.exit_code == 0
    assert Keys(line, None).identify(made.encode()) == "ann"
    assert "Authorization: Bearer" in outcome.stderr
    assert "LITET_ADMIN_KEYS_FILE" in outcome.stderr
    assert made not in outcome.stderr


def test_a_key_can_be_had_as_json():
    made = json.loads(CliRunner().invoke(key.command, ["ann", "--json"]).stdout)
    assert made["line"] == f"ann:{hashlib.sha256(made['key'].encode()).hexdigest()}"
    assert made["id"] == "ann"


def test_a_key_needs_an_id_of_the_form_of_ids():
    outcome = CliRunner().invoke(key.command, ["Ann"])
    assert "the id of a key must match" in str(outcome.exception)
    assert outcome.stdout == ""


def test_an_intact_audit_log_is_exit_code_0(tmp_path):
    first, _, last = [Audit(tmp_path).record("ann", "model.promote", f"iris/{i}", {}) for i in range(3)]
    outcome = CliRunner().invoke(audit.command, [str(tmp_path / "audit.jsonl")])
    assert outcome.exit_code == 0
    assert outcome.stdout.splitlines() == [f"3 entries, {first.time} to {last.time}", "intact"]


def test_a_broken_audit_log_is_exit_code_1_and_its_line(tmp_path):
    for i in range(3):
        Audit(tmp_path).record("ann", "model.promote", f"iris/{i}", {})
    log = tmp_path / "audit.jsonl"
    log.write_text(log.read_text().replace("iris/1", "iris/2"))
    outcome = CliRunner().invoke(audit.command, [str(log)])
    assert outcome.exit_code == 1
    assert outcome.stdout.splitlines()[1] == "line 2: its hash must be that of what it says"
    outcome = CliRunner().invoke(audit.command, [str(log), "--json"])
    assert outcome.exit_code == 1
    assert json.loads(outcome.stdout)["broken_at"] == 2


def test_a_file_that_is_no_audit_log_is_exit_code_2(tmp_path):
    other = tmp_path / "audit.head"
    other.write_text("{}")
    for path in (other, tmp_path / "absent.jsonl", tmp_path):
        assert CliRunner().invoke(audit.command, [str(path)]).exit_code == 2
