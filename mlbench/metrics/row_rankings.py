"""Metrics of how the labels are ranked within each row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlbench.metrics.core import Labels, Scores, checked, known_cells, mean_over_rows, true_scores

CELLS_AT_ONCE = 1 << 18
"""How many scores are sorted at a time: they must fit into the cache, as each search step visits all of them."""
DEPTH = 10
"""The largest k of the metrics at k of ``mlbench.metrics.METRICS``."""


class Ranking:
    """Per-row quantities that all row-ranking metrics are computed from, obtained in one pass.

    Labels that are unknown are not ranked.

    Attributes:
        n_positives: The number of positives in the row.
        precision: The row's average precision; NaN in a row without positives.
        coverage: How far down the ranking one has to go to cover all positives; 0 without positives.
        reversed_pairs: The fraction of (positive, negative) pairs in the wrong order; 0 without pairs.
        top: The positives that may be among the first ``depth`` of their row.
    """

    def __init__(
        self, truth: NDArray[np.bool_], scores: Scores, depth: int = DEPTH, known: NDArray[np.bool_] | None = None
    ) -> None:
        n, k = truth.shape
        n_known = k if known is None else known.sum(axis=1)
        if known is not None:
            scores = np.where(known, scores, scores.dtype.type(-np.inf))  # below every known label
        self.n_positives = truth.sum(axis=1)
        precision, wrong, self.coverage = np.zeros(n), np.zeros(n), np.zeros(n)
        step = max(1, CELLS_AT_ONCE // max(1, k))
        tops: list[Top] = []
        for start in range(0, n, step):
            rows = slice(start, start + step)
            count = self.n_positives[rows]
            row = np.repeat(np.arange(len(count)), count)
            values, own = np.sort(scores[rows], axis=1), true_scores(truth[rows], scores[rows])
            below = _places_in_rows(values, row, own)
            tops.append(_first(truth[rows], values, row, own, below, depth, start))
            above_all = k - below
            # Sort by row, then by how many entries are at or above, so that ties are neighbours.
            key = row * (k + 1) + above_all
            key.sort()
            above_all = key - row * (k + 1)
            ends = np.append(np.flatnonzero(key[1:] != key[:-1]), len(key) - 1)[: len(key)] + 1
            last = np.cumsum(count)
            above_true = np.repeat(ends, np.diff(ends, prepend=0)) - np.repeat(last - count, count)
            precision[rows] = np.bincount(row, above_true / above_all, minlength=len(count))
            wrong[rows] = np.bincount(row, above_all - above_true, minlength=len(count))
            self.coverage[rows][count > 0] = above_all[last[count > 0] - 1]
        pairs = self.n_positives * (n_known - self.n_positives)
        with np.errstate(invalid="ignore"):
            self.precision = precision / self.n_positives
        self.reversed_pairs = wrong / np.maximum(pairs, 1)
        self.top = Top(*map(np.concatenate, zip(*tops, strict=True))) if tops else Top(*[np.empty(0, np.intp)] * 4)


class Top(NamedTuple):
    """The positives that may be among the first of their row, each of shape (m,).

    Attributes:
        row: The row.
        label: The label.
        above: How many entries of the row score higher.
        at_or_above: How many score at least as high, itself included: a tie may stand at any place from
            ``above + 1`` to ``at_or_above``.
    """

    row: NDArray[np.intp]
    label: NDArray[np.intp]
    above: NDArray[np.intp]
    at_or_above: NDArray[np.intp]


def _first(
    truth: NDArray[np.bool_],
    values: Scores,
    row: NDArray[np.intp],
    own: Scores,
    below: NDArray[np.intp],
    depth: int,
    start: int,
) -> Top:
    """Select the positives of a block of rows with less than ``depth`` entries above them."""
    k = values.shape[1]
    flat, after = values.ravel(), row * k + below + 1
    # Mostly no entry is tied with a positive, and then there is one less above it than at or above it.
    tied = (below + 1 < k) & (np.take(flat, after, mode="clip") == own)
    up_to = below + 1
    if tied.any():
        smallest_above = np.nextafter(own[tied], np.array(np.inf, dtype=own.dtype))
        up_to[tied] = _places_in_rows(values, row[tied], smallest_above)
    kept = np.flatnonzero(k - up_to < depth)
    label = np.flatnonzero(truth)[kept] % k
    return Top(row=row[kept] + start, label=label, above=k - up_to[kept], at_or_above=k - below[kept])


def _places_in_rows(values: Scores, row: NDArray[np.intp], thresholds: Scores) -> NDArray[np.intp]:
    """Do what ``np.searchsorted`` does, each threshold in its own sorted row, all rows in step."""
    k = values.shape[1]
    flat, base = values.ravel(), row * k
    begin = base.copy()
    while k > 1:
        half = k // 2
        base += half * (np.take(flat, base + (half - 1)) < thresholds)
        k -= half
    base += np.take(flat, base) < thresholds
    places: NDArray[np.intp] = base - begin
    return places


def _ranking(Y: Labels, scores: Scores) -> tuple[Ranking, NDArray[np.bool_] | None]:
    Y, scores = checked(Y, scores)
    known = known_cells(Y)
    return Ranking(Y == 1, scores, known=known), known


def label_ranking_average_precision(Y: Labels, scores: Scores) -> float:
    """Compute the mean over rows of the row's average precision; a row with no or only positives counts as 1."""
    ranking, known = _ranking(Y, scores)
    return mean_over_rows(np.where(ranking.n_positives > 0, ranking.precision, 1.0), known)


def coverage_error(Y: Labels, scores: Scores) -> float:
    """Compute the mean over rows of how far down the ranking one has to go to cover all positives."""
    ranking, known = _ranking(Y, scores)
    return mean_over_rows(ranking.coverage, known)


def label_ranking_loss(Y: Labels, scores: Scores) -> float:
    """Compute the mean over rows of the fraction of (positive, negative) label pairs in the wrong order."""
    ranking, known = _ranking(Y, scores)
    return mean_over_rows(ranking.reversed_pairs, known)
