"""What is kept of a finished job, typed: the job's key, the data set, timings, the environment, the record.

A record is written as JSON with a schema version. ``mlbench.results.migrations`` turns the text of every
earlier version into the present types, so that a ledger outlives the mlbench that wrote it.

To add a field to ``JobKey`` or ``Budget``, give it a neutral default and mark it with ``LATER``: it is then
left out of the hash while it has that default, and every id that was ever given stays the same. A field of
``Budget`` is also an option of ``mlbench run`` (``cli/run.py``), a key of a suite (``execution/suites.py``), is
checked in ``execution/plan.py``, and is a column of the board (``reporting/board.py``, ``reporting/board_csv.py``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

RECORD_SCHEMA = 3
PROTOCOL = 1
"""Version of the rules of measurement; raised whenever a change of ours changes values."""
BASELINE = "prior"
"""The model that is on every board."""
STATUSES = ("ok", "failed", "timeout", "out_of_memory", "killed", "invalid_scores", "import_error")
LATER = {"later": True}
"""Metadata of a field of a key that was added after the first release."""

RECORD = "record.json"
TRIALS = "trials.csv"
SCORES_VALID = "scores-valid.npy"
SCORES_TEST = "scores-test.npy"
PER_LABEL = "per_label.csv"
CURVES = "curves.json"
REPLICATES = "replicates.npz"
SCORES_TRAIN = "scores-train.npy"
LOG = "log.txt"


def identity(value: Any) -> dict[str, Any]:
    """Return what a dataclass hashes to: the fields of the first release, and later ones unless at their default."""
    found = {}
    for one in fields(value):
        content = getattr(value, one.name)
        if one.metadata.get("later"):
            if one.default is MISSING:
                raise TypeError(f"{type(value).__name__}.{one.name}: a field marked LATER needs a plain default")
            if content == one.default:
                continue
        found[one.name] = identity(content) if hasattr(content, "__dataclass_fields__") else content
    return found


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a job may spend, and on what.

    Attributes:
        n_trials: Trials, the defaults being the first.
        timeout: Seconds of tuning.
        trial_timeout: Seconds of one trial, of preparing, of the final fit, and of computing features.
        memory_limit: Bytes that the process may allocate.
        metric: What tuning optimises on the validation split, a key of ``mlbench.metrics.METRICS``.
        refit: ``"auto"``, ``"train"`` or ``"train+valid"``: what the final model is fitted on.
    """

    n_trials: int = 20
    timeout: float = 600.0
    trial_timeout: float = 300.0
    memory_limit: int = 8 << 30
    metric: str = "average_precision_micro"
    refit: str = "auto"


