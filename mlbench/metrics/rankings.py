"""Ranking metrics over all entries together (micro) and over the entries of each label (macro).

Values are sorted instead of indices, and only the positives are looked up among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from mlbench.metrics.core import Floats, Labels, Scores, checked, known_cells, mean_over_rows, true_scores
from mlbench.metrics.row_rankings import Ranking

Average = Literal["micro", "macro", "weighted", "samples"]
RankingMetric = Callable[[Scores, Scores], float]
"""Maps the sorted scores of the positives and the sorted scores of all entries to the value of one ranking."""
CELLS_AT_ONCE = 1 << 22
"""How many scores are copied and sorted at a time where they need not all be in memory together."""
TILE = 512
"""How many rows of a wide matrix are transposed at a time: a larger tile no longer fits into the cache."""
RUN = 1 << 15
"""How many sorted values are searched at a time: in a longer run, each step of the search is a cache miss."""


def _places(values: Scores, thresholds: Scores, side: Literal["left", "right"] = "left") -> NDArray[np.int64]:
    """Do what ``np.searchsorted`` does, for thresholds that are sorted themselves."""
    if len(values) <= RUN or not len(thresholds):
        return np.searchsorted(values, thresholds, side=side)
    starts = np.arange(0, len(values), RUN)
    # Thresholds cuts[i] to cuts[i + 1] fall between the first value of run i and that of the next run.
    cuts = np.searchsorted(thresholds, values[starts], side="right" if side == "left" else "left")
    places = np.zeros(len(thresholds), dtype=np.int64)
    for start, low, high in zip(starts.tolist(), cuts.tolist(), [*cuts[1:].tolist(), len(thresholds)], strict=True):
        if low < high:
            places[low:high] = np.searchsorted(values[start : start + RUN], thresholds[low:high], side=side)
            places[low:high] += start
    return places


def _counts_at_or_above(values: Scores, thresholds: Scores) -> NDArray[np.int64]:
    """Count, for each of the sorted ``thresholds``, the sorted ``values`` that are at least as high."""
    return len(values) - _places(values, thresholds)


def one_average_precision(positives: Scores, values: Scores) -> float:
    """Compute the average precision of one ranking; NaN without positives."""
    if not len(positives):
        return float("nan")
    return float(np.mean(_counts_at_or_above(positives, positives) / _counts_at_or_above(values, positives)))


def one_roc_auc(positives: Scores, values: Scores) -> float:
    """Compute the ROC AUC of one ranking; NaN without positives or without negatives."""
    n, n_positives = len(values), len(positives)
    if n_positives in (0, n):
        return float("nan")
    # Twice the number of entries below each positive, a tie counting half, summed over the positives.
    # The positives alone contribute the square of their number.
    twice = int(_places(values, positives).sum()) + int(_places(values, positives, "right").sum())
    return (twice - n_positives**2) / 2 / (n_positives * (n - n_positives))


def all_together(
    truth: NDArray[np.bool_], scores: Scores, known: NDArray[np.bool_] | None = None
) -> tuple[Scores, Scores]:
    """Treat all known entries as one ranking: return the sorted scores of the positives, and those of all of them."""
    return np.sort(true_scores(truth, scores)), np.sort(scores if known is None else scores[known], axis=None)


def per_label(
    functions: Sequence[RankingMetric],
    truth: NDArray[np.bool_],
    scores: Scores,
    known: NDArray[np.bool_] | None = None,
) -> list[Floats]:
    """Compute ranking metrics label by label; one array (k,) for each, NaN for labels without positives."""
    n, k = truth.shape
    n_known = np.full(k, n) if known is None else known.sum(axis=0)
    values = [np.full(k, np.nan) for _ in functions]
    support = truth.sum(axis=0)
    live = np.flatnonzero(support)
    step = max(1, CELLS_AT_ONCE // max(1, n))
    for start in range(0, len(live), step):
        labels = live[start : start + step]
        columns = _transposed(scores, labels)
        positives = true_scores(_transposed(truth, labels), columns)
        if known is not None:
            columns[~_transposed(known, labels)] = np.nan  # which sorts after everything
        columns.sort(axis=1)
        ends = np.cumsum(support[labels]).tolist()
        for label, column, low, high in zip(labels.tolist(), columns, [0, *ends[:-1]], ends, strict=True):
            positives[low:high].sort()
            for result, function in zip(values, functions, strict=True):
                result[label] = function(positives[low:high], column[: n_known[label]])
    return values


def _transposed(matrix: NDArray[Any], labels: NDArray[np.intp]) -> NDArray[Any]:
    """Copy some columns into an array (labels, n)."""
    columns = np.empty((len(labels), len(matrix)), dtype=matrix.dtype)
    # The labels are mostly neighbours, and a slice is cheaper to read than a list of columns.
    span: Any = slice(labels[0], labels[-1] + 1) if labels[-1] - labels[0] + 1 == len(labels) else labels
    for start in range(0, len(matrix), TILE):
        columns[:, start : start + TILE] = matrix[start : start + TILE, span].T
    return columns


def mean_of_defined(values: Floats) -> float:
    """Average the values that are not NaN, as macro averages do; NaN if there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def weighted(values: Floats, support: NDArray[np.int64]) -> float:
    """Average over the labels that have positives, weighted by how many they have."""
    return float(np.nansum(values * support) / support.sum()) if support.any() else float("nan")


