"""The bootstrap: equal to resampling by hand, paired by the data alone, and covering what a row bootstrap misses."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import patient
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from mlbench.data.dataset import make_split
from mlbench.evaluation.bootstrap import FEW_UNITS, bootstrap, bootstrap_test, units, weights
from mlbench.evaluation.intervals import interval, label_intervals
from mlbench.metrics import average_precision

SHA = "3f" * 32


def world(seed: int, spread: float, n_labels: int = 10, n_groups: int = 40, n: int = 250) -> tuple[np.ndarray, ...]:
    """Labels and scores of groups that differ in label mix, and in how hard they are by ``spread``."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, spread, (n_groups, 1, 1))
    base = np.linspace(-4, -2, n_labels)[None, None] + rng.normal(0, 0.5, (n_groups, 1, n_labels))
    Y = rng.random((n_groups, n, n_labels)) < 1 / (1 + np.exp(-base))
    scores = Y * (1.5 + hard) + rng.normal(size=Y.shape) + 0.5 * base
    return Y.reshape(-1, n_labels).astype(np.uint8), scores.reshape(-1, n_labels), np.repeat(np.arange(n_groups), n)


def resampled(unit: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The rows of one replicate, written out."""
    return np.concatenate([np.tile(np.flatnonzero(unit == u), times) for u, times in enumerate(weight)])


@pytest.mark.parametrize("many", [False, True])
@given(st.integers(0, 10_000))
@patient
def test_equal_to_resampling_by_hand(many: bool, seed: int) -> None:
    """Every replicate is scikit-learn's figure on the resampled rows, ties and labels without positives included."""
    rng = np.random.default_rng(seed)
    n_units = FEW_UNITS + 20 if many else 7
    n = n_units + 30
    Y = (rng.random((n, 5)) < [0, 0.02, 0.1, 0.3, 0.9]).astype(np.uint8)
    scores = rng.integers(0, 6, (n, 5)) / 8.0 if seed % 2 else rng.normal(size=(n, 5)) + Y
    unit = np.concatenate([np.arange(n_units), rng.integers(0, n_units, 30)])
    weight = weights(SHA, n_units, 12)
    found = bootstrap(Y, scores, unit, weight)
    for replicate in range(3):
        rows = resampled(unit, weight[:, replicate])
        truth, chosen = Y[rows], scores[rows]
        if not truth.any():
            assert np.isnan(found.micro[replicate])
            continue
        there = truth.any(axis=0)
        micro = average_precision_score(truth.ravel(), chosen.ravel())
        macro = average_precision_score(truth[:, there], chosen[:, there], average="macro")
        assert found.micro[replicate] == pytest.approx(micro, abs=1e-10)
        assert found.macro[replicate] == pytest.approx(macro, abs=1e-10)
        assert np.array_equal(np.isnan(found.per_label[:, replicate]), ~there)


def test_every_unit_once_is_the_figure_itself() -> None:
    """Weights of 1 give the plain micro, macro and per-label average precision."""
    Y, scores, groups = world(1, 0.3)
    found = bootstrap(Y, scores, units(len(Y), groups), np.ones((40, 2), np.uint16))
    assert found.micro == pytest.approx(average_precision(Y, scores, "micro"), abs=1e-12)
    assert found.macro == pytest.approx(average_precision(Y, scores, "macro"), abs=1e-12)
    assert found.per_label[:, 0] == pytest.approx(average_precision(Y, scores, None), abs=1e-12)


def test_weights_are_of_the_data_alone() -> None:
    """Same fingerprint, same weights, on any machine; another one, others; as many are drawn as there are."""
    one = weights(SHA, 40)
    assert np.array_equal(one, weights.__wrapped__(SHA, 40))
    assert not np.array_equal(one, weights("40" + SHA[2:], 40))
    assert (one.sum(axis=0) == 40).all()
    # Known values: a change of them would unpair all records there are.
    assert one[:6, 0].tolist() == weights.__wrapped__(SHA, 40, 3)[:6, 0].tolist()
    assert abs(one.mean() - 1) < 1e-12
    assert one.var() == pytest.approx(1 - 1 / 40, rel=0.05)


def test_order_changes_nothing() -> None:
    """Any permutation of rows with their groups, or of columns, gives the same replicates."""
    Y, scores, groups = world(2, 0.3, n=20)
    weight = weights(SHA, 40, 50)
    before = bootstrap(Y, scores, units(len(Y), groups), weight)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(len(Y)), rng.permutation(Y.shape[1])
    after = bootstrap(Y[rows][:, columns], scores[rows][:, columns], units(len(Y), groups[rows]), weight)
    assert after.micro == pytest.approx(before.micro, abs=1e-12)
    assert after.macro == pytest.approx(before.macro, abs=1e-12)


def test_empty_labels_change_no_macro_figure() -> None:
    """Columns without positives are left out in every replicate."""
    Y, scores, groups = world(3, 0.3, n=20)
    weight = weights(SHA, 40, 50)
    plain = bootstrap(Y, scores, units(len(Y), groups), weight)
    wide = bootstrap(np.c_[Y, np.zeros((len(Y), 3), np.uint8)], np.c_[scores, scores[:, :3]], groups, weight)
    assert np.array_equal(wide.macro, plain.macro)


def test_groups_cover_where_rows_do_not() -> None:
    """Of 60 worlds, the 95 % interval holds the truth in at least 85 % over groups, in under 75 % over rows."""
    found = [world(seed, 0.3, n=120) for seed in range(60)]
    truth = np.mean([average_precision(Y, scores, "micro") for Y, scores, _ in found])
    covered = {"groups": 0, "rows": 0}
    for Y, scores, groups in found:
        for name, unit in (("groups", units(len(Y), groups)), ("rows", units(len(Y), None))):
            n_units = int(unit.max()) + 1
            drawn = bootstrap(Y, scores, unit, weights(SHA, n_units, 100)).micro
            low, high = interval(average_precision(Y, scores, "micro"), drawn, n_units)
            covered[name] += low <= truth <= high
    assert covered["groups"] / 60 >= 0.85
    assert covered["rows"] / 60 < 0.75


def test_few_groups_have_no_interval_and_many_rows_are_pooled() -> None:
    """Under ten groups say next to nothing; rows beyond two thousand make as wide intervals in pools."""
    Y, scores, groups = world(5, 0.0)
    few = make_split(scores, Y, groups % 9, where="few")
    assert bootstrap_test(few, scores, SHA) is None
    ten = make_split(scores, Y, groups % 10, where="ten")
    assert bootstrap_test(ten, scores, SHA) is not None
    pooled = bootstrap_test(make_split(scores, Y, where="rows"), scores, SHA)
    assert pooled is not None
    exact = bootstrap(Y, scores, units(len(Y), None), weights(SHA, len(Y), 300))
    assert pooled.micro.std() == pytest.approx(exact.micro.std(), rel=0.2)


def test_rare_labels_have_no_interval() -> None:
    """A label that most replicates lack says nothing; others have an interval around their figure."""
    Y, scores, groups = world(4, 0.3)
    Y[:, 0] = 0
    Y[3, 0] = 1
    found = bootstrap(Y, scores, groups, weights(SHA, 40))
    found.per_label[0, 1:] = np.nan
    values = average_precision(Y, scores, None)
    low, high = label_intervals(values, found.per_label, 40)
    assert np.isnan(low[0])
    assert np.isnan(high[0])
    assert all(low[i] < values[i] < high[i] for i in range(1, 10))


@pytest.mark.parametrize("n_units", [7, FEW_UNITS + 20])
def test_blocks_of_thresholds_are_one_ranking(monkeypatch: pytest.MonkeyPatch, n_units: int) -> None:
    """However few thresholds are held in memory at a time, every replicate is the same."""
    rng = np.random.default_rng(6)
    Y = (rng.random((n_units + 30, 3)) < 0.3).astype(np.uint8)
    scores, unit = rng.normal(size=Y.shape) + Y, rng.permutation(len(Y)) % n_units
    whole = bootstrap(Y, scores, unit, weights(SHA, n_units, 12))

    monkeypatch.setattr("mlbench.evaluation.bootstrap.CELLS", 5 * 12)
    found = bootstrap(Y, scores, unit, weights(SHA, n_units, 12))

    assert found.micro == pytest.approx(whole.micro, abs=1e-12)
    assert found.per_label == pytest.approx(whole.per_label, abs=1e-12, nan_ok=True)
