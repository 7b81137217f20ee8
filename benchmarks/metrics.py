"""Micro and per-label average precision, rankings of rows and metrics at k, against scikit-learn's or plain NumPy.

10,000 rows, 128 labels. Both are timed in turns, in one process, and all figures are compared. The ratio is
scikit-learn / ours, of medians: first of label ranking average precision, coverage error and ranking loss
together, above 50 is the claim; then of nDCG at 1, 3, 5 and 10 together, above 20 is the claim; then of precision,
recall and propensity-scored precision at these k together, which scikit-learn lacks, against a restatement in plain
NumPy; last of micro and per-label average precision together, above 20 is the claim.

NumPy is imported as the command does it, so that it sorts as fast as the processor can (``mlbench/cli/processor.py``).

``--small`` is 1,000 rows, for a look at whether it runs. ``--wide`` is average precision alone of 100,000 rows
and 1,000 labels, where above 30 is the claim; scikit-learn runs once there, for minutes, on 8 GiB.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlbench.cli.processor import import_numpy

import_numpy()

import numpy as np  # noqa: E402
from sklearn import metrics as sk  # noqa: E402

from mlbench import metrics  # noqa: E402

TURNS = 7
FEW = 500
"""Rows that are drawn together: the wide matrix is never held as float64."""
EXACT = 1e-12
Figures = dict[str, Any]


def data(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels like notes: 50 of 128 never, the others in up to 10 % of the rows."""
    rng = np.random.default_rng(0)
    never = k * 50 // 128
    share = np.r_[np.zeros(never), rng.uniform(0, 0.1, k - never)]
    Y, scores = np.empty((n, k), dtype=np.uint8), np.empty((n, k), dtype=np.float32)
    for start in range(0, n, FEW):
        rows = slice(start, start + FEW)
        Y[rows] = rng.random(Y[rows].shape) < share
        scores[rows] = 1.5 * Y[rows] + rng.normal(size=Y[rows].shape)
    return Y, scores


def precision_of_sklearn(Y: np.ndarray, scores: np.ndarray) -> Figures:
    there = Y.any(axis=0)  # it warns of labels without a positive, and has no figure for them
    return {
        "micro": sk.average_precision_score(Y, scores, average="micro"),
        "per label": sk.average_precision_score(Y[:, there], scores[:, there], average=None),
    }


def precision_of_ours(Y: np.ndarray, scores: np.ndarray) -> Figures:
    per_label = metrics.average_precision(Y, scores, None)
    return {
        "micro": metrics.average_precision(Y, scores, "micro"),
        "per label": per_label[~np.isnan(per_label)],
    }


def rankings_of_sklearn(Y: np.ndarray, scores: np.ndarray) -> Figures:
    return {
        "label ranking average precision": sk.label_ranking_average_precision_score(Y, scores),
        "coverage error": sk.coverage_error(Y, scores),
        "ranking loss": sk.label_ranking_loss(Y, scores),
    }


def rankings_of_ours(Y: np.ndarray, scores: np.ndarray) -> Figures:
    return {
        "label ranking average precision": metrics.label_ranking_average_precision(Y, scores),
        "coverage error": metrics.coverage_error(Y, scores),
        "ranking loss": metrics.label_ranking_loss(Y, scores),
    }


def ndcg_of_sklearn(Y: np.ndarray, scores: np.ndarray) -> Figures:
    return {f"ndcg_at_{k}": sk.ndcg_score(Y, scores, k=k) for k in metrics.KS}


def ndcg_of_ours(Y: np.ndarray, scores: np.ndarray) -> Figures:
    return _of_table(Y, scores, ["ndcg"])


def first_k_of_numpy(Y: np.ndarray, scores: np.ndarray) -> Figures:
    """What one would write; it may take tied labels in any order, which these scores have not."""
    found: Figures = {}
    weights = metrics.inverse_propensities(Y.sum(axis=0), len(Y))
    order = np.argsort(-scores, axis=1)
    hits = np.take_along_axis(Y, order, axis=1)
    gains = hits * weights[order]
    best = -np.sort(-(Y * weights), axis=1)
    positives = Y.sum(axis=1)
    for k in metrics.KS:
        first = hits[:, :k].sum(axis=1)
        found[f"precision_at_{k}"] = first.mean() / k
        found[f"recall_at_{k}"] = np.where(positives > 0, first / np.maximum(positives, 1), 0).mean()
        found[f"psp_at_{k}"] = gains[:, :k].sum() / best[:, :k].sum()
    return found


def first_k_of_ours(Y: np.ndarray, scores: np.ndarray) -> Figures:
    return _of_table(Y, scores, ["precision", "recall", "psp"])


def _of_table(Y: np.ndarray, scores: np.ndarray, kinds: list[str]) -> Figures:
    scored = metrics.Scored.of(Y, scores)
    names = [f"{kind}_at_{k}" for k in metrics.KS for kind in kinds]
    return {name: metrics.METRICS[name].value(scored) for name in names}


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def ratio(
    title: str,
    theirs: Callable[..., Figures],
    ours: Callable[..., Figures],
    data: tuple[np.ndarray, ...],
    turns: int,
    peer: str = "scikit-learn",
) -> float:
    """Say what was compared; how many times as long as ours the peer takes."""
    seconds: dict[str, list[float]] = {peer: [], "mlbench": []}
    found: dict[str, Figures] = {}
    for _ in range(turns):
        for name, function in ((peer, theirs), ("mlbench", ours)):
            start = time.perf_counter()
            found[name] = function(*data)
            seconds[name].append(time.perf_counter() - start)
    print(f"{title}, {data[0].shape[0]:,} x {data[0].shape[1]:,}: {', '.join(found['mlbench'])}")
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"  {name}: {median:.4f} s, median of {turns}")
    worst = max(float(np.max(np.abs(value - found[peer][name]))) for name, value in found["mlbench"].items())
    print(f"  largest difference: {worst:.1e}")
    assert worst <= EXACT
    return medians[peer] / medians["mlbench"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="1,000 x 128")
    size.add_argument("--wide", action="store_true", help="average precision alone, 100,000 x 1,000")
    chosen = parser.parse_args()
    turns = 1 if chosen.wide else TURNS
    some = data(100_000, 1_000) if chosen.wide else data(1_000 if chosen.small else 10_000, 128)
    print(f"NumPy {np.__version__} on {processor()}")
    if not chosen.wide:
        print(f"ratio: {ratio('nDCG', ndcg_of_sklearn, ndcg_of_ours, some, turns):.1f}")
        print(f"ratio: {ratio('The first k', first_k_of_numpy, first_k_of_ours, some, turns, 'NumPy'):.1f}")
        print(f"ratio: {ratio('Rankings of rows', rankings_of_sklearn, rankings_of_ours, some, turns):.1f}")
    print(f"ratio: {ratio('Average precision', precision_of_sklearn, precision_of_ours, some, turns):.1f}")


if __name__ == "__main__":
    main()
