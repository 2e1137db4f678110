"""The estimator in the company that it keeps: frames, pipelines, searches, and the model file that it leaves."""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import training
from contract.config import TrainingConfig, make_config
from contract.errors import InvalidConfig, InvalidData, InvalidRows
from contract.schema import NumericFeature, Schema
from training import LitetClassifier
from training.dataset import frame_tensors
from training.parts import HeldOut
from training.run import train_model
from training.table import Table

QUICK = {"hidden_sizes": (8,), "n_members": 2, "max_epochs": 15}
NOT_PARAMETERS = {"seed", "test_fraction", "conformal_fraction", "decision", "costs"}
"""An estimator's seed is its random_state, and it sets no rows aside."""
ROOT = Path(__file__).parents[2]


def quick(**options) -> LitetClassifier:
    return LitetClassifier(**QUICK | {"random_state": 0} | options)


def birds(n: int = 80) -> tuple[pd.DataFrame, pd.Series]:
    """A column of each sort, with holes, and a label that two of them tell."""
    rng = np.random.default_rng(0)
    wing = rng.normal(size=n)
    place = rng.choice(["north", "south"], n)
    frame = pd.DataFrame(
        {
            "wing": np.where(np.arange(n) % 9 == 0, np.nan, wing),
            "place": pd.Series(place).where(np.arange(n) % 7 != 0, None),
            "ring": pd.Categorical(rng.integers(3, size=n)),
            "eggs": pd.array([None if i % 5 == 0 else i % 4 for i in range(n)], dtype="Int64"),
            "nests": np.arange(n) % 3 == 0,
            "code": pd.array(["a", None] * (n // 2), dtype="string"),
        }
    )
    return frame, pd.Series(np.where(wing + (place == "north") > 0.5, "owl", "crow"), name="bird")


def answers_of(path: Path, schema: Schema, frame: pl.DataFrame) -> np.ndarray:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], frame_tensors(schema, frame).feed())[0]


# Parameters


def test_its_parameters_are_the_training_options_with_their_defaults():
    defaults = {name: p.default for name, p in inspect.signature(LitetClassifier).parameters.items()}
    assert defaults.pop("random_state") is None
    options = {name: value for name, value in TrainingConfig().to_json().items() if name not in NOT_PARAMETERS}
    assert defaults == options


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"dropout": 2}, "dropout: expected `float` <= 0.9, got 2"),
        ({"activation": "step"}, "activation"),
        ({"batch_norm": True}, "batch_norm needs n_members of 1"),
        ({"random_state": -1}, "seed: expected `int` >= 0, got -1"),
    ],
)
def test_a_parameter_out_of_its_range_is_told_by_fit(option, message):
    estimator = quick(**option)
    with pytest.raises(InvalidConfig, match=message) as caught:
        estimator.fit([[0.0], [1.0]], [0, 1])
    assert isinstance(caught.value, ValueError)


def test_numbers_of_a_grid_are_taken_as_they_are():
    X, y = load_iris(return_X_y=True)
    one = quick(lr=np.float64(0.01), n_members=np.int64(2), hidden_sizes=np.array([8])).fit(X, y)
    assert (one.predict_proba(X) == quick(lr=0.01).fit(X, y).predict_proba(X)).all()


def test_a_random_state_fixes_the_model():
    X, y = load_iris(return_X_y=True)
    one, same, other = (quick(random_state=seed).fit(X, y).predict_proba(X) for seed in (3, 3, 4))
    assert (one == same).all()
    assert (one != other).any()
    drawn = [quick(random_state=np.random.RandomState(3)).fit(X, y).predict_proba(X) for _ in range(2)]
    assert (drawn[0] == drawn[1]).all()


def test_fits_in_several_threads_do_not_disturb_each_other():
    X, y = load_iris(return_X_y=True)
    alone = quick().fit(X, y).predict_proba(X)
    with ThreadPoolExecutor(2) as pool:
        for fitted in pool.map(lambda _: quick().fit(X, y), range(4)):
            assert (fitted.predict_proba(X) == alone).all()


# Rows


def test_a_frame_with_columns_of_every_sort_is_learnt():
    X, y = birds()
    fitted = LitetClassifier(random_state=0).fit(X, y)
    assert fitted.score(X, y) > 0.9
    assert fitted.feature_names_in_.tolist() == list(X)
    kinds = {feature.name: type(feature) for feature in fitted.schema_.features}
    assert [name for name, kind in kinds.items() if kind is NumericFeature] == ["wing", "eggs"]
    assert {feature.name: feature.categories for feature in fitted.schema_.categorical} == {
        "place": ("north", "south"),
        "ring": ("0", "1", "2"),
        "nests": ("false", "true"),
        "code": ("a",),
    }
    assert [feature.missing for feature in fitted.schema_.features] == [True, True, False, True, False, True]
    assert (fitted.schema_.target, fitted.schema_.labels) == ("bird", ("crow", "owl"))


