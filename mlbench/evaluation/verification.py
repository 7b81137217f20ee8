"""Recomputing what can be recomputed of finished jobs, from the bytes that are beside their records.

Of every job: the record's own checksum, its id as the hash of its identity, the SHA-256 of each file, no file
more or less, and that the trials give what the record says of them. Where the data are found again: threshold,
figures, figures of each label and curves, from the stored scores. Not to be had from a ledger: the train curve
(its scores are not kept; its file is hashed) and what trials other than the winning one scored.

Floats are compared to ``TOLERANCE``: processors add up in different orders.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, cast

from mlbench.data.dataset import Dataset
from mlbench.errors import InvalidScores, LedgerError, one_line
from mlbench.evaluation.bootstrap import Replicates, bootstrap_test
from mlbench.evaluation.calibration import CALIBRATED, calibrated_average_precision
from mlbench.evaluation.curves import CURVES, curve
from mlbench.evaluation.dataset_finder import Finder, Missing
from mlbench.evaluation.tuning_report import tuning_audit
from mlbench.execution.job import job_id
from mlbench.execution.scheduler import (
    LIMITS,
    PER_LABEL,
    TRIAL_COLUMNS,
    TRIALS,
    cell,
    describe,
    per_label_rows,
    plain,
    raw_scores,
    replicates_to_keep,
)
from mlbench.execution.tuning import best_trial
from mlbench.execution.worker import SCORES_TEST, SCORES_VALID
from mlbench.metrics import best_threshold, figures
from mlbench.plugins.specs import Scores
from mlbench.results.ledger import LOCK, RECORD, STATUSES, Ledger, Record, damages, read_record
from mlbench.results.trial_log import State, TrialRecord

TOLERANCE = 1e-12
Difference: TypeAlias = tuple[str, str]
"""(file beside the record, what is wrong with it)."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished job under scrutiny.

    Attributes:
        folder: Where it is.
        record: As read, its checksum being right.
        dataset: What it is of, or None if that was not found.
    """

    folder: Path
    record: Record
    dataset: Dataset | None

    @property
    def scored(self) -> bool:
        """Whether there are scores."""
        return self.record.status == "ok"


@dataclass(frozen=True, kw_only=True)
class Recomputable(Finished):
    """One with scores whose data were found, so that its figures can be computed anew."""

    dataset: Dataset
    valid: Scores
    test: Scores

    @cached_property
    def replicates(self) -> Replicates | None:
        """Of the test scores; several checks want them."""
        assert self.dataset.test is not None
        return bootstrap_test(self.dataset.test, self.test, self.record.dataset["sha256"])


@dataclass(kw_only=True)
class Verified:
    """What was looked at in a runs folder.

    Attributes:
        jobs: Finished jobs, whole or not.
        files: Files of theirs, records too.
        recomputed: Jobs whose figures were computed anew.
        differences: One line for each difference, with the path of the file.
        notes: One line for each data set that was not found.
    """

    jobs: int = 0
    files: int = 0
    recomputed: int = 0
    differences: list[str]
    notes: list[str]


def verify_runs(runs: Path, finder: Finder) -> Verified:
    """Check every finished job of a runs folder; nothing is written.

    Args:
        runs: The folder.
        finder: Finds the labels.
    """
    result = Verified(differences=[], notes=[])
    for folder in Ledger(runs).folders():
        result.jobs += 1
        result.files += sum(1 for _ in folder.iterdir())
        record, found = _read(folder)
        if record is not None:
            dataset = None
            if record.status == "ok":
                where = finder.find(record)
                if isinstance(where, Missing):
                    note = f"{record.dataset['name']}: figures not recomputed: {where.reason}"
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
        record = read_record(folder)
        if not isinstance(record.dataset.get("name"), str) or not isinstance(record.dataset.get("sha256"), str):
            raise ValueError("it names no data set")
        return record, []
    except FileNotFoundError:
        return None, [(RECORD, "it is missing")]
    except (OSError, ValueError, LedgerError) as error:
        return None, [(RECORD, str(error))]


def _differences(job: Finished) -> Iterator[Difference]:
    """What each check finds; figures are computed anew only from files that are as they were."""
    found = [difference for check in CHECKS for difference in check(job)]
    yield from found
    if found or not job.scored or job.dataset is None:
        return
    dataset = job.dataset
    assert dataset.valid is not None
    assert dataset.test is not None
    scores = []
    for name, split in ((SCORES_VALID, dataset.valid), (SCORES_TEST, dataset.test)):
        try:
            scores.append(raw_scores(job.folder / name, split.Y))
        except InvalidScores as error:
            yield name, str(error)
            return
    whole = Recomputable(folder=job.folder, record=job.record, dataset=dataset, valid=scores[0], test=scores[1])
    for recompute in RECOMPUTED:
        yield from recompute(whole)


# ----------------------------------------------------------------------- what needs no labels
def check_identity(job: Finished) -> Iterator[Difference]:
    """The id is the hash of the identity, and the record agrees with it."""
    record = job.record
    if record.id != job_id(record.job):
        yield RECORD, f"the id is not the hash of the job, which is {job_id(record.job)}"
    if record.dataset["sha256"] != record.job.get("dataset_sha256"):
        yield RECORD, "data set and job have different fingerprints"
    if record.device != record.job.get("device"):
        yield RECORD, f"device {record.device}, but the job's is {record.job.get('device')}"
    if record.status not in STATUSES:
        yield RECORD, f"no such status: {record.status}"
    if (record.status == "ok") != (record.error is None) or (record.status == "ok") != bool(record.figures):
        yield RECORD, f"status {record.status} does not go with its error and figures"


def check_files(job: Finished) -> Iterator[Difference]:
    """Each file has its SHA-256; none is missing, none is there that the record does not know."""
    try:
        yield from damages(job.folder, job.record)
    except OSError as error:
        yield Path(error.filename or RECORD).name, f"it cannot be read: {error.strerror or error}"
    needed = {TRIALS, *({SCORES_VALID, SCORES_TEST, PER_LABEL} if job.scored else ())}
    for name in sorted(needed - job.record.files.keys()):
        yield RECORD, f"it lists no {name}"
    for path in sorted(job.folder.iterdir()):
        # An empty lock is what a kill in the moment of the commit leaves.
        left = path.name == LOCK and path.is_file() and path.stat().st_size == 0
        if path.name not in (*job.record.files, RECORD) and not left:
            yield path.name, "the record knows of no such file (what a killed run left, the same run again removes)"


def check_trials(job: Finished) -> Iterator[Difference]:
    """The trials give the counts, the winner and its parameters, and the defaults' figure of the record."""
    record = job.record
    try:
        lines = _trial_lines(job.folder / TRIALS)
        best = best_trial(lines, record.job["budget"]["metric"])
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        yield TRIALS, f"it cannot be read: {type(error).__name__}: {error}"
        return
    if [line.number for line in lines] != list(range(len(lines))):
        yield TRIALS, "the trials are not numbered from 0"
    says: dict[str, tuple[Any, Any]] = {
        "n_trials": (len(lines), record.n_trials),
        "n_trials_pruned": (sum(line.state == "PRUNED" for line in lines), record.n_trials_pruned),
        "n_trials_failed": (sum(line.state == "FAIL" for line in lines), record.n_trials_failed),
        "best_trial": (best.number if best else None, record.best_trial),
        "best_params": (best.params if best else None, _as_cells(record.best_params)),
        "default_average_precision_micro": (
            lines[0].average_precision_micro if lines else None,
            record.default_average_precision_micro,
        ),
    }
    if job.scored and best is not None:
        valid, metric = record.figures.get("valid", {}), record.job["budget"]["metric"]
        says[f"the best {metric}"] = best.value, valid.get(metric)
        says["the winner's average_precision_micro"] = (
            best.average_precision_micro,
            valid.get("average_precision_micro"),
        )
    if record.tuning and not record.n_trials_pruned:  # what pruned trials reported is not in the CSV
        audit = tuning_audit(lines, best, record.job["budget"]["metric"])
        says["expected_best"] = audit["expected_best"], record.tuning.get("expected_best")
    for name, (trials, recorded) in says.items():
        if not same(trials, recorded):
            yield TRIALS, f"{name} is {trials}, in the record {recorded}"


