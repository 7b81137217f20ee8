"""Finds the data set of a record: the ledger only has scores and a fingerprint, but no labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mlbench.data.complete import CompleteDataset, complete
from mlbench.data.dataset import Dataset
from mlbench.errors import DataError, MlbenchError
from mlbench.plugins.catalog import Catalog
from mlbench.plugins.dataset_maker import home_of
from mlbench.plugins.datasets import DatasetRequest, MakeProgress, read, silent
from mlbench.results.schema import DatasetInfo


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A data set that was not found: the reason, and what to do."""

    reason: str


class DatasetFinder:
    """Finds data sets by fingerprint: among those that the user names, and the registered one of the name.

    Nothing is made, except for what the user names. Data of a run with ``--limit`` or ``--drop-twins`` are found
    through the whole data set: the record says what was done to it.
    """

    def __init__(self, catalog: Catalog, given: Sequence[DatasetRequest] = (), progress: MakeProgress = silent) -> None:
        """Read the data sets of ``given``; errors of ``mlbench.plugins.datasets.read`` are raised."""
        self._catalog = catalog
        self._given = [read(asked, catalog, progress) for asked in given]
        self._names = [asked.name for asked in given]
        self._found: dict[str, CompleteDataset | Missing] = {}

    def find(self, info: DatasetInfo) -> CompleteDataset | Missing:
        """Return the data set that has the fingerprint of a record's."""
        if info.sha256 not in self._found:
            self._found[info.sha256] = self._search(info)
        return self._found[info.sha256]

    def _search(self, info: DatasetInfo) -> CompleteDataset | Missing:
        tried = [f"--data {given}" for given in self._names]
        try:
            for dataset in _variants(self._given, info):
                if dataset.sha256 == info.sha256:
                    return dataset
            if registered := self._registered(info):
                tried.append(f"the installed {registered[0].name}")
                for dataset in _variants(registered, info):
                    if dataset.sha256 == info.sha256:
                        return dataset
        except MlbenchError as error:
            return Missing(reason=f"{error}: give --data PATH")
        if tried:
            where = " or ".join(tried)
            return Missing(reason=f"not the data of {where} (fingerprint {info.sha256[:12]}): give --data PATH")
        return Missing(reason="give --data PATH")

    def _registered(self, info: DatasetInfo) -> list[Dataset]:
        """Return the registered data set of that name, if it is there without being made."""
        for wanted in dict.fromkeys((info.name, info.base_name or info.name)):
            found = self._catalog.datasets.get(wanted)
            if found is not None and (found.spec.load is not None or home_of(found.spec).exists()):
                return [read(DatasetRequest(name=wanted), self._catalog)]
        return []


def _variants(datasets: Iterable[Dataset], info: DatasetInfo) -> Iterator[CompleteDataset]:
    """Each as it is, and with what the record says was done to it."""
    changes: list[tuple[int | None, bool]] = [(info.limit, info.drop_twins), (None, False)]
    for dataset in datasets:
        for limit, drop_twins in dict.fromkeys(changes):
            if not drop_twins or dataset.twins:
                try:
                    yield complete(dataset, limit, drop_twins=drop_twins)
                except DataError:  # no record can be of data that cannot be run
                    continue
