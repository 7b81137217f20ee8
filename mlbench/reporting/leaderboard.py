"""Records to a table: one row per (model, features), seeds together, best micro AP first.

The CSV is a pure function of records; Markdown, HTML and the terminal's table are made from the CSV's
rows alone (``mlbench.reporting.views``).
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from packaging.version import InvalidVersion, Version

from mlbench.errors import DataError, UnknownName, UsageError
from mlbench.evaluation.bootstrap import interval
from mlbench.evaluation.intervals import fold_seeds, rank_ranges
from mlbench.execution.job import PROTOCOL
from mlbench.results.ledger import Ledger, Record

COLUMNS = (
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
TEST_FIGURES = (
    "average_precision_micro",
    "average_precision_macro",
    "average_precision_macro_all_labels",
    "average_precision_weighted",
    "average_precision_samples",
    "roc_auc_macro",
    "label_ranking_average_precision",
)
TIMINGS = ("prepare_seconds", "tune_seconds", "fit_seconds", "predict_seconds")
Row: TypeAlias = "dict[str, str]"
"""One line of the CSV, by column, as text."""


def boards(records: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    """Records that may stand on one board: same data, same budget; by (data set's name, key)."""
    together: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.job["protocol"] == PROTOCOL:
            together[record.dataset["name"], board_key(record.job)].append(record)
    return dict(sorted(together.items()))


def chosen_boards(ledger: Ledger, datasets: Collection[str] = ()) -> dict[tuple[str, str], list[Record]]:
    """``boards`` of a ledger, of those data sets or of all.

    Raises:
        UsageError: There is no finished job.
        UnknownName: There is none of one of the data sets.
    """
    found = boards(ledger.records())
    if not found:
        raise UsageError(f"no finished job in {ledger.root}: start with `mlbench run`")
    names = [name for name, _ in found]
    for asked in datasets:
        if asked not in names:
            raise UnknownName("leaderboard", asked, names)
    return {key: records for key, records in found.items() if not datasets or key[0] in datasets}


def board_key(identity: Mapping[str, Any]) -> str:
    """What two jobs must share to stand on one board."""
    return json.dumps([identity["dataset_sha256"], identity["budget"]], sort_keys=True)


def leaderboard(records: Iterable[Record], preferred: Collection[str] = ()) -> list[Row]:
    """The rows of one board, ranked.

    Args:
        records: Of one data set and one budget.
        preferred: Ids of jobs to take where a model was run in several versions or on several devices;
            else the newest version is taken.
    """
    chosen = records_of_rows(records, preferred)
    rows = [_row(seeds) for seeds in chosen]
    _add_intervals(rows, chosen)
    rows.sort(key=_order)
    figures = [float(row["average_precision_micro"]) for row in rows if row["average_precision_micro"]]
    for row in rows:
        if row["average_precision_micro"]:
            row["rank"] = str(1 + sum(other > float(row["average_precision_micro"]) for other in figures))
    return rows


def replicates_of(seeds: Sequence[Record], name: str) -> NDArray[np.float64] | None:
    """The replicates, shape (R,), of a test figure of a row, its seeds folded in; None where one has none."""
    if any(name not in record.replicates for record in seeds):
        return None
    shown = seeds[0].job
    values = [[np.nan if value is None else value for value in record.replicates[name]] for record in seeds]
    return fold_seeds(values, f"{shown['model']}\n{shown['features']}")


def _add_intervals(rows: Sequence[Row], chosen: Sequence[Sequence[Record]]) -> None:
    """Fill in the ends of the intervals, and the ranks that cannot be told apart when all rows have replicates."""
    values: dict[str, float] = {}
    found: dict[str, NDArray[np.float64]] = {}
    for number, (row, seeds) in enumerate(zip(rows, chosen, strict=True)):
        for name in ("average_precision_micro", "average_precision_macro"):
            replicates = replicates_of(seeds, name) if row[name] else None
            if replicates is not None:
                row[f"{name}_low"], row[f"{name}_high"] = map(repr, interval(replicates).tolist())
                if name == "average_precision_micro":
                    found[str(number)] = replicates
        if row["average_precision_micro"]:
            values[str(number)] = float(row["average_precision_micro"])
    if found.keys() == values.keys():
        for key, (low, high) in rank_ranges(values, found).items():
            rows[int(key)] |= {"rank_low": str(low), "rank_high": str(high)}


def records_of_rows(records: Iterable[Record], preferred: Collection[str] = ()) -> list[list[Record]]:
    """The records, a seed each, that a row of ``leaderboard`` is made from, for each row, unranked."""
    variants: dict[tuple[str, str], dict[tuple[Any, ...], list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        job = record.job
        if job["protocol"] != PROTOCOL:
            continue
        versions = _version_key(job["plugin_version"]), _version_key(job["features_plugin_version"])
        variant = (*versions, job["device"], job["plugin"], job["features_plugin"])
        variants[job["model"], job["features"]][variant].append(record)
    chosen = []
    for candidates in variants.values():
        wanted = [variant for variant, group in candidates.items() if any(r.id in preferred for r in group)]
        chosen.append(sorted(candidates[max(wanted or candidates)], key=lambda record: record.job["seed"]))
    return chosen


def shown_record(seeds: Sequence[Record]) -> Record:
    """The one that stands for its row: the first that is not ok, else the best on valid."""
    bad = next((record for record in seeds if record.status != "ok"), None)
    return bad or max(seeds, key=lambda record: record.figures["valid"]["average_precision_micro"] or 0.0)


def to_csv(rows: Sequence[Row]) -> str:
    """The CSV of those rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: no_formula(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def from_csv(text: str, where: str = "the leaderboard") -> list[Row]:
    """The rows of that CSV.

    Raises:
        DataError: It is not one of ours.
    """
    try:
        header, *lines = list(csv.reader(io.StringIO(text))) or [[]]
    except csv.Error as error:
        raise DataError(f"{where} is no leaderboard of this mlbench: {error}") from error
    if tuple(header) != COLUMNS or any(len(line) != len(COLUMNS) for line in lines):
        raise DataError(f"{where} is no leaderboard of this mlbench: its columns differ")
    return [dict(zip(COLUMNS, map(_with_formula, line), strict=True)) for line in lines]


def read_csv(path: Path) -> list[Row]:
    """The rows of that file.

    Raises:
        DataError: It cannot be read, or is not one of ours.
    """
    try:
        return from_csv(path.read_bytes().decode(), str(path))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no leaderboard of this mlbench: it is no text") from error


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` as a whole, or leave it alone when it is the same."""
    data = text.encode()
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_name(f".{path.name}.{os.getpid()}.making")
    making.write_bytes(data)
    making.replace(path)


def _row(seeds: Sequence[Record]) -> Row:
    """One row from the records of one model on one representation, a seed each."""
    shown = shown_record(seeds)
    values: dict[str, Any] = {
        **{name: shown.dataset.get(name) for name in COLUMNS if name.startswith("n_")},
        "model": shown.job["model"],
        "features": shown.job["features"],
        "status": shown.status,
        "error": shown.error or _cut_short(seeds),
        "n_seeds": len(seeds),
        "n_trials": sum(record.n_trials for record in seeds),
        "n_trials_pruned": sum(record.n_trials_pruned for record in seeds),
        "n_trials_failed": sum(record.n_trials_failed for record in seeds),
        "best_params": None if shown.best_params is None else json.dumps(dict(shown.best_params), sort_keys=True),
        **{name: _mean(record.timings.get(name) for record in seeds) for name in TIMINGS},
        "peak_memory_mb": max((record.peak_memory_mb or 0.0 for record in seeds), default=0.0) or None,
        "device": shown.device,
        "plugin": shown.job["plugin"],
        "plugin_version": shown.job["plugin_version"],
        "mlbench_version": shown.environment.get("mlbench"),
        "dataset": shown.dataset["name"],
        "dataset_sha256": shown.dataset["sha256"],
    }
    if shown.status == "ok":
        for name in TEST_FIGURES:
            values[name] = _mean(record.figures["test"][name] for record in seeds)
        values["default_average_precision_micro"] = _mean(record.default_average_precision_micro for record in seeds)
        values["valid_average_precision_micro"] = _mean(
            record.figures["valid"]["average_precision_micro"] for record in seeds
        )
    return {name: _text(values.get(name)) for name in COLUMNS}


def _cut_short(seeds: Sequence[Record]) -> str | None:
    """What an ok row must not hide: with more time it would have been tuned further."""
    shown = seeds[0]
    asked = shown.job["budget"]["n_trials"] * len(seeds)
    done = sum(record.n_trials for record in seeds)
    if done >= asked or not shown.best_params:  # one trial is all there is when there is nothing to tune
        return None
    return f"the time was over after {done} of {asked} trials: --timeout {shown.job['budget']['timeout']:g}s"


def _order(row: Row) -> tuple[float, float, str, str]:
    micro, macro = row["average_precision_micro"], row["average_precision_macro"]
    return -float(micro or "-inf"), -float(macro or "-inf"), row["model"], row["features"]


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean; None when one is missing, so that no figure is of fewer seeds than the row says."""
    known = list(values)
    numbers = [value for value in known if value is not None]
    return sum(numbers[1:], start=numbers[0]) / len(numbers) if numbers and len(numbers) == len(known) else None


def _text(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


_FORMULA = re.compile(r"'*\s*[=+\-@]")


def no_formula(value: str) -> str:
    """One line; text that a spreadsheet would run as a formula gets a leading apostrophe, numbers do not."""
    value = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", value)
    if _FORMULA.match(value):
        try:
            float(value)
        except ValueError:
            return f"'{value}"
    return value


def _with_formula(value: str) -> str:
    """What ``no_formula`` was given."""
    return value[1:] if value.startswith("'") and _FORMULA.match(value) else value


def _version_key(version: str) -> tuple[bool, Version, tuple[tuple[int, str], ...]]:
    """Versions in the order of PEP 440; others before them, 9 before 10."""
    try:
        return True, Version(version), ()
    except InvalidVersion:
        words = re.findall(r"\d+|\D+", version)
        return False, Version("0"), tuple((int(word), "") if word.isdigit() else (-1, word) for word in words)
