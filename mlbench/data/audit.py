"""Audit of a data set's splits: rows, groups, labels and features that make scores misleading.

The functions here only count, exactly and in blocks of bounded memory; they neither judge nor change data.
Near-duplicates, which take pairwise comparisons, are in ``mlbench.data.near_duplicates``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Matrix, Split, blocks, is_sparse
from mlbench.data.duplicates import row_hashes, row_keys
from mlbench.data.missing import columns_with_missing, filled, medians
from mlbench.data.near_duplicates import NearRepeats, cell_blocks, near_repeats

PAIRS_NAMED = 3
"""How many pairs of identical labels are named."""


@dataclass(frozen=True, kw_only=True)
class LabelStatistics:
    """How many labels rows have and how imbalanced the labels are; see ``label_statistics``.

    Attributes:
        rows: The number of rows.
        cardinality: The mean number of labels per row.
        density: The cardinality divided by the number of labels, 0 to 1.
        label_sets: The number of distinct label sets, including the empty one.
        mean_imbalance_ratio: MeanIR, at least 1; None without any positive.
        scumble: SCUMBLE, 0 to 1.
        without_positive: The number of labels without a positive, which MeanIR leaves out.
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
    """Rows of one split whose features also occur, exactly, in another one.

    Attributes:
        part: The split that has the rows.
        earlier: The split that has their copies; equal to ``part`` for duplicates within a split, each of
            which is counted.
        rows: The number of rows.
        other_labels: How many of them have labels that no copy in ``earlier`` has; within a split, how many
            have a copy with other labels.
    """

    part: str
    earlier: str
    rows: int
    other_labels: int


@dataclass(frozen=True, kw_only=True)
class SharedGroups:
    """The number of groups that occur in two splits, and of rows of ``part`` that belong to them."""

    part: str
    earlier: str
    groups: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The result of ``audit``; labels and features are given as column indices.

    Attributes:
        repeats: Duplicate rows, one entry for each pair of splits that has any.
        near: Near-duplicate rows, one entry for each split but the first.
        shared_groups: Shared groups, one entry for each pair of splits that has any.
        twins: The number of groups known to be other versions of earlier ones; see ``Dataset.twins``.
        never: Labels without a positive, by split, for splits that have any.
        always: Labels that are positive in every row, by split, for splits that have any.
        identical_labels: The number of pairs of labels that are equal in every row, not counting constant
            labels.
        first_identical: The first ``PAIRS_NAMED`` of these pairs.
        constant: Features that have the same value in all rows of train.
        constant_but_in_test: Those of them that have another value somewhere in test.
        statistics: Label statistics by split, and under ``all`` those of all splits together.
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
    """Run all checks on a data set."""
    parts = dict(dataset.parts())
    repeats, copied = _repeats(parts)
    gaps = columns_with_missing(dataset.train.X)
    for split in parts.values():
        gaps = np.union1d(gaps, columns_with_missing(split.X))
    if len(gaps):  # rows are compared as models see them that take no missing values
        values = medians(dataset.train.X, gaps)
        parts = {part: Split.unchecked(**vars(s) | {"X": filled(s.X, gaps, values)}) for part, s in parts.items()}
    train, test = parts["train"], parts.get("test")
    counts = {part: split.Y.sum(axis=0, dtype=np.int64) for part, split in parts.items()}
    never = {part: _columns(count == 0) for part, count in counts.items()}
    n_known = {part: len(s) if s.known is None else s.known.sum(axis=0) for part, s in parts.items()}
    always = {part: _columns((count == n_known[part]) & (count > 0)) for part, count in counts.items()}
    n_identical, first_identical = identical_labels([split.Y for split in parts.values()])
    reference = _first_row(train.X)
    constant = _always_equal(train.X, reference)
    moved = np.zeros_like(constant) if test is None else constant & ~_always_equal(test.X, reference)
    statistics = {part: label_statistics([split.Y]) for part, split in parts.items()}
    statistics["all"] = label_statistics([split.Y for split in parts.values()])
    return Audit(
        repeats=repeats,
        near=near_repeats(parts, copied, ~constant) if len(constant) else (),
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
    """Compute the usual statistics of a multi-label data set.

    MeanIR is the mean, over labels with a positive, of a label's imbalance ratio: the count of the most
    frequent label divided by its own (Charte, Rivera, del Jesus and Herrera, "Addressing imbalance in
    multilabel classification: measures and random resampling algorithms", Neurocomputing 163, 2015).
    SCUMBLE is the mean over rows of 1 - G / A, where G and A are the geometric and the arithmetic mean of
    the imbalance ratios of the row's labels; a row without labels counts as 0 (the same authors, "Dealing with
    difficult minority labels in imbalanced mutilabel data sets", Neurocomputing 326-327, 2019; labels that
    the row lacks are left out of both means, as in ``R/measures.R`` of the R package mldr). Recent versions
    of mldr count labels without a positive as a ratio of 0 in MeanIR; here they are left out.

    Args:
        labels: One or more arrays (n, k) of 0 and 1, with the same k and n > 0, treated as one.
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
        scumble=max(0.0, scumble / rows),  # rounding can give -1e-17 where all ratios are equal
        without_positive=int(np.sum(~has)),
    )


def identical_labels(labels: Sequence[NDArray[np.uint8]]) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Count the pairs of equal columns, and return the first ``PAIRS_NAMED`` of them.

    Constant columns are left out: the audit reports them separately.

    Args:
        labels: Arrays (n, k) of 0 and 1 with the same k, treated as one.
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
    # The first pairs of each set are among its first columns, so not all pairs have to be formed.
    first = sorted(pair for columns in alike.values() for pair in combinations(columns[: PAIRS_NAMED + 1], 2))
    return found, tuple(first[:PAIRS_NAMED])


# --------------------------------------------------------------------------------------------- rows
def _repeats(parts: dict[str, Split]) -> tuple[tuple[Repeats, ...], dict[str, NDArray[np.bool_]]]:
    """Find duplicates across splits and within train, and mark the rows of each split that are in an earlier one."""
    found: list[Repeats] = []
    copied: dict[str, NDArray[np.bool_]] = {}
    seen: dict[str, dict[bytes, set[bytes]]] = {}
    for part, split in parts.items():
        rows = list(zip(row_keys(split), row_hashes(split.Y), strict=True))
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
    """Count the shared groups of every two splits that have groups in common."""
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
    """Return row 0 as a dense array of shape (d,)."""
    return np.asarray(X[0].toarray() if is_sparse(X) else X[0], dtype=np.float32).ravel()


def _always_equal(X: Matrix, row: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return a mask (d,) of the features that equal ``row`` (d,) in every row of ``X`` (n, d)."""
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
