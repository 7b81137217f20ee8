"""Metrics against scikit-learn, against brute force, and under changes that must not matter."""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import patient
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sk

from mlbench import metrics
from mlbench.metrics import (
    METRICS,
    Fitted,
    Scored,
    all_metrics,
    average_precision,
    best_threshold,
    metric_value,
    precision_recall_curve,
    rankings,
    roc_auc,
    row_rankings,
)


def values_at(Y: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, float]:
    """All metrics, with predictions at a threshold."""
    fitted = Fitted(Y=Y, scores=scores)
    fitted.__dict__["threshold"] = threshold
    return all_metrics(Scored.of(Y, scores, fitted))


EXACT = {"rel": 1e-12, "abs": 1e-12, "nan_ok": True}


@st.composite
def scored(draw: st.DrawFn, min_labels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores: many ties or none, float32 or float64, rows and columns without or full of labels."""
    n, k = draw(st.integers(1, 12)), draw(st.integers(min_labels, 6))
    Y = draw(arrays(np.uint8, (n, k), elements=st.integers(0, 1)))
    for column in draw(st.lists(st.integers(0, k - 1), max_size=2)):
        Y[:, column] = draw(st.integers(0, 1))
    for row in draw(st.lists(st.integers(0, n - 1), max_size=2)):
        Y[row] = draw(st.integers(0, 1))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    few = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0])
    many = st.floats(-1e6, 1e6, width=32)
    scores = draw(arrays(dtype, (n, k), elements=draw(st.sampled_from([few, many]))))
    return Y, scores


def _quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def _sk_per_label(one: Callable[..., float], Y: np.ndarray, scores: np.ndarray, both: bool) -> np.ndarray:
    return np.array(
        [
            math.nan if not t.any() or (both and t.all()) else _quietly(one, t, s)
            for t, s in zip(Y.T, scores.T, strict=True)
        ]
    )


# -------------------------------------------------------------------------------------- scikit-learn
@patient
@given(scored())
def test_average_precision_is_scikit_learns(data: tuple[np.ndarray, np.ndarray]) -> None:
    """Micro and per-label AP equal scikit-learn's; a label without a positive is NaN, not 0."""
    Y, scores = data
    per_label = _sk_per_label(sk.average_precision_score, Y, scores, both=False)

    assert average_precision(Y, scores, None) == pytest.approx(per_label, **EXACT)
    if Y.any():
        micro = sk.average_precision_score(Y.ravel(), scores.ravel())
        assert average_precision(Y, scores, "micro") == pytest.approx(micro, **EXACT)
        assert average_precision(Y, scores, "macro") == pytest.approx(np.nanmean(per_label), **EXACT)
    else:
        assert math.isnan(average_precision(Y, scores, "micro"))
        assert math.isnan(average_precision(Y, scores, "macro"))


@patient
@given(scored(min_labels=2))
def test_all_averages_are_scikit_learns(data: tuple[np.ndarray, np.ndarray]) -> None:
    """Weighted AP, AP over samples, and the macro over all labels equal scikit-learn's."""
    Y, scores = data
    found = values_at(Y, scores, 0.5)

    def theirs(average: str) -> float:
        return float(_quietly(sk.average_precision_score, Y, scores, average=average))

    assert found["average_precision_macro_all_labels"] == pytest.approx(theirs("macro"), **EXACT)
    assert found["average_precision_samples"] == pytest.approx(theirs("samples"), **EXACT)
    if Y.any():
        assert found["average_precision_weighted"] == pytest.approx(theirs("weighted"), **EXACT)


@patient
@given(scored())
def test_roc_auc_is_scikit_learns(data: tuple[np.ndarray, np.ndarray]) -> None:
    """ROC AUC equals scikit-learn's where it is defined, and is NaN where it is not."""
    Y, scores = data
    per_label = _sk_per_label(sk.roc_auc_score, Y, scores, both=True)

    assert roc_auc(Y, scores, None) == pytest.approx(per_label, **EXACT)
    micro = _sk_per_label(sk.roc_auc_score, Y.reshape(-1, 1), scores.reshape(-1, 1), both=True)[0]
    assert roc_auc(Y, scores, "micro") == pytest.approx(micro, **EXACT)
    macro = np.nanmean(per_label) if not np.isnan(per_label).all() else math.nan
    assert roc_auc(Y, scores) == pytest.approx(macro, **EXACT)


@patient
@given(scored(min_labels=2))
def test_rankings_of_rows_are_scikit_learns(data: tuple[np.ndarray, np.ndarray]) -> None:
    """LRAP, coverage error and ranking loss equal scikit-learn's, with ties and rows without labels."""
    Y, scores = data

    for ours, theirs in (
        (metrics.label_ranking_average_precision, sk.label_ranking_average_precision_score),
        (metrics.coverage_error, sk.coverage_error),
        (metrics.label_ranking_loss, sk.label_ranking_loss),
    ):
        assert ours(Y, scores) == pytest.approx(theirs(Y, scores), **EXACT)


@patient
@given(scored(min_labels=2), st.sampled_from([-1.0, 0.0, 0.5, 2e6]))
def test_metrics_of_predictions_are_scikit_learns(data: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    """Hamming loss, F1, Jaccard and 0/1 loss equal scikit-learn's; macro F1 is over labels with a positive."""
    Y, scores = data
    predictions = (scores >= threshold).astype(int)
    found = values_at(Y, scores, threshold)

    assert found["hamming_loss"] == pytest.approx(sk.hamming_loss(Y, predictions), **EXACT)
    assert found["zero_one_loss"] == pytest.approx(sk.zero_one_loss(Y, predictions), **EXACT)
    for average in ("micro", "samples"):
        theirs = sk.f1_score(Y, predictions, average=average, zero_division=0)
        assert found[f"f1_{average}"] == pytest.approx(theirs, **EXACT)
    per_label = sk.f1_score(Y, predictions, average=None, zero_division=0)[Y.any(axis=0)]
    assert found["f1_macro"] == pytest.approx(per_label.mean() if len(per_label) else math.nan, **EXACT)
    jaccard = sk.jaccard_score(Y, predictions, average="samples", zero_division=0)
    assert found["jaccard_samples"] == pytest.approx(jaccard, **EXACT)


@pytest.mark.parametrize("n", [1, 7])
def test_a_single_column(n: int) -> None:
    """One label ranks in one way only: its rows need one step, and no pair is reversed."""
    Y, scores = np.ones((n, 1), dtype=np.uint8), np.zeros((n, 1))

    assert metrics.coverage_error(Y, scores) == 1
    assert metrics.label_ranking_loss(Y, scores) == 0
    assert metrics.label_ranking_average_precision(Y, scores) == 1


def test_flat_arrays_are_one_label() -> None:
    """``average_precision`` of (n,) arrays is that of one column, as scikit-learn takes it."""
    Y, scores = np.array([0, 1, 1, 0]), np.array([0.1, 0.4, 0.35, 0.8])

    assert average_precision(Y, scores) == pytest.approx(sk.average_precision_score(Y, scores), **EXACT)


# ------------------------------------------------------------------------------------- invariances
@patient
@given(scored(), st.randoms(use_true_random=False))
def test_order_of_rows_and_columns_does_not_matter(data: tuple[np.ndarray, np.ndarray], random: Any) -> None:
    """Permuting rows or columns changes no metric, ties or not."""
    Y, scores = data
    order, columns = list(range(Y.shape[0])), list(range(Y.shape[1]))
    random.shuffle(order)
    random.shuffle(columns)

    assert values_at(Y[order], scores[order], 0.5) == pytest.approx(values_at(Y, scores, 0.5), **EXACT)
    shuffled = values_at(Y[:, columns], scores[:, columns], 0.5)
    assert shuffled == pytest.approx(values_at(Y, scores, 0.5), **EXACT)


@patient
@given(scored(), st.integers(1, 3), st.floats(-10, 10))
def test_labels_without_positives_do_not_count_in_macro(
    data: tuple[np.ndarray, np.ndarray], more: int, value: float
) -> None:
    """Columns without a positive change neither macro AP nor macro ROC AUC nor macro F1, whatever their scores."""
    Y, scores = data
    wider = np.hstack([Y, np.zeros((len(Y), more), dtype=Y.dtype)])
    wider_scores = np.hstack([scores, np.full((len(Y), more), value, dtype=scores.dtype)])

    before, after = values_at(Y, scores, 0.5), values_at(wider, wider_scores, 0.5)

    for name in ("average_precision_macro", "average_precision_weighted", "roc_auc_macro", "f1_macro"):
        assert after[name] == pytest.approx(before[name], **EXACT)


@patient
@given(scored())
def test_only_the_order_of_scores_counts(data: tuple[np.ndarray, np.ndarray]) -> None:
    """Doubling all scores and shifting them changes no ranking metric."""
    Y, scores = data
    scores = np.round(scores.astype(np.float64), 3)
    before, after = values_at(Y, scores, 0.0), values_at(Y, 2 * scores, 0.0)

    assert after == pytest.approx(before, **EXACT)


@patient
@given(scored(), st.sampled_from([bool, np.int64, np.float32]))
def test_labels_may_have_any_type(data: tuple[np.ndarray, np.ndarray], dtype: type) -> None:
    """Labels as bool, integers or floats give the same values as uint8."""
    Y, scores = data

    assert values_at(Y.astype(dtype), scores, 0.5) == pytest.approx(
        values_at(Y, scores, 0.5), nan_ok=True, rel=0, abs=0
    )


SIZES = {rankings: ("CELLS_AT_ONCE", "TILE", "RUN"), row_rankings: ("CELLS_AT_ONCE",)}


@pytest.mark.parametrize("size", [1, 7, 49, 50, 51, 150, 449, 450, 451])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch, size: int, dtype: type) -> None:
    """Values computed in many small blocks equal those computed in one, bit for bit, wherever the edges fall."""
    rng = np.random.default_rng(3)
    Y, scores = (rng.random((50, 9)) < 0.3).astype(np.uint8), rng.random((50, 9)).round(1).astype(dtype)
    Y[:, [2, 8]] = Y[[0, 49]] = 0
    whole = values_at(Y, scores, 0.5), *precision_recall_curve(Y, scores)

    for module, names in SIZES.items():
        for name in names:
            monkeypatch.setattr(module, name, size)

    for one, other in zip(whole, (values_at(Y, scores, 0.5), *precision_recall_curve(Y, scores)), strict=True):
        np.testing.assert_equal(one, other)


@patient
@given(scored(min_labels=2), st.integers(1, 12))
def test_small_blocks_are_scikit_learns(data: tuple[np.ndarray, np.ndarray], size: int) -> None:
    """With ties across the edges of blocks, tiles and runs, rankings still equal scikit-learn's."""
    Y, scores = data
    per_label = _sk_per_label(sk.average_precision_score, Y, scores, both=False)
    aucs = _sk_per_label(sk.roc_auc_score, Y, scores, both=True)
    with pytest.MonkeyPatch.context() as patch:
        for module, names in SIZES.items():
            for name in names:
                patch.setattr(module, name, size)

        assert average_precision(Y, scores, None) == pytest.approx(per_label, **EXACT)
        assert roc_auc(Y, scores, None) == pytest.approx(aucs, **EXACT)
        if Y.any():
            micro = sk.average_precision_score(Y.ravel(), scores.ravel())
            assert average_precision(Y, scores, "micro") == pytest.approx(micro, **EXACT)
        lrap = sk.label_ranking_average_precision_score(Y, scores)
        assert metrics.label_ranking_average_precision(Y, scores) == pytest.approx(lrap, **EXACT)
        assert metrics.coverage_error(Y, scores) == pytest.approx(sk.coverage_error(Y, scores), **EXACT)
        assert metrics.label_ranking_loss(Y, scores) == pytest.approx(sk.label_ranking_loss(Y, scores), **EXACT)


@pytest.mark.parametrize("shape", [(1_025, 40), (512, 3), (70_000, 2), (3, 5_000)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decimals", [1, 9])
def test_more_than_one_tile_is_scikit_learns(shape: tuple[int, int], dtype: type, decimals: int) -> None:
    """Matrices of the real sizes of blocks, tiles and runs give scikit-learn's values, with few and many ties."""
    rng = np.random.default_rng(4)
    Y = (rng.random(shape) < rng.uniform(0, 0.4, shape[1])).astype(np.uint8)
    Y[:, 1] = 0
    scores = (Y + rng.normal(size=shape)).round(decimals).astype(dtype)
    per_label = _sk_per_label(sk.average_precision_score, Y, scores, both=False)

    assert average_precision(Y, scores, None) == pytest.approx(per_label, **EXACT)
    micro = sk.average_precision_score(Y.ravel(), scores.ravel())
    assert average_precision(Y, scores, "micro") == pytest.approx(micro, **EXACT)
    assert roc_auc(Y, scores, "micro") == pytest.approx(sk.roc_auc_score(Y.ravel(), scores.ravel()), **EXACT)
    lrap = sk.label_ranking_average_precision_score(Y, scores)
    assert metrics.label_ranking_average_precision(Y, scores) == pytest.approx(lrap, **EXACT)
    assert metrics.coverage_error(Y, scores) == pytest.approx(sk.coverage_error(Y, scores), **EXACT)
    assert metrics.label_ranking_loss(Y, scores) == pytest.approx(sk.label_ranking_loss(Y, scores), **EXACT)


@patient
@given(scored(), st.sampled_from(["columns first", "every other", "backwards"]))
def test_layout_in_memory_does_not_matter(data: tuple[np.ndarray, np.ndarray], layout: str) -> None:
    """Views and column-major matrices give the same values as row-major ones."""
    Y, scores = data
    if layout == "columns first":
        other = np.asfortranarray(Y), np.asfortranarray(scores)
    elif layout == "every other":
        other = np.repeat(Y, 2, axis=1)[:, ::2], np.repeat(scores, 2, axis=0)[::2]
    else:
        other = Y[::-1].copy()[::-1], scores[:, ::-1].copy()[:, ::-1]

    np.testing.assert_equal(values_at(*other, 0.5), values_at(Y, scores, 0.5))


@patient
@given(scored())
def test_inputs_are_left_alone(data: tuple[np.ndarray, np.ndarray]) -> None:
    """No metric writes to its inputs."""
    Y, scores = data
    before = Y.copy(), scores.copy()
    Y.flags.writeable = scores.flags.writeable = False

    values_at(Y, scores, best_threshold(Y, scores))

    np.testing.assert_array_equal(Y, before[0])
    np.testing.assert_array_equal(scores, before[1])


# --------------------------------------------------------------------------------- names, thresholds
@patient
@given(scored())
def test_all_metrics_equals_each_metric_alone(data: tuple[np.ndarray, np.ndarray]) -> None:
    """Sharing the sorts changes nothing: ``all_metrics`` has every entry of the table, equal to it bit for bit."""
    Y, scores = data
    threshold = best_threshold(Y, scores)
    found = values_at(Y, scores, threshold)

    assert list(found) == list(METRICS)
    for name in METRICS:
        np.testing.assert_equal(metric_value(name, Y, scores), found[name])


@pytest.mark.parametrize("name", sorted(METRICS.keys() - {"average_precision_micro_calibrated"}))
def test_directions_point_the_right_way(name: str) -> None:
    """A perfect ranking is better than a reversed one in the direction that the table states."""
    Y = np.eye(12, dtype=np.uint8)
    fitted = Fitted(Y=Y, scores=Y.astype(float), exclusive=True)
    right, wrong = (metric_value(name, Y, scores, fitted) for scores in (Y.astype(float), 1.0 - Y))

    assert METRICS[name].sign * (right - wrong) > 0


@patient
@given(scored())
def test_best_threshold_is_the_best(data: tuple[np.ndarray, np.ndarray]) -> None:
    """No other threshold has a higher micro F1, and among equals it is the highest."""
    Y, scores = data
    found = best_threshold(Y, scores)
    if not Y.any():
        assert found == 0.5
        return
    values = {float(t): metrics.f1(Y, scores >= t, "micro") for t in np.unique(scores)}

    assert metrics.f1(Y, scores >= found, "micro") == max(values.values())
    assert found == max(t for t, value in values.items() if value == max(values.values()))


@pytest.mark.parametrize("function", [average_precision, roc_auc, metrics.coverage_error, best_threshold])
def test_shapes_must_match(function: Callable[..., Any]) -> None:
    """Labels and scores of different shapes are refused, not broadcast."""
    with pytest.raises(ValueError, match=r"\(3, 2\) and scores of shape \(3, 1\)"):
        function(np.ones((3, 2)), np.ones((3, 1)))


def test_unknown_average() -> None:
    """A misspelt average is refused with the names that exist."""
    with pytest.raises(ValueError, match="micro, macro, weighted, samples or None, not 'mikro'"):
        average_precision(np.ones((2, 2)), np.ones((2, 2)), "mikro")  # type: ignore[call-overload]


# ------------------------------------------------------------------------------------ golden values
def test_published_values_of_mtg_jamendo(shared_data: Path) -> None:
    """The values that MediaEval published for the VGG-ish baseline are reproduced to six digits."""
    folder = shared_data / "golden" / "mtg-jamendo"
    lines = (folder / "baseline_vggish_results.tsv").read_text().split("\n")
    published = {name: float(value) for name, value in (line.split("\t") for line in lines if line)}
    Y = np.load(folder / "groundtruth.npy")
    scores = np.load(folder / "baseline_vggish_predictions.npy")
    predictions = np.load(folder / "baseline_vggish_decisions.npy")

    found = {
        "ROC-AUC-macro": roc_auc(Y, scores, "macro"),
        "ROC-AUC-micro": roc_auc(Y, scores, "micro"),
        "PR-AUC-macro": average_precision(Y, scores, "macro"),
        "PR-AUC-micro": average_precision(Y, scores, "micro"),
        "F-score-macro": metrics.f1(Y, predictions, "macro"),
        "F-score-micro": metrics.f1(Y, predictions, "micro"),
    }

    assert {name: round(value, 6) for name, value in found.items()} == {name: published[name] for name in found}


def _numbers(path: Path) -> np.ndarray:
    with path.open(newline="") as file:
        return np.array([[float(cell) for cell in row] for row in list(csv.reader(file))[1:]])


def test_values_of_utiml_on_flags(shared_data: Path) -> None:
    """Our values equal those that another implementation, utiml for R, gives to its predictions on flags.

    utiml breaks ties by position, which shows in its ranking metrics: those are compared on scores whose
    ties are broken in the same way. Its Average-Precision and Ranking-Loss are left out because they differ
    in the third digit even then (ours equal scikit-learn's, see above), as are measures that we do not have.
    """
    folder = shared_data / "golden" / "utiml-flags"
    with (folder / "flags-measures.csv").open(newline="") as file:
        theirs = {name: float(value) for name, value in list(csv.reader(file, skipinitialspace=True))[1:]}
    Y, predictions, scores = (_numbers(folder / f"flags-{name}.csv") for name in ("expected", "bipartition", "scores"))

    found = {
        "Hamming-Loss": metrics.hamming_loss(Y, predictions),
        "Subset-Accuracy": 1 - metrics.zero_one_loss(Y, predictions),
        "F-Measure": metrics.f1(Y, predictions, "samples"),
        "Accuracy": metrics.jaccard(Y, predictions),
        "Micro-F-Measure": metrics.f1(Y, predictions, "micro"),
        "Macro-F-Measure": metrics.f1(Y, predictions, "macro"),
        "Micro-AUC": roc_auc(Y, scores, "micro"),
        "Macro-AUC": roc_auc(Y, scores, "macro"),
        "Coverage": metrics.coverage_error(Y, _ranks(scores)) - 1,
        "Mean-Average-Precision": average_precision(Y, _ranks(scores.T).T, "macro"),
    }

    assert {name: round(value, 4) for name, value in found.items()} == {name: theirs[name] for name in found}


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Keep the order within each row but break ties: of equal scores the first ranks highest."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty(scores.shape)
    np.put_along_axis(ranks, order, -np.arange(scores.shape[1], dtype=float)[None, :], axis=1)
    return ranks
