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

from collections.abc import Callable
from typing import Literal

import numpy as np

from mlbench.metrics.core import Floats, Labels, Scores, checked
from mlbench.metrics.predictions import f1, hamming_loss, jaccard, zero_one_loss
from mlbench.metrics.rankings import (
    Average,
    all_together,
    average_precision,
    best_threshold,
    mean_of_defined,
    one_average_precision,
    one_roc_auc,
    per_label,
    precision_recall_curve,
    roc_auc,
    weighted,
)
from mlbench.metrics.row_rankings import Ranking, coverage_error, label_ranking_average_precision, label_ranking_loss

__all__ = [
    "DIRECTIONS",
    "Average",
    "Floats",
    "Labels",
    "Scores",
    "average_precision",
    "best_threshold",
    "coverage_error",
    "f1",
    "figure",
    "figures",
    "hamming_loss",
    "jaccard",
    "label_ranking_average_precision",
    "label_ranking_loss",
    "precision_recall_curve",
    "roc_auc",
    "zero_one_loss",
]

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
    Y, scores = checked(Y, scores)
    truth = Y == 1
    together = all_together(truth, scores)
    average_precisions, roc_aucs = per_label([one_average_precision, one_roc_auc], truth, scores)
    ranking = Ranking(truth, scores)
    decisions = scores >= threshold
    return {
        "average_precision_micro": one_average_precision(*together),
        "average_precision_macro": mean_of_defined(average_precisions),
        "average_precision_macro_all_labels": float(np.nan_to_num(average_precisions).mean()),
        "average_precision_weighted": weighted(average_precisions, truth.sum(axis=0)),
        "average_precision_samples": float(np.where(ranking.n_positives > 0, ranking.precision, 0.0).mean()),
        "roc_auc_micro": one_roc_auc(*together),
        "roc_auc_macro": mean_of_defined(roc_aucs),
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
