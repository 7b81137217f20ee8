"""One-vs-rest logistic regression, for mlbench: the labels are separate problems that are solved side by side.

Method: L2-penalised logistic regression of each label, by L-BFGS (Liu and Nocedal, "On the limited memory BFGS
method for large scale optimization", Mathematical Programming 1989). Every label has its own curvature pairs and
its own step length, but the two products with the rows that an iteration takes are shared, and a label that has
converged leaves. The step length costs no product: it is found on the margins along the search direction.

A label is fitted on the rows in which it is known, with features scaled by what they are in these rows: in the others
its residuals are 0, so that the products are still shared.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlbench import FitContext, Matrix, ModelSpec, ScoreFunction, Split, hookimpl
from mlbench.toolkit.blocks import blocks
from mlbench.toolkit.labels import label_shares
from mlbench.toolkit.moments import moments_where_known
from mlbench.toolkit.scaling import SCALING, ColumnScaling, measure

if TYPE_CHECKING:
    from optuna import Trial

Singles: TypeAlias = "NDArray[np.float32]"
Floats: TypeAlias = "NDArray[np.float64]"
Pairs: TypeAlias = "list[tuple[Singles, Singles, Singles]]"
"""Steps, changes of the gradient along them, and one over their inner products, the latest last."""

TOLERANCE = 3e-5
"""Largest slope of the mean loss and the penalty, along a scaled feature, at which a label has converged."""
MAX_ITERATIONS = 300
HISTORY = 8
CELLS_AT_ONCE = 1 << 24
"""Labels are solved in groups whose arrays have at most so many cells."""
CELLS_IN_CACHE = 1 << 16
MOST_AXES = 4096
SAVED = 600.0
"""Multiplications for each cell and label that the axes are taken to save, in all trials of a job."""
STEEP, TURNED = 0.3, 0.3
"""The slope at the end of a step, in units of that at its start, may be so much down or up. A search costs little
beside the products with the rows, so that it may be thorough."""

DEFAULTS: dict[str, Any] = {"C": 0.02, "scaling": "pareto"}


def suggest(trial: Trial) -> dict[str, Any]:
    """The search space."""
    return {
        "C": trial.suggest_float("C", 1e-5, 1e2, log=True),
        "scaling": trial.suggest_categorical("scaling", list(SCALING)),
    }


def probabilities(margins: Singles) -> Singles:
    """The logistic function, in place; tanh cannot overflow."""
    margins *= np.float32(0.5)
    np.tanh(margins, out=margins)
    margins += 1
    margins *= np.float32(0.5)
    return margins


@dataclass(frozen=True)
class Basis:
    """What features are multiplied by before the uniform penalty, and the axes in which their covariance is diagonal.

    An orthogonal change of basis leaves the penalty alone, and turns a diagonal preconditioner into a good one. The
    rows themselves are not rotated: directions and slopes are, which takes d / n of the time that their products
    with the rows take, and the slopes are there in the original basis too.
    """

    factor: Singles
    axes: Singles | None
    """(d, d), or None where they would cost more than they save."""
    variances: Singles

    def rotated(self, slopes: Singles) -> Singles:
        """Rows (d + 1,) in the eigenbasis; the last column is the intercept's and stays."""
        return slopes if self.axes is None else times(slopes, self.axes)

    def original(self, directions: Singles) -> Singles:
        """The way back."""
        return directions if self.axes is None else times(directions, self.axes.T)


def times(A: Singles, axes: Singles) -> Singles:
    """A product with all columns but the last."""
    product = np.empty_like(A)
    np.matmul(A[:, :-1], axes, out=product[:, :-1])
    product[:, -1] = A[:, -1]
    return product


@dataclass(frozen=True)
class Targets:
    """What some labels are fitted to."""

    Y: Singles
    """(labels, n)."""
    counts: Singles
    """(labels,), the number of rows in which each is known."""
    known: Singles | None = None
    """(labels, n), 1 where the label is known and 0 elsewhere; None if all are known."""

    def __getitem__(self, labels: Any) -> Targets:
        """Those of some of the labels."""
        return Targets(self.Y[labels], self.counts[labels], None if self.known is None else self.known[labels])


