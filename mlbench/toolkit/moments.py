"""Means and spreads of features in double precision, dense or sparse; dense rows are not copied."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Matrix, blocks

ROWS_AT_ONCE = 256

Floats = NDArray[np.float64]


def moments(X: Matrix) -> tuple[Floats, NDArray[np.float32]]:
    """Mean of each feature, and one over its standard deviation.

    Args:
        X: Rows (n, d), dense or CSR.

    Returns:
        Mean (d,), float64, and inverse (d,), float32, which is 0 for a constant feature, so that it drops out.
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
    constant |= spread < np.finfo(np.float32).tiny
    return mean, np.where(constant, 0, 1 / np.where(constant, 1, spread)).astype(np.float32)


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
