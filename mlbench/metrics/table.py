"""The table of metrics: every metric of a record, its direction, what it averages over, and how it is computed.

A new metric is one entry of ``METRICS``. Records, ``--metric``, ``mlbench score``, ``mlbench verify``, boards and the
report derive from the table; intervals of metrics over rows do, too, and other metrics are resampled explicitly
unless ``mlbench.evaluation.metric_replicates`` has a faster way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlbench.metrics import predictions
from mlbench.metrics.at_k import gains, hits, ideal_gains, label_hits, ratio
from mlbench.metrics.calibration import calibrated
from mlbench.metrics.core import Floats, Labels, Scores
from mlbench.metrics.rankings import all_together, one_average_precision, one_roc_auc, per_label
from mlbench.metrics.scored import Fitted, Scored

Direction: TypeAlias = Literal["maximize", "minimize"]
MICRO, MACRO = "average_precision_micro", "average_precision_macro"
"""The metrics on every board."""
CALIBRATED = "average_precision_micro_calibrated"
"""Undefined where too few rows could calibrate."""
KS = (1, 3, 5, 10)
"""The k of the metrics at k."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric of multi-label scores or predictions.

    Attributes:
        name: Its name in records, on boards and for ``--metric``; scikit-learn's where it has one.
        function: Maps scored rows to the terms that the value is averaged from: of shape (m,), whose mean over what
            is not NaN is the value, or (m, 2), numerators and denominators, the ratio of whose sums is the value.
            There is one term for each row, for each label, or, over entries, a single one.
        averaged: What the terms are: ``"rows"``, ``"labels"`` or ``"entries"``.
        direction: Whether higher (``"maximize"``) or lower (``"minimize"``) is better.
        needs: ``"scores"``, real numbers, or ``"predictions"``, scores cut at a threshold that was fitted on valid.
        exclusive: Whether it is defined only where labels exclude each other.
        highest: The highest value that it can have; the lowest is 0.
        empty: The value where the denominators are all 0.
        version: Raised when the definition changes; ``mlbench verify`` compares values of one version only.
    """

    name: str
    function: Callable[[Scored], Floats]
    averaged: Literal["rows", "labels", "entries"]
    direction: Direction = "maximize"
    needs: Literal["scores", "predictions"] = "scores"
    exclusive: bool = False
    highest: float = 1.0
    empty: float = np.nan
    version: int = 1

    @property
    def sign(self) -> int:
        """1 where more of the metric is better, -1 where less is."""
        return 1 if self.direction == "maximize" else -1

    def terms(self, scored: Scored) -> Floats:
        """Return what ``function`` does, without the rows of which no label is known."""
        terms = self.function(scored)
        if self.averaged == "rows" and scored.known is not None:
            rows: NDArray[np.bool_] = np.asarray(scored.known.any(axis=1))
            return np.where(rows, terms, np.nan) if terms.ndim == 1 else np.where(rows[:, None], terms, 0.0)
        return terms

    def value(self, scored: Scored) -> float:
        """Compute the metric; NaN where it is undefined."""
        if self.exclusive and not scored.fitted.exclusive:
            return float("nan")
        return averaged(self.terms(scored), self.empty)


def averaged(terms: Floats, empty: float) -> float:
    """Average terms as ``Metric.function`` returns them; ``empty`` where the denominators are 0."""
    if terms.ndim == 2:
        over, under = terms.sum(axis=0)
        return float(over / under) if under else empty
    defined = terms[~np.isnan(terms)]
    return float(defined.mean()) if len(defined) else float("nan")


def _pairs(over: Floats, under: ArrayLike) -> Floats:
    return np.stack(np.broadcast_arrays(over, np.asarray(under, dtype=np.float64)), axis=1)


# ---------------------------------------------------------------------------------- over labels, entries
def _all_labels(s: Scored) -> Floats:
    return np.nan_to_num(s.label_average_precisions)


def _weighted(s: Scored) -> Floats:
    return _pairs(np.nan_to_num(s.label_average_precisions) * s.n_positives, s.n_positives)


def _f1_labels(s: Scored) -> Floats:
    return predictions.f1_of_labels(s.truth, s.predictions)


def _f1_label_thresholds(s: Scored) -> Floats:
    return predictions.f1_of_labels(s.truth, s.label_predictions)


def _label_precision(k: int) -> Callable[[Scored], Floats]:
    return lambda s: per_label([label_hits(k)], s.truth, s.scores, s.known)[0]


# ------------------------------------------------------------------------------------------- over rows
def _f1_counts(s: Scored) -> Floats:
    return predictions.f1_terms(s.truth, s.predictions)


def _f1_counts_label_thresholds(s: Scored) -> Floats:
    return predictions.f1_terms(s.truth, s.label_predictions)


def _row_precision(without: float) -> Callable[[Scored], Floats]:
    return lambda s: np.where(s.rows.n_positives > 0, s.rows.precision, without)


def _wrong(s: Scored) -> Floats:
    n_known = s.truth.shape[1] if s.known is None else s.known.sum(axis=1)
    return _pairs((s.truth != s.predictions).sum(axis=1, dtype=np.float64), n_known)


def _any_wrong(s: Scored) -> Floats:
    wrong: Floats = (s.truth != s.predictions).any(axis=1).astype(np.float64)
    return wrong


def _precision(k: int) -> Callable[[Scored], Floats]:
    return lambda s: hits(s.rows, k) / k


def _recall(k: int) -> Callable[[Scored], Floats]:
    return lambda s: ratio(hits(s.rows, k), s.rows.n_positives)


def _ndcg(k: int) -> Callable[[Scored], Floats]:
    return lambda s: ratio(gains(s.rows, k), ideal_gains(s.rows, k))


def _psp(k: int) -> Callable[[Scored], Floats]:
    return lambda s: _pairs(hits(s.rows, k, s.fitted.inverse_propensities), s.best_weights[:, :k].sum(axis=1))


def _psndcg(k: int) -> Callable[[Scored], Floats]:
    def terms(s: Scored) -> Floats:
        ideal = ideal_gains(s.rows, k)
        best = s.best_weights[:, :k] @ (1 / np.log2(np.arange(k) + 2))
        return _pairs(ratio(gains(s.rows, k, s.fitted.inverse_propensities), ideal), ratio(best, ideal))

    return terms


def _calibrated(s: Scored) -> Floats:
    scores = calibrated(s.fitted.Y, s.fitted.scores, s.scores)
    return np.array([np.nan if scores is None else one_average_precision(*all_together(s.truth, scores, s.known))])


_TABLE = (
    Metric(
        name=MICRO, function=lambda s: np.array([one_average_precision(*s.together)]), averaged="entries",
    ),
    Metric(name=MACRO, function=lambda s: s.label_average_precisions, averaged="labels"),
    Metric(name="average_precision_macro_all_labels", function=_all_labels, averaged="labels"),
    Metric(name="average_precision_weighted", function=_weighted, averaged="labels"),
    Metric(name="average_precision_samples", function=_row_precision(0.0), averaged="rows"),
    Metric(name="roc_auc_micro", function=lambda s: np.array([one_roc_auc(*s.together)]), averaged="entries"),
    Metric(name="roc_auc_macro", function=lambda s: s.label_roc_aucs, averaged="labels"),
    Metric(name="label_ranking_average_precision", function=_row_precision(1.0), averaged="rows"),
    Metric(
        name="coverage_error",
        function=lambda s: s.rows.coverage, averaged="rows", direction="minimize", highest=np.inf,
    ),
    Metric(name="label_ranking_loss", function=lambda s: s.rows.reversed_pairs, averaged="rows", direction="minimize"),
    Metric(name="hamming_loss", function=_wrong, averaged="rows", direction="minimize", needs="predictions"),
    Metric(name="f1_micro", function=_f1_counts, averaged="rows", needs="predictions", empty=0.0),
    Metric(name="f1_macro", function=_f1_labels, averaged="labels", needs="predictions"),
    Metric(
        name="f1_samples",
        function=lambda s: predictions.f1_of_rows(s.truth, s.predictions), averaged="rows", needs="predictions",
    ),
    Metric(
        name="jaccard_samples",
        function=lambda s: predictions.jaccard_of_rows(s.truth, s.predictions), averaged="rows", needs="predictions",
    ),
    Metric(name="zero_one_loss", function=_any_wrong, averaged="rows", direction="minimize", needs="predictions"),
    Metric(
        name="f1_micro_label_thresholds",
        function=_f1_counts_label_thresholds, averaged="rows", needs="predictions", empty=0.0,
    ),
    Metric(name="f1_macro_label_thresholds", function=_f1_label_thresholds, averaged="labels", needs="predictions"),
    Metric(name="accuracy", function=_precision(1), averaged="rows", exclusive=True),
    Metric(name=CALIBRATED, function=_calibrated, averaged="entries", version=2),
    *(Metric(name=f"precision_at_{k}", function=_precision(k), averaged="rows") for k in KS),
    *(Metric(name=f"recall_at_{k}", function=_recall(k), averaged="rows") for k in KS),
    *(Metric(name=f"ndcg_at_{k}", function=_ndcg(k), averaged="rows") for k in KS),
    *(Metric(name=f"psp_at_{k}", function=_psp(k), averaged="rows") for k in KS),
    *(Metric(name=f"psndcg_at_{k}", function=_psndcg(k), averaged="rows") for k in KS),
    *(Metric(name=f"precision_at_{k}_macro", function=_label_precision(k), averaged="labels") for k in KS),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}
"""Every metric of a record, by name, in the order in which records list them."""


def all_metrics(scored: Scored) -> dict[str, float]:
    """Compute every metric of ``METRICS``; what several of them need, such as a sort, is computed once.

    Returns:
        The values by metric name; NaN where a metric is undefined.
    """
    return {name: metric.value(scored) for name, metric in METRICS.items()}


def metric_value(name: str, Y: Labels, scores: Scores, fitted: Fitted | None = None) -> float:
    """Compute one metric of ``METRICS``.

    Args:
        name: A key of ``METRICS``.
        Y: Labels (n, k), 0 or 1; what is -1 or NaN is unknown and left out.
        scores: Finite scores (n, k).
        fitted: Where thresholds and propensities come from; these same rows by default.
    """
    return METRICS[name].value(Scored.of(Y, scores, fitted))
