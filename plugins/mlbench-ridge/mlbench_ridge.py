"""Ridge regression of all labels, for mlbench: one eigendecomposition serves every penalty and every label.

Method: Hoerl and Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems" (1970), solved in the
eigenbasis of the features' Gram matrix, or of the rows' where there are fewer rows than features. Of many sparse rows
with many features neither matrix would fit; they are solved by conjugate gradients: Hestenes and Stiefel, "Methods of
Conjugate Gradients for Solving Linear Systems" (1952).

A label is fitted on the rows in which it is known. Labels that are known in the same rows share a decomposition, which
costs what that of all rows costs; it is made for each set of rows if all of them fit into ``MOST_KEPT`` bytes. Of more
sets the labels are solved side by side by conjugate gradients, at the cost of up to ``MAX_ITERATIONS`` products of the
rows with a column for each label in every trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlbench import FitContext, Matrix, ModelSpec, ScoreFunction, Split, hookimpl
from mlbench.toolkit.blocks import ROWS_PER_BLOCK, blocks, is_sparse
from mlbench.toolkit.conjugate_gradients import conjugate_gradients
from mlbench.toolkit.labels import label_shares, labels_by_known_rows
from mlbench.toolkit.moments import moments_where_known
from mlbench.toolkit.scaling import SCALING, ColumnScaling, measure

if TYPE_CHECKING:
    from optuna import Trial

    from mlbench import Scores

Floats: TypeAlias = "NDArray[np.float64]"

CELLS_IN_DOUBLE = 10**10
"""Up to so many multiplications the Gram matrix is summed in double precision throughout."""
COLUMNS_PER_BLOCK = 1024
MAX_GRAM = 1 << 13
"""Sparse rows with more features and more rows are never multiplied out: that takes half a gigabyte, and minutes."""
MOST_KEPT = 1 << 29
"""Bytes of the decompositions for all scalings, where labels are known in different rows."""
LABELS_AT_ONCE = 64
MAX_ITERATIONS = 200
TOLERANCE = 1e-5
"""Of the residual to the right-hand side, at which a label's conjugate gradients end."""
NEAR = 8.0
"""Up to so many standard deviations from 0, a centre is taken off after the product with the coefficients."""

DEFAULTS: dict[str, Any] = {"shrinkage": 0.1, "scaling": "pareto"}


def suggest(trial: Trial) -> dict[str, Any]:
    """The search space."""
    return {
        # In units of the mean eigenvalue one range fits all data. On eight public feature sets the best
        # was never above 1; beyond, the fit is no regression any more but each feature's correlation.
        "shrinkage": trial.suggest_float("shrinkage", 1e-6, 1.0, log=True),
        "scaling": trial.suggest_categorical("scaling", list(SCALING)),
    }


def is_near(columns: ColumnScaling) -> bool:
    """Return whether the order of centring and multiplying makes no difference to speak of."""
    return bool(np.abs(columns.centre.astype(np.float64) * columns.inverse).max() <= NEAR)


@dataclass
class Path:
    """All ridge solutions of one training set; the decomposition of a scaling is made when first asked for."""

    n: int
    train: Split
    """Its rows are needed where they are not in ``gram``."""
    columns: ColumnScaling
    mean: Floats
    """What centring at float32 left of the standardised features' means."""
    share: Floats
    gram: Floats | None
    """Z'Z of the standardised features Z where d <= n, else None: the dual is taken."""
    cross: Floats | None
    """Z'(Y - share), or in the dual Y - share itself; None where the solution is found by iteration."""
    solved: dict[str, tuple[Floats, NDArray[np.floating[Any]], Floats]] = field(default_factory=dict)

    def weights(self, scaling: str) -> Floats:
        """What a standardised feature is multiplied by; mean square 1, so that alpha means the same for all."""
        inverse = self.columns.inverse.astype(np.float64)
        live = inverse > 0
        factor = np.zeros(len(inverse))
        spread = 1 / inverse[live]
        spread /= spread.max(initial=0.0) or 1.0
        factor[live] = spread ** (1 - SCALING[scaling])
        size = np.sqrt(np.mean(factor[live] ** 2)) if live.any() else 1.0
        return factor / size

    def decomposition(self, scaling: str) -> tuple[Floats, NDArray[np.floating[Any]], Floats]:
        """Eigenvalues, eigenvectors, and the targets in the eigenbasis."""
        assert self.cross is not None
        if scaling not in self.solved:
            factor = self.weights(scaling)
            if self.gram is not None:
                values, vectors = np.linalg.eigh(self.gram * factor * factor[:, None])
                target = vectors.T @ (self.cross * factor[:, None])
            else:
                values, vectors = np.linalg.eigh(row_gram(self.train.X, self.columns, factor))
                target = vectors.T @ self.cross
            # The decomposition is exact, but the product of every trial need not be where the Gram matrix is not.
            d = self.train.X.shape[1]
            dtype = dtype_for(float(self.n) * d * min(self.n, d))
            self.solved[scaling] = np.maximum(values, 0), vectors.astype(dtype, copy=False), target
        return self.solved[scaling]

    @property
    def mean_eigenvalue(self) -> float:
        """Of the smaller Gram matrix: n d / min(n, d), because ``weights`` makes the mean variance 1."""
        return float(max(self.n, int(np.count_nonzero(self.columns.inverse))))

    def coefficients(self, alpha: float, scaling: str, context: FitContext) -> Floats:
        """Coefficients (d, k) of the standardised features."""
        factor = self.weights(scaling)[:, None]
        if self.cross is None:
            return factor * by_iteration(self.train, self.columns, factor, self.share, alpha, context)
        values, vectors, target = self.decomposition(scaling)
        dual = (vectors @ (target / (values + alpha)[:, None]).astype(vectors.dtype)).astype(np.float64, copy=False)
        if self.gram is not None:
            return factor * dual
        return factor * factor * transposed_product(self.train.X, self.columns, dual)