@dataclass(frozen=True, kw_only=True)
class JobKey:
    """Everything that can change a job's result, and nothing else.

    Attributes:
        dataset_sha256: Fingerprint of the data set.
        features: Name of the representation.
        features_plugin: Distribution that offers it.
        features_plugin_version: Version of that distribution.
        model: Name of the model.
        plugin: Distribution that offers it.
        plugin_version: Version of that distribution.
        seed: Seed of the sampler and of the model.
        device: ``"cpu"`` or ``"cuda"``.
        refit_on_both: Whether the final model is fitted on train and valid.
        budget: What the job may spend.
        protocol: Version of the rules of measurement.
    """

    dataset_sha256: str
    features: str
    features_plugin: str
    features_plugin_version: str
    model: str
    plugin: str
    plugin_version: str
    seed: int = 0
    device: str = "cpu"
    refit_on_both: bool = False
    budget: Budget = field(default_factory=Budget)
    protocol: int = PROTOCOL

    @cached_property
    def id(self) -> str:
        """32 hexadecimal digits of the SHA-256 of the key."""
        return _digest(identity(self))

    @property
    def board_id(self) -> str:
        """32 hexadecimal digits of the SHA-256 of what jobs must share to stand on one board."""
        return _digest([self.dataset_sha256, identity(self.budget), self.protocol])

    @property
    def label(self) -> str:
        """Model and features, for people."""
        return f"{self.model} · {self.features}"


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What a record says of its data set.

    Attributes:
        name: Name on boards.
        sha256: Fingerprint.
        n_train: Rows of the train split.
        n_valid: Rows of the validation split.
        n_test: Rows of the test split.
        n_features: Columns as they were read.
        n_labels: Labels.
        n_labels_scored: Labels with a positive in test.
        n_groups: Groups in test, or None where there are no groups.
        base_name: The data set's name before ``limit`` and ``drop_twins`` changed it; None in records of schema 1.
        limit: At most this many rows of each split were used, or None.
        drop_twins: Whether groups that are other versions of groups in an earlier split were dropped.
        warnings: What must not be overlooked: that data are made up, say. One sentence each.
        notes: What a careful reader wants to know: repeated rows, dropped columns, splits made by mlbench,
            labels without positives. One sentence each.
    """

    name: str
    sha256: str
    n_train: int
    n_valid: int
    n_test: int
    n_features: int
    n_labels: int
    n_labels_scored: int
    n_groups: int | None = None
    base_name: str | None = None
    limit: int | None = None
    drop_twins: bool = False
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Durations in seconds, by the monotonic clock; None where a job did not get that far.

    Attributes:
        prepare_seconds: What trials share.
        tune_seconds: All trials, without the final model's fit; for a job that failed, all that it took.
        fit_seconds: The final model's fit.
        predict_seconds: Scoring the test rows.
    """

    prepare_seconds: float | None = None
    tune_seconds: float | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None

    @property
    def total(self) -> float:
        """Everything that is known, added up."""
        return sum(getattr(self, one.name) or 0.0 for one in fields(self))


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a job ran: None, or empty, where that is not known.

    Attributes:
        python: Version of Python.
        platform: Operating system.
        processor: Model name of the CPU.
        cpus: Cores of the machine.
        threads: Threads that the job was given.
        mlbench: Version of mlbench.
        versions: Versions of the libraries that the job imported.
    """

    python: str | None = None
    platform: str | None = None
    processor: str | None = None
    cpus: int | None = None
    threads: int | None = None
    mlbench: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TuningReport:
    """What tuning gained, and which parameters ended at the edge of their range.

    Attributes:
        expected_best: Expected best value of 1 to n trials on the validation split.
        at_edge: By name of the parameter, ``"low"`` or ``"high"``.
        ranges: By name of the parameter, the range that was searched: ``low``, ``high`` and whether it is ``log``.
            Empty in records before schema 3.
    """

    expected_best: tuple[float, ...] = ()
    at_edge: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Record:
    """The record of a finished job; ``record.json`` contains these fields and a checksum.

    Attributes:
        id: The job's id.
        job: The job's key, of which the id is the hash.
        status: One of ``STATUSES``.
        error: One line, unless ``status`` is ``"ok"``.
        dataset: Name, sizes and notes of the data set.
        metrics: ``{"test": {...}, "valid": {...}}``, each with every metric; an undefined value is None.
        metric_versions: By name, the version of the definition of each metric.
        replicates: By name, a metric of test in each bootstrap replicate: micro and macro average precision
            and the metric that was tuned. None where a replicate leaves it undefined.
        tuning: What tuning gained.
        threshold: Predictions are ``scores >= threshold``; fitted on the validation split.
        default_value: The tuned metric of trial 0 on the validation split.
        default_average_precision_micro: Micro average precision of trial 0 on the validation split.
        default_params: Parameters of trial 0.
        best_params: Parameters of the best trial.
        best_trial: Number of the best trial.
        n_trials: Finished trials.
        n_trials_asked: Trials that the budget allows; 1 where there is nothing to tune.
        n_trials_pruned: How many of them were pruned.
        n_trials_failed: How many of them failed.
        n_trials_timed_out: How many of them failed because they ran over ``trial_timeout``; None if not known.
        refit: ``"train"`` or ``"train+valid"``.
        timings: Durations.
        peak_memory_mb: Largest resident memory of the job's processes up to the end of their last trial, in MiB.
        device: What the job ran on.
        environment: Versions, processor, threads.
        files: SHA-256 of each file beside the record.
        schema_version: Schema of the text that the record was read from.
    """

    id: str
    job: JobKey
    status: str
    error: str | None
    dataset: DatasetInfo
    metrics: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    metric_versions: Mapping[str, int] = field(default_factory=dict)
    replicates: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    tuning: TuningReport = field(default_factory=TuningReport)
    threshold: float | None = None
    default_value: float | None = None
    default_average_precision_micro: float | None = None
    default_params: Mapping[str, Any] = field(default_factory=dict)
    best_params: Mapping[str, Any] | None = None
    best_trial: int | None = None
    n_trials: int = 0
    n_trials_asked: int = 0
    n_trials_pruned: int = 0
    n_trials_failed: int = 0
    n_trials_timed_out: int | None = 0
    refit: str | None = None
    timings: Timings = field(default_factory=Timings)
    peak_memory_mb: float | None = None
    device: str = "cpu"
    environment: Environment = field(default_factory=Environment)
    files: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = RECORD_SCHEMA

    @property
    def budget(self) -> Budget:
        """What the job was allowed to spend."""
        return self.job.budget

    def value(self, split: str, metric: str) -> float | None:
        """Return a metric on ``"valid"`` or ``"test"``; None where it is undefined or was not recorded."""
        return self.metrics.get(split, {}).get(metric)

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain values, as JSON has them."""
        return asdict(self)
