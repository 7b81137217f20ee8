"""From ARFF columns to features and labels, for Mulan and MEKA alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Split, make_split
from mlbench.data.formats.arff import SUFFIXES, Arff, Attribute, read_arff
from mlbench.data.formats.base import YES_NO, bare_stem, dataset_name, dense, dense_if_full, files_in, listed, shown
from mlbench.errors import DataError

_PART = re.compile(r"[-_.](train|valid|test)$", re.IGNORECASE)
_ZERO_ONE = ("0", "1")
_MOST_CHANCE_VALUES = 9  # a nominal column of so few values is no row id: in a tiny file they differ by chance


def family(path: Path) -> str:
    """What the files of one data set share: ``yeast`` for ``yeast-train.arff``."""
    return _PART.sub("", bare_stem(path))


def find_parts(path: Path) -> dict[str, Path]:
    """The ARFF file of each part: ``train``, and ``valid`` and ``test`` where they are there.

    Args:
        path: One ARFF file, which is train by itself, or a folder with the files of one data set. A pair
            of train and test goes before a file with all rows.

    Raises:
        DataError: A folder with several data sets, or without a train part.
    """
    if path.is_file():
        return {"train": path}
    files = files_in(path, SUFFIXES)
    if len({family(file) for file in files}) != 1:
        raise DataError(
            f"{path}: several data sets in one folder: give the path of one of {listed(f.name for f in files)}"
        )
    parts: dict[str, Path] = {}
    for file in files:
        match = _PART.search(bare_stem(file))
        part = match[1].lower() if match else "all"
        if part in parts:
            raise DataError(f"{path}: {parts[part].name} and {file.name} are both the {part} part: keep one of them")
        parts[part] = file
    everything = parts.pop("all", None)
    if everything is not None and not {"train", "test"} <= parts.keys():
        return {"train": everything}
    if "train" not in parts:
        raise DataError(
            f"{path}: {listed(f.name for f in files)}, but no train part: name it {family(files[0])}-train.arff"
        )
    return {part: parts[part] for part in ("train", "valid", "test") if part in parts}


def read_arff_dataset(path: Path, parts: Mapping[str, Path], find_labels: Callable[[Arff], Sequence[int]]) -> Dataset:
    """The data set of one ARFF file for each part.

    Args:
        path: What was asked for; names the data set.
        parts: The file of each part.
        find_labels: The numbers of the label columns of a file.

    Raises:
        DataError: Headers that disagree, labels that are not 0 and 1, or text that is no row id.
    """
    files = [read_arff(file) for file in parts.values()]
    first = files[0]
    for other in files[1:]:
        _check_same_header(first, other)
    labels = list(find_labels(first))
    features = _Features(files, [j for j in range(len(first.attributes)) if j not in set(labels)])
    names = [first.attributes[j].name for j in labels]
    splits: dict[str, Split] = {}
    for part, file, X in zip(parts, files, features.matrices, strict=True):
        Y = _labels(file, labels)
        splits[part] = make_split(
            X, Y, where=f"{file.file} (rows from 0)", feature_names=features.names, label_names=names
        )
    notes = [*features.notes, *(f"{file.file}: row weights are left out" for file in files if file.weighted)]
    return Dataset(
        name=dataset_name(path),
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
        raise DataError(f"{first.file} and {other.file} have {counts}: they must be parts of one data set")
    for number, (a, b) in enumerate(zip(first.attributes, other.attributes, strict=True)):
        if (a.name, a.kind) != (b.name, b.kind):
            a_is, b_is = f"{shown(a.name)} ({a.kind})", f"{shown(b.name)} ({b.kind})"
            raise DataError(f"column {number} is {a_is} in {first.file}, but {b_is} in {other.file}")


def _labels(file: Arff, labels: Sequence[int]) -> NDArray[np.float64]:
    """Label cells of shape (n, k); 0 and 1 where a nominal column says so in words."""
    cells = file.cells[:, labels]
    Y = dense(cells)
    for k, j in enumerate(labels):
        attribute = file.attributes[j]
        if attribute.kind == "numeric" or attribute.values == _ZERO_ONE:
            continue
        words = _zero_one_words(attribute)
        if words is None:
            has = f"label {shown(attribute.name)} has the values {listed(attribute.values)}"
            raise DataError(f"{file.file}: {has}: multi-class targets are not supported, only 0 and 1")
        Y[:, k] = np.asarray(words)[Y[:, k].astype(np.intp)]
    return Y


def _zero_one_words(attribute: Attribute) -> list[int] | None:
    """0 or 1 for each value, if all of them stem from one pair of such words."""
    words = [value.lower() for value in attribute.values]
    for pair in YES_NO:
        if words and attribute.kind == "nominal" and set(words) <= set(pair):
            return [pair.index(word) for word in words]
    return None


class _Features:
    """The feature columns of all files, as one matrix for each file.

    Attributes:
        names: d names.
        matrices: One of shape (n, d) for each file: all dense or all sparse.
        notes: The columns that were dropped.
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
        as_it_is: list[int] = []
        for j in columns:
            if all(f.attributes[j].kind == "numeric" or f.attributes[j].values == _ZERO_ONE for f in files):
                as_it_is.append(j)
            else:
                self._copy(as_it_is)
                as_it_is = []
                self._encode(j)
        self._copy(as_it_is)
        self.matrices = self._joined()

    def _copy(self, columns: list[int]) -> None:
        """Columns that need no change, all at once."""
        if columns:
            self.names += [self._files[0].attributes[j].name for j in columns]
            self._add([cells[:, columns] for cells in self._cells])

    def _encode(self, j: int) -> None:
        """A nominal or string column: to one 0/1 column, to one-hot columns, or dropped as a row id."""
        attribute = self._files[0].attributes[j]
        # Parts may list different values: the codes are those of all lists, one after the other.
        values = list(dict.fromkeys(value for file in self._files for value in file.attributes[j].values))
        codes = [self._codes(file, j, values) for file in range(len(self._files))]
        may_be_id = attribute.kind == "string" or len(values) > _MOST_CHANCE_VALUES
        if may_be_id and all(len(np.unique(c)) == len(c) for c in codes):
            twice = sum(len(c) for c in codes) - len(np.unique(np.concatenate(codes)))
            in_two = f"; {twice} of them in more than one part" if twice else ""
            self.notes.append(f"column {shown(attribute.name)} is dropped: a row id, all values differ{in_two}")
        elif attribute.kind == "string":
            raise DataError(
                f"{self._files[0].file}: column {shown(attribute.name)} holds text: turn it into numbers, or remove it"
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
            with np.errstate(over="ignore"):  # make_split refuses what is too large for float32
                return [np.hstack(blocks, dtype=np.float32) for blocks in self._blocks]  # type: ignore[arg-type]
        joined = [
            sp.hstack([sp.csr_matrix(b, dtype=np.float64) for b in blocks], format="csr") for blocks in self._blocks
        ]
        return dense_if_full(joined)


def _which_is_one(values: Sequence[str]) -> int:
    """Which of two values is 1: the yes of a yes and a no, else the one listed last."""
    words = [value.lower() for value in values]
    return next((words.index(pair[1]) for pair in YES_NO if set(words) == set(pair)), 1)
