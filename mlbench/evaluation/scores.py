"""Calls score functions, and checks that scores can be ranked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Matrix, blocks
from mlbench.errors import InvalidScores
from mlbench.metrics import Labels
from mlbench.plugins.specs import ScoreFunction, Scores


def score_rows(scorer: ScoreFunction, X: Matrix, n_labels: int, some: NDArray[np.intp] | None = None) -> Scores:
    """Score rows in blocks; returns scores (n, k) as float32 or float64.

    Args:
        scorer: The score function.
        X: Features (n, d).
        n_labels: The number of labels k.
        some: The rows of ``X`` to score, in this order; None for all.

    Raises:
        InvalidScores: The result is not an array of finite floats of the right shape.
    """
    n = X.shape[0] if some is None else len(some)
    out: Scores | None = None
    for rows in blocks(n):
        block = checked_scores(scorer(X[rows if some is None else some[rows]]), (rows.stop - rows.start, n_labels))
        precision = np.float32 if block.dtype.itemsize <= 4 else np.float64
        if out is None:
            out = np.empty((n, n_labels), dtype=precision)
        elif precision is np.float64 and out.dtype == np.float32:
            out = out.astype(np.float64)  # or this block would be rounded to what the first one happened to be
        out[rows] = block
    assert out is not None
    return out


def checked_scores(scores: object, shape: tuple[int, int], *, missing_labels: bool = False) -> Scores:
    """Return ``scores`` if they can be ranked.

    Args:
        scores: The result of a score function.
        shape: The expected shape, (rows, labels).
        missing_labels: Whether columns of NaN are allowed, for labels that are not trained yet.

    Raises:
        InvalidScores: The type or shape is wrong, or a score is NaN or infinite.
    """
    if not isinstance(scores, np.ndarray):
        raise InvalidScores(f"scores are a {type(scores).__name__}, expected a numpy array of shape {shape}")
    if scores.dtype.kind != "f":
        raise InvalidScores(f"scores have type {scores.dtype}, expected floats")
    if scores.shape != shape:
        raise InvalidScores(f"scores have shape {scores.shape}, expected {shape}")
    bad = ~np.isfinite(scores)
    if missing_labels:
        bad &= ~np.isnan(scores).all(axis=0)
    if bad.any():
        row, label = (int(index[0]) for index in np.nonzero(bad))
        raise InvalidScores(f"{int(bad.sum())} scores are NaN or infinite, the first at row {row}, label {label}")
    return scores


def load_scores(path: Path, Y: Labels) -> Scores:
    """Return the scores that a worker wrote, checked anew: it is a plugin's process.

    Args:
        path: A ``.npy`` file.
        Y: The labels that the scores are of, (n, k).

    Raises:
        InvalidScores: They cannot be read, or cannot be ranked.
    """
    try:
        scores = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidScores(f"{path.name} cannot be read: {error}") from error
    return checked_scores(scores, Y.shape)
