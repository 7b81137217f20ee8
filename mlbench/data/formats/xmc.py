"""Multi-label svmlight files, as written by LIBSVM and the Extreme Classification Repository.

A line is ``l1,l2 i:v i:v``; a row without labels starts with a space or with its features. Files of the
repository (http://manikvarma.org/downloads/XC/XMLRepository.html) start with a line ``rows features labels``.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, make_split
from mlbench.data.formats.base import (
    Format,
    ReadOptions,
    bare_stem,
    dense_if_full,
    files_in,
    has_suffix,
    packed,
    read_text,
    shown,
)
from mlbench.data.formats.parts import assigned, part_of
from mlbench.errors import DataError

SUFFIXES = packed(".txt", ".svm", ".libsvm", ".svmlight")
_HEADER = re.compile(r"(\d+)\s+(\d+)\s+(\d+)")
_LARGEST_INDEX = 2**31 - 1
_MOST_LABELS = 4_000_000  # the largest public data set has 2.8 million
_MOST_LABEL_CELLS = 2**33  # labels take one byte per cell


@dataclass(eq=False)
class _Rows:
    """The rows of one file, with indices as in the file.

    Attributes:
        file: The file name.
        header: The numbers of rows, features and labels that the first line states, or None.
    """

    file: str
    header: tuple[int, int, int] | None = None
    labels: array[int] = field(default_factory=lambda: array("q"))
    label_ends: array[int] = field(default_factory=lambda: array("q", [0]))
    columns: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    ends: array[int] = field(default_factory=lambda: array("q", [0]))

    def features(self, base: int, d: int) -> sp.csr_matrix:
        columns = np.asarray(self.columns) - base
        return sp.csr_matrix((np.asarray(self.values), columns, np.asarray(self.ends)), shape=(len(self.ends) - 1, d))

    def label_matrix(self, base: int, k: int) -> NDArray[np.uint8]:
        Y = np.zeros((len(self.label_ends) - 1, k), dtype=np.uint8)
        Y[np.repeat(np.arange(len(Y)), np.diff(self.label_ends)), np.asarray(self.labels) - base] = 1
        return Y


def _recognises(path: Path) -> bool:
    return has_suffix(path, SUFFIXES) or any(part_of(bare_stem(file)) for file in files_in(path, SUFFIXES))


def _find(path: Path, options: ReadOptions) -> dict[str, Path]:
    """Find the file of each split; files that name no split, such as a README, do not count in a folder."""
    if path.is_file():
        return {"train": path}
    files = [file for file in files_in(path, SUFFIXES) if part_of(bare_stem(file))]
    return assigned(files, path, "files", options.fold)


def _read(parts: Mapping[str, Path], name: str, options: ReadOptions) -> Dataset:
    by_split = {part: _read_rows(file) for part, file in parts.items()}
    files = list(by_split.values())
    base_feature, base_label, d, k, note = _numbering(files)
    n = max(len(rows.ends) - 1 for rows in files)
    if k > _MOST_LABELS or n * k > _MOST_LABEL_CELLS or d > _LARGEST_INDEX:
        raise DataError(f"{files[0].file}: {d} features and {k} labels are too many for {n} rows: is an index wrong?")
    matrices = dense_if_full([rows.features(base_feature, d) for rows in files])
    splits = {
        part: make_split(X, rows.label_matrix(base_label, k), where=f"{rows.file} (rows from 0)")
        for (part, rows), X in zip(by_split.items(), matrices, strict=True)
    }
    names = tuple(f"label-{i}" for i in range(k))
    return Dataset(
        name=name,
        train=splits["train"],
        valid=splits.get("valid"),
        test=splits.get("test"),
        label_names=names,
        notes=(note,),
    )


def _numbering(files: Sequence[_Rows]) -> tuple[int, int, int, int, str]:
    """Return the first feature and label index, the counts d and k, and a note on what was assumed.

    Raises:
        DataError: The headers disagree.
    """
    headers = {rows.header and rows.header[1:] for rows in files}
    if len(headers) > 1:
        names = " and ".join(rows.file for rows in files)
        raise DataError(f"{names} state different numbers of features and labels in their first lines")
    stated = headers.pop()
    if stated is not None:
        d, k = stated
        return 0, 0, d, k, "features and labels are numbered from 0, as the header line implies"
    first_feature, d = _count([rows.columns for rows in files])
    first_label, k = _count([rows.labels for rows in files])
    note = f"no header line: features are assumed to be numbered from {first_feature}, labels from {first_label}"
    return first_feature, first_label, d, k, note


def _count(indices: Sequence[array[int]]) -> tuple[int, int]:
    """Return the first index and the count; indices start at 1 unless some split has a 0."""
    used = [np.asarray(index) for index in indices if len(index)]
    if not used:
        return 0, 0
    first = 0 if min(int(index.min()) for index in used) == 0 else 1
    return first, max(int(index.max()) for index in used) + 1 - first


def _read_rows(path: Path) -> _Rows:
    """Read the rows of one file.

    Raises:
        DataError: A line is not ``labels index:value …``, or the header is wrong.
    """
    rows = _Rows(path.name)
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        line = line.partition("#")[0]
        header = _HEADER.fullmatch(line.strip()) if number == 1 else None
        if header:
            n, d, k = (int(count[:18]) for count in header.groups())
            rows.header = (n, d, k)
        elif line.strip():
            _add_row(rows, line, f"{path.name}: line {number}")
    n = len(rows.ends) - 1
    if rows.header and rows.header[0] != n:
        raise DataError(
            f"{path.name}: its first line states {rows.header[0]} rows, but there are {n}: is it truncated?"
        )
    return rows


def _add_row(rows: _Rows, line: str, where: str) -> None:
    tokens = line.split()
    names = tokens.pop(0) if ":" not in tokens[0] else ""
    try:
        labels = [int(label) for label in names.split(",")] if names else []
        pairs = [token.split(":") for token in tokens]
        columns = [int(index) for index, _ in pairs]
        values = [float(value) for _, value in pairs]
    except ValueError as error:
        raise DataError(f"{where}: expected 'label,label index:value …', found {shown(line.strip())}") from error
    _check_indices(labels, "label", rows.header and rows.header[2], where)
    _check_indices(columns, "feature", rows.header and rows.header[1], where)
    rows.labels.extend(labels)
    rows.label_ends.append(len(rows.labels))
    rows.columns.extend(columns)
    rows.values.extend(values)
    rows.ends.append(len(rows.columns))


def _check_indices(indices: list[int], what: str, count: int | None, where: str) -> None:
    if not indices:
        return
    last = _LARGEST_INDEX if count is None else count - 1
    if min(indices) < 0 or max(indices) > last:
        wrong = next(index for index in indices if not 0 <= index <= last)
        raise DataError(f"{where}: {what} {wrong} is out of range: {what}s are numbered 0 to {last}")
    if len(set(indices)) != len(indices):
        raise DataError(f"{where}: the same {what} occurs twice")


FORMAT = Format(
    name="XMC",
    describe="multi-label svmlight text, a .txt or .svm file, or a folder with *train*.txt and *test*.txt",
    recognises=_recognises,
    find=_find,
    read=_read,
)
