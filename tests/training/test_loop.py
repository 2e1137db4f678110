"""The training loop does what the notes of the field say, and refuses what they warn of."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from torch import Tensor, nn

from contract.config import TrainingConfig, make_config
from contract.errors import TrainingDiverged
from training import schedule
from training.loop import Samples, accumulated_step, fit, plan_steps, train_step
from training.network import Network, predict_logits


def make_network(*, seed: int = 0, dropout: float = 0.0, batch_norm: bool = False) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Network(4, [10], 3, activation="relu", dropout=dropout, batch_norm=batch_norm)


def iris(part: str) -> Samples:
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    rows = order[:120] if part == "train" else order[120:]
    return Samples(torch.tensor(X[rows], dtype=torch.float32), torch.tensor(y[rows], dtype=torch.int64))


def run(config: TrainingConfig, network: Network | None = None, **kwargs):
    torch.manual_seed(0)
    network = network or make_network()
    return network, fit(network, nn.CrossEntropyLoss(), iris("train"), iris("valid"), config, **kwargs)


# Linear, ReLU, logits


def test_a_linear_layer_is_x_times_w_transposed_plus_b():
    layer = make_network().layers[0]
    x = torch.randn(7, 4)
    assert layer.weight.shape == (10, 4)
    assert layer.bias.shape == (10,)
    expected = x.numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, atol=1e-6)


def test_two_linear_layers_without_a_nonlinearity_are_one():
    first, second = nn.Linear(4, 10).double(), nn.Linear(10, 3).double()
    one = nn.Linear(4, 3).double()
    with torch.no_grad():
        one.weight.copy_(second.weight @ first.weight)
        one.bias.copy_(second.weight @ first.bias + second.bias)
    x = torch.randn(50, 4, dtype=torch.float64)
    torch.testing.assert_close(second(first(x)), one(x))


def test_a_relu_between_them_makes_the_network_nonlinear():
    network = make_network()
    x = torch.randn(50, 4)
    middle = predict_logits(network, (x[:25] + x[25:]) / 2)
    assert not torch.allclose(
        middle, (predict_logits(network, x[:25]) + predict_logits(network, x[25:])) / 2, atol=1e-3
    )


def test_the_network_ends_in_raw_logits():
    logits = predict_logits(make_network(), iris("train").x)
    assert (logits < 0).any()
    assert not torch.allclose(logits.sum(dim=1), torch.ones(len(logits)))


# The loss


def test_the_loss_is_minus_log_softmax_of_the_true_class():
    samples = iris("train")
    logits = predict_logits(make_network(), samples.x).double().numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    by_hand = -np.log(probabilities[np.arange(len(logits)), samples.y.numpy()]).mean()
    assert nn.CrossEntropyLoss()(torch.tensor(logits), samples.y).item() == pytest.approx(by_hand)


@pytest.mark.parametrize("ending", [nn.Softmax(dim=1), nn.LogSoftmax(dim=1)])
def test_a_network_that_ends_in_a_softmax_is_refused(ending):
    network = nn.Sequential(make_network(), ending)
    with pytest.raises(ValueError, match="raw logits"):
        fit(network, nn.CrossEntropyLoss(), iris("train"), iris("valid"), make_config("reference"))


def test_the_loss_of_a_step_is_one_scalar():
    network, samples = make_network(), iris("train")
    optimizer = torch.optim.Adam(network.parameters())
    assert train_step(network, nn.CrossEntropyLoss(), optimizer, samples.x, samples.y).shape == torch.Size([])


def test_a_loss_that_is_no_scalar_is_refused():
    with pytest.raises(ValueError, match=r"scalar.*got \[30\]"):
        fit(
            make_network(),
            nn.CrossEntropyLoss(reduction="none"),
            iris("train"),
            iris("valid"),
            make_config("reference"),
        )


# Dtypes


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64])
def test_features_of_another_dtype_are_refused_by_name(dtype):
    with pytest.raises(TypeError, match=f"float32.*got {str(dtype).removeprefix('torch.')}"):
        Samples(torch.zeros(3, 2, dtype=dtype), torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize("dtype", [torch.int32, torch.float32, torch.bool])
def test_targets_of_another_dtype_are_refused_by_name(dtype):
    with pytest.raises(TypeError, match=f"int64 class indices, got {str(dtype).removeprefix('torch.')}"):
        Samples(torch.zeros(3, 2), torch.zeros(3, dtype=dtype))


@pytest.mark.parametrize(
    ("x", "y"), [((3,), (3,)), ((3, 2), (4, 1)), ((5, 3, 2), (3, 4)), ((3, 2), (4,)), ((0, 2), (0,))]
)
def test_samples_of_another_shape_are_refused(x, y):
    with pytest.raises(ValueError, match="n_samples"):
        Samples(torch.zeros(x), torch.zeros(y, dtype=torch.int64))


# Gradients


def gradients(network: nn.Module) -> Tensor:
    return torch.cat([parameter.grad.reshape(-1).clone() for parameter in network.parameters()])


class StandStill:
    """An optimizer that clears gradients and never moves."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def zero_grad(self) -> None:
        self.network.zero_grad()

    def step(self) -> None:
        pass


