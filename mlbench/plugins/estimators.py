"""The one place that knows the shapes of scikit-learn's estimators."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Matrix, Split
from mlbench.errors import PluginError

FloatArray = NDArray[np.floating[Any]]
EDGE = np.finfo(np.float32).max / 4
"""The margin of a constant label; the end of float32 is 3.4e38."""


def estimator_fit(estimator: Callable[[dict[str, Any], Any], Any]) -> Callable[[Split, dict[str, Any], Any], Any]:
    """Return ``ModelSpec.fit`` for an estimator that is fitted anew in each trial.

    Args:
        estimator: (params, context) -> the unfitted estimator.
    """

    def fit(train: Split, params: dict[str, Any], context: Any) -> Callable[[Matrix], FloatArray]:
        model = estimator(params, context)
        live = varying_labels(train.Y)
        if not len(live):
            return _with_constant_labels(None, train.Y, live)
        # Signed: scikit-learn negates and subtracts labels, which wraps around in uint8. Without constant labels:
        # chains and one-vs-rest fail on a label of one class.
        Y = train.Y[:, live].astype(np.int64)
        # One label: scikit-learn wants the column flat, and warns otherwise.
        flat = len(live) == 1 and _takes_one_output(model)
        fitted = model.fit(train.X, Y[:, 0] if flat else Y)
        return _with_constant_labels(estimator_scores(fitted, len(live)), train.Y, live)

    return fit


def varying_labels(Y: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the labels (columns of Y) that have a positive and a negative."""
    share = Y.mean(axis=0)
    return np.flatnonzero((share > 0) & (share < 1))


def _with_constant_labels(
    scores_of: Callable[[Matrix], tuple[str, FloatArray]] | None, Y: NDArray[np.uint8], live: NDArray[np.intp]
) -> Callable[[Matrix], FloatArray]:
    """Score the labels that vary by the estimator, the others by their share in train.

    A label that is constant in train carries no information on rows. It ranks below everything if it has no
    positive, above everything if it has no negative.
    """
    share = Y.mean(axis=0)
    constant = np.setdiff1d(np.arange(Y.shape[1]), live)

    def score(X: Matrix) -> FloatArray:
        if scores_of is None:
            return np.tile(share, (X.shape[0], 1))
        name, found = scores_of(X)
        if not len(constant):
            return found
        scores = np.empty((len(found), Y.shape[1]), dtype=found.dtype)
        scores[:, live] = found
        if name == "predict_proba":
            scores[:, constant] = share[constant]
        else:
            scores[:, constant] = np.where(share[constant] > 0, EDGE, -EDGE)
        return scores

    return score


def _takes_one_output(estimator: Any) -> bool:
    """Whether a flat target is welcome; chains and the like take a matrix only, and say so in their tags."""
    from sklearn.utils import get_tags

    return not hasattr(estimator, "__sklearn_tags__") or bool(get_tags(estimator).target_tags.single_output)


def estimator_scores(fitted: Any, k: int) -> Callable[[Matrix], tuple[str, FloatArray]]:
    """Return a function from rows to the method that an estimator answers with and its scores (n, k).

    Args:
        fitted: The estimator, fitted on labels that have both classes.
        k: The number of labels that it was fitted on.

    Raises:
        PluginError: The estimator has none of the methods.
    """
    shapes = {"predict_proba": _probabilities, "decision_function": _margins, "predict": _predictions}
    names = [name for name in shapes if hasattr(fitted, name)]
    if not names:
        raise PluginError(f"{type(fitted).__name__} has no predict_proba, decision_function or predict")

    def answer(X: Matrix) -> tuple[str, Any]:
        for name in names[:-1]:
            # Meta-estimators show a method that not all of their parts have.
            with contextlib.suppress(AttributeError):
                return name, getattr(fitted, name)(X)
        return names[-1], getattr(fitted, names[-1])(X)

    def scores_of(X: Matrix) -> tuple[str, FloatArray]:
        name, raw = answer(X)
        scores = np.array(shapes[name](raw, fitted, k), copy=True)
        if name != "predict_proba":
            # No finite margin may pass what constant labels are given.
            np.clip(scores, -EDGE, EDGE, out=scores, where=np.isfinite(scores))
        return name, scores

    return scores_of


def _probabilities(answer: Any, fitted: Any, k: int) -> FloatArray:
    """P(label) from an array (n, k), from (n, 2) for one label, or from a list of k arrays (n, classes)."""
    if isinstance(answer, list):
        columns = []
        for column, known in zip(answer, list(fitted.classes_), strict=True):
            at = np.flatnonzero(np.asarray(known) == 1)
            columns.append(column[:, at[0]] if len(at) else np.zeros(len(column)))
        return np.stack(columns, axis=1)
    array = np.asarray(answer)
    if k == 1 and array.ndim == 2 and array.shape[1] == 2:
        return array[:, np.flatnonzero(np.ravel(fitted.classes_) == 1)]
    return array


def _margins(answer: Any, fitted: Any, k: int) -> FloatArray:
    array = np.asarray(answer)
    return array[:, None] if array.ndim == 1 else array


def _predictions(answer: Any, fitted: Any, k: int) -> FloatArray:
    array = answer.toarray() if hasattr(answer, "toarray") else np.asarray(answer)
    array = array[:, None] if array.ndim == 1 else array
    return array.astype(np.float64) if array.dtype.kind in "biu" else array
