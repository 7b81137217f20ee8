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

from mlbench import FitContext, Matrix, ModelSpec, ScoreFunction, Split, hookimpl
from mlbench.toolkit.blocks import blocks
from mlbench.toolkit.labels import label_shares
from mlbench.toolkit.scaling import SCALING, ColumnScaling, measure

if TYPE_CHECKING:
    from optuna import Trial

Singles: TypeAlias = "NDArray[np.float32]"
Floats: TypeAlias = "NDArray[np.float64]"

MAX_EPOCHS = 100
PATIENCE = 10
"""Epochs without a better validation score before a trial stops."""
EPOCHS_WITHOUT_VALID = 30
BATCH = 64
WEIGHTS_AT_ONCE = 1 << 18
"""Adam goes over so many weights at a time; fewer cost more in calls than they save in the cache."""

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
class Prepared:
    """What trials share: how to scale, and the labels that there is something to learn about."""

    X: Matrix
    columns: ColumnScaling
    Y: Singles
    share: NDArray[np.float64]
    live: NDArray[np.intp]
    known: Singles | None
    """(n, labels), 1 where the label is known and 0 elsewhere; None if all are known."""


def prepare(train: Split, context: FitContext) -> Prepared:
    """Measure the features once for all trials."""
    share = label_shares(train)
    live = np.flatnonzero((share > 0) & (share < 1))
    Y = train.Y[:, live].astype(np.float32)
    known = None if train.known is None else train.known[:, live].astype(np.float32)
    return Prepared(X=train.X, columns=measure(train.X), Y=Y, share=share, live=live, known=known)


def probabilities(margins: Singles) -> Singles:
    """The logistic function, in place; tanh cannot overflow."""
    margins *= np.float32(0.5)
    np.tanh(margins, out=margins)
    margins += 1
    margins *= np.float32(0.5)
    return margins


class Network:
    """Weights, their gradients and their moments, each one vector; layers are views of it."""

    def __init__(self, d: int, share: Floats, params: dict[str, Any], rng: np.random.Generator) -> None:
        hidden, labels = params["hidden"], len(share)
        self.step = 0
        self.rate, self.decay, self.dropout = params["learning_rate"], params["weight_decay"], params["dropout"]
        shapes = [(d, hidden), (hidden, labels), (hidden,), (labels,)]
        self.decays = d * hidden + hidden * labels
        """Only so many weights, from the first: biases do not decay."""
        self.flat, self.slopes, self.first, self.second = np.zeros((4, self.decays + hidden + labels), np.float32)
        self.buffer = np.empty(min(len(self.flat), WEIGHTS_AT_ONCE), dtype=np.float32)
        self.weights, self.gradients = layers(self.flat, shapes), layers(self.slopes, shapes)
        W, V, _, c = self.weights
        W[:] = rng.standard_normal((d, hidden), dtype=np.float32) * np.float32(np.sqrt(2 / d))
        V[:] = rng.standard_normal((hidden, labels), dtype=np.float32) * np.float32(np.sqrt(1 / hidden))
        # Outputs start at the labels' shares, so that no epoch is spent on learning them.
        c[:] = np.log(share) - np.log1p(-share)
        self.hidden, self.back, self.kept = np.empty((3, BATCH, hidden), dtype=np.float32)
        self.residual = np.empty((BATCH, labels), dtype=np.float32)

    def learn(self, X: Matrix, Y: Singles, rng: np.random.Generator, known: Singles | None = None) -> None:
        """One step of Adam on the mean over rows of the known labels' summed logistic loss; at most ``BATCH`` rows."""
        W, V, b, c = self.weights
        W_slopes, V_slopes, b_slopes, c_slopes = self.gradients
        n = len(Y)
        H, back, kept, residual = self.hidden[:n], self.back[:n], self.kept[:n], self.residual[:n]
        if isinstance(X, np.ndarray):
            np.matmul(X, W, out=H)
        else:
            H[:] = X @ W
        H += b
        np.maximum(H, 0, out=H)
        if self.dropout:
            rng.random(dtype=np.float32, out=kept)
            np.greater_equal(kept, np.float32(self.dropout), out=kept)
            kept *= np.float32(1 / (1 - self.dropout))
            H *= kept
        np.matmul(H, V, out=residual)
        residual += c
        probabilities(residual)
        residual -= Y
        if known is not None:
            residual *= known
        residual *= np.float32(1 / n)
        np.matmul(residual, V.T, out=back)
        if self.dropout:
            back *= kept
        back *= H > 0
        if isinstance(X, np.ndarray):
            np.matmul(X.T, back, out=W_slopes)
        else:
            W_slopes[:] = X.T @ back
        np.matmul(H.T, residual, out=V_slopes)
        back.sum(axis=0, out=b_slopes)
        residual.sum(axis=0, out=c_slopes)
        self.update()

    def update(self) -> None:
        """Adam with decoupled weight decay, in place."""
        self.step += 1
        # The moments are kept without the factors 0.1 and 0.001 of the gradients, which the rate takes over.
        second_unit = np.sqrt(0.001)
        bias = np.sqrt(1 - 0.999**self.step) / (1 - 0.9**self.step)
        rate, least = np.float32(self.rate * bias * 0.1 / second_unit), np.float32(1e-8 / second_unit)
        shrink = np.float32(1 - self.rate * self.decay)
        for start in range(0, len(self.flat), WEIGHTS_AT_ONCE):
            some = slice(start, start + WEIGHTS_AT_ONCE)
            w, g, first, second = self.flat[some], self.slopes[some], self.first[some], self.second[some]
            change = self.buffer[: len(w)]
            if self.decay:
                w[: max(0, self.decays - start)] *= shrink
            first *= np.float32(0.9)
            first += g
            second *= np.float32(0.999)
            np.multiply(g, g, out=change)
            second += change
            np.sqrt(second, out=change)
            change += least
            np.divide(first, change, out=change)
            change *= rate
            w -= change


