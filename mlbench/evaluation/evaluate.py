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
from mlbench.evaluation.curves import Curve, curve, curve_rows, write_curves
from mlbench.evaluation.metric_replicates import metric_replicates, paired_metrics, write_replicates
from mlbench.evaluation.per_label import per_label_rows
from mlbench.evaluation.scores import load_scores
from mlbench.evaluation.tuning_report import tuning_report
from mlbench.metrics import MACRO, METRICS, MICRO, Fitted, Floats, Scored, Scores, all_metrics
from mlbench.results.outcome import Outcome
from mlbench.results.schema import (
    CURVES,
    LOG,
    PER_LABEL,
    REPLICATES,
    SCORES_TEST,
    SCORES_TRAIN,
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
            fitted = fitted_on(dataset, valid)
            threshold = fitted.threshold
            metrics = metrics_of(dataset, fitted, test)
            bootstrapped = bootstrap_test(dataset.test, test, dataset.sha256)
            found = all_replicates(key, dataset, test, fitted, bootstrapped)
            replicates = replicates_to_keep(key, found)
            write_rows(folder / PER_LABEL, per_label_rows(dataset, test, bootstrapped))
            curves = {"valid": curve(dataset.valid.labels, valid), "test": curve(dataset.test.labels, test)}
            train = train_curve(folder / SCORES_TRAIN, dataset.train)
            write_curves(folder / CURVES, {**train, **curves})
            names += [SCORES_VALID, SCORES_TEST, PER_LABEL, CURVES, *([SCORES_TRAIN] if train else [])]
            if found:
                write_replicates(folder / REPLICATES, found)
                names.append(REPLICATES)
    best = best_trial(trials, key.budget.metric)
    record = Record(
        id=key.id,
        job=key,
        status=status,
        error=error,
        dataset=describe(dataset),
        metrics=metrics,
        metric_versions={name: METRICS[name].version for name in metrics.get("test", {})},
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


def fitted_on(dataset: CompleteDataset, valid: Scores) -> Fitted:
    """Return what metrics take from the train split and from the scores of the validation split."""
    return Fitted(
        Y=dataset.valid.labels,
        scores=valid,
        n_positives=dataset.train.Y.sum(axis=0, dtype=np.int64),
        n_train=len(dataset.train),
        exclusive=dataset.exclusive,
    )


def metrics_of(dataset: CompleteDataset, fitted: Fitted, test: Scores) -> dict[str, dict[str, float | None]]:
    """Return every metric of both splits, by split and name."""
    return {
        "valid": _defined(all_metrics(Scored.of(fitted.Y, fitted.scores, fitted))),
        "test": _defined(all_metrics(Scored.of(dataset.test.labels, test, fitted))),
    }


def all_replicates(
    key: JobKey, dataset: CompleteDataset, test: Scores, fitted: Fitted, bootstrapped: Replicates | None
) -> dict[str, Floats]:
    """Return the replicates that paired comparison needs: of the metrics where they are cheap, and of the tuned one.

    Args:
        key: The job; its budget names the metric.
        dataset: What it ran on.
        test: Test scores (n_test, k).
        fitted: What was fitted on train and valid.
        bootstrapped: Replicates of average precision; None where there are too few groups.
    """
    if bootstrapped is None:
        return {}
    names = dict.fromkeys([*paired_metrics(), key.budget.metric])
    found = metric_replicates(list(names), dataset.test, test, fitted, dataset.sha256, bootstrapped)
    return {name: values for name, values in found.items() if not np.isnan(values).all()}


def replicates_to_keep(key: JobKey, found: Mapping[str, Floats]) -> dict[str, list[float | None]]:
    """Return those of ``all_replicates`` that the record holds: what boards show."""
    return {
        name: _without_nan(found[name]) for name in dict.fromkeys([MICRO, MACRO, key.budget.metric]) if name in found
    }


def _without_nan(values: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def _defined(values: Mapping[str, float]) -> dict[str, float | None]:
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


def train_curve(path: Path, train: Split) -> dict[str, Curve]:
    """Return the train curve by name, or nothing, as a job may lack it."""
    try:
        Y = train.labels[curve_rows(len(train))]
        return {"train": curve(Y, load_scores(path, Y))}
    except (InvalidScores, ValueError):
        return {}


def _environment(values: Mapping[str, Any]) -> Environment:
    known = {field.name for field in fields(Environment)}
    return Environment(**{**{name: value for name, value in values.items() if name in known}, "mlbench": __version__})
