"""Arrow streams become rows, whoever wrote them and however damaged; answers become streams that others read."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import CallerError, Fault, InvalidRows
from contract.publishing import Publisher
from contract.repository import Repository
from contract.schema import CategoricalFeature, Schema
from contract.tensors import RowReader
from service.errors import BodyTooLarge, InvalidBody, MalformedBody
from service.formats.arrow.answers import write
from service.formats.arrow.flatbuffer import I16, I64, U8, BadBuffer, Longs, Number, Table, Tables, Text, encode
from service.formats.arrow.rows import read
from service.formats.outputs import OUTPUTS
from service.formats.scored import Scored
from service.predictor import Predictor

IRIS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
OLDEST = pl.CompatLevel.oldest()
END = struct.pack("<II", 0xFFFFFFFF, 0)
TEXTS = ["Dream", None, "Torgersen", "Ä long way from any island", ""]


def stream(frame: pl.DataFrame, **options: Any) -> bytes:
    file = io.BytesIO()
    frame.write_ipc_stream(file, **options)
    return file.getvalue()


def message(kind: int, header: Any, body: bytes = b"", version: int = 4) -> bytes:
    slots = {0: Number(I16, version), 1: Number(U8, kind), 2: header, 3: Number(I64, len(body))}
    metadata = encode(slots)
    return struct.pack("<II", 0xFFFFFFFF, len(metadata)) + metadata + body


def messages(content: bytes) -> list[bytes]:
    """Each message of a stream by itself."""
    found, at = [], 0
    while content[at : at + 8] != END:
        start = at + 8 + struct.unpack_from("<I", content, at + 4)[0]
        end = start + Table.root(content[at + 8 : start]).scalar(3, I64)
        found.append(content[at:end])
        at = end
    return found


@pytest.fixture
def iris(foundry: Any) -> RowReader:
    return RowReader(foundry.numeric())


@pytest.fixture
def penguins(foundry: Any) -> RowReader:
    return RowReader(foundry.mixed())


def iris_columns(cells: list[Any]) -> dict[str, list[Any]]:
    return dict.fromkeys(IRIS, cells)


def penguin_frame(island: pl.Series) -> pl.DataFrame:
    height = len(island)
    numbers = pl.Series([1.5, None, float("nan"), -2, 1e-40] * height)[:height]
    sex = pl.Series(["male", "female", None, "?", "male"] * height)[:height]
    frame = {"mass_g": pl.Series(range(height)), "bill_mm": numbers, "note": [[1.0]] * height, "sex": sex}
    return pl.DataFrame({**frame, "island": island})


@pytest.fixture
def score(foundry: Any, publisher: Publisher) -> Callable[..., Scored]:
    def score_rows(schema: Schema, rows: list[Any], faults: dict[int, Fault] | None = None) -> Scored:
        foundry.publish(publisher, "made", schema)
        predictor = Predictor(Repository(publisher.root).read("made", 1))
        tensors = predictor.reader.read(rows)
        return Scored(predictor, predictor.predict(tensors), tensors.unseen, faults)

    return score_rows


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


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda body: b"", "cut off"),
        (lambda body: b"{}", "cut off"),
        (lambda body: body[:-9], "cut off"),
        (lambda body: body[:100], "cut off"),
        (lambda body: body + b"x", "nothing may follow"),
        (lambda body: END + body, "offset must lead into the buffer"),
        (lambda body: b"\0\0\0\0" + body, "continuation mark"),
        (lambda body: messages(body)[1], "first message must be the schema"),
        (lambda body: messages(body)[0] * 2, "only record batches and dictionaries"),
        (lambda body: messages(body)[0] + message(3, {}, version=2), "version 4 or 5"),
        (lambda body: messages(body)[0] + message(3, {0: Number(I64, -1)}), "0 rows or more"),
        (lambda body: messages(body)[0] + message(3, {0: Number(I64, 1)}), "that its schema demands"),
    ],
)
def test_what_is_no_stream_is_malformed(iris: RowReader, change: Callable[[bytes], bytes], says: str) -> None:
    with pytest.raises(MalformedBody, match=says):
        read(change(stream(pl.DataFrame(iris_columns([1.0])))), iris, 10, partial=False)


def test_what_is_not_supported_is_called_by_its_name(iris: RowReader) -> None:
    frame = pl.DataFrame(iris_columns([1.0] * 100))
    for compression in ("lz4", "zstd"):
        with pytest.raises(MalformedBody, match="must be uncompressed"):
            read(stream(frame, compression=compression), iris, 100, partial=False)
    file = io.BytesIO()
    frame.write_ipc(file)
    with pytest.raises(MalformedBody, match="got an Arrow file"):
        read(file.getvalue(), iris, 100, partial=False)
    with pytest.raises(MalformedBody, match="little-endian"):
        read(message(1, {0: Number(I16, 1)}), iris, 100, partial=False)


def test_fields_that_share_one_table_are_not_all_walked(iris: RowReader) -> None:
    content = encode({1: Number(U8, 1), 2: {1: Tables([{2: Number(U8, 1)}])}})
    schema = Table.root(content).table(2)
    assert schema is not None
    start, _ = schema._vector(1, 4)
    n_fields = 100_000
    target = start + struct.unpack_from("<I", content, start)[0] + 4 * (n_fields - 1)
    offsets = np.arange(target - start, target - start - 4 * n_fields, -4, np.uint32)
    metadata = content[: start - 4] + struct.pack("<I", n_fields) + offsets.tobytes() + content[start + 4 :]
    with pytest.raises(MalformedBody, match="each of its fields once"):
        read(struct.pack("<II", 0xFFFFFFFF, len(metadata)) + metadata, iris, 100, partial=False)


TEXT, VIEW = {2: Number(U8, 5), 3: {}}, {2: Number(U8, 24), 3: {}}
CODES = {**TEXT, 4: {0: Number(I64, 7)}}
"""Types of the column `island`: text with offsets, with views, and from dictionary 7."""


def island_stream(kind: Any, buffers: list[bytes], n_rows: int, n_long: list[int], dictionary: bytes = b"") -> bytes:
    body = b"".join(buffer + bytes(-len(buffer) % 8) for buffer in buffers)
    starts = np.cumsum([0] + [len(buffer) + -len(buffer) % 8 for buffer in buffers]).tolist()
    places = [number for start, buffer in zip(starts, buffers, strict=False) for number in (start, len(buffer))]
    header = {0: Number(I64, n_rows), 1: Longs([n_rows, 0], 2), 2: Longs(places, 2), 4: Longs(n_long)}
    return message(1, {1: Tables([{0: Text("island"), **kind}])}) + dictionary + message(3, header, body)


@pytest.fixture
def islands(foundry: Any) -> RowReader:
    return RowReader(Schema(target="y", features=(foundry.mixed().features[1],), labels=("a", "b")))


@pytest.mark.parametrize(
    ("offsets", "fits"),
    [((0, 3, 6), True), ((1, 1, 3), True), ((0, 4, 2), False), ((-1, 2, 3), False), ((0, 2, 7), False)],
)
def test_offsets_must_rise_inside_their_buffer(islands: RowReader, offsets: tuple[int, ...], fits: bool) -> None:
    body = island_stream(TEXT, [b"", struct.pack("<3i", *offsets), b"abcdef"], 2, [])
    if fits:
        x_cat = read(body, islands, 10, partial=False).tensors.x_cat
        assert x_cat.ravel().tolist() == ["abcdef"[slice(*pair)] for pair in (offsets[:2], offsets[1:])]
    else:
        with pytest.raises(MalformedBody, match="offsets of texts must rise"):
            read(body, islands, 10, partial=False)


@pytest.mark.parametrize(
    ("length", "buffer", "offset", "says"),
    [
        (13, 0, 0, ""),
        (13, 0, 4, "point into their buffers"),
        (13, 0, -1, "point into their buffers"),
        (13, 1, 0, "point into their buffers"),
        (13, -1, 0, "point into their buffers"),
        (-1, 0, 0, "length of 0 or more"),
    ],
)
def test_views_must_point_into_their_buffers(
    islands: RowReader, length: int, buffer: int, offset: int, says: str
) -> None:
    body = island_stream(VIEW, [b"", struct.pack("<4i", length, 0, buffer, offset), b"a text of sixteen"[:16]], 1, [1])
    if says:
        with pytest.raises(MalformedBody, match=says):
            read(body, islands, 10, partial=False)
    else:
        assert read(body, islands, 10, partial=False).tensors.x_cat.tolist() == [["a text of six"]]


def test_views_of_one_long_text_are_counted_each(islands: RowReader) -> None:
    view = struct.pack("<4i", 2**17, 0, 0, 0)
    for n_rows, fits in ((100, True), (200, False)):
        body = island_stream(VIEW, [b"", view * n_rows, b"x" * 2**17], n_rows, [1])
        if fits:
            assert read(body, islands, 1000, partial=False).tensors.n_samples == n_rows
        else:
            with pytest.raises(BodyTooLarge, match="texts of a body"):
                read(body, islands, 1000, partial=False)


@pytest.mark.parametrize("codes", [(0, -1), (0, 2), (-(2**31), 1)])
def test_codes_must_be_in_their_dictionary(islands: RowReader, codes: tuple[int, int]) -> None:
    values = {0: Number(I64, 2), 1: Longs([2, 0], 2), 2: Longs([0, 0, 0, 12, 16, 2], 2)}
    dictionary = message(
        2, {0: Number(I64, 7), 1: values}, struct.pack("<3i", 0, 1, 2).ljust(16, b"\0") + b"ab".ljust(8)
    )
    good = island_stream(CODES, [b"", struct.pack("<2i", 1, 0)], 2, [], dictionary)
    assert read(good, islands, 10, partial=False).tensors.x_cat.ravel().tolist() == ["b", "a"]
    with pytest.raises(MalformedBody, match="codes must be from 0 to 1"):
        read(island_stream(CODES, [b"", struct.pack("<2i", *codes)], 2, [], dictionary), islands, 10, partial=False)


def test_a_table_does_not_begin_before_its_buffer() -> None:
    with pytest.raises(BadBuffer, match="lead forward"):
        Table.root(struct.pack("<Ii", 4, 100) + bytes(200))


def _bases() -> list[bytes]:
    frame = penguin_frame(pl.Series(TEXTS * 2)).drop("note")
    dictionary = frame.with_columns(pl.col("island").cast(pl.Categorical), flag=pl.lit(True))
    nested = frame.with_columns(deep=pl.struct(pl.col("sex").implode().over("sex"), "mass_g"))
    frames = (frame, dictionary, nested)
    return [stream(table, compat_level=level) for table in frames for level in (None, OLDEST)]


BASES = _bases()
INTEGERS = st.sampled_from([0, 1, -1, 8, 64, 2**15, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63)])
PIECES = st.binary(max_size=3) | INTEGERS.map(lambda number: struct.pack("<q", number)) | st.just(b"\xff" * 4)


@given(st.sampled_from(BASES), st.lists(st.tuples(st.integers(0, 2**12), PIECES), max_size=6), st.booleans())
def test_a_damaged_stream_is_read_or_refused_with_an_error_of_the_callers(
    foundry: Any, base: bytes, edits: list[tuple[int, bytes]], partial: bool
) -> None:
    body = bytearray(base)
    for at, piece in edits:
        start = at % len(body)
        body[start : start + len(piece)] = piece
    with contextlib.suppress(CallerError):
        rows = read(bytes(body), RowReader(foundry.mixed()), 20, partial=partial)
        assert 0 < rows.tensors.n_samples + len(rows.faults or ()) <= 20


@given(st.sampled_from(BASES), st.data())
def test_a_stream_that_is_cut_off_is_refused(foundry: Any, base: bytes, data: st.DataObject) -> None:
    n_bytes = data.draw(st.integers(0, len(base) - 9))
    with contextlib.suppress(InvalidBody), pytest.raises(MalformedBody):  # a schema alone is a table without rows
        read(base[:n_bytes], RowReader(foundry.mixed()), 20, partial=False)


@given(st.binary() | st.binary().map(lambda content: struct.pack("<II", 0xFFFFFFFF, len(content)) + content))
def test_any_bytes_are_refused(foundry: Any, body: bytes) -> None:
    with pytest.raises(CallerError):
        read(body, RowReader(foundry.mixed()), 10, partial=False)


@given(st.binary(max_size=64), st.integers(0, 4))
def test_reading_a_table_stays_in_its_buffer(content: bytes, slot: int) -> None:
    with contextlib.suppress(BadBuffer):
        table = Table.root(content)
        for step in (table.text, table.longs, table.table, lambda slot: list(table.tables(slot))):
            with contextlib.suppress(BadBuffer):
                step(slot)


LABELS: list[tuple[Any, pl.DataType]] = [
    (("a", "Ä" * 20, ""), pl.String()),
    ((0, -5, 2**40), pl.Int64()),
    ((0, 2**63), pl.String()),
    ((False, True), pl.Boolean()),
]


@pytest.mark.parametrize(("labels", "dtype"), LABELS)
def test_polars_reads_the_answers(
    foundry: Any, score: Callable[..., Scored], labels: tuple[Any, ...], dtype: Any
) -> None:
    scored = score(foundry.numeric(labels=labels), [[x, -x, x % 7, 1 - x] for x in range(-20, 20)])
    frame = pl.read_ipc_stream(write(scored, set(OUTPUTS)))
    want = [labels[index] for index in scored.answers.class_index]
    assert len(set(want)) > 1
    n_classes = len(labels)
    assert frame.schema == {
        "label": dtype,
        "class_index": pl.Int64,
        "probabilities": pl.Array(pl.Float32, n_classes),
        "logits": pl.Array(pl.Float32, n_classes),
    }
    assert frame["label"].to_list() == (list(map(str, want)) if dtype == pl.String else want)
    np.testing.assert_array_equal(frame["class_index"].to_numpy(), scored.answers.class_index)
    np.testing.assert_array_equal(frame["probabilities"].to_numpy(), scored.answers.probabilities)
    np.testing.assert_array_equal(frame["logits"].to_numpy(), scored.answers.logits)


def test_only_what_is_asked_for_is_written(foundry: Any, score: Callable[..., Scored]) -> None:
    scored = score(foundry.numeric(), [[1, 2, 3, 4]])
    assert pl.read_ipc_stream(write(scored, {"logits", "label"})).columns == ["label", "logits"]
    assert pl.read_ipc_stream(write(scored, {"class_index"})).columns == ["class_index"]


def test_unseen_features_are_listed_by_row(foundry: Any, score: Callable[..., Scored]) -> None:
    rows = [[1, "Dream", 2, "male"], [1, "Mars", 2, "x"], [1, "Dream", 2, "y"]]
    frame = pl.read_ipc_stream(write(score(foundry.mixed(), rows), {"label"}))
    assert frame["unseen"].to_list() == [[], ["island", "sex"], ["sex"]]


def test_a_bad_row_has_nothing_but_its_error(foundry: Any, score: Callable[..., Scored]) -> None:
    rows = [[1, "Dream", 2, "male"], [1, "Mars", 2, "male"]]
    fault = Fault(row=1, feature="mass_g", expected="a number", got='"Ä"')
    whole = pl.read_ipc_stream(write(score(foundry.mixed(), rows), set(OUTPUTS)))
    frame = pl.read_ipc_stream(write(score(foundry.mixed(), rows, {1: fault}), set(OUTPUTS)))
    assert frame["error"].to_list() == [None, "feature 'mass_g': expected a number, got \"Ä\"", None]
    assert frame.drop("error")[[0, 2]].equals(whole)
    assert frame.drop("error").row(1) == (None,) * 5


def test_no_bad_row_leaves_its_column_empty(foundry: Any, score: Callable[..., Scored]) -> None:
    frame = pl.read_ipc_stream(write(score(foundry.numeric(), [[1, 2, 3, 4]], {}), {"label"}))
    assert frame["error"].to_list() == [None]


def test_answers_to_none_are_a_table_of_errors(foundry: Any, score: Callable[..., Scored]) -> None:
    scored = score(foundry.mixed(), [[1, "Dream", 2, "male"]], {0: Fault(row=0, expected="a", got="b")})
    none = scored._replace(answers=type(scored.answers)(*(array[:0] for array in scored.answers)))
    frame = pl.read_ipc_stream(write(none, set(OUTPUTS)))
    assert frame.row(0) == (None,) * 5 + ("expected a, got b",)


def test_the_stream_names_the_model_and_its_version(foundry: Any, score: Callable[..., Scored]) -> None:
    content = write(score(foundry.numeric(), [[1, 2, 3, 4]]), {"label"})
    schema = Table.root(messages(content)[0][8:]).table(2)
    assert schema is not None
    assert {pair.text(0): pair.text(1) for pair in schema.tables(2)} == {"litet.model": "made", "litet.version": "1"}
