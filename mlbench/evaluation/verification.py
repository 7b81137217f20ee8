"""Verification of finished jobs: recomputes from their files what can be recomputed.

For every job, this checks the checksum of the record, its id as the hash of its identity, the SHA-256 of each file,
that no file is missing or added, and that the trials agree with the record. If the data set is found, it also
recomputes the threshold, the metrics, the per-label metrics and the curves from the stored scores. The train curve
of older jobs (which kept no scores of it) and the scores of trials other than the best one cannot be recomputed from
a ledger.

Floats are compared with ``TOLERANCE``, because processors add in different orders.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlbench.errors import InvalidScores, LedgerError, one_line
from mlbench.evaluation.dataset_finder import DatasetFinder, Missing
from mlbench.evaluation.recomputation import RECOMPUTED, Difference, Finished, Recomputable, same
from mlbench.evaluation.scores import load_scores
from mlbench.evaluation.tuning_report import at_edge, tuning_report
from mlbench.results.ledger import LOCK, Ledger, damages, read_record
from mlbench.results.schema import (
    PER_LABEL,
    RECORD,
    SCORES_TEST,
    SCORES_VALID,
    STATUSES,
    TRIALS,
    Record,
)
from mlbench.results.trial_log import best_trial
from mlbench.results.trials_csv import params_as_text, read_trials


@dataclass(kw_only=True)
class Verified:
    """The result of verifying a runs folder.

    Attributes:
        jobs: The number of finished jobs, including damaged ones.
        files: The number of their files, including records.
        recomputed: The number of jobs whose metrics were recomputed.
        differences: One line per difference, with the path of the file.
        notes: One line per data set that was not found.
    """

    jobs: int = 0
    files: int = 0
    recomputed: int = 0
    differences: list[str]
    notes: list[str]


def verify_runs(runs: Path, finder: DatasetFinder) -> Verified:
    """Verify every finished job of a runs folder, without writing anything.

    Args:
        runs: The runs folder.
        finder: Finds the data sets.
    """
    result = Verified(differences=[], notes=[])
    for folder in Ledger(runs).folders():
        result.jobs += 1
        result.files += sum(1 for _ in folder.iterdir())
        record, found = _read(folder)
        if record is not None:
            dataset = None
            if record.status == "ok":
                where = finder.find(record.dataset)
                if isinstance(where, Missing):
                    note = f"{record.dataset.name}: metrics not recomputed: {where.reason}"
                    if note not in result.notes:
                        result.notes.append(note)
                else:
                    dataset = where
            found = list(_differences(Finished(folder=folder, record=record, dataset=dataset)))
            result.recomputed += dataset is not None and not found
        result.differences += [f"{folder / name}: {one_line(what)}" for name, what in found]
    return result


def _read(folder: Path) -> tuple[Record | None, list[Difference]]:
    try:
        return read_record(folder), []
    except FileNotFoundError:
        return None, [(RECORD, "missing")]
    except (OSError, ValueError, LedgerError) as error:
        return None, [(RECORD, str(error))]


def _differences(job: Finished) -> Iterator[Difference]:
    """Yield the differences that the checks find; metrics are only recomputed from unchanged files."""
    found = [difference for check in CHECKS for difference in check(job)]
    yield from found
    if found or not job.scored or job.dataset is None:
        return
    dataset = job.dataset
    scores = []
    for name, split in ((SCORES_VALID, dataset.valid), (SCORES_TEST, dataset.test)):
        try:
            scores.append(load_scores(job.folder / name, split.Y))
        except InvalidScores as error:
            yield name, str(error)
            return
    whole = Recomputable(folder=job.folder, record=job.record, dataset=dataset, valid=scores[0], test=scores[1])
    for recompute in RECOMPUTED:
        yield from recompute(whole)


# ----------------------------------------------------------------------- what needs no labels
def check_identity(job: Finished) -> Iterator[Difference]:
    """Check that the id is the hash of the identity, and that the record agrees with it."""
    record = job.record
    if record.id != record.job.id:
        yield RECORD, f"the id is not the hash of the job, which is {record.job.id}"
    if record.dataset.sha256 != record.job.dataset_sha256:
        yield RECORD, "the data set and the job have different fingerprints"
    if record.device != record.job.device:
        yield RECORD, f"device {record.device}, but the job's is {record.job.device}"
    if record.status not in STATUSES:
        yield RECORD, f"unknown status {record.status!r}"
    if (record.status == "ok") != (record.error is None) or (record.status == "ok") != bool(record.metrics):
        yield RECORD, f"status {record.status} does not go with its error and metrics"


def check_files(job: Finished) -> Iterator[Difference]:
    """Check the SHA-256 of each file, and that none is missing or unknown to the record."""
    try:
        yield from damages(job.folder, job.record)
    except OSError as error:
        yield Path(error.filename or RECORD).name, f"cannot be read: {error.strerror or error}"
    needed = {TRIALS, *({SCORES_VALID, SCORES_TEST, PER_LABEL} if job.scored else ())}
    for name in sorted(needed - job.record.files.keys()):
        yield RECORD, f"does not list {name}"
    for path in sorted(job.folder.iterdir()):
        # A kill during the commit leaves an empty lock.
        left = path.name == LOCK and path.is_file() and path.stat().st_size == 0
        if path.name not in (*job.record.files, RECORD) and not left:
            yield path.name, "not listed in the record (running the same command again removes what a killed run left)"


def check_trials(job: Finished) -> Iterator[Difference]:
    """Check that the trials agree with the record: counts, best trial and parameters, value of the defaults."""
    record, metric = job.record, job.record.budget.metric
    try:
        trials = read_trials(job.folder / TRIALS)
        best = best_trial(trials, metric)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        yield TRIALS, f"cannot be read: {type(error).__name__}: {error}"
        return
    if [trial.number for trial in trials] != list(range(len(trials))):
        yield TRIALS, "the trials are not numbered consecutively from 0"
    first = trials[0] if trials else None
    says: dict[str, tuple[Any, Any]] = {
        "n_trials": (len(trials), record.n_trials),
        "n_trials_pruned": (sum(trial.state == "PRUNED" for trial in trials), record.n_trials_pruned),
        "n_trials_failed": (sum(trial.state == "FAIL" for trial in trials), record.n_trials_failed),
        "best_trial": (best.number if best else None, record.best_trial),
        "best_params": (best.params if best else None, params_as_text(record.best_params)),
        "default_average_precision_micro": (
            first.average_precision_micro if first else None,
            record.default_average_precision_micro,
        ),
    }
    if record.schema_version > 1:
        says["default_value"] = first.value if first else None, record.default_value
    if job.scored and best is not None:
        says[f"best {metric}"] = best.value, record.value("valid", metric)
        says["average_precision_micro of the best trial"] = (
            best.average_precision_micro,
            record.value("valid", "average_precision_micro"),
        )
    has_report = record.schema_version > 1 or record.tuning.expected_best  # older records may lack it
    # Before schema 3, the CSV lacks what pruned trials reported last.
    if has_report and (record.schema_version > 2 or not record.n_trials_pruned):
        expected = tuning_report(trials, best, metric).expected_best
        says["expected_best"] = list(expected), list(record.tuning.expected_best)
    if record.schema_version > 2:
        says["at_edge"] = at_edge(record.best_params or {}, record.tuning.ranges), dict(record.tuning.at_edge)
    for name, (computed, recorded) in says.items():
        if not same(computed, recorded):
            yield TRIALS, f"{name} is {computed}, in the record {recorded}"


CHECKS: Sequence[Callable[[Finished], Iterator[Difference]]] = (check_identity, check_files, check_trials)
"""Checks for every job."""
