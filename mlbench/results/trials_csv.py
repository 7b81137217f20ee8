"""``trials.csv``: the finished trials of a job, for people and for checks."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from mlbench.results.trial_log import State, TrialRecord

FIRST_COLUMNS = ("number", "state", "value", "average_precision_micro", "best_step", "seconds", "error")
"""The columns of the first release; then come the parameters."""
TRIAL_COLUMNS = (*FIRST_COLUMNS, "last_value")
"""Then come the parameters."""


def cell(value: Any) -> Any:
    """Return a cell of a CSV: full precision, and nothing for what is not there."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


def write_rows(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV, the header first."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_trials(path: Path, trials: Sequence[TrialRecord]) -> None:
    """Write one row for each trial."""
    names = sorted({name for trial in trials for name in trial.params})
    rows = (
        [
            *(trial.number, trial.state, cell(trial.value), cell(trial.average_precision_micro), cell(trial.best_step)),
            *(cell(trial.seconds), cell(trial.error), cell(trial.last_value)),
            *(cell(trial.params.get(name)) for name in names),
        ]
        for trial in trials
    )
    write_rows(path, [(*TRIAL_COLUMNS, *names), *rows])


def read_trials(path: Path) -> list[TrialRecord]:
    """Return the trials of a CSV, in order; parameters as text, those that a trial lacks left out.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not such a CSV.
    """

    def number(text: str) -> float | None:
        return float(text) if text else None

    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    columns = TRIAL_COLUMNS if tuple(header[: len(TRIAL_COLUMNS)]) == TRIAL_COLUMNS else FIRST_COLUMNS
    if tuple(header[: len(columns)]) != columns:
        raise ValueError("its columns differ")
    found = []
    for row in rows:
        values = dict(zip(columns, row, strict=False))
        params = dict(zip(header[len(columns) :], row[len(columns) :], strict=True))
        last = number(values.get("last_value", ""))
        found.append(
            TrialRecord(
                number=int(values["number"]),
                state=cast("State", values["state"]),
                value=number(values["value"]),
                average_precision_micro=number(values["average_precision_micro"]),
                params={name: text for name, text in params.items() if text},
                steps=() if last is None else ((1, last),),
            )
        )
    return found


def params_as_text(params: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Return parameters as ``read_trials`` gives them."""
    if params is None:
        return None
    return {name: text for name, value in params.items() if (text := str(cell(value)))}