def test_every_gradient_agrees_with_finite_differences():
    network = make_network().double()
    x, y = iris("train").x.double(), iris("train").y
    criterion = nn.CrossEntropyLoss()
    train_step(network, criterion, StandStill(network), x, y)
    analytic = gradients(network)
    numeric = []
    step = 1e-6
    with torch.no_grad():
        for parameter in network.parameters():
            for i in range(parameter.numel()):
                flat = parameter.view(-1)
                flat[i] += step
                up = criterion(network(x), y).item()
                flat[i] -= 2 * step
                down = criterion(network(x), y).item()
                flat[i] += step
                numeric.append((up - down) / (2 * step))
    np.testing.assert_allclose(analytic.numpy(), numeric, atol=1e-7)


def test_a_gradient_tells_how_much_the_loss_changes_with_a_weight():
    network = make_network().double()
    x, y = iris("train").x.double(), iris("train").y
    loss = train_step(network, nn.CrossEntropyLoss(), StandStill(network), x, y)
    bias = network.layers[-1].bias
    slope = bias.grad[0].item()
    with torch.no_grad():
        bias[0] += 0.001
    changed = nn.CrossEntropyLoss()(network(x), y)
    assert (changed - loss).item() == pytest.approx(0.001 * slope, rel=1e-3)


def test_gradients_add_up_until_they_are_cleared():
    network, samples = make_network(), iris("train")
    for _ in range(2):
        nn.CrossEntropyLoss()(network(samples.x), samples.y).backward()
    twice = gradients(network)
    network.zero_grad(set_to_none=False)
    nn.CrossEntropyLoss()(network(samples.x), samples.y).backward()
    torch.testing.assert_close(twice, 2 * gradients(network))


def test_nothing_leaks_from_one_step_into_the_next():
    network, samples = make_network(), iris("train")
    once = make_network()
    for _ in range(3):
        train_step(network, nn.CrossEntropyLoss(), StandStill(network), samples.x, samples.y)
    train_step(once, nn.CrossEntropyLoss(), StandStill(once), samples.x, samples.y)
    torch.testing.assert_close(gradients(network), gradients(once))


@pytest.mark.parametrize("sizes", [[30, 30, 30, 30], [50, 50, 20]])
def test_accumulation_over_batches_equals_one_batch_of_them_all(sizes):
    samples = iris("train")
    network, whole = make_network(), make_network()
    batches = list(zip(samples.x.split(sizes), samples.y.split(sizes), strict=True))
    parts = accumulated_step(network, nn.CrossEntropyLoss(), StandStill(network), batches)
    at_once = train_step(whole, nn.CrossEntropyLoss(), StandStill(whole), samples.x, samples.y)
    torch.testing.assert_close(parts, at_once)
    torch.testing.assert_close(gradients(network), gradients(whole))


def test_accumulation_in_a_run_equals_larger_batches():
    accumulated, _ = run(make_config("reference", batch_size=30, accumulation_steps=2, max_epochs=5))
    larger, _ = run(make_config("reference", batch_size=60, max_epochs=5))
    x = iris("valid").x
    torch.testing.assert_close(predict_logits(accumulated, x), predict_logits(larger, x), atol=1e-4, rtol=1e-4)


# Adam


def test_the_first_steps_of_a_run_are_adams_formula():
    samples, network = iris("train"), make_network()
    w = torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()]).double()
    mean, square = torch.zeros_like(w), torch.zeros_like(w)
    by_hand = make_network()
    for t in (1, 2):
        train_step(by_hand, nn.CrossEntropyLoss(), StandStill(by_hand), samples.x, samples.y)
        g = gradients(by_hand).double()
        mean = 0.9 * mean + 0.1 * g
        square = 0.999 * square + 0.001 * g**2
        w = w - 0.01 * (mean / (1 - 0.9**t)) / ((square / (1 - 0.999**t)).sqrt() + 1e-8)
        nn.utils.vector_to_parameters(w.float(), by_hand.parameters())
    run(make_config("reference", max_epochs=2), network)
    after = torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])
    torch.testing.assert_close(after, w.float(), atol=1e-5, rtol=1e-5)


def test_a_step_moves_against_the_gradient():
    network, samples = make_network(), iris("train")
    before = torch.cat([parameter.detach().reshape(-1).clone() for parameter in network.parameters()])
    train_step(network, nn.CrossEntropyLoss(), torch.optim.SGD(network.parameters(), lr=0.1), samples.x, samples.y)
    after = torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])
    torch.testing.assert_close(after - before, -0.1 * gradients(network))


