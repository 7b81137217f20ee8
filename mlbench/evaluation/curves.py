"""Precision-recall curves of finished jobs: ``curves.json`` beside the record.

``{"train": {"average_precision_micro": 0.71, "recall": [...], "precision": [...]}, "valid": ..., "test": ...}``;
``train`` is of at most ``MOST_ROWS`` rows, and absent where they could not be scored.
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
from mlbench.results.ledger import Ledger, Record

CURVES = "curves.json"
MOST_ROWS = 10_000
MOST_POINTS = 200
Curve: TypeAlias = "dict[str, Any]"
"""``average_precision_micro``, exact, and the lists ``recall`` and ``precision``, thinned."""


def curve_rows(n: int) -> NDArray[np.intp]:
    """Which of n train rows the train curve is of: evenly spaced, at most ``MOST_ROWS``."""
    return np.linspace(0, n - 1, min(n, MOST_ROWS)).astype(np.intp)


def curve(Y: Labels, scores: Scores) -> Curve:
    """The curve over all entries of ``Y`` (n, k) and ``scores`` (n, k): its ends, and points evenly spaced in recall.

    Raises:
        ValueError: There is no positive.
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
    """Write ``curves.json``; same curves, same bytes."""
    path.write_text(json.dumps(curves, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_curves(ledger: Ledger, record: Record) -> dict[str, Curve] | None:
    """The curves of a finished job by part, or None if it was made before there were any.

    Raises:
        LedgerError: The file is not the one of the record.
    """
    if CURVES not in record.files:
        return None
    curves: dict[str, Curve] = json.loads(ledger.file(record, CURVES).read_text(encoding="utf-8"))
    return curves
