"""Paired comparison of models: by bootstrap replicates on one test set, by ranks over several."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlbench.data.files import file_sha256
from mlbench.errors import UsageError
from mlbench.evaluation.bootstrap import number_of_units
from mlbench.evaluation.intervals import Difference, difference
from mlbench.evaluation.metric_replicates import read_replicates
from mlbench.metrics import MACRO, MICRO
from mlbench.reporting.board import boards
from mlbench.reporting.row_records import folded, records_of_rows, replicates_of
from mlbench.results.ledger import Ledger
from mlbench.results.schema import BASELINE, PER_LABEL, Record, identity

BANDS = ("head", "middle", "tail")
"""Thirds of the labels that have a positive in test, from the most to the least frequent in train."""
PAIRED = (MICRO, MACRO)
"""The metrics that every record has replicates of; ``replicates.npz`` has those of others."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of a board: the records of its seeds, and their ledger."""

    seeds: Sequence[Record]
    ledger: Ledger

    @property
    def sha256(self) -> str:
        """Fingerprint of the data set."""
        return self.seeds[0].dataset.sha256

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.seeds[0].dataset.name

    @property
    def label(self) -> str:
        """Model and features."""
        return self.seeds[0].job.label

    @property
    def n_units(self) -> int:
        """How many units of test rows the bootstrap draws."""
        dataset = self.seeds[0].dataset
        return number_of_units(dataset.n_test, dataset.n_groups)

    def value(self, name: str) -> float:
        """Return the mean of a test metric over seeds; NaN where one is undefined."""
        values = [record.value("test", name) for record in self.seeds]
        return float(np.mean([np.nan if value is None else value for value in values]))

    def replicates(self, name: str) -> NDArray[np.float64] | None:
        """Return the replicates of a test metric, shape (R,), seeds folded in; None where a job has none."""
        if all(name in record.replicates for record in self.seeds):
            return replicates_of(self.seeds, name)
        kept = [read_replicates(self.ledger, record).get(name) for record in self.seeds]
        known = [values for values in kept if values is not None]
        return folded(self.seeds[0], known) if len(known) == len(kept) else None


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One side of a comparison: its name, and its entry for each data set, by name."""

    name: str
    entries: Mapping[str, Entry]


@dataclass(frozen=True, kw_only=True)
class LabelWins:
    """The number of labels, by band, on which the first entry has higher, lower or equal average precision."""

    wins: Mapping[str, int]
    losses: Mapping[str, int]
    ties: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison of two entries on one test set: the second minus the first.

    Attributes:
        dataset: Its name.
        first: Label of the first entry.
        second: Label of the second.
        values: (first, second) of each metric.
        differences: Of the metrics that have replicates.
        labels: Wins of the second over the first.
    """

    dataset: str
    first: str
    second: str
    values: Mapping[str, tuple[float, float]]
    differences: Mapping[str, Difference] = field(default_factory=dict)
    labels: LabelWins | None = None


def compare_entries(first: Entry, second: Entry, names: Sequence[str] = PAIRED) -> Comparison:
    """Compare two entries on the same test set.

    Raises:
        UsageError: The entries are from different data sets.
    """
    if first.sha256 != second.sha256:
        shas = f"{first.sha256[:12]} and {second.sha256[:12]}"
        raise UsageError(
            f"{first.dataset}: two different data sets of that name ({shas}): their values cannot be compared"
        )
    differences = {}
    for name in names:
        one, other = (entry.replicates(name) for entry in (second, first))
        if one is not None and other is not None:
            gap = second.value(name) - first.value(name)
            differences[name] = difference(gap, one, other, first.n_units)
    return Comparison(
        dataset=first.dataset,
        first=first.label,
        second=second.label,
        values={name: (first.value(name), second.value(name)) for name in names},
        differences=differences,
        labels=_label_wins(first, second),
    )


def unlike(first: Entry, second: Entry) -> list[str]:
    """Return one line for each setting, apart from model and features, in which two entries differ."""
    found = []
    budgets = [identity(entry.seeds[0].budget) for entry in (first, second)]
    for name in sorted(budgets[0].keys() | budgets[1].keys()):
        one, other = (budget.get(name) for budget in budgets)
        if one != other:
            found.append(f"note: {first.dataset}: the budgets differ: {name} is {one} for A, {other} for B")
    seeds = [", ".join(str(record.job.seed) for record in entry.seeds) for entry in (first, second)]
    if seeds[0] != seeds[1]:
        found.append(f"note: {first.dataset}: the seeds differ: {seeds[0]} for A, {seeds[1]} for B")
    return found


def entries_of(ledger: Ledger, wanted: Callable[[Record], bool] = lambda record: True) -> list[Entry]:
    """One entry for each row of each board of a ledger that is ok; the baseline is no contender.

    Args:
        ledger: Where the records are.
        wanted: Which of them count.

    Raises:
        UsageError: There is none.
    """
    together = boards(record for record in ledger.records() if wanted(record))
    rows = [seeds for records in together.values() for seeds in records_of_rows(records)]
    found = [
        Entry(seeds=seeds, ledger=ledger)
        for seeds in rows
        if all(record.status == "ok" for record in seeds) and seeds[0].job.model != BASELINE
    ]
    if not found:
        raise UsageError(f"no finished jobs in {ledger.root}: start with `mlbench run`")
    return found


