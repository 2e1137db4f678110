"""The figures as tables to read."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from bench.rivals.scores import TIE, Scores, mean_ranks, win_rate

Figures = Mapping[str, Mapping[str, Scores]]
"""By table, by model; the first model is litet."""

COLUMNS = (
    ("accuracy", "accuracy", "{:.4f}"),
    ("balanced_accuracy", "balanced", "{:.4f}"),
    ("log_loss", "log loss", "{:.4f}"),
    ("auc", "AUC", "{:.4f}"),
    ("ece", "ECE", "{:.4f}"),
    ("seconds", "fit s", "{:.1f}"),
    ("n_bytes", "bytes", "{:,.0f}"),
    ("us_per_row", "µs, 1 row", "{:.0f}"),
)
RANKED = {"log_loss": "log loss", "accuracy": "accuracy", "ece": "ECE"}


def print_tables(figures: Figures) -> None:
    """A row for each model on each table."""
    print(f"{'':<38}" + "".join(f"{title:>12}" for _, title, _ in COLUMNS))
    for table, models in figures.items():
        for model, scores in models.items():
            cells = [form.format(getattr(scores, name)) for name, _, form in COLUMNS]
            print(f"{table:<14}{model:<24}" + "".join(f"{cell:>12}" for cell in cells))


def print_summary(figures: Figures) -> None:
    """Over all tables: mean ranks, mean calibration error, time, and how often litet wins."""
    rows = list(figures.values())
    litet, *others = rows[0]
    ranks = {
        name: mean_ranks(
            [{model: getattr(scores, name) for model, scores in row.items()} for row in rows],
            least_is_best=name != "accuracy",
        )
        for name in RANKED
    }
    titles = [*(f"rank, {title}" for title in RANKED.values()), "mean ECE", "fit s, all"]
    print(f"\n{f'over {len(rows)} tables':<24}" + "".join(f"{title:>16}" for title in titles))
    for model in sorted(rows[0], key=ranks["log_loss"].__getitem__):
        cells = [f"{ranks[name][model]:.2f}" for name in RANKED]
        cells.append(f"{fmean(row[model].ece for row in rows):.4f}")
        cells.append(f"{sum(row[model].seconds for row in rows):.1f}")
        print(f"{model:<24}" + "".join(f"{cell:>16}" for cell in cells))
    print(f"\n{'litet':<30}{'lower log loss (95 %)':>28}{'accuracy, or level (95 %)':>28}{'log loss ÷ its':>18}")
    for model in others:
        wins = [row[litet].log_loss < row[model].log_loss for row in rows]
        holds = [row[litet].accuracy > row[model].accuracy - TIE for row in rows]
        ratio = fmean(row[litet].log_loss / row[model].log_loss for row in rows)
        shares = [f"{share:.0%} ({low:.0%} to {high:.0%})" for share, low, high in map(win_rate, (wins, holds))]
        print(f"{'against ' + model:<30}{shares[0]:>28}{shares[1]:>28}{ratio:>18.3f}")
