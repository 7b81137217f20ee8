"""Intervals and rank ranges from bootstrap replicates.

Replicates of a metric are biased where labels are rare: a replicate lacks some labels, and the average precision of
few positives is too high. So the interval is not made of their quantiles. It is centred on the value less the bias of
the replicates, and as wide as Student's t has it for their standard deviation and the bias, which is itself only an
estimate, with a factor for few units:

    value - bias ± t(n - 1) * sqrt(n / (n - 1)) * sqrt(sd ** 2 + bias ** 2),   bias = mean of replicates - value

It always contains the value. ``benchmarks/coverage.py`` simulates how often it contains the truth.

The replicates of all models on one test set use the same weights (``mlbench.evaluation.bootstrap``), so differences
are paired: what makes a recording hard for all models cancels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
MANY = 10**9
"""So many units that Student's t is normal."""
Floats = NDArray[np.float64]


def interval(value: Any, replicates: Floats, n_units: int, low: float = -np.inf, high: float = np.inf) -> Floats:
    """Compute the interval of a value at ``LEVEL``; replicates that are NaN are ignored.

    Args:
        value: The value, or values of shape (...).
        replicates: Its replicates, shape (..., R).
        n_units: The number of units that were resampled.
        low: The least that the value can be.
        high: The most that it can be.

    Returns:
        Both ends, shape (2, ...).
    """
    centre, error = _centre_and_error(np.asarray(value, dtype=np.float64), replicates, n_units)
    reach = _student(n_units) * error
    return np.clip(np.stack([centre - reach, centre + reach]), low, high)


def label_intervals(values: Floats, replicates: Floats, n_units: int, *, percentiles: bool = False) -> Floats:
    """Compute the intervals of values of labels; NaN where fewer than half of the replicates have the label.

    Args:
        values: Values (k,), between 0 and 1.
        replicates: Their replicates (k, R).
        n_units: The number of units that were resampled.
        percentiles: Whether to take percentiles, as before schema 3.
    """
    ends = np.full((2, len(values)), np.nan)
    known = np.mean(~np.isnan(replicates), axis=1) >= 0.5
    if percentiles and known.any():
        ends[:, known] = percentile_interval(replicates[known])
    elif known.any():
        ends[:, known] = interval(values[known], replicates[known], n_units, 0.0, 1.0)
    return ends


def percentile_interval(replicates: Floats) -> Floats:
    """Compute percentiles over the last axis, shape (2, ...): the intervals of boards and labels before schema 3."""
    tail = 50 * (1 - LEVEL)
    ends: Floats = np.nanpercentile(replicates, [tail, 100 - tail], axis=-1)
    return ends


def _centre_and_error(value: Floats, replicates: Floats, n_units: int) -> tuple[Floats, Floats]:
    """Return the value less the bias of its replicates, and its standard error."""
    bias = np.nanmean(replicates, axis=-1) - value
    spread = np.nanstd(replicates, axis=-1, ddof=1)
    return value - bias, np.sqrt(n_units / (n_units - 1) * (spread**2 + bias**2))


def _student(n_units: int) -> float:
    """Return the quantile of Student's t at ``LEVEL``, two-sided."""
    from scipy.special import stdtrit  # late: not every command shows intervals

    return float(stdtrit(n_units - 1, (1 + LEVEL) / 2))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A paired difference of two values on one test set.

    Attributes:
        value: The first minus the second.
        low: The lower end of its interval at ``LEVEL``.
        high: The upper end.
        superiority: The fraction of replicates in which the first is higher, counting ties as half and ignoring
            replicates in which a value is undefined.
    """

    value: float
    low: float
    high: float
    superiority: float


def difference(value: float, one: Floats, other: Floats, n_units: int) -> Difference:
    """Return the difference of two values from their paired replicates, each of shape (R,).

    Args:
        value: The first value minus the second.
        one: Replicates of the first.
        other: Replicates of the second.
        n_units: The number of units that were resampled.
    """
    paired = one - other
    low, high = interval(value, paired, n_units).tolist()
    known = paired[~np.isnan(paired)]
    superiority = float(np.mean(known > 0) + np.mean(known == 0) / 2)
    return Difference(value=value, low=low, high=high, superiority=superiority)


def fold_seeds(replicates: Sequence[Sequence[float]] | Sequence[Floats], name: str) -> Floats:
    """Return replicates of the mean over seeds, drawing the seeds with replacement in each replicate.

    Args:
        replicates: One sequence of R values per seed.
        name: The name of model and features, so that models draw their seeds independently.
    """
    stacked = np.array(replicates, dtype=np.float64)
    n_seeds, n_replicates = stacked.shape
    if n_seeds == 1:
        only: Floats = stacked[0]
        return only
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big"))
    drawn = rng.integers(0, n_seeds, (n_seeds, n_replicates))
    folded: Floats = np.take_along_axis(stacked, drawn, axis=0).mean(axis=0)
    return folded


def rank_ranges(
    values: Mapping[str, float], replicates: Mapping[str, Floats], n_units: int, *, corrected: bool = True
) -> dict[str, tuple[int, int]]:
    """Return the lowest and highest rank that each model may have.

    The lowest is 1 + the number of models that are significantly better; the highest is the number of models minus
    those that are significantly worse. Two models differ significantly if their paired difference, in standard
    errors, exceeds the 95 % quantile of the maximum deviation over all pairs across the replicates. This is
    a single-step correction for multiple comparisons that takes their correlation into account (max-t: Westfall and
    Young, 1993; Romano and Wolf, 2005).

    Args:
        values: The value of each model; higher is better.
        replicates: The paired replicates of each model, shape (R,).
        n_units: The number of units that were resampled.
        corrected: Whether to correct for the bias of the replicates and for few units; boards before schema 3 did not.
    """
    names = list(values)
    pairs = list(combinations(names, 2))
    if not pairs:
        return dict.fromkeys(names, (1, 1))
    gaps = np.array([values[one] - values[other] for one, other in pairs])
    paired = np.array([replicates[one] - replicates[other] for one, other in pairs])
    paired = paired[:, ~np.isnan(paired).all(axis=0)]  # the value is undefined where no positive was drawn
    spreads = np.nanstd(paired, axis=1, ddof=1)
    varying = spreads > 0
    critical = 0.0
    if varying.any():
        centred = paired[varying] - np.nanmean(paired[varying], axis=1, keepdims=True)
        largest = np.nanmax(np.abs(centred) / spreads[varying, None], axis=0)
        critical = float(np.nanquantile(largest, LEVEL))
    centres, errors = gaps, spreads
    if corrected:
        centres, errors = _centre_and_error(gaps, paired, n_units)
        critical *= _student(n_units) / _student(MANY)
    better = dict.fromkeys(names, 0)
    worse = dict.fromkeys(names, 0)
    for (one, other), gap, centre, error in zip(pairs, gaps, centres, errors, strict=True):
        # The corrected interval leaves out 0, on the same side as the gap.
        if gap != 0 and centre * np.sign(gap) > critical * error:
            winner, loser = (one, other) if gap > 0 else (other, one)
            better[loser] += 1
            worse[winner] += 1
    return {name: (1 + better[name], len(names) - worse[name]) for name in names}
