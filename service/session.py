"""A model's bytes → an onnxruntime session with the inputs and outputs that the contract says."""

from __future__ import annotations

from collections.abc import Sequence

import onnxruntime as ort

from contract.errors import CorruptArtifact
from contract.model_file import CLASS_INDEX, LOGITS, PROBABILITIES, X_CAT, X_NUM
from contract.schema import Schema
from service.self_contained import check_self_contained

Signature = dict[str, tuple[str, tuple[int | None, ...]]]
"""Tensors by name: onnxruntime's name of the type, and the shape with None for the free number of rows."""

FATAL_ONLY = 4
"""onnxruntime writes its log to stderr by itself; what matters of it also comes as an exception."""


def open_session(model: bytes) -> tuple[ort.InferenceSession, Schema]:
    """The session and the schema of a model file. Reads nothing but the bytes.

    Raises:
        CorruptArtifact: onnxruntime cannot load it, it refers to another file, it carries no schema, or its inputs
            and outputs are not those that its schema demands.
    """
    check_self_contained(model)
    try:
        session = ort.InferenceSession(model, _options(), providers=["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map  # its texts need not be UTF-8
    except Exception as error:  # onnxruntime's exceptions have no base of their own
        raise CorruptArtifact(f"a model file must load in onnxruntime: {error}") from error
    schema = Schema.from_metadata(metadata)
    _check("inputs", session.get_inputs(), _inputs(schema))
    _check("outputs", session.get_outputs(), _outputs(schema))
    return session, schema


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    # A small network is done before a second thread has woken up; parallelism comes from the workers.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The arena keeps the largest request's memory for good. Without it a single row costs the same, a request of
    # thousands some page faults more.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = FATAL_ONLY
    return options


def _inputs(schema: Schema) -> Signature:
    inputs: Signature = {
        X_NUM: ("tensor(float)", (None, len(schema.numeric))),
        X_CAT: ("tensor(string)", (None, len(schema.categorical))),
    }
    return {name: (dtype, shape) for name, (dtype, shape) in inputs.items() if shape[1]}


def _outputs(schema: Schema) -> Signature:
    return {
        LOGITS: ("tensor(float)", (None, len(schema.labels))),
        PROBABILITIES: ("tensor(float)", (None, len(schema.labels))),
        CLASS_INDEX: ("tensor(int64)", (None,)),
    }


def _check(what: str, tensors: Sequence[ort.NodeArg], expected: Signature) -> None:
    got: Signature = {
        tensor.name: (tensor.type, tuple(size if isinstance(size, int) else None for size in tensor.shape))
        for tensor in tensors
    }
    if got != expected:
        raise CorruptArtifact(f"a model file's {what} must be {_describe(expected)}, got {_describe(got)}")


def _describe(signature: Signature) -> str:
    return ", ".join(
        f"{name} {dtype} ({', '.join('n_samples' if size is None else str(size) for size in shape)})"
        for name, (dtype, shape) in sorted(signature.items())
    )
