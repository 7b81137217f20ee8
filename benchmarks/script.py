"""The script that one would write without mlbench: Optuna over the libraries' estimators, scored by scikit-learn.

``python script.py DATASET FEATURES N_TRIALS SEED MODEL...`` prints one line of JSON a model: its seconds, and
micro and macro average precision on test. Rows are dense for all five, as scaling with means wants them.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import optuna
import xgboost
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlbench.data.dataset import Dataset
from mlbench.data.formats import read_dataset
from mlbench.plugins.catalog import discover
from mlbench.plugins.worker_pool import usable_cpus

THREADS = usable_cpus()


def rows(name: str) -> Dataset:
    """A data set on disk, or one that is known by name."""
    known = discover().datasets
    if name in known and (load := known[name].spec.load) is not None:
        return load()
    return read_dataset(Path(name))


def ridge(trial: Any, seed: int) -> BaseEstimator:
    return make_pipeline(StandardScaler(), Ridge(alpha=trial.suggest_float("alpha", 1e-3, 1e4, log=True)))


def logistic(trial: Any, seed: int) -> BaseEstimator:
    strength = trial.suggest_float("C", 1e-4, 1e2, log=True)
    return make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression(C=strength, max_iter=1000)))


def mlp(trial: Any, seed: int) -> BaseEstimator:
    network = MLPClassifier(
        hidden_layer_sizes=(trial.suggest_int("width", 32, 256, log=True),),
        learning_rate_init=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        alpha=trial.suggest_float("alpha", 1e-5, 1.0, log=True),
        max_iter=60,
        random_state=seed,
    )
    return make_pipeline(StandardScaler(), network)


def trees(trial: Any) -> dict[str, Any]:
    return {
        "n_estimators": 100,
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "n_jobs": THREADS,
    }


def xgb(trial: Any, seed: int) -> BaseEstimator:
    depth = trial.suggest_int("max_depth", 2, 8)
    return xgboost.XGBClassifier(**trees(trial), max_depth=depth, tree_method="hist", random_state=seed)


def lgbm(trial: Any, seed: int) -> BaseEstimator:
    leaves = trial.suggest_int("num_leaves", 4, 63, log=True)
    one = lightgbm.LGBMClassifier(**trees(trial), num_leaves=leaves, random_state=seed, verbosity=-1)
    return OneVsRestClassifier(one)


MODELS: dict[str, Callable[[Any, int], BaseEstimator]] = {
    "ridge": ridge,
    "logistic": logistic,
    "xgboost": xgb,
    "lightgbm": lgbm,
    "mlp": mlp,
}


def scores(model: Any, X: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X))


@dataclass(frozen=True)
class Parts:
    """Rows to tune on, train and valid, rows for the final model, and test."""

    train: tuple[np.ndarray, np.ndarray]
    valid: tuple[np.ndarray, np.ndarray]
    final: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


def parts(data: Dataset, features: str, seed: int) -> Parts:
    """As mlbench has it: where the data bring their own valid part, the final model is fitted on train alone."""

    def as_asked(split: Any) -> tuple[np.ndarray, np.ndarray]:
        X = np.asarray(split.X.toarray() if issparse(split.X) else split.X)
        return (np.abs(np.fft.rfft(X)).astype(np.float32) if features == "rfft" else X), split.Y

    both, test = as_asked(data.train), as_asked(data.test)
    if data.valid is not None:
        return Parts(train=both, valid=as_asked(data.valid), final=both, test=test)
    A, B, YA, YB = train_test_split(*both, test_size=0.2, random_state=seed)
    return Parts(train=(A, YA), valid=(B, YB), final=both, test=test)


def figures(Y: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Micro and macro average precision; macro over the labels with a positive."""
    there = Y.any(axis=0)
    return {
        "average_precision_micro": float(average_precision_score(Y, found, average="micro")),
        "average_precision_macro": float(average_precision_score(Y[:, there], found[:, there], average="macro")),
    }


def main() -> None:
    name, features, n_trials, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    warnings.filterwarnings("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    of = parts(rows(name), features, seed)
    for model in sys.argv[5:] or MODELS:
        start = time.perf_counter()
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))

        def tried(trial: Any, make: Callable[[Any, int], BaseEstimator] = MODELS[model]) -> float:
            found = scores(make(trial, seed).fit(*of.train), of.valid[0])
            return float(average_precision_score(of.valid[1], found, average="micro"))

        study.optimize(tried, n_trials=n_trials)
        winner = MODELS[model](optuna.trial.FixedTrial(study.best_params), seed)
        found = scores(winner.fit(*of.final), of.test[0])
        seconds = time.perf_counter() - start
        print(json.dumps({"model": model, "seconds": seconds, **figures(of.test[1], found)}), flush=True)


if __name__ == "__main__":
    main()
