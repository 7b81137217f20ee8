"""Multi-label metrics: exact, as scikit-learn defines them, with the truth as the first argument.

All metrics are pure functions of ``Y`` (n, k), 0 or 1, and either ``scores`` (n, k), where higher means
more likely, or ``predictions`` (n, k), 0 or 1. Ties are treated as in scikit-learn, so the order of rows
and columns does not matter. The functions are fast because they sort values instead of indices and look
up only the positives: average precision is the mean, over the positives, of

    positives that score at least as high / all entries that score at least as high.

Undefined values are NaN: the average precision of a label without positives, and the ROC AUC of a label
without positives or without negatives. Macro averages leave such labels out;
``average_precision_macro_all_labels`` counts them as 0, as scikit-learn does.
"""

from __future__ import annotations

from mlbench.metrics.at_k import inverse_propensities, ndcg_at_k, precision_at_k, psndcg_at_k, psp_at_k, recall_at_k
from mlbench.metrics.core import Floats, Labels, Scores
from mlbench.metrics.predictions import f1, hamming_loss, jaccard, zero_one_loss
from mlbench.metrics.rankings import Average, average_precision, best_threshold, precision_recall_curve, roc_auc
from mlbench.metrics.row_rankings import coverage_error, label_ranking_average_precision, label_ranking_loss
from mlbench.metrics.scored import Fitted, Scored
from mlbench.metrics.table import CALIBRATED, KS, MACRO, METRICS, MICRO, Metric, all_metrics, metric_value

__all__ = [
    "CALIBRATED",
    "KS",
    "MACRO",
    "METRICS",
    "MICRO",
    "Average",
    "Fitted",
    "Floats",
    "Labels",
    "Metric",
    "Scored",
    "Scores",
    "all_metrics",
    "average_precision",
    "best_threshold",
    "coverage_error",
    "f1",
    "hamming_loss",
    "inverse_propensities",
    "jaccard",
    "label_ranking_average_precision",
    "label_ranking_loss",
    "metric_value",
    "ndcg_at_k",
    "precision_at_k",
    "precision_recall_curve",
    "psndcg_at_k",
    "psp_at_k",
    "recall_at_k",
    "roc_auc",
    "zero_one_loss",
]