def _trial_lines(path: Path) -> list[TrialRecord]:
    """The trials of a CSV; parameters as text, those that a trial lacks left out."""

    def number(text: str) -> float | None:
        return float(text) if text else None

    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    if tuple(header[: len(TRIAL_COLUMNS)]) != TRIAL_COLUMNS:
        raise ValueError("its columns differ")
    found = []
    for row in rows:
        values = dict(zip(TRIAL_COLUMNS, row, strict=False))
        params = dict(zip(header[len(TRIAL_COLUMNS) :], row[len(TRIAL_COLUMNS) :], strict=True))
        found.append(
            TrialRecord(
                number=int(values["number"]),
                state=cast("State", values["state"]),
                value=number(values["value"]),
                average_precision_micro=number(values["average_precision_micro"]),
                params={name: text for name, text in params.items() if text},
            )
        )
    return found


def _as_cells(params: Mapping[str, Any] | None) -> dict[str, str] | None:
    if params is None:
        return None
    return {name: text for name, value in params.items() if (text := str(cell(value)))}


# ------------------------------------------------------------------------- what needs the labels
def recompute_dataset(job: Recomputable) -> Iterator[Difference]:
    """Sizes, labels and groups; the name depends on where the data were."""
    for name, value in describe(job.dataset, job.record.dataset["sha256"]).items():
        if name != "name" and job.record.dataset.get(name) != value:
            yield RECORD, f"data set: {name} is {job.record.dataset.get(name)}, recomputed {value}"


