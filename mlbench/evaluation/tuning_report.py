"""What tuning gained, and which parameters ended at the edge of their range."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlbench.metrics import METRICS
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
    sign = METRICS[metric].sign
    values = [sign * value for trial in trials if (value := trial.last_value) is not None and trial.state != "FAIL"]
    ranges = ranges_of(best.distributions) if best else {}
    return TuningReport(
        expected_best=tuple(sign * value for value in expected_best(values)),
        at_edge=at_edge(best.params, ranges) if best else {},
        ranges=ranges,
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


def ranges_of(distributions: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return low, high and log of the numeric ranges; other parameters have no edges.

    Args:
        distributions: Distributions by name, as Optuna's JSON.
    """
    found = {}
    for name, text in distributions.items():
        limits = json.loads(text)["attributes"]
        if "low" in limits and limits["low"] < limits["high"]:
            found[name] = {"low": limits["low"], "high": limits["high"], "log": bool(limits.get("log"))}
    return found


def at_edge(params: Mapping[str, Any], ranges: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Find the parameters within ``EDGE`` of an end of their range; the values are ``"low"`` or ``"high"``.

    Args:
        params: Parameter values by name.
        ranges: As ``ranges_of`` returns them.
    """
    found = {}
    for name, limits in ranges.items():
        value = params.get(name)
        if not isinstance(value, int | float):
            continue
        low, high, value = limits["low"], limits["high"], float(value)
        if limits["log"]:
            low, high, value = math.log(low), math.log(high), math.log(value)
        place = (value - low) / (high - low)
        if place <= EDGE or place >= 1 - EDGE:
            found[name] = "low" if place <= EDGE else "high"
    return found
