"""Means and spreads of features in double precision, dense or sparse; dense rows are not copied."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Matrix, blocks

ROWS_AT_ONCE = 256

Floats = NDArray[np.float64]


def moments(X: Matrix) -> tuple[Floats, NDArray[np.float32]]:
    """Mean of each feature, and one over its standard deviation, of the values that are not missing.

    Args:
        X: Rows (n, d), dense or CSR; NaN where a value is missing.

    Returns:
        Mean (d,), float64, and inverse (d,), float32, which is 0 for a constant feature, so that it drops out. A
        feature without values has mean 0.
    """
    n, d = X.shape
    if isinstance(X, np.ndarray):
        mean, squares, constant = _dense(X)
    else:
        constant = np.asarray(X.max(axis=0).toarray() == X.min(axis=0).toarray()).ravel()
        # Not X.sum(axis=0), which adds float32 up in float32 whatever dtype it is asked for.
        mean = np.bincount(X.indices, X.data, minlength=d) / n
        there = np.bincount(X.indices, minlength=d)
        squares = np.bincount(X.indices, (X.data - mean[X.indices]) ** 2, minlength=d) + (n - there) * mean**2
    spread = np.sqrt(squares / n)
    for column in np.flatnonzero(np.isnan(mean)):
        values = (X[:, column] if isinstance(X, np.ndarray) else X[:, [column]].toarray()[:, 0]).astype(np.float64)
        values = values[~np.isnan(values)]
        mean[column], spread[column] = (values.mean(), values.std()) if len(values) else (0, 0)
        constant[column] = not len(values) or np.ptp(values) == 0
    constant |= spread < np.finfo(np.float32).tiny
    return mean, np.where(constant, 0, 1 / np.where(constant, 1, spread)).astype(np.float32)


def moments_where_known(X: Matrix, known: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each feature in the rows in which a label is known.

    Args:
        X: Rows (n, d), dense or CSR, none of whose values is missing. Dense features are centred, about.
        known: Whether each of k labels is known (n, k), each in some row.

    Returns:
        Means (k, d), and deviations (k, d), which are 0 for a feature that is constant in the rows of the label.
    """
    mean, squares = np.zeros((2, known.shape[1], X.shape[1]))
    for rows in blocks(X.shape[0]):
        part, weight = X[rows].astype(np.float64), known[rows].astype(np.float64)
        mean += (part.T @ weight).T
        squares += ((part * part if isinstance(part, np.ndarray) else part.multiply(part)).T @ weight).T
    mean /= known.sum(axis=0)[:, None]
    squares /= known.sum(axis=0)[:, None]
    variances = squares - mean * mean
    # Rounding leaves much less of a constant than the spacing of float32 is worth.
    return mean, np.sqrt(np.where(variances > 1e-12 * squares, variances, 0))


def _dense(X: NDArray[np.float32]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Means, sums of squares about them, and which features are constant, in one pass.

    Blocks are few rows, so that their copy in double precision stays in the cache; each has its own mean, and
    they are joined as by Chan, Golub and LeVeque (1983), so that a small spread around a large mean survives.
    """
    n, d = X.shape
    mean, squares, constant = np.zeros(d), np.zeros(d), np.ones(d, dtype=bool)
    buffer = np.empty((min(n, ROWS_AT_ONCE), d))
    for rows in blocks(n, ROWS_AT_ONCE):
        size = rows.stop - rows.start
        part = buffer[:size]
        part[:] = X[rows]
        centre = part.sum(axis=0) / size
        part -= centre
        gap = centre - mean
        mean += gap * (size / rows.stop)
        squares += np.einsum("ij,ij->j", part, part) + np.square(gap) * (rows.start * size / rows.stop)
        constant &= (X[rows] == X[0]).all(axis=0)
    return mean, squares, constant
