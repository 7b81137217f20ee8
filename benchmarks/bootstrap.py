"""1,000 bootstrap replicates of micro and macro average precision, against scikit-learn's one.

10,000 rows in 40 groups, 128 labels; scikit-learn computes micro and macro average precision of that matrix
once. Both are timed in turns; the last line is ours / scikit-learn, of medians: below 5 is the claim.
"""

from __future__ import annotations

import time

import numpy as np
from sklearn.metrics import average_precision_score

from mlbench.evaluation.bootstrap import bootstrap, units, weights

SHA = "5a" * 32
TURNS = 7


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels like notes: 50 of 128 never, the others in up to 10 % of the rows."""
    rng = np.random.default_rng(0)
    share = np.r_[np.zeros(50), rng.uniform(0, 0.1, 78)]
    Y = (rng.random((10_000, 128)) < share).astype(np.uint8)
    return Y, (1.5 * Y + rng.normal(size=Y.shape)).astype(np.float32), np.repeat(np.arange(40), 250)


def main() -> None:
    Y, scores, groups = data()
    weight = weights(SHA, 40)
    there = Y.any(axis=0)
    seconds: dict[str, list[float]] = {"scikit-learn": [], "mlbench": []}
    for _ in range(TURNS):
        start = time.perf_counter()
        average_precision_score(Y, scores, average="micro")
        average_precision_score(Y[:, there], scores[:, there], average="macro")
        seconds["scikit-learn"].append(time.perf_counter() - start)
        start = time.perf_counter()
        found = bootstrap(Y, scores, units(len(Y), groups), weight)
        seconds["mlbench"].append(time.perf_counter() - start)

    worst = 0.0
    for replicate in range(5):
        drawn = weight[:, replicate]
        rows = np.concatenate([np.tile(np.flatnonzero(groups == g), times) for g, times in enumerate(drawn)])
        truth, chosen = Y[rows], scores[rows]
        kept = truth.any(axis=0)
        worst = max(
            worst,
            abs(found.micro[replicate] - average_precision_score(truth.ravel(), chosen.ravel())),
            abs(found.macro[replicate] - average_precision_score(truth[:, kept], chosen[:, kept], average="macro")),
        )
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {median:.3f} s, median of {TURNS}")
    print(f"largest difference from explicit resampling, 5 replicates: {worst:.1e}")
    assert worst < 1e-10
    print(f"ratio: {medians['mlbench'] / medians['scikit-learn']:.2f}")


if __name__ == "__main__":
    main()
