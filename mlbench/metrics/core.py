"""What the figures share: types, and what is done with truth and scores before anything else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[Any]
Scores = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]


def checked(Y: Labels, scores: Scores) -> tuple[Labels, Scores]:
    """Both as arrays (n, k); ``ValueError`` where their shapes differ."""
    Y, scores = np.asarray(Y), np.asarray(scores)
    if Y.ndim == 1 and scores.ndim == 1:
        Y, scores = Y[:, None], scores[:, None]
    if Y.shape != scores.shape or Y.ndim != 2:
        raise ValueError(f"labels of shape {Y.shape} and scores of shape {scores.shape} do not match")
    return Y, scores


def true_scores(truth: NDArray[np.bool_], scores: Scores) -> Scores:
    """The scores of what is true, row by row; several times faster than ``scores[truth]`` where little is true."""
    return np.take(scores, np.flatnonzero(truth))
