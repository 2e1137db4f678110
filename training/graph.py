"""An ONNX graph as it is put together, node by node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from contract.model_file import CLASS_INDEX, IR_VERSION, LOGITS, OPSET, OPSET_ML, PROBABILITIES, X_CAT, X_NUM
from contract.schema import Schema

BATCH = "n_samples"
ML_DOMAIN = "ai.onnx.ml"


class Graph:
    """Collects nodes and constants; names them in order of appearance."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, array: np.ndarray) -> str:
        """The name of a new constant."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def floats(self, values: np.ndarray | np.floating | float) -> str:
        """The name of a new constant, float32."""
        return self.constant(np.asarray(values, np.float32))

    def integers(self, *values: int) -> str:
        """The name of a new constant, int64 `(len(values),)`."""
        return self.constant(np.array(values, np.int64))

    def add(self, operator: str, *inputs: str, output: str | None = None, domain: str = "", **attributes: Any) -> str:
        """The name of a new node's output."""
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, domain=domain, **attributes))
        return name

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


def add_metadata(model: bytes, entries: Mapping[str, str]) -> bytes:
    """A model's bytes with further `metadata_props`: what is known of it only once it can be run."""
    proto = onnx.load_from_string(model)
    for key, value in entries.items():
        proto.metadata_props.add(key=key, value=value)
    return bytes(proto.SerializeToString(deterministic=True))
