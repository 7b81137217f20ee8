"""Figures of decisions."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mlbench.metrics.core import Floats, Labels


def _ratio(over: Floats, under: Floats) -> Floats:
    """``over / under``, 0 where there is nothing to divide by."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def _confusion(Y: Labels, decisions: Labels, axis: int) -> tuple[Floats, Floats]:
    """True positives, and positives plus decided positives, along ``axis``."""
    truth, decided = np.asarray(Y) == 1, np.asarray(decisions) == 1
    both = (truth & decided).sum(axis=axis, dtype=np.float64)
    return both, truth.sum(axis=axis, dtype=np.float64) + decided.sum(axis=axis, dtype=np.float64)


def f1(Y: Labels, decisions: Labels, average: Literal["micro", "macro", "samples"] = "macro") -> float:
    """F1 of decisions (n, k), 0 where it is undefined; macro over the labels that have a positive.

    Args:
        Y: Labels (n, k), 0 or 1.
        decisions: Decisions (n, k), 0 or 1.
        average: ``"micro"``, ``"macro"`` or ``"samples"``.
    """
    both, total = _confusion(Y, decisions, axis=1 if average == "samples" else 0)
    if average == "micro":
        return float(_ratio(2 * both.sum(keepdims=True), total.sum(keepdims=True))[0])
    values = _ratio(2 * both, total)
    if average == "macro":
        values = values[(np.asarray(Y) == 1).any(axis=0)]
    return float(values.mean()) if len(values) else float("nan")


def jaccard(Y: Labels, decisions: Labels) -> float:
    """Mean over rows of (true and decided) / (true or decided), 0 where there is neither."""
    both, total = _confusion(Y, decisions, axis=1)
    return float(_ratio(both, total - both).mean())


def hamming_loss(Y: Labels, decisions: Labels) -> float:
    """Share of wrong entries."""
    return float(np.mean((np.asarray(Y) == 1) != (np.asarray(decisions) == 1)))


def zero_one_loss(Y: Labels, decisions: Labels) -> float:
    """Share of rows with a wrong entry."""
    return float(np.mean(((np.asarray(Y) == 1) != (np.asarray(decisions) == 1)).any(axis=1)))
