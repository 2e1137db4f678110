"""A trained network → one ONNX file: preprocessing, network, temperature and softmax as nodes of one graph.

The nodes are written directly: a score of operators, no exporter's seconds, the same bytes for the same weights.
torch's own exporter is the cross-check in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from contract.model_file import CLASS_INDEX, LOGITS, PROBABILITIES
from contract.schema import Schema
from training.ensemble import Ensemble
from training.export_inputs import Inputs, add_first_layer, add_inputs
from training.graph import Graph
from training.member_layers import D_EMBEDDING, LogitsLayer, MemberLinear, PeriodicEmbedding, SharedDropout
from training.network import Network
from training.preprocessing import Preprocessing


def export(
    network: Network | Ensemble, preprocessing: Preprocessing, schema: Schema, temperature: float = 1.0
) -> bytes:
    """The bytes of `model.onnx`. The network's logits are divided by `temperature`; 1.0 leaves its weights untouched.

    An ensemble's logits are the log of the mean of its members' probabilities.

    Raises:
        TypeError: the network holds a layer that has no rendition here.
    """
    graph = Graph()
    inputs = add_inputs(graph, preprocessing)
    if isinstance(network, Ensemble):
        value = _ensemble(graph, network, inputs, preprocessing, temperature)
    else:
        value = _network(graph, network, inputs, preprocessing, temperature)
    graph.add("Identity", value, output=LOGITS)
    graph.add("Softmax", LOGITS, output=PROBABILITIES, axis=-1)
    graph.add("ArgMax", LOGITS, output=CLASS_INDEX, axis=-1, keepdims=0)
    return graph.serialize(schema)


class _Affine:
    """y = xWᵀ + b; weight float32 `(d_out, d_in)`, bias float32 `(d_out,)`."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        self.weight = weight.astype(np.float32)
        self.bias = bias.astype(np.float32)


def _network(graph: Graph, network: Network, inputs: Inputs, preprocessing: Preprocessing, temperature: float) -> str:
    layers = _folded_layers(network, temperature)
    first = layers[0]
    assert isinstance(first, _Affine)  # noqa: S101 # every Network begins with a linear layer
    value = add_first_layer(graph, inputs, preprocessing, first.weight, first.bias)
    for layer in layers[1:]:
        if isinstance(layer, _Affine):
            value = graph.add("Gemm", value, graph.floats(layer.weight), graph.floats(layer.bias), transB=1)
        else:
            value = _activation(graph, layer, value)
    return value


def _ensemble(graph: Graph, network: Ensemble, inputs: Inputs, preprocessing: Preprocessing, temperature: float) -> str:
    """Members side by side; a first layer of them all, then a product for each, `(n_members, n_samples, …)`."""
    first = _side_by_side(network.first.scaled_weight)
    value = add_first_layer(graph, inputs, preprocessing, first.T, _array(network.first_bias).ravel())
    if network.embedding is not None and network.first_of_waves is not None:
        waves = _waves(graph, network.embedding, inputs)
        of_waves = _side_by_side(network.first_of_waves.scaled_weight)
        value = graph.add("Add", value, graph.add("MatMul", waves, graph.floats(of_waves)))
    value = graph.add("Reshape", value, graph.integers(0, network.n_members, -1))
    value = graph.add("Transpose", value, perm=[1, 0, 2])
    for layer in network.layers:
        if isinstance(layer, MemberLinear):
            value = _product(graph, value, layer.weight, layer.bias)
        elif isinstance(layer, LogitsLayer):
            value = _product(graph, value, layer.weight.mT, layer.bias.mT)
        elif not isinstance(layer, SharedDropout):
            value = _activation(graph, layer, value)
    value = graph.add("ReduceLogSumExp", graph.add("LogSoftmax", value, axis=-1), axes=[0], keepdims=0)
    value = graph.add("Sub", value, graph.floats(math.log(network.n_members)))
    return value if temperature == 1.0 else graph.add("Div", value, graph.floats(temperature))


def _product(graph: Graph, value: str, weight: Tensor, bias: Tensor) -> str:
    """xW + b for each member; weight `(n_members, d_in, d_out)`, bias `(n_members, 1, d_out)`."""
    return graph.add("Add", graph.add("MatMul", value, graph.floats(_array(weight))), graph.floats(_array(bias)))


def _waves(graph: Graph, embedding: PeriodicEmbedding, inputs: Inputs) -> str:
    """Float32 `(n_samples, n_columns × D_EMBEDDING)`."""
    n_columns = len(embedding.columns)
    chosen = graph.add("Gather", inputs.scaled, graph.constant(embedding.columns.cpu().numpy()), axis=1)
    value = graph.add("Unsqueeze", chosen, graph.integers(2))
    value = graph.add("Mul", value, graph.floats(_array(2 * math.pi * embedding.frequencies)))
    value = graph.add("Sin", graph.add("Add", value, graph.floats(_array(embedding.phases))))
    value = graph.add("MatMul", graph.add("Transpose", value, perm=[1, 0, 2]), graph.floats(_array(embedding.mixing)))
    value = graph.add("Transpose", value, perm=[1, 0, 2])
    return graph.add("Reshape", value, graph.integers(0, n_columns * D_EMBEDDING))


def _activation(graph: Graph, layer: nn.Module, value: str) -> str:
    match layer:
        case nn.ReLU():
            return graph.add("Relu", value)
        case nn.Tanh():
            return graph.add("Tanh", value)
        case nn.SELU():
            return graph.add("Selu", value)
        case nn.SiLU():
            return graph.add("Mul", value, graph.add("Sigmoid", value))
        case nn.GELU():
            below = graph.add(
                "Add", graph.add("Erf", graph.add("Div", value, graph.floats(math.sqrt(2)))), graph.floats(1)
            )
            return graph.add("Mul", graph.add("Mul", value, below), graph.floats(0.5))
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


def _side_by_side(weight: Tensor) -> np.ndarray:
    """`(n_members, d_in, d_out)` → `(d_in, n_members × d_out)`."""
    return _array(weight.transpose(0, 1).flatten(1))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()
