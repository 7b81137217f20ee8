"""What the first split of a tree gains by each feature: which features a label can be split by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Matrix

SCREENING_BINS = 32
FEATURES_AT_ONCE = 256


def first_split_gains(X: Matrix, Y: NDArray[Any], n: int) -> NDArray[np.float64]:
    """What the best first split of a tree gains for each feature and label.

    The gain is the sum over both sides of (sum of residuals)^2 / rows, residuals taken from the label's share.
    Missing values go to either side. The only splits of a sparse feature that are looked at are between what is stored
    and what is not, and between what is missing and what is not.

    Args:
        X: Features (n + m, d).
        Y: Labels (n + m, k), 0 or 1, or -1 where they are unknown.
        n: Each label is looked at on the first so many rows, and on its positives among the others. Where it is
            unknown it is not looked at.

    Returns:
        Gains (d, k).
    """
    d = X.shape[1]
    if not isinstance(X, np.ndarray):
        stored, missing = X.copy(), np.isnan(X.data)
        stored.data = np.ones(len(stored.data))
        found = _gains_of_stored(stored, Y, n)
        if missing.any():
            stored.data = missing.astype(np.float64)
            stored.eliminate_zeros()
            found = np.maximum(found, _gains_of_stored(stored, Y, n))
        return found
    positives = [np.flatnonzero(column == 1) for column in np.ascontiguousarray(Y.T)]
    unknown = [np.flatnonzero(column < 0) for column in np.ascontiguousarray(Y[:n].T)]
    gains = np.zeros((d, len(positives)))
    for start in range(0, d, FEATURES_AT_ONCE):
        values = np.ascontiguousarray(X[:, start : start + FEATURES_AT_ONCE].T)
        width = len(values)
        edges, gaps = _edges(values, n)
        bins = [np.searchsorted(e, v) + i * SCREENING_BINS for i, (e, v) in enumerate(zip(edges, values, strict=True))]
        cells = np.ascontiguousarray(np.array(bins, dtype=np.int32).T)

        def below(rows: NDArray[np.int32], width: int = width) -> NDArray[np.int64]:
            """How many rows have, in each feature, at most each edge's value."""
            counts = np.bincount(rows.ravel(), minlength=width * SCREENING_BINS).reshape(width, SCREENING_BINS)
            return np.cumsum(counts, axis=1)[:, :-1]

        left = below(cells[:n])
        for label, rows in enumerate(positives):
            more = rows[rows >= n]
            mine, size = (left + below(cells[more]) if len(more) else left), n + len(more)
            if len(unknown[label]):
                mine, size = mine - below(cells[unknown[label]]), max(size - len(unknown[label]), 1)
            residual = below(cells[rows]) - len(rows) / size * mine
            gain = (residual * residual * _share_of_both(mine, size)).max(axis=1)
            if len(gaps):
                # Rows in which the value is missing are above every edge; they can go with those below, too.
                residual = residual[gaps] - residual[gaps, -1:]
                both = _share_of_both(mine[gaps] + size - mine[gaps, -1:], size)
                gain[gaps] = np.maximum(gain[gaps], (residual * residual * both).max(axis=1))
            gains[start : start + width, label] = gain
    return gains


def _gains_of_stored(stored: Any, Y: NDArray[Any], n: int) -> NDArray[np.float64]:
    """Gains (d, k) of the split between what a matrix of ones stores, (n + m, d), and what it does not."""
    if (Y >= 0).all():
        there = np.bincount(stored[:n].indices, minlength=stored.shape[1])[:, None] + stored[n:].T @ Y[n:]
        size = n + Y[n:].sum(axis=0)
    else:
        seen = np.concatenate([Y[:n] >= 0, Y[n:] == 1]).astype(np.float64)
        there, size = stored.T @ seen, np.maximum(seen.sum(axis=0), 1)
        Y = np.maximum(Y, 0)
    surplus = stored.T @ Y - there * (Y.sum(axis=0) / size)
    return np.asarray(surplus * surplus * _share_of_both(there, size))


def _edges(values: NDArray[np.float32], n: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Quantiles of each feature's first n values (d, n + m), and the features in which values are missing.

    The last edge of such a feature is its largest value, so that what is missing has the last bin for itself.
    """
    levels = np.arange(1, SCREENING_BINS)
    edges: NDArray[np.float32] = np.quantile(values[:, :n], levels / SCREENING_BINS, axis=1, method="lower").T
    missing = np.isnan(values)
    gaps = np.flatnonzero(missing.any(axis=1))
    for i in gaps:
        there = values[i, ~missing[i]]
        edges[i] = np.quantile(there, levels / levels[-1], method="lower") if len(there) else 0
    return edges, gaps


def _share_of_both(left: NDArray[Any], n: int | NDArray[Any]) -> NDArray[np.float64]:
    """1 / rows to the left + 1 / rows to the right, 0 where there is no split."""
    return np.where((left > 0) & (left < n), n / np.maximum(left * (n - left), 1), 0.0)
