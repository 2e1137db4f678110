"""The model registry: which predictor answers for which model, in memory.

One reference holds all current predictors and is replaced whole, so a request that has taken one keeps it to its end.
Changed on the event loop only.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping

from contract.errors import NotFound
from service.errors import NotReady
from service.predictor import Predictor


class Registry:
    """Current predictors by name, and versions asked for by number.

    `load` makes a predictor of a name and a version; it runs in a thread. At most `max_loaded_versions` of those stay,
    the least recently used goes first.
    """

    def __init__(
        self, load: Callable[[str, int], Predictor], *, default_model: str | None, max_loaded_versions: int
    ) -> None:
        self._load = load
        self._default_model = default_model
        self._max_loaded_versions = max_loaded_versions
        self._current: Mapping[str, Predictor] = {}
        self._by_version: OrderedDict[tuple[str, int], asyncio.Task[Predictor]] = OrderedDict()

    def current(self) -> Mapping[str, Predictor]:
        """All current predictors by name: a snapshot that never changes."""
        return self._current

    def get(self, name: str) -> Predictor:
        """The predictor of a model.

        Raises:
            NotFound: no such model is loaded.
        """
        try:
            return self._current[name]
        except KeyError:
            raise NotFound(f"a model must be loaded, got {name[:80]!r}") from None

    def get_default(self) -> Predictor:
        """The predictor of the default model: the one that is set, else the only one there is.

        Raises:
            NotFound: there are several and none is set.
            NotReady: it is not loaded.
        """
        current = self._current
        if self._default_model is not None and self._default_model not in current:
            raise NotReady(f"the default model {self._default_model!r} is not loaded")
        if not current:
            raise NotReady("no model is loaded")
        if self._default_model is not None:
            return current[self._default_model]
        if len(current) > 1:
            raise NotFound(
                "POST /predict needs a default model where several are loaded: "
                "set LITET_DEFAULT_MODEL, or use POST /models/{name}/predict"
            )
        return next(iter(current.values()))

    async def get_version(self, name: str, version: int) -> Predictor:
        """The predictor of one version of a model, loaded now if it is not yet. Callers at once share one load.

        Raises:
            NotFound: no such model is loaded, or it has no such version.
            ArtifactError: the version must not be served.
        """
        current = self.get(name)
        if version == current.version:
            return current
        key = (name, version)
        task = self._by_version.get(key)
        if task is None:
            task = self._by_version[key] = asyncio.create_task(asyncio.to_thread(self._load, name, version))
            task.add_done_callback(lambda done: self._forget_failed(key, done))
            self._evict()
        self._by_version.move_to_end(key)
        # One caller that gives up must not take the load from the others.
        return await asyncio.shield(task)

    def put(self, predictor: Predictor) -> Predictor | None:
        """Make a predictor the current one of its model; the one that it replaces, if any."""
        replaced = self._current.get(predictor.name)
        self._current = {**self._current, predictor.name: predictor}
        return replaced

    def remove(self, name: str) -> Predictor | None:
        """Take a model out, with all its versions; its current predictor, if any."""
        removed = self._current.get(name)
        self._current = {other: predictor for other, predictor in self._current.items() if other != name}
        for key in [key for key in self._by_version if key[0] == name]:
            del self._by_version[key]
        return removed

    def _evict(self) -> None:
        evicted = []
        while len(self._by_version) > self._max_loaded_versions:
            evicted.append(self._by_version.popitem(last=False))
        if evicted:
            # A session takes a while to tear down: not on the event loop.
            asyncio.get_running_loop().run_in_executor(None, evicted.clear)

    def _forget_failed(self, key: tuple[str, int], task: asyncio.Task[Predictor]) -> None:
        failed = task.cancelled() or task.exception() is not None
        if failed and self._by_version.get(key) is task:
            del self._by_version[key]
