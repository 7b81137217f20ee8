"""Micro average precision after calibrating each label.

Micro average precision ranks the entries of all labels together, so it depends on how a model scales the labels
relative to each other, and not only on how well it ranks rows. Here the scores of each label are replaced by the
log-odds of such scores on the validation split, which leaves the quality of the rankings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench.metrics import average_precision

CALIBRATED = "average_precision_micro_calibrated"
TIE = 1e-9
"""Much smaller than differences of log-odds; orders equal log-odds of a label by their scores."""
STEPS, LONGEST_STEP, PENALTY = 25, 2.0, 1e-3
Floats = NDArray[np.float64]
Scores = NDArray[np.floating[Any]]


def calibrated_average_precision(
    Y_valid: NDArray[np.uint8], valid: Scores, Y_test: NDArray[np.uint8], test: Scores
) -> float:
    """Compute micro average precision on test after logistic calibration of each label on valid.

    The result is invariant to strictly increasing transformations of each label's scores.

    Args:
        Y_valid: Labels (n_valid, k), 0 or 1.
        valid: Scores (n_valid, k).
        Y_test: Labels (n, k).
        test: Scores (n, k).
    """
    columns = [calibrate(Y_valid[:, j], valid[:, j], test[:, j]) for j in range(Y_test.shape[1])]
    return average_precision(Y_test, np.stack(columns, axis=1), "micro")


def calibrate(truth: NDArray[np.uint8], scores: Scores, new: Scores) -> Floats:
    """Calibrate the ``new`` scores of one label to log-odds; ties keep the order of the scores.

    Each score is replaced by the normal deviate of its rank among the scores of the calibration rows, and the
    log-odds are linear in it (Platt, 1999, with his targets, so that no label is certain).

    Args:
        truth: Labels of the calibration rows, shape (n,), 0 or 1.
        scores: Scores of the calibration rows, shape (n,).
        new: Scores to calibrate, shape (m,).
    """
    known = np.sort(scores)
    intercept, slope = _logistic(_deviate(known, scores), truth)
    order = np.unique(new, return_inverse=True)[1]
    calibrated: Floats = intercept + slope * _deviate(known, new) + TIE * order / max(1, len(new))
    return calibrated


def _deviate(known: Scores, scores: Scores) -> Floats:
    """Return the normal deviate of the rank of each score among the sorted ``known``."""
    from scipy.special import ndtri  # imported late: not every command needs it

    below, up_to = (np.searchsorted(known, scores, side=side) for side in ("left", "right"))
    deviate: Floats = ndtri(((below + up_to) / 2 + 0.5) / (len(known) + 1))
    return deviate


def _logistic(x: Floats, truth: NDArray[np.uint8]) -> tuple[float, float]:
    """Fit a logistic regression on one variable by Newton's method; return intercept and slope (at least 0)."""
    positives = int(truth.sum())
    target = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2))
    design = np.stack([np.ones_like(x), x])
    weights = np.array([np.log(target.mean() / (1 - target.mean())), 0.0])
    for _ in range(STEPS):
        share = 1 / (1 + np.exp(-(weights @ design)))
        gradient = design @ (target - share) - PENALTY * weights
        curvature = (design * (share * (1 - share))) @ design.T + PENALTY * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step * min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))
    return float(weights[0]), max(0.0, float(weights[1]))
