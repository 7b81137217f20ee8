"""Computes any metric on finished jobs from their stored scores, without training.

A name is looked up among the metrics of mlbench and then in ``sklearn.metrics``. A scikit-learn function is called
as ``f(Y, scores)`` if its second parameter is ``y_score``, and as ``f(Y, predictions)`` if it is ``y_pred``; the
predictions are ``scores >= threshold`` with the threshold of the record, fitted on the validation split. Functions
that need probabilities are excluded, as scores are not probabilities. ``sklearn.metrics:NAME`` selects the function
of scikit-learn even if mlbench has a metric of that name.
"""

from __future__ import annotations

import inspect
import math
import numbers
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from mlbench.errors import UnknownName, UsageError, one_line
from mlbench.evaluation.dataset_finder import DatasetFinder, Missing
from mlbench.evaluation.evaluate import fitted_on
from mlbench.evaluation.scores import load_scores
from mlbench.metrics import METRICS, Labels, Scored
from mlbench.results.ledger import Ledger
from mlbench.results.schema import SCORES_TEST, SCORES_VALID, Record

PREFIX = "sklearn.metrics:"
PROBABILITIES = ("log_loss", "d2_log_loss_score")
"""Functions that need probabilities, which some versions of scikit-learn call ``y_pred``."""
LESS_IS_BETTER = ("_loss", "_error", "_deviance")
"""Suffixes of the scikit-learn functions that are to be minimised."""


@dataclass(frozen=True, kw_only=True)
class RequestedMetric:
    """A metric by name.

    Attributes:
        name: The name as requested.
        compute: Maps scored rows to the value; NaN if it is undefined.
        direction: Whether higher or lower is better.
        own: Whether it is a metric of mlbench, which records already have.
    """

    name: str
    compute: Callable[[Scored], float]
    direction: Literal["maximize", "minimize"]
    own: bool


@dataclass(frozen=True, kw_only=True)
class JobValue:
    """One job's value, None where it is undefined, and the trials that its budget allows."""

    model: str
    features: str
    seed: int
    n_trials: int
    valid: float | None
    test: float | None


def find_metric(name: str) -> RequestedMetric:
    """Find a metric by name.

    Raises:
        UnknownName: Neither mlbench nor scikit-learn has it.
    """
    if name in METRICS:
        own = METRICS[name]
        return RequestedMetric(name=name, compute=own.value, direction=own.direction, own=True)
    theirs = _of_scikit_learn()
    short = name.removeprefix(PREFIX)
    if short not in theirs:
        raise UnknownName("metric", short, [*theirs, *(() if name.startswith(PREFIX) else METRICS)])
    function, on_scores = theirs[short]

    def compute(scored: Scored) -> float:
        if scored.known is not None:
            raise ValueError("functions of scikit-learn do not leave out unknown labels")
        Y = scored.Y
        value = function(Y, scored.scores if on_scores else scored.predictions.astype(Y.dtype))
        if not isinstance(value, numbers.Real):
            raise ValueError("it does not return a single number")
        return float(value)

    less = short.endswith(LESS_IS_BETTER)
    return RequestedMetric(name=name, compute=compute, direction="minimize" if less else "maximize", own=False)


def _of_scikit_learn() -> dict[str, tuple[Callable[[Labels, Any], object], bool]]:
    """Return the functions of scikit-learn by name, each with whether it takes scores (else predictions)."""
    import sklearn.metrics

    found: dict[str, tuple[Callable[[Labels, Any], object], bool]] = {}
    for name in sklearn.metrics.__all__:
        function = getattr(sklearn.metrics, name)
        if inspect.isfunction(function) and name not in PROBABILITIES:
            first = list(inspect.signature(function).parameters)[:2]
            if first in (["y_true", "y_score"], ["y_true", "y_pred"]):
                found[name] = (function, first[1] == "y_score")
    return found


def rescore(
    metric: RequestedMetric,
    records: Iterable[Record],
    ledger: Ledger,
    finder: DatasetFinder,
    note: Callable[[str], None],
) -> list[JobValue]:
    """Compute a metric for each ok job, sorted from the best on test.

    Args:
        metric: The metric.
        records: The records of one board.
        ledger: The ledger with their scores.
        finder: Finds their labels.
        note: Called with a line for each skipped job and each warning of scikit-learn.

    Raises:
        UsageError: The metric does not support multi-label data.
        LedgerError: The scores do not match their record.
    """
    rows = []
    for record in records:
        label = f"{record.job.label} on {record.dataset.name}"
        if record.status != "ok":
            note(f"{label}: skipped: {record.status}")
            continue
        values = _recorded(metric, record, ledger) or _computed(metric, record, ledger, finder, note)
        if values is not None:
            valid, test = values
            job = record.job
            rows.append(
                JobValue(
                    model=job.model,
                    features=job.features,
                    seed=job.seed,
                    n_trials=job.budget.n_trials,
                    valid=valid,
                    test=test,
                )
            )
    sign = -1 if metric.direction == "maximize" else 1
    # Undefined values come last.
    return sorted(
        rows,
        key=lambda row: (row.test is None, sign * (row.test or 0.0), row.model, row.features, row.seed),
    )


def _recorded(metric: RequestedMetric, record: Record, ledger: Ledger) -> tuple[float | None, float | None] | None:
    """Return the values from the record if it has the metric, which needs no labels; else None.

    Raises:
        LedgerError: The scores do not match the record, so that the values may not, either.
    """
    parts = [record.metrics.get(part, {}) for part in ("valid", "test")]
    if not metric.own or any(metric.name not in part for part in parts):
        return None
    if record.metric_versions.get(metric.name) != METRICS[metric.name].version:
        return None
    for name in (SCORES_VALID, SCORES_TEST):
        ledger.file(record, name)
    return parts[0][metric.name], parts[1][metric.name]


def _computed(
    metric: RequestedMetric, record: Record, ledger: Ledger, finder: DatasetFinder, note: Callable[[str], None]
) -> tuple[float | None, float | None] | None:
    """Compute the values from the scores; None if the labels are not found."""
    dataset = finder.find(record.dataset)
    if isinstance(dataset, Missing):
        note(f"{record.dataset.name}: left out, its labels were not found: {dataset.reason}")
        return None
    values: list[float | None] = []
    valid = load_scores(ledger.file(record, SCORES_VALID), dataset.valid.Y)
    test = load_scores(ledger.file(record, SCORES_TEST), dataset.test.Y)
    fitted = fitted_on(dataset, valid)
    for Y, scores in ((dataset.valid.labels, valid), (dataset.test.labels, test)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                value = metric.compute(Scored.of(Y, scores, fitted))
            except (ValueError, TypeError) as error:
                raise UsageError(
                    f"--metric {metric.name} cannot be computed on {dataset.name}: {one_line(error)}"
                ) from error
        values.append(value if math.isfinite(value) else None)
        for warning in caught:
            note(f"{metric.name}: {one_line(warning.message)}")
    return values[0], values[1]
