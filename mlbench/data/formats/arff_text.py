"""The grain of ARFF: lines, cells, quotes, escapes, comments and row weights."""

from __future__ import annotations

import bz2
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from mlbench.data.formats.base import read_text, shown
from mlbench.errors import DataError

Line: TypeAlias = tuple[int, str]
"""A line and its number, from 1."""

_QUOTED = r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\""""
_VALUE = rf"""(?:(?:{_QUOTED})\s*+|((?:[^,'"\\]|\\.)*+))(,|\Z)"""
_CELL = re.compile(rf"()\s*+{_VALUE}")
_PAIR = re.compile(rf"\s*+(\d+)\s++{_VALUE}")
_NAME = re.compile(rf"\s*(?:{_QUOTED}|((?:[^\s{{'\"\\]|\\.)(?:[^\s{{\\]|\\.)*))\s*(.*)")
# Possessive (`*+`), so that a long line of spaces or quotes costs no more than its length.
# A "%" starts a comment only where a value could start: an unquoted 50% is a value.
_COMMENT = re.compile(rf"""((?:[^'"\\%]|\\.|{_QUOTED}|(?<=[^\s,])%)*)(?<![^\s,])%""")
_SPECIAL = re.compile(r"""['"\\%]""")


def lines_of(path: Path) -> Iterator[Line]:
    """The lines that say something, stripped; ``.bz2`` is unpacked.

    Raises:
        DataError: A broken bzip2 file.
    """
    raw = path.read_bytes()
    if path.name.lower().endswith(".bz2"):
        try:
            raw = bz2.decompress(raw)
        except (OSError, ValueError) as error:
            raise DataError(f"{path.name}: not a whole bzip2 file: fetch it again") from error
    for number, line in enumerate(read_text(path, raw).split("\n"), start=1):
        line = line.strip()
        if line and line[0] != "%":
            yield number, without_comment(line).rstrip()


def without_comment(line: str) -> str:
    """The line up to an unquoted ``%`` that follows a space or a comma."""
    match = _COMMENT.match(line) if "%" in line else None
    return match[1] if match else line


def without_weight(line: str) -> str:
    """A row without the ``, {5}`` that Weka writes after it as its weight."""
    row = line.rpartition("{")[0].rstrip()
    return row[:-1].rstrip() if line.endswith("}") and row.endswith(",") else line


def unescape(text: str) -> str:
    """Text without the backslash before quotes, percent signs and backslashes."""
    return re.sub(r"""\\(['"\\%])""", r"\1", text) if "\\" in text else text


def name_and_type(text: str, where: str) -> tuple[str, str]:
    """The two halves of what follows ``@attribute``.

    Raises:
        DataError: An unclosed quote, or nothing there.
    """
    match = _NAME.match(text)
    if not match:
        raise DataError(f"{where}: @attribute needs a name and a type, with every quote closed: {shown(text.strip())}")
    single, double, bare, kind = match.groups()
    return unescape(single or double or bare or ""), kind.strip()


def split_cells(text: str, where: str) -> list[str]:
    """The values of a dense row, or of a nominal list.

    Raises:
        DataError: An unclosed quote.
    """
    if not _SPECIAL.search(text):
        return [cell.strip() for cell in text.split(",")]
    return [value for _, value in _scan(_CELL, text, where)]


def split_pairs(text: str, where: str) -> list[tuple[int, str]]:
    """The (column, value) pairs of a sparse row, without its braces.

    Raises:
        DataError: An unclosed quote, or a pair that is none.
    """
    if not text.strip():
        return []
    if not _SPECIAL.search(text):
        try:
            return [(int(index), value.strip()) for index, value in (p.split(None, 1) for p in text.split(","))]
        except ValueError:
            pass  # the scan below says where
    return [(int(index), value) for index, value in _scan(_PAIR, text, where)]


def _scan(pattern: re.Pattern[str], text: str, where: str) -> Iterator[tuple[str, str]]:
    position, end = 0, ","
    while end:
        match = pattern.match(text, position)
        if not match:
            rest = shown(text[position:].strip())
            raise DataError(f"{where}: expected a cell, with every quote closed, but found {rest}")
        index, single, double, bare, end = match.groups()
        value = single if single is not None else double if double is not None else bare.strip()
        yield index, unescape(value)
        position = match.end()
