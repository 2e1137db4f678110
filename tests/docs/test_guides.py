"""The guides show what the code prints and does."""

import inspect
import textwrap

from contract.config import make_config
from tests.docs.conftest import blocks_of
from training.loop import train_step
from training.observer import Observer
from training.run import train_model
from training.table import read_table
from training.trace import StepTrace


class Keeper(Observer):
    wants_trace = True
    trace = StepTrace()

    def first_step(self, trace: StepTrace) -> None:
        self.trace = trace


def without_digits_of_floats(text: str) -> list[str]:
    """Words, with floats cut to three digits: another processor may round the rest otherwise."""
    return [f"{float(word):.3g}" if word.replace(".", "", 1).isdigit() else word for word in text.split()]


def test_the_training_guide_shows_the_traces_own_output():
    keeper = Keeper()
    train_model(read_table("iris"), "species", make_config("reference", max_epochs=1), observer=keeper)
    (shown, *_) = [block.text for block in blocks_of("docs/training-loop.md") if block.language == ""]
    assert without_digits_of_floats(shown) == without_digits_of_floats("\n".join(keeper.trace.lines()))


def test_the_training_guide_shows_the_five_lines_of_the_loop():
    (shown,) = [block.text for block in blocks_of("docs/training-loop.md") if block.language == "python"]
    assert textwrap.indent(shown, "    ") in inspect.getsource(train_step)


def test_the_model_file_guide_loads_the_shipped_model(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (code,) = [block.text for block in blocks_of("docs/model-file.md") if block.language == "python"]
    exec(compile(code, "docs/model-file.md", "exec"), {})
    assert capsys.readouterr().out == "setosa\n"
