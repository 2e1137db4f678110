"""What is said of a table before a target is named."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import msgspec
import polars as pl

from training.retrain.inspection import inspect

CSV = """size,code,colour,born,when
1.5,0123,red,2024-01-31,2024-01-31T10:00:00Z
,0456,,2024-02-01,2024-02-01T10:00:00Z
"""


def types(path):
    return {column["name"]: column["dtype"] for column in inspect(str(path))["columns"]}


def test_columns_of_text_are_what_a_model_can_take_them_for(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(CSV)
    assert types(path) == {
        "size": "numeric",
        "code": "categorical",
        "colour": "categorical",
        "born": "date",
        "when": "date",
    }


def test_columns_with_types_are_what_a_model_can_take_them_for(tmp_path):
    path = tmp_path / "table.parquet"
    day = dt.datetime(2024, 1, 31, tzinfo=dt.UTC)
    frame = pl.DataFrame({"n": [1], "flag": [True], "day": [day], "span": [day - day], "list": [[1]]})
    frame.write_parquet(path)
    found = types(path)
    assert (found["n"], found["flag"], found["day"]) == ("numeric", "categorical", "date")
    assert found["span"].startswith("Duration")
    assert found["list"] == "List(Int64)"


def test_the_process_prints_the_facts_or_why_there_are_none(tmp_path):
    path = tmp_path / "table.csv"

    def printed():
        command = [sys.executable, "-m", "training.retrain.inspection", str(path)]
        return msgspec.json.decode(subprocess.run(command, capture_output=True, check=True).stdout)

    refusal = printed()
    assert refusal == {"type": "Refusal", "error": "a table must exist, got the body"}
    path.write_text(CSV)
    assert printed() == {**inspect(str(path)), "warnings": []}