def dtype_for(cells: float) -> type[np.floating[Any]]:
    """Double precision while it costs next to nothing: it keeps tiny penalties on collinear features exact."""
    return np.float64 if cells <= CELLS_IN_DOUBLE else np.float32


def sparse_moment(columns: ColumnScaling) -> Floats:
    """The standardised value of a zero, with the sign turned."""
    return columns.centre.astype(np.float64) * columns.inverse


def column_gram(train: Split, columns: ColumnScaling) -> tuple[Floats, Floats, Floats]:
    """Z'Z, Z'Y and the mean of the standardised features Z, both products about the means."""
    X, n, (_, d) = train.X, len(train), train.X.shape
    share = train.Y.mean(axis=0, dtype=np.float64)
    if not isinstance(X, np.ndarray):
        scaled = X.astype(np.float64).multiply(columns.inverse.astype(np.float64)).tocsr()
        mean = np.asarray(scaled.sum(axis=0)).ravel() / n
        gram = (scaled.T @ scaled).toarray()
        cross = scaled.T @ (train.Y - share)
        gram -= n * np.outer(mean, mean)
        return gram, cross, mean - sparse_moment(columns)
    dtype = dtype_for(float(n) * d * d)
    gram, cross, mean = np.zeros((d, d)), np.zeros((d, train.Y.shape[1])), np.zeros(d)
    buffer = np.empty((min(n, ROWS_PER_BLOCK), d), dtype=np.float32)
    for rows in blocks(n):
        part = columns.standardised(X[rows], out=buffer[: rows.stop - rows.start]).astype(dtype, copy=False)
        gram += part.T @ part
        cross += part.T @ (train.Y[rows] - share).astype(dtype)
        mean += part.sum(axis=0, dtype=np.float64)
    mean /= n
    gram -= n * np.outer(mean, mean)
    return gram, cross, mean


def row_gram(X: Matrix, columns: ColumnScaling, factor: Floats) -> Floats:
    """(n, n) products of the centred rows."""
    n, d = X.shape
    if not isinstance(X, np.ndarray):
        scaled = X.astype(np.float64).multiply(columns.inverse * factor).tocsr()
        gram = (scaled @ scaled.T).toarray()
    else:
        dtype = dtype_for(float(n) * n * d)
        gram = np.zeros((n, n))
        for some in blocks(d, COLUMNS_PER_BLOCK):
            part = columns.standardised(X, some).astype(dtype, copy=False)
            part *= factor[some].astype(dtype)
            gram += part @ part.T
    gram -= gram.mean(axis=0)
    gram -= gram.mean(axis=1)[:, None]
    symmetric: Floats = (gram + gram.T) / 2
    return symmetric


def transposed_product(X: Matrix, columns: ColumnScaling, dual: Floats) -> Floats:
    """Z'D of the centred, standardised features Z, for the dual coefficients D (n, k)."""
    dual = dual - dual.mean(axis=0)
    if not isinstance(X, np.ndarray):
        product: Floats = np.asarray(X.T @ dual) * columns.inverse.astype(np.float64)[:, None]
        return product
    parts = blocks(X.shape[1], COLUMNS_PER_BLOCK)
    return np.concatenate([columns.standardised(X, some).T.astype(np.float64) @ dual for some in parts])


