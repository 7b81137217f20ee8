"""What a cell of a label column means: a number, one of two words, one of several texts, or all labels of a row."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench.data.formats.base import YES_NO, ReadOptions, listed, shown
from mlbench.errors import DataError, UsageError

SEPARATORS = ("|", ";", ",", " ")
"""What usually separates the labels in one cell."""
OFTEN = 0.5
"""The share of a column's joined cells whose parts must occur in others, to take them for several labels."""
FEWEST_REPEATED = 3
"""A column is taken for labels that exclude each other if so many of its values occur repeatedly."""
_LARGEST = 2**53
"""Whole numbers up to here are exact in float64."""
Named = tuple[list[str], NDArray[np.float64]]
"""Label names and labels (n, k), NaN where they are unknown."""


def split_cells(column: str, cells: Sequence[str], separator: str) -> Named:
    """Return one label for each distinct part of the cells; an empty cell is a row without labels."""
    return from_lists(column, [[part.strip() for part in cell.split(separator)] for cell in cells])


def list_cells(column: str, cells: Sequence[Any]) -> Named | None:
    """Return the labels of cells that are lists, or lists written as text, or None if they are not.

    Args:
        column: The column.
        cells: Lists, JSON or Python lists as text, and None or empty text for rows without labels.
    """
    lists: list[list[Any]] = []
    for cell in cells:
        found = _list_of(cell)
        if found is None or not all(isinstance(label, str | int) and not isinstance(label, bool) for label in found):
            return None
        lists.append(found)
    if not any((isinstance(cell, str) and cell.strip()) or isinstance(cell, list) for cell in cells):
        return None
    return from_lists(column, [[str(label) for label in row] for row in lists])


def _list_of(cell: Any) -> list[Any] | None:
    if cell is None or isinstance(cell, list):
        return cell or []
    if not isinstance(cell, str):
        return None
    text = cell.strip()
    if not text:
        return []
    if not (text.startswith("[") and text.endswith("]")):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else None
    return None


def from_lists(column: str, rows: Iterable[Sequence[str]]) -> Named:
    """Return one label for each distinct text of all rows; an empty text is none."""
    kept = [list(dict.fromkeys(label for label in row if label)) for row in rows]
    names = sorted({label for row in kept for label in row}, key=_natural)
    if not names:
        raise DataError(f"column {shown(column)} holds no label in any row")
    place = {name: code for code, name in enumerate(names)}
    Y = np.zeros((len(kept), len(names)))
    for row, labels in enumerate(kept):
        Y[row, [place[label] for label in labels]] = 1
    return names, Y


def number_cells(
    where: str, column: str, numbers: NDArray[np.float64], options: ReadOptions, notes: list[str], *, only: bool = False
) -> Named:
    """Return the labels of a column of numbers: one for 0 and 1, or for -1 and 1, else one for each value.

    Args:
        where: The file, for messages.
        column: The column.
        numbers: Its cells (n,), NaN where the label is unknown.
        options: Which value is 1, and whether each value is a label.
        notes: What was found out is appended.
        only: Whether the column is all that says what the labels are.

    Raises:
        UsageError: It is not said what the numbers mean.
        DataError: They are no labels.
    """
    values = np.unique(numbers[~np.isnan(numbers)])
    if not options.positive and set(values.tolist()) <= {0, 1}:
        return [column], numbers[:, None]
    if not options.positive and set(values.tolist()) <= {-1, 1}:
        notes.append(f"label {shown(column)}: -1 is read as 0")
        return [column], np.where(numbers == -1, 0, numbers)[:, None]
    if set(values.tolist()) == {-1, 0, 1} and not options.one_hot:
        raise UsageError(
            f"{where}: label {shown(column)} holds -1 beside 0 and 1: if -1 means that the label is unknown, give "
            "--unknown -1; if each value is a label of its own, give --one-hot"
        )
    whole = (values == np.round(values)).all() and np.abs(values).max(initial=0) <= _LARGEST
    if not whole or len(values) == np.sum(~np.isnan(numbers)) > 2:
        row = int(np.flatnonzero(~np.isin(numbers, (0, 1)) & ~np.isnan(numbers))[0])
        raise DataError(
            f"{where}: labels must be 0 or 1: row {row} (from 0), column {shown(column)} holds {numbers[row]:g}"
        )
    cells = np.array(["" if np.isnan(number) else f"{number:.0f}" for number in numbers])
    return word_cells(where, column, cells.tolist(), options, notes, only=only)


