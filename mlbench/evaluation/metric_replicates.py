"""Bootstrap replicates of any metric, paired with those of average precision.

All metrics are drawn with the weights of ``mlbench.evaluation.bootstrap``: a replicate is the same test set for all
of them. Thresholds and propensities stay as they were fitted. Few metrics are computed anew in each replicate:

- the terms of a metric over rows are summed over units of rows, weighted by how often each unit was drawn;
- average precision over labels is made of the replicates of each label;
- F1 of a label is a ratio of counts, which are such sums, too;
- ROC AUC counts, at each positive, the negatives below it, block of thresholds by block;
- precision at k of a label counts from the highest score down until k rows were drawn.

A metric over labels or entries that has no such way is computed on each resampled test set, which is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Split
from mlbench.evaluation.bootstrap import Replicates, blocks_of_thresholds, bootstrap, columns, drawn_units, entries
from mlbench.metrics import KS, MACRO, METRICS, MICRO, Fitted, Metric, Scored
from mlbench.metrics.core import Floats
from mlbench.results.ledger import Ledger
from mlbench.results.schema import REPLICATES, Record

Units: TypeAlias = NDArray[np.int64]
Truth: TypeAlias = NDArray[np.bool_]
STEP = 64
"""How many rows of a label's ranking are looked at together."""


def metric_replicates(
    names: Sequence[str],
    test: Split,
    scores: NDArray[Any],
    fitted: Fitted,
    sha256: str,
    bootstrapped: Replicates | None = None,
) -> dict[str, Floats]:
    """Compute metrics of the test scores in each replicate, each of shape (R,), NaN where undefined.

    Args:
        names: Keys of ``mlbench.metrics.METRICS``.
        test: The test split.
        scores: Scores (n, k).
        fitted: What was fitted on train and valid.
        sha256: The data set's fingerprint, the only seed.
        bootstrapped: What ``bootstrap_test`` gave for these scores, if it is known.

    Returns:
        The replicates by name; empty where there are too few units for an interval.
    """
    drawn = drawn_units(test, sha256)
    if drawn is None:
        return {}
    unit, weight = drawn
    scored = Scored.of(test.labels, scores, fitted)
    return replicates_with([METRICS[name] for name in names], scored, unit, weight.astype(np.float64), bootstrapped)


def paired_metrics() -> list[str]:
    """Return the metrics whose replicates are cheap, and so are kept of every job."""
    cheap = {MICRO, MACRO, *(f"precision_at_{k}_macro" for k in KS)}
    return [name for name, metric in METRICS.items() if metric.averaged == "rows" or name in cheap]


def write_replicates(path: Path, replicates: Mapping[str, Floats]) -> None:
    """Write ``replicates.npz``; the same replicates give the same bytes."""
    arrays: dict[str, Any] = {name: values.astype(np.float32) for name, values in replicates.items()}
    np.savez(path, **arrays)


def read_replicates(ledger: Ledger, record: Record) -> dict[str, Floats]:
    """Read the replicates of a finished job by metric; none if an older mlbench ran it.

    Raises:
        LedgerError: The file does not match the record.
    """
    if REPLICATES not in record.files:
        return {}
    with np.load(ledger.file(record, REPLICATES), allow_pickle=False) as found:
        return {name: found[name].astype(np.float64) for name in found.files}


def replicates_with(
    metrics: Sequence[Metric], scored: Scored, unit: Units, weight: Floats, bootstrapped: Replicates | None = None
) -> dict[str, Floats]:
    """Compute metrics in each replicate.

    Args:
        metrics: Which ones.
        scored: The test split with its scores.
        unit: The unit that each row belongs to, shape (n,).
        weight: How often each unit was drawn, shape (units, R).
        bootstrapped: What ``bootstrap`` gave for these, if it is known.
    """
    from threadpoolctl import threadpool_limits  # late, as it looks for every library that has threads

    sample = _Resampled(scored, unit, weight, bootstrapped)
    with threadpool_limits(1), np.errstate(invalid="ignore", divide="ignore"):
        return {metric.name: _replicates(metric, sample) for metric in metrics}


