"""Bootstrap replicates of every metric that can be tuned, paired with those of average precision.

A board is ranked by the metric that was tuned, whichever that is, with its own interval. All metrics are drawn
with the weights of ``mlbench.evaluation.bootstrap``: a replicate is the same test set for all of them. None of
them is computed anew in each replicate:

- a mean over rows is a sum over units of rows, weighted by how often each unit was drawn;
- F1 is a ratio of counts, which are such sums, too;
- average precision over labels is made of the replicates of each label;
- ROC AUC counts, at each positive, the negatives below it, block of thresholds by block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Split
from mlbench.evaluation.bootstrap import Replicates, blocks_of_thresholds, bootstrap, drawn_units
from mlbench.metrics.row_rankings import Ranking

Floats: TypeAlias = NDArray[np.float64]
Scores: TypeAlias = NDArray[np.floating[Any]]
Truth: TypeAlias = NDArray[np.bool_]


def metric_replicates(name: str, test: Split, scores: Scores, threshold: float, sha256: str) -> Floats | None:
    """Return a metric of the test scores in each replicate, shape (R,), NaN where it is undefined.

    Args:
        name: A key of ``mlbench.metrics.DIRECTIONS``.
        test: The test split.
        scores: Scores (n, k).
        threshold: Predictions are ``scores >= threshold``, in every replicate.
        sha256: The data set's fingerprint, the only seed.

    Returns:
        The replicates, or None where there are too few units for an interval, or nobody wrote how the metric
        is resampled: boards that are ranked by it then have no intervals and no ranges of ranks.
    """
    drawn = drawn_units(test, sha256)
    if drawn is None:
        return None
    unit, weight = drawn
    return replicates_with(name, test.Y, scores, threshold, unit, weight.astype(np.float64))


def replicates_with(
    name: str, Y: NDArray[np.uint8], scores: Scores, threshold: float, unit: NDArray[np.int64], weight: Floats
) -> Floats | None:
    """Return a metric in each replicate, or None if it is in none of the tables below.

    Args:
        name: A key of ``mlbench.metrics.DIRECTIONS``.
        Y: Labels (n, k), 0 or 1.
        scores: Scores (n, k).
        threshold: Predictions are ``scores >= threshold``.
        unit: The unit that each row belongs to, shape (n,).
        weight: How often each unit was drawn, shape (units, R).
    """
    from threadpoolctl import threadpool_limits  # late, as it looks for every library that has threads

    truth = Y == 1
    with threadpool_limits(1), np.errstate(invalid="ignore", divide="ignore"):
        if name in OF_ROWS:
            return _mean_over_rows(OF_ROWS[name](truth, scores, scores >= threshold), unit, weight)
        if name in OF_COUNTS:
            return OF_COUNTS[name](truth, scores >= threshold, unit, weight)
        if name in OF_LABELS:
            return OF_LABELS[name](bootstrap(Y, scores, unit, weight), _sums(truth, unit, len(weight)).T @ weight)
        if name == "roc_auc_micro":
            k = truth.shape[1]
            return _roc_auc(truth.ravel(), np.ravel(scores), np.repeat(unit, k), weight)
        if name == "roc_auc_macro":
            columns = zip(np.ascontiguousarray(truth.T), np.ascontiguousarray(scores.T), strict=True)
            return _mean_of_defined(np.array([_roc_auc(t, s, unit, weight) for t, s in columns]))
    return None


def _sums(values: NDArray[Any], unit: NDArray[np.int64], n_units: int) -> Floats:
    """Sum of the rows of ``values`` (n, ...) in each unit: shape (units, ...)."""
    sums = np.zeros((n_units, *values.shape[1:]))
    np.add.at(sums, unit, values)
    return sums


def _mean_over_rows(values: Floats, unit: NDArray[np.int64], weight: Floats) -> Floats:
    """Mean over the drawn rows of one value a row, (n,)."""
    n_units = len(weight)
    means: Floats = (_sums(values, unit, n_units) @ weight) / (np.bincount(unit, minlength=n_units) @ weight)
    return means


def _mean_of_defined(values: Floats) -> Floats:
    """Mean over labels of (k, R), leaving out what is NaN."""
    defined = ~np.isnan(values)
    means: Floats = np.where(defined, values, 0).sum(axis=0) / defined.sum(axis=0)
    return means


# --------------------------------------------------------------------------------------- one value a row
def _precision(truth: Truth, scores: Scores, without: float) -> Floats:
    ranking = Ranking(truth, scores)
    return np.where(ranking.n_positives > 0, ranking.precision, without)


def _ratio(over: Floats, under: Floats) -> Floats:
    """``over / under``, 0 where there is nothing to divide by."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def _row_counts(truth: Truth, predicted: Truth) -> tuple[Floats, Floats]:
    both = (truth & predicted).sum(axis=1, dtype=np.float64)
    return both, truth.sum(axis=1, dtype=np.float64) + predicted.sum(axis=1, dtype=np.float64)


def _f1_rows(truth: Truth, scores: Scores, predicted: Truth) -> Floats:
    both, total = _row_counts(truth, predicted)
    return _ratio(2 * both, total)


