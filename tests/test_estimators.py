"""The shapes that scikit-learn's estimators answer in."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import random_split
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from mlbench.data.dataset import Split
from mlbench.errors import InvalidScores, PluginError
from mlbench.evaluation.scores import score_rows
from mlbench.metrics import roc_auc
from mlbench.plugins.estimators import _with_constant_labels, estimator_scores, varying_labels
from mlbench.plugins.specs import FitContext, ModelSpec
from mlbench.testing import check_model

ESTIMATORS = {
    "predict_proba, an array": lambda: OneVsRestClassifier(LogisticRegression()),
    "predict_proba, a list": lambda: RandomForestClassifier(20, random_state=0),
    "predict_proba, neighbours": lambda: KNeighborsClassifier(5),
    "predict_proba, a network": lambda: MLPClassifier((8,), learning_rate_init=0.02, random_state=0),
    "predict_proba, a pipeline": lambda: make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)),
    "decision_function": lambda: OneVsRestClassifier(LinearSVC()),
    "predict, real values": lambda: Ridge(),
}
MANY_LABELS = {
    "predict_proba, one forest a label": lambda: MultiOutputClassifier(RandomForestClassifier(20, random_state=0)),
    "predict_proba, a chain": lambda: ClassifierChain(LogisticRegression()),
    "predict, classes": lambda: MultiOutputClassifier(LinearSVC()),
}


def _scorer(fitted: Any, Y: np.ndarray) -> Any:
    """The score function of an estimator that was fitted on the labels of Y that vary."""
    live = varying_labels(Y)
    return _with_constant_labels(estimator_scores(fitted, len(live)), Y, live)


def _scores(make: Any, train: Split, X: Any) -> np.ndarray:
    spec = ModelSpec.from_estimator(name="m", summary="s", estimator=lambda params, context: make())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn, on constant labels and few iterations
        scorer = spec.fit(train, {}, FitContext(seed=0))
    return score_rows(scorer, X, train.Y.shape[1])


@pytest.mark.parametrize("make", (ESTIMATORS | MANY_LABELS).values(), ids=ESTIMATORS | MANY_LABELS)
def test_each_shape_becomes_one_column_a_label(make: Any) -> None:
    """Whatever the estimator answers, scores are (n, k) floats that rank each label's positives up."""
    train, test = random_split(0, 80), random_split(1, 60)

    scores = _scores(make, train, test.X)

    assert scores.shape == (60, 3)
    assert (roc_auc(test.Y, scores, None) > 0.55).all()


@pytest.mark.parametrize("make", (ESTIMATORS | MANY_LABELS).values(), ids=ESTIMATORS | MANY_LABELS)
def test_a_single_label(make: Any) -> None:
    """One label gives one column, of the probability of 1 and not of 0."""
    train, test = random_split(0, 80, k=1), random_split(1, 60, k=1)

    scores = _scores(make, train, test.X)

    assert scores.shape == (60, 1)
    assert roc_auc(test.Y, scores) > 0.55


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
def test_constant_labels_rank_by_their_share(make: Any) -> None:
    """A label without a positive in train ranks below all others, one without a negative above."""
    split = random_split(0, 80)
    Y = split.Y.copy()
    Y[:, 0], Y[:, 2] = 0, 1
    X = random_split(1, 60).X

    scores = _scores(make, Split(X=split.X, Y=Y), X)

    assert (scores[:, 0] <= scores[:, 1].min()).all()
    assert (scores[:, 2] >= scores[:, 1].max()).all()
    assert (scores[:, 0] < scores[:, 2]).all()
    assert np.ptp(scores[:, 0]) == np.ptp(scores[:, 2]) == 0
    assert np.ptp(scores[:, 1]) > 0


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("make", [ESTIMATORS["predict_proba, a list"], ESTIMATORS["predict, real values"]])
def test_a_single_constant_label(make: Any, value: int) -> None:
    """One label that never changes in train gives one finite constant column."""
    split = random_split(0, 40, k=1)

    scores = _scores(make, Split(X=split.X, Y=np.full_like(split.Y, value)), split.X)

    assert scores.shape == (40, 1)
    assert np.ptp(scores) == 0


def test_margins_of_any_size_stay_between_constant_labels() -> None:
    """However large a margin is, a label without positives stays below it and one without negatives above."""

    class Huge:
        def decision_function(self, X: Any) -> np.ndarray:
            return np.array([1e300, -1e300])  # of one label: the others are constant, and it is not fitted on them

    Y = np.array([[0, 0, 1], [1, 0, 1]], dtype=np.uint8)

    scores = _scorer(Huge(), Y)(np.zeros((2, 1)))

    assert (scores[:, 1] <= scores[:, 0]).all()
    assert (scores[:, 2] >= scores[:, 0]).all()
    assert np.isfinite(scores.astype(np.float32)).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("method", ["predict_proba", "decision_function", "predict"])