class _Resampled:
    """A scored split, its units, and what several metrics need of its replicates."""

    def __init__(self, scored: Scored, unit: Units, weight: Floats, bootstrapped: Replicates | None) -> None:
        self.scored, self.unit, self.weight, self._bootstrapped = scored, unit, weight, bootstrapped

    @property
    def average_precisions(self) -> Replicates:
        """Replicates of average precision."""
        if self._bootstrapped is None:
            self._bootstrapped = bootstrap(self.scored.Y, self.scored.scores, self.unit, self.weight)
        return self._bootstrapped

    def sums(self, values: NDArray[Any]) -> Floats:
        """Sum the rows of ``values`` (n, ...) in each replicate: shape (..., R)."""
        sums = np.zeros((len(self.weight), *values.shape[1:]))
        np.add.at(sums, self.unit, values)
        drawn: Floats = sums.T @ self.weight
        return drawn

    @property
    def positives(self) -> Floats:
        """The drawn positives of each label, shape (k, R)."""
        return self.sums(self.scored.truth)


def _replicates(metric: Metric, sample: _Resampled) -> Floats:
    if metric.exclusive and not sample.scored.fitted.exclusive:
        return np.full(sample.weight.shape[1], np.nan)
    if metric.averaged == "rows":
        return _of_rows(metric.terms(sample.scored), sample, metric.empty)
    return WAYS.get(metric.name, _resampled(metric))(sample)


def _of_rows(terms: Floats, sample: _Resampled, empty: float) -> Floats:
    """Average the terms of the drawn rows, (n,) or (n, 2); ``empty`` where the denominators are 0."""
    if terms.ndim == 1:
        defined = ~np.isnan(terms)
        terms = np.stack([np.where(defined, terms, 0.0), defined], axis=1)
    over, under = sample.sums(terms)
    means: Floats = np.divide(over, under, out=np.full_like(over, empty), where=under != 0)
    return means


def _resampled(metric: Metric) -> Callable[[_Resampled], Floats]:
    """Compute a metric on each resampled test set."""

    def compute(sample: _Resampled) -> Floats:
        scored = sample.scored
        values = []
        for counts in sample.weight.T:
            rows = np.repeat(np.arange(len(scored.Y)), counts[sample.unit].astype(np.intp))
            values.append(metric.value(Scored(Y=scored.Y[rows], scores=scored.scores[rows], fitted=scored.fitted)))
        return np.array(values)

    return compute


def _mean_of_defined(values: Floats) -> Floats:
    """Average over labels of (k, R), leaving out what is NaN."""
    defined = ~np.isnan(values)
    means: Floats = np.where(defined, values, 0).sum(axis=0) / defined.sum(axis=0)
    return means


def _of_labels(column: Callable[[Truth, NDArray[Any], Units, Floats], Floats]) -> Callable[[_Resampled], Floats]:
    """Average the replicates of each label."""

    def compute(sample: _Resampled) -> Floats:
        scored = sample.scored
        rankings = columns(scored.truth, scored.scores, sample.unit, scored.known)
        return _mean_of_defined(np.array([column(*ranked, sample.weight) for ranked in rankings]))

    return compute


# ------------------------------------------------------------------------------------ average precision
def _all_labels(sample: _Resampled) -> Floats:
    means: Floats = np.nan_to_num(sample.average_precisions.per_label).mean(axis=0)
    return means


def _weighted(sample: _Resampled) -> Floats:
    positives = sample.positives
    over = np.where(positives > 0, sample.average_precisions.per_label * positives, 0).sum(axis=0)
    values: Floats = over / positives.sum(axis=0)
    return values


