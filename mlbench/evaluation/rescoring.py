"""Any metric on finished runs: from the scores that are kept, without training anything again.

A name is looked up among our own figures, then among scikit-learn's: a function of ``sklearn.metrics`` called
as ``f(Y, scores)`` if its second parameter is ``y_score``, as ``f(Y, decisions)`` if it is ``y_pred``, the
decisions being ``scores >= threshold`` with the threshold of the record, fitted on valid. Functions that
want probabilities are left out: scores are none. ``sklearn.metrics:NAME`` means scikit-learn's in any case.
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
from mlbench.evaluation.dataset_finder import Finder, Missing
from mlbench.execution.scheduler import raw_scores
from mlbench.execution.worker import SCORES_TEST, SCORES_VALID
from mlbench.metrics import DIRECTIONS, Labels, figures
from mlbench.plugins.specs import Scores
from mlbench.results.ledger import Ledger, Record

PREFIX = "sklearn.metrics:"
PROBABILITIES = ("log_loss", "d2_log_loss_score")
"""What wants probabilities, though scikit-learn calls them ``y_pred`` in some versions."""
LESS_IS_BETTER = ("_loss", "_error", "_deviance")
"""How scikit-learn's names of what is to be minimised end."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric by name.

    Attributes:
        name: As asked for.
        compute: (Y, scores, threshold) -> value, NaN if it is undefined; Y and scores (n, k).
        direction: Whether more or less is better.
        own: Whether it is one of our figures, which a record holds already.
    """

    name: str
    compute: Callable[[Labels, Scores, float], float]
    direction: Literal["maximize", "minimize"]
    own: bool


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One job's value; None where it is undefined."""

    model: str
    features: str
    seed: int
    valid: float | None
    test: float | None


def find_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UnknownName: Neither ours nor scikit-learn's.
    """
    if name in DIRECTIONS:
        return Metric(
            name=name,
            compute=lambda Y, scores, threshold: figures(Y, scores, threshold)[name],
            direction=DIRECTIONS[name],
            own=True,
        )
    theirs = _of_scikit_learn()
    short = name.removeprefix(PREFIX)
    if short not in theirs:
        raise UnknownName("metric", short, [*theirs, *(() if name.startswith(PREFIX) else DIRECTIONS)])
    function, on_scores = theirs[short]

    def compute(Y: Labels, scores: Scores, threshold: float) -> float:
        value = function(Y, scores if on_scores else (scores >= threshold).astype(Y.dtype))
        if not isinstance(value, numbers.Real):
            raise ValueError("it gives no single number")
        return float(value)

    less = short.endswith(LESS_IS_BETTER)
    return Metric(name=name, compute=compute, direction="minimize" if less else "maximize", own=False)


def _of_scikit_learn() -> dict[str, tuple[Callable[[Labels, Any], object], bool]]:
    """Functions of truth and scores, or truth and decisions; with whether it is scores."""
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
    metric: Metric, records: Iterable[Record], ledger: Ledger, finder: Finder, note: Callable[[str], None]
) -> list[Scored]:
    """The metric of each finished job that is ok, best on test first.

    Args:
        metric: What to compute.
        records: Of one board.
        ledger: Where their scores are.
        finder: Finds their labels.
        note: Told, a line each, what is left out and what scikit-learn warns of.

    Raises:
        UsageError: The metric cannot be computed of multi-label data.
        LedgerError: Scores that are not those of the record.
    """
    rows = []
    for record in records:
        label = f"{record.job['model']} · {record.job['features']} on {record.dataset['name']}"
        if record.status != "ok":
            note(f"{label}: left out: {record.status}")
            continue
        values = _recorded(metric, record) or _computed(metric, record, ledger, finder, note)
        if values is not None:
            valid, test = values
            job = record.job
            rows.append(Scored(model=job["model"], features=job["features"], seed=job["seed"], valid=valid, test=test))
    sign = -1 if metric.direction == "maximize" else 1
    # What is undefined comes last.
    return sorted(
        rows,
        key=lambda row: (row.test is None, sign * (row.test or 0.0), row.model, row.features, row.seed),
    )


def _recorded(metric: Metric, record: Record) -> tuple[float | None, float | None] | None:
    """What the record says, where it knows the figure: no labels are needed."""
    parts = [record.figures.get(part, {}) for part in ("valid", "test")]
    if not metric.own or any(metric.name not in part for part in parts):
        return None
    return parts[0][metric.name], parts[1][metric.name]


def _computed(
    metric: Metric, record: Record, ledger: Ledger, finder: Finder, note: Callable[[str], None]
) -> tuple[float | None, float | None] | None:
    """What its scores give; None if the labels are not to be found."""
    dataset = finder.find(record)
    if isinstance(dataset, Missing):
        note(f"{record.dataset['name']}: left out, its labels were not found: {dataset.reason}")
        return None
    assert dataset.valid is not None
    assert dataset.test is not None
    assert record.threshold is not None
    values: list[float | None] = []
    for name, split in ((SCORES_VALID, dataset.valid), (SCORES_TEST, dataset.test)):
        scores = raw_scores(ledger.file(record, name), split.Y)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                value = metric.compute(split.Y, scores, record.threshold)
            except (ValueError, TypeError) as error:
                raise UsageError(
                    f"--metric {metric.name} cannot be computed on {dataset.name}: {one_line(error)}"
                ) from error
        values.append(value if math.isfinite(value) else None)
        for warning in caught:
            note(f"{metric.name}: {one_line(warning.message)}")
    return values[0], values[1]