# A run


def test_the_loss_falls_over_the_epochs():
    _, fitted = run(make_config("reference"))
    losses = [record.train_loss for record in fitted.history]
    assert losses[0] > 0.8
    assert losses[-1] < 0.1
    assert np.mean(np.diff(losses) < 0) > 0.9


def test_the_history_records_gradient_norm_and_update_ratio():
    _, fitted = run(make_config("reference", max_epochs=20))
    assert [record.epoch for record in fitted.history] == list(range(1, 21))
    assert all(record.gradient_norm > 0 and 1e-5 < record.update_ratio < 0.1 for record in fitted.history)


def test_the_recorded_gradient_norm_is_that_of_the_epochs_last_step():
    network, by_hand, samples = make_network(), make_network(), iris("train")
    train_step(by_hand, nn.CrossEntropyLoss(), StandStill(by_hand), samples.x, samples.y)
    _, fitted = run(make_config("reference", max_epochs=1), network)
    assert fitted.history[0].gradient_norm == pytest.approx(gradients(by_hand).norm().item(), rel=1e-5)


def test_a_learning_rate_ten_thousand_times_too_high_is_caught_with_advice():
    with pytest.raises(TrainingDiverged, match=r"diverged at lr 100; try --lr 10"):
        run(make_config("reference", lr=0.01 * 1e4))


def test_a_loss_that_is_not_finite_is_divergence():
    valid = iris("valid")
    samples = Samples(torch.full_like(valid.x, math.inf), valid.y)
    with pytest.raises(TrainingDiverged):
        fit(make_network(), nn.CrossEntropyLoss(), samples, valid, make_config("reference"))


def test_a_run_that_blows_up_after_it_had_learnt_keeps_its_best_epoch_and_a_finite_history():
    n_steps = 0

    def criterion(logits: Tensor, y: Tensor) -> Tensor:
        nonlocal n_steps
        n_steps += logits.requires_grad
        return nn.functional.cross_entropy(logits, y) * (math.nan if n_steps > 30 else 1.0)

    config = make_config("reference", patience=50)
    fitted = fit(make_network(), criterion, iris("train"), iris("valid"), config)
    assert (fitted.stop_reason, len(fitted.history), fitted.has_learnt) == ("diverged", 30, True)
    assert all(math.isfinite(record.train_loss + record.valid_loss) for record in fitted.history)


def test_a_run_without_patience_goes_on_to_the_last_epoch():
    _, fitted = run(make_config("reference", max_epochs=30))
    assert (fitted.stop_reason, fitted.best_epoch, len(fitted.history)) == ("max_epochs", 30, 30)


def test_a_run_that_gets_no_better_stops_at_a_plateau():
    _, fitted = run(make_config("reference", lr=0.05, max_epochs=2000, patience=15))
    assert fitted.stop_reason == "plateau"
    assert len(fitted.history) == fitted.best_epoch + 15


def test_the_best_epochs_weights_are_put_back():
    network, fitted = run(make_config("reference", lr=0.05, max_epochs=2000, patience=15, batch_size=16))
    valid = iris("valid")
    loss = nn.CrossEntropyLoss()(predict_logits(network, valid.x), valid.y).item()
    assert loss == pytest.approx(min(record.valid_loss for record in fitted.history), abs=1e-6)
    assert loss < fitted.history[-1].valid_loss


def test_of_epochs_that_are_about_as_good_the_latest_ones_weights_are_kept(monkeypatch):
    monkeypatch.setattr(schedule, "LATER", 100.0)
    options = {"schedule": "adaptive", "lr": 0.1, "batch_size": 16, "max_epochs": 2000, "patience": 2000}
    network, fitted = run(make_config("reference", **options))
    valid = iris("valid")
    loss = nn.CrossEntropyLoss()(predict_logits(network, valid.x), valid.y).item()
    assert fitted.best_epoch == len(fitted.history)
    assert loss == pytest.approx(fitted.history[-1].valid_loss, abs=1e-6)
    assert loss > min(record.valid_loss for record in fitted.history)


def test_batch_norms_statistics_are_put_back_with_the_weights():
    network, fitted = run(
        make_config("reference", lr=0.1, max_epochs=300, patience=10, batch_size=16), make_network(batch_norm=True)
    )
    valid = iris("valid")
    loss = nn.CrossEntropyLoss()(predict_logits(network, valid.x), valid.y).item()
    assert loss == pytest.approx(min(record.valid_loss for record in fitted.history), abs=1e-6)


