"""What tuning bought, and whether it was given room: expected best of m trials, parameters at an edge."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlbench.metrics import DIRECTIONS
from mlbench.results.trial_log import TrialRecord

EDGE = 0.02
"""Share of a range, on its own scale, that counts as its edge."""


def tuning_audit(lines: Sequence[TrialRecord], best: TrialRecord | None, metric: str) -> dict[str, Any]:
    """What a record keeps of a study: ``expected_best`` (one value a number of trials) and ``at_edge`` (by parameter).

    A pruned trial counts with what it reported last, a failed one not at all.
    """
    sign = 1 if DIRECTIONS[metric] == "maximize" else -1
    last = [line.value if line.state == "COMPLETE" else line.steps[-1][1] if line.steps else None for line in lines]
    values = [
        sign * value for line, value in zip(lines, last, strict=True) if value is not None and line.state != "FAIL"
    ]
    return {
        "expected_best": [sign * value for value in expected_best(values)],
        "at_edge": at_edge(best.params, best.distributions) if best else {},
    }


def expected_best(values: Sequence[float]) -> list[float]:
    """The mean, over all ways to choose m of the n values, of their maximum; for m from 1 to n.

    Dodge et al., Show Your Work (EMNLP 2019), without replacement: the value of rank i is the best of m in
    C(i - 1, m - 1) of C(n, m) choices. That share goes down from m / n by one factor a rank: the binomials
    themselves do not fit into a float from some 1000 trials on.
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
    """The parameters that are within ``EDGE`` of an end of their range: by name ``"low"`` or ``"high"``.

    Args:
        params: By name.
        distributions: By name, as Optuna's JSON; only numeric ranges have edges.
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
