"""What tuning gained, and which parameters ended at the edge of their range."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlbench.metrics import DIRECTIONS
from mlbench.results.schema import TuningReport
from mlbench.results.trial_log import TrialRecord

EDGE = 0.02
"""The fraction of a range, on its own scale, that counts as its edge."""


def tuning_report(trials: Sequence[TrialRecord], best: TrialRecord | None, metric: str) -> TuningReport:
    """Return what a record keeps of a study.

    A pruned trial counts with the value that it reported last, a failed one not at all.

    Args:
        trials: All finished trials.
        best: The best of them.
        metric: What was tuned.
    """
    sign = 1 if DIRECTIONS[metric] == "maximize" else -1
    last = [
        trial.value if trial.state == "COMPLETE" else trial.steps[-1][1] if trial.steps else None for trial in trials
    ]
    values = [
        sign * value for trial, value in zip(trials, last, strict=True) if value is not None and trial.state != "FAIL"
    ]
    return TuningReport(
        expected_best=tuple(sign * value for value in expected_best(values)),
        at_edge=at_edge(best.params, best.distributions) if best else {},
    )


def expected_best(values: Sequence[float]) -> list[float]:
    """Compute the mean of the maximum over all choices of m of the n values, for m from 1 to n.

    This is the expected best of Dodge et al., Show Your Work (EMNLP 2019), without replacement: the value of rank i
    is the best of m in C(i - 1, m - 1) of C(n, m) choices. This fraction is updated from rank to rank, starting at
    m / n, because the binomials overflow a float for about 1000 trials.
    """
    ordered, n = sorted(values), len(values)
    found = []
    for m in range(1, n + 1):
        share, total = m / n, 0.0
        for i in range(n - 1, m - 2, -1):  # i values are below this one
            total += share * ordered[i]
            share *= (i - m + 1) / i if i else 0.0
        found.append(total)
    return found


def at_edge(params: Mapping[str, Any], distributions: Mapping[str, str]) -> dict[str, str]:
    """Find the parameters within ``EDGE`` of an end of their range; the values are ``"low"`` or ``"high"``.

    Args:
        params: Parameter values by name.
        distributions: Distributions by name, as Optuna's JSON; only numeric ranges have edges.
    """
    found = {}
    for name, text in distributions.items():
        limits = json.loads(text)["attributes"]
        value = params.get(name)
        if "low" not in limits or not isinstance(value, int | float) or limits["low"] >= limits["high"]:
            continue
        low, high, value = limits["low"], limits["high"], float(value)
        if limits.get("log"):
            low, high, value = math.log(low), math.log(high), math.log(value)
        place = (value - low) / (high - low)
        if place <= EDGE or place >= 1 - EDGE:
            found[name] = "low" if place <= EDGE else "high"
    return found
