"""A trained network → one ONNX file: preprocessing, network, temperature and softmax as nodes of one graph.

The nodes are written directly: a dozen operators, no exporter's seconds, the same bytes for the same weights. torch's
own exporter is the cross-check in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from contract.model_file import (
    CLASS_INDEX,
    IR_VERSION,
    LOGITS,
    OPSET,
    OPSET_ML,
    PROBABILITIES,
    X_CAT,
    X_NUM,
)
from contract.schema import Schema
from training.network import Network
from training.preprocessing import CLIP, Preprocessing

BATCH = "n_samples"
ML_DOMAIN = "ai.onnx.ml"


def export(network: Network, preprocessing: Preprocessing, schema: Schema, temperature: float = 1.0) -> bytes:
    """The bytes of `model.onnx`. The network's logits are divided by `temperature`; 1.0 leaves its weights untouched.

    Raises:
        TypeError: the network holds a layer that has no rendition here.
    """
    graph = _Graph()
    layers = _folded_layers(network, temperature)
    value = _first_layer(graph, preprocessing, layers[0])
    for layer in layers[1:]:
        if isinstance(layer, _Affine):
            value = graph.add("Gemm", value, graph.constant(layer.weight), graph.constant(layer.bias), transB=1)
        else:
            value = _activation(graph, layer, value)
    graph.add("Identity", value, output=LOGITS)
    graph.add("Softmax", LOGITS, output=PROBABILITIES, axis=-1)
    graph.add("ArgMax", LOGITS, output=CLASS_INDEX, axis=-1, keepdims=0)
    return graph.serialize(schema)


class _Affine:
    """y = xWᵀ + b; weight float32 `(d_out, d_in)`, bias float32 `(d_out,)`."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        self.weight = weight.astype(np.float32)
        self.bias = bias.astype(np.float32)


class _Graph:
    """Collects nodes and constants; names them in order of appearance."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, array: np.ndarray) -> str:
        """The name of a new constant."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, output: str | None = None, domain: str = "", **attributes: Any) -> str:
        """The name of a new node's output."""
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def split(self, value: str, n_columns: int) -> list[str]:
        """The columns of a tensor, each `(n_samples, 1)`."""
        if n_columns == 1:
            return [value]
        names = [f"{value}_{column}" for column in range(n_columns)]
        self._nodes.append(helper.make_node("Split", [value], names, name=f"split_{value}", axis=1))
        return names

    def serialize(self, schema: Schema) -> bytes:
        """The checked model's bytes."""
        inputs = [
            helper.make_tensor_value_info(name, dtype, [BATCH, width])
            for name, dtype, width in (
                (X_NUM, TensorProto.FLOAT, len(schema.numeric)),
                (X_CAT, TensorProto.STRING, len(schema.categorical)),
            )
            if width
        ]
        n_classes = len(schema.labels)
        outputs = [
            helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, [BATCH, n_classes]),
            helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, [BATCH, n_classes]),
            helper.make_tensor_value_info(CLASS_INDEX, TensorProto.INT64, [BATCH]),
        ]
        model = helper.make_model(
            helper.make_graph(self._nodes, "litet", inputs, outputs, self._constants),
            producer_name="litet",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, OPSET_ML)],
        )
        helper.set_model_props(model, schema.to_metadata())
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


def _first_layer(graph: _Graph, preprocessing: Preprocessing, layer: _Affine | nn.Module) -> str:
    """The first layer on raw inputs; its columns for categories are a table to look up, as one-hot × weights would."""
    assert isinstance(layer, _Affine)  # noqa: S101 # every Network begins with a linear layer
    weight_num, weight_cat = np.split(layer.weight, [preprocessing.d_numeric], axis=1)
    parts = []
    if preprocessing.d_numeric:
        numbers = _numbers(graph, preprocessing)
        parts.append(graph.add("Gemm", numbers, graph.constant(weight_num), graph.constant(layer.bias), transB=1))
    if preprocessing.slots:
        table = np.concatenate([weight_cat.T, np.zeros((1, len(layer.bias)), np.float32)])
        rows = graph.add("Gather", graph.constant(table), _codes(graph, preprocessing), axis=0)
        parts.append(graph.add("ReduceSum", rows, graph.constant(np.array([1], np.int64)), keepdims=0))
        if not preprocessing.d_numeric:
            parts.append(graph.constant(layer.bias))
    return parts[0] if len(parts) == 1 else graph.add("Add", *parts)


