"""Paired comparison of contenders: on one test set by their replicates, over several by their ranks."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlbench.errors import UsageError
from mlbench.evaluation.intervals import Difference, difference
from mlbench.execution.job import BASELINE
from mlbench.execution.scheduler import PER_LABEL
from mlbench.reporting.leaderboard import board_key, records_of_rows, replicates_of
from mlbench.results.ledger import Ledger, Record, file_sha256

BANDS = ("head", "middle", "tail")
"""Thirds of the labels with a positive in test, from the most to the least frequent in train."""
PAIRED = ("average_precision_micro", "average_precision_macro")
"""The figures that have replicates."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A finished row: the records of its seeds, and the ledger that they are in."""

    seeds: Sequence[Record]
    ledger: Ledger

    @property
    def sha256(self) -> str:
        """Of the data set."""
        return str(self.seeds[0].dataset["sha256"])

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return str(self.seeds[0].dataset["name"])

    @property
    def label(self) -> str:
        """Model and features."""
        return f"{self.seeds[0].job['model']} · {self.seeds[0].job['features']}"

    def figure(self, name: str) -> float:
        """Mean of a test figure over seeds; NaN where one is undefined."""
        values = [record.figures["test"].get(name) for record in self.seeds]
        return float(np.mean([np.nan if value is None else value for value in values]))

    def replicates(self, name: str) -> NDArray[np.float64] | None:
        """Of a figure of ``PAIRED``, shape (R,), seeds folded in; None in older records."""
        return replicates_of(self.seeds, name)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """What is compared: a name, and what it achieved on each data set, by the data set's name."""

    name: str
    entries: Mapping[str, Entry]


