"""A config is frozen, checked, and says which option is wrong."""

import msgspec
import pytest

from contract.config import PRESETS, TrainingConfig, make_config
from contract.errors import InvalidConfig


def test_the_reference_preset_is_the_recipe_of_the_design():
    config = make_config("reference")
    assert config.hidden_sizes == (10,)
    assert (config.activation, config.lr, config.batch_size) == ("relu", 0.01, None)
    assert not config.standardize
    assert not config.calibrate
    assert config.patience is None
    assert (config.dropout, config.weight_decay, config.batch_norm) == (0, 0, False)


def test_overrides_stand_on_a_preset():
    assert make_config("reference", lr=0.5).hidden_sizes == (10,)
    assert make_config("reference", lr=0.5).lr == 0.5


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid_and_survives_json(preset):
    config = make_config(preset)
    assert msgspec.convert(config.to_json(), TrainingConfig) == config


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("lr", 0),
        ("max_epochs", 0),
        ("batch_size", 0),
        ("patience", 0),
        ("hidden_sizes", (0,)),
        ("hidden_sizes", (5000,)),
        ("activation", "softmax"),
        ("valid_fraction", 0.5),
        ("test_fraction", 0),
        ("seed", -1),
        ("accumulation_steps", 0),
        ("max_categories", 0),
        ("batch_norm", "yes"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(option, value):
    with pytest.raises(InvalidConfig, match=option):
        make_config(**{option: value})


def test_an_unknown_option_or_preset_is_refused():
    with pytest.raises(InvalidConfig, match="depth"):
        make_config(depth=3)
    with pytest.raises(InvalidConfig, match="'deep'"):
        make_config("deep")


def test_a_config_cannot_be_changed():
    with pytest.raises(AttributeError):
        make_config().lr = 1.0


def test_batch_norm_of_single_rows_is_refused():
    with pytest.raises(InvalidConfig, match="batch_norm needs at least 2 rows"):
        make_config(batch_norm=True, batch_size=1, n_members=1, n_frequencies=0)


@pytest.mark.parametrize("options", [{"n_members": 2, "n_frequencies": 0}, {"n_members": 1, "n_frequencies": 4}])
def test_batch_norm_in_an_ensemble_is_refused(options):
    with pytest.raises(InvalidConfig, match="batch_norm needs n_members of 1 and n_frequencies of 0"):
        make_config(batch_norm=True, **options)


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_a_time_budget_of_nothing_is_refused(seconds):
    with pytest.raises(InvalidConfig, match="time_budget_s must be more than 0"):
        make_config(time_budget_s=seconds)


def test_class_weights_with_accumulation_are_refused():
    with pytest.raises(InvalidConfig, match="class_weights need accumulation_steps of 1, got 2"):
        make_config(class_weights=True, accumulation_steps=2)
