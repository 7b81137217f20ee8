"""25 ridge penalties: the plugin's one decomposition against 25 fits of scikit-learn's ``Ridge``.

16,000 windows of made-up music, 1,025 unscaled |rFFT| magnitudes, 128 labels, in a memory-mapped float32 file. Both
sides fit every penalty on train and compute micro average precision on 2,000 valid rows; the plugin's ``prepare``
counts. Claims: at least 8 times faster, average precision within 2e-5, under 0.5 GB of private memory. ``--full``:
52,500 x 2,049, where one penalty of scikit-learn's is timed and multiplied by 25; the claim is 10 times. ``--small``
takes seconds and is too small for the claim of speed.

A tiny penalty on unscaled magnitudes is where single precision fails first: 1e-3 is compared with a solution in
double precision throughout.

On one thread, the default, CPU seconds are measured, else wall seconds. Both sides in turns; the last line is
scikit-learn / ours, of medians.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from pathlib import Path

import mlbench_ridge as plugin
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits
from windows import clock, in_turns, make, median_ratio, parts, private_growth

from mlbench import FitContext, Split
from mlbench.data.dataset import blocks
from mlbench.metrics import average_precision

SIZES = {"small": (3_000, 500, 257), "usual": (16_000, 2_000, 1_025), "full": (52_500, 5_000, 2_049)}
"""Rows of train and of valid, and features."""
ALPHAS = np.logspace(-3, 4, 25)
SPEC = next(iter(plugin.mlbench_models()))


def shrinkage(train: Split) -> float:
    """What turns scikit-learn's alpha on unscaled features into the plugin's unit, the mean eigenvalue."""
    n, d = train.X.shape
    return float(1 / (n * np.mean([train.X[:, c].var(dtype=np.float64) for c in range(d)])))


def ours(train: Split, valid: Split, unit: float) -> list[NDArray[np.floating]]:
    context = FitContext(seed=0, valid=valid)
    prepared = SPEC.prepare(train, context)
    found = []
    for alpha in ALPHAS:
        scores = SPEC.fit(prepared, {"shrinkage": alpha * unit, "scaling": "none"}, context)(valid.X)
        found.append((average_precision(valid.Y, scores, average="micro"), scores if alpha == ALPHAS[0] else None))
    return found


def theirs(train: Split, valid: Split, alphas: NDArray[np.float64]) -> list:
    Y, found = train.Y.astype(np.float32), []
    for alpha in alphas:
        scores = Ridge(alpha=alpha).fit(train.X, Y).predict(valid.X)
        found.append((average_precision(valid.Y, scores, average="micro"), scores if alpha == ALPHAS[0] else None))
    return found


def exact(train: Split, valid: Split, alpha: float) -> NDArray[np.float64]:
    """Scores of valid from products, sums and a solution in double precision."""
    n, d = train.X.shape
    mean, share = train.X.mean(axis=0, dtype=np.float64), train.Y.mean(axis=0)
    gram, cross = alpha * np.eye(d), np.zeros((d, train.Y.shape[1]))
    for rows in blocks(n):
        centred = train.X[rows] - mean
        gram += centred.T @ centred
        cross += centred.T @ (train.Y[rows] - share)
    return (valid.X - mean) @ np.linalg.solve(gram, cross) + share


def memory(file: Path, Y: NDArray[np.uint8], sizes: tuple[int, int], unit: float, threads: int) -> None:
    """In a process of its own, so that nothing that scikit-learn left is used again."""
    train, valid = parts(np.load(file, mmap_mode="r"), Y, *sizes)
    with threadpool_limits(threads):
        grown = private_growth(lambda: ours(train, valid, unit))
    print(f"private memory of mlbench-ridge: {grown / 1e9:.3f} GB more than before", flush=True)
    assert grown < 0.5e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--small", action="store_const", const="small", dest="size")
    group.add_argument("--full", action="store_const", const="full", dest="size")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    parser.set_defaults(size="usual")
    args = parser.parse_args()
    n, n_valid, d = SIZES[args.size]
    alphas = ALPHAS[:1] if args.size == "full" else ALPHAS

    with tempfile.TemporaryDirectory() as name, threadpool_limits(args.threads):
        X, Y = make(Path(name), n + n_valid, d)
        train, valid = parts(X, Y, n, n_valid)
        unit = shrinkage(train)
        seconds, found = in_turns(
            {"scikit-learn": lambda: theirs(train, valid, alphas), "mlbench-ridge": lambda: ours(train, valid, unit)},
            args.turns,
            clock(args.threads),
        )
        if len(alphas) < len(ALPHAS):
            print(f"scikit-learn: {len(alphas)} of {len(ALPHAS)} penalties timed, and scaled")
            seconds["scikit-learn"] = [t * len(ALPHAS) / len(alphas) for t in seconds["scikit-learn"]]

        truth = exact(train, valid, ALPHAS[0])
        process = multiprocessing.get_context("spawn").Process(
            target=memory, args=(Path(name) / "X.npy", Y, (n, n_valid), unit, args.threads)
        )
        process.start()
        process.join()
        assert process.exitcode == 0

    mine, sklearns = ([value for value, _ in found[side]] for side in ("mlbench-ridge", "scikit-learn"))
    best = int(np.argmax(mine))
    print(f"best micro AP on valid: {mine[best]:.5f}, at alpha {ALPHAS[best]:.3g}")
    worst = float(np.abs(np.subtract(mine[: len(alphas)], sklearns)).max())
    print(f"largest difference of average precision from scikit-learn's, {len(alphas)} penalties: {worst:.1e}")
    right = average_precision(valid.Y, truth, average="micro")
    off = {}
    for side in found:
        value, scores = found[side][0]
        off[side] = float(np.abs(scores - truth).max() / np.abs(truth).max())
        print(
            f"{side} at alpha {ALPHAS[0]:g} against double precision: scores off by {off[side]:.1e} of the largest, "
            f"average precision by {abs(value - right):.1e}"
        )
    assert worst < 2e-5
    assert off["mlbench-ridge"] < 1e-4
    assert abs(mine[0] - right) < 2e-5
    print(f"ratio: {median_ratio(seconds, 'scikit-learn', 'mlbench-ridge'):.1f}")


if __name__ == "__main__":
    main()