# ---------------------------------------------------------------------------------------------- F1
def _f1_macro(predictions: Callable[[Scored], Truth]) -> Callable[[_Resampled], Floats]:
    def compute(sample: _Resampled) -> Floats:
        predicted, positives = predictions(sample.scored), sample.positives
        both, total = sample.sums(sample.scored.truth & predicted), positives + sample.sums(predicted)
        f1 = np.divide(2 * both, total, out=np.zeros_like(both), where=total > 0)
        return _mean_of_defined(np.where(positives > 0, f1, np.nan))

    return compute


# ------------------------------------------------------------------------------------------ ROC AUC
def _roc_auc_micro(sample: _Resampled) -> Floats:
    scored = sample.scored
    return _roc_auc(*entries(scored.truth, scored.scores, sample.unit, scored.known), sample.weight)


def _roc_auc(truth: Truth, scores: NDArray[Any], unit: Units, weight: Floats) -> Floats:
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
        drawn = _cells(place[here] - rows.start, unit[truth][here], size, n_units) @ weight
        cumulative = np.cumsum(lower, axis=0) + passed  # at or below each threshold
        passed = cumulative[-1].copy()
        wins += (drawn * (cumulative - equal / 2)).sum(axis=0)
    values: Floats = wins / (positives * negatives)
    return values


def _cells(row: NDArray[np.intp], column: Units, n_rows: int, n_columns: int) -> Any:
    """Counts of (row, column), as a CSR matrix: most are 0."""
    import scipy.sparse as sp  # late: whoever only shows intervals needs none of it

    return sp.csr_matrix((np.ones(len(row)), (row, column)), shape=(n_rows, n_columns))


# ---------------------------------------------------------------------------------- precision at k of labels
def _precision_at(k: int) -> Callable[[Truth, NDArray[Any], Units, Floats], Floats]:
    def column(truth: Truth, scores: NDArray[Any], unit: Units, weight: Floats) -> Floats:
        if not truth.any():
            return np.full(weight.shape[1], np.nan)
        order = np.argsort(-scores, kind="stable")
        # Ties are looked at together: a step ends where the score changes.
        ends = np.append(np.flatnonzero(np.diff(scores[order])) + 1, len(order))
        found, seen, start = np.zeros(weight.shape[1]), np.zeros(weight.shape[1]), 0
        for first in range(0, len(ends), STEP):
            inside = ends[first : first + STEP]
            rows = order[start : inside[-1]]
            steps = np.append(0, inside[:-1] - start)
            drawn = weight[unit[rows]]
            counts = np.add.reduceat(drawn, steps, axis=0)
            hits = np.add.reduceat(drawn * truth[rows][:, None], steps, axis=0)
            above = seen + np.cumsum(counts, axis=0) - counts
            share = np.clip(np.divide(k - above, counts, out=np.zeros_like(counts), where=counts > 0), 0, 1)
            found += (hits * share).sum(axis=0)
            seen, start = seen + counts.sum(axis=0), int(inside[-1])
            if seen.min() >= k:
                break
        positives = np.bincount(unit[truth], minlength=len(weight)) @ weight
        return np.where(positives > 0, found / k, np.nan)

    return column


WAYS: dict[str, Callable[[_Resampled], Floats]] = {
    "average_precision_micro": lambda sample: sample.average_precisions.micro,
    "average_precision_macro": lambda sample: sample.average_precisions.macro,
    "average_precision_macro_all_labels": _all_labels,
    "average_precision_weighted": _weighted,
    "roc_auc_micro": _roc_auc_micro,
    "roc_auc_macro": _of_labels(_roc_auc),
    "f1_macro": _f1_macro(lambda scored: scored.predictions),
    "f1_macro_label_thresholds": _f1_macro(lambda scored: scored.label_predictions),
    **{f"precision_at_{k}_macro": _of_labels(_precision_at(k)) for k in KS},
}
"""Fast ways to resample metrics over labels and entries, by name."""
