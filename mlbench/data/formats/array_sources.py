"""Where arrays come from: the members of a ``.npz`` file, or the files of a folder, by what their names say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlbench.data.formats.array_names import OF_ALL, OF_ROWS, Role, role_of
from mlbench.data.formats.base import bare_stem, files_in, has_suffix, listed, packed, read_text
from mlbench.data.formats.npy import Archive, read_npy, shown_name, texts_of
from mlbench.data.formats.parts import PART_WORDS
from mlbench.data.formats.sparse_npz import holds_sparse, sparse_of
from mlbench.data.formats.sparse_text import read_sparse_text
from mlbench.errors import DataError

TEXT = packed(".txt")
ARCHIVE = (".npz",)
SUFFIXES = packed(".npy") + ARCHIVE + TEXT
Names = dict[str, str]
"""The name of the array of each key, such as ``X_train`` for ``X``."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Arrays by their roles.

    Attributes:
        where: The file or folder, for messages.
        names: The name of the array of each role.
        read: Returns the array of a name: an array, a sparse matrix, or a list of names; raises ``DataError``.
        unused: The names of arrays whose role is not known.
        folder: The folder of the arrays, or None for an archive.
    """

    where: str
    names: Mapping[Role, str]
    read: Callable[[str], Any]
    unused: tuple[str, ...]
    folder: Path | None = None

    def of_all(self, key: str) -> str | None:
        """Return the name of an array that there is one of, or None if there is none."""
        return self.names.get(Role(key, None))

    def names_of(self, key: str) -> list[str]:
        """Return the names of labels or features, or nothing if no array has them."""
        name = self.of_all(key)
        return [] if name is None else list(self.read(name))

    def places(self, *names: str) -> str:
        """Return the names of arrays as messages show them."""
        shown = shown_name(", ".join(names))
        return shown if self.folder is not None else f"{self.where}: {shown}"

    def splits(self, need_train: bool = True) -> tuple[dict[str | None, Names], list[str]]:
        """Return the arrays of each split, and the names of those that are not used as they hold all rows again.

        The only split is None if names state no split.

        Raises:
            DataError: Features or labels are missing, or it is not clear what belongs to which split.
        """
        parts: dict[str | None, Names] = {}
        for role, name in self.names.items():
            if role.key in OF_ROWS:
                parts.setdefault(role.part, {})[role.key] = name
        again: list[str] = []
        if {None, "train", "test"} <= parts.keys():
            again = list(parts.pop(None).values())
        for part in parts:
            for key, what in (("X", "features"), ("Y", "labels")):
                if key not in parts[part]:
                    beside = listed(parts[part].values())
                    raise DataError(f"{self.where}: no {what} ({key}) beside {beside}; found: {self._found()}")
        if not parts:
            raise DataError(f"{self.where}: no features (X) and no labels (Y); found: {self._found()}")
        if need_train and parts.keys() != {None} and ("train" not in parts or None in parts):
            raise DataError(
                f"{self.where}: which rows are train? Name their arrays X_train and Y_train; found: {self._found()}"
            )
        return {part: parts[part] for part in (None, *PART_WORDS) if part in parts}, again

    def _found(self) -> str:
        return listed([*self.names.values(), *self.unused], most=20)

    def only(self, part: str | None) -> Source:
        """Return the arrays of one split alone, together with those that there is one of."""
        names = {
            Role(role.key, None if role.key in OF_ROWS else role.part): name
            for role, name in self.names.items()
            if role.key in OF_ALL or role.part == part
        }
        return Source(where=self.where, names=names, read=self.read, unused=(), folder=self.folder)


def archive_source(file: Path) -> Source:
    """Return the arrays of a ``.npz`` file.

    Raises:
        DataError: It is not one, or holds one sparse matrix instead of features and labels.
    """
    archive = Archive(file)
    if holds_sparse(archive):
        raise DataError(
            f"{file.name}: one sparse matrix, but features and labels are needed: name the files of both alike, "
            "such as X.trn.npz and Y.trn.npz"
        )

    def read(name: str) -> Any:
        return _names_or_array(archive[name], role_of(name), shown_name(f"{file.name}: {name}"))

    return _source(shown_name(file.name), {name: role_of(name) for name in archive}, read)


def folder_source(folder: Path) -> Source:
    """Return the arrays of the files of a folder.

    Raises:
        DataError: Two files have the same role, or it is not clear what one is.
    """
    files = {file.name: file for file in matrix_files(folder)}

    def read(name: str) -> Any:
        return _names_or_array(read_matrix(files[name]), file_role(files[name]), shown_name(name))

    return _source(str(folder), {name: file_role(file) for name, file in files.items()}, read, folder)


def matrix_files(folder: Path) -> list[Path]:
    """List the files of a folder that could hold an array."""
    return [file for file in files_in(folder, SUFFIXES) if not has_suffix(file, TEXT) or file_role(file) is not None]


def file_role(file: Path) -> Role | None:
    """Return what the array of a file is by the name of the file."""
    return role_of(bare_stem(file), text=file.name.lower().endswith(TEXT))


def _source(
    where: str, roles: Mapping[str, Role | None], read: Callable[[str], Any], folder: Path | None = None
) -> Source:
    names: dict[Role, str] = {}
    for name, role in roles.items():
        if role in names:
            raise DataError(
                f"{where}: {listed([names[role], name])} could both be {role.key}; found: {listed(roles, most=20)}: "
                "rename or remove one of them"
            )
        if role is not None and role.key == "unclear":
            raise DataError(
                f"{where}: does {shown_name(name)} say which labels are known, or which are not? Name it known"
            )
        if role is not None:
            names[role] = name
    unused = tuple(name for name, role in roles.items() if role is None)
    return Source(where=where, names=names, read=read, unused=unused, folder=folder)


def read_matrix(file: Path) -> Any:
    """Read the matrix of a file: text, ``.npy``, or ``.npz`` with one sparse matrix or one array.

    Raises:
        DataError: The file is broken, or holds something else.
    """
    if has_suffix(file, TEXT):
        role = file_role(file)
        return read_lines(file) if role is not None and role.key in OF_ALL else read_sparse_text(file)
    if not has_suffix(file, ARCHIVE):
        return read_npy(file)
    archive = Archive(file)
    if holds_sparse(archive):
        return sparse_of(archive, shown_name(file.name))
    if len(archive) != 1:
        names = listed(archive)
        raise DataError(f"{file.name}: holds arrays {names}, expected one matrix, as another file has the labels")
    return archive[next(iter(archive))]


def read_lines(file: Path) -> list[str]:
    """Return the names of a text file with one on each line."""
    return _one_line_each(read_text(file).rstrip("\n").split("\n"))


def _one_line_each(texts: Iterable[str]) -> list[str]:
    return [" ".join(text.split()) for text in texts]


def _names_or_array(found: Any, role: Role | None, where: str) -> Any:
    """Return an array, that of names as a list of texts."""
    if role is None or role.key not in ("label_names", "feature_names") or isinstance(found, list):
        return found
    if getattr(found, "ndim", 0) != 1 or found.dtype.kind not in "US":
        raise DataError(f"{where}: expected a list of texts, one for each name")
    return _one_line_each(texts_of(found, where))
