"""The baseline that mini-MusicNet was published with, through mlbench's own data, features and metrics.

Ridge regression of the labels with R = .001 and no intercept, on raw audio and on |rFFT|. On the published
files it gives micro average precision .19 / .04 (raw, train / test) and .57 / .47 (|rFFT|), as the README
of jthickstun/mini-musicnet says. ``python -m mlbench_music.baseline DATASET`` prints the figures of any
data set that mlbench knows.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench import Dataset, MlbenchError, Split
from mlbench.execution.plan import DatasetRequest, load
from mlbench.metrics import average_precision
from mlbench.plugins.catalog import Catalog, discover
from mlbench.plugins.specs import Transform

R = 0.001
PUBLISHED = {"raw": {"train": 0.19, "test": 0.04}, "rfft": {"train": 0.57, "test": 0.47}}
"""Test and train micro average precision on the published files, to the two digits that were given."""
ROWS = 4_096


def baseline(dataset: Dataset, catalog: Catalog, features: str) -> dict[str, float]:
    """Micro average precision on each part, by its name.

    Args:
        dataset: Its train part is fitted; X dense of shape (n, d).
        catalog: Where the features come from.
        features: Their name: ``raw`` or ``rfft``.
    """
    transform = catalog.feature(features).spec.fit(dataset.train.X)
    B = _solve(dataset.train, transform)
    return {
        part: float(average_precision(split.Y, _scores(split, transform, B), "micro"))
        for part, split in dataset.parts()
    }


def _solve(train: Split, transform: Transform) -> NDArray[np.float64]:
    """(X'X + R I)^-1 X'Y of shape (d, k), the sums over blocks of rows: X is never in memory whole."""
    d = transform(train.X[:1]).shape[1]
    gram: Any = np.zeros((d, d))
    moments: Any = np.zeros((d, train.Y.shape[1]))
    for start in range(0, len(train), ROWS):
        X: Any = np.asarray(transform(train.X[start : start + ROWS]), dtype=np.float64)
        gram = gram + X.T @ X
        moments = moments + X.T @ train.Y[start : start + ROWS]
    solution: NDArray[np.float64] = np.linalg.solve(gram + R * np.eye(d), moments)
    return solution


def _scores(split: Split, transform: Transform, B: NDArray[np.float64]) -> NDArray[np.float32]:
    blocks = (transform(split.X[start : start + ROWS]) @ B for start in range(0, len(split), ROWS))
    return np.concatenate([block.astype(np.float32) for block in blocks])


def main(names: list[str]) -> int:
    """Print the figures of each data set."""
    catalog = discover()
    for name in names:
        try:
            dataset = load(DatasetRequest(name=name), catalog)
        except MlbenchError as error:
            print(f"mlbench: {error}", file=sys.stderr)
            return 2
        for features, published in PUBLISHED.items():
            found = baseline(dataset, catalog, features)
            figures = ", ".join(f"{part} {value:.3f}" for part, value in found.items())
            real = ", ".join(f"{part} {value:.2f}" for part, value in published.items())
            print(f"{dataset.name} {features}: micro AP {figures} (mini-MusicNet: {real})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["synth-musicnet"]))
