"""Tables (CSV, TSV and Parquet): one row per example, with columns for features, labels, groups and split."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, make_split
from mlbench.data.formats.base import (
    FILES,
    Format,
    ReadOptions,
    files_in,
    has_suffix,
    listed,
    one_line,
    shown,
)
from mlbench.data.formats.label_cells import check_single, json_cells, split_cells, word_cells
from mlbench.data.formats.parts import PART_OF, PART_WORDS, parts_in
from mlbench.errors import DataError, UnknownName, UsageError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_OTHER_NUMBER = re.compile(r"[-+]?[$€£]?\s?\d[\d.,' ]*(e[-+]?\d+)?\s?(%|[a-zA-Zµ°²³/]{1,4})?", re.IGNORECASE)
"""A number with a decimal comma, a thousands mark, a unit, a currency or a percent sign."""
WORDS_OF_A_TEXT = 3
"""Texts of so many words on average are no row ids."""
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


def _recognises(path: Path) -> bool:
    return has_suffix(path, SUFFIXES) or bool(files_in(path, SUFFIXES))


def _find(path: Path, options: ReadOptions) -> dict[str, Path]:
    return parts_in(path, SUFFIXES, "tables", options.fold)


def _read(parts: Mapping[str, Path], name: str, options: ReadOptions) -> Dataset:
    [file] = parts.values()
    frame = _read_parquet(file) if file.suffix.lower() == ".parquet" else _read_csv(file, options.decimal)
    table = _Table(file.name, frame, options)
    labels = _label_columns(file.name, list(frame.columns), options.labels)
    special = [_known(column, list(frame.columns)) for column in (options.groups, options.split) if column is not None]
    _check_distinct(labels, special)

    label_names, Y = table.labels(labels)
    used = {*labels, *special}
    feature_names, X = table.features([c for c in frame.columns if c not in used])
    groups = None if options.groups is None else table.groups(options.groups)
    # Checked as a whole, so that errors name the row of the file, not of the split.
    where = f"{file.name} (rows from 0)"
    whole = make_split(X, Y, groups, where=where, feature_names=feature_names, label_names=label_names)
    splits = {"train": whole}
    if options.split is not None:
        split_of = table.splits(options.split)
        splits = {part: whole.take(np.flatnonzero(split_of == part)) for part in PART_WORDS if part in split_of}
        if "train" not in splits:
            raise DataError(f"{file.name}: no row has train in column {shown(options.split)}")
    return Dataset(
        name=name,
        train=splits["train"],
        valid=splits.get("valid"),
        test=splits.get("test"),
        label_names=tuple(label_names),
        feature_names=tuple(feature_names),
        notes=tuple(table.notes),
    )


def _read_csv(file: Path, decimal: str) -> DataFrame:
    import pandas as pd

    how: dict[str, Any] = {"sep": "\t" if ".tsv" in file.name.lower() else ",", "encoding": "utf-8-sig"}
    try:
        # pandas silently renames duplicate columns, so the names are read separately.
        names = pd.read_csv(file, **how, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0].tolist()
        frame = pd.read_csv(file, **how, decimal=decimal, low_memory=False)
    except Exception as error:  # whatever the parser raises is about the file
        raise DataError(f"{file.name}: not a readable table: {one_line(error)}") from error
    if len(names) != frame.shape[1] or not isinstance(frame.index, pd.RangeIndex):
        raise DataError(f"{file.name}: its rows have more cells than the header has names ({len(names)})")
    return _with_names(frame, names)


def _read_parquet(file: Path) -> DataFrame:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UsageError(f"{file.name}: Parquet needs pyarrow: pip install 'mlbench-suite[parquet]'") from error
    try:
        with ParquetFile(file) as parquet:
            table = parquet.read()
        table.validate(full=True)  # else text that is not UTF-8 only fails later, where it is used
        frame: DataFrame = table.to_pandas()
    except Exception as error:  # whatever the parser raises is about the file
        raise DataError(f"{file.name}: not a Parquet file: {one_line(error)}") from error
    return _with_names(frame.reset_index(drop=True), list(frame.columns))


def _with_names(frame: DataFrame, names: list[Any]) -> DataFrame:
    """Set the column names, as text on one line because messages and boards show them."""
    frame.columns = [" ".join(str(name).splitlines()) for name in names]
    return frame


def _label_columns(file: str, columns: list[str], wanted: tuple[str, ...]) -> list[str]:
    """Return the columns that ``--labels`` selects, in the order of the file."""
    if not wanted:
        raise UsageError(f"{file}: name the label columns with --labels; available: {listed(columns)}")
    found: set[str] = set()
    for entry in wanted:
        for name in [entry] if entry in columns else [name.strip() for name in entry.split(",")]:
            found |= (
                {name} if name in columns else {c for c in columns if fnmatchcase(c, name)} or {_known(name, columns)}
            )
    return [column for column in columns if column in found]


def _known(name: str, columns: list[str]) -> str:
    if name not in columns:
        raise UnknownName("column", name, columns)
    return name


def _check_distinct(labels: list[str], special: list[str]) -> None:
    for column in special:
        if column in labels or special.count(column) > 1:
            raise UsageError(f"column {shown(column)} can only be one of label, --groups and --split")


class _Table:
    """Converts the columns of one file to numbers.

    Attributes:
        notes: One line per column that was dropped.
    """

    def __init__(self, file: str, frame: DataFrame, options: ReadOptions) -> None:
        self.file = file
        self.options = options
        self.frame = frame
        self.notes: list[str] = []
        twice = frame.columns[frame.columns.duplicated()]
        if len(twice):
            raise DataError(f"{file}: two columns are named {shown(twice[0])}: rename one of them")
        if not len(frame):
            raise DataError(f"{file}: the table has a header but no rows")

    def labels(self, columns: list[str]) -> tuple[list[str], NDArray[np.float64]]:
        """Return label names and labels (n, k); what a cell of text means is told by ``label_cells``."""
        names: list[str] = []
        blocks = []
        for column in columns:
            values, block = self._label(column)
            names += values
            blocks.append(block)
        return names, np.hstack(blocks)

    def _label(self, column: str) -> tuple[list[str], NDArray[np.float64]]:
        series = self.frame[column]
        if self.options.label_separator is not None:
            cells = ["" if missing else str(cell) for cell, missing in zip(series, series.isna(), strict=True)]
            return split_cells(column, cells, self.options.label_separator)
        if series.isna().any() and not self.options.one_hot:  # a cell without labels is empty
            check_single(self.file, column, sorted({cell for cell in series if isinstance(cell, str)}))
        numbers = self._numbers(column, self._whole(column))
        if numbers is None:
            text = self._text(column, series).tolist()
            return json_cells(column, text) or word_cells(self.file, column, text, self.options)
        if (numbers == -1).any() and np.isin(numbers, (-1, 1)).all():
            self.notes.append(f"label {shown(column)}: -1 is read as 0")
            numbers = (numbers == 1).astype(np.float64)
        return [column], numbers[:, None]

    def features(self, columns: list[str]) -> tuple[list[str], NDArray[np.float32]]:
        """Return feature names and features (n, d); row ids are dropped and noted."""
        names, cells = [], []
        for column in columns:
            series = self._whole(column)
            numbers = self._numbers(column, series)
            if numbers is None and series.is_unique and self._is_row_id(column, series):
                self.notes.append(f"column {shown(column)} dropped: a row id, as all values differ")
            elif numbers is None:
                raise DataError(
                    f"{self.file}: column {shown(column)} holds text, such as {shown(str(series.iloc[0]))}: "
                    "convert it to numbers, remove it, or name it with --labels, --groups or --split"
                )
            elif not column and np.array_equal(numbers - numbers[:1], np.arange(len(numbers))):
                self.notes.append("unnamed column dropped: it only numbers the rows")
            else:
                names.append(column)
                cells.append(numbers)
        with np.errstate(over="ignore"):  # make_split refuses values too large for float32
            matrix = np.empty((len(self.frame), len(cells)), dtype=np.float32)
            for j, numbers in enumerate(cells):
                matrix[:, j] = numbers
        return names, matrix

    def groups(self, column: str) -> NDArray[np.intp]:
        """Return the group of each row as an integer, from a column of any type."""
        import pandas as pd

        return np.asarray(pd.factorize(self._whole(column))[0])

    def splits(self, column: str) -> NDArray[np.str_]:
        """Return ``train``, ``valid`` or ``test`` for each row."""
        words = [str(value).strip().lower() for value in self._whole(column)]
        wrong = next((row for row, word in enumerate(words) if word not in PART_OF), None)
        if wrong is not None:
            where = f"{self.file}: row {wrong} (from 0), column {shown(column)}"
            raise DataError(f"{where} holds {shown(words[wrong])}, expected train, valid or test")
        return np.array([PART_OF[word] for word in words])

    def _whole(self, column: str) -> Series:
        """Return a column, refusing missing values."""
        series = self.frame[column]
        missing = np.flatnonzero(series.isna())
        if len(missing):
            where = f"{self.file}: row {missing[0]} (from 0), column {shown(column)}"
            raise DataError(f"{where} is missing: replace or drop such values first")
        return series

    def _numbers(self, column: str, series: Series) -> NDArray[np.float64] | None:
        """Return a numeric or Boolean column as numbers, or None for text."""
        import pandas as pd
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        if is_bool_dtype(series) or (is_numeric_dtype(series) and series.dtype.kind != "c"):
            return np.asarray(series.to_numpy(dtype=np.float64))
        # A single stray word makes pandas read a column of numbers as text; do not take it for text.
        no_number = pd.to_numeric(self._text(column, series), errors="coerce").isna().to_numpy()
        if 0 < no_number.mean() < 0.5:
            row = int(no_number.argmax())
            where = f"{self.file}: row {row} (from 0), column {shown(column)}"
            raise DataError(f"{where} holds {shown(series.iloc[row])}, expected a number")
        return None

    def _is_row_id(self, column: str, text: Series) -> bool:
        """Return whether texts that all differ only name the rows; numbers in another form are an error."""
        cells = [str(cell).strip() for cell in text]
        numbers = [row for row, cell in enumerate(cells) if _OTHER_NUMBER.fullmatch(cell) and not cell.isdigit()]
        if 2 * len(numbers) > len(cells):
            where = f"{self.file}: row {numbers[0]} (from 0), column {shown(column)}"
            advice = "read it with --decimal ," if "," in cells[numbers[0]] else "convert it to plain numbers"
            raise DataError(f"{where} holds {shown(cells[numbers[0]])}, a number in another form: {advice}")
        return sum(len(cell.split()) for cell in cells) < WORDS_OF_A_TEXT * len(cells)

    def _text(self, column: str, series: Series) -> Series:
        """Return the column, refusing cells that are not text."""
        other = next((value for value in series if not isinstance(value, str)), None)
        if other is not None:
            kind = type(other).__name__
            raise DataError(
                f"{self.file}: column {shown(column)} holds {kind} values: convert it to numbers or remove it"
            )
        return series


FORMAT = Format(
    name="table",
    describe="one .csv, .csv.gz, .tsv or .parquet file, with --labels COLUMNS",
    recognises=_recognises,
    find=_find,
    read=_read,
    takes=frozenset(ReadOptions().__dict__) - FILES,
)
