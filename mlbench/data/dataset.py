"""Multi-label data in memory: ``Split`` (X, Y, groups) and ``Dataset`` (train, valid, test)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlbench.data.splits import stratified_parts
from mlbench.errors import DataError

if TYPE_CHECKING:
    import scipy.sparse as sp

Matrix: TypeAlias = "NDArray[np.float32] | sp.csr_matrix"
"""Features of shape (n, d): a C-contiguous float32 array (often memory-mapped) or float32 CSR."""

SPLIT_SEED = 0
"""Parts that a data set does not bring are dealt out with this seed, whatever the job's seed, so that
all jobs share one test set."""
VALID_SHARE = 0.2
TEST_SHARE = 0.2
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
ROWS_PER_BLOCK = 4096
"""Rows that are looked at together wherever a whole matrix would not fit into memory."""


def is_sparse(X: Matrix) -> TypeGuard[Any]:
    """Whether ``X`` is CSR."""
    import scipy.sparse as sp  # late: longer to import than all of numpy, and not every command needs it

    return bool(sp.issparse(X))


def blocks(n: int, size: int = ROWS_PER_BLOCK) -> Iterator[slice]:
    """Slices that cover ``range(n)``."""
    return (slice(i, min(i + size, n)) for i in range(0, n, size))


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """One part of a data set.

    Attributes:
        X: Features of shape (n, d), float32, dense or CSR. May be memory-mapped and read-only.
        Y: Labels of shape (n, k), uint8, 0 or 1.
        groups: What rows belong together (a recording, a patient), integers of shape (n,), or None.
    """

    X: Matrix
    Y: NDArray[np.uint8]
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return int(self.Y.shape[0])

    def take(self, rows: NDArray[np.intp]) -> Split:
        """The given rows, copied."""
        return Split(X=self.X[rows], Y=self.Y[rows], groups=None if self.groups is None else self.groups[rows])

    def hold_out(self, share: float, seed: int) -> tuple[Split, Split]:
        """Two parts, the second with ``share`` of the rows: stratified by label, whole groups only.

        A model that calibrates or stops early by itself takes its rows from here when
        ``FitContext.valid`` is None.
        """
        rest, held = stratified_parts(self.Y, (1 - share, share), groups=self.groups, seed=seed)
        return self.take(rest), self.take(held)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Multi-label data with names.

    Attributes:
        name: Short name, used for files: letters, digits, ``.``, ``_`` and ``-``.
        train: The rows to learn from.
        valid: The rows to tune on, or None: taken out of train.
        test: The rows to score on, once, or None: taken out of train.
        label_names: k names, all different.
        feature_names: d names, or empty.
        features: The feature sets that a run uses when none is asked for.
        notes: What a reader should know, one line each: dropped columns, odd values.
        valid_from_train: ``valid`` was taken out of the official train part, so that the final model
            is fitted on both.
        citation: How to cite the data.
        twins: Groups of valid or test that stand in an earlier part too, in another version: the same
            work, played by someone else.
    """

    name: str
    train: Split
    valid: Split | None = None
    test: Split | None = None
    label_names: tuple[str, ...]
    feature_names: tuple[str, ...] = ()
    features: tuple[str, ...] = ("raw",)
    notes: tuple[str, ...] = ()
    valid_from_train: bool = False
    citation: str = ""
    twins: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not FILE_NAME.fullmatch(self.name):
            raise DataError(f"data set name {self.name!r}: use letters, digits, '.', '_' and '-', first no '.' or '-'")
        d, k = self.train.X.shape[1], self.train.Y.shape[1]
        if len(set(self.label_names)) != len(self.label_names):
            twice = next(name for name in self.label_names if self.label_names.count(name) > 1)
            raise DataError(f"{self.name}: two labels are called {twice!r}")
        if len(self.label_names) != k or k == 0:
            raise DataError(f"{self.name}: {k} label columns, but {len(self.label_names)} label names")
        if d == 0:
            raise DataError(f"{self.name}: there are no feature columns")
        for part, split in self.parts():
            if not len(split):
                raise DataError(f"{self.name}: the {part} part has no rows")
            if split.X.shape != (len(split), d) or split.Y.shape[1] != k:
                shapes = f"X {split.X.shape} and Y {split.Y.shape}"
                raise DataError(f"{self.name}: {part} has {shapes}, but train has {d} features and {k} labels")
            if is_sparse(split.X) != is_sparse(self.train.X):
                raise DataError(f"{self.name}: {part} and train must both be dense or both be sparse")

    def parts(self) -> Iterator[tuple[str, Split]]:
        """The parts that are there, as (name, split), in the order train, valid, test."""
        for name in ("train", "valid", "test"):
            split = getattr(self, name)
            if split is not None:
                yield name, split

    def fingerprint(self) -> str:
        """SHA-256 of the content: every cell, every label, every group, the label names."""
        digest = hashlib.sha256(b"mlbench data 1\n")

        def add(key: str, array: NDArray[np.generic]) -> None:
            digest.update(f"{key} {array.dtype.str} {array.shape}\n".encode())
            for rows in blocks(len(array)):
                digest.update(np.ascontiguousarray(array[rows]).data)

        for part, split in self.parts():
            if is_sparse(split.X):
                for field, dtype in (("data", np.float32), ("indices", np.int64), ("indptr", np.int64)):
                    add(f"{part}.X.{field}", np.asarray(getattr(split.X, field), dtype=dtype))
            else:
                add(f"{part}.X", split.X)
            add(f"{part}.Y", split.Y)
            if split.groups is not None:
                add(f"{part}.groups", split.groups)
        digest.update(json.dumps([self.train.X.shape[1], self.label_names]).encode())
        return digest.hexdigest()

    def limited(self, rows: int) -> Dataset:
        """At most ``rows`` rows of each part, evenly spaced, as a data set of its own."""

        def cut(split: Split | None) -> Split | None:
            if split is None or len(split) <= rows:
                return split
            return split.take(np.linspace(0, len(split) - 1, rows).astype(np.intp))

        train = cut(self.train)
        assert train is not None
        if all(len(split) <= rows for _, split in self.parts()):
            return self
        valid, test = cut(self.valid), cut(self.test)
        return replace(self, train=train, valid=valid, test=test, name=f"{self.name}-limit-{rows}")

    def without_twins(self) -> Dataset:
        """Valid and test without ``twins``, as a data set of its own.

        Raises:
            DataError: No twin is known, or nothing else would be left.
        """
        if not self.twins:
            raise DataError(f"{self.name}: no twins are known here, so that there is nothing to drop")

        def kept(split: Split | None) -> Split | None:
            if split is None or split.groups is None:
                return split
            return split.take(np.flatnonzero(~np.isin(split.groups, sorted(self.twins))))

        valid, test = kept(self.valid), kept(self.test)
        notes = (*self.notes, f"{len(self.twins)} groups with a twin in an earlier part are left out of valid and test")
        return replace(self, valid=valid, test=test, twins=frozenset(), notes=notes, name=f"{self.name}-no-twins")

    def with_all_parts(self) -> Dataset:
        """The data set with a valid and a test part, taken out of train where it brings none."""
        if self.valid is not None and self.test is not None:
            return self
        shares = {
            "valid": VALID_SHARE if self.valid is None else 0.0,
            "test": TEST_SHARE if self.test is None else 0.0,
        }
        taken = [part for part, share in shares.items() if share]
        rows = stratified_parts(
            self.train.Y,
            [1 - sum(shares.values()), *(shares[part] for part in taken)],
            groups=self.train.groups,
            seed=SPLIT_SEED,
        )
        notes = self.notes
        if self.test is None:
            notes += (f"brings no test part: {TEST_SHARE:.0%} of its rows are taken for it, always the same",)
        new = dict(zip(["train", *taken], (self.train.take(r) for r in rows), strict=True))
        return replace(
            self,
            train=new["train"],
            valid=new.get("valid", self.valid),
            test=new.get("test", self.test),
            valid_from_train=self.valid is None,
            notes=notes,
        )


