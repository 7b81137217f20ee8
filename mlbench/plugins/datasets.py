"""Loading the data set of a registered name or of a path."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from mlbench.data.complete import CompleteDataset, complete
from mlbench.data.dataset import Dataset
from mlbench.data.formats import ReadOptions, read_dataset
from mlbench.errors import PluginError, UnknownName, UsageError
from mlbench.plugins.catalog import Catalog, PluginEntry
from mlbench.plugins.dataset_maker import home_of, make
from mlbench.plugins.guard import guarded
from mlbench.plugins.specs import DatasetSpec
from mlbench.plugins.worker_pool import process_pool

MakeProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with (data set, done, total) while a data set is made."""


def silent(name: str, done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, kw_only=True)
class DatasetRequest:
    """A data set to run on.

    Attributes:
        name: A registered name, or a path.
        options: How to read a path.
        features: Names of features, or empty for those of the data set.
    """

    name: str
    options: ReadOptions = field(default_factory=ReadOptions)
    features: tuple[str, ...] = ()


def load(
    asked: DatasetRequest,
    catalog: Catalog,
    limit: int | None = None,
    *,
    drop_twins: bool = False,
    progress: MakeProgress = silent,
) -> CompleteDataset:
    """Load the data set of a registered name, else of a path, with all three splits.

    Raises:
        UnknownName: Neither exists.
        DataError: It cannot be read, or there is nothing to rank in it.
    """
    return complete(read(asked, catalog, progress), limit, drop_twins=drop_twins)


def read(asked: DatasetRequest, catalog: Catalog, progress: MakeProgress = silent) -> Dataset:
    """Read the data set of a registered name, else of a path, as it comes.

    Raises:
        UnknownName: Neither exists.
        DataError: It cannot be read.
    """
    if asked.name in catalog.datasets or ("data set", asked.name) in catalog.clashes:
        if asked.options != ReadOptions():
            raise UsageError(
                f"options such as --labels are for tables, but {asked.name} is a registered name: leave them out"
            )
        return _read_registered(catalog.dataset(asked.name), progress)
    if (path := Path(asked.name).expanduser()).exists():
        return read_dataset(path, asked.options)
    if os.sep in asked.name:
        raise UsageError(f"no such file or folder: {asked.name}")
    raise UnknownName("data set, file or folder", asked.name, catalog.datasets)


def _read_registered(entry: PluginEntry[DatasetSpec], progress: MakeProgress) -> Dataset:
    """Return what the plugin loads, or what it made; whatever it raises becomes one line that names it."""
    if entry.spec.load is None:
        folder = home_of(entry.spec)
        if not folder.exists():
            with process_pool() as executor:
                make(entry, folder, executor=executor, progress=partial(progress, entry.spec.name))
        # The folder's name has a version in it: boards are for the name that was asked for.
        return replace(read_dataset(folder), name=entry.spec.name)
    with guarded(f"data set {entry.spec.name!r} of {entry.origin}"):
        dataset = entry.spec.load()
    if not isinstance(dataset, Dataset):
        wrong = type(dataset).__name__
        raise PluginError(f"data set {entry.spec.name!r} of {entry.origin}: a {wrong}, expected a Dataset")
    return dataset
