"""The API's page, in a real browser that can reach nothing but the service."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.running import running_service

MODELS = Path(__file__).parents[2] / "models"
CHROMIUM = shutil.which("chromium")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="no chromium here; CI has one")
def test_the_schema_page_shows_the_routes_without_the_internet(tmp_path):
    assert CHROMIUM is not None
    with running_service(MODELS) as url:
        command = [
            CHROMIUM,
            *OPTIONS,
            f"--user-data-dir={tmp_path}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            f"{url}/schema",
        ]
        page = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout
    for text in ("/predict", "/models/{name}/predict", "/health/ready", "/metrics"):
        assert f'data-path="{text}"' in page
