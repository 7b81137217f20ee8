"""Sparse matrices as text: each row is ``index:value index:value …``."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from mlbench.data.formats.base import read_text, shown
from mlbench.errors import DataError

LARGEST_INDEX = 2**31 - 1
_HEADER = re.compile(r"\s*(\d{1,18})\s+(\d{1,18})\s*")


@dataclass(eq=False)
class SparseRows:
    """The rows of a sparse matrix, with indices as in the file."""

    columns: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    ends: array[int] = field(default_factory=lambda: array("q", [0]))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def add(self, tokens: Sequence[str], last: int, where: str) -> None:
        """Add a row of tokens ``index:value``.

        Raises:
            ValueError: A token is something else.
            DataError: An index is above ``last``, or occurs twice; ``where`` is the file and the line.
        """
        pieces = ":".join(tokens).split(":") if tokens else []  # faster than to split each token
        if len(pieces) != 2 * len(tokens) or [token for token in tokens if ":" not in token]:
            raise ValueError("a token is not index:value")
        columns, values = list(map(int, pieces[::2])), list(map(float, pieces[1::2]))
        check_indices(columns, "feature", last, where)
        self.columns.extend(columns)
        self.values.extend(values)
        self.ends.append(len(self.columns))

    def matrix(self, first: int, columns: int) -> sp.csr_matrix:
        """Return the matrix of so many columns, the first of which has the index ``first``."""
        indices = np.asarray(self.columns) - first
        return sp.csr_matrix((np.asarray(self.values), indices, np.asarray(self.ends)), shape=(len(self), columns))


def check_indices(indices: Sequence[int], what: str, last: int, where: str) -> None:
    """Raise ``DataError`` if an index is not between 0 and ``last``, or occurs twice."""
    if not indices:
        return
    if min(indices) < 0 or max(indices) > last:
        wrong = next(index for index in indices if not 0 <= index <= last)
        raise DataError(f"{where}: {what} {wrong} is out of range: {what}s are numbered 0 to {last}")
    if len(set(indices)) != len(indices):
        raise DataError(f"{where}: the same {what} occurs twice")


def read_sparse_text(path: Path) -> sp.csr_matrix:
    """Read a matrix as the Extreme Classification Repository writes it: a line ``rows columns``, then each row.

    Raises:
        DataError: A line is something else, or the numbers of the first line are wrong.
    """
    first, *lines = read_text(path).removesuffix("\n").split("\n")
    header = _HEADER.fullmatch(first)
    if header is None:
        raise DataError(f"{path.name}: line 1: expected 'rows columns', found {shown(first)}")
    n, d = int(header[1]), int(header[2])
    if d > LARGEST_INDEX:
        raise DataError(f"{path.name}: its first line states {d} columns, which are too many: is it wrong?")
    while len(lines) > n and not lines[-1].strip():  # empty lines at the end are no rows
        lines.pop()
    if len(lines) != n:
        raise DataError(f"{path.name}: its first line states {n} rows, but there are {len(lines)}: is it truncated?")
    rows = SparseRows()
    for number, line in enumerate(lines, start=2):
        where = f"{path.name}: line {number}"
        try:
            rows.add(line.split(), d - 1, where)
        except ValueError as error:
            raise DataError(f"{where}: expected 'index:value index:value …', found {shown(line.strip())}") from error
    return rows.matrix(0, d)