@overload
def average_precision(Y: Labels, scores: Scores, average: None) -> Floats: ...
@overload
def average_precision(Y: Labels, scores: Scores, average: Average = ...) -> float: ...
def average_precision(Y: Labels, scores: Scores, average: Average | None = "macro") -> float | Floats:
    """Compute the average precision.

    Args:
        Y: Labels (n, k), 0 or 1; what is -1 or NaN is unknown and left out.
        scores: Scores (n, k).
        average: ``"micro"`` ranks all entries together; ``"macro"`` is the mean over the labels that
            have a positive; ``"weighted"`` weights each label by its number of positives; ``"samples"``
            is the mean over rows, where a row without positives counts as 0; None returns one value
            per label, NaN where the label has no positive.
    """
    Y, scores = checked(Y, scores)
    known = known_cells(Y)
    if average == "micro":
        return one_average_precision(*all_together(Y == 1, scores, known))
    if average == "samples":
        ranking = Ranking(Y == 1, scores, known=known)
        return mean_over_rows(np.where(ranking.n_positives > 0, ranking.precision, 0.0), known)
    [values] = per_label([one_average_precision], Y == 1, scores, known)
    if average is None:
        return values
    if average == "macro":
        return mean_of_defined(values)
    if average == "weighted":
        return weighted(values, (Y == 1).sum(axis=0))
    raise ValueError(f"average must be micro, macro, weighted, samples or None, not {average!r}")


@overload
def roc_auc(Y: Labels, scores: Scores, average: None) -> Floats: ...
@overload
def roc_auc(Y: Labels, scores: Scores, average: Literal["micro", "macro"] = ...) -> float: ...
def roc_auc(Y: Labels, scores: Scores, average: Literal["micro", "macro"] | None = "macro") -> float | Floats:
    """Compute the area under the ROC curve.

    Args:
        Y: Labels (n, k), 0 or 1.
        scores: Scores (n, k).
        average: ``"micro"``; ``"macro"``, the mean over the labels that have both a positive and a
            negative; or None for one value per label, NaN where it is undefined.
    """
    Y, scores = checked(Y, scores)
    if average == "micro":
        return one_roc_auc(*all_together(Y == 1, scores, known_cells(Y)))
    [values] = per_label([one_roc_auc], Y == 1, scores, known_cells(Y))
    return values if average is None else mean_of_defined(values)


def precision_recall_curve(Y: Labels, scores: Scores) -> tuple[Floats, Floats]:
    """Compute precision and recall of all entries ranked together, from the highest score down.

    There is one point per distinct score, except between two points of the same recall: these are the
    points of scikit-learn's ``precision_recall_curve(..., drop_intermediate=True)``, in reverse order.
    However many entries there are, the curve has at most two points per positive.

    Args:
        Y: Labels (n, k), 0 or 1, with a positive.
        scores: Scores (n, k).

    Returns:
        Precision and recall, each of shape (points,). The first point is precision 1 at recall 0, the
        last is the fraction of positives at recall 1.

    Raises:
        ValueError: There are no positives, so recall is undefined.
    """
    Y, scores = checked(Y, scores)
    positives, values = all_together(Y == 1, scores, known_cells(Y))
    if not len(positives):
        raise ValueError("recall is undefined without a positive")
    thresholds = np.unique(positives)
    above = (len(values) - _places(values, thresholds, "right"))[::-1]
    # Recall rises at each threshold; from there to the next one, only precision changes.
    found = np.repeat(np.append(0, _counts_at_or_above(positives, thresholds)[::-1]), 2)
    starts, ends = np.append(0, _counts_at_or_above(values, thresholds)[::-1]), np.append(above, len(values))
    predicted = np.stack([starts, ends], axis=1).ravel()
    new = np.append(True, np.diff(predicted) > 0)
    precision = np.append(1.0, found[1:] / np.maximum(predicted[1:], 1))
    return precision[new], (found / len(positives))[new]


def best_threshold(Y: Labels, scores: Scores) -> float:
    """Find the threshold on the scores that maximises micro F1; 0.5 if there are no positives.

    Fit it on the validation split. Predictions are ``scores >= threshold``. Of several thresholds that
    are equally good, the highest is returned.

    Args:
        Y: Labels (n, k), 0 or 1.
        scores: Scores (n, k).
    """
    Y, scores = checked(Y, scores)
    threshold = one_best_threshold(*all_together(Y == 1, scores, known_cells(Y)))
    return 0.5 if np.isnan(threshold) else threshold


def one_best_threshold(positives: Scores, values: Scores) -> float:
    """Find the threshold that maximises the F1 of one ranking, the highest of several; NaN without positives."""
    if not len(positives):
        return float("nan")
    predicted = _counts_at_or_above(values, positives)
    found = _counts_at_or_above(positives, positives)
    f1 = 2 * found / (predicted + len(positives))
    return float(positives[len(f1) - 1 - int(np.argmax(f1[::-1]))])
