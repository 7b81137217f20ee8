"""Finding again the data that a record is of: the ledger has scores and a fingerprint, but no labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mlbench.data.dataset import Dataset
from mlbench.errors import DataError, MlbenchError
from mlbench.execution.plan import DatasetRequest, MakeProgress, prepared, read
from mlbench.plugins.catalog import Catalog
from mlbench.plugins.dataset_maker import home_of
from mlbench.results.ledger import Record

_CHANGED = re.compile(r"(?P<base>.+?)(?P<twins>-no-twins)?(?:-limit-(?P<limit>\d+))?")
"""What ``Dataset.without_twins`` and ``Dataset.limited`` make of a name."""


@dataclass(frozen=True, kw_only=True)
class Missing:
    """Data that were not found, and what to do."""

    reason: str


class Finder:
    """Finds data sets by fingerprint: among those that the user names, and the registered one of the name.

    Nothing is made, but for what the user names. A record of a run with ``--limit`` or ``--drop-twins`` is
    found through the whole data set: the name in the record tells.
    """

    def __init__(self, catalog: Catalog, given: Sequence[DatasetRequest], progress: MakeProgress) -> None:
        """Read the data sets of ``given``; errors of ``mlbench.execution.plan.read`` are raised."""
        self._catalog = catalog
        self._given = [read(asked, catalog, progress) for asked in given]
        self._names = [asked.name for asked in given]
        self._found: dict[str, Dataset | Missing] = {}

    def find(self, record: Record) -> Dataset | Missing:
        """The data set, with all its parts, that has the record's fingerprint."""
        sha256 = str(record.dataset["sha256"])
        if sha256 not in self._found:
            self._found[sha256] = self._search(str(record.dataset["name"]), sha256)
        return self._found[sha256]

    def _search(self, name: str, sha256: str) -> Dataset | Missing:
        tried = [f"--data {given}" for given in self._names]
        try:
            for dataset in _variants(self._given, name):
                if dataset.fingerprint() == sha256:
                    return dataset
            if registered := self._registered(name):
                tried.append(f"the installed {registered[0].name}")
                for dataset in _variants(registered, name):
                    if dataset.fingerprint() == sha256:
                        return dataset
        except MlbenchError as error:
            return Missing(reason=f"{error}: give --data PATH")
        if tried:
            return Missing(reason=f"not the data of {' or '.join(tried)} (fingerprint {sha256[:12]}): give --data PATH")
        return Missing(reason="give --data PATH")

    def _registered(self, name: str) -> list[Dataset]:
        """The registered data set of that name, if it is there without being made."""
        for wanted in dict.fromkeys((name, _base(name))):
            found = self._catalog.datasets.get(wanted)
            if found is not None and (found.spec.load is not None or home_of(found.spec).exists()):
                return [read(DatasetRequest(name=wanted), self._catalog)]
        return []


def _base(name: str) -> str:
    match = _CHANGED.fullmatch(name)
    return match["base"] if match else name


def _variants(datasets: Iterable[Dataset], name: str) -> Iterator[Dataset]:
    """Each as it is, and with what the name of the record says was done to it."""
    match = _CHANGED.fullmatch(name)
    changes: list[tuple[int | None, bool]] = []
    if match and (match["limit"] or match["twins"]):
        changes.append((int(match["limit"]) if match["limit"] else None, match["twins"] is not None))
    for dataset in datasets:
        for limit, drop_twins in [*changes, (None, False)]:
            if not drop_twins or dataset.twins:
                try:
                    yield prepared(dataset, limit, drop_twins=drop_twins)
                except DataError:  # cut so, it cannot be run on: then no record is of it
                    continue
