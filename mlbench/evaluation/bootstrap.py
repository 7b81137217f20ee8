"""Bootstrap of average precision over whole groups, with all replicates in one matrix product.

A replicate draws as many groups as there are, with replacement: group g counts w[g] times. Average
precision is the mean, over the positives, of (positives / entries) that score at least as high. Both
counts are sums over groups, so for all replicates at once

    positives at or above, per group (m, G)  @  weights (G, R)

is the numerator at each of the m thresholds, and the same product with all entries is the denominator. All
replicates share one sort, and the result equals explicit resampling up to rounding.

The weights depend only on the fingerprint of the data set, so any two models on the same test set, wherever they
ran, can be compared replicate by replicate, without their scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Split
from mlbench.metrics.core import known_cells

N_REPLICATES = 1_000
CELLS = 1 << 18
"""How many products are held in memory at a time."""
FEW_UNITS = 256
"""The number of groups up to which counts per group are dense; with more groups, most counts are 0."""
FEWEST_UNITS = 10
MOST_ROWS = 2_000
Floats = NDArray[np.float64]
Ranked: TypeAlias = "tuple[NDArray[np.bool_], NDArray[Any], NDArray[np.int64]]"
"""Truth, score and unit of the entries of one ranking, each of shape (m,)."""


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


def units(n: int, groups: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Number the resampling units (groups, or rows without groups) from 0 in the order of their keys; shape (n,)."""
    if groups is None:
        return np.arange(n)
    numbers: NDArray[np.int64] = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return numbers


@lru_cache(maxsize=2)
def weights(sha256: str, n_units: int, n_replicates: int = N_REPLICATES) -> NDArray[np.uint16]:
    """Draw how often each unit occurs in each replicate: shape (n_units, n_replicates), columns sum to n_units.

    Args:
        sha256: The fingerprint of the data set, which is the only seed.
        n_units: The number of units.
        n_replicates: The number of replicates.
    """
    rng = np.random.default_rng(int(sha256, 16))
    drawn = np.empty((n_replicates, n_units), dtype=np.uint16)
    for replicate in drawn:
        replicate[:] = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units)
    return np.ascontiguousarray(drawn.T)


def number_of_units(n_test: int, n_groups: int | None) -> int:
    """Return how many units a test set of that size is resampled by."""
    return n_groups if n_groups is not None else n_test if n_test <= MOST_ROWS else FEW_UNITS


def bootstrap_test(test: Split, scores: NDArray[np.floating[Any]], sha256: str) -> Replicates | None:
    """The replicates of a model's test scores, shape (n, k), paired with every other model's on the same data.

    None with fewer than ``FEWEST_UNITS`` groups: so few say next to nothing of others.
    """
    drawn = drawn_units(test, sha256)
    return None if drawn is None else bootstrap(test.labels, scores, *drawn)


def drawn_units(test: Split, sha256: str) -> tuple[NDArray[np.int64], NDArray[np.uint16]] | None:
    """Return the unit of each test row, (n,), and how often each unit is drawn, (units, R); None with too few units.

    More than ``MOST_ROWS`` rows without groups are dealt out at random into ``FEW_UNITS`` units: rows are
    independent, so that units of them are, and an interval is as wide, at a fraction of the cost.
    """
    unit = units(len(test), test.groups)
    if test.groups is None and len(test) > MOST_ROWS:
        unit = np.random.default_rng(int(sha256, 16) + 1).permutation(len(test)) % FEW_UNITS
    n_units = int(unit.max()) + 1
    return (unit, weights(sha256, n_units)) if n_units >= FEWEST_UNITS else None


def bootstrap(
    Y: NDArray[Any], scores: NDArray[np.floating[Any]], unit: NDArray[np.int64], weight: NDArray[Any]
) -> Replicates:
    """Compute micro, macro and per-label average precision of each replicate.

    Args:
        Y: Labels (n, k), 0 or 1; what is -1 is unknown and left out.
        scores: Scores (n, k).
        unit: The unit of each row, shape (n,).
        weight: How often each unit occurs in each replicate, shape (units, R).
    """
    from threadpoolctl import threadpool_limits  # imported late because it inspects all loaded libraries

    drawn = weight.astype(np.float64)
    # One thread: the products are small, and a second thread that waits for other jobs costs ten times its gain.
    with threadpool_limits(1):
        return _bootstrap(Y == 1, scores, unit, drawn, known_cells(Y))


