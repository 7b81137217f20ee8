"""Conversion of ARFF columns to features and labels, for both Mulan and MEKA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Split, make_split
from mlbench.data.formats.arff import Arff, Attribute, read_arff
from mlbench.data.formats.base import YES_NO, dense, dense_if_full, listed, shown
from mlbench.errors import DataError

_ZERO_ONE = ("0", "1")
_MOST_CHANCE_VALUES = 9  # with so few values, all may differ by chance in a tiny file: not a row id


def read_arff_dataset(name: str, by_split: Mapping[str, Path], find_labels: Callable[[Arff], Sequence[int]]) -> Dataset:
    """Read a data set from one ARFF file per split.

    Args:
        name: The name of the data set.
        by_split: The file of each split.
        find_labels: Returns the indices of the label columns of a file.

    Raises:
        DataError: The headers differ, a label is not 0 or 1, or a column holds text.
    """
    files = [read_arff(file) for file in by_split.values()]
    first = files[0]
    for other in files[1:]:
        _check_same_header(first, other)
    labels = list(find_labels(first))
    features = _Features(files, [j for j in range(len(first.attributes)) if j not in set(labels)])
    names = [first.attributes[j].name for j in labels]
    splits: dict[str, Split] = {}
    for part, file, X in zip(by_split, files, features.matrices, strict=True):
        Y = _labels(file, labels)
        splits[part] = make_split(
            X, Y, where=f"{file.file} (rows from 0)", feature_names=features.names, label_names=names
        )
    notes = [*features.notes, *(f"{file.file}: row weights are ignored" for file in files if file.weighted)]
    return Dataset(
        name=name,
        train=splits["train"],
        valid=splits.get("valid"),
        test=splits.get("test"),
        label_names=tuple(names),
        feature_names=tuple(features.names),
        notes=tuple(notes),
    )


def _check_same_header(first: Arff, other: Arff) -> None:
    if len(first.attributes) != len(other.attributes):
        counts = f"{len(first.attributes)} and {len(other.attributes)} columns"
        raise DataError(f"{first.file} and {other.file} have {counts}: they must be splits of one data set")
    for number, (a, b) in enumerate(zip(first.attributes, other.attributes, strict=True)):
        if (a.name, a.kind) != (b.name, b.kind):
            a_is, b_is = f"{shown(a.name)} ({a.kind})", f"{shown(b.name)} ({b.kind})"
            raise DataError(f"column {number} is {a_is} in {first.file}, but {b_is} in {other.file}")


def _labels(file: Arff, labels: Sequence[int]) -> NDArray[np.float64]:
    """Return the labels (n, k), converting nominal columns such as no/yes to 0 and 1."""
    cells = file.cells[:, labels]
    Y = dense(cells)
    for k, j in enumerate(labels):
        attribute = file.attributes[j]
        if attribute.kind == "numeric" or attribute.values == _ZERO_ONE:
            continue
        words = _zero_one_words(attribute)
        if words is None:
            has = f"label {shown(attribute.name)} has the values {listed(attribute.values)}"
            raise DataError(f"{file.file}: {has}: only 0 and 1 are supported, not multi-class targets")
        Y[:, k] = np.asarray(words)[Y[:, k].astype(np.intp)]
    return Y


def _zero_one_words(attribute: Attribute) -> list[int] | None:
    """Map each value to 0 or 1 if all of them are from one pair in ``YES_NO``, else return None."""
    words = [value.lower() for value in attribute.values]
    for pair in YES_NO:
        if words and attribute.kind == "nominal" and set(words) <= set(pair):
            return [pair.index(word) for word in words]
    return None


class _Features:
    """Converts the feature columns of all files to one matrix per file.

    Attributes:
        names: The d feature names.
        matrices: One matrix (n, d) per file, all dense or all sparse.
        notes: One line per column that was dropped.
    """

    def __init__(self, files: Sequence[Arff], columns: Sequence[int]) -> None:
        self.names: list[str] = []
        self.notes: list[str] = []
        self._sparse = all(sp.issparse(file.cells) for file in files)
        if self._sparse:
            self._cells = [sp.csc_matrix(file.cells) for file in files]
        else:
            self._cells = [dense(file.cells) for file in files]
        self._files = files
        self._blocks: list[list[object]] = [[] for _ in files]
        unchanged: list[int] = []
        for j in columns:
            if all(f.attributes[j].kind == "numeric" or f.attributes[j].values == _ZERO_ONE for f in files):
                unchanged.append(j)
            else:
                self._copy(unchanged)
                unchanged = []
                self._encode(j)
        self._copy(unchanged)
        self.matrices = self._joined()

    def _copy(self, columns: list[int]) -> None:
        """Copy columns that need no conversion."""
        if columns:
            self.names += [self._files[0].attributes[j].name for j in columns]
            self._add([cells[:, columns] for cells in self._cells])

    def _encode(self, j: int) -> None:
        """Convert a nominal or string column to one 0/1 column or to one-hot columns, or drop it as a row id."""
        attribute = self._files[0].attributes[j]
        # Splits may list different values, so codes refer to all lists together.
        values = list(dict.fromkeys(value for file in self._files for value in file.attributes[j].values))
        codes = [self._codes(file, j, values) for file in range(len(self._files))]
        may_be_id = attribute.kind == "string" or len(values) > _MOST_CHANCE_VALUES
        if may_be_id and all(len(np.unique(c)) == len(c) for c in codes):
            twice = sum(len(c) for c in codes) - len(np.unique(np.concatenate(codes)))
            in_two = f"; {twice} of its values occur in more than one split" if twice else ""
            self.notes.append(f"column {shown(attribute.name)} dropped: a row id, as all values differ{in_two}")
        elif attribute.kind == "string":
            raise DataError(
                f"{self._files[0].file}: column {shown(attribute.name)} holds text: convert it to numbers or remove it"
            )
        elif len(values) == 2:
            one = _which_is_one(values)
            self.names.append(attribute.name if set(values) == set(_ZERO_ONE) else f"{attribute.name}={values[one]}")
            self._add([(c == one)[:, None] for c in codes])
        else:
            self.names += [f"{attribute.name}={value}" for value in values]
            self._add([c[:, None] == np.arange(len(values)) for c in codes])

    def _codes(self, file: int, j: int, values: list[str]) -> NDArray[np.intp]:
        column = self._cells[file][:, [j]]
        own = dense(column)[:, 0].astype(np.intp)
        place = {value: code for code, value in enumerate(values)}
        return np.array([place[value] for value in self._files[file].attributes[j].values], dtype=np.intp)[own]

    def _add(self, blocks: Sequence[object]) -> None:
        for target, block in zip(self._blocks, blocks, strict=True):
            target.append(block)

    def _joined(self) -> Sequence[object]:
        if not self.names:
            return [np.empty((file.cells.shape[0], 0)) for file in self._files]
        if not self._sparse:
            with np.errstate(over="ignore"):  # make_split refuses values too large for float32
                return [np.hstack(blocks, dtype=np.float32) for blocks in self._blocks]  # type: ignore[arg-type]
        joined = [
            sp.hstack([sp.csr_matrix(b, dtype=np.float64) for b in blocks], format="csr") for blocks in self._blocks
        ]
        return dense_if_full(joined)


def _which_is_one(values: Sequence[str]) -> int:
    """Return the index of the value that means 1: the yes of a yes/no pair, else the one listed last."""
    words = [value.lower() for value in values]
    return next((words.index(pair[1]) for pair in YES_NO if set(words) == set(pair)), 1)
