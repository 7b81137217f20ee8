"""Asking a scorer for scores, and refusing what cannot be ranked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Matrix, blocks
from mlbench.errors import InvalidScores
from mlbench.plugins.specs import ScoreFunction, Scores


def score_rows(scorer: ScoreFunction, X: Matrix, n_labels: int, some: NDArray[np.intp] | None = None) -> Scores:
    """Scores (n, k), float32 or float64, asked for block by block.

    Args:
        scorer: The model.
        X: Features (n, d).
        n_labels: k.
        some: Which rows of ``X``, in this order; all of them if None.

    Raises:
        InvalidScores: Something other than finite floats of that shape came back.
    """
    n = X.shape[0] if some is None else len(some)
    out: Scores | None = None
    for rows in blocks(n):
        block = checked_scores(scorer(X[rows if some is None else some[rows]]), (rows.stop - rows.start, n_labels))
        if out is None:
            out = np.empty((n, n_labels), dtype=np.float32 if block.dtype.itemsize <= 4 else np.float64)
        out[rows] = block
    assert out is not None
    return out


def checked_scores(scores: object, shape: tuple[int, int], *, missing_labels: bool = False) -> Scores:
    """``scores`` if they can be ranked.

    Args:
        scores: What a model gave.
        shape: What they must have, (rows, labels).
        missing_labels: Columns that are NaN from top to bottom are allowed: labels not trained yet.

    Raises:
        InvalidScores: Wrong type, wrong shape, NaN or infinite.
    """
    if not isinstance(scores, np.ndarray):
        raise InvalidScores(f"scores are a {type(scores).__name__}, expected a numpy array of shape {shape}")
    if scores.dtype.kind != "f":
        raise InvalidScores(f"scores are of type {scores.dtype}, expected floats")
    if scores.shape != shape:
        raise InvalidScores(f"scores have shape {scores.shape}, expected {shape}")
    bad = ~np.isfinite(scores)
    if missing_labels:
        bad &= ~np.isnan(scores).all(axis=0)
    if bad.any():
        row, label = (int(index[0]) for index in np.nonzero(bad))
        raise InvalidScores(f"{int(bad.sum())} scores are NaN or infinite, the first at row {row}, label {label}")
    return scores
