"""The lexical level of ARFF: lines, cells, quotes, escapes, comments and row weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from mlbench.data.formats.base import read_text, shown
from mlbench.errors import DataError

Line: TypeAlias = tuple[int, str]
"""The number of a line, from 1, and its text."""

_QUOTED = r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\""""
_VALUE = rf"""(?:(?:{_QUOTED})\s*+|((?:[^,'"\\]|\\.)*+))(,|\Z)"""
_CELL = re.compile(rf"()\s*+{_VALUE}")
_PAIR = re.compile(rf"\s*+(\d+)\s++{_VALUE}")
_WEKA = re.compile(rf"""(?:{_QUOTED}|((?:[^\s,'"\\]|\\.)++))\s*+(?:,\s*+)?""")
_NAME = re.compile(rf"\s*(?:{_QUOTED}|((?:[^\s{{'\"\\]|\\.)(?:[^\s{{\\]|\\.)*))\s*(.*)")
# Possessive quantifiers (`*+`) keep matching linear on long lines of spaces or quotes.
# A "%" starts a comment only where a value could start, so an unquoted 50% is a value.
_COMMENT = re.compile(rf"""((?:[^'"\\%]|\\.|{_QUOTED}|(?<=[^\s,])%)*)(?<![^\s,])%""")
_SPECIAL = re.compile(r"""['"\\%]""")


def lines_of(path: Path, encoding: str | None = None) -> Iterator[Line]:
    """Yield the lines that are neither blank nor comments, stripped.

    Raises:
        DataError: The file is packed and broken, or a pointer to the data.
    """
    for number, line in enumerate(read_text(path, encoding).split("\n"), start=1):
        line = line.strip()
        if line and line[0] != "%":
            yield number, without_comment(line).rstrip()


def without_comment(line: str) -> str:
    """Cut the line at an unquoted ``%`` that follows a space or a comma."""
    match = _COMMENT.match(line) if "%" in line else None
    return match[1] if match else line


def without_weight(line: str) -> str:
    """Strip the row weight that Weka appends as ``, {5}``."""
    row = line.rpartition("{")[0].rstrip()
    return row[:-1].rstrip() if line.endswith("}") and row.endswith(",") else line


LABEL_COUNT = re.compile(r"(?<!\S)-[Cc]\s+(-?\d{1,9})(?!\S)")
"""MEKA's option in a relation name: how many columns are labels, at the start or, if negative, at the end."""


def unescape(text: str) -> str:
    """Remove the backslashes that escape quotes, percent signs and backslashes."""
    return re.sub(r"""\\(['"\\%])""", r"\1", text) if "\\" in text else text


def name_and_type(text: str, where: str) -> tuple[str, str]:
    """Split the text after ``@attribute`` into name and type.

    Raises:
        DataError: A quote is not closed, or the text is empty.
    """
    match = _NAME.match(text)
    if not match:
        raise DataError(f"{where}: @attribute needs a name and a type with closed quotes, found {shown(text.strip())}")
    single, double, bare, kind = match.groups()
    return unescape(single or double or bare or ""), kind.strip()


def split_cells(text: str, where: str) -> list[str]:
    """Split a dense row, or the list of nominal values, into its values.

    Raises:
        DataError: A quote is not closed.
    """
    if not _SPECIAL.search(text):
        return [cell.strip() for cell in text.split(",")]
    return [value for _, value in _scan(_CELL, text, where)]


def split_like_weka(text: str, where: str) -> list[str]:
    """Split a dense row at commas, tabs and spaces, as Weka does; values with spaces are quoted.

    Raises:
        DataError: A quote is not closed.
    """
    cells, position = [], 0
    text = text.strip()
    while position < len(text):
        match = _WEKA.match(text, position)
        if not match:
            raise DataError(f"{where}: expected a value with closed quotes, found {shown(text[position:].strip())}")
        single, double, bare = match.groups()
        cells.append(unescape(next(value for value in (single, double, bare) if value is not None)))
        position = match.end()
    return cells


def split_pairs(text: str, where: str) -> list[tuple[int, str]]:
    """Split the inside of a sparse row into (column, value) pairs.

    Raises:
        DataError: A quote is not closed, or a pair is malformed.
    """
    if not text.strip():
        return []
    if not _SPECIAL.search(text):
        try:
            return [(int(index), value.strip()) for index, value in (p.split(None, 1) for p in text.split(","))]
        except ValueError:
            pass  # the scan below reports where
    return [(int(index), value) for index, value in _scan(_PAIR, text, where)]


def _scan(pattern: re.Pattern[str], text: str, where: str) -> Iterator[tuple[str, str]]:
    position, end = 0, ","
    while end:
        match = pattern.match(text, position)
        if not match:
            rest = shown(text[position:].strip())
            raise DataError(f"{where}: expected a value with closed quotes, found {rest}")
        index, single, double, bare, end = match.groups()
        value = single if single is not None else double if double is not None else bare.strip()
        yield index, unescape(value)
        position = match.end()
