"""Verification of finished jobs: recomputes from their files what can be recomputed.

For every job, this checks the checksum of the record, its id as the hash of its identity, the SHA-256 of each file,
that no file is missing or added, and that the trials agree with the record. If the data set is found, it also
recomputes the threshold, the metrics, the per-label metrics and the curves from the stored scores. The train curve
(whose scores are not kept, but whose file is hashed) and the scores of trials other than the best one cannot be
recomputed from a ledger.

Floats are compared with ``TOLERANCE``, because processors add in different orders.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from mlbench.data.complete import CompleteDataset
from mlbench.errors import InvalidScores, LedgerError, one_line
from mlbench.evaluation.bootstrap import Replicates, bootstrap_test
from mlbench.evaluation.calibration import CALIBRATED
from mlbench.evaluation.curves import curve
from mlbench.evaluation.dataset_finder import DatasetFinder, Missing
from mlbench.evaluation.evaluate import defined, describe, replicates_to_keep, test_metrics
from mlbench.evaluation.per_label import LIMITS, per_label_rows
from mlbench.evaluation.scores import load_scores
from mlbench.evaluation.tuning_report import tuning_report
from mlbench.metrics import all_metrics, best_threshold
from mlbench.plugins.specs import Scores
from mlbench.results.ledger import LOCK, Ledger, damages, read_record
from mlbench.results.schema import (
    CURVES,
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

TOLERANCE = 1e-12
SIZES = ("n_train", "n_valid", "n_test", "n_features", "n_labels", "n_labels_scored", "n_groups")
FIRST_METRICS = frozenset(
    {
        "average_precision_macro",
        "average_precision_macro_all_labels",
        "average_precision_micro",
        "average_precision_samples",
        "average_precision_weighted",
        "coverage_error",
        "f1_macro",
        "f1_micro",
        "f1_samples",
        "hamming_loss",
        "jaccard_samples",
        "label_ranking_average_precision",
        "label_ranking_loss",
        "roc_auc_macro",
        "roc_auc_micro",
        "zero_one_loss",
    }
)
"""The metrics of schema 1, which every record of a job that is ok has."""
Difference: TypeAlias = tuple[str, str]
"""A pair (file name, what is wrong with it)."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished job to verify.

    Attributes:
        folder: Its folder.
        record: Its record, whose checksum is correct.
        dataset: Its data set, or None if that was not found.
    """

    folder: Path
    record: Record
    dataset: CompleteDataset | None

    @property
    def scored(self) -> bool:
        """Whether the job has scores."""
        return self.record.status == "ok"


@dataclass(frozen=True, kw_only=True)
class Recomputable(Finished):
    """A finished job with scores whose data set was found, so that its metrics can be recomputed."""

    dataset: CompleteDataset
    valid: Scores
    test: Scores

    @cached_property
    def replicates(self) -> Replicates | None:
        """Bootstrap replicates of the test scores, computed once for several checks."""
        return bootstrap_test(self.dataset.test, self.test, self.record.dataset.sha256)


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
    if has_report and not record.n_trials_pruned:  # the CSV lacks what pruned trials reported
        expected = tuning_report(trials, best, metric).expected_best
        says["expected_best"] = list(expected), list(record.tuning.expected_best)
    for name, (computed, recorded) in says.items():
        if not same(computed, recorded):
            yield TRIALS, f"{name} is {computed}, in the record {recorded}"


# ------------------------------------------------------------------------- what needs the labels
def recompute_dataset(job: Recomputable) -> Iterator[Difference]:
    """Recompute sizes, labels and groups, but not the name, which depends on the path of the data."""
    computed = describe(job.dataset)
    for name in SIZES:
        recorded, value = getattr(job.record.dataset, name), getattr(computed, name)
        if recorded != value:
            yield RECORD, f"data set: {name} is {recorded}, recomputed {value}"


def recompute_metrics(job: Recomputable) -> Iterator[Difference]:
    """The threshold that is best on the validation split, and every metric on both splits with it."""
    threshold = best_threshold(job.dataset.valid.Y, job.valid)
    if not same(threshold, job.record.threshold):
        yield RECORD, f"threshold is {job.record.threshold}, recomputed {threshold}"
        return
    splits = {
        "valid": defined(all_metrics(job.dataset.valid.Y, job.valid, threshold)),
        "test": test_metrics(job.dataset, job.valid, job.test, threshold),
    }
    for split, computed in splits.items():
        recorded = job.record.metrics.get(split, {})
        # A metric that a later version added is in no older record, which is no fault of it.
        calibrated = {CALIBRATED} if split == "test" and job.record.schema_version > 1 else set()
        for name in sorted(recorded.keys() | FIRST_METRICS | calibrated):
            if name not in computed or name not in recorded or not same(recorded[name], computed[name]):
                yield RECORD, f"{split} {name} is {recorded.get(name)}, recomputed {computed.get(name)}"


def recompute_per_label(job: Recomputable) -> Iterator[Difference]:
    """Recompute the counts and metrics of each label."""
    try:
        with (job.folder / PER_LABEL).open(newline="", encoding="utf-8") as file:
            recorded = list(csv.reader(file))
    except (ValueError, csv.Error) as error:
        yield PER_LABEL, f"it cannot be read: {error}"
        return
    computed = per_label_rows(job.dataset, job.test, job.replicates)
    if recorded and not set(LIMITS) & set(recorded[0]):  # written before there were intervals
        kept = [position for position, name in enumerate(computed[0]) if name not in LIMITS]
        computed = [[row[position] for position in kept] for row in computed]
    if len(recorded) != len(computed):
        yield PER_LABEL, f"{len(recorded) - 1} labels, recomputed {len(computed) - 1}"
        return
    for old, new in zip(recorded, computed, strict=True):
        if len(old) != len(new) or not all(_same_cell(a, b) for a, b in zip(old, new, strict=True)):
            yield PER_LABEL, f"label {new[0]!r} is {old[1:]}, recomputed {[str(value) for value in new[1:]]}"


def recompute_curves(job: Recomputable) -> Iterator[Difference]:
    """Recompute the curves of valid and test, which older jobs lack."""
    if CURVES not in job.record.files:
        return
    try:
        recorded = json.loads((job.folder / CURVES).read_text(encoding="utf-8"))
    except ValueError as error:
        yield CURVES, f"it cannot be read: {error}"
        return
    for part, Y, scores in (("valid", job.dataset.valid.Y, job.valid), ("test", job.dataset.test.Y, job.test)):
        if not same(recorded.get(part) if isinstance(recorded, dict) else None, curve(Y, scores)):
            yield CURVES, f"the {part} curve does not match the scores"


def recompute_replicates(job: Recomputable) -> Iterator[Difference]:
    """Recompute the bootstrap replicates behind intervals and ranks, which older records lack."""
    record = job.record
    if record.schema_version == 1 and not record.replicates:
        return
    threshold = record.threshold if record.threshold is not None else 0.5
    computed = replicates_to_keep(record.job, job.dataset, job.test, threshold, job.replicates)
    # A record of schema 1 lacks those of a tuned metric that is not an average precision.
    names = record.replicates.keys() if record.schema_version == 1 else computed.keys() | record.replicates.keys()
    for name in sorted(names):
        recorded = record.replicates.get(name)
        if recorded is None or not same(list(recorded), computed.get(name)):
            yield RECORD, f"the replicates of {name} do not match the scores"


CHECKS: Sequence[Callable[[Finished], Iterator[Difference]]] = (check_identity, check_files, check_trials)
"""Checks for every job."""
RECOMPUTED: Sequence[Callable[[Recomputable], Iterator[Difference]]] = (
    recompute_dataset,
    recompute_metrics,
    recompute_per_label,
    recompute_curves,
    recompute_replicates,
)
"""Checks for jobs that passed ``CHECKS`` and whose data set was found."""


def same(one: Any, other: Any) -> bool:
    """Return whether two plain values are equal, comparing floats with ``TOLERANCE``."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _same_cell(text: str, value: Any) -> bool:
    if isinstance(value, float):
        try:
            return same(float(text), value)
        except ValueError:
            return False
    return text == str(value)
