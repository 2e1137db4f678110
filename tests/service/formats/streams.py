"""Arrow streams made by polars, and made by hand, message by message."""

from __future__ import annotations

import io
import struct
from typing import Any

import polars as pl

from service.formats.arrow.flatbuffer import I16, I64, U8, Number, Table, encode

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


def iris_columns(cells: list[Any]) -> dict[str, list[Any]]:
    return dict.fromkeys(IRIS, cells)


def penguin_frame(island: pl.Series) -> pl.DataFrame:
    height = len(island)
    numbers = pl.Series([1.5, None, float("nan"), -2, 1e-40] * height)[:height]
    sex = pl.Series(["male", "female", None, "?", "male"] * height)[:height]
    frame = {"mass_g": pl.Series(range(height)), "bill_mm": numbers, "note": [[1.0]] * height, "sex": sex}
    return pl.DataFrame({**frame, "island": island})
