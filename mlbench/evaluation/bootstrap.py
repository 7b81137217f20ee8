"""Bootstrap of average precision over whole groups: all replicates in one matrix product.

A replicate draws as many groups as there are, with replacement: group g counts w[g] times. Average
precision is a mean, over the positives, of (positives / entries) that score at least as high, and both
counts are sums over groups, so that for all replicates together

    positives at or above, per group (m, G)  @  weights (G, R)

is the numerator at each of the m thresholds, and the same product with entries the denominator. One sort
serves all replicates, and the result equals explicit resampling (up to rounding).

The weights come from the data set's fingerprint alone: any two models on one test set, wherever they ran,
are compared replicate by replicate, without their scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Split

N_REPLICATES = 1_000
LEVEL = 0.95
CELLS = 1 << 18
"""Products that are held in memory together."""
FEW_UNITS = 256
"""Groups up to which counts per group are kept dense; above, most of them are 0."""
FEWEST_UNITS = 10
MOST_ROWS = 2_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Replicates:
    """Average precision in each replicate.

    Attributes:
        micro: Shape (R,).
        macro: Shape (R,): the mean over the labels that have a positive in the replicate.
        per_label: Shape (k, R), NaN where the label has no positive in the replicate.
    """

    micro: Floats
    macro: Floats
    per_label: Floats

    def intervals(self) -> tuple[list[float], list[float]]:
        """Lower and upper ends of each label's interval at ``LEVEL``, NaN where too few replicates define it.

        Where a label is rare, the replicates without it say nothing; with less than half of them left there
        is no interval.
        """
        ends = np.full((2, len(self.per_label)), np.nan)
        known = np.mean(~np.isnan(self.per_label), axis=1) >= 0.5
        if known.any():
            ends[:, known] = interval(self.per_label[known])
        return ends[0].tolist(), ends[1].tolist()


def interval(replicates: Floats) -> Floats:
    """The percentile interval at ``LEVEL`` over the last axis: shape (2, ...)."""
    tail = 50 * (1 - LEVEL)
    ends: Floats = np.nanpercentile(replicates, [tail, 100 - tail], axis=-1)
    return ends


def units(n: int, groups: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """What is drawn together, numbered from 0 in the order of its keys: shape (n,); rows where there are no groups."""
    if groups is None:
        return np.arange(n)
    numbers: NDArray[np.int64] = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return numbers


@lru_cache(maxsize=2)
def weights(sha256: str, n_units: int, n_replicates: int = N_REPLICATES) -> NDArray[np.uint16]:
    """How often each unit is drawn in each replicate: shape (n_units, n_replicates), columns sum to n_units.

    Args:
        sha256: The data set's fingerprint, the only seed.
        n_units: Groups, or rows.
        n_replicates: R.
    """
    rng = np.random.default_rng(int(sha256, 16))
    drawn = np.empty((n_replicates, n_units), dtype=np.uint16)
    for replicate in drawn:
        replicate[:] = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units)
    return np.ascontiguousarray(drawn.T)


def bootstrap_test(test: Split, scores: NDArray[np.floating[Any]], sha256: str) -> Replicates | None:
    """The replicates of a model's test scores, shape (n, k), paired with every other model's on the same data.

    None with fewer than ``FEWEST_UNITS`` groups: so few say next to nothing of others. More than ``MOST_ROWS``
    rows without groups are dealt out at random into ``FEW_UNITS`` units: rows are independent, so that units
    of them are, and the interval is as wide, at a fraction of the cost.
    """
    unit = units(len(test), test.groups)
    if test.groups is None and len(test) > MOST_ROWS:
        unit = np.random.default_rng(int(sha256, 16) + 1).permutation(len(test)) % FEW_UNITS
    n_units = int(unit.max()) + 1
    return bootstrap(test.Y, scores, unit, weights(sha256, n_units)) if n_units >= FEWEST_UNITS else None


def bootstrap(
    Y: NDArray[np.uint8], scores: NDArray[np.floating[Any]], unit: NDArray[np.int64], weight: NDArray[np.uint16]
) -> Replicates:
    """Micro, macro and per-label average precision of every replicate.

    Args:
        Y: Labels (n, k), 0 or 1.
        scores: Scores (n, k).
        unit: What each row belongs to, shape (n,).
        weight: Shape (units, R).
    """
    truth = Y == 1
    from threadpoolctl import threadpool_limits  # late, as it looks for every library that has threads

    drawn = weight.astype(np.float64)
    # One thread: the products are small, and a second one that other jobs keep waiting costs ten times its gain.
    with threadpool_limits(1):
        return _bootstrap(truth, scores, unit, drawn)


def _bootstrap(
    truth: NDArray[np.bool_], scores: NDArray[np.floating[Any]], unit: NDArray[np.int64], drawn: Floats
) -> Replicates:
    k = truth.shape[1]
    micro = _replicates(truth.ravel(), np.ravel(scores), np.repeat(unit, k), drawn)
    columns = zip(np.ascontiguousarray(truth.T), np.ascontiguousarray(scores.T), strict=True)
    per_label = np.array([_replicates(t, s, unit, drawn) for t, s in columns])
    defined = ~np.isnan(per_label)
    with np.errstate(invalid="ignore"):
        macro = np.where(defined, per_label, 0).sum(axis=0) / defined.sum(axis=0)
    return Replicates(micro=micro, macro=macro, per_label=per_label)


def _replicates(
    truth: NDArray[np.bool_], scores: NDArray[np.floating[Any]], unit: NDArray[np.int64], drawn: Floats
) -> Floats:
    """One ranking: shape (R,); NaN where no positive was drawn."""
    thresholds = np.unique(scores[truth])
    n_replicates = drawn.shape[1]
    if not len(thresholds):
        return np.full(n_replicates, np.nan)
    # Entries by the number of thresholds that they do not reach: 0 is the highest. What reaches none counts nowhere.
    place = len(thresholds) - np.searchsorted(thresholds, scores, side="right")
    kept = place < len(thresholds)
    entries = _Cumulative(place[kept], unit[kept], len(thresholds), drawn)
    positives = _Cumulative(place[truth], unit[truth], len(thresholds), drawn)
    precision = np.zeros(n_replicates)
    for rows in _blocks(len(thresholds), n_replicates):
        hits, reached = positives.at_or_above(rows), entries.at_or_above(rows)
        if reached[0].min() == 0:  # nothing drawn so far, and so no hits
            np.maximum(reached, 1, out=reached)
        precision += positives.sum_over(rows, np.divide(hits, reached, out=hits))
    with np.errstate(invalid="ignore"):
        return precision / positives.total()


class _Cumulative:
    """How many drawn entries stand at or above each threshold, in every replicate.

    With few units, counts per unit are summed up before the product; with many they are mostly 0, and it
    is cheaper to multiply first.
    """

    def __init__(self, place: NDArray[np.int64], unit: NDArray[np.int64], n_thresholds: int, drawn: Floats) -> None:
        shape = n_thresholds, len(drawn)
        self.drawn = drawn
        self.carry = np.zeros(drawn.shape[1])
        self.dense: Floats | None = None
        if shape[1] <= FEW_UNITS:
            cells = np.bincount(place * shape[1] + unit, minlength=shape[0] * shape[1])
            self.counts = cells.reshape(shape).astype(np.float64)
            self.dense = np.cumsum(self.counts, axis=0)
        else:
            import scipy.sparse as sp  # late: few groups, and whoever only shows intervals, need none of it

            self.counts = sp.csr_matrix((np.ones(len(place)), (place, unit)), shape=shape)

    def at_or_above(self, rows: slice) -> Floats:
        """Shape (rows, R); called for one block after the other."""
        if self.dense is not None:
            return self.dense[rows] @ self.drawn
        sums = np.cumsum(self.counts[rows] @ self.drawn, axis=0)
        sums += self.carry
        self.carry = sums[-1].copy()
        return sums

    def sum_over(self, rows: slice, values: Floats) -> Floats:
        """Sum of ``values`` (rows, R) over the drawn entries at these thresholds: shape (R,)."""
        if self.dense is not None:  # a small product, in place of a pass over all of (rows, R)
            sums: Floats = ((self.counts[rows].T @ values) * self.drawn).sum(axis=0)
        else:
            sums = np.einsum("ij,ij->j", self.counts[rows] @ self.drawn, values)
        return sums

    def total(self) -> Floats:
        """Drawn entries in all, shape (R,)."""
        totals: Floats = np.asarray(self.counts.sum(axis=0)).ravel() @ self.drawn
        return totals


def _blocks(m: int, n_replicates: int) -> Iterator[slice]:
    step = max(1, CELLS // n_replicates)
    return (slice(start, min(start + step, m)) for start in range(0, m, step))