def _numbers(graph: _Graph, preprocessing: Preprocessing) -> str:
    """Numbers filled and scaled, then the indicators and the steps: float32 `(n_samples, d_numeric)`."""
    missing = graph.add("IsNaN", X_NUM)
    value = graph.add("Where", missing, graph.constant(preprocessing.fill), X_NUM)
    if preprocessing.standardize:
        value = graph.add("Sub", value, graph.constant(preprocessing.shift))
        value = graph.add("Mul", value, graph.constant(preprocessing.inverse_scale))
        value = graph.add("Clip", value, graph.constant(np.array(-CLIP)), graph.constant(np.array(CLIP)))
    flags = []
    if len(preprocessing.indicators):
        flags.append(graph.add("Gather", missing, graph.constant(preprocessing.indicators), axis=1))
    if len(preprocessing.steps.thresholds):
        chosen = graph.add("Gather", X_NUM, graph.constant(preprocessing.steps.columns), axis=1)
        flags.append(graph.add("Greater", chosen, graph.constant(preprocessing.steps.thresholds)))
    if not flags:
        return value
    return graph.add("Concat", value, *(graph.add("Cast", flag, to=TensorProto.FLOAT) for flag in flags), axis=1)


def _codes(graph: _Graph, preprocessing: Preprocessing) -> str:
    """Rows of the first layer's table, int64 `(n_samples, n_cat)`; the last row, all zeros, stands for the unknown."""
    columns = graph.split(X_CAT, len(preprocessing.slots))
    unknown = preprocessing.d_categorical
    codes = [
        graph.add(
            "LabelEncoder",
            column,
            domain=ML_DOMAIN,
            # A feature without a single category in the train rows: the operator wants a key all the same.
            keys_strings=list(slots) or [""],
            values_int64s=[offset + slot for slot in slots.values()] or [unknown],
            default_int64=unknown,
        )
        for column, slots, offset in zip(columns, preprocessing.slots, preprocessing.offsets, strict=True)
    ]
    return codes[0] if len(codes) == 1 else graph.add("Concat", *codes, axis=1)


def _activation(graph: _Graph, layer: nn.Module, value: str) -> str:
    match layer:
        case nn.ReLU():
            return graph.add("Relu", value)
        case nn.Tanh():
            return graph.add("Tanh", value)
        case nn.SELU():
            return graph.add("Selu", value)
        case nn.SiLU():
            return graph.add("Mul", value, graph.add("Sigmoid", value))
        case _:
            raise TypeError(f"a layer must have a rendition in ONNX, got {type(layer).__name__}")


def _folded_layers(network: Network, temperature: float) -> Sequence[_Affine | nn.Module]:
    """The layers as they answer in evaluation: dropout gone, batch norm and temperature folded into the linear layers.

    Folding is done in float64, so that it costs one rounding.
    """
    folded: list[_Affine | nn.Module] = []
    for layer in network.layers:
        if isinstance(layer, nn.Linear):
            folded.append(_Affine(_array(layer.weight), _array(layer.bias)))
        elif isinstance(layer, nn.BatchNorm1d):
            folded[-1] = _fold_batch_norm(folded[-1], layer)
        elif not isinstance(layer, nn.Dropout):
            folded.append(layer)
    last = folded[-1]
    assert isinstance(last, _Affine)  # noqa: S101 # every Network ends in a linear layer
    folded[-1] = _Affine(last.weight.astype(np.float64) / temperature, last.bias.astype(np.float64) / temperature)
    return folded


def _fold_batch_norm(affine: _Affine | nn.Module, layer: nn.BatchNorm1d) -> _Affine:
    assert isinstance(affine, _Affine)  # noqa: S101 # Network puts batch norm right behind a linear layer
    assert layer.running_mean is not None  # noqa: S101 # tracked by default
    assert layer.running_var is not None  # noqa: S101
    factor = _array(layer.weight) / np.sqrt(_array(layer.running_var) + layer.eps)
    bias = (affine.bias - _array(layer.running_mean)) * factor + _array(layer.bias)
    return _Affine(affine.weight * factor[:, None], bias)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()
