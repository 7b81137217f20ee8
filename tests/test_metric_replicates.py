"""Bootstrap replicates of every metric equal explicit resampling."""

from __future__ import annotations

import numpy as np
import pytest

from mlbench.data.dataset import Split
from mlbench.evaluation.bootstrap import N_REPLICATES, bootstrap_test, drawn_units
from mlbench.evaluation.metric_replicates import metric_replicates, replicates_with
from mlbench.metrics import METRICS, Fitted, Metric, Scored


def fitted_on(test: Split, scores: np.ndarray) -> Fitted:
    """Thresholds of these rows, made a little too high, and labels of which the first is rare in train."""
    return Fitted(Y=test.Y, scores=scores - 0.05, n_positives=np.array([3, 20, 40, 80, 160]), n_train=400)


def data(seed: int, groups: int | None = 12) -> tuple[Split, np.ndarray]:
    """60 rows, 5 labels, one of them without a positive, with ties, and rows without labels."""
    rng = np.random.default_rng(seed)
    Y = (rng.random((60, 5)) < 0.25).astype(np.uint8)
    Y[:, 4] = 0
    Y[:6] = 0
    scores = np.round(rng.random((60, 5)) + 0.3 * Y, 1)
    unit = None if groups is None else rng.integers(0, groups, 60)
    return Split(X=np.zeros((60, 1), dtype=np.float32), Y=Y, groups=unit), scores


@pytest.mark.parametrize("name", sorted(METRICS))
@pytest.mark.parametrize("groups", [12, None])
def test_a_replicate_is_the_metric_of_the_drawn_rows(name: str, groups: int | None) -> None:
    """Each replicate equals the metric of a test set in which rows are repeated as often as they were drawn."""
    test, scores = data(0, groups)
    unit, weight = drawn_units(test, "ab" * 32) or pytest.fail("too few units")

    fitted = fitted_on(test, scores)
    found = metric_replicates([name], test, scores, fitted, "ab" * 32)[name]

    for replicate in range(0, weight.shape[1], 97):
        rows = np.repeat(np.arange(len(test)), weight[unit, replicate])
        expected = METRICS[name].value(Scored(Y=test.Y[rows], scores=scores[rows], fitted=fitted))
        assert found[replicate] == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_weights_of_one_give_the_metric_itself(name: str) -> None:
    """Where every unit was drawn once, the replicate is the value on the test split."""
    test, scores = data(1)
    unit, weight = drawn_units(test, "cd" * 32) or pytest.fail("too few units")

    whole = Scored.of(test.Y, scores, fitted_on(test, scores))
    [found] = replicates_with([METRICS[name]], whole, unit, np.ones((len(weight), 1)))[name]

    assert found == pytest.approx(METRICS[name].value(whole), abs=1e-12, nan_ok=True)


def test_a_replicate_without_a_positive_is_undefined() -> None:
    """Metrics that need a positive, or a negative, are NaN where none was drawn."""
    test, scores = data(2)
    Y = np.zeros_like(test.Y)
    Y[0, 0] = 1
    weight = np.ones((60, 2))
    weight[0, 1] = 0

    for name in ("roc_auc_micro", "roc_auc_macro", "average_precision_weighted", "f1_macro"):
        whole = Scored.of(Y, scores, fitted_on(test, scores))
        with_it, without = replicates_with([METRICS[name]], whole, np.arange(60), weight)[name]
        assert not np.isnan(with_it)
        assert np.isnan(without)


def test_average_precision_is_that_of_the_bootstrap() -> None:
    """Micro and macro average precision are exactly the replicates that records keep in any case."""
    test, scores = data(3)
    kept = bootstrap_test(test, scores, "ef" * 32)

    assert kept is not None
    for name, expected in (("average_precision_micro", kept.micro), ("average_precision_macro", kept.macro)):
        found = metric_replicates([name], test, scores, fitted_on(test, scores), "ef" * 32)
        np.testing.assert_array_equal(found[name], expected)


def test_too_few_groups_have_no_replicates() -> None:
    """With fewer groups than an interval needs there are none, whatever the metric."""
    test, scores = data(4, groups=4)

    assert metric_replicates(["hamming_loss"], test, scores, fitted_on(test, scores), "ab" * 32) == {}


def test_any_metric_over_labels_or_entries_is_resampled() -> None:
    """A metric that has no way of its own is computed on each resampled test set."""
    test, scores = data(5)
    unit, weight = drawn_units(test, "ab" * 32) or pytest.fail("too few units")
    whole = Scored.of(test.Y, scores, fitted_on(test, scores))
    plain = METRICS["average_precision_macro"]
    new = Metric(name="new", function=plain.function, averaged="labels")

    found = replicates_with([plain, new], whole, unit, weight[:, :20].astype(np.float64))

    np.testing.assert_allclose(found["new"], found[plain.name], rtol=1e-12)


@pytest.mark.parametrize("name", ["roc_auc_micro", "roc_auc_macro", "average_precision_weighted"])
def test_blocks_of_thresholds_are_one_ranking(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """However few thresholds are held in memory at a time, every replicate is the same."""
    test, scores = data(5)
    whole = metric_replicates([name], test, scores, fitted_on(test, scores), "ab" * 32)[name]

    monkeypatch.setattr("mlbench.evaluation.bootstrap.CELLS", 3 * N_REPLICATES)
    found = metric_replicates([name], test, scores, fitted_on(test, scores), "ab" * 32)[name]

    assert found == pytest.approx(whole, abs=1e-12, nan_ok=True)
