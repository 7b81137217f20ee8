"""Reader of ARFF, dense and sparse: the text format of Weka that Mulan and MEKA use.

The format is described at https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
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
    split_pairs,
    unescape,
    without_weight,
)
from mlbench.data.formats.base import listed, packed, shown
from mlbench.errors import DataError

SUFFIXES = packed(".arff")

_NUMERIC = ("numeric", "real", "integer")
_ROWS_PER_BLOCK = 1024  # how many rows are held in memory as strings at a time


@dataclass(frozen=True)
class Attribute:
    """One column of an ARFF file.

    Attributes:
        name: The name, without quotes and escapes.
        kind: ``numeric``, ``nominal`` or ``string``.
        codes: The code of each value of a nominal or string column, in the order listed or first seen, from 0.
    """

    name: str
    kind: str
    codes: dict[str, int] = field(default_factory=dict)

    @property
    def values(self) -> tuple[str, ...]:
        """The values in the order of their codes."""
        return tuple(self.codes)

    def parser(self) -> Callable[[str], float]:
        """Return a function from cell to number, which raises ValueError or KeyError."""
        if self.kind == "numeric":
            return float
        if self.kind == "nominal":
            return self.codes.__getitem__
        return lambda cell: self.codes.setdefault(cell, len(self.codes))


@dataclass(frozen=True, eq=False)
class Arff:
    """An ARFF file in memory.

    Attributes:
        file: The file name, for error messages.
        relation: The relation name.
        attributes: The columns.
        cells: The values (rows, columns) as float64; nominal and string columns hold codes. A cell that a
            sparse row omits is 0, which for a nominal column is the value listed first.
        weighted: Whether some rows have a weight; weights are ignored.
    """

    file: str
    relation: str
    attributes: tuple[Attribute, ...]
    cells: NDArray[np.float64] | sp.csr_matrix
    weighted: bool


def read_arff(path: Path) -> Arff:
    """Read an ARFF file, plain or packed.

    Raises:
        DataError: The file is not ARFF, or a cell is missing or invalid; the message names the line.
    """
    lines = lines_of(path)
    relation, attributes = _read_header(path.name, lines)
    rows = _Rows(path.name, attributes)
    return Arff(path.name, relation, tuple(attributes), rows.read(lines), rows.weighted)


def _read_header(file: str, lines: Iterator[Line]) -> tuple[str, list[Attribute]]:
    relation = ""
    attributes: list[Attribute] = []
    for number, line in lines:
        where = f"{file}: line {number}"
        match = re.match(r"@(\w+)(.*)", line)
        keyword = match[1].lower() if match else ""
        if match and keyword == "relation":
            relation = unescape(match[2].strip().strip("'\""))
        elif match and keyword == "attribute":
            attributes.append(_attribute(match[2], where))
        elif keyword == "data":
            if not attributes:
                raise DataError(f"{where}: @data without an @attribute line before it")
            return relation, attributes
        else:
            raise DataError(f"{where}: not ARFF: expected @relation, @attribute or @data, found {shown(line)}")
    raise DataError(f"{file}: not an ARFF file, or truncated: no @data line")


def _attribute(text: str, where: str) -> Attribute:
    name, kind = name_and_type(text, where)
    word = kind.split()[0].lower() if kind else ""
    if word in _NUMERIC:
        return Attribute(name, "numeric")
    if word == "string":
        return Attribute(name, "string")
    if not kind.startswith("{"):
        raise DataError(
            f"{where}: column {shown(name)} has type {shown(kind)}, but only numeric, nominal and string are supported"
        )
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
                except (ValueError, KeyError):
                    for (number, _), cell in zip(block, cells, strict=True):
                        self._parse(index, cell, number)
                    raise
            blocks.append(numbers)
        return np.concatenate(blocks)

    def _dense_row(self, line: Line) -> list[str]:
        number, text = line
        if text.startswith("{"):
            raise DataError(f"{self.file}: line {number}: sparse row in a file of dense rows")
        cells = split_cells(self._row(text), f"{self.file}: line {number}")
        if len(cells) != len(self.parsers):
            raise DataError(
                f"{self.file}: line {number}: {len(cells)} cells, but the header declares {len(self.parsers)} columns"
            )
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
                self._parse(index, cell, number)
        if len(row) != len(pairs):
            raise DataError(f"{where}: the sparse row gives the same column twice")
        return row

    def _row(self, text: str) -> str:
        bare = without_weight(text)
        self.weighted |= bare != text
        return bare

    def _parse(self, index: int, cell: str, number: int) -> None:
        """Raise the error for a cell that cannot be parsed."""
        try:
            self.parsers[index](cell)
        except (ValueError, KeyError) as error:
            attribute = self.attributes[index]
            where = f"{self.file}: line {number}, column {shown(attribute.name)}"
            if cell == "?":
                raise DataError(f"{where} is missing ('?'): replace or drop such values first") from error
            wanted = "a number" if attribute.kind == "numeric" else f"one of {listed(attribute.values)}"
            raise DataError(f"{where} holds {shown(cell)}, expected {wanted}") from error
