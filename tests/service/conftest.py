"""Small models made by hand, published as training publishes them, and the app over a fake client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from onnx import TensorProto, helper, numpy_helper

from contract.card import Card, DataFacts, Metrics, Parity, Probe, Report, Rows, Training
from contract.model_file import CLASS_INDEX, IR_VERSION, LOGITS, OPSET, OPSET_ML, PROBABILITIES, X_CAT, X_NUM
from contract.publishing import Publisher
from contract.repository import Repository
from contract.schema import CategoricalFeature, Label, NumericFeature, Schema
from service.app import create_app
from service.settings import Settings
from tests.service.wire import Wire
from training.graph import add_metadata

MODELS = Path(__file__).parents[2] / "models"
FLOWERS = ("setosa", "versicolor", "virginica")


class Foundry:
    """Makes linear models: logits = x_num · W + Σ table[category] + b, weights drawn by a seed."""

    def numeric(self, labels: tuple[Label, ...] = FLOWERS) -> Schema:
        names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
        return Schema(target="species", features=tuple(self.number(name) for name in names), labels=labels)

    def mixed(self) -> Schema:
        island = CategoricalFeature(name="island", missing=False, categories=("Biscoe", "Dream", "Torgersen"))
        sex = CategoricalFeature(name="sex", missing=True, categories=("female", "male"))
        features = (self.number("bill_mm"), island, self.number("mass_g"), sex)
        return Schema(target="species", features=features, labels=("Adelie", "Gentoo"))

    def number(self, name: str) -> NumericFeature:
        return NumericFeature(name=name, missing=False, minimum=0.0, maximum=8.0, quantiles=(0.0,) * 7)

    def graph(self, schema: Schema, seed: int = 0) -> onnx.ModelProto:
        weight, tables, bias = self._weights(schema, seed)
        constants: dict[str, Any] = {
            "weight": weight,
            "bias": bias,
            "zero": np.float32(0),
            "one": np.array([1], np.int64),
        }
        nodes = [helper.make_node("Identity", ["bias"], ["sum_0"])]
        parts = []
        if schema.numeric:
            nodes += [
                helper.make_node("IsNaN", [X_NUM], ["missing"]),
                helper.make_node("Where", ["missing", "zero", X_NUM], ["numbers"]),
                helper.make_node("MatMul", ["numbers", "weight"], ["part_num"]),
            ]
            parts.append("part_num")
        if schema.categorical:
            columns = [f"column_{j}" for j in range(len(tables))]
            nodes.append(helper.make_node("Split", [X_CAT], columns, axis=1))
        for j, (feature, table) in enumerate(zip(schema.categorical, tables, strict=True)):
            constants[f"table_{j}"] = table
            encoder = helper.make_node(
                "LabelEncoder",
                [f"column_{j}"],
                [f"code_{j}"],
                domain="ai.onnx.ml",
                keys_strings=list(feature.categories),
                values_int64s=list(range(len(feature.categories))),
                default_int64=len(feature.categories),
            )
            nodes += [
                encoder,
                helper.make_node("Gather", [f"table_{j}", f"code_{j}"], [f"rows_{j}"], axis=0),
                helper.make_node("ReduceSum", [f"rows_{j}", "one"], [f"part_{j}"], keepdims=0),
            ]
            parts.append(f"part_{j}")
        for i, part in enumerate(parts):
            nodes.append(helper.make_node("Add", [f"sum_{i}", part], [f"sum_{i + 1}"]))
        nodes += [
            helper.make_node("Identity", [f"sum_{len(parts)}"], [LOGITS]),
            helper.make_node("Softmax", [LOGITS], [PROBABILITIES], axis=-1),
            helper.make_node("ArgMax", [LOGITS], [CLASS_INDEX], axis=-1, keepdims=0),
        ]
        return self._model(schema, nodes, constants)

    def model(self, schema: Schema, seed: int = 0) -> bytes:
        return bytes(self.graph(schema, seed).SerializeToString())

    def logits(self, schema: Schema, seed: int, probe: Probe) -> np.ndarray:
        """What the graph answers, computed without it."""
        weight, tables, bias = self._weights(schema, seed)
        n_samples = max(len(probe.x_num), len(probe.x_cat))
        x_num = np.nan_to_num(np.array(probe.x_num, np.float32)).reshape(n_samples, len(schema.numeric))
        logits = x_num @ weight + bias
        for j, (feature, table) in enumerate(zip(schema.categorical, tables, strict=True)):
            codes = {text: code for code, text in enumerate(feature.categories)}
            logits = logits + table[[codes.get(row[j], len(codes)) for row in probe.x_cat]]
        return np.asarray(logits)

    def probe(self, schema: Schema, seed: int = 0) -> Probe:
        x_num = tuple(tuple(cells[: len(schema.numeric)]) for cells in ((5.1, 3.5, 1.4, 0.2), (None, 3.0, 5.2, 2.3)))
        x_cat = tuple(
            tuple(feature.categories[row] for feature in schema.categorical)
            for row in range(2 if schema.features else 0)
        )
        rows = Probe(x_num=x_num, x_cat=x_cat, logits=())
        logits = self.logits(schema, seed, rows).astype(float).tolist()
        return Probe(x_num=x_num, x_cat=x_cat, logits=tuple(map(tuple, logits)))

    def report(self, schema: Schema, probe: Probe) -> Report:
        counts = tuple(10 for _ in schema.labels)
        return Report(
            config={"seed": 0},
            data=DataFacts(
                source="made up",
                sha256="0" * 64,
                n_rows=30,
                n_columns=5,
                target=schema.target,
                rows=Rows(train=20, valid=5, test=5, dropped=0),
                class_counts=counts,
            ),
            training=Training(
                stop_reason="max_epochs", n_epochs=1, best_epoch=1, n_parameters=15, seconds=0.1, history=()
            ),
            calibration=None,
            metrics=Metrics(
                n_samples=5,
                accuracy=0.9,
                balanced_accuracy=0.9,
                macro_f1=0.9,
                log_loss=0.2,
                brier=0.1,
                ece=0.05,
                majority_accuracy=0.4,
                per_class=(),
                confusion_matrix=(),
            ),
            parity=Parity(n_samples=2, max_error=1e-7, tolerance=1e-5),
            probe=probe,
            libraries={},
        )

    def publish(
        self,
        publisher: Publisher,
        name: str = "iris",
        schema: Schema | None = None,
        *,
        seed: int = 0,
        model: bytes | None = None,
        promote: bool = True,
    ) -> Card:
        """Publish a version; `model` replaces the file that its card was made for."""
        schema = schema or self.numeric()
        report = self.report(schema, self.probe(schema, seed))
        card = publisher.publish(name, self.model(schema, seed) if model is None else model, report)
        if promote:
            publisher.promote(name, card.version)
        return card

    def _weights(self, schema: Schema, seed: int) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        rng = np.random.default_rng(seed)
        n_classes = len(schema.labels)
        weight = rng.normal(size=(len(schema.numeric), n_classes)).astype(np.float32)
        tables = [rng.normal(size=(len(f.categories) + 1, n_classes)).astype(np.float32) for f in schema.categorical]
        return weight, tables, np.linspace(-0.5, 0.5, n_classes, dtype=np.float32)

    def _model(self, schema: Schema, nodes: list[onnx.NodeProto], constants: dict[str, Any]) -> onnx.ModelProto:
        n_classes = len(schema.labels)
        inputs = [
            helper.make_tensor_value_info(name, dtype, ["n_samples", width])
            for name, dtype, width in (
                (X_NUM, TensorProto.FLOAT, len(schema.numeric)),
                (X_CAT, TensorProto.STRING, len(schema.categorical)),
            )
            if width
        ]
        outputs = [
            helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["n_samples", n_classes]),
            helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["n_samples", n_classes]),
            helper.make_tensor_value_info(CLASS_INDEX, TensorProto.INT64, ["n_samples"]),
        ]
        initializers = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
        model = helper.make_model(
            helper.make_graph(nodes, "made-by-hand", inputs, outputs, initializers),
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)],
        )
        helper.set_model_props(model, schema.to_metadata())
        return model


@pytest.fixture(scope="session")
def foundry() -> Foundry:
    return Foundry()


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "models")


@pytest.fixture
def start(publisher: Publisher) -> Iterator[Callable[..., TestClient[Litestar]]]:
    """Starts an app on the publisher's folder that looks for versions only when told to (`poll`)."""
    clients: list[TestClient[Litestar]] = []

    def start_app(**overrides: Any) -> TestClient[Litestar]:
        settings = Settings.from_env({}, models=publisher.root, poll_interval_s=3600.0, **overrides)
        client = TestClient(create_app(settings))
        client.__enter__()
        clients.append(client)
        return client

    yield start_app
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def start_iris(publisher: Publisher, start: Callable[..., TestClient[Litestar]]) -> Callable[..., TestClient[Litestar]]:
    """Starts an app with litet's own iris model: as `iris`, the default, with more metadata; and as `old`,
    as it is.
    """

    def start_with(entries: dict[str, str]) -> TestClient[Litestar]:
        shipped = Repository(MODELS).read("iris", 1)
        for name, model in (("iris", add_metadata(shipped.model, entries)), ("old", shipped.model)):
            publisher.promote(name, publisher.publish(name, model, shipped.card.report).version)
        return start(default_model="iris")

    return start_with