@dataclass(frozen=True)
class Prepared:
    """What trials share: the scaled rows, the labels that there is something to learn about, and bases."""

    columns: ColumnScaling
    X: Matrix
    mean: Singles
    """What is left of the means of the scaled features: all of it where they are sparse."""
    targets: Targets
    """Of the live labels only."""
    share: Floats
    live: NDArray[np.intp]
    spreads: Floats | None
    """(labels, d), deviations of the scaled features in the rows in which each live label is known; None if all are."""
    products: list[Singles] = field(default_factory=list)
    """The covariance of the scaled features, once it is asked for."""
    bases: dict[str, Basis] = field(default_factory=dict)

    def margins(self, V: Singles, factor: Singles) -> Singles:
        """(labels, n) of weights (labels, d + 1), whose last column is the intercept of the centred features."""
        W = V[:, :-1] * factor
        margins: Singles = W @ self.X.T if isinstance(self.X, np.ndarray) else np.ascontiguousarray((self.X @ W.T).T)
        margins += (V[:, -1] - W @ self.mean)[:, None]
        return margins

    def slopes(self, residual: Singles, V: Singles, factor: Singles, penalty: Singles, counts: Singles) -> Singles:
        """Gradient (labels, d + 1) of the mean loss plus the penalty."""
        slopes = np.empty_like(V)
        total = residual.sum(axis=1)
        slopes[:, :-1] = residual @ self.X if isinstance(self.X, np.ndarray) else (self.X.T @ residual.T).T
        slopes[:, :-1] -= np.outer(total, self.mean)
        slopes[:, :-1] *= factor
        slopes[:, -1] = total
        slopes /= counts[:, None]
        slopes[:, :-1] += penalty[:, :-1] * V[:, :-1]
        return slopes

    def factor(self, scaling: str, labels: slice) -> Singles:
        """What the scaled features are multiplied by, (d,), or (labels, d) where each label has rows of its own."""
        if self.spreads is None:
            return self.basis(scaling).factor
        spreads = self.spreads[labels]
        inverse = np.divide(self.columns.inverse, spreads, out=np.zeros_like(spreads), where=spreads > 0)
        own = [replace(self.columns, inverse=some).factors(scaling) for some in inverse]
        return np.divide(own, spreads, out=np.zeros_like(spreads), where=spreads > 0).astype(np.float32)

    def basis(self, scaling: str) -> Basis:
        """That of a scaling, made when it is first asked for."""
        if scaling not in self.bases:
            factor = self.columns.factors(scaling).astype(np.float32)
            if self.worth_axes():
                if not self.products:
                    self.products.append(covariance(self.X, self.mean))
                values, axes = np.linalg.eigh(self.products[0] * factor * factor[:, None])
                self.bases[scaling] = Basis(factor=factor, axes=axes, variances=np.maximum(values, 0))
            else:
                self.bases[scaling] = Basis(factor=factor, axes=None, variances=np.square(factor))
        return self.bases[scaling]

    def worth_axes(self) -> bool:
        """Whether axes cost less than the iterations that they save in a few trials."""
        n, d = self.X.shape
        if isinstance(self.X, np.ndarray):
            cells, products = float(n) * d, float(n) * d * d
        else:
            cells, products = float(self.X.nnz), float(np.square(np.diff(self.X.indptr), dtype=np.float64).sum())
        return bool(d <= MOST_AXES and products + 10.0 * d**3 <= SAVED * cells * len(self.live))


def covariance(X: Matrix, mean: Singles) -> Singles:
    """(d, d), of all scaled rows: a quarter of them, at five rows a feature, took half as many iterations more."""
    product: Singles = X.T @ X if isinstance(X, np.ndarray) else (X.T @ X).toarray()
    product /= np.float32(X.shape[0])
    product -= np.outer(mean, mean)
    return product


def prepare(train: Split, context: FitContext) -> Prepared:
    """Scale the rows once for all trials."""
    columns = measure(train.X)
    share = label_shares(train)
    live = np.flatnonzero((share > 0) & (share < 1))
    X = columns.scaled(train.X)
    mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel().astype(np.float32)
    Y = np.ascontiguousarray(train.Y[:, live].T, dtype=np.float32)
    known = None if train.known is None or train.known.all() else train.known[:, live]
    counts = np.full(len(live), len(train)) if known is None else known.sum(axis=0)
    weight = None if known is None else np.ascontiguousarray(known.T, dtype=np.float32)
    return Prepared(
        columns=columns,
        X=X,
        mean=mean,
        targets=Targets(Y, counts.astype(np.float32), weight),
        share=share,
        live=live,
        spreads=None if known is None else moments_where_known(X, known)[1],
    )


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
    np.negative(q, out=q)
    return q


def residuals(margins: Singles, targets: Targets) -> Singles:
    """Probabilities minus labels, in place; 0 where the label is unknown."""
    probabilities(margins)
    margins -= targets.Y
    if targets.known is not None:
        margins *= targets.known
    return margins


def search(
    margins: Singles,
    change: Singles,
    residual: Singles,
    targets: Targets,
    slope: Singles,
    linear: Singles,
    square: Singles,
) -> Singles:
    """Step length of each label along its direction.

    The loss along a direction is convex, so its slope alone brackets the minimum: too short while it is still
    nearly as steep as at the start, too long when it has turned up.

    Args:
        margins: (labels, n) at the start; moved to the end.
        change: (labels, n), the margins of the direction.
        residual: (labels, n), overwritten by that at the end.
        targets: Of the labels.
        slope: At the start, negative.
        linear: Penalty times weights times direction.
        square: Penalty times direction squared.
    """
    length = np.ones_like(slope)
    low, low_slope, high = np.zeros_like(slope), slope.copy(), np.full_like(slope, np.inf)
    residuals(np.add(margins, change, out=residual), targets)
    todo = np.arange(len(slope))
    now = dot(residual, change) / targets.counts + linear + square
    for _ in range(12):
        short, long = now < STEEP * slope[todo], now > -TURNED * slope[todo]
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
        there = residuals(margins[todo] + length[todo, None] * change[todo], targets[todo])
        now = dot(there, change[todo]) / targets.counts[todo] + linear[todo] + length[todo] * square[todo]
        residual[todo] = there
    change *= length[:, None]
    margins += change
    return length


