"""The graph of an ensemble answers the mean of its members, as torch computes it."""

import numpy as np
import pytest
import torch

from contract.config import make_config
from contract.model_file import LOGITS, PROBABILITIES
from tests.training.test_export import SCHEMAS, rows_of
from training.export import export
from training.fitting import build_network, logits_function
from training.parity import check_parity, open_session, run_session
from training.preprocessing import fit_preprocessing
from training.thresholds import Thresholds


def build(schema, n_thresholds=0, **options):
    columns = np.repeat(np.arange(len(schema.numeric)), n_thresholds)
    thresholds = Thresholds(columns, np.linspace(0, 10, len(columns)).astype(np.float32))
    preprocessing = fit_preprocessing(schema, rows_of(schema), standardize=True, thresholds=thresholds)
    torch.manual_seed(0)
    config = make_config(**{"hidden_sizes": (8, 8)} | options)
    x = torch.from_numpy(preprocessing.transform(rows_of(schema)))
    return build_network(preprocessing, len(schema.labels), config, x).eval(), preprocessing


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_members": 1},
        {"n_frequencies": 0},
        {"hidden_sizes": ()},
        {"hidden_sizes": (8,), "activation": "silu"},
        {"n_thresholds": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_the_graph_agrees_with_torch_on_real_odd_and_single_rows(schema, options, temperature):
    network, preprocessing = build(schema, **options)
    session = open_session(export(network, preprocessing, schema, temperature))
    parity = check_parity(session, logits_function(network, preprocessing, temperature), schema, rows_of(schema))
    assert parity.max_error <= parity.tolerance


def test_the_probabilities_are_the_mean_of_the_members():
    schema = SCHEMAS["mixed"]
    network, preprocessing = build(schema)
    answers = run_session(open_session(export(network, preprocessing, schema)), rows_of(schema))
    with torch.no_grad():
        members = network(torch.from_numpy(preprocessing.transform(rows_of(schema)))).softmax(dim=-1)
    np.testing.assert_allclose(answers[PROBABILITIES], members.mean(dim=0).numpy(), atol=1e-6)
    np.testing.assert_allclose(np.exp(answers[LOGITS]), answers[PROBABILITIES], atol=1e-6)
