"""XGBoost over all labels, for mlbench: one binned matrix a job, one booster a trial.

Method: Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System" (KDD 2016); one tree a label and round.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlbench import FitContext, Matrix, ModelSpec, Scorer, Split, hookimpl
from mlbench.metrics import average_precision

if TYPE_CHECKING:
    from optuna import Trial

MAX_ROUNDS = 200
PATIENCE = 25
"""Rounds without a better validation score before a trial stops."""
ROUNDS_WITHOUT_VALID = 60
SCORING_SHARE = 0.3
MAX_BIN = 32
"""As good as 64 or 256 on the small public sets, and several times faster: the cost of a tree is its histograms."""

DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.15,
    "max_depth": 4,
    "min_child_weight": 0.1,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "reg_lambda": 1.0,
}


def suggest(trial: Trial) -> dict[str, Any]:
    """The search space."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.4, log=True),
        "max_depth": trial.suggest_int("max_depth", 2, 7),
        # A sum of p(1 - p): with rare labels the usual 1.0 already forbids most splits.
        "min_child_weight": trial.suggest_float("min_child_weight", 0.01, 5.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.1, 1.0, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 20.0, log=True),
    }


@dataclass(frozen=True)
class Prepared:
    """What trials share: the binned rows, and the labels that there is something to learn about."""

    train: Any
    valid: Any
    share: NDArray[np.float64]
    live: NDArray[np.intp]

    def all_labels(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of all labels from those of the live ones; a constant label gets its share in train."""
        full = np.tile(self.share.astype(np.float32), (len(scores), 1))
        full[:, self.live] = scores.reshape(len(scores), -1)
        return full


def prepare(train: Split, context: FitContext) -> Prepared:
    """Bin the rows once for all trials."""
    import xgboost

    if context.device == "cuda" and not xgboost.build_info().get("USE_CUDA"):
        raise RuntimeError("this build of xgboost has no CUDA: install one that has, or run with --device cpu")
    share = train.Y.mean(axis=0, dtype=np.float64)
    live = np.flatnonzero((share > 0) & (share < 1))
    binned = valid = None
    if len(live):
        labels = train.Y[:, live].astype(np.float32)
        binned = xgboost.QuantileDMatrix(train.X, labels, max_bin=MAX_BIN, nthread=context.threads)
        if context.valid is not None:
            valid = xgboost.DMatrix(context.valid.X, nthread=context.threads)
    return Prepared(train=binned, valid=valid, share=share, live=live)


def fit(prepared: Prepared, params: dict[str, Any], context: FitContext) -> Scorer:
    """Boost until validation average precision stops rising, or as long as the winning trial did at a refit."""
    import xgboost

    if not len(prepared.live):
        return lambda X: np.tile(prepared.share, (X.shape[0], 1))
    settings = {
        **params,
        "objective": "binary:logistic",
        "tree_method": "hist",
        "multi_strategy": "one_output_per_tree",
        "max_bin": MAX_BIN,
        "device": context.device,
        "nthread": context.threads,
        "seed": context.seed,
        "verbosity": 1,
    }
    booster = xgboost.Booster(settings, cache=[prepared.train])
    best = 0
    best_value = -1.0
    for step in rounds(context):
        booster.update(prepared.train, step - 1)
        if context.valid is None:
            best = step
            continue
        # Only the new trees are run: XGBoost keeps the margins of a matrix that it has seen.
        scores = prepared.all_labels(booster.predict(prepared.valid))
        context.report(step, scores)
        value = average_precision(context.valid.Y, scores, average="micro")
        if np.isnan(value) or value > best_value:
            best, best_value = step, value
        elif step - best >= PATIENCE:
            break

    # Rows to score come in main memory; prediction in place is several times faster there than through a DMatrix.
    booster.set_param({"device": "cpu"})

    def scorer(X: Matrix) -> NDArray[np.float32]:
        return prepared.all_labels(booster.inplace_predict(X, iteration_range=(0, best)))

    return scorer


def rounds(context: FitContext) -> Iterator[int]:
    """Round numbers from 1, until there would be no time for another round and for scoring."""
    blind = context.valid is None or not context.valid.Y.any()
    began, longest = time.monotonic(), 0.0
    for step in range(1, (context.best_step or ROUNDS_WITHOUT_VALID if blind else MAX_ROUNDS) + 1):
        started = time.monotonic()
        yield step
        longest = max(longest, time.monotonic() - started)
        # The trees have yet to score whole parts, which takes a share of the time that growing them took.
        if context.seconds_left < 2 * longest + SCORING_SHARE * (time.monotonic() - began) + 0.5:
            return


@hookimpl
def mlbench_models() -> Iterator[ModelSpec]:
    """XGBoost."""
    yield ModelSpec(
        name="xgboost",
        summary="XGBoost, histogram trees, one tree a label and round",
        citation="Chen and Guestrin, XGBoost: A Scalable Tree Boosting System, KDD 2016",
        suggest=suggest,
        defaults=DEFAULTS,
        prepare=prepare,
        fit=fit,
        accepts={"dense", "sparse"},
        devices={"cpu", "cuda"},
    )
