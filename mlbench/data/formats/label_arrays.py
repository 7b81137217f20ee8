"""What the numbers of a label array mean: 0 and 1, unknown labels, likelihoods, or classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.formats.base import ReadOptions, listed, shown
from mlbench.data.formats.npy import Array, texts_of
from mlbench.errors import DataError, UsageError

MOST_LABELS = 4_000_000  # the largest public data set has 2.8 million
MOST_LABEL_CELLS = 2**33  # labels take one byte per cell
THRESHOLD = 0.5
"""Likelihoods from here on are a label, as in the baseline of OpenMIC-2018."""


@dataclass(eq=False)
class LabelArray:
    """The labels of one split, and whether each is known; converted in place.

    Attributes:
        where: The name of the array, for messages.
        Y: An array (n, k) or (n,), or a sparse matrix (n, k).
        known: True where a label is known, the shape of ``Y``, or None.
    """

    where: str
    Y: Any
    known: Any = None


def convert_labels(
    arrays: Sequence[LabelArray], options: ReadOptions, names: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Convert the labels of all splits to 0 and 1, and say which are known.

    Args:
        arrays: The labels of the splits; afterwards ``Y`` has shape (n, k), and ``known`` that shape or is None.
        options: Which values are unknown, and whether a vector holds classes.
        names: The names of labels or classes, or empty.

    Returns:
        Label names and notes.

    Raises:
        UsageError: It is not said what the values mean; the message names the option.
        DataError: Labels are neither 0, 1 nor unknown.
    """
    masked = all(array.known is not None for array in arrays)
    for array in arrays:
        _make_dense(array)
    if options.one_hot:
        return _one_hot(arrays, options.unknown, names), []
    for array in arrays:
        if array.Y.dtype.kind in "US":
            advice = ": give --one-hot if each text is a label of its own" if array.Y.shape[1] == 1 else ""
            raise UsageError(f"{array.where}: labels are texts, expected 0 and 1{advice}")
    _mark_unknown(arrays, options.unknown)
    notes = _make_binary(arrays, masked)
    k = arrays[0].Y.shape[1]
    if names and len(names) != k:
        raise DataError(f"{arrays[0].where}: {k} labels, but {len(names)} label names")
    return list(names) or [f"label-{i}" for i in range(k)], notes


def _make_dense(array: LabelArray) -> None:
    """Make labels and mask arrays of two dimensions."""
    if sp.issparse(array.Y):
        array.Y = _dense_labels(array.Y, array.where)
    if sp.issparse(array.known):
        array.known = _dense_labels(array.known, array.where)
    if array.known is not None:
        wrong_type = array.known.dtype.kind not in "biuf"
        if array.known.shape != array.Y.shape or wrong_type or not np.isin(array.known, (0, 1)).all():
            raise DataError(
                f"{array.where}: which labels are known must be true or false for each, shape {array.Y.shape}, "
                f"but the mask has shape {array.known.shape} and type {array.known.dtype}"
            )
        array.known = array.known.astype(bool)
    if array.Y.ndim not in (1, 2) or array.Y.dtype.kind not in "biufUS":
        raise DataError(
            f"{array.where}: labels have shape {array.Y.shape} and type {array.Y.dtype}, "
            "expected numbers 0 and 1 (rows, labels)"
        )
    if array.Y.ndim == 1:
        array.Y = array.Y[:, None]
        array.known = None if array.known is None else array.known[:, None]


def _dense_labels(matrix: sp.csr_matrix, where: str) -> Array:
    """Return a sparse matrix as an array, in one byte a cell where its values allow."""
    n, k = matrix.shape
    if k > MOST_LABELS or n * k > MOST_LABEL_CELLS:
        raise DataError(f"{where}: {k} labels are too many for {n} rows: is an index wrong?")
    small = matrix.data.astype(np.int8, casting="unsafe") if np.isin(matrix.data, (-1, 0, 1)).all() else None
    dense: Array = (
        matrix if small is None else sp.csr_matrix((small, matrix.indices, matrix.indptr), (n, k))
    ).toarray()
    return dense


def _mark_unknown(arrays: Sequence[LabelArray], unknown: Sequence[str]) -> None:
    """Take NaN and the values of ``--unknown`` out of the known labels."""
    values = [_number(word) for word in unknown]
    for array in arrays:
        missing = np.isnan(array.Y) if array.Y.dtype.kind == "f" else np.zeros(array.Y.shape, dtype=bool)
        for value in values:
            missing |= value == array.Y
        array.known = _without(array.known, missing)


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError as error:
        raise UsageError(f"--unknown {word}: the labels are an array of numbers: give a number such as -1") from error


