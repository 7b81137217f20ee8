"""Formats: each module reads one, ``read_dataset`` finds the one that fits."""

from __future__ import annotations

from pathlib import Path

from mlbench.data.dataset import Dataset
from mlbench.data.formats import meka, mini_musicnet, mulan, table, xmc
from mlbench.data.formats.base import NO_OPTIONS, Format, ReadOptions, one_line
from mlbench.errors import DataError, UsageError

__all__ = ["FORMATS", "Format", "ReadOptions", "read_dataset"]

FORMATS = (mini_musicnet.FORMAT, mulan.FORMAT, meka.FORMAT, xmc.FORMAT, table.FORMAT)
"""All formats; the first that recognises a path reads it. Mulan stands before MEKA, because some of its
files have a MEKA option in their relation name."""


def read_dataset(path: Path, options: ReadOptions = NO_OPTIONS) -> Dataset:
    """Read the data in a folder or a file, whatever their format.

    Args:
        path: A folder or a file.
        options: What the columns of a table mean.

    Raises:
        UsageError: No such path, or options that do not fit the format.
        DataError: No known format, or data that are not what they must be; names file, row and column.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    try:
        found = next((format for format in FORMATS if format.recognises(path)), None)
        if found is None:
            known = "; ".join(f"{format.name} ({format.describe})" for format in FORMATS)
            raise DataError(f"{path}: no known data format. There are: {known}")
        if options != NO_OPTIONS and not found.takes_options:
            raise UsageError(
                f"{path}: --labels, --groups and --split are for tables; {found.name} data say it themselves"
            )
        return found.read(path, options)
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read: {one_line(error)}") from error
