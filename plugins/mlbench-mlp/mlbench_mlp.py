"""A neural network with one hidden layer over all labels, for mlbench, in plain NumPy.

Method: rectified linear units, dropout (Srivastava et al., 2014), Adam (Kingma and Ba, 2015) with decoupled
weight decay (Loshchilov and Hutter, 2019), minibatches, and early stopping on validation average precision.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlbench import FitContext, Matrix, ModelSpec, Scorer, Split, hookimpl
from mlbench.data.dataset import blocks
from mlbench.metrics import average_precision

if TYPE_CHECKING:
    from optuna import Trial

Singles: TypeAlias = "NDArray[np.float32]"

MAX_EPOCHS = 100
PATIENCE = 10
"""Epochs without a better validation score before a trial stops."""
EPOCHS_WITHOUT_VALID = 30
BATCH = 64
SCALING = {"standard": 1.0, "pareto": 0.5, "none": 0.0}
"""The power of its standard deviation that a centred feature is divided by; "pareto" after van den Berg et al.,
"Centering, scaling, and transformations", BMC Genomics 2006."""

DEFAULTS: dict[str, Any] = {
    "hidden": 128,
    "learning_rate": 1e-3,
    "weight_decay": 1e-3,
    "dropout": 0.2,
    "scaling": "pareto",
}


def suggest(trial: Trial) -> dict[str, Any]:
    """The search space."""
    return {
        "hidden": trial.suggest_int("hidden", 32, 512, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-5, 1.0, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6),
        "scaling": trial.suggest_categorical("scaling", list(SCALING)),
    }


@dataclass(frozen=True)
class Columns:
    """Centre of the features and what they are multiplied by, which is 0 for a constant one."""

    centre: Singles
    inverse: Singles

    def rescaled(self, scaling: str) -> Columns:
        """The same, with another power of the spread; the mean variance stays 1, which the initial weights expect."""
        inverse = self.inverse.astype(np.float64)
        live = inverse > 0
        factor = np.zeros(len(inverse))
        if live.any():
            factor[live] = (inverse[live].min() / inverse[live]) ** (1 - SCALING[scaling])
            factor /= np.sqrt(np.mean(factor[live] ** 2))
        return Columns(centre=self.centre, inverse=(inverse * factor).astype(np.float32))

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


@dataclass(frozen=True)
class Prepared:
    """What trials share: how to scale, and the labels that there is something to learn about."""

    X: Matrix
    columns: Columns
    Y: Singles
    share: NDArray[np.float64]
    live: NDArray[np.intp]


def prepare(train: Split, context: FitContext) -> Prepared:
    """Measure the features once for all trials."""
    share = train.Y.mean(axis=0, dtype=np.float64)
    live = np.flatnonzero((share > 0) & (share < 1))
    Y = train.Y[:, live].astype(np.float32)
    return Prepared(X=train.X, columns=measure(train.X), Y=Y, share=share, live=live)


def probabilities(margins: Singles) -> Singles:
    """The logistic function, in place; tanh cannot overflow."""
    margins *= np.float32(0.5)
    np.tanh(margins, out=margins)
    margins += 1
    margins *= np.float32(0.5)
    return margins


class Network:
    """Weights, and their moments for Adam."""

    def __init__(self, d: int, share: NDArray[np.float64], params: dict[str, Any], rng: np.random.Generator) -> None:
        hidden = params["hidden"]
        self.step = 0
        self.rate, self.decay, self.dropout = params["learning_rate"], params["weight_decay"], params["dropout"]
        self.weights: list[Singles] = [
            rng.standard_normal((d, hidden), dtype=np.float32) * np.float32(np.sqrt(2 / d)),
            np.zeros(hidden, dtype=np.float32),
            rng.standard_normal((hidden, len(share)), dtype=np.float32) * np.float32(np.sqrt(1 / hidden)),
            # Outputs start at the labels' shares, so that no epoch is spent on learning them.
            (np.log(share) - np.log1p(-share)).astype(np.float32),
        ]
        self.first = [np.zeros_like(w) for w in self.weights]
        self.second = [np.zeros_like(w) for w in self.weights]

    def learn(self, X: Matrix, Y: Singles, rng: np.random.Generator) -> None:
        """One step of Adam on the mean over rows of the labels' summed logistic loss."""
        W, b, V, c = self.weights
        H = np.asarray(X @ W)
        H += b
        np.maximum(H, 0, out=H)
        kept = np.float32(1 / (1 - self.dropout)) * (rng.random(H.shape, dtype=np.float32) >= self.dropout)
        H *= kept
        residual = probabilities(H @ V + c)
        residual -= Y
        residual *= np.float32(1 / len(Y))
        back = residual @ V.T
        back *= kept
        back *= H > 0
        self.update([np.asarray(X.T @ back), back.sum(axis=0), H.T @ residual, residual.sum(axis=0)])

    def update(self, gradients: list[Singles]) -> None:
        """Adam with decoupled weight decay, in place; biases do not decay."""
        self.step += 1
        rate = np.float32(self.rate * np.sqrt(1 - 0.999**self.step) / (1 - 0.9**self.step))
        for w, g, first, second in zip(self.weights, gradients, self.first, self.second, strict=True):
            if w.ndim == 2:
                w *= np.float32(1 - self.rate * self.decay)
            first *= np.float32(0.9)
            first += np.float32(0.1) * g
            second *= np.float32(0.999)
            np.square(g, out=g)
            g *= np.float32(0.001)
            second += g
            np.sqrt(second, out=g)
            g += np.float32(1e-8)
            np.divide(first, g, out=g)
            g *= rate
            w -= g