def _bootstrap(
    truth: NDArray[np.bool_],
    scores: NDArray[np.floating[Any]],
    unit: NDArray[np.int64],
    drawn: Floats,
    known: NDArray[np.bool_] | None,
) -> Replicates:
    micro = _replicates(*entries(truth, scores, unit, known), drawn)
    per_label = np.array([_replicates(*column, drawn) for column in columns(truth, scores, unit, known)])
    defined = ~np.isnan(per_label)
    with np.errstate(invalid="ignore"):
        macro = np.where(defined, per_label, 0).sum(axis=0) / defined.sum(axis=0)
    return Replicates(micro=micro, macro=macro, per_label=per_label)


def entries(
    truth: NDArray[np.bool_], scores: NDArray[Any], unit: NDArray[np.int64], known: NDArray[np.bool_] | None
) -> Ranked:
    """Return truth, score and unit of all known entries together, each of shape (m,)."""
    of_entry = np.repeat(unit, truth.shape[1])
    if known is None:
        return truth.ravel(), np.ravel(scores), of_entry
    return truth[known], scores[known], of_entry[known.ravel()]


def columns(
    truth: NDArray[np.bool_], scores: NDArray[Any], unit: NDArray[np.int64], known: NDArray[np.bool_] | None
) -> Iterator[Ranked]:
    """Yield truth, score and unit of the known entries of each label."""
    for j, (t, s) in enumerate(zip(np.ascontiguousarray(truth.T), np.ascontiguousarray(scores.T), strict=True)):
        rows: Any = slice(None) if known is None else known[:, j]
        yield t[rows], s[rows], unit[rows]


def _replicates(
    truth: NDArray[np.bool_], scores: NDArray[np.floating[Any]], unit: NDArray[np.int64], drawn: Floats
) -> Floats:
    """Compute the replicates (R,) of one ranking; NaN where no positive was drawn."""
    thresholds = np.unique(scores[truth])
    n_replicates = drawn.shape[1]
    if not len(thresholds):
        return np.full(n_replicates, np.nan)
    # The number of thresholds above each entry: 0 is the highest. Entries below all thresholds do not count.
    place = len(thresholds) - np.searchsorted(thresholds, scores, side="right")
    kept = place < len(thresholds)
    entries = _Cumulative(place[kept], unit[kept], len(thresholds), drawn)
    positives = _Cumulative(place[truth], unit[truth], len(thresholds), drawn)
    precision = np.zeros(n_replicates)
    for rows in blocks_of_thresholds(len(thresholds), n_replicates):
        hits, reached = positives.at_or_above(rows), entries.at_or_above(rows)
        if reached[0].min() == 0:  # nothing drawn so far, so there are no hits
            np.maximum(reached, 1, out=reached)
        precision += positives.sum_over(rows, np.divide(hits, reached, out=hits))
    with np.errstate(invalid="ignore"):
        return precision / positives.total()


class _Cumulative:
    """Counts the drawn entries at or above each threshold, in each replicate.

    With few units, counts per unit are cumulated before the product. With many units they are mostly 0, and it is
    cheaper to multiply first.
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
            import scipy.sparse as sp  # imported late: not needed with few groups or for showing intervals

            self.counts = sp.csr_matrix((np.ones(len(place)), (place, unit)), shape=shape)

    def at_or_above(self, rows: slice) -> Floats:
        """Return the counts (rows, R) of a block of thresholds; call it for consecutive blocks."""
        if self.dense is not None:
            return self.dense[rows] @ self.drawn
        sums = np.cumsum(self.counts[rows] @ self.drawn, axis=0)
        sums += self.carry
        self.carry = sums[-1].copy()
        return sums

    def sum_over(self, rows: slice, values: Floats) -> Floats:
        """Sum ``values`` (rows, R) over the drawn entries at these thresholds; shape (R,)."""
        if self.dense is not None:  # a small product instead of a pass over (rows, R)
            sums: Floats = ((self.counts[rows].T @ values) * self.drawn).sum(axis=0)
        else:
            sums = np.einsum("ij,ij->j", self.counts[rows] @ self.drawn, values)
        return sums

    def total(self) -> Floats:
        """Return the total number of drawn entries, shape (R,)."""
        totals: Floats = np.asarray(self.counts.sum(axis=0)).ravel() @ self.drawn
        return totals


def blocks_of_thresholds(m: int, n_replicates: int) -> Iterator[slice]:
    """Return slices of m thresholds whose products with all replicates fit into ``CELLS``."""
    step = max(1, CELLS // n_replicates)
    return (slice(start, min(start + step, m)) for start in range(0, m, step))
