"""Every block of the README does what it says."""

import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.conftest import ROOT, blocks_of
from tests.running import running_service

BLOCKS = blocks_of("README.md")
SHELL = [block.text for block in BLOCKS if block.language == "sh"]
ASKED = [(one.text, two.text) for one, two in pairwise(BLOCKS) if two.language == "json"]


@pytest.fixture(scope="module")
def url():
    with running_service(ROOT / "models", "--default-model", "iris") as url:
        yield url


def rounded(value):
    """Floats to four digits: another processor may round the last bits otherwise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("request_text", "answer"), ASKED)
def test_a_request_gets_the_answer_that_stands_below_it(url, request_text, answer):
    command = request_text.replace("http://127.0.0.1:8000", url)
    output = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert rounded(json.loads(output)) == rounded(json.loads(answer))


def test_there_are_requests_to_try():
    assert len(ASKED) == 2


@pytest.mark.parametrize("target", re.findall(r"^make (\S+)", "".join(SHELL), re.MULTILINE))
def test_a_make_target_exists(target):
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.timeout(300)  # it runs every command of a model's life
def test_training_works_as_shown(tmp_path):
    (block,) = [text for text in SHELL if "litet train" in text]
    commands = [line for line in block.splitlines() if line.startswith("litet")]
    species = {"Adelie": 38.8, "Chinstrap": 48.8, "Gentoo": 47.5}
    rows = [
        f"{'' if i % 9 == 0 else length + i % 5},{('Biscoe', 'Dream', '')[i % 3]},{name}"
        for name, length in species.items()
        for i in range(40)
    ]
    (tmp_path / "penguins.csv").write_text("\n".join(["bill_length_mm,island,species", *rows]) + "\n")
    patient = {
        "OMP_WAIT_POLICY": "PASSIVE"
    }  # on a busy machine, threads that wait for each other take most of the time
    environment = os.environ | patient | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    output = subprocess.run(
        ["sh", "-e", "-c", "\n".join(commands)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "published  penguins/1" in output
    assert "* penguins/1" in output
    assert "penguins/1 on penguins.csv: 18 test rows" in output
    assert len((tmp_path / "scored.csv").read_text().splitlines()) == 121


def test_the_tree_names_what_is_there():
    (tree,) = [block.text for block in BLOCKS if "contract/" in block.text]
    for line in tree.splitlines():
        assert (ROOT / line.split()[0]).is_dir()


def test_every_link_leads_somewhere():
    links = [
        (document, link)
        for document in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
        for link in re.findall(r"\]\(([^)]+)\)", document.read_text())
        if not link.startswith("http")
    ]
    assert links
    assert [link for document, link in links if not (document.parent / link.partition("#")[0]).exists()] == []


def test_it_fits_two_screens():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100
