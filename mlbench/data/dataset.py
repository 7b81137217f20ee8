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
"""The seed with which missing splits are taken out of train, whatever the seed of the job, so that all
jobs share one test set."""
VALID_SHARE = 0.2
TEST_SHARE = 0.2
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
ROWS_PER_BLOCK = 4096
"""How many rows are processed at a time wherever a whole matrix might not fit into memory."""


def exclusive(*splits: Split) -> bool:
    """Return whether every row of these splits is known to have exactly one label."""
    return all(split.known is None and bool(np.all(split.Y.sum(axis=1) == 1)) for split in splits)


def is_sparse(X: object) -> TypeGuard[Any]:
    """Return whether ``X`` is a sparse matrix (CSR)."""
    import scipy.sparse as sp  # imported late: slower to import than NumPy, and not every command needs it

    return bool(sp.issparse(X))


def blocks(n: int, size: int = ROWS_PER_BLOCK) -> Iterator[slice]:
    """Yield slices of at most ``size`` that cover ``range(n)``."""
    return (slice(i, min(i + size, n)) for i in range(0, n, size))


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The rows of one split of a data set: train, valid or test.

    What it is given is converted and checked: lists, data frames and sparse labels become arrays.

    Attributes:
        X: Features of shape (n, d), float32, dense or CSR; NaN where a value is missing. May be memory-mapped and
            read-only.
        Y: Labels of shape (n, k), uint8, 0 or 1; 0 where the label is unknown.
        groups: Integers of shape (n,) that tell which rows belong together (one recording, one patient), or None.
        known: Whether each label is known, shape (n, k), or None if all are. Unknown labels count in no metric.
        texts: A text for each row, shape (n,), of type object, or None.

    Raises:
        DataError: The data are invalid; the message names row (from 0) and column.
    """

    X: Matrix
    Y: NDArray[np.uint8]
    groups: NDArray[np.int64] | None = None
    known: NDArray[np.bool_] | None = None
    texts: NDArray[np.object_] | None = None

    def __post_init__(self) -> None:
        checked = make_split(self.X, self.Y, self.groups, known=self.known, texts=self.texts, where="split")
        self.__dict__.update(checked.__dict__)

    @classmethod
    def unchecked(cls, **fields: Any) -> Split:
        """Make a split of arrays that are known to be valid, such as rows of another one."""
        split = cls.__new__(cls)
        split.__dict__.update({"groups": None, "known": None, "texts": None} | fields)
        return split

    def __len__(self) -> int:
        return int(self.Y.shape[0])

    @property
    def labels(self) -> NDArray[Any]:
        """Labels of shape (n, k) as metrics take them: ``Y``, with -1 where the label is unknown."""
        return self.Y if self.known is None else np.where(self.known, self.Y.astype(np.int8), np.int8(-1))

    def take(self, rows: NDArray[np.intp] | slice) -> Split:
        """Copy the given rows."""
        given = {name: None if array is None else array[rows] for name, array in self.__dict__.items()}
        if given["known"] is not None and given["known"].all():
            given["known"] = None
        return Split.unchecked(**given)

    def hold_out(self, share: float, seed: int) -> tuple[Split, Split]:
        """Split into two, the second with ``share`` of the rows, stratified by label and without dividing groups.

        A model that needs rows of its own for calibration or early stopping takes them from here
        when ``FitContext.valid`` is None.
        """
        rest, held = stratified_parts(self.Y, (1 - share, share), groups=self.groups, seed=seed)
        return self.take(rest), self.take(held)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A multi-label data set: its splits, and the names of labels and features.

    Attributes:
        name: A short name that also names files: letters, digits, ``.``, ``_`` and ``-``.
        train: The training split.
        valid: The validation split, used for tuning. If None, it is taken out of train.
        test: The test split, scored once. If None, it is taken out of train.
        label_names: The k label names, all different.
        feature_names: The d feature names, or empty.
        features: The features that a run uses unless it is told otherwise.
        notes: What a reader of the results should know, one line each, such as dropped columns.
        hints: What the user may want to say of the data, one line each, such as a column that may hold groups.
        warnings: What no reader of a board may overlook, one line each, such as that the data are made up.
        valid_from_train: Whether ``valid`` was taken out of the official training split; if so, the final
            model is fitted on both.
        citation: How to cite the data.
        twins: Groups of valid or test that are other versions of groups in an earlier split, such as the
            same work played by someone else.
    """

    name: str
    train: Split
    valid: Split | None = None
    test: Split | None = None
    label_names: tuple[str, ...]
    feature_names: tuple[str, ...] = ()
    features: tuple[str, ...] = ("raw",)
    notes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    valid_from_train: bool = False
    citation: str = ""
    twins: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not FILE_NAME.fullmatch(self.name):
            raise DataError(
                f"data set name {self.name!r}: use letters, digits, '.', '_' and '-'; do not start with '.' or '-'"
            )
        d, k, has_texts = self.train.X.shape[1], self.train.Y.shape[1], self.train.texts is not None
        if len(set(self.label_names)) != len(self.label_names):
            twice = next(name for name in self.label_names if self.label_names.count(name) > 1)
            raise DataError(f"{self.name}: two labels are named {twice!r}")
        if len(self.label_names) != k or k == 0:
            raise DataError(f"{self.name}: {k} label columns, but {len(self.label_names)} label names")
        if d == 0 and not has_texts:
            raise DataError(f"{self.name}: no feature columns")
        for part, split in self.parts():
            if not len(split):
                raise DataError(f"{self.name}: the {part} split has no rows")
            if split.X.shape != (len(split), d) or split.Y.shape[1] != k:
                shapes = f"X {split.X.shape} and Y {split.Y.shape}"
                raise DataError(f"{self.name}: {part} has {shapes}, but train has {d} features and {k} labels")
            if is_sparse(split.X) != is_sparse(self.train.X):
                raise DataError(f"{self.name}: {part} and train must both be dense or both be sparse")
            if (split.texts is None) == has_texts:
                raise DataError(f"{self.name}: {part} and train must both have texts or both have none")

    def parts(self) -> Iterator[tuple[str, Split]]:
        """Yield the splits that exist as (name, split), in the order train, valid, test."""
        for name in ("train", "valid", "test"):
            split = getattr(self, name)
            if split is not None:
                yield name, split

    def fingerprint(self) -> str:
        """Return the SHA-256 of the content: features, labels, groups, number of features and label names."""
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
            if split.known is not None:
                add(f"{part}.known", split.known)
            if split.texts is not None:
                digest.update(f"{part}.texts {json.dumps(split.texts.tolist())}\n".encode())
            if split.groups is not None:
                add(f"{part}.groups", split.groups)
        digest.update(json.dumps([self.train.X.shape[1], self.label_names]).encode())
        return digest.hexdigest()

    def limited(self, rows: int) -> Dataset:
        """Return a data set of its own with at most ``rows`` evenly spaced rows of each split."""

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
        """Return a data set of its own whose valid and test splits lack the groups in ``twins``.

        Raises:
            DataError: No such groups are known, or a split would be empty without them.
        """
        if not self.twins:
            raise DataError(
                f"{self.name}: nothing to drop: no known groups are other versions of groups in an earlier split"
            )

        def kept(split: Split | None) -> Split | None:
            if split is None or split.groups is None:
                return split
            return split.take(np.flatnonzero(~np.isin(split.groups, sorted(self.twins))))

        valid, test = kept(self.valid), kept(self.test)
        notes = (
            *self.notes,
            f"{len(self.twins)} groups dropped from valid and test: other versions of groups in an earlier split",
        )
        return replace(self, valid=valid, test=test, twins=frozenset(), notes=notes, name=f"{self.name}-no-twins")

    def with_all_parts(self) -> Dataset:
        """Return the data set with all three splits, taking missing ones out of train."""
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
            share = f"{100 * TEST_SHARE:.0f} %"
            notes += (f"no test split of its own: {share} of the rows are held out, the same ones every time",)
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
    Y: object,
    groups: ArrayLike | None = None,
    *,
    known: ArrayLike | None = None,
    texts: Sequence[str] | NDArray[np.object_] | None = None,
    where: str,
    feature_names: Sequence[str] = (),
    label_names: Sequence[str] = (),
) -> Split:
    """Make a ``Split`` from arrays, checking that features are finite or missing and labels are 0, 1 or unknown.

    Args:
        X: Features (n, d) of any numeric type, an array or a SciPy sparse matrix; stored as float32. NaN is a
            missing value.
        Y: Labels (n, k), 0 or 1 in any type, an array or a SciPy sparse matrix. NaN is an unknown label.
        groups: One key per row, of any type; stored as integers.
        known: Whether each label is known (n, k), or None.
        texts: One text per row, or None.
        where: The file name, for error messages.
        feature_names: Column names for error messages.
        label_names: Column names for error messages.

    Raises:
        DataError: The data are invalid; the message names the file, the row (from 0) and the column.
    """
    labels, known = _check_labels(Y, known, where, label_names)
    features = _check_features(X, where, feature_names)
    if features.shape[0] != labels.shape[0]:
        raise DataError(f"{where}: {features.shape[0]} rows of features, but {labels.shape[0]} rows of labels")
    keys = None
    if groups is not None:
        keys = np.asarray(groups)
        if keys.shape != (len(labels),):
            raise DataError(f"{where}: {len(labels)} rows, but groups have shape {keys.shape}")
        if keys.dtype.kind not in "iu":
            if keys.dtype.kind == "f" and not np.isfinite(keys).all():
                raise DataError(f"{where}: row {int(np.argmin(np.isfinite(keys)))} has no group")
            # Hashed instead of numbered: the same key must give the same group in every split.
            keys = np.array([_key_number(key) for key in keys.tolist()])
        keys = keys.astype(np.int64)
    if texts is not None:
        if len(texts) != len(labels):
            raise DataError(f"{where}: {len(labels)} rows, but {len(texts)} texts")
        other = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
        if other is not None:
            raise DataError(f"{where}: row {other} has {texts[other]!r} for a text")
        texts = np.array([*texts, None], dtype=object)[:-1]  # the None keeps NumPy from making strings of fixed width
    return Split.unchecked(X=features, Y=labels, groups=keys, known=known, texts=texts)


