"""The exported graph is the network: against numpy, against torch, against torch's own exporter."""

import io
import warnings

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from contract.errors import ParityError
from contract.model_file import CLASS_INDEX, IR_VERSION, LOGITS, OPSET, PROBABILITIES
from contract.schema import CategoricalFeature, NumericFeature, Schema
from contract.tensors import RowReader, Tensors
from training.export import export
from training.network import Network, predict_logits
from training.parity import check_parity, make_probe, odd_rows, open_session, run_session
from training.preprocessing import Preprocessing, fit_preprocessing
from training.thresholds import Thresholds


def numeric(name: str, *, missing: bool = False) -> NumericFeature:
    return NumericFeature(name=name, missing=missing, minimum=0.0, maximum=10.0, quantiles=(0.0,) * 7)


def categorical(name: str, *categories: str, missing: bool = False) -> CategoricalFeature:
    return CategoricalFeature(name=name, missing=missing, categories=categories)


SCHEMAS = {
    "numbers": Schema(target="y", features=tuple(map(numeric, "abcd")), labels=("p", "q", "r")),
    "missing": Schema(target="y", features=(numeric("a", missing=True), numeric("b")), labels=(0, 1)),
    "one category": Schema(target="y", features=(categorical("c", "u", "v"),), labels=(False, True)),
    "categories": Schema(
        target="y", features=(categorical("c", "u", "v", missing=True), categorical("d", "x")), labels=("p", "q")
    ),
    "no category": Schema(target="y", features=(numeric("a"), categorical("c")), labels=("p", "q")),
    "mixed": Schema(
        target="y",
        features=(
            categorical("c", "å", "v"),
            numeric("a", missing=True),
            categorical("d", "x", missing=True),
            numeric("b"),
        ),
        labels=("p", "q", "r"),
    ),
}


def rows_of(schema: Schema, n: int = 64) -> Tensors:
    rng = np.random.default_rng(0)
    x_num = rng.uniform(0, 10, (n, len(schema.numeric))).astype(np.float32)
    x_num[rng.random(x_num.shape) < 0.2] = np.nan
    x_cat = np.empty((n, len(schema.categorical)), dtype=object)
    for column, feature in zip(x_cat.T, schema.categorical, strict=True):
        column[:] = rng.choice(["", "unseen", *feature.categories], n)
    return Tensors(x_num, x_cat, {})


def build(
    schema: Schema, *, standardize: bool = True, n_thresholds: int = 0, **options
) -> tuple[Network, Preprocessing]:
    columns = np.repeat(np.arange(len(schema.numeric)), n_thresholds)
    thresholds = Thresholds(columns, np.linspace(0, 10, len(columns)).astype(np.float32))
    preprocessing = fit_preprocessing(schema, rows_of(schema), standardize=standardize, thresholds=thresholds)
    options = {"activation": "relu", **options}
    torch.manual_seed(0)
    network = Network(preprocessing.d_in, options.pop("hidden_sizes", [8, 8]), len(schema.labels), **options)
    network.train()
    for _ in range(3):  # gives batch norm statistics of its own
        network(torch.randn(32, preprocessing.d_in))
    return network.eval(), preprocessing


def logits_of(network: Network, preprocessing: Preprocessing):
    return lambda tensors: predict_logits(network, torch.from_numpy(preprocessing.transform(tensors))).numpy()


def test_the_reference_graph_equals_a_numpy_forward_pass():
    schema = SCHEMAS["numbers"]
    network, preprocessing = build(schema, standardize=False, hidden_sizes=[10])
    first, last = network.layers[0], network.layers[2]
    w1, b1, w2, b2 = (p.detach().numpy() for p in (first.weight, first.bias, last.weight, last.bias))
    x = np.random.default_rng(1).uniform(0, 10, (40, 4)).astype(np.float32)
    logits = np.maximum(x @ w1.T + b1, 0) @ w2.T + b2
    answers = run_session(
        open_session(export(network, preprocessing, schema)), Tensors(x, np.empty((40, 0), object), {})
    )
    np.testing.assert_allclose(answers[LOGITS], logits, rtol=1e-5, atol=1e-5)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        answers[PROBABILITIES], exponentials / exponentials.sum(axis=1, keepdims=True), atol=1e-6
    )
    np.testing.assert_array_equal(answers[CLASS_INDEX], logits.argmax(axis=1))


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("n_thresholds", [0, 3])
def test_the_graph_agrees_with_torch_on_real_odd_and_single_rows(schema, batch_norm, standardize, n_thresholds):
    network, preprocessing = build(
        schema, standardize=standardize, n_thresholds=n_thresholds, batch_norm=batch_norm, dropout=0.3
    )
    session = open_session(export(network, preprocessing, schema))
    parity = check_parity(session, logits_of(network, preprocessing), schema, rows_of(schema))
    assert parity.max_error <= parity.tolerance
    assert parity.n_samples == 64 + odd_rows(schema).n_samples


@pytest.mark.parametrize("activation", ["relu", "silu", "selu", "tanh", "gelu"])
def test_every_activation_agrees_with_torch(activation):
    schema = SCHEMAS["mixed"]
    network, preprocessing = build(schema, activation=activation)
    session = open_session(export(network, preprocessing, schema))
    check_parity(session, logits_of(network, preprocessing), schema, rows_of(schema))


