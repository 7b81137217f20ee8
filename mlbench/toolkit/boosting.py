"""Boosting of many labels, for plugins of boosted trees: what to give the library, and when to stop.

A library of boosted trees spends its time on histograms: rows x features of each, for every tree, and there is a
tree a label and round. Two things make that affordable for many labels at no loss of average precision:

- Few features matter to a label. Where rows are wide, each label gets the features that would make the best first
  split of a tree for it (``MAX_FEATURES`` of them), and a booster of its own.
- Few negatives matter to a rare label. Of more than ``MAX_ROWS`` rows each label gets its positives and a sample
  of negatives that weighs as much as all of them, as in Friedman, Hastie and Tibshirani's influence trimming
  ("Additive logistic regression", 2000) and its successors, but drawn once, so that rows are binned once.

So labels come in ``Part``s, each with its own booster. Parts are grown side by side, a thread each, because the
libraries' own threads wait for each other at every node of a tree. What the parts are does not depend on the
number of threads.

A label is boosted on the rows in which it is known: labels that are known in the same rows can share a part. Missing
values are left to the library.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Matrix, Split
from mlbench.data.known_labels import label_shares, labels_by_known_rows
from mlbench.metrics import average_precision
from mlbench.plugins.specs import FitContext, ScoreFunction, Scores
from mlbench.toolkit.split_gains import FEATURES_AT_ONCE, first_split_gains

__all__ = ["FEATURES_AT_ONCE", "Booster", "Part", "Plan", "boost", "first_split_gains", "plan", "steps"]

MAX_FEATURES = 512
MAX_ROWS = 1 << 14
MAX_CELLS = 1 << 30
"""Rows x features of train and valid in all parts, where each has its own: libraries keep some bytes of each."""
STORED_CELL = 8
"""Cells that a stored value of sparse rows counts for: it is kept with its position; 16 bytes were measured."""
MIN_FEATURES, MIN_ROWS = 64, 2048
"""What a label keeps of many in any case."""
RARE = 256
"""Labels with fewer positives are screened on all of them, not only on those of the sampled rows."""
LABELS_AT_ONCE = 16
"""Labels of one booster at most, where labels share all rows and features."""
PARTS_AT_LEAST = 8
"""So that as many threads find work."""
ROUNDS_AT_ONCE = 5
MAX_ROUNDS = 200
ROUNDS_WITHOUT_VALID = 60
PATIENCE = 20
"""Rounds without a better validation score before a trial stops."""
LABEL_PATIENCE = 30
"""Rounds in which neither score nor loss of any of its labels got better on validation before a part stops growing."""
SCORING_SHARE = 0.6
"""Scoring whole parts takes up to this share of the time that growing took."""


T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """Labels that one booster is for, and what it sees.

    Attributes:
        labels: Columns of Y, (l,).
        features: Columns of X, (m,), or None for all.
        rows: Rows of train, (r,), or None for all.
        weight: Of each of these rows, (r,), float32, or None for 1.
    """

    labels: NDArray[np.intp]
    features: NDArray[np.intp] | None = None
    rows: NDArray[np.intp] | None = None
    weight: NDArray[np.float32] | None = None

    @property
    def whole(self) -> bool:
        """It sees all rows and features."""
        return self.features is None and self.rows is None

    @property
    def chosen(self) -> bool:
        """Features were chosen for it, or rows drawn; else it sees all features, of all rows that its labels know."""
        return self.features is not None or self.weight is not None

    def seen(self, X: Matrix, *, train: bool = False) -> Matrix:
        """The part's features of rows X (n, d); of its own rows if these are the train rows."""
        if train and self.rows is not None:
            X = X[self.rows]
        if self.features is None:
            return X
        return np.ascontiguousarray(X[:, self.features]) if isinstance(X, np.ndarray) else X[:, self.features]

    def cells(self, X: Matrix) -> int:
        """Rows x features that it sees of train rows X; of sparse rows, as many cells as what is stored is worth."""
        if not isinstance(X, np.ndarray):
            return STORED_CELL * int(X.nnz)
        n, d = X.shape
        return (n if self.rows is None else len(self.rows)) * (d if self.features is None else len(self.features))

    def targets(self, Y: NDArray[Any]) -> NDArray[np.float32]:
        """The part's labels (r, l) of its own rows."""
        return (Y if self.rows is None else Y[self.rows])[:, self.labels].astype(np.float32)