def by_iteration(
    train: Split, columns: ColumnScaling, factor: Floats, share: Floats, alpha: float, context: FitContext
) -> Floats:
    """What solves (Z'Z + alpha) V = Z'(Y - share), (d, k), for the centred features Z, scaled by ``factor`` (d, 1).

    A label ends at ``TOLERANCE``, after ``MAX_ITERATIONS``, or when the time is over.
    """
    X = train.X.astype(np.float64)
    scale = factor * columns.inverse.astype(np.float64)[:, None]
    centre = columns.centre.astype(np.float64)[:, None]

    def forward(P: Floats) -> Floats:
        P = scale * P
        product: Floats = np.asarray(X @ P)
        product -= (centre * P).sum(axis=0)
        return product

    def backward(Q: Floats) -> Floats:
        product: Floats = np.asarray(X.T @ Q)
        product -= centre * Q.sum(axis=0)
        product *= scale
        return product

    V = np.zeros((X.shape[1], len(share)))
    for labels in blocks(len(share), LABELS_AT_ONCE):
        right = backward(train.Y[:, labels] - share[labels])
        alphas = np.full(right.shape[1], alpha)
        V[:, labels] = iterated(right, lambda P, _: backward(forward(P)), alphas, context)
    return V


def iterated(
    right: Floats, product: Callable[[Floats, NDArray[np.intp]], Floats], alpha: Floats, context: FitContext
) -> Floats:
    """``conjugate_gradients`` for as long as they are worth it, and there is time."""
    return conjugate_gradients(
        right, product, alpha, TOLERANCE, MAX_ITERATIONS, is_time_over=lambda: context.seconds_left <= 0
    )


def by_label(share: Floats, parts: list[tuple[NDArray[np.intp], ScoreFunction]]) -> ScoreFunction:
    """The scores of some labels by each of the functions; other labels score their share."""

    def scorer(X: Matrix) -> Scores:
        scores = np.tile(share.astype(np.float32), (X.shape[0], 1))
        for labels, score in parts:
            scores[:, labels] = score(X)
        return scores

    return scorer


@dataclass(frozen=True)
class Groups:
    """Labels by the rows in which they are known, each group a training set of its own."""

    share: Floats
    paths: list[tuple[NDArray[np.intp], Path]]

    def score_function(self, params: dict[str, Any], context: FitContext) -> ScoreFunction:
        """The solutions of all groups."""
        return by_label(self.share, [(labels, fit(path, params, context)) for labels, path in self.paths])


@dataclass(frozen=True)
class Masked:
    """Labels that are known in many different sets of rows."""

    train: Split
    columns: ColumnScaling
    Z: Matrix
    """(n, d), the features over their spread in all rows."""
    share: Floats
    live: NDArray[np.intp]
    mean: Floats
    spread: Floats
    """(d, labels), of Z in the rows in which each live label is known."""

    def score_function(self, params: dict[str, Any], context: FitContext) -> ScoreFunction:
        """The solutions of all labels, some at a time."""
        parts = [self.solve(some, params, context) for some in blocks(len(self.live), LABELS_AT_ONCE)]
        W = np.concatenate(parts, axis=1)
        offset = (self.share[self.live] - (self.mean * W).sum(axis=0)).astype(np.float32)
        coefficients = W.astype(np.float32)
        columns = self.columns
        return by_label(self.share, [(self.live, lambda X: np.asarray(columns.scaled(X) @ coefficients) + offset)])

    def solve(self, some: slice, params: dict[str, Any], context: FitContext) -> Floats:
        """Coefficients (d, labels) of Z for some of the live labels."""
        assert self.train.known is not None
        labels, mean, spread = self.live[some], self.mean[:, some], self.spread[:, some]
        Y, known = self.train.Y[:, labels], self.train.known[:, labels]
        inverse = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
        own = inverse * self.columns.inverse[:, None]
        factors = [replace(self.columns, inverse=column).factors(params["scaling"]) for column in own.T]
        scale = inverse * np.stack(factors, axis=1)
        alpha = params["shrinkage"] * np.maximum(known.sum(axis=0), np.count_nonzero(own, axis=0))

        def transposed(residual: Callable[[Any, slice], Floats], going: NDArray[np.intp]) -> Floats:
            """The product of the labels' features with what is given of each block of rows, whose sum is 0."""
            product = np.zeros((len(mean), len(going)))
            for rows in blocks(len(Y)):
                part = self.Z[rows].astype(np.float64)
                product += part.T @ (residual(part, rows) * known[rows][:, going])
            return scale[:, going] * product

        def product(P: Floats, going: NDArray[np.intp]) -> Floats:
            P = scale[:, going] * P
            offset = (mean[:, going] * P).sum(axis=0)
            return transposed(lambda part, rows: part @ P - offset, going)

        right = transposed(lambda part, rows: Y[rows] - self.share[labels], np.arange(len(labels)))
        return scale * iterated(right, product, alpha, context)


