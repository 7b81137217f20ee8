"""``per_label.csv``: average precision of each label, with its interval."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlbench.data.complete import CompleteDataset
from mlbench.evaluation.bootstrap import Replicates, number_of_units
from mlbench.evaluation.intervals import label_intervals
from mlbench.metrics import Scores, average_precision, roc_auc
from mlbench.results.trials_csv import cell

LIMITS = ("average_precision_low", "average_precision_high")


def per_label_rows(
    dataset: CompleteDataset, scores: Scores, replicates: Replicates | None, *, percentiles: bool = False
) -> list[list[Any]]:
    """Return the rows of ``per_label.csv``, the header first.

    Args:
        dataset: The data set.
        scores: Test scores (n_test, k).
        replicates: Of these scores; None where there are too few groups for intervals.
        percentiles: Whether to take quantiles of the replicates, as records did before schema 3.
    """
    Y = dataset.test.labels
    values = average_precision(Y, scores, None)
    limits: Any = ([None] * Y.shape[1],) * 2
    if replicates is not None:
        groups = dataset.test.groups
        n_units = number_of_units(len(Y), None if groups is None else len(np.unique(groups)))
        limits = label_intervals(values, replicates.per_label, n_units, percentiles=percentiles).tolist()
    columns = zip(
        dataset.label_names,
        dataset.train.Y.sum(axis=0, dtype=int).tolist(),
        dataset.test.Y.sum(axis=0, dtype=int).tolist(),
        values.tolist(),
        *limits,
        roc_auc(Y, scores, None).tolist(),
        strict=True,
    )
    header = ("label", "n_positives_train", "n_positives_test", "average_precision", *LIMITS, "roc_auc")
    return [list(header), *([cell(value) for value in row] for row in columns)]