def _jaccard_rows(truth: Truth, scores: Scores, predicted: Truth) -> Floats:
    both, total = _row_counts(truth, predicted)
    return _ratio(both, total - both)


OF_ROWS: dict[str, Callable[[Truth, Scores, Truth], Floats]] = {
    "average_precision_samples": lambda truth, scores, predicted: _precision(truth, scores, 0.0),
    "label_ranking_average_precision": lambda truth, scores, predicted: _precision(truth, scores, 1.0),
    "coverage_error": lambda truth, scores, predicted: Ranking(truth, scores).coverage,
    "label_ranking_loss": lambda truth, scores, predicted: Ranking(truth, scores).reversed_pairs,
    "hamming_loss": lambda truth, scores, predicted: (truth != predicted).mean(axis=1),
    "zero_one_loss": lambda truth, scores, predicted: (truth != predicted).any(axis=1).astype(np.float64),
    "f1_samples": _f1_rows,
    "jaccard_samples": _jaccard_rows,
}
"""From truth, scores and predictions, each (n, k), to one value a row, of which the metric is the mean."""


# ------------------------------------------------------------------------------------------ counts
def _label_counts(truth: Truth, predicted: Truth, unit: NDArray[np.int64], weight: Floats) -> tuple[Floats, Floats]:
    """True positives, and positives plus predicted positives, of each label in each replicate: shape (k, R)."""
    both = _sums(truth & predicted, unit, len(weight)).T @ weight
    total = _sums(truth, unit, len(weight)).T @ weight + _sums(predicted, unit, len(weight)).T @ weight
    return both, total


def _f1_micro(truth: Truth, predicted: Truth, unit: NDArray[np.int64], weight: Floats) -> Floats:
    both, total = _label_counts(truth, predicted, unit, weight)
    return _ratio(2 * both.sum(axis=0), total.sum(axis=0))


def _f1_macro(truth: Truth, predicted: Truth, unit: NDArray[np.int64], weight: Floats) -> Floats:
    both, total = _label_counts(truth, predicted, unit, weight)
    positives = _sums(truth, unit, len(weight)).T @ weight
    return _mean_of_defined(np.where(positives > 0, _ratio(2 * both, total), np.nan))


OF_COUNTS: dict[str, Callable[[Truth, Truth, NDArray[np.int64], Floats], Floats]] = {
    "f1_micro": _f1_micro,
    "f1_macro": _f1_macro,
}
"""From truth and predictions, each (n, k), units and weights to the replicates."""


# ------------------------------------------------------------------------------- average precision
def _weighted(replicates: Replicates, positives: Floats) -> Floats:
    values: Floats = np.where(positives > 0, replicates.per_label * positives, 0).sum(axis=0) / positives.sum(axis=0)
    return values


OF_LABELS: dict[str, Callable[[Replicates, Floats], Floats]] = {
    "average_precision_micro": lambda replicates, positives: replicates.micro,
    "average_precision_macro": lambda replicates, positives: replicates.macro,
    "average_precision_macro_all_labels": lambda replicates, positives: np.nan_to_num(replicates.per_label).mean(
        axis=0
    ),
    "average_precision_weighted": _weighted,
}
"""From replicates of average precision and the drawn positives of each label, (k, R), to the replicates."""


# ------------------------------------------------------------------------------------------ ROC AUC
def _roc_auc(truth: Truth, scores: Scores, unit: NDArray[np.int64], weight: Floats) -> Floats:
    """Replicates of one ranking, shape (R,); NaN where no positive or no negative was drawn."""
    n_units, n_replicates = weight.shape
    thresholds, place = np.unique(scores[truth], return_inverse=True)
    negative = scores[~truth]
    negative_unit = unit[~truth]
    positives = np.bincount(unit[truth], minlength=n_units) @ weight
    negatives = np.bincount(negative_unit, minlength=n_units) @ weight
    # Negatives by the number of thresholds below them, and whether they equal the one that comes next.
    below, up_to = (np.searchsorted(thresholds, negative, side=side) for side in ("left", "right"))
    wins, passed = np.zeros(n_replicates), np.zeros(n_replicates)
    for rows in blocks_of_thresholds(len(thresholds), n_replicates):
        size = rows.stop - rows.start
        inside = (below >= rows.start) & (below < rows.stop)
        lower = _cells(below[inside] - rows.start, negative_unit[inside], size, n_units) @ weight
        tied = inside & (up_to > below)
        equal = _cells(below[tied] - rows.start, negative_unit[tied], size, n_units) @ weight
        here = (place >= rows.start) & (place < rows.stop)
        hits = _cells(place[here] - rows.start, unit[truth][here], size, n_units) @ weight
        cumulative = np.cumsum(lower, axis=0) + passed  # at or below each threshold
        passed = cumulative[-1].copy()
        wins += (hits * (cumulative - equal / 2)).sum(axis=0)
    values: Floats = wins / (positives * negatives)
    return values


def _cells(row: NDArray[np.intp], column: NDArray[np.int64], n_rows: int, n_columns: int) -> Any:
    """Counts of (row, column), as a CSR matrix: most are 0."""
    import scipy.sparse as sp  # late: whoever only shows intervals needs none of it

    return sp.csr_matrix((np.ones(len(row)), (row, column)), shape=(n_rows, n_columns))
