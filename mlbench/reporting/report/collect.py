"""The ledger to what the report shows: plain data, nothing escaped, nothing drawn."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from mlbench.evaluation.curves import read_curves
from mlbench.execution.job import BASELINE
from mlbench.execution.scheduler import PER_LABEL, TRIALS
from mlbench.metrics import DIRECTIONS
from mlbench.reporting.leaderboard import Row, chosen_boards, leaderboard, records_of_rows, shown_record
from mlbench.reporting.views import footnotes, warnings
from mlbench.results.ledger import Ledger, Record

COSTS = ("prepare_seconds", "tune_seconds", "fit_seconds")

FACTS = {
    "processor": "Processor",
    "cpus": "CPUs",
    "threads": "Threads of a job",
    "platform": "Platform",
    "python": "Python",
    "mlbench": "mlbench",
}
"""What of a record's environment is shown, and as what; the versions of libraries follow."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A finished trial.

    Attributes:
        number: From 0; trial 0 is the defaults.
        state: ``COMPLETE``, ``PRUNED`` or ``FAIL``.
        value: The tuned metric on valid; None unless complete.
    """

    number: int
    state: str
    value: float | None


@dataclass(frozen=True, kw_only=True)
class Label:
    """A label of the data set: its name and how often it is positive."""

    name: str
    n_train: int
    n_test: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of a board with what lies beside the record that stands for it.

    Attributes:
        row: Of the leaderboard.
        record: The one of the row's seeds that the details are of.
        curves: By part, as in ``mlbench.evaluation.curves``; empty where there are none.
        trials: In order.
        label_ap: Test AP of each label of the board, None where it is undefined; empty unless the job is ok.
        cost: Seconds of preparing, tuning and fitting; None where one of them is not known.
        on_front: Whether no other row is both cheaper and better.
    """

    row: Row
    record: Record
    curves: Mapping[str, Any]
    trials: Sequence[Trial]
    label_ap: Sequence[float | None]
    cost: float | None
    on_front: bool

    @property
    def name(self) -> str:
        """For people: model and features."""
        return f"{self.row['model']} · {self.row['features']}"

    @property
    def floor(self) -> bool:
        """Whether it is the model that every board has."""
        return self.row["model"] == BASELINE

    @property
    def micro(self) -> float | None:
        """Test micro AP."""
        return float(self.row["average_precision_micro"]) if self.row["average_precision_micro"] else None


@dataclass(frozen=True, kw_only=True)
class Board:
    """One data set under one budget.

    Attributes:
        dataset: Its name.
        title: The name, and the budget where another board is of the same data set.
        entries: As ranked.
        labels: In the data set's order.
        warnings: What must not be overlooked.
        notes: Below the table.
        budget: As in ``mlbench.execution.job.Budget``.
        commands: For a shell, each in several lines; together they make the board again.
        environment: (what, its value, which rows it is of or "" for all).
    """

    dataset: str
    title: str
    entries: Sequence[Entry]
    labels: Sequence[Label]
    warnings: Sequence[str]
    notes: Sequence[str]
    budget: Mapping[str, Any]
    commands: Sequence[Sequence[str]]
    environment: Sequence[tuple[str, str, str]] = field(default_factory=tuple)

    @property
    def sha256(self) -> str:
        """The data set's fingerprint."""
        return self.entries[0].row["dataset_sha256"]

    @property
    def minimize(self) -> bool:
        """Whether less of the tuned metric is better."""
        return DIRECTIONS.get(self.budget["metric"]) == "minimize"


def collect(ledger: Ledger, datasets: Sequence[str] = ()) -> list[Board]:
    """The boards of those data sets, or all.

    Raises:
        UsageError: There is none.
        UnknownName: No finished job is of that data set.
        LedgerError: A file of a job is not the one of its record.
    """
    found = chosen_boards(ledger, datasets)
    names = [name for name, _ in found]
    return [_board(name, records, ledger, several=names.count(name) > 1) for (name, _), records in found.items()]


def best_so_far(trials: Sequence[Trial], *, minimize: bool) -> list[float | None]:
    """After each trial, the best value of those that are complete; None before the first."""
    best: float | None = None
    found = []
    for trial in trials:
        if trial.value is not None:
            best = trial.value if best is None else min(best, trial.value) if minimize else max(best, trial.value)
        found.append(best)
    return found