def recompute_figures(job: Recomputable) -> Iterator[Difference]:
    """The threshold that is best on valid, and every figure on valid and test with it."""
    assert job.dataset.valid is not None
    assert job.dataset.test is not None
    threshold = best_threshold(job.dataset.valid.Y, job.valid)
    if not same(threshold, job.record.threshold):
        yield RECORD, f"threshold is {job.record.threshold}, recomputed {threshold}"
        return
    for part, Y, scores in (("valid", job.dataset.valid.Y, job.valid), ("test", job.dataset.test.Y, job.test)):
        recorded, computed = job.record.figures.get(part, {}), plain(figures(Y, scores, threshold))
        if CALIBRATED in recorded and part == "test":  # older records have none
            value = calibrated_average_precision(job.dataset.valid.Y, job.valid, Y, scores)
            computed |= plain({CALIBRATED: value})
        for name in sorted({*recorded, *computed}):
            if name not in computed or name not in recorded or not same(recorded[name], computed[name]):
                yield RECORD, f"{part} {name} is {recorded.get(name)}, recomputed {computed.get(name)}"


def recompute_per_label(job: Recomputable) -> Iterator[Difference]:
    """Counts and figures of each label."""
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
    """The curves of valid and test; jobs made before there were curves have none."""
    if CURVES not in job.record.files:
        return
    assert job.dataset.valid is not None
    assert job.dataset.test is not None
    try:
        recorded = json.loads((job.folder / CURVES).read_text(encoding="utf-8"))
    except ValueError as error:
        yield CURVES, f"it cannot be read: {error}"
        return
    for part, Y, scores in (("valid", job.dataset.valid.Y, job.valid), ("test", job.dataset.test.Y, job.test)):
        if not same(recorded.get(part) if isinstance(recorded, dict) else None, curve(Y, scores)):
            yield CURVES, f"the {part} curve is not the one of the scores"


def recompute_replicates(job: Recomputable) -> Iterator[Difference]:
    """The bootstrap replicates of which intervals and ranks are made; older records have none."""
    if not job.record.replicates:
        return
    computed = {} if job.replicates is None else replicates_to_keep(job.replicates)
    for name in sorted({*computed, *job.record.replicates}):
        if not same(job.record.replicates.get(name), computed.get(name)):
            yield RECORD, f"the replicates of {name} are not those of the scores"


CHECKS: Sequence[Callable[[Finished], Iterator[Difference]]] = (check_identity, check_files, check_trials)
"""Of every job."""
RECOMPUTED: Sequence[Callable[[Recomputable], Iterator[Difference]]] = (
    recompute_dataset,
    recompute_figures,
    recompute_per_label,
    recompute_curves,
    recompute_replicates,
)
"""Of jobs that passed ``CHECKS``, and whose data were found."""


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal, floats in them to ``TOLERANCE``."""
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
