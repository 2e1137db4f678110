"""The guide to the estimator does what its comments say."""

import subprocess
import sys

from tests.docs.conftest import blocks_of


def test_the_example_prints_what_its_comments_say(tmp_path):
    (code,) = [block.text for block in blocks_of("docs/estimator.md") if block.language == "python"]
    shown = [line.partition("# → ")[2] for line in code.splitlines() if "# → " in line]
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert shown
    assert done.stdout.splitlines() == shown
    assert (tmp_path / "model.onnx").stat().st_size > 1_000