# ------------------------------------------------------------------------------------------ one board
def _board(name: str, records: Sequence[Record], ledger: Ledger, *, several: bool) -> Board:
    rows = leaderboard(records)
    shown = {
        (record.job["model"], record.job["features"]): (record, [seed.job["seed"] for seed in seeds])
        for seeds in records_of_rows(records)
        for record in [shown_record(seeds)]
    }
    points = {id(row): (cost, float(micro)) for row in rows if (micro := row["average_precision_micro"])
              and (cost := _cost(row)) is not None}  # fmt: skip
    labels: list[Label] = []
    entries = []
    for row in rows:
        record, _ = shown[row["model"], row["features"]]
        found = _per_label(ledger, record)
        labels = labels or [label for label, _ in found]
        point = points.get(id(row))
        entries.append(
            Entry(
                row=row,
                record=record,
                curves=read_curves(ledger, record) or {},
                trials=_trials(ledger, record),
                label_ap=[value for _, value in found],
                cost=_cost(row),
                on_front=point is not None and not any(_beats(other, point) for other in points.values()),
            )
        )
    budget = records[0].job["budget"]
    return Board(
        dataset=name,
        title=f"{name} ({_title_of(budget)})" if several else name,
        entries=entries,
        labels=labels,
        warnings=warnings(rows),
        notes=footnotes(rows),
        budget=budget,
        commands=_commands(
            name,
            {**budget, "device": "cpu" if all(entry.record.device == "cpu" for entry in entries) else "auto"},
            [(*key, seeds) for key, (_, seeds) in shown.items()],
        ),
        environment=_environment(entries),
    )


def _title_of(budget: Mapping[str, Any]) -> str:
    return f"{budget['n_trials']} trials, {budget['metric']}, refit {budget['refit']}, {budget['timeout']:g} s"


def _cost(row: Row) -> float | None:
    return sum(float(row[name]) for name in COSTS) if all(row[name] for name in COSTS) else None


def _beats(other: tuple[float, float], point: tuple[float, float]) -> bool:
    """Whether ``other`` costs no more and is no worse, and is not the same."""
    return other != point and other[0] <= point[0] and other[1] >= point[1]


def _trials(ledger: Ledger, record: Record) -> list[Trial]:
    return [
        Trial(number=int(line["number"]), state=line["state"], value=float(line["value"]) if line["value"] else None)
        for line in ledger.rows(record, TRIALS)
    ]


def _per_label(ledger: Ledger, record: Record) -> list[tuple[Label, float | None]]:
    return [
        (
            Label(name=line["label"], n_train=int(line["n_positives_train"]), n_test=int(line["n_positives_test"])),
            float(line["average_precision"]) if line["average_precision"] else None,
        )
        for line in ledger.rows(record, PER_LABEL)
    ]


# --------------------------------------------------------------------------- where, and how to do it again
def _environment(entries: Sequence[Entry]) -> list[tuple[str, str, str]]:
    """What the jobs ran on; a value that not all rows share comes with the names of those that do."""
    found: dict[str, dict[str, list[str]]] = {}
    for entry in entries:
        for what, value in _facts(entry.record):
            found.setdefault(what, {}).setdefault(value, []).append(entry.name)
    return [
        (what, value, "" if len(names) == len(entries) else ", ".join(names))
        for what, values in found.items()
        for value, names in values.items()
    ]


def _facts(record: Record) -> Iterable[tuple[str, str]]:
    environment = dict(record.environment)
    libraries = environment.pop("versions", None) or {}
    yield "Device", record.device
    for key, what in FACTS.items():
        if environment.get(key) is not None:
            yield what, str(environment[key])
    yield from ((library, str(version)) for library, version in sorted(libraries.items()))
    yield f"Plugin {record.job['plugin']}", str(record.job["plugin_version"])


def _commands(
    dataset: str, settings: Mapping[str, Any], rows: Iterable[tuple[str, str, Sequence[int]]]
) -> list[list[str]]:
    """One command for all models that were run on the same features with the same seeds."""
    ran: dict[str, dict[tuple[int, ...], list[str]]] = {}
    for model, features, seeds in rows:
        ran.setdefault(model, {}).setdefault(tuple(seeds), []).append(features)
    floor = [name for names in ran.get(BASELINE, {}).values() for name in names]
    # The floor comes by itself, on the features that are named first.
    others = {model: what for model, what in ran.items() if model != BASELINE} or ran
    wanted = sorted(
        (sorted(names, key=lambda name: (name not in floor, name)), seeds, model)
        for model, what in others.items()
        for seeds, names in what.items()
    )
    options: list[str] = [
        *("--n-trials", f"{settings['n_trials']}"),
        *("--timeout", _seconds(settings["timeout"])),
        *("--trial-timeout", _seconds(settings["trial_timeout"])),
        *("--memory-limit", _size(settings["memory_limit"])),
        *("--metric", settings["metric"]),
        *("--refit", settings["refit"]),
        *("--device", settings["device"]),
    ]
    commands = []
    for (names, numbers), group in groupby(wanted, key=lambda one: (one[0], one[1])):
        lines = [
            ["mlbench", "run", dataset],
            [word for _, _, model in group for word in ("-m", model)],
            [word for name in names for word in ("-f", name)],
            options[:8],
            [*options[8:], *(word for seed in numbers for word in ("--seed", str(seed)))],
        ]
        commands.append([shlex.join(line) for line in lines])
    return commands


def _seconds(duration: float) -> str:
    """Seconds as ``--timeout`` reads them: without an exponent."""
    return f"{duration:f}".rstrip("0").rstrip(".") + "s"


def _size(size: int) -> str:
    """Bytes as ``--memory-limit`` reads them."""
    for unit, one in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if size % one == 0:
            return f"{size // one}{unit}"
    return str(size)
