"""LightGBM over all labels, for mlbench: one binned data set a job, one booster a trial.

Method: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree" (NIPS 2017). The labels are
the "classes" of one booster with an objective of our own, the logistic loss of each label by itself. So every
round grows one tree a label over shared bins and shared histogram memory, where a booster a label would hold
its own histograms, gigabytes in all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlbench import FitContext, Matrix, ModelSpec, Scorer, Split, hookimpl
from mlbench.data.dataset import blocks
from mlbench.metrics import average_precision

if TYPE_CHECKING:
    from optuna import Trial

MAX_ROUNDS = 200
PATIENCE = 20
"""Rounds without a better validation score before a trial stops."""
ROUNDS_WITHOUT_VALID = 60
SCORING_SHARE = 0.3
TREES_AT_ONCE = 512
"""LightGBM runs each row through all trees; with many labels they outgrow the processor's cache, so it gets a
few rounds at a time, which is several times faster."""
BINNING: dict[str, Any] = {
    "max_bin": 63,
    "feature_pre_filter": False,  # or min_data_in_leaf could not change between trials
    "force_col_wise": True,
    "verbosity": -1,
}

DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.15,
    "num_leaves": 10,
    "min_data_in_leaf": 5,
    "feature_fraction": 0.3,
    "lambda_l2": 1.0,
}


def suggest(trial: Trial) -> dict[str, Any]:
    """The search space."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.4, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 3, 31, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 1, 50, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.1, 1.0, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.1, 20.0, log=True),
    }


@dataclass(frozen=True)
class Prepared:
    """What trials share: the binned rows, and the labels that there is something to learn about."""

    train: Any
    valid: Any
    Y: NDArray[np.float64]
    share: NDArray[np.float64]
    live: NDArray[np.intp]

    def probabilities(self, margins: Any) -> NDArray[np.float64]:
        """Scores of all labels (n, k) from the live labels' margins; a constant label gets its share in train."""
        full = np.tile(self.share, (len(margins), 1))
        full[:, self.live] = sigmoid(margins.reshape(len(margins), -1) + self.start)
        return full

    @property
    def start(self) -> NDArray[np.float64]:
        """Log-odds of the live labels: where boosting starts."""
        share = self.share[self.live]
        return np.log(share) - np.log1p(-share)


def sigmoid(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of a margin; tanh cannot overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * margins)


def prepare(train: Split, context: FitContext) -> Prepared:
    """Bin the rows once for all trials."""
    import lightgbm

    share = train.Y.mean(axis=0, dtype=np.float64)
    live = np.flatnonzero((share > 0) & (share < 1))
    settings = {**BINNING, "num_threads": context.threads, "seed": context.seed}
    binned = lightgbm.Dataset(train.X, label=np.zeros(len(train)), params=settings).construct()
    valid = None
    if context.valid is not None:
        valid = binned.create_valid(context.valid.X, label=np.zeros(len(context.valid)), params=settings)
        valid.construct()
    return Prepared(train=binned, valid=valid, Y=train.Y[:, live].astype(np.float64), share=share, live=live)


def fit(prepared: Prepared, params: dict[str, Any], context: FitContext) -> Scorer:
    """Boost until validation average precision stops rising, or as long as the winning trial did at a refit."""
    import lightgbm

    if not len(prepared.live):
        return lambda X: np.tile(prepared.share, (X.shape[0], 1))
    settings = {
        **params,
        **BINNING,
        "objective": "none",
        "num_class": len(prepared.live),
        "num_threads": context.threads,
        "seed": context.seed,
        "deterministic": True,
    }

    def objective(margins: NDArray[np.float64], _: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        p = sigmoid(margins.reshape(prepared.Y.shape) + prepared.start)
        gradient, hessian = p - prepared.Y, p * (1 - p)
        return (gradient, hessian) if p.shape[1] > 1 else (gradient[:, 0], hessian[:, 0])

    booster = lightgbm.Booster(settings, prepared.train)
    if context.valid is not None:
        booster.add_valid(prepared.valid, "valid")
    best, best_value = 0, -1.0
    latest: list[NDArray[np.float64]] = []

    def keep_margins(margins: NDArray[np.float64], _: Any) -> tuple[str, float, bool]:
        latest[:] = [margins]
        return "none", 0.0, True

    for step in rounds(context):
        booster.update(fobj=objective)
        if context.valid is None:
            best = step
            continue
        booster.eval_valid(feval=keep_margins)
        scores = prepared.probabilities(latest[0])
        context.report(step, scores)
        value = average_precision(context.valid.Y, scores, average="micro")
        if np.isnan(value) or value > best_value:
            best, best_value = step, value
        elif step - best >= PATIENCE:
            break

    def scorer(X: Matrix) -> NDArray[np.float64]:
        margins = sum(
            np.asarray(
                booster.predict(
                    X,
                    raw_score=True,
                    start_iteration=some.start,
                    num_iteration=some.stop - some.start,
                    num_threads=context.threads,
                )
            )
            for some in blocks(best, max(1, TREES_AT_ONCE // len(prepared.live)))
        )
        return prepared.probabilities(margins)

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
    """LightGBM."""
    yield ModelSpec(
        name="lightgbm",
        summary="LightGBM, one tree a label and round over shared bins",
        citation="Ke et al., LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NIPS 2017",
        suggest=suggest,
        defaults=DEFAULTS,
        prepare=prepare,
        fit=fit,
        accepts={"dense", "sparse"},
    )
