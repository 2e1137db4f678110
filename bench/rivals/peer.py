"""Fits one model on one table and writes its answers: run by the interpreter of the peers' environment, which has no
litet. `python peer.py PEER TABLE.csv N_TRAIN SEED OUT.npz CATEGORICAL…`

Every peer has its library's defaults, and of preprocessing what its documentation asks for and no more.
"""

import pickle
import sys
import time
import warnings

import numpy as np
import pandas as pd

TARGET = "target"
N_SINGLE = 200
"""Rows that are answered one by one, to time that."""


def pipeline(model, categorical, numeric):
    """What scikit-learn's own models need: numbers filled and scaled, categories one-hot."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    columns = [("numbers", numbers, numeric), ("texts", OneHotEncoder(handle_unknown="ignore"), categorical)]
    return make_pipeline(ColumnTransformer(columns), model)


def boosted(peer, seed):
    """Trees."""
    if peer == "LightGBM":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(random_state=seed, verbose=-1)
    if peer == "XGBoost":
        from xgboost import XGBClassifier

        return XGBClassifier(random_state=seed, enable_categorical=True)
    from catboost import CatBoostClassifier

    return CatBoostClassifier(random_seed=seed, verbose=False, allow_writing_files=False)


def plain(peer, seed):
    """scikit-learn's."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    is_linear = peer == "logistic regression"
    return LogisticRegression(max_iter=1_000, random_state=seed) if is_linear else MLPClassifier(random_state=seed)


def net(peer, seed):
    """pytabkit's."""
    from pytabkit import RealMLP_TD_Classifier, TabM_D_Classifier

    kind = TabM_D_Classifier if peer == "TabM-D" else RealMLP_TD_Classifier
    members = {"n_ens": 8, "use_ls": False} if peer == "RealMLP-TD, 8 members" else {}
    return kind(random_state=seed, device="cpu", verbosity=0, **members)


def make(peer, seed, categorical, numeric):
    """A model that has not been fitted, and what its `fit` is told beside the rows."""
    if peer in {"LightGBM", "XGBoost", "CatBoost"}:
        return boosted(peer, seed), {"cat_features": categorical} if peer == "CatBoost" else {}
    if peer in {"logistic regression", "sklearn MLP"}:
        return pipeline(plain(peer, seed), categorical, numeric), {}
    return net(peer, seed), {"cat_col_names": categorical}


def features(frame, peer, categorical, n_train):
    """The columns as a peer takes them: categories known from all rows, as a table's schema would have them."""
    x = frame.drop(columns=TARGET)
    for name in categorical:
        texts = x[name].astype("object").where(x[name].notna(), "missing")
        x[name] = texts.astype(str) if peer == "CatBoost" else texts.astype("category")
    if peer.startswith(("RealMLP", "TabM")):  # which refuse missing numbers: the mean, and a column that says so
        for name in [name for name in x.columns if name not in categorical and x[name].isna().any()]:
            x[f"{name} is missing"] = x[name].isna().astype(float)
            x[name] = x[name].fillna(x[name].iloc[:n_train].mean())
    return x


def main():
    """Fit, answer, write."""
    warnings.simplefilter("ignore")
    peer, path, n_train, seed, out, *categorical = sys.argv[1:]
    n_train, seed = int(n_train), int(seed)
    frame = pd.read_csv(
        path, dtype={**dict.fromkeys(categorical, str), TARGET: str}, keep_default_na=False, na_values=[""]
    )
    labels = sorted(frame[TARGET].unique())
    y = frame[TARGET].map({label: index for index, label in enumerate(labels)}).to_numpy()
    x = features(frame, peer, categorical, n_train)
    train, test = x.iloc[:n_train], x.iloc[n_train:]
    numeric = [name for name in x.columns if name not in categorical]
    model, told = make(peer, seed, categorical, numeric)
    learnt, y_train = np.unique(y[:n_train], return_inverse=True)  # without gaps, which XGBoost refuses
    started = time.perf_counter()
    model.fit(train, y_train, **told)
    seconds = time.perf_counter() - started
    probabilities = np.zeros((len(test), len(labels)))
    probabilities[:, learnt] = model.predict_proba(test)
    singles = [test.iloc[i : i + 1] for i in range(min(N_SINGLE, len(test)))]
    took = []
    for one in singles:
        began = time.perf_counter()
        model.predict_proba(one)
        took.append(time.perf_counter() - began)
    np.savez(
        out,
        probabilities=probabilities,
        seconds=seconds,
        n_bytes=len(pickle.dumps(model)),
        us_per_row=np.median(took) * 1e6,
    )


if __name__ == "__main__":
    main()