def test_weights_that_nothing_pulls_on_have_converged():
    network = make_network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    x = torch.zeros(30, 4)
    y = torch.arange(30) % 3
    fitted = fit(network, nn.CrossEntropyLoss(), Samples(x, y), Samples(x, y), make_config("reference"))
    assert (fitted.stop_reason, len(fitted.history)) == ("converged", 1)


def test_the_same_seed_gives_the_same_weights():
    config = make_config("default", max_epochs=5, batch_size=32)
    first, _ = run(config, make_network(dropout=0.2))
    second, _ = run(config, make_network(dropout=0.2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_another_seed_shuffles_otherwise():
    first, _ = run(make_config("reference", batch_size=32, max_epochs=3, seed=1))
    second, _ = run(make_config("reference", batch_size=32, max_epochs=3, seed=2))
    assert not torch.equal(first.layers[0].weight, second.layers[0].weight)


def test_the_train_loss_is_the_mean_over_the_epochs_steps():
    losses = []

    def criterion(logits: Tensor, y: Tensor) -> Tensor:
        loss = nn.functional.cross_entropy(logits, y)
        if loss.requires_grad:
            losses.append(loss.item())
        return loss

    config = make_config("reference", batch_size=40, max_epochs=1)
    fitted = fit(make_network(), criterion, iris("train"), iris("valid"), config)
    assert len(losses) == 3
    assert fitted.history[0].train_loss == pytest.approx(np.mean(losses))


def test_the_update_ratio_is_the_change_against_the_weights_before():
    network = make_network()
    before = torch.cat([parameter.detach().reshape(-1).clone() for parameter in network.parameters()])
    _, fitted = run(make_config("reference", max_epochs=1, lr=0.05), network)
    after = torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])
    expected = (after - before).norm() / before.norm()
    assert fitted.history[0].update_ratio == pytest.approx(expected.item(), rel=1e-5)


def test_weight_decay_shrinks_the_weights_themselves_and_no_bias_and_not_through_the_gradient():
    network = make_network()
    before = torch.cat([parameter.detach().reshape(-1).clone() for parameter in network.parameters()])
    plain, _ = run(make_config("reference", max_epochs=1), make_network())
    decayed, _ = run(make_config("reference", max_epochs=1, weight_decay=0.5), network)
    difference = torch.cat(
        [(a - b).detach().reshape(-1) for a, b in zip(decayed.parameters(), plain.parameters(), strict=True)]
    )
    is_weight = torch.cat(
        [torch.full((p.numel(),), float(name.endswith("weight"))) for name, p in network.named_parameters()]
    )
    torch.testing.assert_close(difference, -0.01 * 0.5 * before * is_weight)


def test_every_epoch_is_told():
    told = []
    run(make_config("reference", max_epochs=4), on_epoch=told.append)
    assert [record.epoch for record in told] == [1, 2, 3, 4]


# Modes


def test_answers_do_not_depend_on_dropout_or_the_rest_of_the_batch():
    network, _ = run(make_config("reference", max_epochs=3, batch_size=32), make_network(dropout=0.5, batch_norm=True))
    x = iris("valid").x
    network.train()
    together = predict_logits(network, x)
    alone = torch.cat([predict_logits(network, row[None]) for row in x])
    torch.testing.assert_close(together, alone)


def test_evaluating_leaves_the_training_mode_as_it_was():
    network = make_network(dropout=0.5)
    network.train()
    predict_logits(network, iris("valid").x)
    assert network.training
    network.eval()
    predict_logits(network, iris("valid").x)
    assert not network.training


def test_every_step_of_a_run_is_taken_in_training_mode():
    modes = []

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = make_network(dropout=0.1)

        def forward(self, x: Tensor) -> Tensor:
            modes.append((torch.is_grad_enabled(), self.training))
            return self.inner(x)

    network = Watched().eval()
    fit(network, nn.CrossEntropyLoss(), iris("train"), iris("valid"), make_config("reference", max_epochs=3))
    assert modes.count((True, True)) == 3
    assert set(modes) == {(True, True), (False, False)}
    assert not network.training


# Batches


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "accumulation"), [(10, 3, 1), (10, 3, 2), (10, None, 1), (7, 20, 3), (9, 4, 1)]
)
def test_an_epoch_takes_every_row_once(n_rows, batch_size, accumulation):
    steps = plan_steps(n_rows, batch_size, accumulation, torch.Generator().manual_seed(0))
    rows = torch.cat([torch.arange(n_rows) if rows is None else rows for batches in steps for rows in batches])
    assert sorted(rows.tolist()) == list(range(n_rows))
    assert all(len(batches) <= accumulation for batches in steps)


def test_no_batch_has_a_single_row():
    steps = plan_steps(9, 4, 1, torch.Generator().manual_seed(0))
    assert [len(rows) for batches in steps for rows in batches] == [4, 5]