def predict(weights: list[Singles], X: Matrix) -> Singles:
    """Probabilities (n, labels) of scaled rows."""
    W, b, V, c = weights
    return probabilities(np.maximum(np.asarray(X @ W) + b, 0) @ V + c)


def fit(prepared: Prepared, params: dict[str, Any], context: FitContext) -> Scorer:
    """Train until validation average precision stops rising, or as long as the winning trial did at a refit."""
    live, columns, share = prepared.live, prepared.columns.rescaled(params["scaling"]), prepared.share
    if not len(live):
        return lambda X: np.tile(share, (X.shape[0], 1))
    rng = np.random.default_rng(context.seed)
    network = Network(prepared.X.shape[1], share[live], params, rng)
    n = len(prepared.Y)

    def scorer_of(weights: list[Singles]) -> Scorer:
        def scorer(X: Matrix) -> Singles:
            full = np.tile(share.astype(np.float32), (X.shape[0], 1))
            full[:, live] = predict(weights, columns.scaled(X))
            return full

        return scorer

    best = network.weights
    best_step, best_value = 0, -1.0
    for epoch in epochs(context):
        order = rng.permutation(n)
        for rows in blocks(n, BATCH):
            some = order[rows]
            network.learn(columns.scaled(prepared.X[some]), prepared.Y[some], rng)
        if context.valid is None:
            continue
        scores = scorer_of(network.weights)(context.valid.X)
        context.report(epoch, scores)
        value = average_precision(context.valid.Y, scores, average="micro")
        if np.isnan(value) or value > best_value:
            best, best_step, best_value = [w.copy() for w in network.weights], epoch, value
        elif epoch - best_step >= PATIENCE:
            break
    return scorer_of(best)


def epochs(context: FitContext) -> Iterator[int]:
    """Epoch numbers from 1, until there would be no time for another epoch."""
    blind = context.valid is None or not context.valid.Y.any()
    longest = 0.0
    for step in range(1, (context.best_step or EPOCHS_WITHOUT_VALID if blind else MAX_EPOCHS) + 1):
        started = time.monotonic()
        yield step
        longest = max(longest, time.monotonic() - started)
        if context.seconds_left < 2 * longest + 0.5:
            return


@hookimpl
def mlbench_models() -> Iterator[ModelSpec]:
    """A neural network."""
    yield ModelSpec(
        name="mlp",
        summary="Neural network with one hidden layer, dropout, early stopping",
        citation="Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015",
        suggest=suggest,
        defaults=DEFAULTS,
        prepare=prepare,
        fit=fit,
        accepts={"dense", "sparse"},
    )
