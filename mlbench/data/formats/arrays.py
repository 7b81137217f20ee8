"""Arrays of NumPy and SciPy: features X and labels Y in one ``.npz`` file, or in files of their own.

Both are read the same way: names say what an array is and which split it belongs to (``array_names``), numbers say
what a label is (``label_arrays``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Split, make_split
from mlbench.data.formats.array_names import Role
from mlbench.data.formats.array_sources import (
    ARCHIVE,
    SUFFIXES,
    TEXT,
    Names,
    Source,
    archive_source,
    file_role,
    folder_source,
    matrix_files,
    read_lines,
)
from mlbench.data.formats.base import (
    Format,
    ReadOptions,
    bare_stem,
    dense_if_full,
    files_in,
    has_suffix,
    listed,
    packed,
    shown,
)
from mlbench.data.formats.label_arrays import LabelArray, convert_labels
from mlbench.data.formats.npy import Array, shown_name, texts_of
from mlbench.data.formats.parts import PART_OF, PART_WORDS, assigned, fold_of
from mlbench.errors import DataError, UsageError

_LABEL_LISTS = ("y", "output-items")
_FEATURE_LISTS = ("xf",)
"""Text files of XMC data sets that may list the names of labels and features, one on each line."""


# ------------------------------------------------------------------------------------ which files
def _recognises_matrices(path: Path) -> bool:
    if path.is_dir():
        return {"X", "Y"} <= {role.key for file in matrix_files(path) if (role := file_role(file))}
    if not has_suffix(path, SUFFIXES):
        return False
    role = file_role(path)
    return role is not None and role.key == "X" and Role("Y", role.part) in _roles_in(path.parent)


def _roles_in(folder: Path) -> set[Role | None]:
    return {file_role(file) for file in matrix_files(folder)}


def _recognises_archive(path: Path) -> bool:
    suffixes = tuple(suffix for suffix in SUFFIXES if suffix not in TEXT)
    return has_suffix(path, suffixes) or bool(files_in(path, suffixes))


def _find_matrices(path: Path, options: ReadOptions) -> dict[str, Path]:
    """Return the folder, which holds all splits, or the file of features of one split."""
    return {"train": path}


def _find_archives(path: Path, options: ReadOptions) -> dict[str, Path]:
    if path.is_file():
        return {"train": path}
    files = files_in(path, ARCHIVE)
    if not files:
        names = listed((file.name for file in files_in(path, packed(".npy"))), most=20)
        raise DataError(f"{path}: no pair of files for features (X) and labels (Y), such as X.npy and Y.npy: {names}")
    return assigned(files, path, "archives", options.fold)


def _source_of(path: Path) -> Source:
    if path.is_dir():
        return folder_source(path)
    role = file_role(path)
    if _recognises_matrices(path) and role is not None:
        return folder_source(path.parent).only(role.part)
    if not has_suffix(path, ARCHIVE):
        raise DataError(f"{path.name}: one array alone: give the folder that has features (X.npy) and labels (Y.npy)")
    return archive_source(path)


# ----------------------------------------------------------------------------------- what they hold
@dataclass(eq=False)
class _Rows:
    """The arrays of one split.

    Attributes:
        where: Their names, for messages.
        X: Features.
        labels: Labels and which are known.
        groups: Groups of rows, or None.
    """

    where: str
    X: Any
    labels: LabelArray
    groups: Array | list[str] | None


def _read(parts: Mapping[str, Path], name: str, options: ReadOptions) -> Dataset:
    sources = {part: _source_of(path) for part, path in parts.items()}
    notes: list[str] = []
    train = sources["train"]
    if len(sources) == 1:
        names, again = train.splits()
        rows = {part: _read_rows(train, names[part], notes) for part in names}
        if unused := [*again, *train.unused]:
            notes.append(f"arrays that are not used: {listed(unused, most=20)}")
    else:
        rows = {part: _read_rows(source, _only_split(source), notes) for part, source in sources.items()}

    stated = train.names_of("label_names")
    label_names, more = convert_labels([each.labels for each in rows.values()], options, stated)
    if not stated and not options.one_hot:
        label_names = _names_beside(train.folder, _LABEL_LISTS, len(label_names), notes) or label_names
    _make_dense_if_full(list(rows.values()))
    d = next(iter(rows.values())).X.shape[-1]
    feature_names = train.names_of("feature_names") or _names_beside(train.folder, _FEATURE_LISTS, d, notes)
    if feature_names and len(feature_names) != d:
        raise DataError(f"{train.where}: {d} features, but {len(feature_names)} feature names")

    splits = {
        part: make_split(
            each.X, each.labels.Y, each.groups, known=each.labels.known, where=f"{each.where} (rows from 0)",
            feature_names=feature_names, label_names=label_names,
        )
        for part, each in rows.items()
    }  # fmt: skip
    if None in splits:
        splits = _split_rows(splits[None], train, options)
    elif train.of_all("split") is not None:
        raise DataError(f"{train.where}: splits by name and by the array {train.of_all('split')}: keep one of them")
    elif options.fold is not None and not any(fold_of(bare_stem(path)) is not None for path in parts.values()):
        raise UsageError(f"{train.where}: there are no folds to choose with --fold")
    return Dataset(
        name=name,
        train=splits["train"],
        valid=splits.get("valid"),
        test=splits.get("test"),
        label_names=tuple(label_names),
        feature_names=tuple(feature_names),
        notes=tuple(dict.fromkeys([*notes, *more])),
    )


def _only_split(source: Source) -> Names:
    """Return the arrays of a file that is one split."""
    names, _ = source.splits(need_train=False)
    if len(names) != 1:
        raise DataError(f"{source.where}: it has several splits, but other files are the other splits: remove one")
    return next(iter(names.values()))


def _read_rows(source: Source, names: Names, notes: list[str]) -> _Rows:
    """Read the arrays of one split.

    Raises:
        DataError: An array is broken, or features and labels have different numbers of rows.
    """
    where = source.places(names["X"], names["Y"])
    X, Y = source.read(names["X"]), source.read(names["Y"])
    if not X.shape or not Y.shape or X.shape[0] != Y.shape[0]:  # before labels take memory for so many rows
        raise DataError(f"{where}: features have shape {X.shape}, but labels have shape {Y.shape}")
    if X.ndim > 2:
        d = math.prod(X.shape[1:])
        notes.append(f"features of shape {' × '.join(map(str, X.shape[1:]))} are flattened to {d} columns")
        X = X.reshape(len(X), d)
    mask = source.read(names["mask"]) if "mask" in names else None
    labels = LabelArray(source.places(names["Y"]), Y, mask)
    groups = _groups(source, names["groups"]) if "groups" in names else None
    return _Rows(where, X, labels, groups)


def _groups(source: Source, name: str) -> Array | list[str]:
    groups = source.read(name)
    if groups.ndim != 1 or groups.dtype.kind not in "iuUS":
        raise DataError(
            f"{source.places(name)}: groups have shape {groups.shape} and type {groups.dtype}, "
            "expected (rows,) integers or texts"
        )
    return texts_of(groups, source.places(name)) if groups.dtype.kind in "US" else np.asarray(groups)


def _make_dense_if_full(rows: Sequence[_Rows]) -> None:
    if all(sp.issparse(each.X) for each in rows):
        for each, X in zip(rows, dense_if_full([each.X for each in rows]), strict=True):
            each.X = X


def _names_beside(folder: Path | None, stems: Sequence[str], count: int, notes: list[str]) -> list[str]:
    """Return the names that a text file beside XMC matrices lists, or nothing if it has another number of lines."""
    for file in files_in(folder, packed(".txt")) if folder is not None else ():
        if bare_stem(file).lower() not in stems:
            continue
        names = read_lines(file)
        if len(names) == count == len(set(names)):
            return names
        why = f"it has {len(names)} lines for {count} columns" if len(names) != count else "a name stands there twice"
        notes.append(f"{shown_name(file.name)} is not used for names: {why}")
    return []


def _split_rows(whole: Split, source: Source, options: ReadOptions) -> dict[str | None, Split]:
    """Divide rows by the array ``split``: words such as train and test, or folds of which ``--fold`` is the test.

    Raises:
        UsageError: The folds are numbers, and it is not said which is the test; or there are no folds.
        DataError: The array says something else.
    """
    name = source.of_all("split")
    if name is None:
        if options.fold is not None:
            raise UsageError(f"{source.where}: there are no folds to choose with --fold")
        return {"train": whole}
    array, where = source.read(name), source.places(name)
    if array.shape != (len(whole),) or array.dtype.kind not in "iuUS":
        raise DataError(f"{where}: shape {array.shape} and type {array.dtype}, expected a word for each row")
    if array.dtype.kind in "iu":
        parts = _fold_parts(array, where, options.fold)
    else:
        words = texts_of(array, where)
        wrong = next((row for row, word in enumerate(words) if word.strip().lower() not in PART_OF), None)
        if wrong is not None:
            raise DataError(f"{where}: row {wrong} (from 0) holds {shown(words[wrong])}, expected train, valid or test")
        parts = np.array([PART_OF[word.strip().lower()] for word in words])
    if "train" not in parts:
        raise DataError(f"{where}: no row is train")
    return {part: whole.take(np.flatnonzero(parts == part)) for part in PART_WORDS if part in parts}


def _fold_parts(folds: Array, where: str, fold: int | None) -> NDArray[np.str_]:
    known = listed(map(str, np.unique(folds).tolist()))
    if fold is None:
        raise UsageError(f"{where}: folds {known}: choose one with --fold")
    if not (folds == fold).any():
        raise UsageError(f"{where}: no fold {fold}; available: {known}")
    return np.where(folds == fold, "test", "train")


_TAKES = frozenset({"unknown", "one_hot"})
MATRICES = Format(
    name="arrays",
    describe="a folder with X and Y of each split as .npy, sparse .npz or XMC text, such as X-train.npy, Y.trn.npz or "
    "trn_X_Xf.txt",
    recognises=_recognises_matrices,
    find=_find_matrices,
    read=_read,
    takes=_TAKES,
)
ARCHIVES = Format(
    name="npz",
    describe="one .npz file with arrays X and Y, or X_train, Y_train, …",
    recognises=_recognises_archive,
    find=_find_archives,
    read=_read,
    takes=_TAKES,
)
