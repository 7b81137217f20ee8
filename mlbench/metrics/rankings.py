"""Figures of rankings: of all entries together, and of the entries of each label.

Values are sorted, not indices, and only positives are looked up among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from mlbench.metrics.core import Floats, Labels, Scores, checked, true_scores
from mlbench.metrics.row_rankings import Ranking

Average = Literal["micro", "macro", "weighted", "samples"]
Figure = Callable[[Scores, Scores], float]
"""What one ranking is worth, from the sorted scores of its positives and the sorted scores of all its entries."""
CELLS_AT_ONCE = 1 << 22
"""Scores that are copied and sorted together, where it need not be all of them."""
TILE = 512
"""Rows of a wide matrix that are transposed together: more of them, and no cache holds what is read in between."""
RUN = 1 << 15
"""Sorted values that thresholds are searched in together: more of them, and each step of a search is a cache miss."""


def _places(values: Scores, thresholds: Scores, side: Literal["left", "right"] = "left") -> NDArray[np.int64]:
    """``np.searchsorted`` of thresholds that are sorted themselves."""
    if len(values) <= RUN or not len(thresholds):
        return np.searchsorted(values, thresholds, side=side)
    starts = np.arange(0, len(values), RUN)
    # Those from cuts[i] to cuts[i + 1] fall between the first values of run i and of the next one.
    cuts = np.searchsorted(thresholds, values[starts], side="right" if side == "left" else "left")
    places = np.zeros(len(thresholds), dtype=np.int64)
    for start, low, high in zip(starts.tolist(), cuts.tolist(), [*cuts[1:].tolist(), len(thresholds)], strict=True):
        if low < high:
            places[low:high] = np.searchsorted(values[start : start + RUN], thresholds[low:high], side=side)
            places[low:high] += start
    return places


def _counts_at_or_above(values: Scores, thresholds: Scores) -> NDArray[np.int64]:
    """For each of the sorted ``thresholds``, how many of the sorted ``values`` reach it."""
    return len(values) - _places(values, thresholds)


def one_average_precision(positives: Scores, values: Scores) -> float:
    """Average precision of one ranking, NaN without a positive."""
    if not len(positives):
        return float("nan")
    return float(np.mean(_counts_at_or_above(positives, positives) / _counts_at_or_above(values, positives)))


def one_roc_auc(positives: Scores, values: Scores) -> float:
    """ROC AUC of one ranking, NaN without a positive or without a negative."""
    n, n_positives = len(values), len(positives)
    if n_positives in (0, n):
        return float("nan")
    # Twice what is below a positive, ties half, summed; among positives alone that is their number squared.
    twice = int(_places(values, positives).sum()) + int(_places(values, positives, "right").sum())
    return (twice - n_positives**2) / 2 / (n_positives * (n - n_positives))


def all_together(truth: NDArray[np.bool_], scores: Scores) -> tuple[Scores, Scores]:
    """All entries as one ranking: the sorted scores of its positives and of all."""
    return np.sort(true_scores(truth, scores)), np.sort(scores, axis=None)


def per_label(ones: Sequence[Figure], truth: NDArray[np.bool_], scores: Scores) -> list[Floats]:
    """Figures of each label alone, one array (k,) each, NaN for labels without a positive."""
    n, k = truth.shape
    values = [np.full(k, np.nan) for _ in ones]
    support = truth.sum(axis=0)
    live = np.flatnonzero(support)
    step = max(1, CELLS_AT_ONCE // max(1, n))
    for start in range(0, len(live), step):
        labels = live[start : start + step]
        columns = _transposed(scores, labels)
        positives = true_scores(_transposed(truth, labels), columns)
        columns.sort(axis=1)
        ends = np.cumsum(support[labels]).tolist()
        for label, column, low, high in zip(labels.tolist(), columns, [0, *ends[:-1]], ends, strict=True):
            positives[low:high].sort()
            for found, one in zip(values, ones, strict=True):
                found[label] = one(positives[low:high], column)
    return values


def _transposed(matrix: NDArray[Any], labels: NDArray[np.intp]) -> NDArray[Any]:
    """A copy (labels, n) of some columns."""
    columns = np.empty((len(labels), len(matrix)), dtype=matrix.dtype)
    # Mostly neighbours: a slice is cheaper to read than a list of columns.
    span: Any = slice(labels[0], labels[-1] + 1) if labels[-1] - labels[0] + 1 == len(labels) else labels
    for start in range(0, len(matrix), TILE):
        columns[:, start : start + TILE] = matrix[start : start + TILE, span].T
    return columns


def mean_of_defined(values: Floats) -> float:
    """Macro: the mean over what is not NaN."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def weighted(values: Floats, support: NDArray[np.int64]) -> float:
    """The mean weighted by positives, of the labels that have any."""
    return float(np.nansum(values * support) / support.sum()) if support.any() else float("nan")


