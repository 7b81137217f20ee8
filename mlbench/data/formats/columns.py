"""Selection of columns by name or pattern, for every format that has named columns."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from mlbench.errors import UnknownName


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