def prepare(train: Split, context: FitContext) -> Path | Groups | Masked:
    """Products of the features, in one pass over blocks of rows, or in one for each set of known rows."""
    if train.known is None or train.known.all():
        return path_of(train)
    share = label_shares(train)
    live = np.flatnonzero((share > 0) & (share < 1))
    groups = labels_by_known_rows(train, live)
    if len(groups) < 2 or sum(kept_bytes(train.X, rows) for _, rows in groups) <= MOST_KEPT:
        return Groups(share, [(labels, group_path(train, labels, rows)) for labels, rows in groups])
    columns = measure(train.X)
    Z = columns.scaled(train.X)
    mean, spread = moments_where_known(Z, train.known[:, live])
    return Masked(train=train, columns=columns, Z=Z, share=share, live=live, mean=mean.T, spread=spread.T)


def kept_bytes(X: Matrix, rows: NDArray[np.intp] | None) -> float:
    """What is kept of some rows of X: a Gram matrix and a decomposition for each scaling, and the rows for the dual."""
    n, d = X.shape[0] if rows is None else len(rows), X.shape[1]
    size = X.nbytes if isinstance(X, np.ndarray) else 12 * X.nnz
    return float(8 * (1 + len(SCALING)) * min(n, d) ** 2 + (size * n / X.shape[0] if n < d else 0))


def group_path(train: Split, labels: NDArray[np.intp], rows: NDArray[np.intp] | None) -> Path:
    """The solutions for labels that are known in the same rows."""
    some = slice(None) if rows is None else rows
    part = Split.unchecked(X=train.X[some], Y=train.Y[some][:, labels])
    path = path_of(part)
    return path if path.gram is None else replace(path, train=part.take(slice(0)))


def path_of(train: Split) -> Path:
    """The solutions of one training set, all of whose labels are known."""
    columns = measure(train.X)
    n, d = train.X.shape
    share = train.Y.mean(axis=0, dtype=np.float64)
    sparse = is_sparse(train.X)
    mean = np.zeros(d)
    path = Path(n=n, train=train, columns=columns, mean=mean, share=share, gram=None, cross=None)
    if sparse and min(n, d) > MAX_GRAM:
        return path
    if d <= n:
        gram, cross, mean = column_gram(train, columns)
        return replace(path, mean=mean, gram=gram, cross=cross)
    if not sparse:
        for some in blocks(d, COLUMNS_PER_BLOCK):
            mean[some] = columns.standardised(train.X, some).mean(axis=0, dtype=np.float64)
    return replace(path, cross=train.Y - share)


def fit(path: Path | Groups | Masked, params: dict[str, Any], context: FitContext) -> ScoreFunction:
    """The solution for one penalty; its scores are the predicted label values."""
    if not isinstance(path, Path):
        return path.score_function(params, context)
    W = path.coefficients(params["shrinkage"] * path.mean_eigenvalue, params["scaling"], context)
    columns = path.columns
    intercept = path.share - path.mean @ W
    if is_sparse(path.train.X):
        raw = (W * columns.inverse.astype(np.float64)[:, None]).astype(np.float32)
        offset = (intercept - sparse_moment(columns) @ W).astype(np.float32)
        return lambda X: np.asarray(X @ raw) + offset
    if is_near(columns):
        # No copy of the rows is needed then.
        raw = (W * columns.inverse.astype(np.float64)[:, None]).astype(np.float32)
        offset = (intercept - columns.centre.astype(np.float64) @ raw).astype(np.float32)
        return lambda X: X @ raw + offset
    coefficients, offset = W.astype(np.float32), intercept.astype(np.float32)
    return lambda X: columns.standardised(X) @ coefficients + offset


@hookimpl
def mlbench_models() -> Iterator[ModelSpec]:
    """Ridge regression."""
    yield ModelSpec(
        name="ridge",
        summary="Ridge regression of the labels, one eigendecomposition for all penalties",
        citation="Hoerl and Kennard, Ridge Regression: Biased Estimation for Nonorthogonal Problems, 1970",
        suggest=suggest,
        defaults=DEFAULTS,
        prepare=prepare,
        fit=fit,
        accepts={"dense", "sparse", "unknown"},
    )