def layers(flat: Singles, shapes: list[tuple[int, ...]]) -> list[Singles]:
    """Views of consecutive parts."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]


def predict(weights: list[Singles], X: Matrix) -> Singles:
    """Probabilities (n, labels) of scaled rows."""
    W, V, b, c = weights
    H: Singles = np.asarray(X @ W)
    H += b
    np.maximum(H, 0, out=H)
    margins = H @ V
    margins += c
    return probabilities(margins)


def fit(prepared: Prepared, params: dict[str, Any], context: FitContext) -> ScoreFunction:
    """Train until what is tuned stops rising on the validation rows, or as long as the winning trial did at a refit."""
    live, columns, share = prepared.live, prepared.columns.rescaled(params["scaling"]), prepared.share
    if not len(live):
        return lambda X: np.tile(share, (X.shape[0], 1))
    rng = np.random.default_rng(context.seed)
    network = Network(prepared.X.shape[1], share[live], params, rng)
    n, d = prepared.X.shape
    # Sparse rows are few enough to be kept scaled; a batch at a time, that would take longer than the products.
    X = prepared.X if isinstance(prepared.X, np.ndarray) else columns.scaled(prepared.X)
    buffer = np.empty((BATCH, d), dtype=np.float32)

    def scorer_of(weights: list[Singles]) -> ScoreFunction:
        def scorer(X: Matrix) -> Singles:
            full = np.tile(share.astype(np.float32), (X.shape[0], 1))
            full[:, live] = predict(weights, columns.scaled(X))
            return full

        return scorer

    best = network.weights
    best_step, best_value = 0, -np.inf
    for epoch in epochs(context):
        order = rng.permutation(n)
        for rows in blocks(n, BATCH):
            some = order[rows]
            known = None if prepared.known is None else prepared.known[some]
            network.learn(columns.batch(X, some, buffer), prepared.Y[some], rng, known)
        if context.valid is None:
            continue
        scores = scorer_of(network.weights)(context.valid.X)
        value = context.report(epoch, scores)
        if np.isnan(value) or value > best_value:
            best, best_step, best_value = [w.copy() for w in network.weights], epoch, value
        elif epoch - best_step >= PATIENCE:
            break
    return scorer_of(best)


def epochs(context: FitContext) -> Iterator[int]:
    """Epoch numbers from 1, until there would be no time for another epoch."""
    blind = context.valid is None or not (context.valid.labels == 1).any()
    last = context.best_step or EPOCHS_WITHOUT_VALID if blind else MAX_EPOCHS
    longest = 0.0
    for step in range(1, last + 1):
        started = time.monotonic()
        yield step
        longest = max(longest, time.monotonic() - started)
        if step < last and context.seconds_left < 2 * longest + 0.5:
            print(f"stopped after {step} of up to {last} epochs: timed out")
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
        accepts={"dense", "sparse", "unknown"},
    )
