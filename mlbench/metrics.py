"""Exact figures of multi-label scores, as scikit-learn defines them, truth first.

All are pure functions of ``Y`` (n, k), 0 or 1, and ``scores`` (n, k), higher for more likely, or
``decisions`` (n, k), 0 or 1. Ties count as in scikit-learn, whatever the order of rows or columns. They
are fast because values are sorted, not indices, and because only positives are looked up: average
precision is the mean, over the positives, of

    positives that score at least as high / all entries that score at least as high.

What is undefined is NaN: the average precision of a label without a positive, its ROC AUC also without
a negative. Macro figures leave such labels out; ``macro_all_labels`` counts them 0, as scikit-learn does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[Any]
Scores = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Average = Literal["micro", "macro", "weighted", "samples"]
CELLS_AT_ONCE = 1 << 22
"""Comparisons that the ranking figures hold in memory together."""


# ------------------------------------------------------------------------------- rankings of labels
def _counts_at_or_above(values: Scores, thresholds: Scores) -> NDArray[np.int64]:
    """For each threshold, how many of the sorted ``values`` reach it."""
    return len(values) - np.searchsorted(values, thresholds, side="left")


def _one_average_precision(truth: NDArray[np.bool_], scores: Scores) -> float:
    positives = np.sort(scores[truth])
    if not len(positives):
        return float("nan")
    return float(np.mean(_counts_at_or_above(positives, positives) / _counts_at_or_above(np.sort(scores), positives)))


def _one_roc_auc(truth: NDArray[np.bool_], scores: Scores) -> float:
    positives, negatives = np.sort(scores[truth]), np.sort(scores[~truth])
    if not len(positives) or not len(negatives):
        return float("nan")
    below = np.searchsorted(negatives, positives, side="left").sum(dtype=np.float64)
    at_most = np.searchsorted(negatives, positives, side="right").sum(dtype=np.float64)
    return float((below + at_most) / 2 / (len(positives) * len(negatives)))


def _per_label(one: Callable[[NDArray[np.bool_], Scores], float], Y: Labels, scores: Scores) -> Floats:
    truth = np.asarray(Y) == 1
    # Columns are made contiguous a few at a time: sorting strided memory is several times slower.
    values = np.empty(truth.shape[1])
    step = max(1, CELLS_AT_ONCE // max(1, len(truth)))
    for start in range(0, truth.shape[1], step):
        some = slice(start, start + step)
        columns = zip(np.ascontiguousarray(truth[:, some].T), np.ascontiguousarray(scores[:, some].T), strict=True)
        values[some] = [one(t, s) for t, s in columns]
    return values


def _mean_of_defined(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


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
    Y, scores = _checked(Y, scores)
    if average == "micro":
        return _one_average_precision(np.ravel(Y) == 1, np.ravel(scores))
    if average == "samples":
        ranking = _Ranking(Y, scores)
        return float(np.where(ranking.n_positives > 0, ranking.precision, 0.0).mean())
    values = _per_label(_one_average_precision, Y, scores)
    if average is None:
        return values
    if average == "macro":
        return _mean_of_defined(values)
    if average == "weighted":
        support = np.asarray(Y, dtype=np.float64).sum(axis=0)
        return float(np.nansum(values * support) / support.sum()) if support.any() else float("nan")
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
    Y, scores = _checked(Y, scores)
    if average == "micro":
        return _one_roc_auc(np.ravel(Y) == 1, np.ravel(scores))
    values = _per_label(_one_roc_auc, Y, scores)
    return values if average is None else _mean_of_defined(values)


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
    Y, scores = _checked(Y, scores)
    positives, values = np.sort(scores[Y == 1], axis=None), np.sort(scores, axis=None)
    if not len(positives):
        raise ValueError("recall is undefined without a positive")
    thresholds = np.unique(positives)[::-1]
    above = len(values) - np.searchsorted(values, thresholds, side="right")
    # Recall rises at each threshold; after it, only precision falls, until just above the next.
    found = np.repeat(np.append(0, _counts_at_or_above(positives, thresholds)), 2)
    starts, ends = np.append(0, _counts_at_or_above(values, thresholds)), np.append(above, len(values))
    decided = np.stack([starts, ends], axis=1).ravel()
    new = np.append(True, np.diff(decided) > 0)
    precision = np.append(1.0, found[1:] / np.maximum(decided[1:], 1))
    return precision[new], (found / len(positives))[new]


# --------------------------------------------------------------------------------- rankings of rows
class _Ranking:
    """What every figure of rankings within rows is made of, one value a row, from one pass.

    Attributes:
        n_positives: The labels of the row.
        precision: Mean, over its labels, of (labels / all) that score at least as high; NaN without labels.
        coverage: How far down the ranking one has to go to cover its labels; 0 without labels.
        reversed_pairs: Share of (label, non-label) pairs in the wrong order; 0 where there are no pairs.
    """

    def __init__(self, Y: Labels, scores: Scores) -> None:
        truth = Y == 1
        n, k = truth.shape
        self.n_positives = truth.sum(axis=1)
        precision, wrong = np.zeros(n), np.zeros(n)
        self.coverage = np.zeros(n)
        for rows in _row_blocks(n, k, self.n_positives):
            row, label = np.nonzero(truth[rows])
            row += rows.start
            reached = scores[row] >= scores[row, label][:, None]
            above_all = reached.sum(axis=1)
            above_true = (reached & truth[row]).sum(axis=1)
            np.add.at(precision, row, above_true / above_all)
            np.add.at(wrong, row, above_all - above_true)
            np.maximum.at(self.coverage, row, above_all)
        pairs = self.n_positives * (k - self.n_positives)
        with np.errstate(invalid="ignore"):
            self.precision = precision / self.n_positives
        self.reversed_pairs = wrong / np.maximum(pairs, 1)


def _row_blocks(n: int, k: int, n_positives: NDArray[np.int64]) -> Iterator[slice]:
    """Runs of rows whose (row, positive, label) comparisons fit into memory."""
    cost = np.cumsum(n_positives * k)
    start = 0
    while start < n:
        spent = cost[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(cost, spent + CELLS_AT_ONCE, side="right")))
        yield slice(start, end)
        start = end


def label_ranking_average_precision(Y: Labels, scores: Scores) -> float:
    """Mean over rows of the average precision of the row's labels; 1 for a row with none or all labels."""
    ranking = _Ranking(*_checked(Y, scores))
    return float(np.where(ranking.n_positives > 0, ranking.precision, 1.0).mean())


