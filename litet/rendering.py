"""Cards and metrics as text."""

from __future__ import annotations

from collections.abc import Iterator

from contract.card import Card, Metrics
from contract.schema import label_text


def metrics_lines(metrics: Metrics) -> Iterator[str]:
    """The metrics, the numbers of each class, and the confusion matrix where it fits a screen."""
    yield (
        f"accuracy {metrics.accuracy:.4f} (always the commonest class: {metrics.majority_accuracy:.4f})  "
        f"balanced {metrics.balanced_accuracy:.4f}  macro F1 {metrics.macro_f1:.4f}"
    )
    log_loss, brier, ece = metrics.log_loss, metrics.brier, metrics.ece
    yield f"on {metrics.n_samples} rows: log loss {log_loss:.4f}  Brier {brier:.4f}  ECE {ece:.4f}"
    width = max(len(label_text(one.label)) for one in metrics.per_class)
    small = len(metrics.per_class) <= 10
    for one, row in zip(metrics.per_class, metrics.confusion_matrix, strict=True):
        counts = "   predicted " + " ".join(f"{count:>5}" for count in row) if small else ""
        yield (
            f"  {label_text(one.label):<{width}}  precision {one.precision:.3f}  recall {one.recall:.3f}  "
            f"rows {one.n_samples:>5}{counts}"
        )


def card_lines(card: Card) -> Iterator[str]:
    """What a user wants to know of a version that was just made."""
    report = card.report
    data, training = report.data, report.training
    rows = data.rows
    for warning in (*data.warnings, *training.warnings):
        yield f"warning    {warning}"
    yield (
        f"data       {data.source}: {data.n_rows} rows, {data.n_columns} columns; "
        f"train {rows.train}, valid {rows.valid}, test {rows.test}"
        + (f", conformal {rows.conformal}" if rows.conformal else "")
        + (f", no label {rows.dropped}" if rows.dropped else "")
    )
    yield (
        f"training   {training.n_epochs} epochs in {training.seconds:.1f} s, {training.n_parameters} parameters; "
        f"stopped: {training.stop_reason}; best epoch {training.best_epoch}"
    )
    if calibration := report.calibration:
        yield (
            f"calibrated temperature {calibration.temperature:.3f}; valid log loss "
            f"{calibration.log_loss_before:.4f} → {calibration.log_loss_after:.4f}"
        )
    parity = report.parity
    yield f"parity     torch and onnxruntime differ by {parity.max_error:.1e}, allowed {parity.tolerance:.0e}"
    first, *rest = metrics_lines(report.metrics)
    yield f"test       {first}"
    yield from (f"           {line}" for line in rest)
    if sets := report.prediction_sets:
        of_levels = ", ".join(f"{one.level:.0%}: {one.coverage:.1%} ({one.mean_size:.2f})" for one in sets.marginal)
        yield f"sets       hold the true label (mean size) at {of_levels}; by {sets.n_samples} rows"
    if decision := report.decision:
        at = "" if decision.threshold is None else f", threshold {decision.threshold:.4f}"
        before, after = decision.without_rule, decision.with_rule
        yield (
            f"decision   by {decision.chosen_by}{at}: balanced accuracy {before.balanced_accuracy:.4f} → "
            f"{after.balanced_accuracy:.4f}, accuracy {before.accuracy:.4f} → {after.accuracy:.4f}, "
            f"cost a row {before.mean_cost:.4f} → {after.mean_cost:.4f}"
        )
    model_file = card.model_file
    yield f"published  {card.name}/{card.version}: {model_file.size_bytes} bytes, SHA-256 {model_file.sha256[:16]}…"
