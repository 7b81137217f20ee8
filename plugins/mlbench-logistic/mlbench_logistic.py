"""One-vs-rest logistic regression, for mlbench: the labels are separate problems that are solved side by side.

Method: L2-penalised logistic regression of each label, by L-BFGS (Liu and Nocedal, "On the limited memory BFGS
method for large scale optimization", Mathematical Programming 1989). Every label has its own curvature pairs and
its own step length, but the two products with the rows that an iteration takes are shared, and a label that has
converged leaves. The step length costs no product: it is found on the margins along the search direction.
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

if TYPE_CHECKING:
    from optuna import Trial

Singles: TypeAlias = "NDArray[np.float32]"
Pairs: TypeAlias = "list[tuple[Singles, Singles, Singles]]"
"""Steps, changes of the gradient along them, and one over their inner products, the latest last."""

SCALING = {"standard": 1.0, "pareto": 0.5, "none": 0.0}
"""The power of its standard deviation that a centred feature is divided by; "pareto" after van den Berg et al.,
"Centering, scaling, and transformations", BMC Genomics 2006."""
TOLERANCE = 3e-5
"""Largest slope of the mean loss, per standard deviation of a feature, at which a label has converged."""
MAX_ITERATIONS = 300
HISTORY = 8
CELLS_AT_ONCE = 1 << 24
"""Labels are solved in groups whose arrays have at most so many cells."""

DEFAULTS: dict[str, Any] = {"C": 0.02, "scaling": "pareto"}


def suggest(trial: Trial) -> dict[str, Any]:
    """The search space."""
    return {
        "C": trial.suggest_float("C", 1e-5, 1e2, log=True),
        "scaling": trial.suggest_categorical("scaling", list(SCALING)),
    }


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
    """What is left of the means of the scaled features: all of it where they are sparse."""
    Y: Singles
    """(labels, n), of the live labels only."""
    share: NDArray[np.float64]
    live: NDArray[np.intp]

    def margins(self, V: Singles) -> Singles:
        """(labels, n) of weights (labels, d + 1), whose last column is the intercept of the centred features."""
        W = V[:, :-1]
        margins: Singles = np.ascontiguousarray((self.X @ W.T).T)
        margins += (V[:, -1] - W @ self.mean)[:, None]
        return margins

    def slopes(self, residual: Singles, V: Singles, penalty: Singles) -> Singles:
        """Gradient (labels, d + 1) of the mean loss plus the penalty."""
        slopes = np.empty_like(V)
        total = residual.sum(axis=1)
        slopes[:, :-1] = (self.X.T @ residual.T).T
        slopes[:, :-1] -= np.outer(total, self.mean)
        slopes[:, -1] = total
        slopes /= np.float32(self.X.shape[0])
        slopes += penalty * V
        return slopes


def prepare(train: Split, context: FitContext) -> Prepared:
    """Scale the rows once for all trials."""
    columns = measure(train.X)
    share = train.Y.mean(axis=0, dtype=np.float64)
    live = np.flatnonzero((share > 0) & (share < 1))
    X = columns.scaled(train.X)
    mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel().astype(np.float32)
    Y = np.ascontiguousarray(train.Y[:, live].T, dtype=np.float32)
    return Prepared(columns=columns, X=X, mean=mean, Y=Y, share=share, live=live)


def penalties(columns: Columns, C: float, n: int, scaling: str) -> Singles:
    """Penalty (d + 1,) of each standardised feature, and none of the intercept.

    To divide a feature by less than its spread is to penalise its standardised weight by more or less than
    the others'. The factors have mean square 1, so that C means the same for every scaling.
    """
    inverse = columns.inverse.astype(np.float64)
    live = inverse > 0
    factor = np.ones(len(inverse))
    if live.any():
        spread = inverse[live].min() / inverse[live]
        factor[live] = spread ** (1 - SCALING[scaling])
        factor /= np.sqrt(np.mean(factor[live] ** 2))
    # The bound keeps float32 finite; such a weight is 0 either way.
    return np.append(np.minimum(1 / (C * n * factor**2), 1e12), 0).astype(np.float32)


def dot(A: Singles, B: Singles) -> Singles:
    """Inner product of each row of A with that of B."""
    product: Singles = np.einsum("ij,ij->i", A, B)
    return product


def direction(slopes: Singles, pairs: Pairs, inverse: Singles) -> Singles:
    """Minus the gradient times the inverse Hessian that the last steps suggest; ``inverse`` is its start."""
    q = slopes.copy()
    weights = []
    for s, y, curvature in reversed(pairs):
        weights.append(curvature * dot(s, q))
        q -= weights[-1][:, None] * y
    if pairs:
        _, y, curvature = pairs[-1]
        q *= inverse / np.maximum(curvature * dot(y * inverse, y), 1e-30)[:, None]
    else:
        q *= inverse
    for (s, y, curvature), weight in zip(pairs, reversed(weights), strict=True):
        q += (weight - curvature * dot(y, q))[:, None] * s
    return -q


def search(
    margins: Singles, change: Singles, Y: Singles, slope: Singles, linear: Singles, square: Singles
) -> tuple[Singles, Singles]:
    """Step length of each label along its direction, and the margins there.

    The loss along a direction is convex, so its slope alone brackets the minimum: too short while it is still
    nearly as steep as at the start, too long when it has turned up.

    Args:
        margins: (labels, n) at the start.
        change: (labels, n), the margins of the direction.
        Y: (labels, n).
        slope: At the start, negative.
        linear: Penalty times weights times direction.
        square: Penalty times direction squared.
    """
    length = np.ones_like(slope)
    low, low_slope, high = np.zeros_like(slope), slope.copy(), np.full_like(slope, np.inf)
    there = margins + change
    todo = np.arange(len(slope))
    for _ in range(12):
        residual = probabilities(there[todo])
        residual -= Y[todo]
        now = dot(residual, change[todo]) / np.float32(Y.shape[1]) + linear[todo] + length[todo] * square[todo]
        short, long = now < 0.9 * slope[todo], now > -0.5 * slope[todo]
        wrong = short | long
        todo, now, short = todo[wrong], now[wrong], short[wrong]
        if not len(todo):
            break
        at = length[todo]
        rise = now - low_slope[todo]
        guess = at - now * (at - low[todo]) / np.where(rise > 0, rise, 1)  # where a straight slope would be 0
        low[todo] = np.where(short, at, low[todo])
        low_slope[todo] = np.where(short, now, low_slope[todo])
        high[todo] = np.where(short, high[todo], at)
        bounded = np.isfinite(high[todo])
        gap = np.where(bounded, high[todo], 0) - low[todo]
        inside = np.clip(guess, low[todo] + 0.1 * gap, low[todo] + 0.9 * gap)
        length[todo] = np.where(bounded, inside, np.clip(guess, 1.5 * at, 10 * at))
        there[todo] = margins[todo] + length[todo, None] * change[todo]
    return length, there


def solve(problem: Prepared, labels: slice, penalty: Singles, end: float) -> Singles:
    """Weights (labels, d + 1) of some labels; as good as they are at ``time.monotonic() == end``."""
    share = problem.share[problem.live[labels]]
    found = np.zeros((len(share), len(penalty)), dtype=np.float32)
    found[:, -1] = np.log(share) - np.log1p(-share)
    active = np.arange(len(share))
    Y, V = problem.Y[labels], found.copy()
    margins = problem.margins(V)
    P = probabilities(margins.copy())
    slopes = problem.slopes(P - Y, V, penalty)
    pairs: Pairs = []
    for _ in range(MAX_ITERATIONS):
        # Standardised features have variance 1, so the mean of p(1 - p) is the Hessian's diagonal, about.
        curvature = np.maximum(dot(P, 1 - P) / np.float32(P.shape[1]), np.float32(1e-7))
        going = np.abs(slopes).max(axis=1) > TOLERANCE
        found[active] = V
        if not going.any() or time.monotonic() > end:
            break
        if not going.all():
            active, Y, V, margins = active[going], Y[going], V[going], margins[going]
            slopes, curvature = slopes[going], curvature[going]
            pairs = [(s[going], y[going], c[going]) for s, y, c in pairs]
        D = direction(slopes, pairs, 1 / (curvature[:, None] + penalty))
        change = problem.margins(D)
        length, margins = search(margins, change, Y, dot(D, slopes), dot(penalty * D, V), dot(penalty * D, D))
        step = length[:, None] * D
        V = V + step
        P = probabilities(margins.copy())
        before, slopes = slopes, problem.slopes(P - Y, V, penalty)
        bend = slopes - before
        product = dot(step, bend)
        # Rounding can leave a pair without curvature: weight 0 takes it out.
        pairs.append((step, bend, np.where(product > 1e-20, 1 / np.maximum(product, 1e-20), 0).astype(np.float32)))
        del pairs[:-HISTORY]
    found[active] = V
    return found


def fit(prepared: Prepared, params: dict[str, Any], context: FitContext) -> Scorer:
    """The solutions of all labels; a constant label gets its share in train."""
    columns, live, share = prepared.columns, prepared.live, prepared.share.astype(np.float32)
    n, d = prepared.X.shape
    penalty = penalties(columns, params["C"], n, params["scaling"])
    found = []
    for labels in blocks(len(live), max(16, CELLS_AT_ONCE // max(n, d))):
        # Each group of labels gets its part of what time there is.
        part = (labels.stop - labels.start) / (len(live) - labels.start)
        found.append(solve(prepared, labels, penalty, time.monotonic() + part * 0.9 * context.seconds_left))
    V = np.concatenate(found) if found else np.zeros((0, d + 1), dtype=np.float32)
    W, intercept = np.ascontiguousarray(V[:, :-1].T), V[:, -1] - V[:, :-1] @ prepared.mean

    def scorer(X: Matrix) -> Singles:
        full = np.tile(share, (X.shape[0], 1))
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
