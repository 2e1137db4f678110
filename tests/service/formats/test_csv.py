"""CSV becomes rows as a file to train on does, and answers become CSV that any reader reads."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import CallerError, Fault, InvalidRows
from contract.faults import FLOAT32_LIMIT
from contract.schema import CategoricalFeature, Schema
from contract.tensors import RowReader
from contract.text_cells import MISSING, read_number, speller
from service.errors import BodyTooLarge, InvalidBody, MalformedBody
from service.formats.csv_answers import write
from service.formats.csv_rows import read
from service.formats.outputs import OUTPUTS
from service.formats.scored import Scored
from training import cells

IRIS = "sepal_length,sepal_width,petal_length,petal_width"
PENGUINS = "bill_mm,island,mass_g,sex"
FAULT = Fault(row=1, feature="mass_g", expected="a number", got='"a, b"')


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n", "\r\n\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_may_end_in_any_way(iris: RowReader, end: str, last: str, mark: str) -> None:
    body = mark + end.join([IRIS, "1,2.5,-3e2,.5", "+4,5.,6,007"]) + last
    x = read(body.encode(), iris, 10, partial=False).tensors.x_num
    np.testing.assert_array_equal(x, np.array([[1, 2.5, -300, 0.5], [4, 5, 6, 7]], np.float32))


def test_columns_are_found_by_name_and_others_ignored(iris: RowReader) -> None:
    for note in ("0", "what, ever"):
        table = io.StringIO()
        csv.writer(table).writerows([["petal_width", "note", *IRIS.split(",")[:3]], [4, note, 1, 2, 3]])
        x = read(table.getvalue().encode(), iris, 10, partial=False).tensors.x_num
        np.testing.assert_array_equal(x, np.array([[1, 2, 3, 4]], np.float32))


def test_cells_may_be_quoted_and_hold_line_ends(penguins: RowReader) -> None:
    body = f'{PENGUINS}\r\n"1", "Dre""am\n, ",2,  male \r\n'
    tensors = read(body.encode(), penguins, 10, partial=False).tensors
    assert tensors.x_cat.tolist() == [['Dre"am\n,', "male"]]
    assert tensors.unseen == {0: ["island"]}


@pytest.mark.parametrize("text", MISSING)
def test_what_is_missing_in_training_is_missing_here(penguins: RowReader, text: str) -> None:
    tensors = read(f"{PENGUINS}\n{text},{text},2,{text}\n".encode(), penguins, 10, partial=False).tensors
    np.testing.assert_array_equal(tensors.x_num, np.array([[np.nan, 2]], np.float32))
    assert tensors.x_cat.tolist() == [["", ""]]


SPELLINGS = [
    "1",
    "+1",
    "-1",
    ".5",
    "5.",
    "1e5",
    "1E+5",
    "1e-400",
    "-0",
    "007",
    "1_000",
    "inf",
    "-Infinity",
    "NAN",
    "0x10",
]
SPELLINGS += [
    "\uff11",
    "\u0663",
    "1e",
    "1 2",
    "1e400",
    "1d5",
    "--1",
    ".",
    "e5",
    "1.2.3",
    "true",
    "1e5.0",
    "+",
    "3.5e38",
]


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("text", SPELLINGS)
def test_a_number_is_spelt_as_in_training(iris: RowReader, text: str, quote: str) -> None:
    want, is_wrong = cells.numbers(pl.Series([text]))
    body = f"{IRIS}\n0,0,0,{quote}{text}{quote}\n".encode()
    if is_wrong[0]:
        with pytest.raises(InvalidRows) as caught:
            read(body, iris, 10, partial=False)
        assert (caught.value.faults[0].row, caught.value.faults[0].feature) == (0, "petal_width")
        assert caught.value.faults[0].expected == "a finite float32 number or null"
    else:
        assert read(body, iris, 10, partial=False).tensors.x_num[0, 3] == want[0]


@given(st.text("0123456789+-.eE_", max_size=12) | st.floats().map(repr) | st.text(max_size=5))
def test_what_is_a_number_is_one_in_training(text: str) -> None:
    stripped = text.strip()
    number = read_number(stripped)
    x, is_wrong = cells.numbers(pl.Series([None if stripped in MISSING else stripped], dtype=pl.String))
    is_number = isinstance(number, float) and abs(number) < FLOAT32_LIMIT
    assert is_wrong[0] == (number is not None and not is_number)
    if is_number:
        assert np.float32(number) == x[0]


@pytest.mark.parametrize("categories", [("false", "true"), ("0", "1", "-12"), ("a", "TRUE", "1.0"), ()])
@pytest.mark.parametrize("text", ["TRUE", "False", "yes", "1.0", "-12.00", "01.0", "1.5", "-0.0", "1.0\n", "Ä"])
def test_categories_are_spelt_as_in_training(categories: tuple[str, ...], text: str) -> None:
    assert speller(categories)(text) == cells.spell_like(pl.Series([text]), categories)[0]


def test_booleans_and_whole_numbers_meet_their_categories(foundry: Any) -> None:
    flag = CategoricalFeature(name="flag", missing=True, categories=("false", "true"))
    code = CategoricalFeature(name="code", missing=True, categories=("1", "2"))
    reader = RowReader(Schema(target="y", features=(flag, code), labels=("a", "b")))
    tensors = read(b"flag,code\nTRUE,1.0\nfalse,2\n,NA\n", reader, 10, partial=False).tensors
    assert tensors.x_cat.tolist() == [["true", "1"], ["false", "2"], ["", ""]]
    assert not tensors.unseen


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "names of its columns"),
        (b"\n \r\n", "names of its columns"),
        (IRIS.encode() + b"\n1,2,3\n", "line 2 has 3"),
        (IRIS.encode() + b'\n1,"2\n",3,4\n1,2,3,4,5\n', "line 4 has 5"),
        (IRIS.encode() + b'\n1,"2"x,3,4\n', "must be CSV"),
        (IRIS.encode() + b'\n1,"2,3,4\n', "must be CSV"),
        (IRIS.encode() + b"\n1,2,3,\xff\n", "byte 56 is 0xff"),
        (IRIS.encode() + b"\n1,2,3,\0\n", "byte 56 is 0x00"),
        (b"\xff\n1,2\n", "UTF-8"),
        (f"{IRIS}\n1,2,3,4".encode("utf-16"), "CSV body"),
        (IRIS.encode() + b"\n1,2,3," + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_what_is_no_table_is_malformed(iris: RowReader, body: bytes, says: str) -> None:
    with pytest.raises(MalformedBody, match=says):
        read(body, iris, 10, partial=False)


def test_a_table_must_have_each_feature_once_and_a_row(iris: RowReader) -> None:
    with pytest.raises(InvalidBody, match="lacks petal_width"):
        read(b"sepal_length,sepal_width,petal_length\n1,2,3\n", iris, 10, partial=False)
    with pytest.raises(InvalidBody, match="two of petal_width"):
        read(IRIS.encode() + b",petal_width\n1,2,3,4,5\n", iris, 10, partial=False)
    with pytest.raises(InvalidBody, match="at least one row"):
        read(IRIS.encode() + b"\n\n", iris, 10, partial=False)


@pytest.mark.parametrize("cell", ["4", "?", '"4"'])
def test_too_many_rows_are_refused(iris: RowReader, cell: str) -> None:
    body = f"{IRIS}\n".encode() + f"1,2,3,{cell}\n".encode() * 11
    assert read(body, iris, 11, partial=False).tensors.n_samples == 11
    for partial in (False, True):
        with pytest.raises(BodyTooLarge, match="at most 10 rows, got 11"):
            read(body, iris, 10, partial=partial)


def test_bad_rows_are_listed_where_asked_for_broken_ones_too(iris: RowReader) -> None:
    body = f"{IRIS}\n1,2\n1,2,3,4\n\n5,x,7,8\n9,9,9,9,9\n5,,7,inf\n6,6,6,6\n".encode()
    rows = read(body, iris, 10, partial=True)
    np.testing.assert_array_equal(rows.tensors.x_num, np.array([[1, 2, 3, 4], [6, 6, 6, 6]], np.float32))
    assert rows.faults is not None
    told = [(row, fault.row, fault.feature, fault.got) for row, fault in rows.faults.items()]
    assert told == [
        (0, 0, None, "2"),
        (2, 2, "sepal_width", '"x"'),
        (3, 3, None, "5"),
        (4, 4, "petal_width", '"inf"'),
    ]


def test_no_bad_row_is_told_from_nobody_asking(iris: RowReader) -> None:
    for cell in ("4", "NA"):
        body = f"{IRIS}\n1,2,3,{cell}\n".encode()
        assert read(body, iris, 10, partial=True).faults == {}
        assert read(body, iris, 10, partial=False).faults is None


@given(
    st.lists(st.lists(st.floats(width=32, allow_nan=False) | st.integers(-(10**9), 10**9), min_size=4, max_size=4)),
    st.sampled_from(["\n", "\r\n"]),
)
def test_the_quick_reader_and_the_exact_one_read_the_same(foundry: Any, rows: list[Any], end: str) -> None:
    reader = RowReader(foundry.numeric())
    lines = [",".join(map(repr, row)) for row in rows]
    plain = end.join([IRIS, *lines]).encode()
    quoted = end.join([f'"sepal_length"{IRIS[12:]}', *lines]).encode()
    answers = []
    for body in (plain, quoted):
        try:
            answers.append(read(body, reader, 1000, partial=False).tensors.x_num.tobytes())
        except CallerError as error:
            answers.append(repr(error).encode())
    assert answers[0] == answers[1]


@given(st.binary() | st.text().map(str.encode) | st.text('0123456789,."\r\n-eEx? ').map(lambda t: f"a,b\n{t}".encode()))
def test_any_bytes_are_read_or_refused_with_an_error_of_the_callers(foundry: Any, body: bytes) -> None:
    two = RowReader(Schema(target="y", features=(foundry.number("a"), foundry.number("b")), labels=("p", "q")))
    one = RowReader(Schema(target="y", features=(foundry.mixed().features[1],), labels=("p", "q")))
    for reader, head in ((two, b""), (one, b"island\n")):
        for partial in (False, True):
            with contextlib.suppress(CallerError):
                rows = read(head + body, reader, 10, partial=partial)
                assert rows.tensors.n_samples + len(rows.faults or ()) > 0


def test_answers_are_a_table_with_a_line_for_each_row(foundry: Any, score: Callable[..., Scored]) -> None:
    rows = [[1, "Dream", 2, "male"], [1, "Mars", 2, "Ä"]]
    scored = score(foundry.mixed(), rows)
    content = write(scored, set(OUTPUTS))
    assert content.count(b"\r\n") == 3
    frame = pl.read_csv(content)
    classes = ["probability_Adelie", "probability_Gentoo", "logit_Adelie", "logit_Gentoo"]
    assert frame.columns == ["label", "class_index", *classes, "unseen"]
    assert frame["label"].to_list() == [scored.predictor.schema.labels[i] for i in scored.answers.class_index]
    assert frame["class_index"].to_list() == scored.answers.class_index.tolist()
    numbers = frame.select(classes).to_numpy().astype(np.float32)
    np.testing.assert_array_equal(numbers, np.hstack([scored.answers.probabilities, scored.answers.logits]))
    assert frame["unseen"].to_list() == [None, "island sex"]


def test_only_what_is_asked_for_is_written(foundry: Any, score: Callable[..., Scored]) -> None:
    scored = score(foundry.numeric(labels=(False, True)), [[1, 2, 3, 4]])
    label = str(bool(scored.answers.class_index[0])).lower().encode()
    assert write(scored, {"label"}) == b"label\r\n" + label + b"\r\n"
    assert write(scored, {"logits"}).startswith(b"logit_false,logit_true\r\n")


def test_a_bad_row_has_nothing_but_its_error(foundry: Any, score: Callable[..., Scored]) -> None:
    rows = [[1, "Dream", 2, "male"], [1, "Mars", 2, "male"]]
    scored = score(foundry.mixed(), rows, {1: FAULT})
    table = list(csv.DictReader(io.StringIO(write(scored, {"label", "class_index"}).decode(), newline="")))
    assert [row["error"] for row in table] == ["", "feature 'mass_g': expected a number, got \"a, b\"", ""]
    assert [row["unseen"] for row in table] == ["", "", "island"]
    assert [bool(row["label"]) for row in table] == [True, False, True]
    assert write(score(foundry.mixed(), rows, {}), {"label"}).startswith(b"label,unseen,error\r\n")


def test_labels_with_delimiters_come_back(foundry: Any, score: Callable[..., Scored]) -> None:
    labels = ('a,"b"', "c\r\nd", " e")
    scored = score(foundry.numeric(labels=labels), [[x, -x, x, x] for x in range(-20, 20)])
    assert len(set(scored.answers.class_index.tolist())) > 1
    table = list(csv.DictReader(io.StringIO(write(scored, set(OUTPUTS)).decode(), newline="")))
    assert [row["label"] for row in table] == [labels[index] for index in scored.answers.class_index]
    assert list(table[0])[2:5] == [f"probability_{label}" for label in labels]
