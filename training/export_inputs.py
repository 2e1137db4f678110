"""The first nodes of a model file: raw column values → what the first layer makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from contract.model_file import X_CAT, X_NUM
from training.graph import ML_DOMAIN, Graph
from training.preprocessing import Preprocessing
from training.scaling import LIMIT


@dataclass(frozen=True, slots=True)
class Inputs:
    """Names of values. `scaled` are the numbers, float32 `(n_samples, n_num)`; `numeric` these with the indicators and
    thresholds, `(n_samples, d_numeric)`; `codes` are rows of the table of categories, int64 `(n_samples, n_cat)`, the
    last of which stands for the unknown. A name is empty where there are no such features.
    """

    scaled: str
    numeric: str
    codes: str


def add_inputs(graph: Graph, preprocessing: Preprocessing) -> Inputs:
    """The nodes of `Preprocessing.transform`, but for the one-hot columns, which no node ever makes."""
    scaled = numeric = ""
    if len(preprocessing.fill):
        missing = graph.add("IsNaN", X_NUM)
        scaled = _scaled(graph, preprocessing, missing)
        numeric = _with_flags(graph, preprocessing, scaled, missing)
    return Inputs(scaled, numeric, _codes(graph, preprocessing) if preprocessing.slots else "")


def add_first_layer(
    graph: Graph, inputs: Inputs, preprocessing: Preprocessing, weight: np.ndarray, bias: np.ndarray
) -> str:
    """A linear layer on these: weight `(d_out, d_in)`, bias `(d_out,)`.

    Its columns for categories are a table to look up, as one-hot × weights would.
    """
    weight_num, weight_cat = np.split(weight, [preprocessing.d_numeric], axis=1)
    parts = []
    if inputs.numeric:
        parts.append(graph.add("Gemm", inputs.numeric, graph.floats(weight_num), graph.floats(bias), transB=1))
    if inputs.codes:
        table = np.concatenate([weight_cat.T, np.zeros((1, len(bias)))])
        rows = graph.add("Gather", graph.floats(table), inputs.codes, axis=0)
        parts.append(graph.add("ReduceSum", rows, graph.integers(1), keepdims=0))
        if not inputs.numeric:
            parts.append(graph.floats(bias))
    return parts[0] if len(parts) == 1 else graph.add("Add", *parts)


def _scaled(graph: Graph, preprocessing: Preprocessing, missing: str) -> str:
    value = graph.add("Where", missing, graph.floats(preprocessing.fill), X_NUM)
    scaling = preprocessing.scaling
    if not scaling:
        return value
    widths = graph.add(
        "Mul", graph.add("Sub", value, graph.floats(scaling.origin)), graph.floats(scaling.inverse_width)
    )
    bent = graph.add("Sub", graph.add("Asinh", widths), graph.floats(scaling.shift))
    scaled = graph.add("Mul", bent, graph.floats(scaling.inverse_scale))
    return graph.add("Clip", scaled, graph.floats(-LIMIT), graph.floats(LIMIT))


def _with_flags(graph: Graph, preprocessing: Preprocessing, scaled: str, missing: str) -> str:
    flags = []
    if len(preprocessing.indicators):
        flags.append(graph.add("Gather", missing, graph.constant(preprocessing.indicators), axis=1))
    if len(preprocessing.thresholds.values):
        chosen = graph.add("Gather", X_NUM, graph.constant(preprocessing.thresholds.columns), axis=1)
        flags.append(graph.add("Greater", chosen, graph.floats(preprocessing.thresholds.values)))
    if not flags:
        return scaled
    return graph.add("Concat", scaled, *(graph.add("Cast", flag, to=TensorProto.FLOAT) for flag in flags), axis=1)


def _codes(graph: Graph, preprocessing: Preprocessing) -> str:
    """All columns at once: a number for each text, whatever its column, then a code for each number in its column.

    An encoder for each column, and a node to split them, took a fifth of the time of a model with fifteen of them.
    """
    unknown = preprocessing.d_categorical
    texts = sorted({text for slots in preprocessing.slots for text in slots})
    numbers = {text: number for number, text in enumerate(texts)}
    starts = np.arange(len(preprocessing.slots)) * (len(texts) + 1)
    codes = {
        int(start) + numbers[text]: offset + slot
        for slots, offset, start in zip(preprocessing.slots, preprocessing.offsets, starts, strict=True)
        for text, slot in slots.items()
    }
    # Features without a single category in the train rows: the operators want a key all the same.
    numbered = graph.add(
        "LabelEncoder",
        X_CAT,
        domain=ML_DOMAIN,
        keys_strings=texts or [""],
        values_int64s=list(numbers.values()) or [len(texts)],
        default_int64=len(texts),
    )
    return graph.add(
        "LabelEncoder",
        graph.add("Add", numbered, graph.integers(*starts.tolist())),
        domain=ML_DOMAIN,
        keys_int64s=list(codes) or [-1],
        values_int64s=list(codes.values()) or [unknown],
        default_int64=unknown,
    )
