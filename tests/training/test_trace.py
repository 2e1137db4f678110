"""A trace shows one step in full and changes nothing."""

import torch
from torch import nn

from contract.config import make_config
from training.network import Network
from training.trace import trace_step


def traced():
    torch.manual_seed(0)
    network = Network(4, [10], 3, activation="relu", dropout=0.5)
    x, y = torch.randn(20, 4), torch.arange(20) % 3
    return network, trace_step(network, nn.CrossEntropyLoss(), make_config("reference"), x, y)


def test_a_trace_names_shape_and_dtype_of_every_tensor_on_the_way():
    _, trace = traced()
    assert [(tensor.name, tensor.shape, tensor.dtype) for tensor in trace.tensors] == [
        ("x", (20, 4), "float32"),
        ("layers.0 Linear", (20, 10), "float32"),
        ("layers.1 ReLU", (20, 10), "float32"),
        ("layers.2 Dropout", (20, 10), "float32"),
        ("layers.3 Linear", (20, 3), "float32"),
        ("y", (20,), "int64"),
    ]
    assert trace.loss_shape == ()
    assert trace.loss > 0


def test_a_trace_tells_each_parameters_gradient_and_change():
    _, trace = traced()
    assert [(one.name, one.shape) for one in trace.parameters] == [
        ("layers.0.weight", (10, 4)),
        ("layers.0.bias", (10,)),
        ("layers.3.weight", (3, 10)),
        ("layers.3.bias", (3,)),
    ]
    assert all(one.gradient_norm > 0 and one.change_norm > 0 for one in trace.parameters)


def test_tracing_leaves_network_and_randomness_alone():
    torch.manual_seed(0)
    untouched = Network(4, [10], 3, activation="relu", dropout=0.5)
    torch.randn(20, 4)
    expected = torch.rand(1)
    network, _ = traced()
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), untouched.parameters(), strict=True))


def test_a_trace_reads_as_the_five_lines():
    _, trace = traced()
    lines = [line for line in trace.lines() if line[0].isdigit()]
    assert [line[:2] for line in lines] == ["1.", "2.", "3.", "4.", "5."]
    assert "one scalar" in lines[2]


def test_a_traced_step_is_one_of_training_at_the_runs_learning_rate():
    torch.manual_seed(0)
    network = Network(4, [50], 3, activation="relu", dropout=0.9).eval()
    x, y = torch.randn(20, 4), torch.arange(20) % 3
    trace = trace_step(network, nn.CrossEntropyLoss(), make_config("reference", lr=0.5), x, y)
    last = trace.parameters[-1]
    assert last.name == "layers.3.bias"
    torch.testing.assert_close(last.change_norm, 0.5 * 3**0.5, rtol=1e-3, atol=0)
    with torch.no_grad():
        assert abs(trace.loss - nn.CrossEntropyLoss()(network(x), y).item()) > 1e-3
