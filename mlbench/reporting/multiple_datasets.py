"""Comparison over several data sets by average ranks (Demsar, JMLR 7, 2006)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mlbench.reporting.compare import Contender

ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Average ranks over the data sets that all contenders have.

    Attributes:
        datasets: The names of these data sets.
        ranks: The average rank of each contender; 1 is best.
        friedman_p: The p-value of the Friedman test that all are equal; NaN for two contenders.
        critical_difference: The Nemenyi critical difference of average ranks at ``ALPHA``.
        pairs: The Wilcoxon signed-rank p-value of each pair, with Holm's correction.
    """

    datasets: tuple[str, ...]
    ranks: Mapping[str, float]
    friedman_p: float
    critical_difference: float
    pairs: Mapping[tuple[str, str], float]


def rank_over_datasets(contenders: Sequence[Contender], metric: str) -> Ranking | None:
    """Return ranks by a test metric, or None with fewer than two data sets in common.

    Args:
        contenders: At least two.
        metric: A metric of which higher is better.
    """
    from scipy import stats  # imported late: it takes half a second

    shared = sorted(set.intersection(*(set(one.entries) for one in contenders)))
    if len(shared) < 2:
        return None
    values = np.array([[one.entries[name].value(metric) for one in contenders] for name in shared])
    n, k = values.shape
    ranks = stats.rankdata(-values, axis=1).mean(axis=0)
    friedman = float("nan")
    if k > 2:  # if all values are equal, the statistic is 0 / 0
        equal = bool((values == values[:, :1]).all())
        friedman = 1.0 if equal else float(stats.friedmanchisquare(*values.T).pvalue)
    q = float(stats.studentized_range.ppf(1 - ALPHA, k, np.inf)) / np.sqrt(2)
    pairs = {}
    for i, j in combinations(range(k), 2):
        gaps = values[:, i] - values[:, j]
        p = 1.0 if not gaps.any() else float(stats.wilcoxon(gaps).pvalue)
        pairs[contenders[i].name, contenders[j].name] = p
    return Ranking(
        datasets=tuple(shared),
        ranks={one.name: float(rank) for one, rank in zip(contenders, ranks, strict=True)},
        friedman_p=friedman,
        critical_difference=q * float(np.sqrt(k * (k + 1) / (6 * n))),
        pairs=holm(pairs),
    )


def holm(pairs: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Apply Holm's step-down correction to p-values, keeping their order."""
    ordered = sorted(pairs, key=lambda pair: pairs[pair])
    adjusted: dict[tuple[str, str], float] = {}
    highest = 0.0
    for place, pair in enumerate(ordered):
        highest = max(highest, min(1.0, (len(ordered) - place) * pairs[pair]))
        adjusted[pair] = highest
    return {pair: adjusted[pair] for pair in pairs}