def test_a_linear_model_without_hidden_layers_is_exported():
    schema = SCHEMAS["mixed"]
    network, preprocessing = build(schema, hidden_sizes=[])
    session = open_session(export(network, preprocessing, schema))
    check_parity(session, logits_of(network, preprocessing), schema, rows_of(schema))


def test_the_graph_agrees_with_torchs_own_exporter():
    schema = SCHEMAS["mixed"]
    network, preprocessing = build(schema, batch_norm=True)
    tensors = rows_of(schema)
    x = torch.from_numpy(preprocessing.transform(tensors))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            network, (x,), dynamo=True, dynamic_shapes=({0: torch.export.Dim("n")},), verbose=False
        )
    buffer = io.BytesIO()
    onnx.save(program.model_proto, buffer)
    theirs = open_session(buffer.getvalue())
    (expected,) = theirs.run(None, {theirs.get_inputs()[0].name: x.numpy()})
    ours = run_session(open_session(export(network, preprocessing, schema)), tensors)
    np.testing.assert_allclose(ours[LOGITS], expected, rtol=1e-5, atol=1e-5)


def test_the_temperature_divides_the_logits():
    schema = SCHEMAS["mixed"]
    network, preprocessing = build(schema)
    plain, cooled = (
        run_session(open_session(export(network, preprocessing, schema, t)), rows_of(schema)) for t in (1.0, 2.5)
    )
    np.testing.assert_allclose(cooled[LOGITS], plain[LOGITS] / 2.5, rtol=1e-5, atol=1e-6)


def test_a_missing_category_is_the_empty_string_and_an_unseen_one_is_all_zeros():
    schema = SCHEMAS["categories"]
    network, preprocessing = build(schema, hidden_sizes=[])
    reader = RowReader(schema)
    session = open_session(export(network, preprocessing, schema))
    logits = run_session(session, reader.read([[None, "x"], ["", "x"], ["w", "x"], ["z", "x"]]))[LOGITS]
    np.testing.assert_array_equal(logits[0], logits[1])
    np.testing.assert_array_equal(logits[2], logits[3])
    assert not np.array_equal(logits[0], logits[2])


def test_the_same_network_gives_the_same_bytes():
    schema = SCHEMAS["mixed"]
    assert export(*build(schema), schema) == export(*build(schema), schema)


def test_the_file_carries_its_schema_and_pins_its_formats():
    schema = SCHEMAS["mixed"]
    content = export(*build(schema), schema)
    model = onnx.load_from_string(content)
    assert model.ir_version == IR_VERSION
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": OPSET, "ai.onnx.ml": 3}
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    metadata = open_session(content).get_modelmeta().custom_metadata_map
    assert Schema.from_metadata(metadata) == schema


def test_inputs_exist_only_where_there_are_features_of_the_kind():
    names = {
        key: [node.name for node in open_session(export(*build(schema), schema)).get_inputs()]
        for key, schema in SCHEMAS.items()
    }
    assert names["numbers"] == ["x_num"]
    assert names["one category"] == ["x_cat"]
    assert names["mixed"] == ["x_num", "x_cat"]


def test_a_layer_without_a_rendition_is_refused():
    schema = SCHEMAS["numbers"]
    network, preprocessing = build(schema)
    network.layers[1] = nn.Hardswish()
    with pytest.raises(TypeError, match="Hardswish"):
        export(network, preprocessing, schema)


def test_a_graph_of_other_weights_fails_parity():
    schema = SCHEMAS["mixed"]
    network, preprocessing = build(schema)
    session = open_session(export(network, preprocessing, schema))
    with torch.no_grad():
        network.layers[0].bias[0] += 0.01
    with pytest.raises(ParityError, match="must agree within 1e-05"):
        check_parity(session, logits_of(network, preprocessing), schema, rows_of(schema))


def test_a_standardised_model_answers_finite_numbers_at_the_limits_of_float32():
    schema = SCHEMAS["numbers"]
    network, preprocessing = build(schema)
    limits = np.array([[3.4e38] * 4, [-3.4e38] * 4, [1e-45] * 4], np.float32)
    answers = run_session(
        open_session(export(network, preprocessing, schema)), Tensors(limits, np.empty((3, 0), object), {})
    )
    assert np.isfinite(answers[LOGITS]).all()


def test_a_probe_holds_rows_and_torchs_answers():
    schema = SCHEMAS["mixed"]
    network, preprocessing = build(schema)
    probe = make_probe(logits_of(network, preprocessing), rows_of(schema))
    x_num = np.array(probe.x_num, dtype=np.float64).astype(np.float32)
    tensors = Tensors(x_num, np.array(probe.x_cat, dtype=object), {})
    answers = run_session(open_session(export(network, preprocessing, schema)), tensors)
    np.testing.assert_allclose(answers[LOGITS], probe.logits, atol=1e-5)


def test_an_export_does_not_depend_on_the_networks_mode():
    schema = SCHEMAS["numbers"]
    network, preprocessing = build(schema, dropout=0.5, batch_norm=True)
    evaluated = export(network, preprocessing, schema)
    assert export(network.train(), preprocessing, schema) == evaluated
