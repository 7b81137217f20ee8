"""The table of metrics: every metric of a record, its direction, and how it is computed.

A new metric is one entry of ``METRICS``. ``all_metrics`` computes all of them for one split; metrics
that need the same sort share it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlbench.metrics.core import Labels, Scores, checked
from mlbench.metrics.predictions import f1, hamming_loss, jaccard, zero_one_loss
from mlbench.metrics.rankings import (
    all_together,
    average_precision,
    best_threshold,
    mean_of_defined,
    one_average_precision,
    one_roc_auc,
    per_label,
    roc_auc,
    weighted,
)
from mlbench.metrics.row_rankings import Ranking, coverage_error, label_ranking_average_precision, label_ranking_loss

Direction: TypeAlias = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Metric:
    """One metric of multi-label scores or predictions.

    Attributes:
        name: The column name in records and leaderboards; scikit-learn's where it has one.
        direction: Whether higher (``"maximize"``) or lower (``"minimize"``) is better.
        needs: What ``compute`` takes beside the labels: ``"scores"``, real numbers, or ``"predictions"``,
            scores cut at a threshold.
        compute: Maps (Y, scores) or (Y, predictions), arrays of shape (n, k), to the value; NaN where
            the metric is undefined.
    """

    name: str
    direction: Direction
    needs: Literal["scores", "predictions"]
    compute: Callable[[Labels, NDArray[Any]], float]


def _macro_over_all_labels(Y: Labels, scores: Scores) -> float:
    """Macro average precision as scikit-learn has it: a label without a positive counts as 0."""
    return float(np.nan_to_num(average_precision(Y, scores, None)).mean())


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("average_precision_micro", "maximize", "scores", lambda Y, s: average_precision(Y, s, "micro")),
        Metric("average_precision_macro", "maximize", "scores", lambda Y, s: average_precision(Y, s, "macro")),
        Metric("average_precision_macro_all_labels", "maximize", "scores", _macro_over_all_labels),
        Metric("average_precision_weighted", "maximize", "scores", lambda Y, s: average_precision(Y, s, "weighted")),
        Metric("average_precision_samples", "maximize", "scores", lambda Y, s: average_precision(Y, s, "samples")),
        Metric("roc_auc_micro", "maximize", "scores", lambda Y, s: roc_auc(Y, s, "micro")),
        Metric("roc_auc_macro", "maximize", "scores", lambda Y, s: roc_auc(Y, s, "macro")),
        Metric("label_ranking_average_precision", "maximize", "scores", label_ranking_average_precision),
        Metric("coverage_error", "minimize", "scores", coverage_error),
        Metric("label_ranking_loss", "minimize", "scores", label_ranking_loss),
        Metric("hamming_loss", "minimize", "predictions", hamming_loss),
        Metric("f1_micro", "maximize", "predictions", lambda Y, p: f1(Y, p, "micro")),
        Metric("f1_macro", "maximize", "predictions", lambda Y, p: f1(Y, p, "macro")),
        Metric("f1_samples", "maximize", "predictions", lambda Y, p: f1(Y, p, "samples")),
        Metric("jaccard_samples", "maximize", "predictions", jaccard),
        Metric("zero_one_loss", "minimize", "predictions", zero_one_loss),
    )
}
"""Every metric of a record, by name, in the order in which records list them."""

DIRECTIONS: dict[str, Direction] = {name: metric.direction for name, metric in METRICS.items()}
"""Whether higher or lower is better, by metric name."""


def all_metrics(Y: Labels, scores: Scores, threshold: float) -> dict[str, float]:
    """Compute every metric of ``METRICS``, sorting the scores once for all of them.

    Args:
        Y: Labels (n, k), 0 or 1.
        scores: Finite scores (n, k).
        threshold: Predictions are ``scores >= threshold``; see ``best_threshold``.

    Returns:
        The values by metric name; NaN where a metric is undefined.
    """
    Y, scores = checked(Y, scores)
    values = _ranking_metrics(Y, scores)
    inputs = {"scores": scores, "predictions": scores >= threshold}
    return {
        name: values[name] if name in values else metric.compute(Y, inputs[metric.needs])
        for name, metric in METRICS.items()
    }


def _ranking_metrics(Y: Labels, scores: Scores) -> dict[str, float]:
    """Compute the metrics that share a sort; each value equals that of ``Metric.compute``, bit for bit."""
    truth = Y == 1
    together = all_together(truth, scores)
    average_precisions, roc_aucs = per_label([one_average_precision, one_roc_auc], truth, scores)
    rows = Ranking(truth, scores)
    return {
        "average_precision_micro": one_average_precision(*together),
        "average_precision_macro": mean_of_defined(average_precisions),
        "average_precision_macro_all_labels": float(np.nan_to_num(average_precisions).mean()),
        "average_precision_weighted": weighted(average_precisions, truth.sum(axis=0)),
        "average_precision_samples": float(np.where(rows.n_positives > 0, rows.precision, 0.0).mean()),
        "roc_auc_micro": one_roc_auc(*together),
        "roc_auc_macro": mean_of_defined(roc_aucs),
        "label_ranking_average_precision": float(np.where(rows.n_positives > 0, rows.precision, 1.0).mean()),
        "coverage_error": float(rows.coverage.mean()),
        "label_ranking_loss": float(rows.reversed_pairs.mean()),
    }


def metric_value(name: str, Y: Labels, scores: Scores) -> float:
    """Compute one metric of ``METRICS``.

    A metric of predictions uses the threshold that maximises micro F1 on these same rows.

    Args:
        name: A key of ``METRICS``.
        Y: Labels (n, k), 0 or 1.
        scores: Finite scores (n, k).
    """
    metric = METRICS[name]
    if metric.needs == "scores":
        return metric.compute(Y, scores)
    Y, scores = checked(Y, scores)
    return metric.compute(Y, scores >= best_threshold(Y, scores))