def word_cells(
    where: str,
    column: str,
    cells: Sequence[str],
    options: ReadOptions,
    notes: list[str] | None = None,
    *,
    only: bool = False,
) -> Named:
    """Return the labels of a column of words: one label for two words, else one for each word.

    Args:
        where: The file, for messages.
        column: The column.
        cells: Its cells; an empty one is unknown.
        options: Which word is 1, and whether each text is a label.
        notes: What was found out is appended.
        only: Whether the column is all that says what the labels are: then several values that occur repeatedly are
            labels that exclude each other.

    Raises:
        UsageError: It is not said what the words mean.
        DataError: Every row has another text.
    """
    known = np.array([bool(cell) for cell in cells], dtype=bool)
    counts = Counter(cell for cell in cells if cell)
    values = sorted(counts, key=_natural)
    words = sorted({value.strip().lower() for value in values})
    pairs = [pair for pair in YES_NO if set(words) <= set(pair)]
    positive = _positive(column, words, options.positive)
    if positive is None and pairs and not options.one_hot:
        positive = pairs[0][1]
    if positive is not None:
        ones = np.array([[cell.strip().lower() == positive] for cell in cells], dtype=np.float64)
        if notes is not None and set(words) - {"0", "1"}:
            notes.append(f"label {shown(column)}: {_said(values, positive)} is 1")
        return [column], np.where(known[:, None], ones, np.nan)
    if len(words) <= 2 and not options.one_hot:
        has = f"two words, {listed(values)}, and" if len(words) == 2 else f"the word {listed(values)} alone, and"
        raise UsageError(
            f"{where}: label {shown(column)} has {has} it is not known which one is 1: "
            f"say so with --positive, such as --positive {shown(f'{column}={values[-1]}')}"
            if values
            else f"{where}: label {shown(column)} is empty"
        )
    if len(values) == known.sum():
        raise DataError(f"{where}: label {shown(column)} has a different value in every row, so it is not a label")
    if not options.one_hot:
        check_single(where, column, values)
        if not only or sum(count > 1 for count in counts.values()) < FEWEST_REPEATED:
            raise UsageError(
                f"{where}: label {shown(column)} has {len(values)} different values ({listed(values, 4)}): give "
                "--one-hot if each of them is a label of its own"
            )
        if notes is not None:
            notes.append(f"column {shown(column)}: its {len(values)} values are labels that exclude each other")
    place = {value: code for code, value in enumerate(values)}
    Y = np.zeros((len(cells), len(values)))
    rows = np.flatnonzero(known).tolist()
    Y[rows, [place[cells[row]] for row in rows]] = 1
    Y[~known] = np.nan
    return [f"{column}={value}" for value in values], Y


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key with which ``label-2`` comes before ``label-10``."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d{1,18})", text) if part]


def _said(values: Sequence[str], positive: str) -> str:
    return next((value for value in values if value.strip().lower() == positive), positive)


def check_single(where: str, column: str, values: Sequence[str]) -> None:
    """Check that no cell of a column seems to hold several labels.

    Args:
        where: The file, for the message.
        column: The column.
        values: Its distinct texts.

    Raises:
        UsageError: They do; the message names the option that splits them.
    """
    separator = _likely_separator(values)
    if separator is not None:
        joined = next(value for value in values if separator in value)
        raise UsageError(
            f"{where}: a cell of column {shown(column)} seems to hold several labels, such as {shown(joined)}: give "
            f"--label-separator {separator!r}, or --one-hot if each text is one label"
        )


def _positive(column: str, words: Sequence[str], said: Sequence[str]) -> str | None:
    """Return the word of this column that is 1, if ``--positive`` says one of its two."""
    for entry in said:
        name, _, word = entry.rpartition("=")
        if name in ("", column) and len(words) <= 2 and word.strip().lower() in words:
            return word.strip().lower()
    return None


def _likely_separator(values: Sequence[str]) -> str | None:
    """Return what seems to join several labels in the distinct cells of a column.

    Most cells that contain it are made of parts that also occur in other cells. A space separates words of one
    label, too: there each part must be a whole cell elsewhere.
    """
    whole = set(values)
    for separator in SEPARATORS:
        joined = [[part for part in value.split(separator) if part] for value in values if separator in value]
        if len(joined) < 2:
            continue
        counts = Counter(part.strip() for parts in joined for part in {part.strip() for part in parts})
        counts.update(value for value in values if separator not in value)
        if separator == " ":
            again = [all(part in whole for part in parts) for parts in joined]
        else:
            again = [sum(counts[part.strip()] > 1 for part in parts) * 2 >= len(parts) for parts in joined]
        if np.mean(again) >= OFTEN:
            return separator
    return None