@dataclass(frozen=True)
class Plan:
    """The parts, and every label's share in train where it is known, (k,), which is what a label in no part scores.

    In none are constant labels, and those whose rows no feature can split.
    """

    parts: tuple[Part, ...]
    share: NDArray[np.float64]
    cache: dict[Any, Any] = field(default_factory=dict)
    """Where a plugin keeps what trials share, such as binned rows."""


class Booster(Protocol):
    """A part's trees."""

    def grow(self, rounds: int) -> Scores | None:
        """Grow so many more rounds; gives the scores (n_valid, l) of the validation rows, if there are any."""

    def predict(self, X: Matrix, rounds: int) -> Scores:
        """Scores (n, l) of ``Part.seen`` rows by the first ``rounds`` rounds, or as many as there are."""


def plan(train: Split, context: FitContext, *, screen_sparse: bool) -> Plan:
    """Share the labels out to parts.

    Args:
        train: Rows (n, d), labels (n, k). Values may be missing, and labels unknown.
        context: Its seed draws the rows.
        screen_sparse: Choose features for each label where rows are sparse, too: for libraries that spend
            their time on features, not on what is stored.
    """
    n, d = train.X.shape
    share = label_shares(train)
    live = np.flatnonzero((share > 0) & (share < 1))
    dense = isinstance(train.X, np.ndarray)
    screened = dense or screen_sparse
    width = MAX_FEATURES if screened else d
    n_valid = 0 if context.valid is None else len(context.valid)
    density = 1.0 if isinstance(train.X, np.ndarray) else max(train.X.nnz, 1) / (n * d)
    if not screened:
        density *= STORED_CELL
    most_parts = max(1, int(MAX_CELLS / ((n + n_valid) * d * density)))
    groups = labels_by_known_rows(train, live)
    if d <= width and n <= MAX_ROWS and len(groups) <= most_parts:
        n_parts = min(max(-(-len(live) // LABELS_AT_ONCE), min(PARTS_AT_LEAST, len(live)), 1), most_parts)
        parts = (
            Part(some, rows=rows)
            for labels, rows in groups
            for some in np.array_split(labels, -(-n_parts * len(labels) // len(live)))
        )
        return Plan(tuple(parts), share)
    cells = MAX_CELLS / (max(1, len(live)) * density)
    if screened:
        width = min(width, max(MIN_FEATURES, int(cells / (min(n, MAX_ROWS) + n_valid))))
    most = min(MAX_ROWS, max(MIN_ROWS, int(cells / min(width, d)) - n_valid))
    rng = np.random.default_rng(context.seed)
    drawn = [_draw(n, *_rows_of(train, label), most, rng) for label in live.tolist()]
    chosen: list[NDArray[np.intp] | None] = [None] * len(live)
    if d > width:
        gains = _screened(train, live, rng)
        best = np.argpartition(-gains, width - 1, axis=0)[:width]
        chosen = list(np.sort(best, axis=0).T)
    return Plan(tuple(Part(live[i : i + 1], chosen[i], *drawn[i]) for i in range(len(live))), share)


def _rows_of(train: Split, label: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows that are known to have a label, and those that are known not to have it."""
    there = train.Y[:, label] == 1
    others = ~there
    if train.known is not None:
        there, others = there & train.known[:, label], others & train.known[:, label]
    return np.flatnonzero(there), np.flatnonzero(others)


def _draw(
    n: int, there: NDArray[np.intp], others: NDArray[np.intp], most: int, rng: np.random.Generator
) -> tuple[Any, Any]:
    """Rows of n and their weights: all if there are few, else the positives, up to half, and a sample of the others."""
    if len(there) + len(others) <= most:
        return None if len(there) + len(others) == n else np.union1d(there, others), None
    n_there = min(len(there), max(most // 2, most - len(others)))
    n_others = min(len(others), most - n_there)
    rows = np.concatenate([rng.choice(there, n_there, replace=False), rng.choice(others, n_others, replace=False)])
    weight = np.repeat([len(there) / n_there, len(others) / n_others], [n_there, n_others]).astype(np.float32)
    order = np.argsort(rows)
    return rows[order], weight[order]


def _screened(train: Split, live: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.float64]:
    """``first_split_gains`` of the live labels, on a sample of many rows and on what rare labels have besides."""
    n, Y = len(train), train.labels[:, live]
    if n <= MAX_ROWS:
        return first_split_gains(train.X, Y, n)
    sample = np.sort(rng.choice(n, MAX_ROWS, replace=False))
    rare = (Y == 1).sum(axis=0) < RARE
    more = np.setdiff1d(np.flatnonzero((Y[:, rare] == 1).any(axis=1)), sample)
    # Of other labels, these rows would count too often.
    Y = np.concatenate([Y[sample], Y[more] * rare])
    return first_split_gains(train.X[np.concatenate([sample, more])], Y, len(sample))


def boost(plan: Plan, context: FitContext, new_booster: Callable[[int, Part, int], Booster]) -> ScoreFunction:
    """Grow a booster for each part until what is tuned stops rising on the validation rows.

    At a refit, boost as long as the winning trial did at its best, and all labels.

    Args:
        plan: The parts.
        context: Of the trial.
        new_booster: (number of the part, part, threads) -> its booster, without trees.

    Raises:
        TrialPruned: The trial was pruned.
    """
    threads = max(1, context.threads)
    inner = max(1, threads // max(1, len(plan.parts)))
    # Constant labels keep their share.
    current = np.tile(plan.share.astype(np.float32), (0 if context.valid is None else len(context.valid), 1))
    with _Lanes(threads, len(plan.parts)) as lanes:
        boosters = lanes.each(lambda i: new_booster(i, plan.parts[i], inner), range(len(plan.parts)))
        best = _grow(plan, context, boosters, current, lanes) if boosters else 0

    def scorer(X: Matrix) -> Scores:
        scores = np.tile(plan.share.astype(np.float32), (X.shape[0], 1))
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(lambda part, booster: booster.predict(part.seen(X), best), plan.parts, boosters)
            for part, values in zip(plan.parts, found, strict=True):
                scores[:, part.labels] = values.reshape(len(scores), -1)
        return scores

    return scorer


class _Lanes:
    """Threads to which boosters keep: on another thread XGBoost would compute anew what it knows of the train rows."""

    def __init__(self, threads: int, n: int) -> None:
        self.pools = [ThreadPoolExecutor(1) for _ in range(max(1, min(threads, n)))]
        self.lane = [i % len(self.pools) for i in range(n)]

    def each(self, work: Callable[[int], T], numbers: Iterable[int]) -> list[T]:
        """What the work gives for each number, on its thread."""
        futures = [self.pools[self.lane[i]].submit(work, i) for i in numbers]
        return [future.result() for future in futures]

    def balance(self, numbers: Iterable[int]) -> None:
        """Move as few of these as it takes to give every thread as many."""
        lanes: list[list[int]] = [[] for _ in self.pools]
        for i in numbers:
            lanes[self.lane[i]].append(i)
        while len(longest := max(lanes, key=len)) > len(shortest := min(lanes, key=len)) + 1:
            shortest.append(longest.pop())
            self.lane[shortest[-1]] = lanes.index(shortest)

    def __enter__(self) -> _Lanes:
        return self

    def __exit__(self, *failure: object) -> None:
        for pool in self.pools:
            pool.shutdown(cancel_futures=True)


def _grow(
    plan: Plan, context: FitContext, boosters: Sequence[Booster], current: NDArray[np.float32], lanes: _Lanes
) -> int:
    """The best number of rounds, with at least as many grown, or as many as it took a label to stop before."""
    valid, k = context.valid, len(plan.share)
    labels = None if valid is None else valid.labels
    growing = np.ones(len(boosters), dtype=bool)
    label_best, label_loss, label_step = np.full(k, -1.0), np.full(k, np.inf), np.zeros(k, dtype=int)
    best, best_value = 0, -np.inf
    for step, rounds in steps(context):
        active: list[int] = np.flatnonzero(growing).tolist()
        lanes.balance(active)
        found = lanes.each(partial(_more, boosters, rounds), active)
        for i, scores in zip(active, found, strict=True):
            if scores is not None:
                current[:, plan.parts[i].labels] = scores.reshape(len(current), -1)
        if labels is None:
            best = step
            continue
        value = context.report(step, current)
        if np.isnan(value) or value > best_value:
            best, best_value = step, value
        elif step - best >= PATIENCE:
            break
        values = average_precision(labels, current, average=None)
        # Average precision alone would stop a label whose scores still sharpen, and micro compares them across labels.
        losses = _log_losses(labels, current)
        label_step[(values > label_best) | (losses < label_loss)] = step
        label_best, label_loss = np.fmax(label_best, values), np.fmin(label_loss, losses)
        # A label that no validation row has cannot say when to stop.
        going = np.isnan(values) | (step - label_step < LABEL_PATIENCE)
        for i in active:
            part = plan.parts[i]
            if not going[part.labels].any():
                growing[i] = False
        if not growing.any():
            break
    return best


def _log_losses(Y: NDArray[Any], probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean log loss of each label, (k,), by its labels (n, k), -1 where unknown, and their probabilities (n, k)."""
    right = np.where(Y == 1, probabilities, 1 - probabilities)
    np.log(np.maximum(right, np.finfo(np.float32).eps, out=right), out=right)
    if (Y >= 0).all():
        return -np.asarray(right.mean(axis=0, dtype=np.float64))
    return -np.asarray(right.sum(axis=0, dtype=np.float64, where=Y >= 0) / np.maximum((Y >= 0).sum(axis=0), 1))


def _more(boosters: Sequence[Booster], rounds: int, number: int) -> Scores | None:
    return boosters[number].grow(rounds)


def steps(context: FitContext) -> Iterator[tuple[int, int]]:
    """(rounds to be reached, rounds to grow), until there would be no time for more and for scoring."""
    blind = context.valid is None or not (context.valid.labels == 1).any()
    last = (context.best_step or ROUNDS_WITHOUT_VALID) if blind else MAX_ROUNDS
    began, done = time.monotonic(), 0
    paces: list[float] = []
    while done < last:
        # Two single rounds tell what a round takes: the first also sets up, which can take as long as ten.
        rounds = min(last, done + 1 if done < 2 else (done // ROUNDS_AT_ONCE + 1) * ROUNDS_AT_ONCE) - done
        started = time.monotonic()
        reserve = (1 if done == 1 else 2) * max(paces, default=0.0) * rounds
        if done and context.seconds_left < reserve + SCORING_SHARE * (started - began) + 0.5:
            print(f"stopped after {done} of up to {last} rounds: timed out")
            return
        done += rounds
        yield done, rounds
        pace = (time.monotonic() - started) / rounds
        if done == 2:
            began += max(0.0, paces[0] - pace)  # scoring has no set-up
        # The slower of the last two, so that one stall does not end a trial much later; the first is none.
        paces = [*(paces[-1:] if done > 2 else []), pace]
