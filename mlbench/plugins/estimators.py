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


def estimator_fit(estimator: Callable[[dict[str, Any], Any], Any]) -> Callable[[Split, dict[str, Any], Any], Any]:
    """``ModelSpec.fit`` for an estimator that is fitted anew in each trial."""

    def fit(train: Split, params: dict[str, Any], context: Any) -> Callable[[Matrix], FloatArray]:
        model = estimator(params, context)
        # One label: scikit-learn wants the column flat, and warns otherwise.
        flat = train.Y.shape[1] == 1 and _takes_one_output(model)
        return estimator_scorer(model.fit(train.X, train.Y[:, 0] if flat else train.Y), train.Y)

    return fit


def _takes_one_output(estimator: Any) -> bool:
    """Whether a flat target is welcome; chains and the like take a matrix only, and say so in their tags."""
    from sklearn.utils import get_tags

    return not hasattr(estimator, "__sklearn_tags__") or bool(get_tags(estimator).target_tags.single_output)


def estimator_scorer(fitted: Any, Y: NDArray[np.uint8]) -> Callable[[Matrix], FloatArray]:
    """Scores (n, k) of a fitted estimator, from the best method that it has.

    A label that is constant in train carries no information on rows, and libraries disagree on what to
    answer (a missing column, 0.0 above every negative margin, an arbitrary class), so it is ranked by
    its share in train: below everything for a label without positives, above for one without negatives.

    Args:
        fitted: The estimator.
        Y: The labels that it was fitted on, (n, k).
    """
    shapes = {"predict_proba": _probabilities, "decision_function": _margins, "predict": _predictions}
    names = [name for name in shapes if hasattr(fitted, name)]
    if not names:
        raise PluginError(f"{type(fitted).__name__} has no predict_proba, decision_function or predict")
    k = Y.shape[1]
    share = Y.mean(axis=0)
    constant = np.flatnonzero((share == 0) | (share == 1))

    def answer(X: Matrix) -> tuple[str, Any]:
        for name in names[:-1]:
            # One-vs-rest shows a method that only its sub-estimator for a constant label has.
            with contextlib.suppress(AttributeError):
                return name, getattr(fitted, name)(X)
        return names[-1], getattr(fitted, names[-1])(X)

    def scorer(X: Matrix) -> FloatArray:
        name, raw = answer(X)
        scores = np.array(shapes[name](raw, fitted, k), copy=True)
        if name == "predict_proba":
            scores[:, constant] = share[constant]
        else:
            # No finite margin of the model may pass these; +-3e38 is the end of float32.
            edge = np.finfo(np.float32).max / 4
            np.clip(scores, -edge, edge, out=scores, where=np.isfinite(scores))
            scores[:, constant] = np.where(share[constant] > 0, edge, -edge)
        return scores

    return scorer


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
