"""Only graphs with the contract's outside are opened, and nothing is read but their bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from contract.errors import CorruptArtifact
from service.self_contained import check_self_contained
from service.session import open_session


def keep_elsewhere(tensor: onnx.TensorProto, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location


def test_session_opens_numeric_and_mixed_graphs(foundry: Any) -> None:
    for schema in (foundry.numeric(), foundry.mixed()):
        _session, found = open_session(foundry.model(schema))
        assert found == schema


@pytest.mark.parametrize("location", ["weights.bin", "../there/weights.bin", "/etc/passwd"])
def test_session_refuses_weights_in_another_file(
    foundry: Any, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = foundry.graph(foundry.numeric())
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(graph.graph.initializer[0].raw_data)
    monkeypatch.chdir(folder)  # where onnxruntime, left to itself, would find the file and load it
    keep_elsewhere(graph.graph.initializer[0], location)
    with pytest.raises(CorruptArtifact, match="hold all its tensors"):
        open_session(graph.SerializeToString())


def make_outside_tensor() -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "outside")
    keep_elsewhere(tensor, "weights.bin")
    return tensor


def in_constant(model: onnx.ModelProto) -> None:
    node = model.graph.node.add(op_type="Constant", output=["outside"])
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(make_outside_tensor())


def in_tensors(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.add(name="values").tensors.add().CopyFrom(make_outside_tensor())


def in_branch(model: onnx.ModelProto) -> None:
    branch = helper.make_graph([], "branch", [], [], [make_outside_tensor()])
    model.graph.node[0].attribute.add(name="then_branch").g.CopyFrom(branch)


def in_sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().values.CopyFrom(make_outside_tensor())


def in_function(model: onnx.ModelProto) -> None:
    node = model.functions.add(name="f", domain="d").node.add(op_type="Constant")
    node.attribute.add(name="value").t.CopyFrom(make_outside_tensor())


def in_training(model: onnx.ModelProto) -> None:
    model.training_info.add().initialization.initializer.add().CopyFrom(make_outside_tensor())


@pytest.mark.parametrize("hide", [in_constant, in_tensors, in_branch, in_sparse, in_function, in_training])
def test_outside_tensors_are_found_wherever_they_hide(foundry: Any, hide: Callable[[onnx.ModelProto], None]) -> None:
    model = foundry.graph(foundry.numeric())
    check_self_contained(model.SerializeToString())
    hide(model)
    with pytest.raises(CorruptArtifact, match="hold all its tensors"):
        check_self_contained(model.SerializeToString())


def test_nesting_without_end_is_refused() -> None:
    graph = helper.make_graph([], "innermost", [], [])
    for _ in range(60):
        outer = helper.make_graph([helper.make_node("If", ["x"], ["y"])], "outer", [], [])
        outer.node[0].attribute.add(name="then_branch").g.CopyFrom(graph)
        graph = outer
    with pytest.raises(CorruptArtifact, match="nest"):
        check_self_contained(helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize(
    "content",
    [b"", b"not a model", b"\xff" * 100, b"\x3a\xff\xff\xff\xff\x0f", b"\x0b", b"ORTM" + bytes(100)],
    ids=["empty", "text", "endless number", "beyond the end", "group", "onnxruntime's own format"],
)
def test_session_refuses_what_is_no_model(content: bytes) -> None:
    with pytest.raises(CorruptArtifact):
        open_session(content)


def test_session_refuses_every_truncation(foundry: Any) -> None:
    content = foundry.model(foundry.numeric())
    for length in range(0, len(content), 37):
        with pytest.raises(CorruptArtifact):
            open_session(content[:length])


def drop_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def break_metadata(model: onnx.ModelProto) -> None:
    model.metadata_props[0].value = "{}"


def add_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("extra", TensorProto.FLOAT, ["n_samples", 1]))


def widen_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x_num", TensorProto.FLOAT, ["n_samples", None]))


def fix_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x_num", TensorProto.FLOAT, [1, 4]))


def double_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x_num", TensorProto.DOUBLE, ["n_samples", 4]))


def drop_output(model: onnx.ModelProto) -> None:
    del model.graph.output[1]


def add_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("sum_0", TensorProto.FLOAT, [3]))


def unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchOperator"


def future_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 999


@pytest.mark.parametrize(
    "damage",
    [
        drop_metadata,
        break_metadata,
        add_input,
        widen_input,
        fix_batch,
        double_input,
        drop_output,
        add_output,
        unknown_operator,
        future_opset,
    ],
)
def test_session_refuses_another_outside_than_the_schema_demands(
    foundry: Any, damage: Callable[[onnx.ModelProto], None]
) -> None:
    model = foundry.graph(foundry.numeric())
    damage(model)
    with pytest.raises(CorruptArtifact):
        open_session(model.SerializeToString())
