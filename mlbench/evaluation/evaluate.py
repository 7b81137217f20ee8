"""From the scores that a job's process wrote to its record: the only place where scores meet test labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench.data.complete import CompleteDataset
from mlbench.data.dataset import Split
from mlbench.errors import InvalidScores
from mlbench.evaluation.bootstrap import Replicates, bootstrap_test
from mlbench.evaluation.calibration import CALIBRATED, calibrated_average_precision
from mlbench.evaluation.curves import SCORES_TRAIN, Curve, curve, curve_rows, write_curves
from mlbench.evaluation.metric_replicates import metric_replicates
from mlbench.evaluation.per_label import per_label_rows
from mlbench.evaluation.scores import load_scores
from mlbench.evaluation.tuning_report import tuning_report
from mlbench.metrics import Scores, all_metrics, best_threshold
from mlbench.results.outcome import Outcome
from mlbench.results.schema import (
    CURVES,
    LOG,
    PER_LABEL,
    SCORES_TEST,
    SCORES_VALID,
    TRIALS,
    DatasetInfo,
    Environment,
    JobKey,
    Record,
    Timings,
)
from mlbench.results.trial_log import TrialRecord, best_trial
from mlbench.results.trials_csv import write_rows, write_trials
from mlbench.results.version import __version__

MICRO, MACRO = "average_precision_micro", "average_precision_macro"


def evaluate(
    key: JobKey,
    dataset: CompleteDataset,
    folder: Path,
    trials: Sequence[TrialRecord],
    outcome: Outcome,
    *,
    default_params: Mapping[str, Any],
    n_trials_asked: int,
) -> tuple[Record, tuple[str, ...]]:
    """Compute every value of a job and write its files, but for the record itself.

    Args:
        key: The job.
        dataset: What it ran on.
        folder: Where its process wrote scores; trials, curves and values of labels are written there.
        trials: The finished trials.
        outcome: How the process ended.
        default_params: Parameters of trial 0.
        n_trials_asked: Trials that the budget allows.

    Returns:
        The record, without checksums of files, and the names of the files to keep.

    Raises:
        OSError: A file cannot be written.
    """
    write_trials(folder / TRIALS, trials)
    names = [TRIALS, *([LOG] if (folder / LOG).exists() else [])]
    status, error, threshold = outcome.status, outcome.error, None
    metrics: dict[str, dict[str, float | None]] = {}
    replicates: dict[str, list[float | None]] = {}
    if status == "ok":
        try:
            valid = load_scores(folder / SCORES_VALID, dataset.valid.Y)
            test = load_scores(folder / SCORES_TEST, dataset.test.Y)
        except InvalidScores as problem:
            status, error = "invalid_scores", str(problem)
        else:
            threshold = best_threshold(dataset.valid.Y, valid)
            metrics = {
                "valid": defined(all_metrics(dataset.valid.Y, valid, threshold)),
                "test": test_metrics(dataset, valid, test, threshold),
            }
            bootstrapped = bootstrap_test(dataset.test, test, dataset.sha256)
            replicates = replicates_to_keep(key, dataset, test, threshold, bootstrapped)
            write_rows(folder / PER_LABEL, per_label_rows(dataset, test, bootstrapped))
            curves = {"valid": curve(dataset.valid.Y, valid), "test": curve(dataset.test.Y, test)}
            write_curves(folder / CURVES, {**_train_curve(folder / SCORES_TRAIN, dataset.train), **curves})
            names += [SCORES_VALID, SCORES_TEST, PER_LABEL, CURVES]
    best = best_trial(trials, key.budget.metric)
    record = Record(
        id=key.id,
        job=key,
        status=status,
        error=error,
        dataset=describe(dataset),
        metrics=metrics,
        replicates=replicates,
        tuning=tuning_report(trials, best, key.budget.metric),
        threshold=threshold,
        default_value=trials[0].value if trials else None,
        default_average_precision_micro=trials[0].average_precision_micro if trials else None,
        default_params=dict(default_params),
        best_params=dict(best.params) if best else None,
        best_trial=best.number if best else None,
        n_trials=len(trials),
        n_trials_asked=n_trials_asked,
        n_trials_pruned=sum(trial.state == "PRUNED" for trial in trials),
        n_trials_failed=sum(trial.state == "FAIL" for trial in trials),
        n_trials_timed_out=sum(trial.status == "timeout" for trial in trials),
        refit="train+valid" if key.refit_on_both else "train",
        timings=Timings(
            prepare_seconds=outcome.prepare_seconds,
            tune_seconds=_tune_seconds(key, trials, best) if status == "ok" else outcome.wall_seconds,
            fit_seconds=outcome.fit_seconds,
            predict_seconds=outcome.predict_seconds,
        ),
        peak_memory_mb=outcome.peak_memory_mb,
        device=key.device,
        environment=_environment(outcome.environment),
    )
    return record, tuple(names)


def test_metrics(dataset: CompleteDataset, valid: Scores, test: Scores, threshold: float) -> dict[str, float | None]:
    """Return every metric of the test scores, (n_test, k), and the calibrated micro average precision."""
    calibrated = calibrated_average_precision(dataset.valid.Y, valid, dataset.test.Y, test)
    return defined(all_metrics(dataset.test.Y, test, threshold) | {CALIBRATED: calibrated})


def replicates_to_keep(
    key: JobKey, dataset: CompleteDataset, test: Scores, threshold: float, bootstrapped: Replicates | None
) -> dict[str, list[float | None]]:
    """Return the replicates of micro and macro average precision, and of the metric that was tuned.

    Args:
        key: The job; its budget names the metric.
        dataset: What it ran on.
        test: Test scores (n_test, k).
        threshold: Of predictions.
        bootstrapped: Replicates of average precision; None where there are too few groups.
    """
    if bootstrapped is None:
        return {}
    kept = {MICRO: bootstrapped.micro, MACRO: bootstrapped.macro}
    if key.budget.metric not in kept:
        tuned = metric_replicates(key.budget.metric, dataset.test, test, threshold, dataset.sha256)
        if tuned is not None:
            kept[key.budget.metric] = tuned
    return {name: _without_nan(values) for name, values in kept.items()}


def _without_nan(values: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def defined(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return values as JSON has them: None where one is NaN."""
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def describe(dataset: CompleteDataset) -> DatasetInfo:
    """Return what a record says of a data set."""
    groups = dataset.test.groups
    return DatasetInfo(
        name=dataset.name,
        sha256=dataset.sha256,
        n_train=len(dataset.train),
        n_valid=len(dataset.valid),
        n_test=len(dataset.test),
        n_features=dataset.train.X.shape[1],
        n_labels=dataset.train.Y.shape[1],
        n_labels_scored=int(dataset.test.Y.any(axis=0).sum()),
        n_groups=None if groups is None else len(np.unique(groups)),
        base_name=dataset.base_name,
        limit=dataset.limit,
        drop_twins=dataset.dropped_twins,
        warnings=dataset.warnings,
        notes=dataset.facts,
    )


def _tune_seconds(key: JobKey, trials: Sequence[TrialRecord], best: TrialRecord | None) -> float:
    """Seconds of all trials, less the fit of the final model where that is the best trial's own."""
    spent = sum(trial.seconds for trial in trials)
    return spent if best is None or key.refit_on_both else spent - best.fit_seconds


def _train_curve(path: Path, train: Split) -> dict[str, Curve]:
    """Return the train curve by name, or nothing, as a job may lack it."""
    try:
        Y = train.Y[curve_rows(len(train))]
        return {"train": curve(Y, load_scores(path, Y))}
    except (InvalidScores, ValueError):
        return {}


def _environment(values: Mapping[str, Any]) -> Environment:
    known = {field.name for field in fields(Environment)}
    return Environment(**{**{name: value for name, value in values.items() if name in known}, "mlbench": __version__})
