"""Where the time of litet's epoch goes, and how far it is from its matrix products alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch.linalg import vector_norm

from bench.speed import ours
from bench.speed.clock import Clock, Now
from bench.speed.rows import Recipe, Rows
from training.flat import FlatAdam, FlatParameters
from training.loop import Samples, plan_steps
from training.losses import CrossEntropy
from training.network import Evaluation, Network

CALLS = 200
LARGE = 1_024
"""Side of a square product, which shows what the processor can do at best."""


def measure(rows: Rows, recipe: Recipe, repeats: int, now: Now) -> dict[str, float]:
    """Printed, and as seconds an epoch; the least of so many repeats, with one thread, as `fit` has at this size."""
    fits = [_fit_seconds(rows, recipe, now) for _ in range(repeats)]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        epochs = [_dissected(rows, recipe, now) for _ in range(repeats)]
        products = _products(rows, recipe, repeats, now)
        flops_per_s = _rate_of_large(repeats, now)
    finally:
        torch.set_num_threads(before)
    shares = min(epochs, key=lambda epoch: sum(epoch.values()))
    epoch_s, bound_s = sum(shares.values()), sum(products.values())
    print(
        f"\nwhere an epoch goes: {min(fits):.3f} s in `fit`, {epoch_s:.3f} s with a look at the clock after each line"
    )
    for name, seconds in shares.items():
        print(f"  {name:<44}{seconds * 1e3:9.1f} ms {seconds / epoch_s:6.0%}")
    n_flops = _flops(rows, recipe)
    at_best_s = n_flops / flops_per_s
    print(f"its matrix products alone, {n_flops / 1e9:.2f} GFLOP, by one thread")
    for name, seconds in products.items():
        print(f"  {name:<44}{seconds * 1e3:9.1f} ms")
    for name, seconds in {"all of them": bound_s, f"at the rate of {LARGE} × {LARGE} × {LARGE}": at_best_s}.items():
        rate, ratio = n_flops / seconds / 1e9, min(fits) / seconds
        print(f"  {name:<44}{seconds * 1e3:9.1f} ms, {rate:.0f} GFLOP/s: `fit` takes {ratio:.2f} times as long")
    return {"fit": min(fits), "products": bound_s, "at best": at_best_s, **shares}


def _fit_seconds(rows: Rows, recipe: Recipe, now: Now) -> float:
    clock = Clock(now)
    ours.by_recipe(rows, recipe, clock)
    return clock.stop() / recipe.epochs


def _dissected(rows: Rows, recipe: Recipe, now: Now) -> Counter[str]:
    """An epoch as `fit` runs it, with a look at the clock after every line."""
    shares: Counter[str] = Counter()
    train, valid = (
        Samples(torch.from_numpy(x), torch.from_numpy(y))
        for x, y in ((rows.x_train, rows.y_train), (rows.x_valid, rows.y_valid))
    )
    network = Network(train.x.shape[1], [recipe.hidden], rows.n_classes, activation="relu").train()
    criterion, evaluation, flat = CrossEntropy(), Evaluation(network), FlatParameters(network)
    optimizer = FlatAdam(flat, lr=recipe.lr, weight_decay=0.0)
    shuffler = torch.Generator().manual_seed(recipe.seed)
    losses = []
    last = now()

    def lap(name: str) -> None:
        nonlocal last
        seconds = now()
        shares[name] += seconds - last
        last = seconds

    steps = plan_steps(len(train.y), recipe.batch_size, 1, shuffler)
    lap("permutation")
    for (batch,) in steps:
        x, y = train.take(batch)
        lap("taking rows")
        optimizer.zero_grad()
        lap("clearing gradients")
        logits = network(x)
        lap("forward")
        loss = criterion(logits, y)
        lap("loss")
        loss.backward()
        lap("backward")
        optimizer.step()
        lap("step")
        losses.append(loss.detach())
    sum(loss.item() for loss in losses)
    before = flat.vector.clone()
    for norm in (vector_norm(flat.gradient), vector_norm(before), torch.dist(flat.vector, before)):
        norm.item()
    lap("records")
    criterion(evaluation.logits(valid.x), valid.y).item()
    lap("valid loss")
    return shares


def _products(rows: Rows, recipe: Recipe, repeats: int, now: Now) -> dict[str, float]:
    """Seconds an epoch that each matrix product takes, with its operands in the cache and room for its result."""
    n_train, n_valid = len(rows.y_train), len(rows.y_valid)
    batch = min(recipe.batch_size or n_train, n_train)
    widths = (rows.x_train.shape[1], recipe.hidden, rows.n_classes)
    seconds = {}
    for number, (d_in, d_out) in enumerate(pairwise(widths), start=1):
        x, weight, gradient = torch.randn(batch, d_in), torch.randn(d_out, d_in), torch.randn(batch, d_out)
        by_rows, by_columns = partial(torch.mm, gradient.t(), x), partial(torch.mm, x.t(), gradient)
        forward = _least(partial(torch.mm, x, weight.t()), repeats, now)
        of_weights = min(_least(by_rows, repeats, now), _least(by_columns, repeats, now))
        of_x = _least(partial(torch.mm, gradient, weight), repeats, now) if number > 1 else 0.0
        seconds[f"layer {number}, {d_in} → {d_out}: forward"] = forward * n_train / batch
        seconds[f"layer {number}: gradient of the weights"] = of_weights * n_train / batch
        if of_x:
            seconds[f"layer {number}: gradient of its input"] = of_x * n_train / batch
        seconds[f"layer {number}: valid rows"] = forward * n_valid / batch
    return seconds


def _flops(rows: Rows, recipe: Recipe) -> float:
    """Additions and multiplications of these products."""
    n_train, n_valid, d_in, n_classes = len(rows.y_train), len(rows.y_valid), rows.x_train.shape[1], rows.n_classes
    first, second = 2.0 * d_in * recipe.hidden, 2.0 * recipe.hidden * n_classes
    return n_train * (2 * first + 3 * second) + n_valid * (first + second)


def _rate_of_large(repeats: int, now: Now) -> float:
    """FLOP/s."""
    a = torch.randn(LARGE, LARGE)
    return 2 * LARGE**3 / _least(partial(torch.mm, a, a), repeats, now, calls=1)


def _least(product: Callable[..., torch.Tensor], repeats: int, now: Now, calls: int = CALLS) -> float:
    """Seconds of a call in the fastest of the repeats, with room for the result."""
    out = product()
    seconds = []
    for _ in range(10 * repeats):
        started = now()
        for _ in range(calls):
            product(out=out)
        seconds.append((now() - started) / calls)
    return min(seconds)
