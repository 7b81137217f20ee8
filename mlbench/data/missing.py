"""Missing feature values: where they are, and what they are replaced by for models that take none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Matrix, blocks, is_sparse


def columns_with_missing(X: Matrix) -> NDArray[np.intp]:
    """Return the columns of X (n, d) in which a value is missing (NaN)."""
    if is_sparse(X):
        return np.unique(X.indices[np.isnan(X.data)]).astype(np.intp)
    found = np.zeros(X.shape[1], dtype=bool)
    for rows in blocks(X.shape[0]):
        found |= np.isnan(X[rows]).any(axis=0)
    return np.flatnonzero(found)


def columns_without_values(X: Matrix, columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return those of the ``columns`` of X (n, d) in which every value is missing."""
    if not len(columns):
        return columns
    if is_sparse(X):
        missing = np.bincount(X.indices[np.isnan(X.data)], minlength=X.shape[1])[columns]
    else:
        missing = np.zeros(len(columns), dtype=np.intp)
        for rows in blocks(X.shape[0]):
            missing += np.isnan(X[rows][:, columns]).sum(axis=0)
    without: NDArray[np.intp] = columns[missing == X.shape[0]]
    return without


def count_missing(X: Matrix) -> int:
    """Count the missing values of X (n, d)."""
    if is_sparse(X):
        return int(np.isnan(X.data).sum())
    return sum(int(np.isnan(X[rows]).sum()) for rows in blocks(X.shape[0]))


def medians(train: Matrix, columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the median of the known values of each column; 0 where train has none.

    Args:
        train: Features of the training split (n, d).
        columns: Indices of columns.
    """
    values = np.zeros(len(columns), dtype=np.float32)
    for place, column in enumerate(columns):
        cells: Any = train[:, [column]].toarray()[:, 0] if is_sparse(train) else np.asarray(train[:, column])
        cells = cells[~np.isnan(cells)]
        if len(cells):
            values[place] = np.median(cells)
    return values


def filled(X: Matrix, columns: NDArray[np.intp], values: NDArray[np.float32]) -> Matrix:
    """Return a copy of X (n, d) in which missing values of the ``columns`` are replaced by ``values``."""
    of_column = np.zeros(X.shape[1], dtype=np.float32)
    of_column[columns] = values
    X = X.copy()
    if is_sparse(X):
        missing = np.isnan(X.data) & np.isin(X.indices, columns)
        X.data[missing] = of_column[X.indices[missing]]
    else:
        for column in columns:
            cells = X[:, column]
            cells[np.isnan(cells)] = of_column[column]
    return X


def indicators(X: Matrix, columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return whether each value of the ``columns`` is missing, as 0 and 1, shape (n, len(columns))."""
    cells = X[:, columns].toarray() if is_sparse(X) else X[:, columns]
    return np.isnan(cells).astype(np.float32)