def coverage_error(Y: Labels, scores: Scores) -> float:
    """Mean over rows of the labels one has to go through, best first, to find all that are true."""
    return float(_Ranking(*_checked(Y, scores)).coverage.mean())


def label_ranking_loss(Y: Labels, scores: Scores) -> float:
    """Mean over rows of the share of (true, false) label pairs that are not in the right order."""
    return float(_Ranking(*_checked(Y, scores)).reversed_pairs.mean())


# --------------------------------------------------------------------------------------- decisions
def _ratio(over: Floats, under: Floats) -> Floats:
    """``over / under``, 0 where there is nothing to divide by."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def _confusion(Y: Labels, decisions: Labels, axis: int) -> tuple[Floats, Floats]:
    """True positives, and positives plus decided positives, along ``axis``."""
    truth, decided = np.asarray(Y) == 1, np.asarray(decisions) == 1
    both = (truth & decided).sum(axis=axis, dtype=np.float64)
    return both, truth.sum(axis=axis, dtype=np.float64) + decided.sum(axis=axis, dtype=np.float64)


def f1(Y: Labels, decisions: Labels, average: Literal["micro", "macro", "samples"] = "macro") -> float:
    """F1 of decisions (n, k), 0 where it is undefined; macro over the labels that have a positive.

    Args:
        Y: Labels (n, k), 0 or 1.
        decisions: Decisions (n, k), 0 or 1.
        average: ``"micro"``, ``"macro"`` or ``"samples"``.
    """
    both, total = _confusion(Y, decisions, axis=1 if average == "samples" else 0)
    if average == "micro":
        return float(_ratio(2 * both.sum(keepdims=True), total.sum(keepdims=True))[0])
    values = _ratio(2 * both, total)
    if average == "macro":
        values = values[(np.asarray(Y) == 1).any(axis=0)]
    return float(values.mean()) if len(values) else float("nan")


def jaccard(Y: Labels, decisions: Labels) -> float:
    """Mean over rows of (true and decided) / (true or decided), 0 where there is neither."""
    both, total = _confusion(Y, decisions, axis=1)
    return float(_ratio(both, total - both).mean())


def hamming_loss(Y: Labels, decisions: Labels) -> float:
    """Share of wrong entries."""
    return float(np.mean((np.asarray(Y) == 1) != (np.asarray(decisions) == 1)))


def zero_one_loss(Y: Labels, decisions: Labels) -> float:
    """Share of rows with a wrong entry."""
    return float(np.mean(((np.asarray(Y) == 1) != (np.asarray(decisions) == 1)).any(axis=1)))


def best_threshold(Y: Labels, scores: Scores) -> float:
    """The score from which on to say yes, for the best micro F1; 0.5 if there is no positive.

    To be fitted on valid; a decision is ``scores >= threshold``. Among equals the highest.
    """
    Y, scores = _checked(Y, scores)
    positives = np.sort(scores[Y == 1], axis=None)
    if not len(positives):
        return 0.5
    decided = _counts_at_or_above(np.sort(scores, axis=None), positives)
    found = _counts_at_or_above(positives, positives)
    values = 2 * found / (decided + len(positives))
    return float(positives[len(values) - 1 - int(np.argmax(values[::-1]))])


# ------------------------------------------------------------------------------------- all figures
DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {
    "average_precision_micro": "maximize",
    "average_precision_macro": "maximize",
    "average_precision_macro_all_labels": "maximize",
    "average_precision_weighted": "maximize",
    "average_precision_samples": "maximize",
    "roc_auc_micro": "maximize",
    "roc_auc_macro": "maximize",
    "label_ranking_average_precision": "maximize",
    "coverage_error": "minimize",
    "label_ranking_loss": "minimize",
    "hamming_loss": "minimize",
    "f1_micro": "maximize",
    "f1_macro": "maximize",
    "f1_samples": "maximize",
    "jaccard_samples": "maximize",
    "zero_one_loss": "minimize",
}
"""Every figure of a record, and whether more or less of it is better."""


def figures(Y: Labels, scores: Scores, threshold: float) -> dict[str, float]:
    """All figures of ``DIRECTIONS``, by name; NaN where one is undefined.

    Args:
        Y: Labels (n, k), 0 or 1.
        scores: Finite scores (n, k).
        threshold: Decisions are ``scores >= threshold``; see ``best_threshold``.
    """
    Y, scores = _checked(Y, scores)
    per_label = average_precision(Y, scores, None)
    support = (Y == 1).sum(axis=0)
    ranking = _Ranking(Y, scores)
    decisions = scores >= threshold
    return {
        "average_precision_micro": average_precision(Y, scores, "micro"),
        "average_precision_macro": _mean_of_defined(per_label),
        "average_precision_macro_all_labels": float(np.nan_to_num(per_label).mean()),
        "average_precision_weighted": (
            float(np.nansum(per_label * support) / support.sum()) if support.any() else float("nan")
        ),
        "average_precision_samples": float(np.where(ranking.n_positives > 0, ranking.precision, 0.0).mean()),
        "roc_auc_micro": roc_auc(Y, scores, "micro"),
        "roc_auc_macro": roc_auc(Y, scores, "macro"),
        "label_ranking_average_precision": float(np.where(ranking.n_positives > 0, ranking.precision, 1.0).mean()),
        "coverage_error": float(ranking.coverage.mean()),
        "label_ranking_loss": float(ranking.reversed_pairs.mean()),
        "hamming_loss": hamming_loss(Y, decisions),
        "f1_micro": f1(Y, decisions, "micro"),
        "f1_macro": f1(Y, decisions, "macro"),
        "f1_samples": f1(Y, decisions, "samples"),
        "jaccard_samples": jaccard(Y, decisions),
        "zero_one_loss": zero_one_loss(Y, decisions),
    }


_ALONE: dict[str, Callable[[Labels, Scores], float]] = {
    "average_precision_micro": lambda Y, scores: average_precision(Y, scores, "micro"),
    "average_precision_macro": lambda Y, scores: average_precision(Y, scores, "macro"),
    "average_precision_weighted": lambda Y, scores: average_precision(Y, scores, "weighted"),
    "average_precision_samples": lambda Y, scores: average_precision(Y, scores, "samples"),
    "roc_auc_micro": lambda Y, scores: roc_auc(Y, scores, "micro"),
    "roc_auc_macro": lambda Y, scores: roc_auc(Y, scores, "macro"),
    "label_ranking_average_precision": label_ranking_average_precision,
    "coverage_error": coverage_error,
    "label_ranking_loss": label_ranking_loss,
}


def figure(name: str, Y: Labels, scores: Scores) -> float:
    """One figure of ``DIRECTIONS``; one of decisions uses the threshold that is best on these very rows."""
    if name in _ALONE:
        return _ALONE[name](Y, scores)
    return figures(Y, scores, best_threshold(Y, scores))[name]


def _checked(Y: Labels, scores: Scores) -> tuple[Labels, Scores]:
    Y, scores = np.asarray(Y), np.asarray(scores)
    if Y.ndim == 1 and scores.ndim == 1:
        Y, scores = Y[:, None], scores[:, None]
    if Y.shape != scores.shape or Y.ndim != 2:
        raise ValueError(f"labels of shape {Y.shape} and scores of shape {scores.shape} do not match")
    return Y, scores
