"""What bootstrap replicates say: intervals, and which ranks can be told apart.

Replicates of all models on one test set are drawn with the same weights (``mlbench.evaluation.bootstrap``),
so that differences are paired: what makes a recording hard for all models cancels.
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
    """A paired difference of two figures on one test set.

    Attributes:
        value: First less second.
        low: Lower end of its interval at ``LEVEL``.
        high: Upper end.
        superiority: Share of the replicates in which the first is higher, ties counting half; those in which
            the figures are undefined left out.
    """

    value: float
    low: float
    high: float
    superiority: float


def difference(value: float, one: Floats, other: Floats) -> Difference:
    """The difference of two figures from their paired replicates, each of shape (R,)."""
    paired = one - other
    low, high = interval(paired).tolist()
    known = paired[~np.isnan(paired)]
    superiority = float(np.mean(known > 0) + np.mean(known == 0) / 2)
    return Difference(value=value, low=low, high=high, superiority=superiority)


def fold_seeds(replicates: Sequence[Sequence[float]], name: str) -> Floats:
    """Replicates of the mean over seeds: in each, as many seeds are drawn, with replacement, as there are.

    Args:
        replicates: One sequence of R values a seed.
        name: Of the model and its representation: models draw their seeds independently.
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
    """The ranks that each model may have: 1 + those surely better, up to all less those surely worse.

    Two models are told apart when their paired difference, in its standard errors, is larger than 95 % of
    the replicates' largest such deviation over all pairs: a single-step correction for the number of
    comparisons that takes their correlation into account (max-t: Westfall and Young, 1993; Romano and
    Wolf, 2005).

    Args:
        values: The figure of each model, higher is better.
        replicates: Its paired replicates, shape (R,).
    """
    names = list(values)
    pairs = list(combinations(names, 2))
    if not pairs:
        return dict.fromkeys(names, (1, 1))
    gaps = np.array([values[one] - values[other] for one, other in pairs])
    paired = np.array([replicates[one] - replicates[other] for one, other in pairs])
    paired = paired[:, ~np.isnan(paired).all(axis=0)]  # without a positive drawn there is no figure
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
