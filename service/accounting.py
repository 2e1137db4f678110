"""What is kept of each request: it is counted for those who watch the service, and for the one that watches a swap."""

from __future__ import annotations

from collections.abc import Sequence

from contract.errors import CallerError, InvalidRows
from contract.tensors import Tensors
from service.errors import NotFinite
from service.metrics import Metrics
from service.predictor import Predictor
from service.recent import RecentRequests
from service.statistics import Statistics, Timings
from service.watch_window import Kind, WatchWindow


class Accounting:
    """The accounts of one worker. `watch` is None where nothing is watched, and no request kept for a replay."""

    def __init__(
        self, metrics: Metrics, statistics: Statistics, recent: RecentRequests, watch: WatchWindow | None
    ) -> None:
        self._metrics = metrics
        self._statistics = statistics
        self._recent = recent
        self._watch = watch

    def answered(
        self, predictor: Predictor, served: Sequence[tuple[Tensors, int]], timings: Timings, n_runs: int = 1
    ) -> None:
        """Answered requests for a model's current version: the rows of each, and the size of its body in bytes.

        `timings` are sums; `n_runs` is how often the model ran for all of them.
        """
        n_rows = sum([tensors.n_samples for tensors, _n_bytes in served])
        self._metrics.count_rows(predictor.name, predictor.version, n_rows)
        self._statistics.count(predictor, len(served), n_rows, timings, n_runs)
        if self._watch:
            self._watch.count(predictor.name, predictor.version, "answered", len(served))
            for tensors, n_bytes in served:
                self._recent.add(predictor.name, predictor.reader, tensors, n_bytes)

    def failed(self, predictor: Predictor, error: Exception, elapsed_ns: int) -> None:
        """One request for a model's current version that failed."""
        self.failed_version(predictor, elapsed_ns)
        if self._watch and (kind := _kind(error)):
            self._watch.count(predictor.name, predictor.version, kind)

    def answered_version(self, predictor: Predictor, n_rows: int, timings: Timings) -> None:
        """One answered request for a version that was asked for by its number."""
        self._metrics.count_rows(predictor.name, predictor.version, n_rows)
        self._statistics.count(predictor, 1, n_rows, timings, 1)

    def failed_version(self, predictor: Predictor, elapsed_ns: int) -> None:
        """One such request that failed."""
        self._statistics.count_failure(predictor, elapsed_ns)


def _kind(error: Exception) -> Kind | None:
    """What the watch window calls an error; None where the version has no part in it."""
    if isinstance(error, NotFinite):
        return "invalid"
    if isinstance(error, InvalidRows):
        return "refused"
    return None if isinstance(error, CallerError) else "failed"