def test_pandas_polars_and_objects_give_the_same_model():
    X, y = birds()
    X = X.astype({"ring": str})
    X["ring"] = "r" + X["ring"]
    cells = X.astype(object).where(X.notna(), None)
    polars = pl.DataFrame({name: cells[name].to_list() for name in cells})
    expected = quick().fit(X, y).predict_proba(X)
    assert (quick().fit(polars, y).predict_proba(polars) == expected).all()
    assert (quick().fit(cells, y).predict_proba(cells) == expected).all()
    assert (quick().fit(cells.to_numpy(), y).predict_proba(cells.to_numpy()) == expected).all()


def test_a_batch_may_have_other_types_than_the_rows_of_fit():
    X = pd.DataFrame({"age": [1.0, 2.0, np.nan, 4.0] * 10, "grade": ["1", "2", "x", None] * 10})
    fitted = quick().fit(X, ["a", "b"] * 20)
    batch = pd.DataFrame({"age": [1, 2], "grade": [1, 2]})
    assert (fitted.predict_proba(batch) == fitted.predict_proba(X[:2])).all()
    empty = pd.DataFrame({"age": [None, None], "grade": [None, None]}, dtype=object)
    assert np.isfinite(fitted.predict_proba(empty)).all()


def test_columns_that_litet_train_would_leave_out_are_features():
    X = pd.DataFrame({"constant": [1.0] * 40, "id": [f"n{i}" for i in range(40)], "row": range(40), "gone": np.nan})
    assert [one.name for one in quick().fit(X, [0, 1] * 20).schema_.features] == ["constant", "id", "row", "gone"]


def test_a_row_has_the_same_answer_alone():
    X, y = birds()
    fitted = LitetClassifier(max_epochs=3, random_state=0).fit(X, y)
    together = fitted.predict_proba(X)
    assert all((fitted.predict_proba(X[i : i + 1]) == together[i]).all() for i in range(len(X)))


@pytest.mark.parametrize("y", [["b", "a"], [3, 1], [True, False], [2.0, 1.0], np.array(["b", "a"], object)])
def test_labels_keep_their_type(y):
    y = np.array(list(y) * 10, dtype=getattr(y, "dtype", None))
    fitted = quick(max_epochs=100).fit(np.arange(20.0)[:, None] % 2, y)
    assert fitted.classes_.dtype == y.dtype
    assert fitted.predict([[0.0], [1.0]]).tolist() == y[:2].tolist()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_members": 1},
        {"n_members": 1, "n_frequencies": 0},
        {"n_members": 1, "n_frequencies": 0, "patience": None},
    ],
)
@pytest.mark.parametrize("class_weights", [False, True])
@pytest.mark.parametrize(
    ("X", "y"),
    [
        ([[0.0], [1.0]], [0, 1]),
        ([[0.0], [1.0], [2.0]], ["a", "b", "c"]),
        ([[1.0], [1.0], [1.0]], [0, 1, 1]),
        (np.array([["a"], ["b"], [None]], dtype=object), [0, 1, 1]),
        (np.full((4, 1), np.nan), [0, 1, 1, 0]),
    ],
)
def test_a_handful_of_rows_is_enough(options, class_weights, X, y):
    proba = quick(max_epochs=3, class_weights=class_weights, **options).fit(X, y).predict_proba(X)
    assert proba.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        ([[0.0], [1.0]], ["a", "a"], InvalidData, "at least two classes, got one class, .*'a'"),
        ([[0.0], [1.0]], [0.1, 0.2], ValueError, "Unknown label type: continuous"),
        ([[0.0], [1.0]], [0.0, np.nan], ValueError, "y contains NaN"),
        ([[0.0], [1.0]], [0], ValueError, "inconsistent numbers of samples"),
        ([[0.0], [np.inf]], [0, 1], InvalidData, "'x0' must hold numbers that are finite as float32, got inf in row 1"),
        (pd.DataFrame({"t": pd.to_datetime(["2020-01-31", "2020-02-29"])}), [0, 1], InvalidData, "'t' .* dates"),
        (pd.DataFrame({"z": [1j, 2j]}), [0, 1], InvalidData, "'z' must hold numbers, .*, got complex numbers"),
        (pd.DataFrame([[1, 2], [3, 4]], columns=["a", ""]), [0, 1], InvalidData, "names of their own"),
        (pd.DataFrame({"a": []}), [], ValueError, "at least one row"),
    ],
)
def test_what_cannot_be_learnt_from_is_told(X, y, error, message):
    with pytest.raises(error, match=message) as caught:
        quick().fit(X, y)
    assert isinstance(caught.value, ValueError)


