"""The Dockerfile's commands are those that `make` runs, so that they are tested where no image can be built, too."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.running import SERVE_PYTHON

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def run_lines(text: str) -> list[str]:
    return re.findall(r"^RUN (.+)$", text, re.MULTILINE)


def test_the_serving_image_is_made_by_the_makefiles_own_commands():
    serving = DOCKERFILE.partition("AS build-full")[0]
    recipe = re.search(r"^\$\(SERVE_VENV\)/\.installed:.*\n((?:\t.+\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    made = [
        line.strip()
        .replace("$(PYTHON)", "python3")
        .replace("$(SERVE_VENV)", "/opt/litet")
        .replace("$(EXTRAS)", "${EXTRAS}")
        for line in recipe[1].splitlines()
    ]
    assert run_lines(serving) == [line for line in made if not line.startswith(("rm", "touch"))]


def test_the_default_target_serves_and_holds_nothing_of_the_build():
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    last = stages[-1]
    assert last.startswith("base AS serve")
    (base,) = [stage for stage in stages if " AS base" in stage.splitlines()[0]]
    assert all("pip uninstall" in command for command in run_lines(base + last))
    assert "build-full" not in last


def test_the_image_runs_without_rights_and_is_watched():
    assert re.search(r"^USER 1\d{4}:1\d{4}$", DOCKERFILE, re.MULTILINE)
    assert re.search(r'^HEALTHCHECK .*CMD \["litet", "health"\]$', DOCKERFILE, re.MULTILINE)
    assert re.findall(r"^VOLUME (.+)$", DOCKERFILE, re.MULTILINE) == ["/models"]


def test_everything_that_is_copied_is_there_and_let_in():
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        words for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for words in line.split()[:-1]
    ]
    sources = [source for source in copied if not source.startswith("--")]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert any(entry == source or entry.startswith(f"{source}/") for entry in let_in)


@pytest.mark.parametrize("module", ["torch", "onnx", "polars", "sklearn", "pip", "setuptools"])
def test_the_serving_environment_has_neither_training_packages_nor_build_tools(module):
    if Path(SERVE_PYTHON).parent.parent.name != ".venv-serve":
        pytest.skip("make test names the serving environment")
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is not None)"
    assert subprocess.run([SERVE_PYTHON, "-c", code], check=False).returncode == 0
