"""Roles of columns, for every format that has named columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from mlbench.data.formats.base import listed, shown
from mlbench.data.formats.parts import PART_OF
from mlbench.errors import DataError, UnknownName, UsageError


def select(columns: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the columns that names, comma-separated names or shell globs select, in the order of the file.

    Raises:
        UnknownName: Nothing has such a name.
    """
    found: set[str] = set()
    for entry in wanted:
        for name in [entry] if entry in columns else [name.strip() for name in entry.split(",")]:
            found |= {name} if name in columns else {c for c in columns if fnmatchcase(c, name)} or {one(columns, name)}
    return [column for column in columns if column in found]


def one(columns: Sequence[str], name: str) -> str:
    """Return the name if it is a column's.

    Raises:
        UnknownName: It is none; a near one is suggested.
    """
    if name not in columns:
        raise UnknownName("column", name, columns)
    return name


def check_roles(labels: Sequence[str], texts: Sequence[str], special: Sequence[str], dropped: Sequence[str]) -> None:
    """Raise ``UsageError`` if a column has two roles."""
    used = [*labels, *texts, *special, *dropped]
    twice = next((column for column in used if used.count(column) > 1), None)
    if twice is not None:
        roles = "--labels, --text, --groups, --split and --drop"
        raise UsageError(f"column {shown(twice)} can only be one of {roles}")


def split_of_rows(
    cells: Sequence[str], fold: int | None, column: str, where: Callable[[int], str]
) -> NDArray[np.object_]:
    """Return ``train``, ``valid`` or ``test`` for each row, from these words or from the number of a fold.

    Args:
        cells: The cells of the column.
        fold: The fold that is test, or None if the cells are words.
        column: The name of the column, for messages.
        where: Describes a row, for messages.

    Raises:
        UsageError: There is no such fold.
        DataError: A cell is no such word.
    """
    if fold is not None:
        folds = [cell.strip().removesuffix(".0") for cell in cells]
        if str(fold) not in folds:
            raise UsageError(f"column {shown(column)} has no fold {fold}; available: {listed(sorted(set(folds)))}")
        return np.array(["test" if cell == str(fold) else "train" for cell in folds], dtype=object)
    words = [cell.strip().lower() for cell in cells]
    wrong = next((row for row, word in enumerate(words) if word not in PART_OF), None)
    if wrong is not None:
        advice = "; to test on one fold, give --fold" if words[wrong].replace(".", "").isdigit() else ""
        raise DataError(
            f"{where(wrong)}, column {shown(column)} holds {shown(cells[wrong])}, expected train, valid or test{advice}"
        )
    return np.array([PART_OF[word] for word in words], dtype=object)