def test_rows_that_do_not_fit_are_told_cell_by_cell():
    X, y = birds()
    fitted = quick().fit(X, y)
    with pytest.raises(InvalidRows, match=r"row 1, feature 'wing': .* got .wide.") as caught:
        fitted.predict(X.assign(wing=[0.5, "wide", *[1.0] * 78]))
    assert isinstance(caught.value, ValueError)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(X[X.columns[::-1]])
    with pytest.raises(ValueError, match="X has 1 features, but LitetClassifier is expecting 6"):
        quick().fit(X.to_numpy(), y).predict(X.to_numpy()[:, :1])


# Company


def test_it_works_in_a_pipeline():
    X, y = birds()
    scaled = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include=float)), remainder="passthrough"
    ).set_output(transform="pandas")
    pipeline = make_pipeline(scaled, quick(max_epochs=100)).fit(X, y)
    assert pipeline.score(X, y) > 0.8
    assert pipeline.predict_proba(X).shape == (80, 2)


def test_it_is_searched_over_and_cross_validated_in_processes():
    X, y = birds()
    search = GridSearchCV(quick(), {"lr": np.logspace(-6, -2, 2)}, cv=2, scoring="neg_log_loss", n_jobs=2).fit(X, y)
    assert search.best_params_ == {"lr": 0.01}
    assert (search.predict(X) == search.best_estimator_.predict(X)).all()
    one, other = (cross_val_score(quick(), X, y, cv=2, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert one.tolist() == other.tolist()


def test_a_clone_has_the_parameters_and_nothing_that_was_learnt(tmp_path):
    X, y = birds()
    copy = clone(quick(lr=0.02).fit(X, y))
    assert copy.get_params() == quick(lr=0.02).get_params()
    for call in (lambda: copy.predict(X), lambda: copy.export(tmp_path / "model.onnx")):
        with pytest.raises(NotFittedError):
            call()
    assert not list(tmp_path.iterdir())


# The model file


def test_an_exported_file_gives_the_very_probabilities(tmp_path):
    X, y = birds()
    fitted = quick().fit(X.drop(columns=["ring", "nests"]), y)
    fitted.export(tmp_path / "model.onnx")
    rows = pl.DataFrame({name: X[name].astype(object).where(X[name].notna(), None).to_list() for name in X})
    served = answers_of(tmp_path / "model.onnx", fitted.schema_, rows)
    assert (served == fitted.predict_proba(X.drop(columns=["ring", "nests"]))).all()
    session = ort.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert Schema.from_metadata(session.get_modelmeta().custom_metadata_map) == fitted.schema_


def test_it_is_what_litet_train_makes_of_the_same_rows(tmp_path):
    X, y = birds()
    places = X["place"].astype(object).where(X["place"].notna(), None)
    frame = pl.DataFrame({"wing": X["wing"].to_numpy(), "place": places.to_list(), "bird": y.to_list()})
    elsewhere = HeldOut(frame.head(5), np.empty(0, np.int64))  # so that no row of the table is a test row
    table = Table(frame=frame, source="birds.csv", sha256="0" * 64, target=None, warnings=())
    config = make_config(**QUICK, seed=7, conformal_fraction=0)
    trained = train_model(table, "bird", config, held_out=elsewhere)
    quick(random_state=7).fit(X[["wing", "place"]], y).export(tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == trained.model


def test_how_training_went_is_kept():
    X, y = birds()
    fitted = quick(max_epochs=4).fit(X, y)
    assert [record.epoch for record in fitted.history_] == [1, 2, 3, 4]
    assert fitted.best_epoch_ == min(fitted.history_, key=lambda record: record.valid_loss).epoch


# Imports

FRESH = """
import pathlib, pickle, sys

fitted, X, expected = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
assert (fitted.predict_proba(X) == expected).all()
assert "torch" not in sys.modules
"""


def run_fresh(code: str, *arguments: object, home: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    subprocess.run(command, env=environment | {"HOME": str(home)}, cwd=ROOT, check=True)


def test_a_pickled_one_predicts_without_torch_and_leaves_no_trace(tmp_path):
    X, y = birds()
    fitted = quick().fit(X, y)
    (tmp_path / "fitted.pkl").write_bytes(pickle.dumps((fitted, X, fitted.predict_proba(X))))
    (tmp_path / "home").mkdir()
    run_fresh(FRESH, tmp_path / "fitted.pkl", home=tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []


def test_a_fit_leaves_no_trace_in_the_home_folder(tmp_path):
    code = "from training import LitetClassifier\nLitetClassifier(max_epochs=1).fit([[0.0], [1.0]], [0, 1])"
    run_fresh(code, home=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import training", ["sklearn", "polars", "torch", "onnxruntime"]),
        ("from training import LitetClassifier", ["torch", "onnxruntime"]),
    ],
)
def test_importing_is_cheap(statement, absent, tmp_path):
    run_fresh(f"{statement}\nimport sys\nassert not set({absent}) & set(sys.modules)", home=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_package_has_no_other_names():
    with pytest.raises(AttributeError, match="module 'training' has no attribute 'LitetRegressor'"):
        _ = training.LitetRegressor
