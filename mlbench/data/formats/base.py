"""What all data formats share: options, the ``Format`` record, and helpers for files and messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Matrix
from mlbench.errors import DataError

YES_NO = (("0", "1"), ("0.0", "1.0"), ("-1", "1"), ("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"))
"""Pairs of words that mean 0 and 1, in lower case."""

SUFFIXES = (".arff", ".csv", ".tsv", ".parquet", ".txt", ".svm", ".libsvm", ".svmlight")
"""Suffixes of data files, without those of compression; they are not part of a data set's name."""
_PACKED = (".gz", ".bz2")
_LONGEST_NAME = 64


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """The roles of the columns of a table, from the command line; other formats define them in their files.

    Attributes:
        labels: Label columns: names, comma-separated names, or shell globs such as ``Class*``.
        groups: The column that tells which rows belong together, or None.
        split: The column that holds ``train``, ``valid`` or ``test``, or None.
        label_separator: What separates the labels of a row where one cell holds them all, or None.
        positive: The words that mean 1 in label columns with two words: ``WORD`` or ``COLUMN=WORD``.
        one_hot: Whether each text in a label column is a label of its own, of which a row has one.
        decimal: The character before the decimals of numbers, ``"."`` or ``","``.
    """

    labels: tuple[str, ...] = ()
    groups: str | None = None
    split: str | None = None
    label_separator: str | None = None
    positive: tuple[str, ...] = ()
    one_hot: bool = False
    decimal: str = "."


NO_OPTIONS = ReadOptions()


@dataclass(frozen=True, kw_only=True)
class Format:
    """A file format that mlbench can read.

    Attributes:
        name: The common name of the format.
        describe: The files that make it up, as a phrase for messages.
        recognises: Tells whether a path (a file or a folder) looks like this format, without reading it.
        read: Reads a path with options into a data set; raises ``DataError`` or ``UsageError``.
        takes_options: Whether the format uses ``ReadOptions``.
    """

    name: str
    describe: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Dataset]
    takes_options: bool = False


def dataset_name(path: Path) -> str:
    """Derive a short name from a path: ``yeast`` from ``data/yeast`` and from ``yeast.csv.gz``."""
    if path.name in ("", ".."):
        path = path.resolve()
    stem = path.name if path.is_dir() else bare_stem(path)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")
    return name[:_LONGEST_NAME] or "data"


def bare_stem(path: Path) -> str:
    """Strip the suffixes of compression and format: ``yeast`` for ``yeast.csv.gz``."""
    name = path.name
    for suffixes in (_PACKED, SUFFIXES):
        for suffix in suffixes:
            if name.lower().endswith(suffix):
                name = name[: -len(suffix)]
                break
    return name


def has_suffix(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Return whether ``path`` is a file with one of the suffixes, ignoring case."""
    return path.name.lower().endswith(suffixes) and path.is_file()


def files_in(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """List the files of a folder that have one of the suffixes, sorted, without hidden files."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and has_suffix(p, suffixes))


def read_text(path: Path, raw: bytes | None = None) -> str:
    """Read a text file as UTF-8, or as Latin-1 as many old files are, and normalise its newlines."""
    data = path.read_bytes() if raw is None else raw
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def shown(text: str, longest: int = 40) -> str:
    """Format a cell for an error message: quoted, on one line, truncated."""
    return repr(text if len(text) <= longest else text[:longest] + "…")


def listed(names: Iterable[str], most: int = 8) -> str:
    """Join the first names of a list, with the total number if some are omitted."""
    names = list(names)
    rest = f", … ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(shown(name)[1:-1] for name in names[:most]) + rest


def one_line(error: Exception) -> str:
    """Return the message of another library's error on one line."""
    return " ".join(str(error).split())


def one_of(files: Sequence[Path], folder: Path, what: str) -> Path:
    """Return the only file of a list.

    Raises:
        DataError: There is not exactly one.
    """
    if len(files) != 1:
        names = listed(file.name for file in files)
        raise DataError(f"{folder}: {len(files)} {what} ({names}): give the path of the one to read")
    return files[0]


def dense(matrix: Any) -> NDArray[Any]:
    """Return a dense or sparse matrix as an array."""
    return np.asarray(matrix.toarray() if sp.issparse(matrix) else matrix)


def dense_if_full(matrices: Sequence[sp.csr_matrix]) -> Sequence[Matrix]:
    """Convert matrices to float32, and to dense arrays if more than half of all cells are non-zero."""
    with np.errstate(over="ignore"):  # make_split refuses values too large for float32
        matrices = [m.astype(np.float32) for m in matrices]
    cells = sum(m.shape[0] * m.shape[1] for m in matrices)
    if 2 * sum(m.count_nonzero() for m in matrices) <= cells:
        return matrices
    return [dense(m) for m in matrices]
