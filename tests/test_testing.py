"""The checks of mlbench.testing find what is wrong with a model, and say it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlbench import ModelSpec, Split, TrialPruned
from mlbench.testing import MODEL_CHECKS, RandomTrial, check_model

Scores = np.ndarray


def _centroids(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
    """A small honest model: the product with the difference of class means."""
    Y = train.Y.astype(np.float64)
    share = Y.mean(axis=0)
    X = np.asarray(train.X, dtype=np.float64)
    spread = X.std(axis=0)
    scaled = np.divide(X - X.mean(axis=0), spread, out=np.zeros_like(X), where=spread > 1e-30)
    weight = scaled.T @ (Y - share) / len(X)
    centre, scale = X.mean(axis=0), np.where(spread > 1e-30, spread, 1.0)
    constant = (share == 0) | (share == 1)

    def score(X: Any) -> Scores:
        margins = np.clip((np.asarray(X, dtype=np.float64) - centre) / scale, -50, 50) @ weight
        return np.where(constant, np.where(share > 0, 1e6, -1e6), margins)

    return score


def _spec(fit: Any = _centroids, **more: Any) -> ModelSpec:
    return ModelSpec(name="toy", summary="toy", fit=fit, **more)


def _statuses(spec: ModelSpec, **expected: str) -> dict[str, str]:
    return {result.name: result.status for result in check_model(spec, expected)}


def test_an_honest_model_passes() -> None:
    """A model that keeps the contract fails no check, and what does not apply to it is skipped."""
    statuses = _statuses(_spec())

    assert set(statuses) == {check.__name__ for check in MODEL_CHECKS}
    assert set(statuses.values()) == {"passed", "skipped"}
    assert statuses["check_reports"] == "skipped"


def _unseeded(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
    score, noise = _centroids(train, params, context), np.random.default_rng().normal()
    return lambda X: score(X) + 1e-3 * noise


def _block(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
    score = _centroids(train, params, context)
    return lambda X: score(X) - score(X).mean(axis=0)


def _nan(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
    score = _centroids(train, params, context)
    return lambda X: np.where(np.arange(X.shape[0])[:, None] == 0, np.nan, score(X))


def _catches(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
    if context.valid is not None:
        for step in (1, 2, 3):
            try:
                context.report(step, np.zeros(context.valid.Y.shape))
            except TrialPruned:
                break
    return _centroids(train, params, context)


def _ignorant(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
    return lambda X: np.zeros((X.shape[0], train.Y.shape[1]))


@pytest.mark.parametrize(
    ("fit", "check"),
    [
        (_unseeded, "check_same_seed_same_bytes"),
        (_block, "check_rows_are_scored_by_themselves"),
        (_nan, "check_few_rows"),
        (_catches, "check_pruning_passes_through"),
        (_ignorant, "check_learns"),
        (_ignorant, "check_constant_labels"),
    ],
)
def test_a_mistake_fails_its_check(fit: Any, check: str) -> None:
    """Each mistake fails the check that is about it, with an exception and a reason."""
    [result] = [result for result in check_model(_spec(fit)) if result.name == check]

    assert result.status == "failed"
    assert result.exception is not None
    assert result.reason


def _masked(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
    """Centroids of the rows in which a label is known, and of the values that are known."""
    known = np.ones(train.Y.shape, dtype=bool) if train.known is None else train.known
    X = np.asarray(train.X, dtype=np.float64)
    there = ~np.isnan(X)
    n = np.maximum(there.sum(axis=0), 1)
    centre = np.where(there, X, 0).sum(axis=0) / n
    spread = np.sqrt((np.where(there, X - centre, 0) ** 2).sum(axis=0) / n)
    scale = np.where(spread > 1e-30, spread, np.inf)
    scaled = np.where(there, (X - centre) / scale, 0)
    Y = np.where(known, train.Y, 0)
    share = Y.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    weight = scaled.T @ np.where(known, Y - share, 0) / np.maximum(known.sum(axis=0), 1)
    constant = (share == 0) | (share == 1)

    def score(X: Any) -> Scores:
        margins = np.nan_to_num(np.clip((np.asarray(X, dtype=np.float64) - centre) / scale, -50, 50)) @ weight
        return np.where(constant, np.where(share > 0, 1e6, -1e6), margins)

    return score


def _reads_unknown(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
    return _centroids(train, params, context)


def _takes_unknown_for_0(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
    return _centroids(Split(X=train.X, Y=train.Y if train.known is None else train.Y & train.known), params, context)


def _needs_a_known_label(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
    if train.known is not None and not train.known.any(axis=0).all():
        raise ZeroDivisionError
    return _masked(train, params, context)


def _only_complete_rows(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
    complete = ~np.isnan(train.X).any(axis=1)
    share = train.Y.mean(axis=0)
    if complete.sum() < 300:
        return lambda X: np.tile(share, (X.shape[0], 1))
    return _masked(train.take(complete), params, context)


INCOMPLETE = {
    "check_unknown_labels_are_not_looked_at": _reads_unknown,
    "check_learns_from_known_labels": _takes_unknown_for_0,
    "check_no_label_is_known": _needs_a_known_label,
    "check_missing_values": _only_complete_rows,
}


def test_a_model_that_takes_incomplete_data_passes() -> None:
    """Checks of unknown labels and missing values run where a model accepts them, and are skipped elsewhere."""
    statuses = _statuses(_spec(_masked, accepts={"dense", "unknown", "missing"}))
    assert {statuses[name] for name in INCOMPLETE} == {"passed"}
    assert "failed" not in statuses.values()

    assert {_statuses(_spec())[name] for name in INCOMPLETE} == {"skipped"}


@pytest.mark.parametrize("check", INCOMPLETE)
def test_a_mistake_with_incomplete_data_fails_its_check(check: str) -> None:
    """Each mistake fails the check that is about it."""
    statuses = _statuses(_spec(INCOMPLETE[check], accepts={"dense", "unknown", "missing"}))

    assert statuses[check] == "failed"


@pytest.mark.parametrize("fill", [np.nan, 1e30])
def test_values_that_spread_fail_the_check_of_missing_values(fill: float) -> None:
    """Scores that a missing value makes NaN, or drowns, are found."""

    def fit(train: Any, params: Any, context: Any) -> Callable[[Any], Scores]:
        def there(X: Any) -> Any:
            return np.where(np.isnan(X), fill, X)

        score = _centroids(Split.unchecked(X=there(train.X), Y=train.Y), params, context)
        return lambda X: score(there(X))

    assert _statuses(_spec(fit, accepts={"dense", "missing"}))["check_missing_values"] == "failed"


def test_defaults_outside_of_the_search_space_fail() -> None:
    """Defaults that suggest cannot give, or does not ask for, are found without a fit."""
    for defaults in ({"x": 5.0}, {"y": 0.5}):
        spec = _spec(suggest=lambda trial: {"x": trial.suggest_float("x", 0, 1)}, defaults=defaults)

        assert _statuses(spec)["check_defaults_lie_in_the_search_space"] == "failed"


def test_declared_failures_are_strict() -> None:
    """A declared failure is xfail; one that passes all the same has failed; an unknown name is an error."""
    assert _statuses(_spec(_ignorant), check_learns="it is a stub")["check_learns"] == "xfail"
    assert _statuses(_spec(), check_learns="it is a stub")["check_learns"] == "failed"
    with pytest.raises(ValueError, match="check_nothing"):
        check_model(_spec(), {"check_nothing": "no such check"})


def test_random_parameters_lie_in_their_ranges() -> None:
    """Values are within what is asked for, the same for the same seed, and the same name gives the same value."""
    for seed in range(20):
        one, other = RandomTrial(seed), RandomTrial(seed)
        assert 1e-3 <= one.suggest_float("a", 1e-3, 10, log=True) <= 10
        assert one.suggest_int("b", 2, 8, step=3) in (2, 5, 8)
        assert one.suggest_categorical("c", ["x", "y"]) in ("x", "y")
        assert one.params["a"] == other.suggest_float("a", 1e-3, 10, log=True) == one.suggest_float("a", 1e-3, 10)


def test_the_kit_is_light() -> None:
    """It needs neither pytest nor Optuna, and loads no heavy library."""
    heavy = ["pytest", "optuna", "sklearn", "pandas"]
    code = f"import sys, mlbench.testing; print([name for name in {heavy} if name in sys.modules])"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stdout == "[]\n"
