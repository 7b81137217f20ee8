"""Intervals and rank ranges from bootstrap replicates.

The replicates of all models on one test set use the same weights (``mlbench.evaluation.bootstrap``), so differences
are paired: what makes a recording hard for all models cancels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mlbench.evaluation.bootstrap import LEVEL, interval

Floats = NDArray[np.float64]


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


def difference(value: float, one: Floats, other: Floats) -> Difference:
    """Return the difference of two values from their paired replicates, each of shape (R,)."""
    paired = one - other
    low, high = interval(paired).tolist()
    known = paired[~np.isnan(paired)]
    superiority = float(np.mean(known > 0) + np.mean(known == 0) / 2)
    return Difference(value=value, low=low, high=high, superiority=superiority)


def fold_seeds(replicates: Sequence[Sequence[float]], name: str) -> Floats:
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


def rank_ranges(values: Mapping[str, float], replicates: Mapping[str, Floats]) -> dict[str, tuple[int, int]]:
    """Return the lowest and highest rank that each model may have.

    The lowest is 1 + the number of models that are significantly better; the highest is the number of models minus
    those that are significantly worse. Two models differ significantly if their paired difference, in standard
    errors, exceeds the 95 % quantile of the maximum deviation over all pairs across the replicates. This is
    a single-step correction for multiple comparisons that takes their correlation into account (max-t: Westfall and
    Young, 1993; Romano and Wolf, 2005).

    Args:
        values: The value of each model; higher is better.
        replicates: The paired replicates of each model, shape (R,).
    """
    names = list(values)
    pairs = list(combinations(names, 2))
    if not pairs:
        return dict.fromkeys(names, (1, 1))
    gaps = np.array([values[one] - values[other] for one, other in pairs])
    paired = np.array([replicates[one] - replicates[other] for one, other in pairs])
    paired = paired[:, ~np.isnan(paired).all(axis=0)]  # the value is undefined where no positive was drawn
    errors = np.nanstd(paired, axis=1, ddof=1)
    varying = errors > 0
    critical = 0.0
    if varying.any():
        centred = paired[varying] - np.nanmean(paired[varying], axis=1, keepdims=True)
        critical = float(np.nanquantile(np.nanmax(np.abs(centred) / errors[varying, None], axis=0), LEVEL))
    better = dict.fromkeys(names, 0)
    worse = dict.fromkeys(names, 0)
    for (one, other), gap, error in zip(pairs, gaps, errors, strict=True):
        if gap != 0 and abs(gap) > critical * error:
            winner, loser = (one, other) if gap > 0 else (other, one)
            better[loser] += 1
            worse[winner] += 1
    return {name: (1 + better[name], len(names) - worse[name]) for name in names}