@pytest.fixture
def poll() -> Callable[[TestClient[Litestar]], None]:
    """Has an app look for new versions, and waits until it has."""
    return lambda client: client.blocking_portal.call(client.app.state.watcher.poll)


@pytest.fixture(scope="session")
def service(foundry: Foundry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Litestar]]:
    """One app for all tests that change nothing: iris (the default), penguins, digits (int) and flags (bool labels)."""
    publisher = Publisher(tmp_path_factory.mktemp("service") / "models")
    foundry.publish(publisher, "iris")
    foundry.publish(publisher, "iris", seed=1, promote=False)
    foundry.publish(publisher, "penguins", foundry.mixed())
    foundry.publish(publisher, "digits", foundry.numeric(labels=(0, 1, 2)))
    foundry.publish(publisher, "flags", foundry.numeric(labels=(False, True)))
    settings = Settings.from_env(
        {},
        models=publisher.root,
        poll_interval_s=3600.0,
        default_model="iris",
        max_body_bytes=2 * 2**20,
        max_rows=5000,
    )
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def wire(publisher: Publisher, foundry: Any) -> Callable[..., Wire]:
    foundry.publish(publisher, "iris")
    foundry.publish(publisher, "penguins", foundry.mixed())
    return lambda **overrides: Wire(
        create_app(Settings.from_env({}, models=publisher.root, default_model="iris", **overrides))
    )
