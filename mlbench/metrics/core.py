"""Types, input checks and a fast selection that all metrics share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[Any]
Scores = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]


def checked(Y: Labels, scores: Scores) -> tuple[Labels, Scores]:
    """Return both as arrays (n, k).

    Raises:
        ValueError: The shapes differ.
    """
    Y, scores = np.asarray(Y), np.asarray(scores)
    if Y.ndim == 1 and scores.ndim == 1:
        Y, scores = Y[:, None], scores[:, None]
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)
    if Y.shape != scores.shape or Y.ndim != 2:
        raise ValueError(f"labels of shape {Y.shape} and scores of shape {scores.shape} do not match")
    return Y, scores


def known_cells(Y: Labels) -> NDArray[np.bool_] | None:
    """Return which labels are known, of the shape of Y, or None if all are: an unknown one is -1 or NaN."""
    if Y.dtype.kind not in "if":  # uint8 or bool, as data sets have them
        return None
    known: NDArray[np.bool_] = Y >= 0
    return None if known.all() else known


def mean_over_rows(terms: Floats, known: NDArray[np.bool_] | None) -> float:
    """Average the terms of rows (n,), without the rows of which no label is known."""
    return float(terms.mean() if known is None else terms[known.any(axis=1)].mean())


def true_scores(truth: NDArray[np.bool_], scores: Scores) -> Scores:
    """Select the scores of the positives, row by row.

    This is several times faster than ``scores[truth]`` when positives are few.
    """
    return np.take(scores, np.flatnonzero(truth))