def test_scores_that_are_not_finite_are_refused(method: str, value: float) -> None:
    """NaN and infinite answers of an estimator are never ranked, by whichever method they come."""
    Broken = type("Broken", (), {method: lambda self, X: np.full((len(X), 2), value)})
    Y = np.array([[0, 1], [1, 0]], dtype=np.uint8)

    with pytest.raises(InvalidScores, match="NaN or infinite"):
        score_rows(_scorer(Broken(), Y), np.zeros((3, 1), dtype=np.float32), 2)


def test_an_estimator_without_any_method() -> None:
    """An estimator that cannot predict is the plugin's error, and is named."""

    class Mute:
        pass

    with pytest.raises(PluginError, match="Mute has no predict_proba, decision_function or predict"):
        _scorer(Mute(), np.array([[0, 1], [1, 0]], dtype=np.uint8))


def test_probabilities_come_first() -> None:
    """Of several methods, ``predict_proba`` is taken before ``decision_function`` before ``predict``."""

    class All:
        def predict(self, X: Any) -> np.ndarray:
            return np.full((len(X), 2), 3.0)

        def decision_function(self, X: Any) -> np.ndarray:
            return np.full((len(X), 2), 2.0)

    class More(All):
        def predict_proba(self, X: Any) -> np.ndarray:
            return np.full((len(X), 2), 0.5)

    Y = np.array([[0, 1], [1, 0]], dtype=np.uint8)

    assert (_scorer(All(), Y)(np.zeros((1, 1))) == 2.0).all()
    assert (_scorer(More(), Y)(np.zeros((1, 1))) == 0.5).all()


@pytest.mark.parametrize("name", ["predict_proba, an array", "decision_function"])
def test_sparse_rows(name: str) -> None:
    """An estimator that takes sparse rows gives the scores that it gives to dense ones."""
    train, test = random_split(0, 80), random_split(1, 30)

    dense = _scores(ESTIMATORS[name], train, test.X)
    sparse = _scores(ESTIMATORS[name], Split(X=sp.csr_matrix(train.X), Y=train.Y), sp.csr_matrix(test.X))

    np.testing.assert_allclose(sparse, dense, rtol=1e-3, atol=1e-3)


def test_sparse_predictions_become_dense() -> None:
    """Decisions that come as a sparse matrix are floats (n, k)."""

    class Sparse:
        def predict(self, X: Any) -> Any:
            return sp.csr_matrix(np.array([[0, 1]] * len(X)))

    Y = np.array([[0, 1], [1, 0]], dtype=np.uint8)

    np.testing.assert_array_equal(score_rows(_scorer(Sparse(), Y), np.zeros((2, 1)), 2), [[0, 1], [0, 1]])


def test_the_estimators_own_answer_is_left_alone() -> None:
    """Filling in constant labels does not write into an array that the estimator may keep."""
    kept = np.full((2, 2), 0.5)
    Keeps = type("Keeps", (), {"predict_proba": lambda self, X: kept})

    _scorer(Keeps(), np.array([[0, 1], [1, 0]], dtype=np.uint8))(np.zeros((2, 1)))

    assert (kept == 0.5).all()


def test_from_estimator_hands_on_params_and_context() -> None:
    """The estimator is built from the trial's parameters and context; nothing else is changed."""
    seen = {}

    def estimator(params: dict[str, Any], context: FitContext) -> Any:
        seen.update(params, seed=context.seed, threads=context.threads)
        return Ridge(alpha=params["alpha"])

    spec = ModelSpec.from_estimator(
        name="m", summary="s", estimator=estimator, defaults={"alpha": 1.0}, accepts={"sparse"}, citation="c"
    )
    spec.fit(random_split(0, 20), {"alpha": 7.0}, FitContext(seed=3, threads=2))

    assert seen == {"alpha": 7.0, "seed": 3, "threads": 2}
    assert (spec.defaults, spec.accepts, spec.citation) == ({"alpha": 1.0}, frozenset({"sparse"}), "c")


def test_an_estimator_that_takes_missing_values() -> None:
    """Missing values reach an estimator whose author says that it takes them, and each check of models passes."""
    spec = ModelSpec.from_estimator(
        name="m",
        summary="s",
        estimator=lambda params, context: MultiOutputClassifier(
            HistGradientBoostingClassifier(max_iter=40, random_state=context.seed, early_stopping=False)
        ),
        accepts={"dense", "missing"},
    )
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3)).astype(np.float32)
    X[rng.random(X.shape) < 0.3] = np.nan
    Y = np.column_stack([np.isnan(X[:, 0]), X[:, 1] > 0, np.isnan(X[:, 2])])
    scores = spec.fit(Split(X=X, Y=Y), {}, FitContext(seed=0))(X)

    assert (roc_auc(Y.astype(np.uint8), scores, None) > 0.99).all()
    results = {result.name: result for result in check_model(spec)}
    assert results["check_missing_values"].status == "passed"
    assert [result.name for result in results.values() if result.status == "failed"] == []


def test_an_estimator_cannot_accept_unknown_labels() -> None:
    """An estimator would take unknown labels for 0 without a word; whoever says that it does not is told."""
    with pytest.raises(PluginError, match="cannot be told which labels are unknown"):
        ModelSpec.from_estimator(
            name="m", summary="s", estimator=lambda params, context: Ridge(), accepts={"dense", "unknown"}
        )
