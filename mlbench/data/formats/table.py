"""Tables (CSV, TSV, JSON lines and Parquet): one row per example, with columns for features, labels, groups, split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, make_split
from mlbench.data.formats.base import FILES, NO_OPTIONS, Format, ReadOptions, files_in, has_suffix, listed, shown
from mlbench.data.formats.columns import check_roles, one, select, split_of_rows
from mlbench.data.formats.label_cells import check_single, list_cells, number_cells, split_cells, word_cells
from mlbench.data.formats.parts import PART_WORDS, parts_in
from mlbench.data.formats.table_columns import Rows, binary_hint, feature_columns, numbers_of
from mlbench.data.formats.table_files import SUFFIXES, read_frame
from mlbench.errors import DataError, UsageError

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def _recognises(path: Path) -> bool:
    return has_suffix(path, SUFFIXES) or bool(files_in(path, SUFFIXES))


def _find(path: Path, options: ReadOptions) -> dict[str, Path]:
    if path.is_dir() and options.key is not None and options.join is None:
        files = files_in(path, SUFFIXES)
        if len(files) != 2:
            names = listed(file.name for file in files)
            raise UsageError(f"{path}: --key joins two tables, but the folder has {len(files)} ({names}): give --join")
        return {"train": files[0]}
    return parts_in(path, SUFFIXES, "tables", None if options.split is not None else options.fold)


def _read(parts: Mapping[str, Path], name: str, options: ReadOptions) -> Dataset:
    notes: list[str] = []
    frames = {part: _joined(file, options, notes) for part, file in parts.items()}
    table = _Table(parts, frames, options, notes)
    columns = table.columns
    if not options.labels:
        raise UsageError(f"{table.file}: name the label columns with --labels; available: {listed(columns)}")
    labels = select(columns, options.labels)
    texts = select(columns, options.text)
    special = [one(columns, column) for column in (options.groups, options.split) if column is not None]
    dropped = select(columns, options.drop)
    check_roles(labels, texts, special, dropped)

    label_names, Y = table.labels(labels)
    used = {*labels, *texts, *special, *dropped}
    feature_names, X = table.features([column for column in columns if column not in used])
    whole = make_split(  # checked as a whole, so that errors name the row of the file, not of the split
        X,
        Y,
        None if options.groups is None else table.groups(options.groups),
        texts=table.texts(texts) if texts else None,
        where=f"{table.file} (rows from 0)",
        feature_names=feature_names,
        label_names=label_names,
    )
    part_of_row = table.parts if options.split is None else table.splits(options.split)
    splits = {part: whole.take(np.flatnonzero(part_of_row == part)) for part in PART_WORDS if part in part_of_row}
    if "train" not in splits:
        raise DataError(f"{table.file}: no row has train in column {shown(str(options.split))}")
    return Dataset(
        name=name,
        train=splits["train"],
        valid=splits.get("valid"),
        test=splits.get("test"),
        label_names=tuple(label_names),
        feature_names=tuple(feature_names),
        features=("raw",) if not texts else ("tfidf", "raw") if feature_names else ("tfidf",),
        notes=tuple(notes),
        hints=tuple(table.hints),
    )


# ------------------------------------------------------------------------------------------- two tables
def _joined(file: Path, options: ReadOptions, notes: list[str]) -> DataFrame:
    """Read a table, and add the columns of the second one, row by row of the same key."""
    frame = _checked(file, read_frame(file, options, notes))
    if options.key is None:
        if options.join is not None:
            raise UsageError("--join needs --key: the column by which the rows of the two tables belong together")
        return frame
    second = Path(options.join) if options.join is not None else _other_table(file)
    if not second.is_file():
        raise UsageError(f"--join {second}: no such file")
    other = _checked(second, read_frame(second, options, notes))
    keys = [_keys(file, frame, options.key), _keys(second, other, options.key)]
    both = [column for column in frame if column in other and column != options.key]
    if both:
        raise DataError(f"{file.name} and {second.name} both have column {shown(both[0])}: leave one of them out")
    rows = keys[0].isin(keys[1])
    if not rows.any():
        raise DataError(f"{file.name} and {second.name} have no {shown(options.key)} in common")
    alone = int((~rows).sum()), int((~keys[1].isin(keys[0])).sum())
    for path, count in zip((file, second), alone, strict=True):
        if count:
            notes.append(f"{path.name}: {count} rows left out: their {shown(options.key)} is not in the other table")
    place = {key: row for row, key in enumerate(keys[1])}
    matching = other.iloc[[place[key] for key in keys[0][rows]]].drop(columns=options.key)
    import pandas as pd

    left = frame[rows].drop(columns=options.key).reset_index(drop=True)
    return pd.concat([left, matching.reset_index(drop=True)], axis=1)


def _other_table(file: Path) -> Path:
    others = [other for other in files_in(file.parent, SUFFIXES) if other != file]
    if len(others) != 1:
        raise UsageError(f"--key joins two tables: name the second one with --join, beside {file.name}")
    return others[0]


def _keys(file: Path, frame: DataFrame, key: str) -> Series:
    """Return the keys of a table as text, each of which must occur once."""
    keys = frame[one(list(frame.columns), key)]
    missing = np.flatnonzero(keys.isna())
    if len(missing):
        raise DataError(f"{file.name}: row {missing[0]} (from 0) has no {shown(key)}")
    keys = keys.map(lambda value: f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value))
    twice = np.flatnonzero(keys.duplicated())
    if len(twice):
        raise DataError(f"{file.name}: {shown(key)} {shown(keys.iloc[twice[0]])} occurs twice: a key must be unique")
    return keys


def _checked(file: Path, frame: DataFrame) -> DataFrame:
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"{file.name}: two columns are named {shown(twice[0])}: rename one of them")
    if not len(frame):
        raise DataError(f"{file.name}: the table has a header but no rows")
    return frame


# -------------------------------------------------------------------------------------------- one table
class _Table:
    """Converts the columns of one table, which may come from one file per split, to numbers.

    Attributes:
        file: The name of the file, or of the first one.
        where: Where the rows come from.
        columns: The column names.
        parts: The split that the file of each row states (n,); ``train`` for a single file.
        notes: What a reader of results should know, one line each.
        hints: What the user may want to say, one line each.
    """

    def __init__(
        self, files: Mapping[str, Path], frames: Mapping[str, DataFrame], options: ReadOptions, notes: list[str]
    ) -> None:
        import pandas as pd

        self.options = options
        self.notes, self.hints = notes, list[str]()
        names = [file.name for file in files.values()]
        self.where = Rows(names, np.cumsum([len(frame) for frame in frames.values()]).tolist())
        self.file = self.where.file
        first = next(iter(frames.values()))
        for name, frame in zip(names[1:], list(frames.values())[1:], strict=True):
            for has, lacks, column in [
                *((self.file, name, column) for column in first if column not in frame),
                *((name, self.file, column) for column in frame if column not in first),
            ]:
                raise DataError(f"{has} has column {shown(column)}, but {lacks} has not: they must have the same ones")
        if options.split is not None and len(frames) > 1:
            raise UsageError(f"--split {options.split}: the files ({listed(names)}) are splits already: leave it out")
        self.columns = list(first.columns)
        self.frame = first if len(frames) == 1 else pd.concat(list(frames.values()), ignore_index=True)
        self.parts = np.repeat(np.array(list(frames), dtype=object), [len(frame) for frame in frames.values()])

    def labels(self, columns: list[str]) -> tuple[list[str], NDArray[np.float64]]:
        """Return label names and labels (n, k), NaN where unknown; what a cell means is told by ``label_cells``."""
        names: list[str] = []
        blocks = []
        for column in columns:
            values, block = self._label(column, only=len(columns) == 1)
            names += values
            blocks.append(block)
        return names, np.hstack(blocks)

    def _label(self, column: str, *, only: bool) -> tuple[list[str], NDArray[np.float64]]:
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        series, separator = self.frame[column], self.options.label_separator
        unknown = (series.isna() | self._said_unknown(series)).to_numpy()
        if is_numeric_dtype(series) and separator is None:
            if is_bool_dtype(series):
                self.notes.append(f"label {shown(column)}: True is 1")
            known = np.where(unknown, np.nan, series.to_numpy(dtype=np.float64, na_value=np.nan))
            return number_cells(self.file, column, known, self.options, self.notes, only=only)
        cells = [None if missing else cell for cell, missing in zip(series, unknown, strict=True)]
        if separator is not None:
            return split_cells(column, ["" if cell is None else str(cell) for cell in cells], separator)
        lists = list_cells(column, [list(cell) if isinstance(cell, np.ndarray | tuple) else cell for cell in cells])
        if lists is not None:
            return lists
        words = sorted({cell for cell in cells if isinstance(cell, str)})
        if words and not self.options.one_hot and not self.options.positive:
            check_single(self.file, column, words)
        numbers = numbers_of(column, series.mask(unknown), self.where)
        if numbers is not None:
            return number_cells(self.file, column, numbers, self.options, self.notes, only=only)
        text = ["" if cell is None else str(cell) for cell in cells]
        return word_cells(self.file, column, text, self.options, self.notes, only=only)

    def _said_unknown(self, series: Series) -> Series:
        """Return which cells hold one of the values of ``--unknown``."""
        said = {text.strip() for text in self.options.unknown}
        numbers = set()
        for text in said:
            try:
                numbers.add(float(text))
            except ValueError:
                continue

        def is_said(cell: Any) -> bool:
            return str(cell).strip() in said or (isinstance(cell, int | float | np.number) and float(cell) in numbers)

        found: Series = series.map(is_said).astype(bool) if said else series.isna()
        return found

    def features(self, columns: list[str]) -> tuple[list[str], NDArray[np.float32]]:
        """Return feature names and features (n, d); row ids and empty columns are dropped and noted."""
        names: list[str] = []
        blocks: list[NDArray[np.float32]] = []
        for column in columns:
            found, values = feature_columns(column, self.frame[column], self.where, self.notes, self.hints)
            names += found
            blocks += values
        self.hints += binary_hint(names, blocks)
        matrix = np.empty((len(self.frame), len(blocks)), dtype=np.float32)
        for j, block in enumerate(blocks):
            matrix[:, j] = block
        return names, matrix

    def texts(self, columns: list[str]) -> list[str]:
        """Return one text for each row: the cells of these columns, one a line; a missing cell is empty."""
        cells = [
            ["" if missing else str(cell) for cell, missing in zip(s, s.isna(), strict=True)]
            for s in (self.frame[column] for column in columns)
        ]
        return ["\n".join(row) for row in zip(*cells, strict=True)]

    def groups(self, column: str) -> NDArray[Any]:
        """Return the group of each row as an integer, from a column of any type."""
        import pandas as pd

        return np.asarray(pd.factorize(self._whole(column))[0])

    def splits(self, column: str) -> NDArray[np.object_]:
        """Return ``train``, ``valid`` or ``test`` for each row, from these words or from the number of a fold."""
        cells = [str(value) for value in self._whole(column)]
        return split_of_rows(cells, self.options.fold, column, self.where)

    def _whole(self, column: str) -> Series:
        """Return a column, refusing missing values."""
        series = self.frame[column]
        missing = np.flatnonzero(series.isna())
        if len(missing):
            raise DataError(f"{self.where(int(missing[0]))}, column {shown(column)} is missing: fill it in first")
        return series


FORMAT = Format(
    name="table",
    describe="a .csv, .tsv, .jsonl or .parquet file, or one for each split, with --labels COLUMNS",
    recognises=_recognises,
    find=_find,
    read=_read,
    takes=frozenset(vars(NO_OPTIONS)) - FILES,
)
