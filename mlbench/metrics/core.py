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


def true_scores(truth: NDArray[np.bool_], scores: Scores) -> Scores:
    """Select the scores of the positives, row by row.

    This is several times faster than ``scores[truth]`` when positives are few.
    """
    return np.take(scores, np.flatnonzero(truth))
