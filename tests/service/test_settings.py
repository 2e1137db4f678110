"""Settings come from LITET_* variables, and say exactly which of them is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.errors import InvalidSettings
from service.settings import Settings, settings, unknown_variables


def test_settings_have_defaults_without_an_environment() -> None:
    assert Settings.from_env({}) == Settings()


def test_settings_are_read_in_their_types() -> None:
    environ = {
        "LITET_MODELS": "/srv/models",
        "LITET_PORT": "80",
        "LITET_GRPC_PORT": "81",
        "LITET_POLL_INTERVAL_S": "2",
        "LITET_ACCESS_LOG": "true",
        "LITET_DEFAULT_MODEL": "iris",
        "PATH": "/bin",
    }
    assert Settings.from_env(environ) == Settings(
        models=Path("/srv/models"),
        port=80,
        grpc_port=81,
        poll_interval_s=2.0,
        access_log=True,
        default_model="iris",
    )


def test_settings_take_overrides_before_the_environment() -> None:
    made = Settings.from_env({"LITET_PORT": "80", "LITET_WORKERS": "2"}, port=81, workers=None)
    assert (made.port, made.workers) == (81, 2)


def test_settings_take_an_empty_variable_for_an_absent_one() -> None:
    assert Settings.from_env({"LITET_DEFAULT_MODEL": "", "LITET_PORT": ""}) == Settings()


def test_settings_survive_the_way_through_the_environment() -> None:
    made = Settings(models=Path("m"), port=0, grpc_port=0, default_model="iris", access_log=True, poll_interval_s=0.25)
    assert Settings.from_env(made.to_env()) == made


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("LITET_PORT", "http", "a whole number from 0 to 65535"),
        ("LITET_PORT", "65536", "a whole number from 0 to 65535"),
        ("LITET_PORT", "8.5", "a whole number from 0 to 65535"),
        ("LITET_GRPC_PORT", "-1", "a whole number from 0 to 65535"),
        ("LITET_WORKERS", "0", "a whole number from 1 to 1024"),
        ("LITET_MAX_ROWS", "-1", "a whole number from 1 up"),
        ("LITET_POLL_INTERVAL_S", "0", "a number above 0 to 86400"),
        ("LITET_POLL_INTERVAL_S", "inf", "a number above 0 to 86400"),
        ("LITET_DRAIN_DELAY_S", "nan", "a number from 0 to 3600"),
        ("LITET_DEFAULT_MODEL", "../etc", "a model name (^[a-z0-9][a-z0-9_-]{0,63}$)"),
        ("LITET_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("LITET_ACCESS_LOG", "maybe", "true or false"),
    ],
)
def test_settings_out_of_range_name_the_variable_the_rule_and_the_value(variable: str, value: str, rule: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_env({variable: value})
    assert str(caught.value) == f"{variable} must be {rule}, got {value!r}"


def test_settings_check_overrides_too() -> None:
    with pytest.raises(InvalidSettings, match=r"LITET_PORT must be .*, got '-1'"):
        Settings.from_env({}, port=-1)


def test_every_setting_is_described() -> None:
    for field in settings():
        assert field.description.endswith("."), field.name
        assert field.rule, field.name


def test_unknown_variables_come_with_what_was_probably_meant() -> None:
    environ = {"LITET_PROT": "80", "LITET_XYZZY": "1", "LITET_PORT": "80", "PORT": "80"}
    assert unknown_variables(environ) == {"LITET_PROT": "LITET_PORT", "LITET_XYZZY": None}


@pytest.mark.parametrize(
    ("environ", "has_admin"),
    [
        ({}, False),
        ({"LITET_ADMIN": "on"}, False),
        ({"LITET_ADMIN_KEYS": "ops:0"}, True),
        ({"LITET_ADMIN_KEYS_FILE": "/run/secrets/keys"}, True),
        ({"LITET_ADMIN_KEYS": "ops:0", "LITET_ADMIN": "off"}, False),
        ({"LITET_ADMIN_KEYS": "", "LITET_ADMIN_KEYS_FILE": ""}, False),
    ],
)
def test_an_admin_plane_needs_keys_and_not_to_be_turned_off(environ: dict[str, str], has_admin: bool) -> None:
    assert Settings.from_env(environ).has_admin is has_admin


def test_the_state_lies_beside_the_models_unless_it_is_put_elsewhere() -> None:
    assert Settings(models=Path("m")).state_folder == Path("m/.litet")
    assert Settings(models=Path("m"), state=Path("s")).state_folder == Path("s")


def test_admin_settings_survive_the_way_through_the_environment() -> None:
    made = Settings(
        admin="off",
        admin_keys="ops:0",
        admin_keys_file=Path("k"),
        state=Path("s"),
        trainer_python=Path("/p"),
        max_running_jobs=2,
        replay_requests=0,
        watch_window_s=0.5,
        max_label_flips=0.125,
    )
    assert Settings.from_env(made.to_env()) == made


def test_settings_are_shown_without_the_keys() -> None:
    assert "secret" not in repr(Settings(admin_keys="ops:secret"))


def test_what_the_client_reads_is_no_mistake() -> None:
    assert unknown_variables({"LITET_URL": "http://x", "LITET_KEY": "k"}) == {}
