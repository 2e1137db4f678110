"""Each member meets categories, thresholds and waves on a scale of its own, and numbers as they are; half of them
learn those of categories.
"""

import numpy as np
import pytest
import torch

from contract.schema import CategoricalFeature, NumericFeature, Schema
from contract.tensors import RowReader
from training.ensemble import Ensemble, MemberLoss
from training.flat import FlatAdam, FlatParameters
from training.input_scales import CATEGORIES, THRESHOLDS, WAVES, InputScales, find_scales
from training.loop import train_step
from training.preprocessing import fit_preprocessing
from training.thresholds import Thresholds

SCHEMA = Schema(
    target="y",
    features=(
        NumericFeature(name="a", missing=True, minimum=0, maximum=3, quantiles=()),
        CategoricalFeature(name="c", missing=False, categories=("u", "v", "absent")),
    ),
    labels=("p", "q"),
)
NUMBER, INDICATOR, THRESHOLD, U, V, ABSENT = range(6)
"""The columns."""


def scales(n_members):
    tensors = RowReader(SCHEMA).read([[1.0, "u"], [3.0, "v"], [None, "u"], [2.0, "u"]])
    thresholds = Thresholds(np.array([0]), np.array([2.5], np.float32))
    preprocessing = fit_preprocessing(SCHEMA, tensors, standardize=True, thresholds=thresholds)
    return find_scales(preprocessing, torch.from_numpy(preprocessing.transform(tensors)), n_members)


def test_the_members_go_from_one_end_to_the_other_in_even_ratios():
    columns, waves, _ = scales(3)
    assert columns.shape == (3, 6)
    assert columns[:, [NUMBER, INDICATOR]].unique().tolist() == [1]
    for found, (first, last) in ((columns[:, THRESHOLD], THRESHOLDS), (waves[:, 0], WAVES)):
        assert found.tolist() == pytest.approx([first, (first * last) ** 0.5, last], rel=1e-6)


def test_a_categorys_scale_grows_with_the_fourth_root_of_its_share():
    columns = scales(2).columns
    for column, share in ((U, 3 / 4), (V, 1 / 4)):
        assert columns[:, column].tolist() == pytest.approx([end * share**0.25 for end in CATEGORIES], rel=1e-6)


def test_a_single_member_is_in_the_middle():
    columns, waves, _ = scales(1)
    middle = [(first * last) ** 0.5 for first, last in (THRESHOLDS, CATEGORIES, WAVES)]
    found = [columns[0, THRESHOLD].item(), columns[0, U].item() / 0.75**0.25, waves.item()]
    assert found == pytest.approx(middle, rel=1e-6)


def test_those_of_categories_are_where_half_of_the_members_begin_to_learn():
    torch.manual_seed(0)
    found = scales(4)
    assert found.n_learnt == len({U, V, ABSENT})
    ensemble = Ensemble(6, (7,), 3, n_members=4, activation="relu", scales=found)
    x = torch.eye(6)[[U, U, V, V]]
    network = FlatParameters(ensemble)
    optimizer = FlatAdam(network, lr=0.1, weight_decay=0)
    for _ in range(5):  # no class hangs on anything
        train_step(ensemble, MemberLoss(), optimizer, x, torch.tensor([[0], [1], [0], [1]]).expand(-1, 4))
    gains = ensemble.first.gains.detach()
    assert gains.shape == (2, 3, 1)
    assert (gains[:, [0, 1]] != 1).all()
    assert (gains[:, 2] == 1).all(), "no row has that category"


def test_a_category_that_no_train_row_has_changes_no_answer():
    torch.manual_seed(0)
    ensemble = Ensemble(6, (7,), 3, n_members=4, activation="relu", scales=scales(4))
    with_it = torch.eye(6)[[ABSENT]]
    torch.testing.assert_close(ensemble(with_it), ensemble(torch.zeros(1, 6)), rtol=0, atol=0)
    assert (ensemble(torch.eye(6)[[V]]) != ensemble(torch.zeros(1, 6))).any()


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_member_meets_its_inputs_multiplied(is_shared):
    torch.manual_seed(0)
    columns, waves = torch.rand(4, 5) + 0.5, torch.rand(4, 1) + 0.5
    ensemble = Ensemble(
        5, (7,), 3, n_members=4, activation="tanh", waved=(1,), n_frequencies=2, scales=InputScales(columns, waves, 2)
    )
    gains = torch.rand(2, 2) + 0.5
    ensemble.first.gains.data.copy_(gains.unsqueeze(-1))
    multiplied = columns.clone()
    multiplied[[0, 2], 3:] *= gains
    x = torch.randn(10, 5)
    answers = ensemble(x if is_shared else x.expand(4, -1, -1))
    embedded, last = ensemble.embedding(x), ensemble.layers[-1]
    for member in range(4):
        hidden = (x * multiplied[member]) @ ensemble.first.weight[member] + ensemble.first_bias[member]
        hidden += (embedded * waves[member]) @ ensemble.first_of_waves.weight[member]
        torch.testing.assert_close(answers[member], last(hidden.tanh().expand(4, -1, -1))[member])
