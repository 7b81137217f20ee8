"""The baseline that mini-MusicNet was published with, through mlbench's own data, features and metrics.

Ridge regression of the labels with R = .001 and no intercept, on raw audio and on |rFFT|. On the published
files it gives micro average precision .19 / .04 (raw, train / test) and .57 / .47 (|rFFT|), as the README
of jthickstun/mini-musicnet says. ``python -m mlbench_music.baseline DATASET`` prints the values of any
data set that mlbench knows.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mlbench
from mlbench import Dataset, Matrix, MlbenchError, Split, Transform
from mlbench.metrics import average_precision

R = 0.001
PUBLISHED = {"raw": {"train": 0.19, "test": 0.04}, "rfft": {"train": 0.57, "test": 0.47}}
"""Test and train micro average precision on the published files, to the two digits that were given."""
ROWS = 4_096


def _magnitudes(X: Matrix) -> Matrix:
    """|rFFT| of each row, as the features ``rfft`` of mlbench."""
    return np.asarray(np.abs(np.fft.rfft(np.asarray(X), axis=1)), dtype=np.float32)


TRANSFORMS: dict[str, Transform] = {"raw": lambda X: X, "rfft": _magnitudes}


def baseline(dataset: Dataset, features: str) -> dict[str, float]:
    """Return micro average precision on each split, by its name.

    Args:
        dataset: Its training split is fitted; X dense of shape (n, d).
        features: ``raw`` or ``rfft``.
    """
    transform = TRANSFORMS[features]
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
    """Print the values of each data set."""
    for name in names:
        try:
            dataset = mlbench.load_dataset(name)
        except MlbenchError as error:
            print(f"mlbench: {error}", file=sys.stderr)
            return 2
        for features, published in PUBLISHED.items():
            found = baseline(dataset, features)
            values = ", ".join(f"{part} {value:.3f}" for part, value in found.items())
            real = ", ".join(f"{part} {value:.2f}" for part, value in published.items())
            print(f"{dataset.name} {features}: micro AP {values} (mini-MusicNet: {real})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["synth-musicnet"]))
