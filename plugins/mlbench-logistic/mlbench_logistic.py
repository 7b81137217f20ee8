"""One-vs-rest logistic regression, for mlbench: the labels are separate problems that are solved together.

Method: L2-penalised logistic regression of each label; L-BFGS (Liu and Nocedal, "On the limited memory BFGS
method for large scale optimization", 1989) on all labels' weights at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlbench import FitContext, Matrix, ModelSpec, Scorer, Split, hookimpl
from mlbench.data.dataset import blocks

if TYPE_CHECKING:
    from optuna import Trial

Singles: TypeAlias = "NDArray[np.float32]"

DEFAULTS: dict[str, Any] = {"C": 0.01}
MAX_ITERATIONS = 500
TOLERANCE = 1e-5


def suggest(trial: Trial) -> dict[str, Any]:
    """The search space."""
    return {"C": trial.suggest_float("C", 1e-5, 1e2, log=True)}


@dataclass(frozen=True)
class Columns:
    """Centre and inverse spread of the features; ``inverse`` is 0 for a constant one, which so drops out."""

    centre: Singles
    inverse: Singles

    def scaled(self, X: Matrix) -> Matrix:
        """Dense rows standardised; sparse rows divided by the spread, not centred, so that zeros stay."""
        if not isinstance(X, np.ndarray):
            return X.multiply(self.inverse).tocsr().astype(np.float32)
        part: Singles = np.subtract(X, self.centre)
        part *= self.inverse
        return part


def measure(X: Matrix) -> Columns:
    """Means and standard deviations in double precision; a sparse matrix is centred at 0."""
    n, d = X.shape
    if not isinstance(X, np.ndarray):
        constant = np.asarray(X.max(axis=0).toarray() == X.min(axis=0).toarray()).ravel()
        mean = np.asarray(X.sum(axis=0, dtype=np.float64)).ravel() / n
        there = np.bincount(X.indices, minlength=d)
        squares = np.bincount(X.indices, (X.data - mean[X.indices]) ** 2, minlength=d) + (n - there) * mean**2
    else:
        mean = sum((X[rows].sum(axis=0, dtype=np.float64) for rows in blocks(n)), np.zeros(d)) / n
        squares = np.zeros(d)
        constant = np.ones(d, dtype=bool)
        for rows in blocks(n):
            squares += np.square(X[rows] - mean).sum(axis=0)
            constant &= (X[rows] == X[0]).all(axis=0)
    spread = np.sqrt(squares / n)
    constant |= spread < np.finfo(np.float32).tiny
    inverse = np.where(constant, 0, 1 / np.where(constant, 1, spread)).astype(np.float32)
    return Columns(centre=mean.astype(np.float32), inverse=inverse)


def probabilities(margins: Singles) -> Singles:
    """The logistic function, in place; tanh cannot overflow."""
    margins *= np.float32(0.5)
    np.tanh(margins, out=margins)
    margins += 1
    margins *= np.float32(0.5)
    return margins


@dataclass(frozen=True)
class Prepared:
    """What trials share: the scaled rows, and the labels that there is something to learn about."""

    columns: Columns
    X: Matrix
    mean: Singles
    Y: Singles
    share: NDArray[np.float64]
    live: NDArray[np.intp]


def prepare(train: Split, context: FitContext) -> Prepared:
    """Scale the rows once for all trials."""
    columns = measure(train.X)
    share = train.Y.mean(axis=0, dtype=np.float64)
    live = np.flatnonzero((share > 0) & (share < 1))
    X = columns.scaled(train.X)
    mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel().astype(np.float32)
    return Prepared(columns=columns, X=X, mean=mean, Y=train.Y[:, live].astype(np.float32), share=share, live=live)


def solve(prepared: Prepared, C: float, context: FitContext) -> tuple[Singles, Singles]:
    """Weights (d, k) of the centred, scaled features, and intercepts (k,)."""
    from scipy.optimize import minimize

    X, Y, mean = prepared.X, prepared.Y, prepared.mean
    n, d, k = X.shape[0], X.shape[1], Y.shape[1]
    penalty = 1 / (C * n)

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        W = flat.reshape(d + 1, k).astype(np.float32)
        margins = np.asarray(X @ W[:d])
        margins += W[d] - mean @ W[:d]
        loss = (np.logaddexp(0, margins) - Y * margins).sum(dtype=np.float64) / n
        residual = probabilities(margins)
        residual -= Y
        total = residual.sum(axis=0)
        gradient = np.empty((d + 1, k))
        gradient[:d] = X.T @ residual
        gradient[:d] -= np.outer(mean, total)
        gradient[d] = total
        gradient /= n
        weights = flat[: d * k]
        gradient[:d] += penalty * weights.reshape(d, k)
        return loss + 0.5 * penalty * float(weights @ weights), gradient.ravel()

    latest: list[NDArray[np.float64]] = []

    def watch(intermediate_result: Any) -> None:
        latest[:] = [intermediate_result.x]
        if context.seconds_left < 2:
            raise StopIteration

    share = prepared.share[prepared.live]
    start = np.zeros((d + 1, k))
    start[d] = np.log(share) - np.log1p(-share)
    answer = minimize(
        objective,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=watch,
        options={
            "maxiter": MAX_ITERATIONS,
            "maxfun": 2 * MAX_ITERATIONS,
            "gtol": TOLERANCE,
            "ftol": 1e-9,
            "maxcor": 10,
        },
    )
    found = answer.x.reshape(d + 1, k)
    return found[:d].astype(np.float32), found[d].astype(np.float32)


def fit(prepared: Prepared, params: dict[str, Any], context: FitContext) -> Scorer:
    """One solution for all labels; a constant label gets its share in train."""
    columns, live, share = prepared.columns, prepared.live, prepared.share.astype(np.float32)
    W = intercept = np.zeros(0, dtype=np.float32)
    if len(live):
        W, intercept = solve(prepared, params["C"], context)
        intercept = intercept - prepared.mean @ W

    def scorer(X: Matrix) -> Singles:
        full = np.tile(share, (X.shape[0], 1))
        if len(live):
            full[:, live] = probabilities(np.asarray(columns.scaled(X) @ W) + intercept)
        return full

    return scorer


@hookimpl
def mlbench_models() -> Iterator[ModelSpec]:
    """Logistic regression."""
    yield ModelSpec(
        name="logistic",
        summary="One-vs-rest logistic regression, L2 penalty, all labels together",
        citation="Liu and Nocedal, On the limited memory BFGS method for large scale optimization, 1989",
        suggest=suggest,
        defaults=DEFAULTS,
        prepare=prepare,
        fit=fit,
        accepts={"dense", "sparse"},
    )
