"""``per_label.csv``: average precision of each label, with its interval."""

from __future__ import annotations

from typing import Any

from mlbench.data.complete import CompleteDataset
from mlbench.evaluation.bootstrap import Replicates
from mlbench.metrics import Scores, average_precision, roc_auc
from mlbench.results.trials_csv import cell

LIMITS = ("average_precision_low", "average_precision_high")


def per_label_rows(dataset: CompleteDataset, scores: Scores, replicates: Replicates | None) -> list[list[Any]]:
    """Return the rows of ``per_label.csv``, the header first.

    Args:
        dataset: The data set.
        scores: Test scores (n_test, k).
        replicates: Of these scores; None where there are too few groups for intervals.
    """
    Y = dataset.test.Y
    columns = zip(
        dataset.label_names,
        dataset.train.Y.sum(axis=0, dtype=int).tolist(),
        Y.sum(axis=0, dtype=int).tolist(),
        average_precision(Y, scores, None).tolist(),
        *(replicates.intervals() if replicates else ([None] * Y.shape[1],) * 2),
        roc_auc(Y, scores, None).tolist(),
        strict=True,
    )
    header = ("label", "n_positives_train", "n_positives_test", "average_precision", *LIMITS, "roc_auc")
    return [list(header), *([cell(value) for value in row] for row in columns)]