@dataclass(frozen=True, kw_only=True)
class LabelWins:
    """On how many labels the first has the higher average precision, the lower, the same; by band."""

    wins: Mapping[str, int]
    losses: Mapping[str, int]
    ties: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two contenders on one test set: the second less the first.

    Attributes:
        dataset: Its name.
        first: Label of the first entry.
        second: Label of the second.
        figures: (first, second) of each figure.
        differences: Of the figures that have replicates.
        labels: Wins of the second over the first.
    """

    dataset: str
    first: str
    second: str
    figures: Mapping[str, tuple[float, float]]
    differences: Mapping[str, Difference] = field(default_factory=dict)
    labels: LabelWins | None = None


def compare_entries(first: Entry, second: Entry, names: Sequence[str] = PAIRED) -> Comparison:
    """The second less the first.

    Raises:
        UsageError: They were scored on different data.
    """
    if first.sha256 != second.sha256:
        shas = f"{first.sha256[:12]} and {second.sha256[:12]}"
        raise UsageError(f"{first.dataset}: two different data sets of that name ({shas}): figures cannot be compared")
    differences = {}
    for name in names:
        one, other = (entry.replicates(name) if name in PAIRED else None for entry in (second, first))
        if one is not None and other is not None:
            differences[name] = difference(second.figure(name) - first.figure(name), one, other)
    return Comparison(
        dataset=first.dataset,
        first=first.label,
        second=second.label,
        figures={name: (first.figure(name), second.figure(name)) for name in names},
        differences=differences,
        labels=_label_wins(first, second),
    )


def unlike(first: Entry, second: Entry) -> list[str]:
    """A line for each thing, other than model and features, that two entries were not run alike in."""
    found = []
    budgets = [entry.seeds[0].job["budget"] for entry in (first, second)]
    for name in sorted(budgets[0].keys() | budgets[1].keys()):
        one, other = (budget.get(name) for budget in budgets)
        if one != other:
            found.append(f"note: {first.dataset}: other budgets: {name} {one} of A, {other} of B")
    seeds = [", ".join(str(record.job["seed"]) for record in entry.seeds) for entry in (first, second)]
    if seeds[0] != seeds[1]:
        found.append(f"note: {first.dataset}: other seeds: {seeds[0]} of A, {seeds[1]} of B")
    return found


def entries_of(ledger: Ledger, wanted: Callable[[Record], bool] = lambda record: True) -> list[Entry]:
    """One entry for each row of each board of a ledger that is ok; the floor is no contender.

    Args:
        ledger: Where the records are.
        wanted: Which of them count.

    Raises:
        UsageError: There is none.
    """
    boards: dict[str, list[Record]] = defaultdict(list)
    for record in ledger.records():
        if wanted(record):
            boards[board_key(record.job)].append(record)
    rows = [seeds for records in boards.values() for seeds in records_of_rows(records)]
    found = [
        Entry(seeds=seeds, ledger=ledger)
        for seeds in rows
        if all(record.status == "ok" for record in seeds) and seeds[0].job["model"] != BASELINE
    ]
    if not found:
        raise UsageError(f"no finished job in {ledger.root}: start with `mlbench run`")
    return found


def lost(first: Iterable[Entry], second: Iterable[Entry]) -> list[Entry]:
    """Entries of the first that the second lacks, because they did not run there or did not end well."""
    known, other = _by_row(first), _by_row(second)
    return [known[key] for key in sorted(known.keys() - other.keys())]


def pair_up(first: Iterable[Entry], second: Iterable[Entry]) -> list[tuple[Entry, Entry]]:
    """Entries of two ledgers that have the same data set's name, model and features.

    Raises:
        UsageError: No two have, or one has several budgets of the same.
    """
    known, other = _by_row(first), _by_row(second)
    pairs = [(known[key], other[key]) for key in sorted(known.keys() & other.keys())]
    if not pairs:
        raise UsageError("the two have no (data set, model, features) in common: there is nothing to compare")
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
    """The error that a row was run twice: how the two differ, and the folders to name instead."""
    budgets = [entry.seeds[0].job["budget"] for entry in (first, second)]
    other = [name for name in sorted(budgets[0]) if budgets[0][name] != budgets[1].get(name)]
    parts = []
    for entry, budget in zip((first, second), budgets, strict=True):
        how = ", ".join(f"{name} {budget.get(name)}" for name in other) or f"data {entry.sha256[:12]}"
        parts.append(f"{entry.ledger.jobs / entry.seeds[0].id} ({how})")
    kind = "with several budgets" if other else "on several data sets of that name"
    return f"{what} was run {kind}: name the folder of a job instead: {' or '.join(parts)}"


def entries_named(name: str, entries: Sequence[Entry]) -> list[Entry]:
    """The entries of ``MODEL`` or ``MODEL:FEATURES``.

    Raises:
        UsageError: None.
    """
    model, _, features = name.partition(":")
    if model == BASELINE:
        raise UsageError(f"{name} is the floor, which every board shows, and is not compared: name models")
    mine = [
        entry
        for entry in entries
        if entry.seeds[0].job["model"] == model and features in ("", entry.seeds[0].job["features"])
    ]
    if not mine:
        known = ", ".join(sorted({entry.label.replace(" · ", ":") for entry in entries}))
        raise UsageError(f"no file, folder or model {name!r}: there are {known}")
    return mine


def contender(name: str, entries: Sequence[Entry]) -> Contender:
    """The entries of ``MODEL`` or ``MODEL:FEATURES``, one a data set.

    Raises:
        UsageError: None, or several on one data set.
    """
    by_dataset: dict[str, Entry] = {}
    for entry in entries_named(name, entries):
        if (first := by_dataset.get(entry.dataset)) is not None:
            if first.label != entry.label:
                both = " or ".join(sorted(one.label.replace(" · ", ":") for one in (first, entry)))
                raise UsageError(f"{name} on {entry.dataset} has several features: say MODEL:FEATURES, such as {both}")
            raise UsageError(_several(f"{name} on {entry.dataset}", first, entry))
        by_dataset[entry.dataset] = entry
    return Contender(name=name, entries=by_dataset)


def _label_wins(first: Entry, second: Entry) -> LabelWins | None:
    """By the mean over seeds of each label's average precision; None where a file is missing or damaged."""
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
    """Label -> (positives in train, average precision)."""
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
