"""Recomputes what a finished job recorded from its stored scores and its data set."""

from __future__ import annotations

import csv
import json
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mlbench.data.complete import CompleteDataset
from mlbench.errors import LedgerError
from mlbench.evaluation.bootstrap import Replicates, bootstrap_test
from mlbench.evaluation.curves import curve
from mlbench.evaluation.evaluate import (
    all_replicates,
    describe,
    fitted_on,
    metrics_of,
    replicates_to_keep,
    train_curve,
)
from mlbench.evaluation.metric_replicates import read_replicates
from mlbench.evaluation.per_label import LIMITS, per_label_rows
from mlbench.metrics import METRICS, Fitted, Floats
from mlbench.plugins.specs import Scores
from mlbench.results.ledger import Ledger
from mlbench.results.schema import (
    CURVES,
    PER_LABEL,
    RECORD,
    REPLICATES,
    SCORES_TRAIN,
    Record,
)

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
    def fitted(self) -> Fitted:
        """What metrics take from train and valid."""
        return fitted_on(self.dataset, self.valid)

    @cached_property
    def replicates(self) -> Replicates | None:
        """Bootstrap replicates of the test scores, computed once for several checks."""
        return bootstrap_test(self.dataset.test, self.test, self.record.dataset.sha256)


def recompute_dataset(job: Recomputable) -> Iterator[Difference]:
    """Recompute sizes, labels and groups, but not the name, which depends on the path of the data."""
    computed = describe(job.dataset)
    for name in SIZES:
        recorded, value = getattr(job.record.dataset, name), getattr(computed, name)
        if recorded != value:
            yield RECORD, f"data set: {name} is {recorded}, recomputed {value}"


def recompute_metrics(job: Recomputable) -> Iterator[Difference]:
    """The threshold that is best on the validation split, and every metric on both splits with it."""
    if not same(job.fitted.threshold, job.record.threshold):
        yield RECORD, f"threshold is {job.record.threshold}, recomputed {job.fitted.threshold}"
        return
    for split, computed in metrics_of(job.dataset, job.fitted, job.test).items():
        recorded = job.record.metrics.get(split, {})
        versions = job.record.metric_versions
        newer = [name for name, number in versions.items() if name in METRICS and number > METRICS[name].version]
        if newer:
            yield RECORD, f"the version of {newer[0]} is {versions[newer[0]]}, which this mlbench does not know"
        # A metric that a later version added is in no older record, which is no fault of it.
        listed = versions.keys() if job.record.schema_version > 2 else set()
        for name in sorted(recorded.keys() | FIRST_METRICS | listed):
            if name in METRICS and versions.get(name, 1) < METRICS[name].version:
                continue  # an earlier definition
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
    computed = per_label_rows(job.dataset, job.test, job.replicates, percentiles=job.record.schema_version < 3)
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
    train: dict[str, Any] = {}
    if SCORES_TRAIN in job.record.files:
        train = train_curve(job.folder / SCORES_TRAIN, job.dataset.train)
    try:
        recorded = json.loads((job.folder / CURVES).read_text(encoding="utf-8"))
    except ValueError as error:
        yield CURVES, f"it cannot be read: {error}"
        return
    for part, Y, scores in (
        ("valid", job.dataset.valid.labels, job.valid),
        ("test", job.dataset.test.labels, job.test),
    ):
        if not same(recorded.get(part) if isinstance(recorded, dict) else None, curve(Y, scores)):
            yield CURVES, f"the {part} curve does not match the scores"
    if SCORES_TRAIN in job.record.files and not same(recorded.get("train"), train.get("train")):
        yield CURVES, "the train curve does not match the scores"


def recompute_replicates(job: Recomputable) -> Iterator[Difference]:
    """Recompute the bootstrap replicates behind intervals and ranks, which older records lack."""
    record = job.record
    if record.schema_version == 1 and not record.replicates:
        return
    found = all_replicates(record.job, job.dataset, job.test, job.fitted, job.replicates)
    computed = replicates_to_keep(record.job, found)
    # A record of schema 1 lacks those of a tuned metric that is not an average precision.
    names = record.replicates.keys() if record.schema_version == 1 else computed.keys() | record.replicates.keys()
    for name in sorted(names):
        recorded = record.replicates.get(name)
        if recorded is None or not same(list(recorded), computed.get(name)):
            yield RECORD, f"the replicates of {name} do not match the scores"
    if record.schema_version > 2:
        yield from _replicates_file(job, found)


def _replicates_file(job: Recomputable, computed: Mapping[str, Floats]) -> Iterator[Difference]:
    try:
        recorded = read_replicates(Ledger(job.folder.parents[1]), job.record)
    except (OSError, ValueError, LedgerError, zipfile.BadZipFile) as error:
        yield REPLICATES, f"it cannot be read: {error}"
        return
    for name in sorted(recorded.keys() | computed.keys()):
        if name in METRICS and job.record.metric_versions.get(name, 1) < METRICS[name].version:
            continue
        one, other = recorded.get(name), computed.get(name)
        if one is None and name not in job.record.metric_versions:
            continue  # added later
        if one is None or other is None or not np.allclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True):
            yield REPLICATES, f"the replicates of {name} do not match the scores"


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
