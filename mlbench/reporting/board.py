"""A leaderboard: one row for each (model, features), seeds together, ranked by the metric that was tuned.

A board is a pure function of records. It says what the run knew: the metric, the budget, the jobs and their
notes stand in its rows, so that nothing about it has to be inferred later. The CSV is the board; Markdown,
HTML and the terminal's table are made from the CSV's rows alone (``mlbench.reporting.views``).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mlbench.errors import UnknownName, UsageError
from mlbench.evaluation.bootstrap import number_of_units
from mlbench.evaluation.intervals import interval, percentile_interval, rank_ranges
from mlbench.metrics import MACRO, METRICS, MICRO
from mlbench.reporting.row_records import (
    mean_over_seeds,
    records_of_rows,
    replicates_of,
    shown_record,
    sign_of,
)
from mlbench.results.ledger import Ledger
from mlbench.results.schema import PROTOCOL, Record

BOARD_SCHEMA = 3
WARNING = "Warning: "
"""How a note begins that must not be overlooked."""
TUNING = "Tuning: "
"""How a note begins that is of a single row; all others are of the data."""
FIRST_COLUMNS = (
    "rank",
    "rank_low",
    "rank_high",
    "model",
    "features",
    "status",
    "average_precision_micro",
    "average_precision_micro_low",
    "average_precision_micro_high",
    "average_precision_macro",
    "average_precision_macro_low",
    "average_precision_macro_high",
    "average_precision_macro_all_labels",
    "average_precision_weighted",
    "average_precision_samples",
    "roc_auc_macro",
    "label_ranking_average_precision",
    "valid_average_precision_micro",
    "default_average_precision_micro",
    "n_labels",
    "n_labels_scored",
    "n_train",
    "n_valid",
    "n_test",
    "n_groups",
    "n_seeds",
    "n_trials",
    "n_trials_pruned",
    "n_trials_failed",
    "best_params",
    "prepare_seconds",
    "tune_seconds",
    "fit_seconds",
    "predict_seconds",
    "peak_memory_mb",
    "device",
    "plugin",
    "plugin_version",
    "mlbench_version",
    "dataset",
    "dataset_sha256",
    "error",
)
"""Columns of schema 1."""
COLUMNS = (
    *FIRST_COLUMNS,
    "metric",
    "metric_value",
    "metric_low",
    "metric_high",
    "valid_metric",
    "default_metric",
    "budget_trials",
    "budget_seconds",
    "budget_trial_seconds",
    "budget_memory_mb",
    "refit",
    "notes",
    "job_ids",
    "board_id",
    "schema_version",
)
TEST_METRICS = (
    "average_precision_micro",
    "average_precision_macro",
    "average_precision_macro_all_labels",
    "average_precision_weighted",
    "average_precision_samples",
    "roc_auc_macro",
    "label_ranking_average_precision",
)
TIMINGS = ("prepare_seconds", "tune_seconds", "fit_seconds", "predict_seconds")
SIZES = ("n_labels", "n_labels_scored", "n_train", "n_valid", "n_test", "n_groups")
Row: TypeAlias = "dict[str, str]"
"""One row of the CSV: text by column name."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """A leaderboard.

    Attributes:
        rows: In the order of their ranks.
        columns: The columns that were read or written; boards of schema 1 have fewer.
    """

    rows: tuple[Row, ...]
    columns: tuple[str, ...] = COLUMNS

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self._first("dataset")

    @property
    def dataset_sha256(self) -> str:
        """Fingerprint of the data set."""
        return self._first("dataset_sha256")

    @property
    def id(self) -> str:
        """What all its jobs share, hashed: data set, budget and protocol; empty in schema 1."""
        return self._first("board_id")

    @property
    def metric(self) -> str:
        """The metric that was tuned and that the rows are ranked by."""
        return self._first("metric") or MICRO

    @property
    def schema_version(self) -> int:
        """Schema of the columns."""
        return int(self._first("schema_version") or 1)

    @property
    def job_ids(self) -> frozenset[str]:
        """Ids of all jobs; empty in schema 1."""
        return frozenset(job for row in self.rows for job in row["job_ids"].split())

    def _first(self, column: str) -> str:
        return self.rows[0][column] if self.rows else ""


def row_name(row: Row) -> str:
    """Return model and features of a row, for people."""
    return f"{row['model']} · {row['features']}"


def row_notes(row: Row) -> list[str]:
    """Return the notes of a row."""
    return [str(note) for note in json.loads(row["notes"])] if row["notes"] else []


def boards(records: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    """Return the records of each board, by (name of the data set, id of the board)."""
    together: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.job.protocol == PROTOCOL:
            together[record.dataset.name, record.job.board_id].append(record)
    return dict(sorted(together.items(), key=lambda item: (item[0][0], _budget_order(item[1][0]))))


def _budget_order(record: Record) -> tuple[object, ...]:
    budget = record.budget
    return record.dataset.sha256, budget.n_trials, budget.metric, budget.timeout, record.job.board_id


def chosen_boards(ledger: Ledger, datasets: Collection[str] = ()) -> dict[tuple[str, str], list[Record]]:
    """Return ``boards`` of a ledger, of those data sets or of all.

    Raises:
        UsageError: There is no finished job.
        UnknownName: There is none of one of the data sets.
    """
    found = boards(ledger.records())
    if not found:
        raise UsageError(f"no finished jobs in {ledger.root}: start with `mlbench run`")
    names = [name for name, _ in found]
    for asked in datasets:
        if asked not in names:
            raise UnknownName("leaderboard", asked, names)
    return {key: records for key, records in found.items() if not datasets or key[0] in datasets}


def leaderboard(records: Iterable[Record], preferred: Collection[str] = (), *, schema: int = BOARD_SCHEMA) -> Board:
    """Return the board of records that share data set and budget.

    Args:
        records: The records.
        preferred: Ids of jobs to take where a model was run in several versions or on several devices; the
            newest version is taken otherwise.
        schema: As which schema had it, to verify an earlier board: boards of schema 1 were ranked by micro average
            precision whatever was tuned, and before schema 3 intervals were percentiles.
    """
    chosen = records_of_rows(records, preferred)
    facts = _dataset_notes(chosen)
    rows = [_row(seeds, facts) | {"schema_version": str(schema)} for seeds in chosen]
    if not rows:
        return Board(rows=())
    ranked_by, column = (MICRO, MICRO) if schema == 1 else (chosen[0][0].budget.metric, "metric_value")
    _add_intervals(rows, chosen, ranked_by, percentiles=schema < 3)
    sign = sign_of(ranked_by)
    rows.sort(key=lambda row: _order(row, column, sign))
    values = [sign * float(row[column]) for row in rows if row[column]]
    for row in rows:
        if row[column]:
            row["rank"] = str(1 + sum(other > sign * float(row[column]) for other in values))
    return Board(rows=tuple(rows))


def _order(row: Row, column: str, sign: int) -> tuple[float, float, float, str, str]:
    def best_first(name: str, sign: int = 1) -> float:
        return -sign * float(row[name]) if row[name] else float("inf")

    return best_first(column, sign), best_first(MICRO), best_first(MACRO), row["model"], row["features"]


def _add_intervals(
    rows: Sequence[Row], chosen: Sequence[Sequence[Record]], ranked_by: str, *, percentiles: bool
) -> None:
    """Fill in the intervals and, if all rows have replicates, the rank ranges."""
    sign, dataset = sign_of(ranked_by), chosen[0][0].dataset
    n_units = number_of_units(dataset.n_test, dataset.n_groups)
    values, found = {}, {}
    for number, (row, seeds) in enumerate(zip(rows, chosen, strict=True)):
        if row["status"] != "ok":
            continue
        tuned = seeds[0].budget.metric
        for name, column in ((MICRO, MICRO), (MACRO, MACRO), (tuned, "metric")):
            value = row["metric_value" if column == "metric" else column]
            replicates = replicates_of(seeds, name) if value else None
            if replicates is not None:
                if percentiles:
                    ends = percentile_interval(replicates)
                else:
                    ends = interval(float(value), replicates, n_units, 0.0, METRICS[name].highest)
                row[f"{column}_low"], row[f"{column}_high"] = map(repr, ends.tolist())
        value = row["metric_value"] if ranked_by == tuned else row[ranked_by]
        if value:
            values[str(number)] = sign * float(value)
            replicates = replicates_of(seeds, ranked_by)
            if replicates is not None:
                found[str(number)] = sign * replicates
    if values and found.keys() == values.keys():
        for key, (low, high) in rank_ranges(values, found, n_units, corrected=not percentiles).items():
            rows[int(key)] |= {"rank_low": str(low), "rank_high": str(high)}


def _dataset_notes(chosen: Sequence[Sequence[Record]]) -> list[str]:
    """What is known of the data set: warnings first. Records of schema 1 say nothing of it."""
    infos = [record.dataset for seeds in chosen for record in seeds]
    warnings = [f"{WARNING}{warning}" for info in infos for warning in info.warnings]
    return list(dict.fromkeys([*warnings, *(note for info in infos for note in info.notes)]))


def _row(seeds: Sequence[Record], facts: Sequence[str]) -> Row:
    """Build a row from the records of one model on one set of features, one per seed."""
    shown = shown_record(seeds)
    budget, dataset, job = shown.budget, shown.dataset, shown.job
    values: dict[str, Any] = {
        **{name: getattr(dataset, name) for name in SIZES},
        "model": job.model,
        "features": job.features,
        "status": shown.status,
        "error": shown.error,
        "n_seeds": len(seeds),
        "n_trials": sum(record.n_trials for record in seeds),
        "n_trials_pruned": sum(record.n_trials_pruned for record in seeds),
        "n_trials_failed": sum(record.n_trials_failed for record in seeds),
        "best_params": None if shown.best_params is None else json.dumps(dict(shown.best_params), sort_keys=True),
        **{name: mean_over_seeds(getattr(record.timings, name) for record in seeds) for name in TIMINGS},
        "peak_memory_mb": max((record.peak_memory_mb or 0.0 for record in seeds), default=0.0) or None,
        "device": shown.device,
        "plugin": job.plugin,
        "plugin_version": job.plugin_version,
        "mlbench_version": shown.environment.mlbench,
        "dataset": dataset.name,
        "dataset_sha256": dataset.sha256,
        "metric": budget.metric,
        "budget_trials": budget.n_trials,
        "budget_seconds": budget.timeout,
        "budget_trial_seconds": budget.trial_timeout,
        "budget_memory_mb": budget.memory_limit / (1 << 20),
        "refit": shown.refit,
        "notes": _json_list([*facts, *cuts(seeds)]),
        "job_ids": " ".join(record.id for record in seeds),
        "board_id": job.board_id,
    }
    if shown.status == "ok":
        for name in TEST_METRICS:
            values[name] = _mean(seeds, "test", name)
        values["valid_average_precision_micro"] = _mean(seeds, "valid", MICRO)
        values["default_average_precision_micro"] = mean_over_seeds(
            record.default_average_precision_micro for record in seeds
        )
        values["metric_value"] = _mean(seeds, "test", budget.metric)
        values["valid_metric"] = _mean(seeds, "valid", budget.metric)
        values["default_metric"] = mean_over_seeds(record.default_value for record in seeds)
    return {name: _text(values.get(name)) for name in COLUMNS}


def cuts(seeds: Sequence[Record]) -> list[str]:
    """Return what the time limits cut from a row, one line each: with more time it would have been tuned further."""
    budget = seeds[0].budget
    asked = sum(record.n_trials_asked for record in seeds)
    done = sum(record.n_trials for record in seeds)
    lines = []
    if done < asked and all(record.status == "ok" for record in seeds):
        lines.append(f"{TUNING}timed out after {done} of {asked} trials (--timeout {budget.timeout:g}s)")
    over = sum(record.n_trials_timed_out or 0 for record in seeds)
    if over:
        lines.append(f"{TUNING}{over} of {asked} trials cut by --trial-timeout {budget.trial_timeout:g}s")
    return lines


def differences_of(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return how two rows' budgets differ, one phrase each; what one of them does not say is left out."""
    names = {
        "metric": "metric",
        "budget_trials": "trials",
        "budget_seconds": "seconds of tuning",
        "budget_trial_seconds": "seconds a trial",
        "budget_memory_mb": "MB of memory",
        "refit": "refit",
    }
    known = {name: what for name, what in names.items() if old[name] and new[name]}
    return [f"{what} {old[name]}, now {new[name]}" for name, what in known.items() if old[name] != new[name]]


def _mean(seeds: Sequence[Record], split: str, metric: str) -> float | None:
    return mean_over_seeds(record.value(split, metric) for record in seeds)


def _json_list(items: Sequence[str]) -> str:
    return json.dumps(list(items), ensure_ascii=False) if items else ""


def _text(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
