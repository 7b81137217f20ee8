"""What to know of a split before trusting a figure on it: rows, groups, labels and features that mislead.

Nothing here judges or changes data: every function counts, exactly and in blocks of bounded memory.
Near repeats, where each row would have to be compared with each, are in ``mlbench.data.near_duplicates``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mlbench.data.cache import row_hashes
from mlbench.data.dataset import Dataset, Matrix, Split, blocks, is_sparse
from mlbench.data.near_duplicates import NearRepeats, cell_blocks, near_repeats

PAIRS_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class LabelStatistics:
    """How many labels rows have, and how uneven the labels are; see ``label_statistics``.

    Attributes:
        rows: How many rows.
        cardinality: Labels a row, on average.
        density: Cardinality over the number of labels, 0 to 1.
        label_sets: How many different sets of labels there are, the empty one included.
        mean_imbalance_ratio: MeanIR, at least 1; None without any positive.
        scumble: SCUMBLE, 0 to 1.
        without_positive: Labels without a positive, which MeanIR leaves out.
    """

    rows: int
    cardinality: float
    density: float
    label_sets: int
    mean_imbalance_ratio: float | None
    scumble: float
    without_positive: int


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Rows whose features stand elsewhere too, cell by cell.

    Attributes:
        part: Where the rows are.
        earlier: Where their features stand too; ``part`` itself for rows that stand there twice or more,
            each of them counted.
        rows: How many.
        other_labels: How many of them have labels that none of the copies in ``earlier`` has; within a
            part, how many have a copy with other labels.
    """

    part: str
    earlier: str
    rows: int
    other_labels: int


