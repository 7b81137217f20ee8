"""Metrics at k against scikit-learn, against brute force over all orders of ties, and at the edges."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from helpers import patient
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, ndcg_score

from mlbench.metrics import (
    METRICS,
    Fitted,
    inverse_propensities,
    metric_value,
    ndcg_at_k,
    precision_at_k,
    psndcg_at_k,
    psp_at_k,
    recall_at_k,
)

EXACT = {"rel": 1e-12, "abs": 1e-12}
WEIGHTS = np.array([1.0, 1.5, 4.0, 2.5, 9.0])


@st.composite
def tied(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Few rows and labels, so that all orders of ties can be gone through."""
    n, d = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    Y = draw(arrays(np.uint8, (n, d), elements=st.integers(0, 1)))
    values = draw(st.sampled_from([[0.0, 0.5], [-1.0, -0.0, 0.0, 1.0], list(np.linspace(0, 1, 23))]))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return Y, draw(arrays(dtype, (n, d), elements=st.sampled_from([float(np.float32(v)) for v in values])))


def _orders(scores: np.ndarray) -> list[tuple[int, ...]]:
    """Every order of one row's labels in which scores do not rise."""
    every = itertools.permutations(range(len(scores)))
    return [order for order in every if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))]


def _mean_over_orders(value: Callable[[np.ndarray], float], truth: np.ndarray, scores: np.ndarray) -> float:
    return float(np.mean([value(truth[list(order)]) for order in _orders(scores)]))


def _discounted(gains: np.ndarray, k: int) -> float:
    return float(sum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:k])))


@patient
@given(tied(), st.integers(1, 7))
def test_precision_and_recall_are_the_mean_over_all_orders_of_ties(data: tuple[np.ndarray, np.ndarray], k: int) -> None:
    """Counted by hand in each order that the scores allow; a row without positives has recall 0."""
    Y, scores = data
    found = [_mean_over_orders(lambda first: first[:k].sum(), y, s) for y, s in zip(Y, scores, strict=True)]
    recall = [hits / y.sum() if y.any() else 0.0 for hits, y in zip(found, Y, strict=True)]

    assert precision_at_k(Y, scores, k) == pytest.approx(np.mean(found) / k, **EXACT)
    assert recall_at_k(Y, scores, k) == pytest.approx(np.mean(recall), **EXACT)


@patient
@given(tied(), st.integers(1, 7))
def test_precision_of_labels_is_that_of_the_transposed_matrix(data: tuple[np.ndarray, np.ndarray], k: int) -> None:
    """The first k rows of each label, over the labels that have a positive."""
    Y, scores = data
    columns = [precision_at_k(y[None], s[None], k) for y, s in zip(Y.T, scores.T, strict=True) if y.any()]
    expected = np.mean(columns) if columns else math.nan

    assert precision_at_k(Y, scores, k, average="macro") == pytest.approx(expected, nan_ok=True, **EXACT)


@patient
@given(tied(), st.integers(1, 7))
def test_ndcg_is_scikit_learns(data: tuple[np.ndarray, np.ndarray], k: int) -> None:
    """Ties averaged, rows without positives 0; scikit-learn refuses a single label."""
    Y, scores = data
    Y, scores = np.hstack([Y, np.zeros_like(Y[:, :1])]), np.hstack([scores, np.full_like(scores[:, :1], -9)])

    assert ndcg_at_k(Y, scores, k) == pytest.approx(ndcg_score(Y, scores, k=k), **EXACT)


@patient
@given(tied(), st.integers(1, 7))
def test_propensity_scored_metrics_are_ratios_to_the_best(data: tuple[np.ndarray, np.ndarray], k: int) -> None:
    """Numerator and denominator are restated row by row, over all orders of ties."""
    Y, scores = data
    sums = np.zeros(4)
    for y, s in zip(Y, scores, strict=True):
        gains = y * WEIGHTS[: len(y)]
        best = np.sort(gains)[::-1]
        ideal = _discounted(np.ones(int(y.sum())), k) or 1.0
        sums += [
            _mean_over_orders(lambda first: first[:k].sum(), gains, s),
            best[:k].sum(),
            _mean_over_orders(lambda first: _discounted(first, k), gains, s) / ideal,
            _discounted(best, k) / ideal,
        ]
    weights = WEIGHTS[: Y.shape[1]]
    psp, psndcg = (over / under if under else math.nan for over, under in (sums[:2], sums[2:]))

    assert psp_at_k(Y, scores, weights, k) == pytest.approx(psp, nan_ok=True, **EXACT)
    assert psndcg_at_k(Y, scores, weights, k) == pytest.approx(psndcg, nan_ok=True, **EXACT)