def _make_binary(arrays: Sequence[LabelArray], masked: bool) -> list[str]:
    """Convert labels to 0 and 1, judging values over all splits, and return notes.

    Only labels that are ``masked`` may be likelihoods: else numbers such as 0.5 could be anything.
    """
    if all(_cells(array, _is_binary(array.Y)).all() for array in arrays):
        _set(arrays, lambda Y: Y == 1)
        return []
    with np.errstate(all="ignore"):
        values = np.unique(np.concatenate([np.unique(_cells(array, array.Y)).astype(np.float64) for array in arrays]))
    where = arrays[0].where
    if set(values) <= {-1, 1}:
        _set(arrays, lambda Y: Y == 1)
        return ["labels are -1 and 1: -1 is read as 0"]
    if set(values) <= {-1, 0, 1}:
        raise UsageError(f"{where}: labels hold -1 beside 0 and 1: give --unknown -1 if those labels are unknown")
    if arrays[0].Y.shape[1] == 1 and bool(np.all(values == np.floor(values)) and np.isfinite(values).all()):
        classes = listed(f"{value:.0f}" for value in values)
        raise UsageError(f"{where}: one column with the values {classes}: give --one-hot if each is a label of its own")
    if masked and values[0] >= 0 and values[-1] <= 1:
        _set(arrays, lambda Y: Y >= THRESHOLD)
        return [
            f"labels are likelihoods: {THRESHOLD} or more is 1, less is 0; those that the mask leaves out are unknown"
        ]
    raise DataError(_not_binary(arrays))


def _not_binary(arrays: Sequence[LabelArray]) -> str:
    for array in arrays:
        wrong = ~_is_binary(array.Y)
        wrong &= True if array.known is None else array.known
        if wrong.any():
            row, column = (int(i[0]) for i in np.nonzero(wrong))
            value = array.Y[row, column]
            advice = (
                "likelihoods need an array Y_mask that tells which are known"
                if 0 < value < 1
                else f"give --unknown {value:g} if that means unknown"
            )
            return f"{array.where}: labels must be 0 or 1: row {row}, column {column} holds {value:g}; {advice}"
    raise AssertionError("all labels are 0 or 1")


def _is_binary(Y: Array) -> NDArray[np.bool_]:
    binary: NDArray[np.bool_] = (Y == 0) | (Y == 1)
    return binary


def _cells(array: LabelArray, values: Array) -> Array:
    """Return those of the values, which have the shape of the labels, that are known."""
    return values if array.known is None else values[array.known]


def _set(arrays: Sequence[LabelArray], is_one: Any) -> None:
    for array in arrays:
        array.Y = is_one(array.Y).astype(np.uint8)


def _one_hot(arrays: Sequence[LabelArray], unknown: Sequence[str], names: Sequence[str]) -> list[str]:
    """Make one label of each class and return the names of the labels."""
    for array in arrays:
        if array.Y.shape[1] != 1:
            raise UsageError(f"{array.where}: --one-hot needs one class a row, but labels have shape {array.Y.shape}")
    where, n = arrays[0].where, sum(len(array.Y) for array in arrays)
    text = any(array.Y.dtype.kind in "US" for array in arrays)
    if text:
        for array in arrays:
            words = _words(array)
            array.Y = np.array([*words, None], dtype=object)[:-1, None]
            array.known = _without(array.known, np.array([[word in unknown] for word in words], dtype=bool))
    else:
        _mark_unknown(arrays, unknown)
    classes: list[Any] = sorted({value for array in arrays for value in _cells(array, array.Y).ravel().tolist()})
    if not text and not all(float(value).is_integer() for value in classes):
        raise DataError(f"{where}: classes must be whole numbers or texts")
    if len(classes) == n > 1:
        raise DataError(f"{where}: each row has another value, so these are no classes")
    if names:
        stated: list[Any] = list(names) if text else list(range(len(names)))
        if other := set(classes) - set(stated):
            raise DataError(f"{where}: class {shown(str(min(other)))} is not among the {len(names)} label names")
        classes = stated
    if len(classes) > MOST_LABELS or len(classes) * n > MOST_LABEL_CELLS:
        raise DataError(f"{where}: {len(classes)} classes are too many for {n} rows")
    place = {value: column for column, value in enumerate(classes)}
    for array in arrays:
        rows = np.arange(len(array.Y)) if array.known is None else np.flatnonzero(array.known)
        columns = [place[value] for value in array.Y[rows, 0].tolist()]
        array.Y = np.zeros((len(array.Y), len(classes)), dtype=np.uint8)
        array.Y[rows, columns] = 1
        if array.known is not None:
            array.known = np.repeat(array.known, len(classes), axis=1)
    return list(names) or [value if text else f"label-{value:.0f}" for value in classes]


def _words(array: LabelArray) -> list[str]:
    if array.Y.dtype.kind not in "US":
        raise DataError(f"{array.where}: labels are numbers, but those of another split are texts")
    return texts_of(array.Y, array.where)


def _without(known: Any, missing: NDArray[np.bool_]) -> Any:
    """Return which labels are known if some are also missing."""
    if not missing.any():
        return known
    return ~missing if known is None else known & ~missing