@overload
def average_precision(Y: Labels, scores: Scores, average: None) -> Floats: ...
@overload
def average_precision(Y: Labels, scores: Scores, average: Average = ...) -> float: ...
def average_precision(Y: Labels, scores: Scores, average: Average | None = "macro") -> float | Floats:
    """Average precision.

    Args:
        Y: Labels (n, k), 0 or 1.
        scores: Scores (n, k).
        average: ``"micro"`` ranks all entries together; ``"macro"`` is the mean over the labels with a
            positive; ``"weighted"`` weighs labels by their positives; ``"samples"`` is the mean over
            rows, where a row without a label counts 0; None gives one value a label, NaN where there
            is no positive.
    """
    Y, scores = checked(Y, scores)
    if average == "micro":
        return one_average_precision(*all_together(Y == 1, scores))
    if average == "samples":
        ranking = Ranking(Y == 1, scores)
        return float(np.where(ranking.n_positives > 0, ranking.precision, 0.0).mean())
    [values] = per_label([one_average_precision], Y == 1, scores)
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
    """Area under the ROC curve; macro is the mean over the labels with a positive and a negative.

    Args:
        Y: Labels (n, k), 0 or 1.
        scores: Scores (n, k).
        average: ``"micro"``, ``"macro"``, or None for one value a label, NaN where it is undefined.
    """
    Y, scores = checked(Y, scores)
    if average == "micro":
        return one_roc_auc(*all_together(Y == 1, scores))
    [values] = per_label([one_roc_auc], Y == 1, scores)
    return values if average is None else mean_of_defined(values)


def precision_recall_curve(Y: Labels, scores: Scores) -> tuple[Floats, Floats]:
    """Precision and recall, all entries ranked together, from the highest score down.

    One point a distinct score, but for those between two others of the same recall: the points of
    scikit-learn's ``precision_recall_curve(..., drop_intermediate=True)``, in the other order. There are
    at most two for each positive, however many entries there are.

    Args:
        Y: Labels (n, k), 0 or 1, with a positive.
        scores: Scores (n, k).

    Returns:
        Precision and recall, each (points,); first precision 1 at recall 0, last the share of positives
        at recall 1.

    Raises:
        ValueError: There is no positive, so that there is no recall.
    """
    Y, scores = checked(Y, scores)
    positives, values = all_together(Y == 1, scores)
    if not len(positives):
        raise ValueError("recall is undefined without a positive")
    thresholds = np.unique(positives)
    above = (len(values) - _places(values, thresholds, "right"))[::-1]
    # Recall rises at each threshold; after it, only precision falls, until just above the next.
    found = np.repeat(np.append(0, _counts_at_or_above(positives, thresholds)[::-1]), 2)
    starts, ends = np.append(0, _counts_at_or_above(values, thresholds)[::-1]), np.append(above, len(values))
    decided = np.stack([starts, ends], axis=1).ravel()
    new = np.append(True, np.diff(decided) > 0)
    precision = np.append(1.0, found[1:] / np.maximum(decided[1:], 1))
    return precision[new], (found / len(positives))[new]


def best_threshold(Y: Labels, scores: Scores) -> float:
    """The score from which on to say yes, for the best micro F1; 0.5 if there is no positive.

    To be fitted on valid; a decision is ``scores >= threshold``. Among equals the highest.
    """
    Y, scores = checked(Y, scores)
    positives, ordered = all_together(Y == 1, scores)
    if not len(positives):
        return 0.5
    decided = _counts_at_or_above(ordered, positives)
    found = _counts_at_or_above(positives, positives)
    values = 2 * found / (decided + len(positives))
    return float(positives[len(values) - 1 - int(np.argmax(values[::-1]))])
