"""What a client knows of the service's models, and how it learns more. A version never changes once it is published."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from contract.errors import NotFound
from contract.faults import text_types
from contract.names import check_name
from contract.schema import CategoricalFeature, Feature, Label, Schema
from contract.tensors import RowReader
from litet.client.asking import Asker, Steps
from litet.client.failures import readable
from litet.client.messages import Category, Configuration, ModelDetails, Number, ServedModels

MAX_KNOWN = 64
"""A client that lives for years sees many versions."""

Features: TypeAlias = tuple[Number | Category, ...]
Layout: TypeAlias = tuple[tuple[str, frozenset[type] | None], ...]


class Version:
    """One version: how rows are read for it, and its classes in the order of the logits.

    Rows that were read for one version do for each other of the same `layout`.
    """

    def __init__(self, name: str, version: int, features: Features, classes: tuple[Label, ...]) -> None:
        self.name = name
        self.version = version
        self.classes = classes
        self.reader = RowReader(Schema(target="", features=features, labels=classes))
        self.layout: Layout = tuple((feature.name, _cell_types(feature)) for feature in features)


class Catalogue:
    """The versions that were heard of, and the one of each model that served last. Any number of threads may share it.

    All methods raise NotFound where the service has no such model or version, and what `Asker.get` raises.
    """

    def __init__(self) -> None:
        self._versions: dict[tuple[str, int], Version] = {}
        self._current: dict[str, Version] = {}

    def served(self, asker: Asker) -> Steps[ServedModels]:
        """The models that are served."""
        return (yield from asker.get("/models", ServedModels))

    def default(self, asker: Asker) -> Steps[str]:
        """The name of the model that answers where none is named. Asked for each time: another may be set meanwhile."""
        served = yield from self.served(asker)
        names = [model.name for model in served.models]
        if served.default is not None:
            return served.default
        if len(names) != 1:
            raise NotFound(f"a model must be named where none is the default, got none of {', '.join(names) or 'no'}")
        return names[0]

    def details(self, asker: Asker, name: str) -> Steps[ModelDetails]:
        """All that the service says of the version of a model that serves."""
        return (yield from asker.get(model_path("/models", name), ModelDetails))

    def current(self, asker: Asker, name: str) -> Steps[Version]:
        """The version of a model that served when it was last heard of."""
        return self._current.get(name) or (yield from self.refresh(asker, name))

    def refresh(self, asker: Asker, name: str) -> Steps[Version]:
        """The version of a model that serves."""
        details = yield from self.details(asker, name)
        with readable(asker.url):
            version = Version(details.name, details.version, details.features, details.classes)
        return self.keep(version)

    def version(self, asker: Asker, name: str, number: int) -> Steps[Version]:
        """A version of a model, whether it serves or not."""
        if known := self._versions.get((name, number)):
            return known
        path = model_path("/v2/models", name, number)
        parameters = (yield from asker.get(f"{path}/config", Configuration)).parameters
        with readable(asker.url):
            features = msgspec.json.decode(parameters.features.string_value, type=Features)
            classes = msgspec.json.decode(parameters.labels.string_value, type=tuple[Label, ...])
            version = Version(name, number, features, classes)
        return self._add(version)

    def keep(self, version: Version) -> Version:
        """Remember that a version serves now."""
        self._current[version.name] = version
        return self._add(version)

    def _add(self, version: Version) -> Version:
        if len(self._versions) >= MAX_KNOWN:
            self._versions.clear()
        self._versions[version.name, version.version] = version
        return version


def model_path(root: str, name: str, version: int | None = None) -> str:
    """Where a model is below `root`, or one of its versions.

    Raises:
        InvalidName: no model can be called that.
    """
    path = f"{root}/{check_name(name)}"
    return path if version is None else f"{path}/versions/{version}"


def _cell_types(feature: Feature) -> frozenset[type] | None:
    return text_types(feature) if isinstance(feature, CategoricalFeature) else None
