"""Which tables are streamed, and what is said of those that cannot be."""

import re
import shlex
import subprocess
import sys

import pytest

from contract.errors import InvalidConfig, InvalidData
from tests.training.streamed.conftest import birds
from training.streamed import table as module
from training.streamed.memory import MIN_BYTES
from training.streamed.table import StreamedTable, open_table
from training.table import Table, read_table


@pytest.fixture
def large(monkeypatch):
    """Every row takes so much that no table fits."""
    monkeypatch.setattr("training.streamed.memory.COPIES", 10_000_000)
    monkeypatch.setattr(module, "MOST_PER_BYTE", 10_000_000)


def test_a_table_that_fits_is_read(tmp_path):
    birds(100).write_parquet(tmp_path / "t.parquet")
    for data in ("iris", str(tmp_path / "t.parquet")):
        with open_table(data, 128, MIN_BYTES) as table:
            assert isinstance(table, Table)
            assert table.sha256 == read_table(data).sha256


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("name", ["t.parquet", "t.arrow"])
def test_a_table_that_does_not_fit_is_streamed_from_parquet_and_arrow_files(tmp_path, name):
    path = tmp_path / name
    write = {"t.parquet": birds(100).write_parquet, "t.arrow": birds(100).write_ipc}
    write[name](path)
    with open_table(str(path), 128, MIN_BYTES) as table:
        assert isinstance(table, StreamedTable)
        assert table.columns == tuple(birds(1).columns)
        assert table.rows.n_rows == 100
        assert (table.source, table.sha256) == (name, read_table(str(path)).sha256)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("separator", [",", ";"])
def test_a_text_that_does_not_fit_is_refused_with_the_command_that_makes_parquet_of_it(tmp_path, separator):
    path = tmp_path / "my birds.csv"
    birds(100).write_csv(path, separator=separator, null_value="NA")
    with (
        pytest.raises(
            InvalidData,
            match=r"must fit into memory \(1GB\) unless .* needs about .*GB: write it as Parquet, with python -c",
        ) as caught,
        open_table(str(path), 128, MIN_BYTES),
    ):
        pass
    python, *arguments = shlex.split(re.search(r"python -c .*", str(caught.value))[0])
    assert python == "python"
    subprocess.run([sys.executable, *arguments], check=True)
    converted = read_table(str(path.with_suffix(".parquet")))
    assert converted.frame.equals(read_table(str(path)).frame)


@pytest.mark.usefixtures("large")
def test_an_arrow_stream_that_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "t.arrow"
    birds(100).write_ipc_stream(path)
    with (
        pytest.raises(InvalidData, match=r"must fit into memory .*: write it as Parquet$"),
        open_table(str(path), 128, MIN_BYTES),
    ):
        pass


def test_without_a_limit_most_of_what_is_available_is_the_limit(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    birds(20_000).write_parquet(path)
    monkeypatch.setattr(module, "MOST_PER_BYTE", 10_000_000)
    for available, kind in ((10**11, Table), (None, Table), (10**6, Table)):
        monkeypatch.setattr(module, "available_bytes", lambda available=available: available)
        with open_table(str(path), 128) as table:
            assert isinstance(table, kind)
    monkeypatch.setattr("training.streamed.memory.COPIES", 10_000)
    with open_table(str(path), 128) as table:
        assert isinstance(table, StreamedTable)


def test_too_little_memory_is_refused():
    with pytest.raises(InvalidConfig, match="at least 1GB"), open_table("iris", 128, 10**6):
        pass