def make_split(
    X: object,
    Y: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    where: str,
    feature_names: Sequence[str] = (),
    label_names: Sequence[str] = (),
) -> Split:
    """A checked ``Split``: features finite float32, labels exactly 0 or 1, one group key a row.

    Args:
        X: Features (n, d), anything numeric, dense or scipy sparse.
        Y: Labels (n, k), 0 or 1 in any type.
        groups: One key a row, of any type that sorts; stored as integers.
        where: The file, for error messages.
        feature_names: For error messages.
        label_names: For error messages.

    Raises:
        DataError: One line that names the file, the row (from 0) and the column.
    """
    labels = _check_labels(np.asarray(Y), where, label_names)
    features = _check_features(X, where, feature_names)
    if features.shape[0] != labels.shape[0]:
        raise DataError(f"{where}: {features.shape[0]} rows of features, but {labels.shape[0]} rows of labels")
    keys = None
    if groups is not None:
        keys = np.asarray(groups)
        if keys.shape != (len(labels),):
            raise DataError(f"{where}: {len(labels)} rows, but groups of shape {keys.shape}")
        if keys.dtype.kind not in "iu":
            if keys.dtype.kind == "f" and not np.isfinite(keys).all():
                raise DataError(f"{where}: row {int(np.argmin(np.isfinite(keys)))} has no group")
            # Hashed, not numbered: the same key must be the same group in every part.
            keys = np.array([_key_number(key) for key in keys.tolist()])
        keys = keys.astype(np.int64)
    return Split(X=features, Y=labels, groups=keys)


