"""Data formats: each module reads one of them, and ``read_dataset`` picks the right one.

A new format is a module with a ``FORMAT``: add it to ``FORMATS`` here, before any format that would also
recognise its files, and the suffixes of its files to ``SUFFIXES`` in ``base``, which names are derived from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlbench.data.dataset import Dataset
from mlbench.data.formats import arrays, meka, mini_musicnet, mulan, table, xmc
from mlbench.data.formats.base import FILES, NO_OPTIONS, Format, ReadOptions, dataset_name, one_line
from mlbench.errors import DataError, UsageError

__all__ = ["FORMATS", "Format", "ReadOptions", "read_dataset"]

FORMATS = (
    mini_musicnet.FORMAT,
    mulan.FORMAT,
    meka.FORMAT,
    arrays.MATRICES,
    xmc.FORMAT,
    table.FORMAT,
    arrays.ARCHIVES,
)
"""All formats; the first that recognises a path reads it. Mulan comes before MEKA because some Mulan files
have a MEKA option in their relation name; folders of matrices before XMC, which some text files of theirs look like."""


def read_dataset(path: Path, options: ReadOptions = NO_OPTIONS) -> Dataset:
    """Read a data set from a folder or a file, detecting its format.

    Args:
        path: A folder or a file.
        options: What the files do not say themselves, such as the roles of columns.

    Raises:
        UsageError: The path does not exist, or the format does not take an option.
        DataError: The format is unknown, or the data are invalid; the message names file, row and column.
    """
    try:
        found = _format_of(path, options)
        for name in options.said():
            if name not in found.takes | FILES:
                raise UsageError(f"{path}: {found.name} files take no --{name.replace('_', '-')}")
        parts = _parts(found, path, options)
        return found.read(parts, dataset_name(path), options)
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read: {one_line(error)}") from error
    except MemoryError as error:
        raise DataError(f"{path}: too large for the memory of this machine: is a size in the file wrong?") from error


def _format_of(path: Path, options: ReadOptions) -> Format:
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    found = next((format for format in FORMATS if format.recognises(path)), None)
    if found is None:
        known = "; ".join(f"{format.name} ({format.describe})" for format in FORMATS)
        raise DataError(f"{path}: unknown data format. Supported formats: {known}")
    return found


def _parts(found: Format, path: Path, options: ReadOptions) -> Mapping[str, Path]:
    """Return the paths of the splits: those that the user names, or those found below the path."""
    named = {part: Path(str(given)) for part in ("valid", "test") if (given := getattr(options, part)) is not None}
    if not named:
        return found.find(path, options)
    for part, file in named.items():
        other = _format_of(file, options)
        if other.name != found.name:
            raise UsageError(f"--{part} {file} is {other.name}, but {path} is {found.name}: convert one of them")
    return {"train": path, **named}
