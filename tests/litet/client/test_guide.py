"""The client's guide does what it says, and importing the client brings in little."""

import subprocess
import sys

import pytest

from tests.docs.conftest import ROOT, blocks_of
from tests.running import running_service

BLOCKS = [block.text for block in blocks_of("docs/client.md") if block.language == "python"]
HEAVY = {"litestar", "onnxruntime", "pandas", "polars", "prometheus_client", "service", "torch", "training", "uvicorn"}


@pytest.fixture(scope="module")
def url():
    with running_service(ROOT / "models", "--default-model", "iris") as url:
        yield url


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_an_example_does_what_its_comments_say(url, number):
    code = BLOCKS[number].replace("http://127.0.0.1:8000", url)
    shown = [line.partition("# → ")[2] for line in code.splitlines() if "# → " in line]
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert shown
    assert done.stdout.splitlines() == shown


def test_importing_the_client_imports_no_side_of_the_house():
    code = "import sys, litet.client; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert {"contract", "httpx", "numpy"} <= loaded
    assert loaded & HEAVY == set()
