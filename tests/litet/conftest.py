"""The command line, run in this process as `main` would be run by a shell."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from litet.__main__ import main


class Outcome(NamedTuple):
    exit_code: int
    out: str
    err: str


Litet = Callable[..., Outcome]


@pytest.fixture
def litet(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Litet:
    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["litet", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        code = stopped.value.code
        return Outcome(code if isinstance(code, int) else 0, *capfd.readouterr())

    return run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sixty rows of two numbers, a text with holes, and an easy label."""
    path = tmp_path / "birds.csv"
    rows = [
        f"{i % 10}.5,{'' if i % 7 == 0 else i % 5},{('north', 'south', '')[i % 3]},{'owl' if i % 10 < 5 else 'crow'}"
        for i in range(60)
    ]
    path.write_text("\n".join(["wing,tail,place,bird", *rows]) + "\n")
    return path
