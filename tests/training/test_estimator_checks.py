"""scikit-learn's own checks of an estimator, with none expected to fail."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from training import LitetClassifier

SINGLE = {"n_members": 1, "n_frequencies": 0, "batch_norm": True}
"""One network, which has valid rows of its own."""
VARIANTS = [LitetClassifier(), LitetClassifier(**SINGLE, class_weights=True, hidden_sizes=(16,), max_epochs=20)]


@parametrize_with_checks(VARIANTS)
def test_an_estimator_keeps_the_rules(estimator, check):
    check(estimator)
