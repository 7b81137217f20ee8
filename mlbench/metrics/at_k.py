"""Metrics of the k labels that score highest in a row, or of the k rows that score highest for a label.

Entries that tie at the k-th place are counted by the share of their orders that puts them among the first k, as
scikit-learn's ``ndcg_score`` does. So the order of rows and columns does not matter.

The propensity-scored metrics weight each label by the inverse of its propensity, the probability that a relevant
label is annotated, which is estimated from the label's frequency (Jain, Prabhu and Varma, 2016).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlbench.metrics.core import Floats, Labels, Scores, checked, known_cells
from mlbench.metrics.rankings import mean_of_defined, per_label
from mlbench.metrics.row_rankings import Ranking

A, B = 0.55, 1.5
"""Parameters of the propensity model for most data sets (Jain, Prabhu and Varma, 2016)."""


def inverse_propensities(n_positives: NDArray[np.int64], n_train: int, a: float = A, b: float = B) -> Floats:
    """Compute the weight of each label, shape (k,): the rarer it is in train, the larger.

    Args:
        n_positives: The number of positives of each label in train, shape (k,).
        n_train: The number of rows in train.
        a: Exponent of the propensity model.
        b: Offset of the propensity model.
    """
    c = max(0.0, np.log(max(n_train, 1)) - 1) * (b + 1) ** a  # a propensity is at most 1
    weights: Floats = 1 + c * (np.asarray(n_positives, dtype=np.float64) + b) ** -a
    return weights


def hits(ranking: Ranking, k: int, weights: Floats | None = None) -> Floats:
    """Count the positives among the first k of each row, shape (n,), each with the weight of its label."""
    row, label, above, up_to = ranking.top
    share = np.clip((k - above) / (up_to - above), 0.0, 1.0)
    if weights is not None:
        share = share * weights[label]
    counts: Floats = np.bincount(row, share, minlength=len(ranking.n_positives)).astype(np.float64)
    return counts


def gains(ranking: Ranking, k: int, weights: Floats | None = None) -> Floats:
    """Sum the discounted gains of the positives among the first k of each row, shape (n,)."""
    row, label, above, up_to = ranking.top
    discounts = _discounts(k)
    gain = (discounts[np.minimum(up_to, k)] - discounts[np.minimum(above, k)]) / (up_to - above)
    if weights is not None:
        gain = gain * weights[label]
    sums: Floats = np.bincount(row, gain, minlength=len(ranking.n_positives)).astype(np.float64)
    return sums


def ideal_gains(ranking: Ranking, k: int) -> Floats:
    """Sum the discounted gains of each row if its positives came first, shape (n,)."""
    ideal: Floats = _discounts(k)[np.minimum(ranking.n_positives, k)]
    return ideal


def best_weights(truth: NDArray[np.bool_], weights: Floats, depth: int) -> Floats:
    """Return the weights of the labels of each row in descending order, shape (n, depth), filled up with 0."""
    order = np.argsort(-weights, kind="stable")
    row, place = np.nonzero(truth[:, order])
    first = np.cumsum(truth.sum(axis=1)) - truth.sum(axis=1)
    number = np.arange(len(row)) - first[row]
    kept = number < depth
    best = np.zeros((len(truth), depth))
    best[row[kept], number[kept]] = weights[order[place[kept]]]
    return best


def _discounts(k: int) -> Floats:
    """Return the summed discounts of the first 0 to k places, shape (k + 1,)."""
    return np.append(0.0, np.cumsum(1 / np.log2(np.arange(k) + 2)))


def ratio(over: Floats, under: Floats) -> Floats:
    """Divide, giving 0 where there is nothing to divide by."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def label_hits(k: int) -> Callable[[Scores, Scores], float]:
    """Return the function that computes precision at k of one label's ranking; NaN without positives."""

    def precision(positives: Scores, values: Scores) -> float:
        if not len(positives):
            return float("nan")
        last = values[max(0, len(values) - k)]
        higher = len(positives) - int(np.searchsorted(positives, last, side="right"))
        tied = len(positives) - int(np.searchsorted(positives, last)) - higher
        all_higher = len(values) - int(np.searchsorted(values, last, side="right"))
        all_tied = len(values) - int(np.searchsorted(values, last)) - all_higher
        return (higher + tied * min(1.0, (k - all_higher) / all_tied)) / k

    return precision


def _rows(Y: Labels, scores: Scores, k: int) -> tuple[NDArray[np.bool_], Ranking]:
    """Return the truth and the ranking of the rows of which a label is known."""
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    Y, scores = checked(Y, scores)
    known = known_cells(Y)
    if known is not None and not (rows := known.any(axis=1)).all():
        Y, scores, known = Y[rows], scores[rows], known[rows]
    return Y == 1, Ranking(Y == 1, scores, depth=k, known=known)


def precision_at_k(Y: Labels, scores: Scores, k: int, average: Literal["samples", "macro"] = "samples") -> float:
    """Compute the precision at k: how many of the first k are positive, divided by k.

    Args:
        Y: Labels (n, d), 0 or 1.
        scores: Scores (n, d).
        k: How many to look at.
        average: ``"samples"`` looks at the first k labels of each row; ``"macro"`` at the first k rows of each
            label, and is the mean over the labels that have a positive.
    """
    if average == "macro":
        Y, scores = checked(Y, scores)
        [values] = per_label([label_hits(k)], Y == 1, scores, known_cells(Y))
        return mean_of_defined(values)
    return float((hits(_rows(Y, scores, k)[1], k) / k).mean())


def recall_at_k(Y: Labels, scores: Scores, k: int) -> float:
    """Compute the mean over rows of the fraction of positives among the first k; a row without any counts as 0."""
    _, ranking = _rows(Y, scores, k)
    return float(ratio(hits(ranking, k), ranking.n_positives).mean())


def ndcg_at_k(Y: Labels, scores: Scores, k: int) -> float:
    """Compute the normalised discounted cumulative gain at k, averaged over rows; a row without positives counts as 0.

    This is scikit-learn's ``ndcg_score(Y, scores, k=k)``.
    """
    _, ranking = _rows(Y, scores, k)
    return float(ratio(gains(ranking, k), ideal_gains(ranking, k)).mean())


def psp_at_k(Y: Labels, scores: Scores, weights: Floats, k: int) -> float:
    """Compute the propensity-scored precision at k, divided by the highest that any scores can reach.

    Args:
        Y: Labels (n, d), 0 or 1.
        scores: Scores (n, d).
        weights: The inverse propensity of each label, shape (d,); see ``inverse_propensities``.
        k: How many labels to look at in each row.

    Returns:
        The ratio of the sums over rows, as the Extreme Classification Repository reports it; NaN without positives.
    """
    truth, ranking = _rows(Y, scores, k)
    best = best_weights(truth, weights, k).sum()
    return float(hits(ranking, k, weights).sum() / best) if best else float("nan")


def psndcg_at_k(Y: Labels, scores: Scores, weights: Floats, k: int) -> float:
    """Compute the propensity-scored nDCG at k, divided by the highest that any scores can reach.

    Each row is normalised by the gain of an ideal order without weights first, as in the Extreme Classification
    Repository. Arguments and result are those of ``psp_at_k``.
    """
    truth, ranking = _rows(Y, scores, k)
    ideal = ideal_gains(ranking, k)
    best = ratio(best_weights(truth, weights, k) @ np.diff(_discounts(k)), ideal).sum()
    return float(ratio(gains(ranking, k, weights), ideal).sum() / best) if best else float("nan")
