"""Metrics of predictions, 0 or 1."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mlbench.metrics.core import Floats, Labels


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, giving 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _confusion(Y: Labels, predictions: Labels, axis: int) -> tuple[Floats, Floats]:
    """Count, along ``axis``, the true positives, and the positives plus the predicted positives."""
    truth, predicted = np.asarray(Y) == 1, np.asarray(predictions) == 1
    both = (truth & predicted).sum(axis=axis, dtype=np.float64)
    return both, truth.sum(axis=axis, dtype=np.float64) + predicted.sum(axis=axis, dtype=np.float64)


def f1(Y: Labels, predictions: Labels, average: Literal["micro", "macro", "samples"] = "macro") -> float:
    """Compute the F1 score, which is 0 where it is undefined.

    Args:
        Y: Labels (n, k), 0 or 1.
        predictions: Predictions (n, k), 0 or 1.
        average: ``"micro"``, ``"macro"`` (the mean over the labels that have a positive) or ``"samples"``.
    """
    both, total = _confusion(Y, predictions, axis=1 if average == "samples" else 0)
    if average == "micro":
        return float(_ratio(2 * both.sum(keepdims=True), total.sum(keepdims=True))[0])
    values = _ratio(2 * both, total)
    if average == "macro":
        values = values[(np.asarray(Y) == 1).any(axis=0)]
    return float(values.mean()) if len(values) else float("nan")


def jaccard(Y: Labels, predictions: Labels) -> float:
    """Compute the mean over rows of intersection over union; a row where both are empty counts as 0."""
    both, total = _confusion(Y, predictions, axis=1)
    return float(_ratio(both, total - both).mean())


def hamming_loss(Y: Labels, predictions: Labels) -> float:
    """Compute the fraction of entries that are predicted wrongly."""
    return float(np.mean((np.asarray(Y) == 1) != (np.asarray(predictions) == 1)))


def zero_one_loss(Y: Labels, predictions: Labels) -> float:
    """Compute the fraction of rows with at least one wrong entry."""
    return float(np.mean(((np.asarray(Y) == 1) != (np.asarray(predictions) == 1)).any(axis=1)))
