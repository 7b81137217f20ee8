"""What all data formats share: options, the ``Format`` record, and helpers for files and messages."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Matrix
from mlbench.errors import DataError, UsageError

YES_NO = (("0", "1"), ("0.0", "1.0"), ("-1", "1"), ("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"))
"""Pairs of words that mean 0 and 1, in lower case."""

SUFFIXES = (
    ".arff",
    ".dat",
    ".csv",
    ".tsv",
    ".jsonl",
    ".parquet",
    ".txt",
    ".svm",
    ".libsvm",
    ".svmlight",
    ".npz",
    ".npy",
)
"""Suffixes of data files, without those of compression; they are not part of a data set's name."""
_UNPACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress,
}  # fmt: skip
"""How packed files are read, by suffix."""
_LONGEST_NAME = 64


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What the user says of files that do not say it themselves.

    Columns are names, comma-separated names, or shell globs such as ``Class*``.

    Attributes:
        labels: Label columns.
        drop: Columns that are not used.
        text: Columns of text, which the features ``tfidf`` are made of.
        groups: The column that tells which rows belong together, or None.
        split: The column that tells the split of each row, or its fold, or None.
        fold: The fold that is the test split; None where there are no folds.
        key: The column by which the rows of two tables belong together, or None.
        join: The path of the second table, or None: it is the other table of the folder.
        label_separator: What separates the labels of a row where one cell holds them all, or None.
        positive: The words that mean 1 in label columns with two words: ``WORD`` or ``COLUMN=WORD``.
        unknown: Values of label cells that mean that the label is unknown, beside empty cells and ``?``.
        one_hot: Whether each text in a label column is a label of its own, of which a row has one.
        decimal: The character before the decimals of numbers, ``"."`` or ``","``.
        delimiter: What separates the cells of a line; None to find it.
        encoding: The encoding of text files; None to find it.
        valid: The path of the validation split, or None.
        test: The path of the test split, or None.
    """

    labels: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    groups: str | None = None
    split: str | None = None
    fold: int | None = None
    key: str | None = None
    join: str | None = None
    label_separator: str | None = None
    positive: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    one_hot: bool = False
    decimal: str = "."
    delimiter: str | None = None
    encoding: str | None = None
    valid: str | None = None
    test: str | None = None

    def said(self) -> list[str]:
        """Return the names of the options that are not at their default."""
        return [field.name for field in fields(self) if getattr(self, field.name) != field.default]


NO_OPTIONS = ReadOptions()
FILES = frozenset({"valid", "test", "fold"})
"""The options that say which files to read, which every format takes."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A file format that mlbench can read.

    Attributes:
        name: The common name of the format.
        describe: The files that make it up, as a phrase for messages.
        recognises: Tells whether a path (a file or a folder) looks like this format, without reading it.
        find: Returns the path of each split below a path: ``train``, and ``valid`` and ``test`` where they exist;
            raises ``DataError`` or ``UsageError``.
        read: Reads the paths of the splits into a data set of the given name; raises ``DataError`` or ``UsageError``.
        takes: The names of the ``ReadOptions`` that it takes, beside those in ``FILES``.
    """

    name: str
    describe: str
    recognises: Callable[[Path], bool]
    find: Callable[[Path, ReadOptions], Mapping[str, Path]]
    read: Callable[[Mapping[str, Path], str, ReadOptions], Dataset]
    takes: frozenset[str] = frozenset()


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
    for suffixes in (tuple(_UNPACK), SUFFIXES):
        for suffix in suffixes:
            if name.lower().endswith(suffix):
                name = name[: -len(suffix)]
                break
    return name


def packed(*suffixes: str) -> tuple[str, ...]:
    """Return the suffixes, each plain and packed."""
    return tuple(suffix + end for suffix in suffixes for end in ("", *_UNPACK))


def has_suffix(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Return whether ``path`` is a file with one of the suffixes, ignoring case."""
    return path.name.lower().endswith(suffixes) and path.is_file()


def files_in(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """List the files of a folder that have one of the suffixes, sorted, without hidden files."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and has_suffix(p, suffixes))


def read_bytes(path: Path) -> bytes:
    """Read a file, decompressed if it is packed.

    Raises:
        DataError: The packed file is broken, or the file is only a pointer to the data.
    """
    raw = path.read_bytes()
    for suffix, unpack in _UNPACK.items():
        if path.name.lower().endswith(suffix):
            try:
                raw = unpack(raw)
            except BROKEN as error:
                raise DataError(f"{path.name}: corrupt or incomplete {suffix} file: download it again") from error
    check_not_pointer(path, raw)
    return raw


def open_packed(path: Path) -> IO[bytes]:
    """Open a file, plain or packed, for reading."""
    openers: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    opener: Callable[[Path], Any] = openers.get(path.suffix.lower(), lambda plain: plain.open("rb"))
    found: IO[bytes] = opener(path)
    return found


BROKEN = (OSError, ValueError, EOFError, lzma.LZMAError, zlib.error)
"""What the libraries raise for packed files that are cut short or damaged."""


def check_not_pointer(path: Path, start: bytes) -> None:
    """Raise ``DataError`` if a file, of which ``start`` is the start, is a Git LFS pointer instead of the data."""
    if start.startswith(b"version https://git-lfs.github.com/"):
        raise DataError(f"{path.name}: a Git LFS pointer, not the data: fetch the file with 'git lfs pull'")


def read_text(path: Path, encoding: str | None = None) -> str:
    """Read a text file, packed or plain, and normalise its newlines.

    Args:
        path: The file.
        encoding: Its encoding; by default UTF-8, UTF-16 if it starts with a byte order mark, or Latin-1, which old
            files use.

    Raises:
        DataError: The file is broken, or not in that encoding.
    """
    data = read_bytes(path)
    if encoding is None and data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        encoding = "utf-16"
    try:
        text = data.decode(encoding or "utf-8-sig")
    except LookupError as error:
        raise UsageError(
            f"--encoding {encoding}: no such encoding: use for example utf-8, latin-1 or utf-16"
        ) from error
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise DataError(f"{path.name}: not {encoding} text, at byte {error.start}") from error
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
    with np.errstate(over="ignore", invalid="ignore"):  # make_split refuses values too large for float32
        matrices = [m.astype(np.float32) for m in matrices]
    cells = sum(m.shape[0] * m.shape[1] for m in matrices)
    if 2 * sum(m.count_nonzero() for m in matrices) <= cells:
        return matrices
    return [dense(m) for m in matrices]
