"""Files that hold one table: CSV in its dialects, JSON lines and Parquet, each read into a data frame."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbench.data.formats.base import (
    BROKEN,
    ReadOptions,
    check_not_pointer,
    has_suffix,
    one_line,
    open_packed,
    packed,
    read_text,
    shown,
)
from mlbench.errors import DataError, UsageError

if TYPE_CHECKING:
    from pandas import DataFrame

DELIMITED, JSON_LINES, PARQUET = packed(".csv", ".tsv"), packed(".jsonl", ".ndjson"), (".parquet",)
SUFFIXES = (*DELIMITED, *JSON_LINES, *PARQUET)
MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "-nan", "null", "NULL", "None", "<NA>", "#N/A")
"""Cells of a column of numbers that are missing values; in a column of words, only the first two are."""
_DELIMITERS = (",", ";", "\t", "|")
_SPELT = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " "}
_HEAD = 1 << 16
"""How many characters are looked at to find the dialect."""
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_COMMA_NUMBER = re.compile(r"[-+]?\d*,\d+")
_POINT_NUMBER = re.compile(r"[-+]?\d*\.\d+")


def read_frame(file: Path, options: ReadOptions, notes: list[str]) -> DataFrame:
    """Read one table; cells that are missing are NaN, and all other words are as they are in the file.

    Args:
        file: A file with one of ``SUFFIXES``.
        options: Delimiter, encoding and decimal separator.
        notes: What was found out about the file is appended.

    Raises:
        DataError: The file is no table.
    """
    if has_suffix(file, PARQUET):
        return _read_parquet(file)
    if has_suffix(file, JSON_LINES):
        return _read_json_lines(file, options)
    return _read_delimited(file, options, notes)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a delimited file is written.

    Attributes:
        delimiter: What separates cells.
        decimal: What comes before the decimals of numbers.
        skipped: Lines before the first row, the header included.
        names: The column names.
    """

    delimiter: str
    decimal: str
    skipped: int
    names: tuple[str, ...]


# ------------------------------------------------------------------------------------------ delimited
def _read_delimited(file: Path, options: ReadOptions, notes: list[str]) -> DataFrame:
    import pandas as pd

    encoding, text = _encoding(file, options)
    dialect = _dialect(file, text, options, notes)
    how: dict[str, Any] = {
        "sep": dialect.delimiter,
        "encoding": encoding,
        "skiprows": dialect.skipped,
        "header": None,
        "keep_default_na": False,
        "skipinitialspace": dialect.delimiter != " ",
    }

    def parsed(**more: Any) -> DataFrame:
        try:
            return pd.read_csv(file, **how, **more)
        except UnicodeDecodeError:
            if options.encoding is not None:
                raise DataError(f"{file.name}: not {options.encoding} text") from None
            how["encoding"] = "latin-1"  # as many old files are
            return pd.read_csv(file, **how, **more)

    n = len(dialect.names)
    try:
        frame = parsed(decimal=dialect.decimal, na_values=list(MISSING), low_memory=False)
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame(columns=range(n))
    except DataError:
        raise
    except Exception as error:  # whatever the parser raises is about the file
        raise DataError(f"{file.name}: not a readable table: {one_line(error)}") from error
    if not isinstance(frame.index, pd.RangeIndex) or frame.shape[1] > n + 1:
        raise DataError(f"{file.name}: its rows have more cells than the header has names ({n})")
    if frame.shape[1] == n + 1:
        if not frame.iloc[:, -1].isna().all():
            raise DataError(f"{file.name}: its rows have more cells than the header has names ({n})")
        frame = frame.iloc[:, :-1]  # lines end in a delimiter
    if frame.shape[1] < n:
        raise DataError(f"{file.name}: its rows have {frame.shape[1]} cells, but the header has {n} names")
    if len(frame) and frame.iloc[:, -1].isna().any():
        _check_lengths(file, n, dialect, str(how["encoding"]))
    words = [column for column in frame if len(frame) and not pd.api.types.is_numeric_dtype(frame[column])]
    if words:  # read again as they are: a word such as NA or None is a word there
        try:
            again = parsed(usecols=words, dtype=str, na_values=list(MISSING[:2]), low_memory=False)
        except Exception as error:
            raise DataError(f"{file.name}: not a readable table: {one_line(error)}") from error
        for column in words:
            frame[column] = again[column].astype(object)
    return with_names(frame, list(dialect.names))


def _check_lengths(file: Path, n: int, dialect: Dialect, encoding: str) -> None:
    """Raise ``DataError`` if a row ends early: pandas fills it up with missing values."""
    with io.TextIOWrapper(open_packed(file), encoding=encoding, errors="replace", newline="") as stream:
        for _ in range(dialect.skipped):
            stream.readline()
        try:
            for row, cells in enumerate(filter(None, csv.reader(stream, delimiter=dialect.delimiter))):
                if len(cells) < n:
                    raise DataError(
                        f"{file.name}: row {row} (from 0) has {len(cells)} cells, but the header has {n} names"
                    )
        except csv.Error as error:
            raise DataError(f"{file.name}: not a readable table: {one_line(error)}") from error


