"""What all data formats share: the options, the ``Format`` record, names of files and parts."""

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

YES_NO = (("0", "1"), ("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"))
"""Pairs of words that mean 0 and 1, in lower case."""

_SUFFIXES = (".arff", ".csv", ".tsv", ".parquet", ".txt", ".svm", ".libsvm", ".svmlight")
_PACKED = (".gz", ".bz2")
_LONGEST_NAME = 64


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What the command line says about a table; other formats say it themselves.

    Attributes:
        labels: Label columns: names, comma-separated names, or shell globs such as ``Class*``.
        groups: The column that says which rows belong together, or None.
        split: The column that holds ``train``, ``valid`` or ``test``, or None.
    """

    labels: tuple[str, ...] = ()
    groups: str | None = None
    split: str | None = None


NO_OPTIONS = ReadOptions()


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way to lay data out in files.

    Attributes:
        name: What people call it.
        describe: What to look for, half a sentence.
        recognises: Whether a path (a file or a folder) looks like this format, without reading it.
        read: From path and options to the data; raises ``DataError`` or ``UsageError``.
        takes_options: Whether ``ReadOptions`` mean anything to it.
    """

    name: str
    describe: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Dataset]
    takes_options: bool = False


def dataset_name(path: Path) -> str:
    """A short name from a file or a folder: ``yeast`` from ``data/yeast`` and from ``yeast.csv.gz``."""
    if path.name in ("", ".."):
        path = path.resolve()
    stem = path.name if path.is_dir() else bare_stem(path)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")
    return name[:_LONGEST_NAME] or "data"


def bare_stem(path: Path) -> str:
    """The file name without the suffixes that say its format: ``yeast`` for ``yeast.csv.gz``."""
    name = path.name
    for suffixes in (_PACKED, _SUFFIXES):
        for suffix in suffixes:
            if name.lower().endswith(suffix):
                name = name[: -len(suffix)]
                break
    return name


def has_suffix(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Whether ``path`` is a file with one of the suffixes, in any case."""
    return path.name.lower().endswith(suffixes) and path.is_file()


def files_in(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The files of a folder that have one of the suffixes, sorted; hidden files are left out."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and has_suffix(p, suffixes))


def read_text(path: Path, raw: bytes | None = None) -> str:
    """A text file with Unix line ends, from UTF-8, else from Latin-1, in which old files are written."""
    data = path.read_bytes() if raw is None else raw
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def shown(text: str, longest: int = 40) -> str:
    """A cell for an error message: quoted, on one line, cut short."""
    return repr(text if len(text) <= longest else text[:longest] + "…")


def listed(names: Iterable[str], most: int = 8) -> str:
    """The first names of a list, and how many there are in all when some are left out."""
    names = list(names)
    rest = f", … ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(shown(name)[1:-1] for name in names[:most]) + rest


def one_line(error: Exception) -> str:
    """What a library's error says, on one line."""
    return " ".join(str(error).split())


def one_of(files: Sequence[Path], folder: Path, what: str) -> Path:
    """The only file of a list.

    Raises:
        DataError: There are several; it says to name one.
    """
    if len(files) != 1:
        names = listed(file.name for file in files)
        raise DataError(f"{folder}: {len(files)} {what} ({names}): give the path of the one to read")
    return files[0]


def dense(matrix: Any) -> NDArray[Any]:
    """A matrix as an array, whether it is sparse or not."""
    return np.asarray(matrix.toarray() if sp.issparse(matrix) else matrix)


def dense_if_full(matrices: Sequence[sp.csr_matrix]) -> Sequence[Matrix]:
    """The same matrices in float32, made dense when more than half of all their cells are not zero."""
    with np.errstate(over="ignore"):  # make_split refuses what is too large for float32
        matrices = [m.astype(np.float32) for m in matrices]
    cells = sum(m.shape[0] * m.shape[1] for m in matrices)
    if 2 * sum(m.count_nonzero() for m in matrices) <= cells:
        return matrices
    return [dense(m) for m in matrices]
