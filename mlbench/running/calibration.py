"""The score-scale audit: micro average precision of scores that were brought to one scale.

Micro average precision ranks the entries of all labels together, so that it depends on how a model scales
labels against each other, not only on how well it ranks rows. Here each label's scores are replaced by the
share of positives that such scores had on valid; what remains is what the rankings are worth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench.metrics import average_precision

CALIBRATED = "average_precision_micro_calibrated"
TIE = 1e-9
"""Far below any difference of calibrated shares: within a label, equal shares keep the order of the scores."""
Floats = NDArray[np.float64]
Scores = NDArray[np.floating[Any]]


def calibrated_average_precision(
    Y_valid: NDArray[np.uint8], valid: Scores, Y_test: NDArray[np.uint8], test: Scores
) -> float:
    """Micro average precision on test after isotonic regression of each label on valid.

    A strictly increasing change of any label's scores, the same on valid and test, changes nothing.

    Args:
        Y_valid: Labels (n_valid, k), 0 or 1.
        valid: Scores (n_valid, k).
        Y_test: Labels (n, k).
        test: Scores (n, k).
    """
    columns = [calibrate(Y_valid[:, j], valid[:, j], test[:, j]) for j in range(Y_test.shape[1])]
    return average_precision(Y_test, np.stack(columns, axis=1), "micro")


def calibrate(truth: NDArray[np.uint8], scores: Scores, new: Scores) -> Floats:
    """Calibrated shares of ``new`` scores of one label, in their own order where shares are equal.

    Isotonic regression (Zadrozny and Elkan, 2002) as a step function; each step is drawn towards the
    label's share as if one more row had been seen, so that no share is 0 or 1.

    Args:
        truth: Of the rows to fit on, shape (n,), 0 or 1.
        scores: Of the same rows.
        new: Shape (m,).
    """
    from scipy.optimize import isotonic_regression  # late: not every command needs it

    levels, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    positives = np.bincount(place, weights=truth, minlength=len(levels))
    share = (positives.sum() + 0.5) / (len(truth) + 1)
    fitted = isotonic_regression(positives / counts, weights=counts)
    starts = fitted.blocks[:-1]
    size = np.add.reduceat(counts, starts)
    steps = (np.add.reduceat(positives, starts) + share) / (size + 1)
    steps = np.maximum.accumulate(steps)  # drawn by different amounts, neighbours could change places
    reached = np.searchsorted(levels[starts], new, side="right") - 1
    order = np.unique(new, return_inverse=True)[1]
    calibrated: Floats = steps[np.maximum(reached, 0)] + TIE * order / max(1, len(new))
    return calibrated
