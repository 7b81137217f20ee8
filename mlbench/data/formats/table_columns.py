"""Feature columns of a table: numbers, words with few values, and what is no feature, such as row ids and dates."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlbench.data.formats.base import YES_NO, listed, shown
from mlbench.data.formats.table_files import MISSING
from mlbench.errors import DataError

if TYPE_CHECKING:
    from pandas import Series

_OTHER_NUMBER = re.compile(r"[-+]?[$€£]?\s?\d[\d.,' ]*(e[-+]?\d+)?\s?(%|[a-zA-Zµ°²³/]{1,4})?", re.IGNORECASE)
"""A number with a decimal comma, a thousands mark, a unit, a currency or a percent sign."""
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
WORDS_OF_A_TEXT = 3
"""Texts of so many words on average are no row ids."""
MOST_VALUES = 30
"""Columns of words with more distinct values are not converted to one-hot columns unasked."""
FEWEST_ROWS = 10
"""With fewer rows, whole numbers may all differ by chance."""
_ID_NAME = re.compile(
    r"(^|[_\s.-])(id|ids|idx|index|key|uuid|guid|row|rowid|no|nr|number)$|[a-z]I[dD]$|^unnamed", re.IGNORECASE
)
_GROUP_NAME = re.compile(
    r"(^|[_\s.-])(group|patient|subject|speaker|recording|participant|person|user|author|session|track|song|artist|album)"
    r"([_\s.-]?(id|name|no|nr|number))?$",
    re.IGNORECASE,
)
Named = tuple[list[str], list[NDArray[np.float32]]]
"""Names and columns, each of shape (n,); NaN where a value is missing."""


@dataclass(frozen=True)
class Rows:
    """Where the rows of a table come from, for messages.

    Attributes:
        files: The names of the files, one after the other.
        ends: The number of rows up to the end of each file.
    """

    files: Sequence[str]
    ends: Sequence[int]

    @property
    def file(self) -> str:
        """The name of the file, or of the first one."""
        return self.files[0]

    def __call__(self, row: int) -> str:
        """Return the file of a row and its number in it."""
        file = bisect_right(self.ends, row)
        return f"{self.files[file]}: row {row - (self.ends[file - 1] if file else 0)} (from 0)"


def feature_columns(name: str, series: Series, where: Rows, notes: list[str], hints: list[str]) -> Named:
    """Convert one column to features, or to none if it is a row id.

    Args:
        name: The name of the column.
        series: Its cells.
        where: Where its rows come from.
        notes: What a reader of results should know is appended.
        hints: What the user may want to say is appended.

    Raises:
        DataError: The column holds something else; the message names the first cell and the options that help.
    """
    missing = series.isna().to_numpy()
    if missing.all():
        notes.append(f"column {shown(name)} dropped: it is empty")
        return [], []
    numbers = numbers_of(name, series, where)
    if numbers is not None:
        return _numeric(name, numbers, notes, hints)
    return _words(name, series, where, notes, hints)


def numbers_of(name: str, series: Series, where: Rows) -> NDArray[np.float64] | None:
    """Return a numeric or Boolean column as numbers, NaN where a value is missing, or None for text.

    Raises:
        DataError: Most cells are numbers, but one is not, or cells are neither numbers nor text.
    """
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    if is_bool_dtype(series) or (is_numeric_dtype(series) and series.dtype.kind != "c"):
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    known = np.flatnonzero(~series.isna().to_numpy())
    cells = series.iloc[known]
    if all(isinstance(cell, bool | int | float | np.number | np.bool_) for cell in cells):
        whole = np.full(len(series), np.nan)
        try:
            whole[known] = [float(cell) for cell in cells]
        except OverflowError as error:
            raise DataError(f"{where.file}: column {shown(name)} holds a number that is too large") from error
        return whole
    other = next((cell for cell in cells if not isinstance(cell, str | bool | int | float | np.number)), None)
    if other is not None or is_datetime64_any_dtype(series):
        kind = "date" if is_datetime64_any_dtype(series) else type(other).__name__
        advice = "convert it to numbers, or leave it out with --drop"
        raise DataError(f"{where.file}: column {shown(name)} holds {kind} values: {advice}")
    texts = cells.astype(str)
    spoken = texts.isin(MISSING).to_numpy()
    parsed = pd.to_numeric(texts.where(~spoken), errors="coerce").to_numpy(dtype=np.float64)
    if cells.is_unique and all(isinstance(text, str) and text.isdigit() for text in cells) and _padded(texts):
        return None  # names of rows, such as 007
    stray, found = np.isnan(parsed) & ~spoken, int((~np.isnan(parsed)).sum())
    # A single stray word makes a column of numbers text; do not take it for text.
    if stray.sum() >= found:
        return None
    if stray.any():
        row = int(known[stray.argmax()])
        raise DataError(
            f"{where(row)}, column {shown(name)} holds {shown(str(series.iloc[row]))}, expected a number: "
            "correct it, or leave the column out with --drop"
        )
    whole = np.full(len(series), np.nan)
    whole[known] = parsed
    return whole


def _padded(texts: Series) -> bool:
    return bool(texts.str.match(r"0\d").any())


def _numeric(name: str, numbers: NDArray[np.float64], notes: list[str], hints: list[str]) -> Named:
    known = numbers[~np.isnan(numbers)]
    whole = len(known) == len(numbers) and bool((known == np.round(known)).all())
    steps = np.diff(known)
    counts = whole and len(known) > 1 and bool((steps == 1).all())
    if counts and not name:
        notes.append("unnamed column dropped: it only numbers the rows")
        return [], []
    note = id_note(name, numbers)
    if note is not None:
        notes.append(note)
    elif _GROUP_NAME.search(name) and len(np.unique(known)) < len(known):
        hints.append(group_hint(name))
    with np.errstate(over="ignore"):  # make_split refuses values too large for float32
        return [name], [numbers.astype(np.float32)]


def id_note(name: str, numbers: NDArray[np.float64]) -> str | None:
    """Return a note on a numeric column that may identify rows, or None if it seems to be a feature."""
    if np.isnan(numbers).any() or len(numbers) < 3 or (numbers != np.round(numbers)).any():
        return None
    steps = np.diff(numbers)
    ordered = bool((steps > 0).all() or (steps < 0).all())
    if not ordered and len(np.unique(numbers)) < len(numbers):
        return None
    counts = ordered or float(np.ptp(numbers)) <= 3 * len(numbers)
    if not _ID_NAME.search(name) and not (counts and len(numbers) >= FEWEST_ROWS):
        return None
    return f"column {shown(name)} may be a row id, as its whole numbers all differ: --drop {name!r} leaves it out"


def group_hint(name: str) -> str:
    """Return the advice for a column that seems to identify groups."""
    return f"column {shown(name)} may identify groups of rows that belong together: if so, give --groups {name!r}"


def _words(name: str, series: Series, where: Rows, notes: list[str], hints: list[str]) -> Named:
    missing = series.isna().to_numpy()
    known = np.flatnonzero(~missing)
    cells = [str(series.iloc[row]).strip() for row in known]
    _check_words(name, cells, known, where)
    values = sorted(set(cells))
    n_words = sum(len(cell.split()) for cell in cells)
    if len(values) == 1 and not missing.any():
        notes.append(f"column {shown(name)} dropped: it holds {shown(values[0])} in every row")
        return [], []
    if len(values) == len(cells) and n_words < WORDS_OF_A_TEXT * len(cells):
        notes.append(f"column {shown(name)} dropped: a row id, as all values differ")
        return [], []
    if n_words >= WORDS_OF_A_TEXT * len(cells) and len(values) > 2:
        raise DataError(
            f"{where.file}: column {shown(name)} holds text, such as {shown(cells[0])}: give --text {name!r} to use "
            "its words, or leave it out with --drop"
        )
    if len(values) > MOST_VALUES or 2 * len(values) > len(cells):
        groups = f", --groups {name!r} if it tells which rows belong together" if _GROUP_NAME.search(name) else ""
        raise DataError(
            f"{where.file}: column {shown(name)} holds text with {len(values)} different values, such as "
            f"{shown(cells[0])}: leave it out with --drop, or give --text {name!r} to use its words{groups}"
        )
    if _GROUP_NAME.search(name) and len(values) > 2:
        hints.append(group_hint(name))
    codes = np.full(len(series), np.nan, dtype=np.float32)
    place = {value: code for code, value in enumerate(values)}
    codes[known] = [place[cell] for cell in cells]
    if len(values) <= 2:
        one = which_is_one(values)
        notes.append(f"column {shown(name)} holds words: 1 for {values[one]}, else 0")
        return [f"{name}={values[one]}"], [np.where(missing, np.nan, codes == one).astype(np.float32)]
    notes.append(f"column {shown(name)} holds words: a 0/1 column for each of {listed(values)}")
    columns = [np.where(missing, np.nan, codes == code).astype(np.float32) for code in range(len(values))]
    return [f"{name}={value}" for value in values], columns


def _check_words(name: str, cells: list[str], rows: NDArray[np.intp], where: Rows) -> None:
    """Raise ``DataError`` if most cells are dates, or numbers in another form."""
    dates = [place for place, cell in enumerate(cells) if _DATE.fullmatch(cell)]
    if 2 * len(dates) > len(cells):
        raise DataError(
            f"{where(int(rows[dates[0]]))}, column {shown(name)} holds {shown(cells[dates[0]])}, a date or time: "
            "convert it to numbers, or leave it out with --drop"
        )
    numbers = [place for place, cell in enumerate(cells) if _OTHER_NUMBER.fullmatch(cell) and not cell.isdigit()]
    if 2 * len(numbers) > len(cells):
        first = cells[numbers[0]]
        comma = all(re.fullmatch(r"[-+]?\d*,?\d+(e[-+]?\d+)?", cells[place], re.IGNORECASE) for place in numbers)
        advice = "read it with --decimal ," if comma else "convert it to plain numbers, or leave it out with --drop"
        cell = f"{where(int(rows[numbers[0]]))}, column {shown(name)} holds {shown(first)}"
        raise DataError(f"{cell}, a number in another form: {advice}")


def which_is_one(values: list[str]) -> int:
    """Return the index of the value that means 1: the yes of a yes/no pair, else the one listed last."""
    words = [value.lower() for value in values]
    return next((words.index(pair[1]) for pair in YES_NO if set(words) == set(pair)), len(values) - 1)


def binary_hint(names: list[str], columns: list[Any]) -> list[str]:
    """Return a hint on columns of 0 and 1 among the features, which may be labels that were not named."""
    binary = [name for name, column in zip(names, columns, strict=True) if np.isin(column, (0, 1)).all()]
    if not binary or len(binary) == len(names) > 1 or len(binary) > MOST_VALUES:
        return []
    plural = "columns of 0 and 1 are features" if len(binary) > 1 else "a column of 0 and 1 is a feature"
    return [f"{plural}: {listed(binary)}: if a label is among them, name it with --labels"]
