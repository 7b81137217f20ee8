"""LightGBM over all labels, for mlbench: rows binned once a job, boosters of parts of the labels side by side.

Method: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree" (NIPS 2017). A part's labels
are the "classes" of one booster with an objective of our own, the logistic loss of each label by itself: so every
round grows one tree a label over shared bins. Where labels see all rows and features, thresholds are drawn at random:
Geurts, Ernst and Wehenkel, "Extremely randomized trees" (Machine Learning 63, 2006).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlbench import FitContext, Matrix, ModelSpec, ScoreFunction, Split, hookimpl
from mlbench.toolkit.blocks import blocks
from mlbench.toolkit.boosting import Part, Plan, boost, plan
from mlbench.toolkit.imports import import_alone

if TYPE_CHECKING:
    from optuna import Trial

    from mlbench import Scores

Floats = NDArray[np.float64]
TREES_AT_ONCE = 512
"""LightGBM runs each row through all trees; with many labels they outgrow the processor's cache, so it gets a
few rounds at a time, which is several times faster."""
BINNING: dict[str, Any] = {
    "max_bin": 63,
    "feature_pre_filter": False,  # or min_data_in_leaf could not change between trials
    "force_col_wise": True,
    "verbosity": -1,
    "num_threads": 1,
}

LAMBDA_L2 = 1.0
"""Not tuned: from .01 to 20 it makes no difference that three data sets could show."""

DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.08,
    "num_leaves": 31,
    "min_data_in_leaf": 10,
    "feature_fraction": 0.5,
}


def suggest(trial: Trial) -> dict[str, Any]:
    """The search space."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 10, 64, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 3, 50, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 1.0, log=True),
    }


def sigmoid(margins: Floats) -> Floats:
    """Probability of a margin; tanh cannot overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * margins)


def prepare(train: Split, context: FitContext) -> tuple[Plan, list[tuple[Any, Any, NDArray[np.float32]]]]:
    """The parts, and of each: its rows binned once for all trials, those of valid, and its labels."""
    import_alone("lightgbm")
    import lightgbm

    parts = plan(train, context, screen_sparse=True)
    settings = {**BINNING, "seed": context.seed}

    def binned(part: Part) -> tuple[Any, Any]:
        X = part.seen(train.X, train=True)
        rows = lightgbm.Dataset(X, label=np.zeros(X.shape[0]), params=settings).construct()
        if context.valid is None:
            return rows, None
        X = part.seen(context.valid.X)
        return rows, rows.create_valid(X, label=np.zeros(X.shape[0]), params=settings).construct()

    if all(part.whole for part in parts.parts):
        both = [binned(parts.parts[0])] * len(parts.parts) if parts.parts else []
    else:
        with ThreadPoolExecutor(context.threads) as pool:
            both = list(pool.map(binned, parts.parts))
    parts.cache["sparse"] = not isinstance(train.X, np.ndarray)
    # LightGBM refuses rows that no feature can split: their labels keep their share, as constant ones do.
    usable = [(part, rows) for part, rows in zip(parts.parts, both, strict=True) if _can_split(rows[0])]
    return (
        replace(parts, parts=tuple(part for part, _ in usable)),
        [(*rows, part.targets(train.Y)) for part, rows in usable],
    )


def _can_split(rows: Any) -> bool:
    """Whether any feature of the binned rows has more than one bin."""
    return any(rows.feature_num_bin(feature) > 1 for feature in range(rows.num_feature()))


class Trees:
    """The booster of one part."""

    def __init__(self, settings: dict[str, Any], part: Part, train: Any, valid: Any, Y: NDArray[np.float32]) -> None:
        import lightgbm

        self.Y = Y.astype(np.float64)
        self.weight = None if part.weight is None else part.weight[:, None].astype(np.float64)
        share = np.average(self.Y, axis=0, weights=part.weight)
        self.start = np.log(share) - np.log1p(-share)
        """Log-odds of the labels: where boosting starts."""
        self.latest: list[Floats] = []
        self.valid = valid
        self.stored = [0]
        """After each round, the iterations that LightGBM has: none for a round in which it found no split."""
        self.booster = lightgbm.Booster({**settings, "num_class": len(part.labels)}, train)
        if valid is not None:
            self.booster.add_valid(valid, "valid")

    def gradients(self, margins: Floats, _: Any) -> tuple[Floats, Floats]:
        """Of the logistic loss of each label, by the margins (r, l)."""
        p = sigmoid(margins.reshape(self.Y.shape) + self.start)
        gradient, hessian = p - self.Y, p * (1 - p)
        if self.weight is not None:
            gradient, hessian = gradient * self.weight, hessian * self.weight
        return (gradient, hessian) if p.shape[1] > 1 else (gradient[:, 0], hessian[:, 0])

    def keep_margins(self, margins: Floats, _: Any) -> tuple[str, float, bool]:
        """What LightGBM takes for a figure is the way to the margins that it keeps."""
        self.latest[:] = [margins]
        return "none", 0.0, True

    def grow(self, rounds: int) -> Scores | None:
        """Grow; only the new trees are run on the rows of valid."""
        for _ in range(rounds):
            self.booster.update(fobj=self.gradients)
            self.stored.append(self.booster.current_iteration())
        if self.valid is None:
            return None
        self.booster.eval_valid(feval=self.keep_margins)
        return self.probabilities(self.latest[0])

    def predict(self, X: Matrix, rounds: int) -> Scores:
        """Probabilities, some rounds at a time."""
        margins = sum(
            np.asarray(
                self.booster.predict(
                    X,
                    raw_score=True,
                    start_iteration=some.start,
                    num_iteration=some.stop - some.start,
                    num_threads=1,
                )
            )
            for some in blocks(self.stored[min(rounds, len(self.stored) - 1)], max(1, TREES_AT_ONCE // self.Y.shape[1]))
        )
        return self.probabilities(margins)

    def probabilities(self, margins: Any) -> Floats:
        """Of margins (n, l)."""
        return sigmoid(margins.reshape(len(margins), -1) + self.start)


def fit(
    prepared: tuple[Plan, list[tuple[Any, Any, NDArray[np.float32]]]], params: dict[str, Any], context: FitContext
) -> ScoreFunction:
    """Boost until what is tuned stops rising on the validation rows, or as long as the winning trial did at a refit."""
    plan, rows = prepared
    settings = {**params, **BINNING, "lambda_l2": LAMBDA_L2, "objective": "none", "deterministic": True}
    nothing_chosen = not any(part.chosen for part in plan.parts)

    def trees(number: int, part: Part, threads: int) -> Trees:
        seed = (context.seed + number) % 2**31
        # Twice as fast, and better, on few rows where labels share all features; on a label's own features worse for
        # rare labels (benchmarks/README.md). A refit has more rows and may share them out: it does as the trial did.
        drawn = context.refit_state.setdefault("extra_trees", nothing_chosen)
        more = {"extra_trees": drawn, "num_threads": threads, "seed": seed}
        if plan.cache["sparse"] and not drawn:
            # LightGBM copies sparse rows for a tree that sees less than six tenths of what is stored, which takes as
            # long as growing it; what is drawn for a node it does not copy.
            more |= {"feature_fraction": 1.0, "feature_fraction_bynode": settings["feature_fraction"]}
        return Trees({**settings, **more}, part, *rows[number])

    return boost(plan, context, trees)


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
        accepts={"dense", "sparse", "missing", "unknown"},
    )
