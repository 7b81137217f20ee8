"""Tuning honesty: the expected best is that of all subsets, and an edge is an edge on its own scale."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from mlbench.evaluation.tuning_report import at_edge, expected_best, ranges_of, tuning_report
from mlbench.results.trial_log import TrialRecord


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=7))
def test_expected_best_is_brute_force_over_subsets(values: list[float]) -> None:
    """For every m, the mean of the maximum over all choices of m."""
    wanted = [np.mean([max(chosen) for chosen in combinations(values, m)]) for m in range(1, len(values) + 1)]
    assert expected_best(values) == pytest.approx(wanted, abs=1e-12)


def test_expected_best_of_many_trials() -> None:
    """The binomials of 1100 trials do not fit into a float; of equally spaced values the mean maximum is known."""
    n = 1_100
    found = expected_best([float(rank) for rank in range(1, n + 1)])
    assert found == pytest.approx([m * (n + 1) / (m + 1) for m in range(1, n + 1)])


@pytest.mark.parametrize(
    ("value", "distribution", "edge"),
    [
        (1e-6, FloatDistribution(1e-6, 1.0, log=True), "low"),
        (1.2e-6, FloatDistribution(1e-6, 1.0, log=True), "low"),
        (1e-3, FloatDistribution(1e-6, 1.0, log=True), None),
        (0.01, FloatDistribution(0.0, 1.0), "low"),
        (0.99, FloatDistribution(0.0, 1.0), "high"),
        (0.5, FloatDistribution(0.0, 1.0), None),
        (8, IntDistribution(2, 8), "high"),
        (7, IntDistribution(2, 8), None),
        (3, IntDistribution(3, 3), None),
        ("a", CategoricalDistribution(["a", "b"]), None),
    ],
)
def test_edges_are_of_the_range_on_its_own_scale(value: object, distribution: object, edge: str | None) -> None:
    """Logarithmic ranges by their logarithm; a range of one value, and names, have no edge."""
    found = at_edge({"p": value}, ranges_of({"p": distribution_to_json(distribution)}))  # type: ignore[arg-type]
    assert found == ({"p": edge} if edge else {})


def test_pruned_trials_count_with_their_last_report() -> None:
    """Failed ones do not count; losses are minimised."""
    lines = [
        TrialRecord(number=0, state="COMPLETE", value=0.5),
        TrialRecord(number=1, state="PRUNED", steps=((1, 0.1), (2, 0.3))),
        TrialRecord(number=2, state="FAIL"),
        TrialRecord(number=3, state="PRUNED"),
    ]
    assert tuning_report(lines, lines[0], "average_precision_micro").expected_best == pytest.approx([0.4, 0.5])
    assert tuning_report(lines, None, "hamming_loss").expected_best == pytest.approx([0.4, 0.3])
