"""Multi-label svmlight files, as written by LIBSVM and the Extreme Classification Repository.

A line is ``l1,l2 i:v i:v``, or ``l1,l2 qid:7 i:v i:v`` where rows belong to groups; a row without labels starts with a
space or with its features. Labels keep the numbers that the file gives them. Files of the
repository (http://manikvarma.org/downloads/XC/XMLRepository.html) start with a line ``rows features labels``.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
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
from mlbench.data.formats.label_arrays import MOST_LABEL_CELLS, MOST_LABELS
from mlbench.data.formats.parts import assigned, part_of
from mlbench.data.formats.sparse_text import LARGEST_INDEX, SparseRows, check_indices
from mlbench.errors import DataError

_SVMLIGHT = packed(".svm", ".libsvm", ".svmlight")
SUFFIXES = packed(".txt") + _SVMLIGHT
_HEADER = re.compile(r"(\d+)\s+(\d+)\s+(\d+)")


@dataclass(eq=False)
class _Rows:
    """The rows of one file, with indices as in the file.

    Attributes:
        file: The file name.
        header: The numbers of rows, features and labels that the first line states, or None.
        queries: The ``qid`` of each row, or empty.
    """

    file: str
    header: tuple[int, int, int] | None = None
    features: SparseRows = field(default_factory=SparseRows)
    labels: array[int] = field(default_factory=lambda: array("q"))
    label_ends: array[int] = field(default_factory=lambda: array("q", [0]))
    queries: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.features)

    def label_matrix(self, base: int, k: int) -> NDArray[np.uint8]:
        Y = np.zeros((len(self), k), dtype=np.uint8)
        Y[np.repeat(np.arange(len(Y)), np.diff(self.label_ends)), np.asarray(self.labels) - base] = 1
        return Y


def _recognises(path: Path) -> bool:
    return has_suffix(path, SUFFIXES) or bool(_files(path))


def _find(path: Path, options: ReadOptions) -> dict[str, Path]:
    return {"train": path} if path.is_file() else assigned(_files(path), path, "files", options.fold)


def _files(folder: Path) -> list[Path]:
    """List the data files of a folder; a ``.txt`` file that names no split, such as a README, is none."""
    return [file for file in files_in(folder, SUFFIXES) if part_of(bare_stem(file)) or has_suffix(file, _SVMLIGHT)]


def _read(parts: Mapping[str, Path], name: str, options: ReadOptions) -> Dataset:
    by_split = {part: _read_rows(file) for part, file in parts.items()}
    files = list(by_split.values())
    base_feature, base_label, d, k, *notes = _numbering(files)
    n = max(len(rows) for rows in files)
    if k > MOST_LABELS or n * k > MOST_LABEL_CELLS or d > LARGEST_INDEX:
        raise DataError(f"{files[0].file}: {d} features and {k} labels are too many for {n} rows: is an index wrong?")
    if _has_queries(files):
        notes.append("qid: rows with the same number are one group")
    matrices = dense_if_full([rows.features.matrix(base_feature, d) for rows in files])
    splits = {
        part: make_split(X, rows.label_matrix(base_label, k), rows.queries or None, where=f"{rows.file} (rows from 0)")
        for (part, rows), X in zip(by_split.items(), matrices, strict=True)
    }
    return Dataset(
        name=name,
        train=splits["train"],
        valid=splits.get("valid"),
        test=splits.get("test"),
        label_names=tuple(f"label-{i + base_label}" for i in range(k)),
        notes=tuple(notes),
    )


def _has_queries(files: Sequence[_Rows]) -> bool:
    """Return whether the rows have a ``qid``, which all or none must have."""
    if not any(rows.queries for rows in files):
        return False
    for rows in files:
        if len(rows.queries) != len(rows):
            states = f"{len(rows.queries)} of {len(rows)} rows have a qid, which is their group"
            raise DataError(f"{rows.file}: {states}: all rows of all splits must have one, or none")
    return True


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
    first_feature, d = _count([rows.features.columns for rows in files])
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
    if rows.header and rows.header[0] != len(rows):
        raise DataError(
            f"{path.name}: its first line states {rows.header[0]} rows, but there are {len(rows)}: is it truncated?"
        )
    return rows


def _add_row(rows: _Rows, line: str, where: str) -> None:
    tokens = line.split()
    names = tokens.pop(0) if ":" not in tokens[0] else ""
    last_feature, last_label = (
        (LARGEST_INDEX, LARGEST_INDEX) if rows.header is None else (rows.header[1] - 1, rows.header[2] - 1)
    )
    try:
        labels = [int(label) for label in names.split(",")] if names else []
        if tokens and tokens[0].startswith("qid:"):
            rows.queries.append(int(tokens.pop(0)[4:]))
        rows.features.add(tokens, last_feature, where)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: expected 'label,label index:value …', found {shown(line.strip())}") from error
    check_indices(labels, "label", last_label, where)
    rows.labels.extend(labels)
    rows.label_ends.append(len(rows.labels))


FORMAT = Format(
    name="XMC",
    describe="multi-label svmlight text, a .txt or .svm file, or a folder with *train*.txt and *test*.txt",
    recognises=_recognises,
    find=_find,
    read=_read,
)