def _key_number(key: object) -> int:
    return int.from_bytes(hashlib.blake2b(str(key).encode(), digest_size=8).digest(), "big") >> 1


def _column(names: Sequence[str], index: int) -> str:
    return f"column {names[index]!r}" if index < len(names) else f"column {index}"


def _check_labels(Y: NDArray[np.generic], where: str, names: Sequence[str]) -> NDArray[np.uint8]:
    if Y.ndim != 2:
        raise DataError(f"{where}: labels of shape {Y.shape}, expected (rows, labels)")
    if Y.dtype.kind not in "biuf":
        raise DataError(f"{where}: labels of type {Y.dtype}, expected 0 and 1")
    wrong = ~((Y == 0) | (Y == 1))
    if wrong.any():
        row, column = (int(i[0]) for i in np.nonzero(wrong))
        raise DataError(f"{where}: labels must be 0 or 1: row {row}, {_column(names, column)} holds {Y[row, column]}")
    return np.ascontiguousarray(Y, dtype=np.uint8)


def _check_features(X: object, where: str, names: Sequence[str]) -> Matrix:
    import scipy.sparse as sp

    if sp.issparse(X):
        with np.errstate(over="ignore"):  # reported below, with its place
            matrix = sp.csr_matrix(X, dtype=np.float32)
        if not matrix.has_canonical_format:
            matrix = matrix.copy()  # the caller's stays as it is
            matrix.sum_duplicates()
        bad = np.flatnonzero(~np.isfinite(matrix.data))
        if len(bad):
            row = int(np.searchsorted(matrix.indptr, bad[0], side="right")) - 1
            value = matrix.data[bad[0]]
            raise DataError(_not_finite(where, row, _column(names, int(matrix.indices[bad[0]])), value))
        return matrix
    array = np.asarray(X)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise DataError(
            f"{where}: features of shape {array.shape} and type {array.dtype}, expected numbers (rows, features)"
        )
    if array.dtype != np.float32 or not array.flags.c_contiguous:
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(array, dtype=np.float32)
    for rows in blocks(len(array)):
        finite = np.isfinite(array[rows])
        if not finite.all():
            row, column = (int(i[0]) for i in np.nonzero(~finite))
            value = array[rows.start + row, column]
            raise DataError(_not_finite(where, rows.start + row, _column(names, column), value))
    return array


def _not_finite(where: str, row: int, column: str, value: float) -> str:
    kind = "is missing (NaN)" if np.isnan(value) else "is infinite, or too large for float32"
    return f"{where}: row {row}, {column} {kind}: fill in or drop such values first"