@dataclass(frozen=True, kw_only=True)
class SharedGroups:
    """Groups that stand in two parts: how many, and how many rows of ``part`` they are."""

    part: str
    earlier: str
    groups: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What ``audit`` found; labels and features by their column numbers.

    Attributes:
        repeats: Only where there are any.
        near: One for each part but the first.
        shared_groups: Only where there are any.
        twins: How many twins are known, see ``Dataset.twins``.
        never: By part, labels without a positive; only where there are any.
        always: By part, labels that every row has; only where there are any.
        identical_labels: How many pairs of labels have the same rows, those aside that no row or every row has.
        first_identical: The first ``PAIRS_NAMED`` of these pairs.
        constant: Features with the same value in all rows of train.
        constant_but_in_test: Those of them that have another value somewhere in test.
        statistics: By part, and of all parts together as ``all``.
    """

    repeats: tuple[Repeats, ...]
    near: tuple[NearRepeats, ...]
    shared_groups: tuple[SharedGroups, ...]
    twins: int
    never: dict[str, tuple[int, ...]]
    always: dict[str, tuple[int, ...]]
    identical_labels: int
    first_identical: tuple[tuple[int, int], ...]
    constant: tuple[int, ...]
    constant_but_in_test: tuple[int, ...]
    statistics: dict[str, LabelStatistics]


def audit(dataset: Dataset) -> Audit:
    """All that this module counts, for one data set."""
    parts = dict(dataset.parts())
    counts = {part: split.Y.sum(axis=0, dtype=np.int64) for part, split in parts.items()}
    never = {part: _columns(count == 0) for part, count in counts.items()}
    always = {part: _columns(count == len(parts[part])) for part, count in counts.items()}
    n_identical, first_identical = identical_labels([split.Y for split in parts.values()])
    reference = _first_row(dataset.train.X)
    constant = _always_equal(dataset.train.X, reference)
    moved = np.zeros_like(constant)
    if dataset.test is not None:
        moved = constant & ~_always_equal(dataset.test.X, reference)
    statistics = {part: label_statistics([split.Y]) for part, split in parts.items()}
    statistics["all"] = label_statistics([split.Y for split in parts.values()])
    repeats, copied = _repeats(parts)
    return Audit(
        repeats=repeats,
        near=near_repeats(parts, copied, ~constant),
        shared_groups=shared_groups(parts),
        twins=len(dataset.twins),
        never={part: found for part, found in never.items() if found},
        always={part: found for part, found in always.items() if found},
        identical_labels=n_identical,
        first_identical=first_identical,
        constant=_columns(constant),
        constant_but_in_test=_columns(moved),
        statistics=statistics,
    )


# ------------------------------------------------------------------------------------------- labels
def label_statistics(labels: Sequence[NDArray[np.uint8]]) -> LabelStatistics:
    """The usual figures of a multi-label data set.

    MeanIR is the mean, over labels with a positive, of the imbalance ratio of a label: the count of the
    most frequent label over its own (Charte, Rivera, del Jesus and Herrera, "Addressing imbalance in
    multilabel classification: measures and random resampling algorithms", Neurocomputing 163, 2015).
    SCUMBLE is the mean over rows of 1 - G / A, where G and A are the geometric and the arithmetic mean of
    the imbalance ratios of the row's labels; a row without labels counts as 0 (the same, "Dealing with
    difficult minority labels in imbalanced mutilabel data sets", Neurocomputing 326-327, 2019; labels that
    the row has not are left out of both means, as in ``R/measures.R`` of the R package mldr). Where labels
    have no positive, recent versions of mldr take their ratio as 0 into MeanIR; here they are left out.

    Args:
        labels: One or more arrays (n, k) with the same k, 0 or 1, taken together; n > 0.
    """
    k = labels[0].shape[1]
    rows = sum(len(Y) for Y in labels)
    counts = np.zeros(k, dtype=np.int64)
    for Y in labels:
        counts += Y.sum(axis=0, dtype=np.int64)
    has = counts > 0
    ratios = np.where(has, counts.max() / np.maximum(counts, 1), 1.0)
    weights = np.column_stack([ratios, np.log(ratios), np.ones(k)])
    sets: set[bytes] = set()
    scumble = 0.0
    for Y in labels:
        for block in cell_blocks(len(Y), k):
            sets.update(row_hashes(Y[block]))
            arithmetic, logs, sizes = (Y[block].astype(np.float64) @ weights).T
            some = sizes > 0
            scumble += float(np.sum(1 - np.exp(logs[some] / sizes[some]) * sizes[some] / arithmetic[some]))
    return LabelStatistics(
        rows=rows,
        cardinality=float(counts.sum() / rows),
        density=float(counts.sum() / rows / k),
        label_sets=len(sets),
        mean_imbalance_ratio=float(ratios[has].mean()) if has.any() else None,
        scumble=max(0.0, scumble / rows),  # rounding can leave -1e-17 where all ratios are the same
        without_positive=int(np.sum(~has)),
    )


def identical_labels(labels: Sequence[NDArray[np.uint8]]) -> tuple[int, tuple[tuple[int, int], ...]]:
    """How many pairs of columns are equal in all arrays, and the first ``PAIRS_NAMED`` of them.

    Columns that are 0 everywhere, or 1 everywhere, are left out: that is a fault of its own.

    Args:
        labels: Arrays (n, k) with the same k, 0 or 1, taken together.
    """
    k = labels[0].shape[1]
    states = [hashlib.blake2b(digest_size=16) for _ in range(k)]
    counts = np.zeros(k, dtype=np.int64)
    for Y in labels:
        for block in blocks(len(Y)):
            counts += Y[block].sum(axis=0, dtype=np.int64)
            for state, column in zip(states, np.ascontiguousarray(Y[block].T), strict=True):
                state.update(column.data)
    alike: dict[bytes, list[int]] = {}
    for column in np.flatnonzero((counts > 0) & (counts < sum(len(Y) for Y in labels))):
        alike.setdefault(states[column].digest(), []).append(int(column))
    found = sum(len(columns) * (len(columns) - 1) // 2 for columns in alike.values())
    # The smallest pairs of each set are among its first columns, so that not all pairs have to be made.
    first = sorted(pair for columns in alike.values() for pair in combinations(columns[: PAIRS_NAMED + 1], 2))
    return found, tuple(first[:PAIRS_NAMED])


# --------------------------------------------------------------------------------------------- rows
def _repeats(parts: dict[str, Split]) -> tuple[tuple[Repeats, ...], dict[str, NDArray[np.bool_]]]:
    """Repeats across parts and within train, and which rows of each part stand in an earlier one."""
    found: list[Repeats] = []
    copied: dict[str, NDArray[np.bool_]] = {}
    seen: dict[str, dict[bytes, set[bytes]]] = {}
    for part, split in parts.items():
        rows = list(zip(row_hashes(split.X), row_hashes(split.Y), strict=True))
        copied[part] = np.zeros(len(rows), dtype=bool)
        for earlier, known in seen.items():
            here = np.fromiter((x in known for x, _ in rows), dtype=bool, count=len(rows))
            other = sum(x in known and y not in known[x] for x, y in rows)
            copied[part] |= here
            if here.any():
                found.append(Repeats(part=part, earlier=earlier, rows=int(here.sum()), other_labels=other))
        seen[part] = {}
        for x, y in rows:
            seen[part].setdefault(x, set()).add(y)
        if part == "train":
            times = Counter(x for x, _ in rows)
            again = sum(times[x] > 1 for x, _ in rows)
            other = sum(len(seen[part][x]) > 1 for x, _ in rows)
            if again:
                found.append(Repeats(part=part, earlier=part, rows=again, other_labels=other))
    return tuple(found), copied


def shared_groups(parts: dict[str, Split]) -> tuple[SharedGroups, ...]:
    """For each two parts with groups in common, how many."""
    found = []
    for (earlier, first), (part, split) in combinations(parts.items(), 2):
        if first.groups is not None and split.groups is not None:
            common = np.intersect1d(first.groups, split.groups)
            rows = int(np.isin(split.groups, common).sum())
            if rows:
                found.append(SharedGroups(part=part, earlier=earlier, groups=len(common), rows=rows))
    return tuple(found)


# ----------------------------------------------------------------------------------------- features
def _first_row(X: Matrix) -> NDArray[np.float32]:
    """Row 0, dense, of shape (d,)."""
    return np.asarray(X[0].toarray() if is_sparse(X) else X[0], dtype=np.float32).ravel()


def _always_equal(X: Matrix, row: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which features of ``X`` (n, d) have in every row the value that they have in ``row`` (d,); shape (d,)."""
    n, d = X.shape
    if is_sparse(X):
        same = np.bincount(X.indices[(X.data == row[X.indices]) & (X.data != 0)], minlength=d)
        filled = np.bincount(X.indices[X.data != 0], minlength=d)
        return np.asarray(np.where(row == 0, filled == 0, same == n))
    equal = np.ones(d, dtype=bool)
    for block in cell_blocks(n, d):
        equal &= (X[block] == row).all(axis=0)
    return equal


def _columns(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(column) for column in np.flatnonzero(mask))