def _encoding(file: Path, options: ReadOptions) -> tuple[str, str]:
    """Return the encoding and the start of the text."""
    try:
        with open_packed(file) as stream:
            start = stream.read(_HEAD)
    except BROKEN as error:
        raise DataError(f"{file.name}: cannot be read: {one_line(error)}") from error
    check_not_pointer(file, start)
    encoding = options.encoding or ("utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    try:
        return encoding, codecs.getincrementaldecoder(encoding)().decode(start)  # the last character may be cut
    except LookupError as error:
        raise UsageError(f"--encoding {encoding}: no such encoding: try utf-8, latin-1 or utf-16") from error
    except UnicodeDecodeError as error:
        if options.encoding is not None:
            raise DataError(f"{file.name}: not {encoding} text, at byte {error.start}") from error
        return "latin-1", start.decode("latin-1")  # as many old files are


def _dialect(file: Path, text: str, options: ReadOptions, notes: list[str]) -> Dialect:
    lines = re.split(r"\r\n|\r|\n", text)
    lines = lines[:-1] if len(text) >= _HEAD - 4 and len(lines) > 1 else lines
    start = 0
    while start < len(lines) and (not lines[start].strip() or lines[start].startswith("#")):
        start += 1
    body = lines[start:]
    if not body:
        raise DataError(f"{file.name}: the table has no rows")
    delimiter = _delimiter(file, body, options)
    reader = csv.reader(body, delimiter=delimiter)
    rows = _cells(body[:50], delimiter)
    header, skipped = rows[0], start + _lines_of_header(reader)
    comments = sum(line.startswith("#") for line in lines[:start])
    in_comment = _cells([lines[start - 1].lstrip("# ")], delimiter)[0] if comments else []
    if len(in_comment) == len(header) > 1 and _is_data(header):
        header, skipped = in_comment, start  # names stand in a comment, as NumPy writes them
        rows = [header, *rows]
    elif comments:
        notes.append(f"{file.name}: comment lines skipped: {comments}")
    twice = len(rows) > 2 and not _is_data(header) and _is_header(rows[1]) and _is_data(rows[2])
    if twice and len(rows[1]) == len(header):
        header, skipped, rows = rows[1], skipped + 1, rows[1:]
        notes.append(f"{file.name}: two header lines: the names of columns are those of the second")
    if len(header) > 1 and not header[-1].strip() and not any(row[-1].strip() for row in rows[1:] if row):
        header = header[:-1]  # lines end in a delimiter
    decimal = options.decimal
    if decimal == "." and delimiter == ";" and _decimal_commas(rows[1:]):
        decimal = ","
        notes.append(f"{file.name}: numbers have a decimal comma")
    names = tuple(" ".join(name.split()) for name in header)
    return Dialect(delimiter=delimiter, decimal=decimal, skipped=skipped, names=names)


def _lines_of_header(reader: Any) -> int:
    """Return how many lines the first row takes: a quoted name may hold line breaks."""
    try:
        next(reader)
    except (csv.Error, StopIteration):
        return 1
    return int(reader.line_num)


def _delimiter(file: Path, body: list[str], options: ReadOptions) -> str:
    """Return the delimiter that is said, or the one that gives most lines as many cells as the header."""
    if options.delimiter is not None:
        said = _SPELT.get(options.delimiter.lower(), options.delimiter)
        if len(said) != 1:
            raise UsageError(f"--delimiter {shown(said)}: give a single character, such as ';' or tab")
        return said
    usual = "\t" if ".tsv" in file.name.lower() else ","

    def fit(delimiter: str) -> tuple[bool, float, bool, int]:
        counts = [len(row) for row in _cells(body[:50], delimiter)]
        same = sum(count == counts[0] for count in counts) / len(counts)
        return counts[0] > 1, same, delimiter == usual, counts[0]

    best = max(_DELIMITERS, key=fit)
    return best if fit(best)[0] else usual


def _cells(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=delimiter)) or [[]]
    except csv.Error:
        return [line.split(delimiter) for line in lines]


def _is_data(row: list[str]) -> bool:
    """Return whether a line has numbers in at least half of its cells."""
    return 2 * sum(bool(_NUMBER.fullmatch(cell.strip())) for cell in row) >= max(len(row), 1)


def _is_header(row: list[str]) -> bool:
    """Return whether a line has different words in all of its cells, and no number."""
    cells = [cell.strip() for cell in row]
    return all(cells) and len(set(cells)) == len(cells) and not any(map(_NUMBER.fullmatch, cells))


def _decimal_commas(rows: list[list[str]]) -> bool:
    """Return whether numbers have a decimal comma: some do that cannot be thousands, and none has a point."""
    cells = [cell.strip() for row in rows for cell in row]
    commas = [cell for cell in cells if _COMMA_NUMBER.fullmatch(cell)]
    unclear = all(re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", cell) for cell in commas)
    return bool(commas) and not unclear and not any(map(_POINT_NUMBER.fullmatch, cells))


# ------------------------------------------------------------------------------------ JSON lines, Parquet
def _read_json_lines(file: Path, options: ReadOptions) -> DataFrame:
    import pandas as pd

    rows = []
    for number, line in enumerate(io.StringIO(read_text(file, options.encoding)), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file.name}: line {number}: not JSON: {one_line(error)}") from error
        if not isinstance(row, dict):
            raise DataError(f"{file.name}: line {number}: expected an object {{…}} with a value for each column")
        rows.append(row)
    try:
        frame = pd.DataFrame.from_records(rows)
    except Exception as error:  # such as an integer of a thousand digits
        raise DataError(f"{file.name}: not a readable table: {one_line(error)}") from error
    return with_names(frame, list(frame.columns))


def _read_parquet(file: Path) -> DataFrame:
    with file.open("rb") as stream:
        check_not_pointer(file, stream.read(64))
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
    return with_names(frame.reset_index(drop=True), list(frame.columns))


def with_names(frame: DataFrame, names: list[Any]) -> DataFrame:
    """Set the column names, as text on one line because messages and boards show them."""
    frame.columns = [" ".join(str(name).splitlines()) for name in names]
    return frame
