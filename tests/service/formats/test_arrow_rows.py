"""Arrow streams become rows, whoever wrote them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from contract.errors import Fault, InvalidRows
from contract.schema import CategoricalFeature, Schema
from contract.tensors import RowReader
from service.errors import BodyTooLarge, InvalidBody, MalformedBody
from service.formats.arrow.flatbuffer import I64, Longs, Number
from service.formats.arrow.rows import read
from tests.service.formats.streams import (
    END,
    IRIS,
    OLDEST,
    TEXTS,
    iris_columns,
    message,
    messages,
    penguin_frame,
    stream,
)

NUMBERS = [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_of_every_width_are_read(iris: RowReader, dtype: Any) -> None:
    frame = pl.DataFrame({name: pl.Series([1, None, 100, 3 + j]).cast(dtype) for j, name in enumerate(IRIS)})
    x = read(stream(frame), iris, 10, partial=False).tensors.x_num
    np.testing.assert_array_equal(x, frame.cast(pl.Float32).fill_null(float("nan")).to_numpy())


def test_large_integers_are_rounded_as_those_in_json(iris: RowReader) -> None:
    number = 2**60 + 2**36 + 1  # halfway, but for its last digit, which float64 does not keep
    frame = pl.DataFrame(iris_columns([number]))
    x = read(stream(frame), iris, 10, partial=False).tensors.x_num
    np.testing.assert_array_equal(x, iris.read([[number] * 4]).x_num)


@pytest.mark.parametrize("options", [{}, {"compat_level": OLDEST}])
@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum([text for text in TEXTS if text is not None])])
@pytest.mark.parametrize("span", [slice(0, None), slice(7, 12), slice(9, None)])
def test_texts_are_read_from_views_offsets_and_dictionaries(
    penguins: RowReader, options: Any, dtype: Any, span: slice
) -> None:
    frame = penguin_frame(pl.Series(TEXTS * 3, dtype=dtype))[span]
    tensors = read(stream(frame, **options), penguins, 20, partial=False).tensors
    columns = [frame[name].cast(pl.String) if name == "island" else frame[name] for name in penguins.names]
    want = penguins.read(list(zip(*columns, strict=True)))
    assert tensors.x_num.tobytes() == want.x_num.tobytes()
    assert tensors.x_cat.tolist() == want.x_cat.tolist()
    assert tensors.unseen == want.unseen


def test_the_rows_of_all_batches_are_read_in_order(penguins: RowReader) -> None:
    frame = penguin_frame(pl.Series(TEXTS * 3))
    parts = [messages(stream(part, compat_level=OLDEST)) for part in (frame[:4], frame[4:4], frame[4:])]
    for end in (b"", END):
        body = b"".join([*parts[0], *(batch for part in parts[1:] for batch in part[1:])]) + end
        together = read(body, penguins, 20, partial=False).tensors
        want = read(stream(frame), penguins, 20, partial=False).tensors
        assert together.x_num.tobytes() == want.x_num.tobytes()
        assert together.x_cat.tolist() == want.x_cat.tolist()


def test_a_dictionary_holds_until_the_next_one_of_its_number(foundry: Any) -> None:
    reader = RowReader(Schema(target="y", features=(foundry.mixed().features[1],), labels=("a", "b")))
    frames = [pl.DataFrame({"island": pl.Series(texts, dtype=pl.Enum(texts))}) for texts in (["a", "b"], ["c", "a"])]
    (schema, *first), (_, *second) = [messages(stream(frame, compat_level=OLDEST)) for frame in frames]
    tensors = read(b"".join([schema, *first, first[-1], *second]), reader, 10, partial=False).tensors
    assert tensors.x_cat.ravel().tolist() == ["a", "b", "a", "b", "c", "a"]
    with pytest.raises(MalformedBody, match="before its codes"):
        read(b"".join([schema, first[-1]]), reader, 10, partial=False)


def test_booleans_and_integers_meet_their_categories(foundry: Any) -> None:
    flag = CategoricalFeature(name="flag", missing=True, categories=("false", "true"))
    code = CategoricalFeature(name="code", missing=True, categories=("1", "2"))
    reader = RowReader(Schema(target="y", features=(flag, code), labels=("a", "b")))
    flags = pl.Series([True, False, None] * 7)
    for codes in (pl.Series([1, 3, None] * 7, dtype=pl.Int8), pl.Series([1, 3, None] * 7, dtype=pl.UInt64)):
        tensors = read(stream(pl.DataFrame({"flag": flags, "code": codes})[1:]), reader, 50, partial=False).tensors
        assert tensors.x_cat[:4].tolist() == [["false", "3"], ["", ""], ["true", "1"], ["false", "3"]]
        assert tensors.unseen[0] == ["code"]


def test_a_column_of_nothing_is_missing(penguins: RowReader) -> None:
    frame = penguin_frame(pl.Series([None] * 3)).with_columns(bill_mm=pl.lit(None))
    tensors = read(stream(frame), penguins, 10, partial=False).tensors
    assert np.isnan(tensors.x_num[:, 0]).all()
    assert tensors.x_cat[:, 0].tolist() == ["", "", ""]


@pytest.mark.parametrize(
    ("cells", "got"),
    [
        (pl.Series([True, None]), "true"),
        (pl.Series(["1", None]), '"1"'),
        (pl.Series(["1", None], dtype=pl.Categorical), '"1"'),
        (pl.Series([float("inf"), 1]), "Infinity"),
        (pl.Series([1e39, 1]), "1e+39"),
    ],
)
def test_a_cell_that_is_no_finite_number_is_named(iris: RowReader, cells: pl.Series, got: str) -> None:
    frame = pl.DataFrame({**iris_columns([1.0, 2.0]), "sepal_width": cells})
    with pytest.raises(InvalidRows) as caught:
        read(stream(frame), iris, 10, partial=False)
    assert caught.value.faults == (
        Fault(row=0, feature="sepal_width", expected="a finite float32 number or null", got=got),
    )
    rows = read(stream(frame), iris, 10, partial=True)
    assert rows.faults == {0: caught.value.faults[0]}
    assert rows.tensors.n_samples == 1


def test_numbers_are_no_text(penguins: RowReader) -> None:
    with pytest.raises(InvalidRows) as caught:
        read(stream(penguin_frame(pl.Series([1, 2]))), penguins, 10, partial=False)
    assert [(fault.feature, fault.expected, fault.got) for fault in caught.value.faults] == [
        ("island", "a string or null", "1"),
        ("island", "a string or null", "2"),
    ]


@pytest.mark.parametrize("cells", [pl.Series([[1.0]]), pl.Series([b"a"]), pl.Series([0]).cast(pl.Datetime)])
def test_columns_of_other_types_are_for_no_feature(iris: RowReader, cells: pl.Series) -> None:
    frame = pl.DataFrame({**iris_columns([1.0]), "note": cells, "when": cells})
    assert read(stream(frame), iris, 10, partial=False).tensors.n_samples == 1
    with pytest.raises(InvalidBody, match="numbers, text or booleans; petal_width does not"):
        read(stream(frame.with_columns(petal_width=cells)), iris, 10, partial=False)


def test_a_table_must_have_each_feature_and_a_row(iris: RowReader) -> None:
    frame = pl.DataFrame(iris_columns([1.0]))
    with pytest.raises(InvalidBody, match="lacks petal_width"):
        read(stream(frame.drop("petal_width")), iris, 10, partial=False)
    for body in (stream(frame[:0]), messages(stream(frame))[0]):
        with pytest.raises(InvalidBody, match="at least one row"):
            read(body, iris, 10, partial=False)


def test_too_many_rows_are_refused(iris: RowReader) -> None:
    schema, batch = messages(stream(pl.DataFrame(iris_columns([1.0, 2.0]))))
    assert read(schema + batch * 5, iris, 10, partial=False).tensors.n_samples == 10
    with pytest.raises(BodyTooLarge, match="at most 10 rows, got 12"):
        read(schema + batch * 6, iris, 10, partial=False)


def test_rows_that_no_bytes_stand_for_are_counted_first(iris: RowReader) -> None:
    schema, _ = messages(stream(pl.DataFrame(iris_columns([None]))))
    n_rows = 2**62
    batch = message(3, {0: Number(I64, n_rows), 1: Longs([n_rows, n_rows] * 4, 2), 2: Longs([], 2)})
    with pytest.raises(BodyTooLarge, match="at most 10 rows"):
        read(schema + batch, iris, 10, partial=False)


@pytest.mark.parametrize("options", [{}, {"compat_level": OLDEST}])
@pytest.mark.parametrize("n_batches", [1, 50])
def test_a_text_that_is_said_once_and_meant_often_is_counted_often(
    penguins: RowReader, options: Any, n_batches: int
) -> None:
    island = pl.Series(["x" * 2**17] * 200, dtype=pl.Categorical)
    schema, *dictionaries, batch = messages(stream(penguin_frame(island)[: 200 // n_batches], **options))
    body = b"".join([schema, *dictionaries, batch * n_batches])
    assert len(body) < 2**20
    with pytest.raises(BodyTooLarge, match="texts of a body"):
        read(body, penguins, 1000, partial=False)


def test_a_body_of_long_texts_is_read(penguins: RowReader) -> None:
    island = pl.Series([f"{row}{'x' * 2**20}" for row in range(20)])
    body = stream(penguin_frame(island), compat_level=OLDEST)
    assert read(body, penguins, 20, partial=False).tensors.x_cat[:, 0].tolist() == island.to_list()
