"""Precision-recall curves of finished jobs: ``curves.json`` beside the record.

``{"train": {"average_precision_micro": 0.71, "recall": [...], "precision": [...]}, "valid": ..., "test": ...}``;
``train`` covers at most ``MOST_ROWS`` rows, and is absent if they could not be scored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlbench.metrics import Labels, average_precision, precision_recall_curve
from mlbench.plugins.specs import Scores
from mlbench.results.ledger import Ledger
from mlbench.results.schema import CURVES, Record

MOST_ROWS = 10_000
MOST_POINTS = 200
Curve: TypeAlias = "dict[str, Any]"
"""The exact ``average_precision_micro``, and a subset of the curve's points as lists ``recall`` and ``precision``."""


def curve_rows(n: int) -> NDArray[np.intp]:
    """Choose the rows for the train curve: at most ``MOST_ROWS`` of n, evenly spaced."""
    return np.linspace(0, n - 1, min(n, MOST_ROWS)).astype(np.intp)


def curve(Y: Labels, scores: Scores) -> Curve:
    """Compute the micro precision-recall curve of ``Y`` (n, k) and ``scores`` (n, k), with evenly spaced recall.

    Raises:
        ValueError: There are no positives.
    """
    precision, recall = precision_recall_curve(Y, scores)
    kept = np.append(np.searchsorted(recall, np.linspace(0, 1, MOST_POINTS - 1)), len(recall) - 1)
    kept = np.unique(kept)
    return {
        "average_precision_micro": average_precision(Y, scores, "micro"),
        "recall": recall[kept].tolist(),
        "precision": precision[kept].tolist(),
    }


def write_curves(path: Path, curves: Mapping[str, Curve]) -> None:
    """Write ``curves.json``; the same curves give the same bytes."""
    path.write_text(json.dumps(curves, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_curves(ledger: Ledger, record: Record) -> dict[str, Curve] | None:
    """Read the curves of a finished job by split; None if an older mlbench ran it, which kept none.

    Raises:
        LedgerError: The file does not match the record.
    """
    if CURVES not in record.files:
        return None
    curves: dict[str, Curve] = json.loads(ledger.file(record, CURVES).read_text(encoding="utf-8"))
    return curves
