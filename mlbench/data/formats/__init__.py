"""Data formats: each module reads one of them, and ``read_dataset`` picks the right one.

A new format is a module with a ``FORMAT``: add it to ``FORMATS`` here, before any format that would also
recognise its files, and the suffixes of its files to ``SUFFIXES`` in ``base``, which names are derived from.
"""

from __future__ import annotations

from pathlib import Path

from mlbench.data.dataset import Dataset
from mlbench.data.formats import meka, mini_musicnet, mulan, table, xmc
from mlbench.data.formats.base import NO_OPTIONS, Format, ReadOptions, one_line
from mlbench.errors import DataError, UsageError

__all__ = ["FORMATS", "Format", "ReadOptions", "read_dataset"]

FORMATS = (mini_musicnet.FORMAT, mulan.FORMAT, meka.FORMAT, xmc.FORMAT, table.FORMAT)
"""All formats; the first that recognises a path reads it. Mulan comes before MEKA because some Mulan files
have a MEKA option in their relation name."""


def read_dataset(path: Path, options: ReadOptions = NO_OPTIONS) -> Dataset:
    """Read a data set from a folder or a file, detecting its format.

    Args:
        path: A folder or a file.
        options: The roles of the columns of a table.

    Raises:
        UsageError: The path does not exist, or the format takes no options.
        DataError: The format is unknown, or the data are invalid; the message names file, row and column.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    try:
        found = next((format for format in FORMATS if format.recognises(path)), None)
        if found is None:
            known = "; ".join(f"{format.name} ({format.describe})" for format in FORMATS)
            raise DataError(f"{path}: unknown data format. Supported formats: {known}")
        if options != NO_OPTIONS and not found.takes_options:
            raise UsageError(
                f"{path}: options such as --labels apply to tables only: {found.name} files define their columns"
            )
        return found.read(path, options)
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read: {one_line(error)}") from error
