"""What a cell of a label column means: a number, one of two words, one of several texts, or all labels of a row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mlbench.data.formats.base import YES_NO, ReadOptions, listed, shown
from mlbench.errors import DataError, UsageError

SEPARATORS = ("|", ";", ",", " ")
"""What usually separates the labels in one cell."""
OFTEN = 0.5
"""The share of a column's joined cells whose parts must occur in others, to take them for several labels."""
Named = tuple[list[str], NDArray[np.float64]]
"""Label names and labels (n, k)."""


def split_cells(column: str, cells: Sequence[str], separator: str) -> Named:
    """Return one label for each distinct part of the cells; an empty cell is a row without labels."""
    return _from_lists(column, [[part.strip() for part in cell.split(separator)] for cell in cells])


def json_cells(column: str, cells: Sequence[str]) -> Named | None:
    """Return the labels of cells that are all JSON lists of texts, or None if they are not."""
    lists = []
    for cell in cells:
        if not cell.strip().startswith("["):
            return None
        try:
            found = json.loads(cell)
        except ValueError:
            return None
        if not all(isinstance(label, str | int) and not isinstance(label, bool) for label in found):
            return None
        lists.append([str(label) for label in found])
    return _from_lists(column, lists) if lists else None


def _from_lists(column: str, rows: Iterable[Sequence[str]]) -> Named:
    kept = [list(dict.fromkeys(label for label in row if label)) for row in rows]
    names = sorted({label for row in kept for label in row})
    if not names:
        raise DataError(f"column {shown(column)} holds no label in any row")
    place = {name: code for code, name in enumerate(names)}
    Y = np.zeros((len(kept), len(names)))
    for row, labels in enumerate(kept):
        Y[row, [place[label] for label in labels]] = 1
    return names, Y


def word_cells(where: str, column: str, cells: Sequence[str], options: ReadOptions) -> Named:
    """Return the labels of a column of words: one label for two words, else one for each word.

    Args:
        where: The file, for messages.
        column: The column.
        cells: Its cells.
        options: Which word is 1, and whether each text is a label.

    Raises:
        UsageError: It is not said what the words mean.
        DataError: Every row has another text.
    """
    values = sorted(set(cells))
    words = sorted({value.strip().lower() for value in values})
    known = [pair for pair in YES_NO if set(words) <= set(pair)]
    positive = _positive(column, words, options.positive)
    if positive is None and known and len(words) <= 2:
        positive = known[0][1]
    if positive is not None:
        return [column], np.array([[cell.strip().lower() == positive] for cell in cells], dtype=np.float64)
    if len(words) == 2 and not options.one_hot:
        raise UsageError(
            f"{where}: label {shown(column)} has two words, {listed(values)}, and it is not known which one is 1: "
            f"say so with --positive, such as --positive {column}={values[-1]}"
        )
    if not options.one_hot:
        check_single(where, column, values)
    if len(values) == len(cells):
        raise DataError(f"{where}: label {shown(column)} has a different value in every row, so it is not a label")
    place = {value: code for code, value in enumerate(values)}
    Y = np.zeros((len(cells), len(values)))
    Y[np.arange(len(cells)), [place[cell] for cell in cells]] = 1
    return [f"{column}={value}" for value in values], Y


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
