"""The content of the report as plain data, collected from a ledger."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from mlbench.evaluation.curves import read_curves
from mlbench.metrics import METRICS, MICRO
from mlbench.reporting import board as boards
from mlbench.reporting.board import Row, chosen_boards, leaderboard
from mlbench.reporting.row_records import records_of_rows, shown_record, sign_of
from mlbench.reporting.views import footnotes, warnings
from mlbench.results.ledger import Ledger
from mlbench.results.schema import BASELINE, PER_LABEL, TRIALS, Budget, DatasetInfo, Record

COSTS = ("prepare_seconds", "tune_seconds", "fit_seconds")

FACTS = {
    "processor": "Processor",
    "cpus": "CPUs",
    "threads": "Threads of a job",
    "platform": "Platform",
    "python": "Python",
    "mlbench": "mlbench",
}
"""The environment entries of a record that are shown, with their titles; library versions follow."""


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
    """A row of a board, with the files of the record that represents it.

    Attributes:
        row: The row of the leaderboard.
        record: The record of the seed that the details are from.
        curves: The curves by split, as in ``mlbench.evaluation.curves``; empty if there are none.
        trials: The trials in order.
        label_ap: Test AP of each label, None where it is undefined; empty unless the job is ok.
        cost: Seconds spent on preparing, tuning and fitting; None if one of them is unknown.
        on_front: Whether no other row is both cheaper and better (Pareto front).
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
        """Model and features, for display."""
        return f"{self.row['model']} · {self.row['features']}"

    @property
    def baseline(self) -> bool:
        """Whether this is the baseline."""
        return self.row["model"] == BASELINE

    @property
    def micro(self) -> float | None:
        """Test micro AP."""
        return float(self.row[MICRO]) if self.row[MICRO] else None

    @property
    def tuned(self) -> float | None:
        """The metric that was tuned, on test."""
        return float(self.row["metric_value"]) if self.row["metric_value"] else None


@dataclass(frozen=True, kw_only=True)
class Board:
    """One data set under one budget.

    Attributes:
        dataset: Its name.
        title: The name, and the budget where another board is of the same data set.
        board: What the CSV holds.
        entries: As ranked.
        labels: In the data set's order.
        warnings: What must not be overlooked.
        notes: Below the table.
        budget: What each job was allowed to spend.
        commands: For a shell, each in several lines; together they make the board again.
        environment: (what, its value, which rows it is of or "" for all).
    """

    dataset: str
    title: str
    board: boards.Board
    entries: Sequence[Entry]
    labels: Sequence[Label]
    warnings: Sequence[str]
    notes: Sequence[str]
    budget: Budget
    commands: Sequence[Sequence[str]]
    environment: Sequence[tuple[str, str, str]] = field(default_factory=tuple)

    @property
    def sha256(self) -> str:
        """The data set's fingerprint."""
        return self.entries[0].row["dataset_sha256"]

    @property
    def metric_name(self) -> str:
        """The metric that was tuned, for people."""
        return "micro AP" if self.budget.metric == MICRO else self.budget.metric

    @property
    def minimize(self) -> bool:
        """Whether lower values of the tuned metric are better."""
        return self.budget.metric in METRICS and METRICS[self.budget.metric].sign < 0


def collect(ledger: Ledger, datasets: Sequence[str] = ()) -> list[Board]:
    """Collect the boards of some data sets, or of all.

    Raises:
        UsageError: There are none.
        UnknownName: A data set has no finished jobs.
        LedgerError: A file of a job does not match its record.
    """
    found = chosen_boards(ledger, datasets)
    names = [name for name, _ in found]
    return [_board(name, records, ledger, several=names.count(name) > 1) for (name, _), records in found.items()]


def best_so_far(trials: Sequence[Trial], *, minimize: bool) -> list[float | None]:
    """Return the best value so far after each trial; None before the first complete one."""
    best: float | None = None
    found = []
    for trial in trials:
        if trial.value is not None:
            best = trial.value if best is None else min(best, trial.value) if minimize else max(best, trial.value)
        found.append(best)
    return found