def solve(problem: Prepared, labels: slice, C: float, scaling: str, end: float) -> Singles:
    """Weights (labels, d + 1) of the scaled features; as good as they are at ``time.monotonic() == end``."""
    share = problem.share[problem.live[labels]]
    basis = problem.basis(scaling)
    n, d = problem.X.shape
    targets, factor = problem.targets[labels], problem.factor(scaling, labels)
    penalty = np.zeros((len(share), d + 1), dtype=np.float32)  # none on the intercept
    penalty[:, :-1] = 1 / (C * targets.counts.astype(np.float64)[:, None])
    variances = np.append(basis.variances, 1).astype(np.float32)
    at_once = max(1, CELLS_IN_CACHE // n)
    found = np.zeros((len(share), d + 1), dtype=np.float32)
    found[:, -1] = np.log(share) - np.log1p(-share)
    active = np.arange(len(share))
    V = found.copy()
    margins = np.repeat(V[:, -1:], n, axis=1)
    residual = residuals(margins.copy(), targets)
    slopes = problem.slopes(residual, V, factor, penalty, targets.counts)
    rotated = basis.rotated(slopes)
    pairs: Pairs = []
    for _ in range(MAX_ITERATIONS):
        # The test is in the basis of the features, where scikit-learn's is too.
        going = np.abs(slopes).max(axis=1) > TOLERANCE
        found[active] = V
        if not going.any() or time.monotonic() > end:
            break
        if not going.all():
            active, targets, V = active[going], targets[going], V[going]
            margins, residual, rotated, penalty = margins[going], residual[going], rotated[going], penalty[going]
            factor = factor[going] if factor.ndim == 2 else factor
            pairs = [(s[going], y[going], c[going]) for s, y, c in pairs]
        # The mean of p(1 - p) times a variance is the Hessian's diagonal, about; p(1 - p) = |r|(1 - |r|).
        spread = (residual.sum(axis=1) - 2 * dot(residual, targets.Y) - dot(residual, residual)) / targets.counts
        inverse = 1 / (np.maximum(spread, np.float32(1e-7))[:, None] * variances + penalty)
        D = direction(rotated, pairs, inverse)
        E = basis.original(D)
        change = problem.margins(E, factor)
        slope, linear, square = dot(D, rotated), dot(penalty * E, V), dot(penalty * E, E)
        length = np.empty_like(slope)
        # Few labels at a time, so that what a search looks at stays in the cache.
        for some in blocks(len(active), at_once):
            length[some] = search(
                *(margins[some], change[some], residual[some], targets[some], slope[some], linear[some], square[some])
            )
        step = length[:, None] * D
        V += length[:, None] * E
        slopes = problem.slopes(residual, V, factor, penalty, targets.counts)
        before, rotated = rotated, basis.rotated(slopes)
        bend = rotated - before
        product = dot(step, bend)
        # Rounding can leave a pair without curvature: weight 0 takes it out.
        pairs.append((step, bend, np.where(product > 1e-20, 1 / np.maximum(product, 1e-20), 0).astype(np.float32)))
        del pairs[:-HISTORY]
    found[active] = V
    return found


def weights(prepared: Prepared, params: dict[str, Any], context: FitContext) -> tuple[Singles, Singles]:
    """Weights (d, labels) of the standardised features, and intercepts, of the labels that are not constant."""
    n, d = prepared.X.shape
    count = len(prepared.live)
    found = []
    for labels in blocks(count, max(16, CELLS_AT_ONCE // max(n, d))):
        # Each group of labels gets its part of what time there is.
        part = (labels.stop - labels.start) / (count - labels.start)
        end = time.monotonic() + part * 0.9 * context.seconds_left
        found.append(solve(prepared, labels, params["C"], params["scaling"], end))
    if not found:
        return np.zeros((d, 0), dtype=np.float32), np.zeros(0, dtype=np.float32)
    V = np.concatenate(found)
    W: Singles = V[:, :-1] * prepared.factor(params["scaling"], slice(None))
    intercept: Singles = V[:, -1] - W @ prepared.mean
    return np.ascontiguousarray(W.T), intercept


def fit(prepared: Prepared, params: dict[str, Any], context: FitContext) -> ScoreFunction:
    """The solutions of all labels; a constant label gets its share in train."""
    columns, live, share = prepared.columns, prepared.live, prepared.share.astype(np.float32)
    W, intercept = weights(prepared, params, context)

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
        accepts={"dense", "sparse", "unknown"},
    )
