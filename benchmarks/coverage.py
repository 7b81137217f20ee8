"""How often 95 % intervals contain the truth, in simulated worlds whose truth is known.

In a world, groups of rows (recordings, patients) share which labels are frequent and how well scores tell them apart;
most labels are rare. Many test sets are drawn from it, and the intervals of each are held against the value on a test
set so large that it is the truth.

    python benchmarks/coverage.py [--worlds 120] [--small]

Prints, for several kinds of world, the share of test sets whose interval contains the truth: of the interval that
boards show, and of the percentile interval, which is what one would write.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlbench.evaluation.intervals import interval, percentile_interval
from mlbench.evaluation.metric_replicates import replicates_with
from mlbench.metrics import METRICS, Fitted, Scored

NAMES = (
    "average_precision_micro",
    "average_precision_macro",
    "precision_at_3",
    "ndcg_at_5",
    "f1_macro",
    "roc_auc_macro",
)


@dataclass(frozen=True, kw_only=True)
class World:
    """A population of groups.

    Attributes:
        groups: Groups of a test set.
        rows: Rows of a group.
        labels: Labels, whose frequency rises geometrically from ``rarest`` to ``commonest``.
        spread: How much the frequency of a label differs between groups, in logarithms.
        signal: Range of the distance between positives and negatives of a label, in deviations.
    """

    groups: int = 40
    rows: int = 25
    labels: int = 30
    rarest: float = 0.004
    commonest: float = 0.15
    spread: float = 0.7
    signal: tuple[float, float] = (0.8, 2.2)

    def draw(
        self, groups: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.int64]]:
        """Return labels (n, k), scores (n, k) and the group of each row, (n,)."""
        shape = groups * self.rows, self.labels
        frequency = np.geomspace(self.rarest, self.commonest, self.labels)
        signal = np.random.default_rng(0).uniform(*self.signal, self.labels)
        group = np.repeat(np.arange(groups), self.rows)
        mix = np.exp(self.spread * rng.standard_normal((groups, self.labels)) - self.spread**2 / 2)
        Y = (rng.random(shape) < np.clip(frequency * mix[group], 0, 0.6)).astype(np.uint8)
        difficulty = 1 + 0.3 * rng.standard_normal((groups, 1))
        scores = Y * signal * difficulty[group] + rng.standard_normal(shape) + np.log(frequency) / 2
        return Y, scores, group


WORLDS: Mapping[str, World] = {
    "rare labels": World(),
    "few groups": World(groups=15, rarest=0.01, commonest=0.2),
    "rarer labels": World(labels=40, rarest=0.002, commonest=0.1),
    "weak scores": World(groups=60, rows=10, rarest=0.005, commonest=0.1, signal=(0.3, 1.2), spread=1.0),
    "good scores": World(signal=(2.0, 4.0)),
    "single rows": World(groups=400, rows=1, labels=20, rarest=0.01, commonest=0.3, spread=0.0),
}


def coverage(world: World, n_worlds: int, n_replicates: int = 400) -> dict[str, tuple[float, float, int]]:
    """Return, by metric, the coverage of our interval, that of percentiles, and how often ours lacks its own value."""
    Y, scores, _ = world.draw(100_000 // world.rows, np.random.default_rng(99))
    fitted = Fitted(Y=Y, scores=scores)
    large = Scored.of(Y, scores, fitted)
    truth = {name: METRICS[name].value(large) for name in NAMES}
    found = {name: np.zeros(3) for name in NAMES}
    for number in range(n_worlds):
        rng = np.random.default_rng(1_000 + number)
        Y, scores, group = world.draw(world.groups, rng)
        draws = rng.integers(0, world.groups, (n_replicates, world.groups))
        weight = np.stack([np.bincount(drawn, minlength=world.groups) for drawn in draws], axis=1).astype(np.float64)
        scored = Scored.of(Y, scores, fitted)
        replicates = replicates_with([METRICS[name] for name in NAMES], scored, group, weight)
        for name in NAMES:
            value = METRICS[name].value(scored)
            low, high = interval(value, replicates[name], world.groups, 0.0, METRICS[name].highest)
            lower, upper = percentile_interval(replicates[name])
            found[name] += [low <= truth[name] <= high, lower <= truth[name] <= upper, not low <= value <= high]
    return {name: (ours / n_worlds, theirs / n_worlds, int(without)) for name, (ours, theirs, without) in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=120)
    parser.add_argument("--small", action="store_true", help="10 test sets of one world")
    asked = parser.parse_args()
    names = ["rare labels"] if asked.small else list(WORLDS)
    n_worlds = 10 if asked.small else asked.worlds
    for name in names:
        print(name)
        for metric, (ours, theirs, without) in coverage(WORLDS[name], n_worlds).items():
            print(f"  {metric}: {ours:.1%} of {n_worlds} intervals contain the truth (percentiles: {theirs:.1%})")
            if without:
                sys.exit(f"{without} intervals lack their own value")


if __name__ == "__main__":
    main()
