"""A table is what its name or its file says, with the hash of the bytes that were read."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from contract.errors import InvalidData, MissingExtra
from training.table import read_table

BUILTIN_SHAPES = {"iris": (150, 5), "wine": (178, 14), "breast_cancer": (569, 31), "digits": (1797, 65)}

FRAME = pl.DataFrame(
    {
        "whole": [1, 2, None],
        "real": [0.5, float("nan"), None],
        "money": pl.Series(["1.50", "2.25", None]).str.to_decimal(scale=2),
        "flag": [True, False, None],
        "text": ["007", "", None],
        "category": pl.Series(["u", "v", None], dtype=pl.Categorical),
        "choice": pl.Series(["u", "v", None], dtype=pl.Enum(["u", "v"])),
        "day": [dt.date(2024, 1, 31), None, None],
        "list": [[1], [], None],
    }
)
PLAIN = {
    "whole": [1, 2, None],
    "real": [0.5, None, None],
    "money": [1.5, 2.25, None],
    "flag": [True, False, None],
    "text": ["007", None, None],
    "category": ["u", "v", None],
    "choice": ["u", "v", None],
    "day": [dt.date(2024, 1, 31), None, None],
    "list": [[1], [], None],
}


@pytest.mark.parametrize(("name", "shape"), BUILTIN_SHAPES.items())
def test_a_built_in_table_knows_its_target(name, shape):
    table = read_table(name)
    assert table.source == name
    assert table.frame.shape == shape
    assert table.target == table.frame.columns[-1]
    assert table.frame.drop(table.target).dtypes == [pl.Float64] * (shape[1] - 1)
    assert table.frame.null_count().sum_horizontal().item() == 0
    assert not [column for column in table.frame.columns if " " in column]


def test_the_labels_of_built_in_tables_are_names_or_digits():
    assert read_table("iris").frame["species"].unique().sort().to_list() == ["setosa", "versicolor", "virginica"]
    assert read_table("wine").frame["cultivar"].unique().sort().to_list() == ["class_0", "class_1", "class_2"]
    assert read_table("breast_cancer").frame["diagnosis"].value_counts().sort("count").rows() == [
        ("malignant", 212),
        ("benign", 357),
    ]
    assert read_table("digits").frame["digit"].unique().sort().to_list() == list(range(10))


def test_iris_is_the_known_one():
    frame = read_table("iris").frame
    assert frame.columns == ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]
    assert frame.row(0) == (5.1, 3.5, 1.4, 0.2, "setosa")


def test_the_pixels_of_digits_are_named_by_row_and_column():
    frame = read_table("digits").frame
    assert frame.columns[:2] == ["pixel_0_0", "pixel_0_1"]
    assert frame.columns[8] == "pixel_1_0"


def test_the_hash_of_a_built_in_is_the_same_every_time_and_its_own():
    hashes = [read_table(name).sha256 for name in BUILTIN_SHAPES]
    assert len(set(hashes)) == len(hashes)
    assert hashes == [read_table(name).sha256 for name in BUILTIN_SHAPES]
    assert {len(sha256) for sha256 in hashes} == {64}


def test_a_built_in_without_scikit_learn_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtra, match=r"litet\[train\]"):
        read_table("iris")


def test_reading_a_file_imports_neither_scikit_learn_nor_torch(write):
    path = write("t.csv", "a,y\n1,p\n")
    code = (
        "import sys; from training.table import read_table; read_table(sys.argv[1]); "
        "import training.columns, training.dataset; print({'sklearn', 'torch'} & set(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    answer = subprocess.run(
        [sys.executable, "-c", code, path], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "set()\n"


@pytest.mark.parametrize("name", ["t.csv", "t.CSV", "t.tsv", "t.Txt"])
def test_a_text_file_is_known_by_its_suffix_in_any_case(write, name):
    table = read_table(write(name, "a,y\n1,p\n"))
    assert table.frame.rows() == [("1", "p")]
    assert (table.source, table.target) == (name, None)


def test_the_hash_of_a_file_is_that_of_its_bytes(write, tmp_path):
    content = b"\xef\xbb\xbfa,y\r\n" + b"1,p\r\n" * 300_000
    assert read_table(write("t.csv", content)).sha256 == hashlib.sha256(content).hexdigest()
    parquet = tmp_path / "t.parquet"
    FRAME.write_parquet(parquet)
    assert read_table(str(parquet)).sha256 == hashlib.sha256(parquet.read_bytes()).hexdigest()


def write_parquet(path):
    FRAME.write_parquet(path)


def write_arrow_file(path):
    FRAME.write_ipc(path)


def write_arrow_stream(path):
    FRAME.write_ipc_stream(path)


@pytest.mark.parametrize(
    ("name", "write_frame"),
    [
        ("t.parquet", write_parquet),
        ("t.PARQUET", write_parquet),
        ("t.arrow", write_arrow_file),
        ("t.feather", write_arrow_file),
        ("t.arrow", write_arrow_stream),
    ],
)
def test_a_binary_table_keeps_types_and_loses_kinds_of_missing(tmp_path, name, write_frame):
    write_frame(tmp_path / name)
    table = read_table(str(tmp_path / name))
    assert table.frame.to_dict(as_series=False) == PLAIN
    assert table.frame.schema["money"] == pl.Float64
    assert table.frame.schema["category"] == table.frame.schema["choice"] == pl.String
    assert (table.source, table.target, table.warnings) == (name, None, ())


def test_a_binary_column_without_a_name_is_called_by_its_position_and_told(tmp_path):
    pl.DataFrame({"a": [1], "": [2]}).write_parquet(tmp_path / "t.parquet")
    table = read_table(str(tmp_path / "t.parquet"))
    assert table.frame.columns == ["a", "column_2"]
    assert table.warnings == ("columns without a name are called column_2",)


def test_binary_columns_must_have_names_of_their_own_that_are_no_patterns(tmp_path):
    path = str(tmp_path / "t.parquet")
    pl.DataFrame({"column_2": [1], "": [2]}).write_parquet(path)
    with pytest.raises(InvalidData, match="must name its columns differently, got column_2 more than once"):
        read_table(path)
    pl.DataFrame({"^.*$": [1], "a": [2]}).write_parquet(path)
    with pytest.raises(InvalidData, match="must not name a column"):
        read_table(path)


def test_a_file_name_is_no_pattern(write):
    path = write("t[1]*.csv", "a,y\n1,p\n")
    write("t1.csv", "a,y\n2,q\n")
    assert read_table(path).frame.rows() == [("1", "p")]


def test_a_file_named_like_a_built_in_needs_its_suffix(write, monkeypatch, tmp_path):
    write("iris", "a,y\n1,p\n")
    write("iris.csv", "a,y\n1,p\n")
    monkeypatch.chdir(tmp_path)
    assert read_table("iris").frame.height == 150
    assert read_table("iris.csv").frame.height == 1


@pytest.mark.parametrize("data", ["", "Iris", "t.xlsx", "t.csv.gz", "t", ".csv", "https://example.org/t"])
def test_what_is_no_table_is_an_error_that_lists_the_choices(data):
    with pytest.raises(InvalidData, match=r"one of iris, wine, .* \.csv, .*; got "):
        read_table(data)


def test_a_file_that_is_not_there_is_an_error_in_the_users_words(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidData, match=r"^a table must exist, got '\./nowhere/t\.csv'$"):
        read_table("./nowhere/t.csv")


def test_a_folder_is_an_error(tmp_path):
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(InvalidData, match="must be a file"):
        read_table(str(tmp_path / "t.csv"))


def test_a_pipe_is_an_error_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(InvalidData, match="must be a file"):
        read_table(str(tmp_path / "t.csv"))


def test_a_path_that_no_file_can_have_is_an_error(tmp_path):
    with pytest.raises(InvalidData, match="must be readable"):
        read_table("t\0.csv")
    with pytest.raises(InvalidData, match="must be readable"):
        read_table(str(tmp_path / ("t" * 300 + ".csv")))


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.feather"])
@pytest.mark.parametrize("content", [b"hello", b"hello hello hello", b"ARROW1\0\0hello", b"PAR1helloPAR1"])
def test_a_binary_file_that_is_none_is_an_error_in_one_line(write, name, content):
    with pytest.raises(InvalidData, match=r"must be a readable (Parquet|Arrow) file: [^\n]+$"):
        read_table(write(name, content))


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow"])
def test_a_binary_file_that_is_cut_off_is_an_error(tmp_path, name):
    path = tmp_path / name
    (write_parquet if name == "t.parquet" else write_arrow_file)(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InvalidData, match="must be a readable"):
        read_table(str(path))


def test_a_binary_file_without_bytes_or_rows_is_an_error(write, tmp_path):
    with pytest.raises(InvalidData, match="got an empty file"):
        read_table(write("t.parquet", b""))
    FRAME.head(0).write_parquet(tmp_path / "u.parquet")
    with pytest.raises(InvalidData, match="got 0 rows of 9 columns"):
        read_table(str(tmp_path / "u.parquet"))
