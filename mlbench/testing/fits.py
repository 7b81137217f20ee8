"""Fits of models in this process, and what is asked of their scores."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlbench.data.dataset import Split
from mlbench.metrics import average_precision
from mlbench.plugins.specs import FitContext, ModelSpec, ScoreFunction, Scores
from mlbench.testing.splits import RandomTrial, as_sparse

Form = Callable[[Split], Split]


def fitted(
    spec: ModelSpec, train: Split, valid: Split | None = None, params: Mapping[str, Any] | None = None, **more: Any
) -> ScoreFunction:
    """Return the score function of a model that is fitted once, by default with its default parameters.

    Args:
        spec: The model.
        train: What it is fitted on.
        valid: The validation split, or None as at a refit.
        params: Parameters that replace defaults.
        more: Further fields of ``FitContext``.
    """
    context = FitContext(seed=0, valid=valid, **more)
    return spec.fit(spec.prepare(train, context), {**spec.defaults, **(params or {})}, context)


def random_params(spec: ModelSpec, seed: int) -> dict[str, Any]:
    """Return random parameters of the search space; the defaults where there is none."""
    return dict(spec.defaults) if spec.suggest is None else spec.suggest(RandomTrial(seed))  # type: ignore[arg-type]


def micro(split: Split, score: ScoreFunction) -> float:
    """Return the micro average precision of a score function on a split."""
    return average_precision(split.Y, score(split.X), average="micro")


def forms(spec: ModelSpec) -> list[Form]:
    """The forms of input that the model takes; other input is converted before it sees it."""
    forms: list[Form] = [lambda split: split] if "dense" in spec.accepts else []
    return forms + ([as_sparse] if "sparse" in spec.accepts else [])


def require(condition: object, what: str) -> None:
    """Raise ``AssertionError(what)`` unless the condition holds."""
    if not condition:
        raise AssertionError(what)


def require_scores(scores: object, n: int, k: int) -> None:
    """Raise ``AssertionError`` unless scores are finite floats of shape (n, k)."""
    require(isinstance(scores, np.ndarray), f"scores are a {type(scores).__name__}, expected a numpy array")
    assert isinstance(scores, np.ndarray)
    require(scores.shape == (n, k), f"scores have shape {scores.shape}, expected {(n, k)}")
    require(scores.dtype.kind == "f", f"scores have type {scores.dtype}, expected floats")
    require(np.isfinite(scores).all(), "scores are NaN or infinite")


def check_scores(spec: ModelSpec, train: Split, valid: Split) -> None:
    """Fit with and without a validation split, dense and sparse, and look at all scores; nothing may warn."""
    k = train.Y.shape[1]
    for form in forms(spec):
        one, other = form(train), form(valid)
        reported: list[Scores] = []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for score in (
                fitted(spec, one, other, on_report=lambda step, scores: reported.append(scores)),  # noqa: B023
                fitted(spec, one),
            ):
                for X in (one.X, other.X, other.X[:1]):
                    require_scores(score(X), X.shape[0], k)
        for scores in reported:
            require_scores(scores, len(valid), k)