# ------------------------------------------------------------------------------------------ one board
def _board(name: str, records: Sequence[Record], ledger: Ledger, *, several: bool) -> Board:
    board = leaderboard(records)
    rows = board.rows
    shown = {
        (record.job.model, record.job.features): (record, [seed.job.seed for seed in seeds])
        for seeds in records_of_rows(records)
        for record in [shown_record(seeds)]
    }
    sign = sign_of(board.metric)
    points = {id(row): (cost, sign * float(value)) for row in rows if (value := row["metric_value"])
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
    budget = records[0].budget
    return Board(
        dataset=name,
        title=f"{name} ({_title_of(budget)})" if several else name,
        board=board,
        entries=entries,
        labels=labels,
        warnings=warnings(board),
        notes=footnotes(board),
        budget=budget,
        commands=_commands(
            records[0].dataset,
            budget,
            "cpu" if all(entry.record.device == "cpu" for entry in entries) else "auto",
            [(*key, seeds) for key, (_, seeds) in shown.items()],
        ),
        environment=_environment(entries),
    )


def _title_of(budget: Budget) -> str:
    return f"{budget.n_trials} trials, {budget.metric}, refit {budget.refit}, {budget.timeout:g} s"


def _cost(row: Row) -> float | None:
    return sum(float(row[name]) for name in COSTS) if all(row[name] for name in COSTS) else None


def _beats(other: tuple[float, float], point: tuple[float, float]) -> bool:
    """Return whether ``other`` dominates ``point``: no more expensive, no worse, and not equal."""
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
    """Describe what the jobs ran on; a value that not all rows share is listed with the rows that have it."""
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
    yield "Device", record.device
    for key, what in FACTS.items():
        if (value := getattr(record.environment, key)) is not None:
            yield what, str(value)
    yield from ((library, str(version)) for library, version in sorted(record.environment.versions.items()))
    yield f"Plugin {record.job.plugin}", record.job.plugin_version


def _commands(
    dataset: DatasetInfo, budget: Budget, device: str, rows: Iterable[tuple[str, str, Sequence[int]]]
) -> list[list[str]]:
    """Return one command for all models that were run on the same features with the same seeds."""
    ran: dict[str, dict[tuple[int, ...], list[str]]] = {}
    for model, features, seeds in rows:
        ran.setdefault(model, {}).setdefault(tuple(seeds), []).append(features)
    baseline = [name for names in ran.get(BASELINE, {}).values() for name in names]
    # The baseline comes by itself, on the features that are named first.
    others = {model: what for model, what in ran.items() if model != BASELINE} or ran
    wanted = sorted(
        (sorted(names, key=lambda name: (name not in baseline, name)), seeds, model)
        for model, what in others.items()
        for seeds, names in what.items()
    )
    options: list[str] = [
        *("--n-trials", f"{budget.n_trials}"),
        *("--timeout", _seconds(budget.timeout)),
        *("--trial-timeout", _seconds(budget.trial_timeout)),
        *("--memory-limit", _size(budget.memory_limit)),
        *("--metric", budget.metric),
        *("--refit", budget.refit),
        *("--device", device),
    ]
    changes = ["--limit", str(dataset.limit)] if dataset.limit is not None else []
    changes += ["--drop-twins"] if dataset.drop_twins else []
    commands = []
    for (names, numbers), group in groupby(wanted, key=lambda one: (one[0], one[1])):
        lines = [
            ["mlbench", "run", dataset.base_name or dataset.name, *changes],
            [word for _, _, model in group for word in ("-m", model)],
            [word for name in names for word in ("-f", name)],
            options[:8],
            [*options[8:], *(word for seed in numbers for word in ("--seed", str(seed)))],
        ]
        commands.append([shlex.join(line) for line in lines])
    return commands


def _seconds(duration: float) -> str:
    """Format seconds for ``--timeout``, without an exponent."""
    return f"{duration:f}".rstrip("0").rstrip(".") + "s"


def _size(size: int) -> str:
    """Format bytes for ``--memory-limit``."""
    for unit, one in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if size % one == 0:
            return f"{size // one}{unit}"
    return str(size)
