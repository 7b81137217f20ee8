"""Scores after calibrating each label, for a micro average precision that does not depend on the labels' scales.

Micro average precision ranks the entries of all labels together, so it depends on how a model scales the labels
relative to each other, and not only on how well it ranks rows. Here the scores of each label are replaced by the
log-odds of such scores on the validation split, which leaves the quality of the rankings.

A label with few positives is calibrated mostly by the map that all labels share, which leaves the order of their
scores: its own map would cost more by its noise than it gains. Where most labels have few, nothing is calibrated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench.metrics.core import known_cells

FEWEST_POSITIVES = 50
"""Labels are calibrated if half of them have at least that many positives, and as many negatives, on valid."""
SHRINKAGE = 300.0
"""The number of positives with which a label's own map counts as much as the map that all labels share."""
TIE = 1e-9
"""Much smaller than differences of log-odds; orders equal log-odds of a label by their scores."""
STEPS, LONGEST_STEP, PENALTY = 25, 2.0, 1e-3
Floats = NDArray[np.float64]
Scores = NDArray[np.floating[Any]]


def calibrated(Y: NDArray[Any], scores: Scores, new: Scores) -> Floats | None:
    """Calibrate the ``new`` scores of all labels to log-odds; None if there are too few positives for it.

    Within a label, the order of the scores stays as it is.

    Args:
        Y: Labels of the calibration rows (n, k), 0 or 1; what is -1 or NaN is unknown and left out.
        scores: Scores of the calibration rows (n, k).
        new: Scores to calibrate (m, k).
    """
    known = known_cells(np.asarray(Y))
    known = np.ones(Y.shape, dtype=bool) if known is None else known
    positives = (Y == 1).sum(axis=0)
    support = np.minimum(positives, known.sum(axis=0) - positives)
    if not len(Y) or np.median(support) < FEWEST_POSITIVES:
        return None
    shared = calibrate(Y[known] == 1, scores[known], new.ravel()).reshape(new.shape)
    columns = ((Y[rows, j] == 1, scores[rows, j], new[:, j]) for j, rows in enumerate(known.T))
    own = np.stack([calibrate(*column) for column in columns], axis=1)
    share = support / (support + SHRINKAGE)
    blended: Floats = (1 - share) * shared + share * own
    return blended


def calibrate(truth: NDArray[np.bool_], scores: Scores, new: Scores) -> Floats:
    """Calibrate ``new`` scores to log-odds; ties keep the order of the scores.

    Each score is replaced by the normal deviate of its rank among the scores of the calibration rows, and the
    log-odds are linear in it (Platt, 1999, with his targets, so that no label is certain).

    Args:
        truth: Which calibration rows are positive, shape (n,).
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


def _logistic(x: Floats, truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit a logistic regression on one variable by Newton's method; return intercept and slope (at least 0)."""
    positives = int(truth.sum())
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2))
    design = np.stack([np.ones_like(x), x])
    weights = np.array([np.log(target.mean() / (1 - target.mean())), 0.0])
    for _ in range(STEPS):
        share = 1 / (1 + np.exp(-(weights @ design)))
        gradient = design @ (target - share) - PENALTY * weights
        curvature = (design * (share * (1 - share))) @ design.T + PENALTY * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step * min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))
    return float(weights[0]), max(0.0, float(weights[1]))