def lost(first: Iterable[Entry], second: Iterable[Entry]) -> list[Entry]:
    """Return the entries of the first that the second lacks, because they were not run there or failed."""
    known, other = _by_row(first), _by_row(second)
    return [known[key] for key in sorted(known.keys() - other.keys())]


def pair_up(first: Iterable[Entry], second: Iterable[Entry]) -> list[tuple[Entry, Entry]]:
    """Pair the entries of two ledgers by data set name, model and features.

    Raises:
        UsageError: There are no pairs, or one ledger has an entry with several budgets.
    """
    known, other = _by_row(first), _by_row(second)
    pairs = [(known[key], other[key]) for key in sorted(known.keys() & other.keys())]
    if not pairs:
        raise UsageError("nothing to compare: the two have no data set, model and features in common")
    return pairs


def _by_row(entries: Iterable[Entry]) -> dict[tuple[str, str], Entry]:
    found: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        key = entry.dataset, entry.label
        if key in found:
            raise UsageError(_several(f"{entry.label} on {entry.dataset}", found[key], entry))
        found[key] = entry
    return found


def _several(what: str, first: Entry, second: Entry) -> str:
    """Describe a row that was run twice: how the two runs differ, and the folders to give instead."""
    budgets = [identity(entry.seeds[0].budget) for entry in (first, second)]
    other = [name for name in sorted(budgets[0]) if budgets[0][name] != budgets[1].get(name)]
    parts = []
    for entry, budget in zip((first, second), budgets, strict=True):
        how = ", ".join(f"{name} {budget.get(name)}" for name in other) or f"data {entry.sha256[:12]}"
        parts.append(f"{entry.ledger.jobs / entry.seeds[0].id} ({how})")
    kind = "with several budgets" if other else "on several data sets of this name"
    return f"{what} was run {kind}: give the folder of a job instead: {' or '.join(parts)}"


def entries_named(name: str, entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries of ``MODEL`` or ``MODEL:FEATURES``.

    Raises:
        UsageError: There are none.
    """
    model, _, features = name.partition(":")
    if model == BASELINE:
        raise UsageError(f"{name} is the baseline of every board and is not compared: name models")
    mine = [
        entry
        for entry in entries
        if entry.seeds[0].job.model == model and features in ("", entry.seeds[0].job.features)
    ]
    if not mine:
        known = ", ".join(sorted({entry.label.replace(" · ", ":") for entry in entries}))
        raise UsageError(f"no file, folder or model {name!r}: available models: {known}")
    return mine


def contender(name: str, entries: Sequence[Entry]) -> Contender:
    """Return the entries of ``MODEL`` or ``MODEL:FEATURES``, one per data set.

    Raises:
        UsageError: There are none, or several for one data set.
    """
    by_dataset: dict[str, Entry] = {}
    for entry in entries_named(name, entries):
        if (first := by_dataset.get(entry.dataset)) is not None:
            if first.label != entry.label:
                both = " or ".join(sorted(one.label.replace(" · ", ":") for one in (first, entry)))
                raise UsageError(
                    f"{name} was run on several features of {entry.dataset}: give MODEL:FEATURES, such as {both}"
                )
            raise UsageError(_several(f"{name} on {entry.dataset}", first, entry))
        by_dataset[entry.dataset] = entry
    return Contender(name=name, entries=by_dataset)


def _label_wins(first: Entry, second: Entry) -> LabelWins | None:
    """Compare average precision by label, averaged over seeds; None if a file is missing or damaged."""
    tables = [_per_label(first), _per_label(second)]
    if any(table is None for table in tables):
        return None
    one, other = (table for table in tables if table is not None)
    scored = [label for label in one if label in other and not np.isnan(one[label][1] + other[label][1])]
    by_support = sorted(scored, key=lambda label: -one[label][0])
    counts = {kind: dict.fromkeys(BANDS, 0) for kind in ("wins", "losses", "ties")}
    for place, label in enumerate(by_support):
        gap = other[label][1] - one[label][1]
        kind = "wins" if gap > 0 else "losses" if gap < 0 else "ties"
        counts[kind][BANDS[place * len(BANDS) // len(by_support)]] += 1
    return LabelWins(**counts)


def _per_label(entry: Entry) -> dict[str, tuple[int, float]] | None:
    """Return (positives in train, average precision) by label."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in entry.seeds:
        path: Path = entry.ledger.jobs / record.id / PER_LABEL
        try:
            if file_sha256(path) != record.files.get(PER_LABEL):
                return None
            with path.open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream):
                    value = float(row["average_precision"] or "nan")
                    found[row["label"]].append((int(row["n_positives_train"]), value))
        except (OSError, ValueError, KeyError):
            return None
    return {label: (values[0][0], float(np.mean([v for _, v in values]))) for label, values in found.items()}