def test_the_best_scores_reach_one() -> None:
    """Scores that rank the rarest of the relevant labels first cannot be beaten."""
    rng = np.random.default_rng(0)
    Y = (rng.random((50, 5)) < 0.4).astype(np.uint8)

    for k in (1, 3, 5):
        assert psp_at_k(Y, Y * WEIGHTS, WEIGHTS, k) == pytest.approx(1.0)
        assert psndcg_at_k(Y, Y * WEIGHTS, WEIGHTS, k) == pytest.approx(1.0)
    assert psp_at_k(Y, -(Y * WEIGHTS), WEIGHTS, 3) < 1


def test_propensities_are_those_of_the_paper() -> None:
    """1 / p = 1 + C (N_l + B) ** -A with C = (log N - 1) (B + 1) ** A, restated."""
    for n_positives, n, a, b in ((0, 4880, 0.55, 1.5), (17, 4880, 0.55, 1.5), (900, 10_000, 0.5, 0.4)):
        c = (math.log(n) - 1) * (b + 1) ** a
        propensity = 1 / (1 + c * math.exp(-a * math.log(n_positives + b)))

        [found] = inverse_propensities(np.array([n_positives]), n, a, b)

        assert found == pytest.approx(1 / propensity, rel=1e-12)
    assert (inverse_propensities(np.array([0, 1, 2]), 2) >= 1).all()  # so few rows say nothing


@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_the_table_has_the_functions(k: int) -> None:
    """The entries of the table are the public functions, with propensities of train."""
    rng = np.random.default_rng(1)
    Y, scores = (rng.random((80, 20)) < 0.2).astype(np.uint8), rng.random((80, 20)).round(1)
    counts = rng.integers(0, 300, 20)
    fitted = Fitted(Y=Y, scores=scores, n_positives=counts, n_train=900)
    weights = inverse_propensities(counts, 900)

    expected = {
        f"precision_at_{k}": precision_at_k(Y, scores, k),
        f"precision_at_{k}_macro": precision_at_k(Y, scores, k, average="macro"),
        f"recall_at_{k}": recall_at_k(Y, scores, k),
        f"ndcg_at_{k}": ndcg_at_k(Y, scores, k),
        f"psp_at_{k}": psp_at_k(Y, scores, weights, k),
        f"psndcg_at_{k}": psndcg_at_k(Y, scores, weights, k),
    }
    for name, value in expected.items():
        assert metric_value(name, Y, scores, fitted) == pytest.approx(value, **EXACT), name


def test_accuracy_is_that_of_the_highest_label() -> None:
    """Defined only where labels exclude each other; then it is scikit-learn's on the classes."""
    rng = np.random.default_rng(2)
    classes, scores = rng.integers(0, 6, 90), rng.random((90, 6))
    Y = np.eye(6, dtype=np.uint8)[classes]
    apart = Fitted(Y=Y, scores=scores, exclusive=True)

    assert metric_value("accuracy", Y, scores, apart) == accuracy_score(classes, scores.argmax(axis=1))
    assert math.isnan(metric_value("accuracy", Y, scores))
    assert METRICS["accuracy"].exclusive


def test_thresholds_of_labels_are_fitted_each_by_itself() -> None:
    """F1 with a threshold for each label is the best that any thresholds reach on the rows they were fitted on."""
    rng = np.random.default_rng(3)
    Y = (rng.random((60, 4)) < [0.1, 0.3, 0.5, 0.0]).astype(np.uint8)
    scores = Y + rng.normal(size=Y.shape) + [3.0, 0.0, -3.0, 0.0]
    fitted = Fitted(Y=Y, scores=scores)

    values = []
    for y, s in zip(Y[:, :3].T, scores[:, :3].T, strict=True):
        every = [2 * (y & (s >= t)).sum() / (y.sum() + (s >= t).sum()) for t in s]
        values.append(max(every))

    assert metric_value("f1_macro_label_thresholds", Y, scores, fitted) == pytest.approx(np.mean(values))
    assert metric_value("f1_macro", Y, scores, fitted) < np.mean(values)
    assert fitted.label_thresholds[3] == fitted.threshold


@pytest.mark.parametrize("k", [0, -1])
def test_k_is_at_least_one(k: int) -> None:
    """Nothing can be said of no labels."""
    with pytest.raises(ValueError, match="k must be at least 1"):
        precision_at_k(np.eye(2), np.eye(2), k)
