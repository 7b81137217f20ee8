"""Metrics of predictions, 0 or 1."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mlbench.metrics.core import Floats, Labels, known_cells, mean_over_rows


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, giving 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _confusion(Y: Labels, predictions: Labels, axis: int) -> tuple[Floats, Floats]:
    """Count, along ``axis``, the true positives, and the positives plus the predicted positives."""
    truth, predicted = np.asarray(Y) == 1, (np.asarray(predictions) == 1) & (np.asarray(Y) >= 0)
    both = (truth & predicted).sum(axis=axis, dtype=np.float64)
    return both, truth.sum(axis=axis, dtype=np.float64) + predicted.sum(axis=axis, dtype=np.float64)


def f1_terms(Y: Labels, predictions: Labels) -> Floats:
    """Return numerator and denominator of each row's share in micro F1, shape (n, 2)."""
    both, total = _confusion(Y, predictions, axis=1)
    return np.stack([2 * both, total], axis=1)


def f1_of_rows(Y: Labels, predictions: Labels) -> Floats:
    """Return F1 of each row, shape (n,); 0 where it is undefined."""
    both, total = _confusion(Y, predictions, axis=1)
    return _ratio(2 * both, total)


def f1_of_labels(Y: Labels, predictions: Labels) -> Floats:
    """Return F1 of each label, shape (k,); NaN without positives."""
    both, total = _confusion(Y, predictions, axis=0)
    return np.where((np.asarray(Y) == 1).any(axis=0), _ratio(2 * both, total), np.nan)


def jaccard_of_rows(Y: Labels, predictions: Labels) -> Floats:
    """Return intersection over union of each row, shape (n,); 0 where both are empty."""
    both, total = _confusion(Y, predictions, axis=1)
    return _ratio(both, total - both)


def f1(Y: Labels, predictions: Labels, average: Literal["micro", "macro", "samples"] = "macro") -> float:
    """Compute the F1 score, which is 0 where it is undefined.

    Args:
        Y: Labels (n, k), 0 or 1.
        predictions: Predictions (n, k), 0 or 1.
        average: ``"micro"``, ``"macro"`` (the mean over the labels that have a positive) or ``"samples"``.
    """
    if average == "micro":
        over, under = f1_terms(Y, predictions).sum(axis=0)
        return float(over / under) if under else 0.0
    if average == "samples":
        return mean_over_rows(f1_of_rows(Y, predictions), known_cells(np.asarray(Y)))
    values = f1_of_labels(Y, predictions)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def jaccard(Y: Labels, predictions: Labels) -> float:
    """Compute the mean over rows of intersection over union; a row where both are empty counts as 0."""
    return mean_over_rows(jaccard_of_rows(Y, predictions), known_cells(np.asarray(Y)))


def hamming_loss(Y: Labels, predictions: Labels) -> float:
    """Compute the fraction of known entries that are predicted wrongly; an unknown one is -1 or NaN."""
    Y = np.asarray(Y)
    return float(((Y == 1) != (np.asarray(predictions) == 1))[Y >= 0].mean())


def zero_one_loss(Y: Labels, predictions: Labels) -> float:
    """Compute the fraction of rows with at least one wrong entry among the known ones."""
    Y = np.asarray(Y)
    wrong = ((Y == 1) != (np.asarray(predictions) == 1)) & (Y >= 0)
    return mean_over_rows(wrong.any(axis=1).astype(np.float64), known_cells(Y))