def _key_number(key: object) -> int:
    return int.from_bytes(hashlib.blake2b(str(key).encode(), digest_size=8).digest(), "big") >> 1


def _column(names: Sequence[str], index: int) -> str:
    return f"column {names[index]!r}" if index < len(names) else f"column {index}"


def _check_labels(
    Y: object, known: ArrayLike | None, where: str, names: Sequence[str]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """Return labels, 0 where they are unknown, and which ones are known (None if all are)."""
    Y = np.asarray(Y.toarray() if is_sparse(Y) else Y)
    if Y.ndim != 2:
        raise DataError(f"{where}: labels have shape {Y.shape}, expected (rows, labels)")
    if Y.dtype.kind not in "biuf":
        raise DataError(f"{where}: labels have type {Y.dtype}, expected numbers 0 and 1")
    mask = None if known is None else np.asarray(known)
    if mask is not None:
        if mask.shape != Y.shape or not ((mask == 0) | (mask == 1)).all():
            raise DataError(f"{where}: which labels are known must be true or false for each, shape {Y.shape}")
        mask = mask.astype(bool)
    if Y.dtype.kind == "f" and np.isnan(Y).any():
        mask = ~np.isnan(Y) if mask is None else mask & ~np.isnan(Y)
    wrong = ~((Y == 0) | (Y == 1))
    if mask is not None:
        wrong &= mask
    if wrong.any():
        row, column = (int(i[0]) for i in np.nonzero(wrong))
        raise DataError(f"{where}: labels must be 0 or 1: row {row}, {_column(names, column)} holds {Y[row, column]}")
    if mask is None or mask.all():
        return np.ascontiguousarray(Y, dtype=np.uint8), None
    return np.where(mask, Y, 0).astype(np.uint8), mask


def _check_features(X: object, where: str, names: Sequence[str]) -> Matrix:
    if is_sparse(X):
        import scipy.sparse as sp

        with np.errstate(over="ignore"):  # reported below, with row and column
            matrix = sp.csr_matrix(X, dtype=np.float32)
        if not matrix.has_canonical_format:
            matrix = matrix.copy()  # leave the caller's matrix unchanged
            matrix.sum_duplicates()
        bad = np.flatnonzero(np.isinf(matrix.data))
        if len(bad):
            row = int(np.searchsorted(matrix.indptr, bad[0], side="right")) - 1
            raise DataError(_infinite(where, row, _column(names, int(matrix.indices[bad[0]]))))
        return matrix
    array = np.asarray(X)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise DataError(
            f"{where}: features have shape {array.shape} and type {array.dtype}, expected numbers (rows, features)"
        )
    if array.dtype != np.float32 or not array.flags.c_contiguous:
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(array, dtype=np.float32)
    missing = False
    for rows in blocks(len(array)):
        if np.isfinite(array[rows]).all():
            continue
        missing = True
        infinite = np.isinf(array[rows])
        if infinite.any():
            row, column = (int(i[0]) for i in np.nonzero(infinite))
            raise DataError(_infinite(where, rows.start + row, _column(names, column)))
    # One NaN for all, so that the same data have the same bytes.
    return np.where(np.isnan(array), np.float32(np.nan), array) if missing else array


def _infinite(where: str, row: int, column: str) -> str:
    return f"{where}: row {row}, {column} is infinite or too large for float32: replace or drop such values first"
