"""XGBoost over all labels, for mlbench: rows binned once for many trials, boosters of parts of the labels side by side.

Method: Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System" (KDD 2016); one tree a label and round.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from mlbench import FitContext, Matrix, ModelSpec, ScoreFunction, Split, hookimpl
from mlbench.toolkit.boosting import Part, Plan, boost, plan
from mlbench.toolkit.imports import import_alone

if TYPE_CHECKING:
    from optuna import Trial

    from mlbench import Scores

MAX_LEAVES = 32
"""Without a limit trees of depth 7 take twice as long, for .005 of micro average precision on yeast."""
MOST_CELLS = 1 << 28
"""Rows x features of train in all parts, up to which rows stay binned for every number of bins; of more, only for
the latest, as each takes about two bytes a cell."""

DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.08,
    "max_depth": 5,
    "min_child_weight": 0.2,
    "subsample": 0.9,
    "colsample_bytree": 0.6,
    "max_bin": 32,
}


def suggest(trial: Trial) -> dict[str, Any]:
    """The search space."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.2, log=True),
        "max_depth": trial.suggest_int("max_depth", 3, 8),
        # A sum of p(1 - p): with rare labels the usual 1.0 already forbids most splits, and 3 costs them dear.
        "min_child_weight": trial.suggest_float("min_child_weight", 0.03, 1.0, log=True),
        # Of a rare label's positives and of a label's own features a tree can spare few.
        "subsample": trial.suggest_float("subsample", 0.7, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.25, 1.0, log=True),
        # The cost of a tree is its histograms; few bins are often as good as the usual 256.
        "max_bin": trial.suggest_categorical("max_bin", [16, 32]),
    }


def prepare(train: Split, context: FitContext) -> tuple[Split, Plan]:
    """The parts; their rows are binned as the defaults are, and when a trial first asks for other bins."""
    import_alone("xgboost")
    import xgboost

    if context.device == "cuda" and not xgboost.build_info().get("USE_CUDA"):
        raise RuntimeError("this build of xgboost has no CUDA: install one that has, or run with --device cpu")
    parts = plan(train, context, screen_sparse=False)
    if context.valid is not None:  # a refit knows how many bins it wants
        binned(train, parts, n_bins(DEFAULTS["max_bin"], parts, context), context)
    return train, parts


def with_missing(X: Matrix, train: Split) -> Matrix:
    """Rows in which XGBoost can tell zeros from missing values.

    What sparse rows do not store is missing to XGBoost, and that is their zeros. So of each feature of which train
    lacks values, the missing ones are the ones of a further feature. Of other features they count as zeros.
    """
    if isinstance(X, np.ndarray) or isinstance(train.X, np.ndarray):
        return X
    gaps = np.unique(train.X.indices[np.isnan(train.X.data)])
    if not len(gaps):
        return X
    import scipy.sparse as sp  # late: dense rows have no need of it

    more = X[:, gaps]
    more.data = np.isnan(more.data).astype(np.float32)
    more.eliminate_zeros()
    return sp.csr_matrix(sp.hstack([X, more]))


def n_bins(max_bin: int, plan: Plan, context: FitContext) -> int:
    """Bins of a feature: labels' own are few, and with finer bins rare labels are found better (benchmarks/README.md).

    A refit has more rows and may share features out otherwise: it does as the trial did.
    """
    own = any(part.features is not None for part in plan.parts)
    return 2 * max_bin if context.refit_state.setdefault("finer_bins", own) else max_bin


def binned(train: Split, plan: Plan, max_bin: int, context: FitContext) -> list[tuple[Any, Any]]:
    """Each part's rows of train and valid, binned once for trials with as many bins, if memory allows."""
    import xgboost

    def both(part: Part) -> tuple[Any, Any]:
        rows = xgboost.QuantileDMatrix(
            part.seen(X, train=True), part.targets(train.Y), weight=part.weight, max_bin=max_bin, nthread=1
        )
        if X_valid is None:
            return rows, None
        valid = part.seen(X_valid)
        if not isinstance(valid, np.ndarray):
            # To read binned sparse rows XGBoost searches for each of their features; that took longer than the trees.
            return rows, xgboost.DMatrix(valid, nthread=1)
        return rows, xgboost.QuantileDMatrix(valid, ref=rows, max_bin=max_bin, nthread=1)

    if max_bin not in plan.cache:
        if sum(part.cells(train.X) for part in plan.parts) > MOST_CELLS:
            plan.cache.clear()
        X = with_missing(train.X, train)
        X_valid = None if context.valid is None else with_missing(context.valid.X, train)
        with ThreadPoolExecutor(context.threads) as pool:
            plan.cache[max_bin] = list(pool.map(both, plan.parts))
    found: list[tuple[Any, Any]] = plan.cache[max_bin]
    return found


class Trees:
    """The booster of one part."""

    def __init__(self, settings: dict[str, Any], train: Any, valid: Any) -> None:
        import xgboost

        self.train, self.valid, self.rounds = train, valid, 0
        self.booster = xgboost.Booster(settings, cache=[train] if valid is None else [train, valid])

    def grow(self, rounds: int) -> Scores | None:
        """Grow; only the new trees are run, as XGBoost keeps the margins of a matrix that it has seen."""
        for _ in range(rounds):
            self.booster.update(self.train, self.rounds)
            self.rounds += 1
        return None if self.valid is None else np.asarray(self.booster.predict(self.valid))

    def predict(self, X: Matrix, rounds: int) -> Scores:
        """Probabilities, in place, which is several times faster than through a matrix of XGBoost's."""
        # Rows to score come in main memory.
        self.booster.set_param({"device": "cpu"})
        return np.asarray(self.booster.inplace_predict(X, iteration_range=(0, min(rounds, self.rounds))))


def fit(prepared: tuple[Split, Plan], params: dict[str, Any], context: FitContext) -> ScoreFunction:
    """Boost until what is tuned stops rising on the validation rows, or as long as the winning trial did at a refit."""
    train, plan = prepared
    max_bin = n_bins(params["max_bin"], plan, context)
    matrices = binned(train, plan, max_bin, context)
    settings = {
        **params,
        "max_bin": max_bin,
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_leaves": MAX_LEAVES,
        "multi_strategy": "one_output_per_tree",
        "device": context.device,
        "verbosity": 1,
        # Else the boosters of a thread draw from one stream, in whatever order they are grown.
        "seed_per_iteration": True,
    }

    def trees(number: int, part: Part, threads: int) -> Trees:
        return Trees({**settings, "nthread": threads, "seed": (context.seed + number) % 2**31}, *matrices[number])

    score = boost(plan, context, trees)
    return lambda X: score(with_missing(X, train))


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
        accepts={"dense", "sparse", "missing", "unknown"},
        devices={"cpu", "cuda"},
    )
