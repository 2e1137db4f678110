"""Features and labels: what a model takes and what it answers with.

The schema travels inside the model file, as one entry of the graph's `metadata_props`.
"""

from __future__ import annotations

import math

import msgspec

from contract.errors import CorruptArtifact

Label = str | int | bool
"""A class label keeps the type it had in the data: text, an integer or a boolean."""

METADATA_KEY = "litet.schema"
QUANTILE_LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def label_text(label: Label) -> str:
    """A label as text; booleans as JSON writes them."""
    return str(label).lower() if isinstance(label, bool) else str(label)


class NumericFeature(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="numeric"
):
    """A number. The ranges are those of the training rows, in the feature's own unit.

    `quantiles` are at `QUANTILE_LEVELS`; `missing` says whether the training rows had missing cells.
    """

    name: str
    missing: bool
    minimum: float
    maximum: float
    quantiles: tuple[float, ...]

    def __post_init__(self) -> None:
        ranges = (self.minimum, self.maximum, *self.quantiles)
        if not all(map(math.isfinite, ranges)):
            raise ValueError(f"ranges must be finite, got {ranges!r} for {self.name!r}")


class CategoricalFeature(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="categorical"
):
    """One of a set of texts. Texts that are not among `categories` are answered and flagged as unseen."""

    name: str
    missing: bool
    categories: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.categories)) != len(self.categories) or "" in self.categories:
            raise ValueError(f"categories must be distinct and not empty, got {self.categories!r} for {self.name!r}")


Feature = NumericFeature | CategoricalFeature


class Schema(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The features of one row in their order, and the class labels in the order of the logits."""

    target: str
    features: tuple[Feature, ...]
    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        if not names or "" in names or len(set(names)) != len(names):
            raise ValueError(f"feature names must be distinct and not empty, got {names!r}")
        if len({(type(label), label) for label in self.labels}) != len(self.labels) or len(self.labels) < 2:
            raise ValueError(f"class labels must be at least two and distinct, got {self.labels!r}")

    @property
    def numeric(self) -> tuple[NumericFeature, ...]:
        """The numeric features, in the column order of `x_num`."""
        return tuple(feature for feature in self.features if isinstance(feature, NumericFeature))

    @property
    def categorical(self) -> tuple[CategoricalFeature, ...]:
        """The categorical features, in the column order of `x_cat`."""
        return tuple(feature for feature in self.features if isinstance(feature, CategoricalFeature))

    def to_metadata(self) -> dict[str, str]:
        """The `metadata_props` entries that carry this schema."""
        return {METADATA_KEY: msgspec.json.encode(self).decode()}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> Schema:
        """The schema that a graph carries.

        Raises:
            CorruptArtifact: the entry is absent or is not a schema.
        """
        if METADATA_KEY not in metadata:
            raise CorruptArtifact(f"a model file carries its schema under {METADATA_KEY!r}, got {sorted(metadata)}")
        try:
            return msgspec.json.decode(metadata[METADATA_KEY], type=cls)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise CorruptArtifact(f"the schema in a model file must be readable: {error}") from error
