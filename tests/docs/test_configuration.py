"""Every setting and every training option is documented, with its default and meaning."""

from pathlib import Path

import msgspec
import pytest

from contract.config import PRESETS, TrainingConfig, make_config
from litet.options import FLAGS, default_text
from service.settings import Settings, settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
SETTINGS = {setting.name: setting for setting in settings()}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_documented(name):
    setting = SETTINGS[name]
    default = "none" if setting.default is None else Settings().to_env()[setting.variable]
    assert f"| `{setting.variable}` | {default} | {setting.description} |" in DOCUMENT


@pytest.mark.parametrize("name", TrainingConfig.__struct_fields__)
def test_a_training_option_is_documented(name):
    description = msgspec.inspect.type_info(TrainingConfig).fields
    (field,) = [field for field in description if field.name == name]
    text = field.type.extra_json_schema["description"]
    values = [default_text(name, getattr(make_config(preset), name)) for preset in PRESETS]
    assert f"| `--{FLAGS.get(name, name.replace('_', '-'))}` | {' | '.join(values)} | {text} |" in DOCUMENT
