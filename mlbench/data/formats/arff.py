"""Reader of ARFF, dense and sparse: the text format of Weka that Mulan and MEKA use.

The format is described at https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.formats.arff_text import (
    Line,
    lines_of,
    name_and_type,
    split_cells,
    split_like_weka,
    split_pairs,
    unescape,
    without_weight,
)
from mlbench.data.formats.base import dense, listed, packed, shown
from mlbench.errors import DataError

SUFFIXES = packed(".arff", ".dat")

_NUMERIC = ("numeric", "real", "integer")
_ROWS_PER_BLOCK = 1024  # how many rows are held in memory as strings at a time


@dataclass(frozen=True)
class Attribute:
    """One column of an ARFF file.

    Attributes:
        name: The name, without quotes and escapes.
        kind: ``numeric``, ``nominal``, ``string``, ``hierarchical``, or another type, which cannot be used.
        codes: The code of each value of a nominal, string or hierarchical column, in the order listed or first seen,
            from 0.
        nodes: The nodes of a hierarchical column.
    """

    name: str
    kind: str
    codes: dict[str, int] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """The values in the order of their codes."""
        return tuple(self.codes)

    @property
    def usable(self) -> bool:
        """Whether the column has a type that can be read."""
        return self.kind in ("numeric", "nominal", "string", "hierarchical")

    @property
    def zero_one(self) -> bool:
        """Whether the column is nominal with the values 0 and 1, in this order, so that codes are values."""
        return self.kind == "nominal" and [number_of(value) for value in self.values] == [0, 1]

    def parser(self) -> Callable[[str], float]:
        """Return a function from cell to number, which raises ValueError or KeyError."""
        if self.kind == "numeric":
            return float
        if self.kind == "nominal":
            return self.codes.__getitem__
        if not self.usable:
            return lambda cell: np.nan
        return lambda cell: np.nan if cell == "?" else self.codes.setdefault(cell, len(self.codes))

    def code_of_number(self, cell: str) -> float | None:
        """Return the code of a nominal value that is the same number in other digits, such as 1.0 for 1."""
        number = number_of(cell)
        same = (code for value, code in self.codes.items() if number is not None and number_of(value) == number)
        return next(same, None)


def number_of(text: str) -> float | None:
    """Return a text as a number, or None."""
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(frozen=True, eq=False)
class Arff:
    """An ARFF file in memory.

    Attributes:
        file: The file name, for error messages.
        relation: The relation name.
        attributes: The columns.
        cells: The values (rows, columns) as float64; nominal, string and hierarchical columns hold codes, and NaN is
            a missing value. A cell that a sparse row omits is 0, which for a nominal column is the value listed first.
        weighted: Whether some rows have a weight; weights are ignored.
        outputs: The label columns that KEEL's ``@outputs`` names; empty if it does not occur.
    """

    file: str
    relation: str
    attributes: tuple[Attribute, ...]
    cells: NDArray[np.float64] | sp.csr_matrix
    weighted: bool
    outputs: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [attribute.name for attribute in self.attributes]

    def column(self, j: int) -> NDArray[np.float64]:
        """Return one column (rows,)."""
        return dense(self._by_column[:, [j]])[:, 0].astype(np.float64)

    @cached_property
    def _by_column(self) -> NDArray[np.float64] | sp.csc_matrix:
        return sp.csc_matrix(self.cells) if sp.issparse(self.cells) else self.cells

    def words(self, j: int) -> list[str]:
        """Return the cells of a column as the file has them; a missing one is empty."""
        attribute, codes = self.attributes[j], self.column(j)
        if attribute.kind == "numeric":
            return ["" if np.isnan(code) else f"{code:g}" for code in codes]
        return ["" if np.isnan(code) else attribute.values[int(code)] for code in codes]


def read_arff(path: Path, encoding: str | None = None) -> Arff:
    """Read an ARFF file, plain or packed.

    Raises:
        DataError: The file is not ARFF, or a cell is missing or invalid; the message names the line.
    """
    lines = lines_of(path, encoding)
    relation, attributes, outputs = _read_header(path.name, lines)
    rows = _Rows(path.name, attributes)
    return Arff(path.name, relation, tuple(attributes), rows.read(lines), rows.weighted, tuple(outputs))


def _read_header(file: str, lines: Iterator[Line]) -> tuple[str, list[Attribute], list[str]]:
    relation = ""
    attributes: list[Attribute] = []
    outputs: list[str] = []
    for number, line in lines:
        where = f"{file}: line {number}"
        match = re.match(r"@(\w+)(.*)", line)
        keyword = match[1].lower() if match else ""
        if match and keyword == "relation":
            relation = unescape(match[2].strip().strip("'\""))
        elif match and keyword == "attribute":
            attributes.append(_attribute(match[2], where))
        elif match and keyword in ("output", "outputs"):
            outputs += split_cells(match[2], where)
        elif keyword in ("input", "inputs"):
            continue
        elif keyword == "data":
            _check_header(file, where, attributes, outputs)
            return relation, attributes, outputs
        else:
            raise DataError(f"{where}: not ARFF: expected @relation, @attribute or @data, found {shown(line)}")
    raise DataError(f"{file}: not an ARFF file, or truncated: no @data line")


def _check_header(file: str, where: str, attributes: Sequence[Attribute], outputs: Sequence[str]) -> None:
    if not attributes:
        raise DataError(f"{where}: @data without an @attribute line before it")
    counts = Counter(attribute.name for attribute in attributes)
    name, count = counts.most_common(1)[0]
    if count > 1:
        raise DataError(f"{file}: two columns are named {shown(name)}: rename one of them")
    unknown = next((name for name in outputs if name not in counts), None)
    if unknown is not None:
        raise DataError(f"{file}: @outputs names {shown(unknown)}, which is no @attribute")


def _attribute(text: str, where: str) -> Attribute:
    name, kind = name_and_type(text, where)
    word = (re.match(r"\w*", kind) or [""])[0].lower()
    if word in _NUMERIC and re.fullmatch(r"\w+\s*(\[.*\]|\{.*\})?", kind):  # a range is a remark
        return Attribute(name, "numeric")
    if word == "string":
        return Attribute(name, "string")
    if word == "hierarchical":
        return Attribute(name, "hierarchical", nodes=tuple(split_cells(kind[len(word) :], where)))
    if word == "relational":
        raise DataError(f"{where}: column {shown(name)} holds bags of rows (relational), which cannot be read")
    if not kind.startswith("{"):
        return Attribute(name, kind or "no type")
    if len(kind) < 2 or not kind.endswith("}"):
        raise DataError(f"{where}: the values of column {shown(name)} must be on one line between {{ and }}")
    values = split_cells(kind[1:-1], where) if kind[1:-1].strip() else []
    if len(set(values)) != len(values):
        raise DataError(f"{where}: column {shown(name)} lists the same value twice")
    return Attribute(name, "nominal", {value: code for code, value in enumerate(values)})


class _Rows:
    """Converts the lines after ``@data`` to numbers."""

    def __init__(self, file: str, attributes: Sequence[Attribute]) -> None:
        self.file = file
        self.attributes = attributes
        self.parsers = [attribute.parser() for attribute in attributes]
        self.weighted = False

    def read(self, lines: Iterator[Line]) -> NDArray[np.float64] | sp.csr_matrix:
        first = next(lines, None)
        if first is None:
            return np.empty((0, len(self.attributes)))
        return (self._sparse if first[1].startswith("{") else self._dense)(chain([first], lines))

    def _dense(self, lines: Iterator[Line]) -> NDArray[np.float64]:
        blocks = []
        while block := list(islice(lines, _ROWS_PER_BLOCK)):
            rows = [self._dense_row(line) for line in block]
            numbers = np.empty((len(rows), len(self.parsers)))
            for index, (parse, cells) in enumerate(zip(self.parsers, zip(*rows, strict=True), strict=True)):
                try:
                    numbers[:, index] = [parse(cell) for cell in cells]
                except (ValueError, KeyError):  # a missing value, or an error to be named
                    lines_and_cells = zip(block, cells, strict=True)
                    numbers[:, index] = [self._parse(index, cell, number) for (number, _), cell in lines_and_cells]
            blocks.append(numbers)
        return np.concatenate(blocks)

    def _dense_row(self, line: Line) -> list[str]:
        number, text = line
        if text.startswith("{"):
            raise DataError(f"{self.file}: line {number}: sparse row in a file of dense rows")
        where, row, n = f"{self.file}: line {number}", self._row(text), len(self.parsers)
        cells = split_cells(row, where)
        if len(cells) == n + 1 and not cells[-1]:
            cells.pop()  # the line ends in a comma
        if len(cells) != n:
            weka = split_like_weka(row, where)
            if len(weka) != n:
                raise DataError(f"{where}: {len(cells)} cells, but the header declares {n} columns")
            return weka
        return cells

    def _sparse(self, lines: Iterator[Line]) -> sp.csr_matrix:
        values, columns, ends = array("d"), array("q"), array("q", [0])
        for number, text in lines:
            row = self._sparse_row(number, text)
            columns.extend(row)
            values.extend(row.values())
            ends.append(len(columns))
        shape = (len(ends) - 1, len(self.parsers))
        return sp.csr_matrix((np.asarray(values), np.asarray(columns), np.asarray(ends)), shape=shape)

    def _sparse_row(self, number: int, text: str) -> dict[int, float]:
        where = f"{self.file}: line {number}"
        text = self._row(text)
        if not (text.startswith("{") and text.endswith("}")):
            raise DataError(f"{where}: dense row in a file of sparse rows: expected {{ and }} around it")
        pairs = split_pairs(text[1:-1], where)
        row: dict[int, float] = {}
        for index, cell in pairs:
            if not 0 <= index < len(self.parsers):
                last = len(self.parsers) - 1
                raise DataError(f"{where}: no column {index}: the header declares columns 0 to {last}")
            try:
                row[index] = self.parsers[index](cell)
            except (ValueError, KeyError):
                row[index] = self._parse(index, cell, number)
        if len(row) != len(pairs):
            raise DataError(f"{where}: the sparse row gives the same column twice")
        return row

    def _row(self, text: str) -> str:
        bare = without_weight(text)
        self.weighted |= bare != text
        return bare

    def _parse(self, index: int, cell: str, number: int) -> float:
        """Return the number of a cell that needs a second look; NaN if it is missing."""
        attribute = self.attributes[index]
        if cell == "?" or (not cell and attribute.kind == "numeric"):
            return float("nan")
        try:
            return self.parsers[index](cell)
        except (ValueError, KeyError) as error:
            code = attribute.code_of_number(cell)
            if code is not None:
                return code
            where = f"{self.file}: line {number}, column {shown(attribute.name)}"
            wanted = "a number" if attribute.kind == "numeric" else f"one of {listed(attribute.values)}"
            raise DataError(f"{where} holds {shown(cell)}, expected {wanted}") from error
