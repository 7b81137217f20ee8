"""The score-scale audit: what scales labels against each other is taken out, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import patient
from hypothesis import given
from hypothesis import strategies as st

from mlbench.evaluation.calibration import calibrate, calibrated_average_precision
from mlbench.metrics import average_precision


def data(seed: int, n: int = 3_000, k: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.005, 0.2, k)
    Y = (rng.random((n, k)) < share).astype(np.uint8)
    logit = np.log(share / (1 - share))
    return Y, 1 / (1 + np.exp(-(logit + 1.5 * (2.0 * Y - 1) + rng.normal(0, 1, (n, k)))))


@given(st.integers(0, 1_000))
@patient
def test_rescaling_single_labels_changes_nothing(seed: int) -> None:
    """Any increasing change of some labels' scores, not only a linear one, leaves the calibrated figure as it is."""
    Y, scores = data(seed, n=400)
    rng = np.random.default_rng(seed)
    moved = np.where(rng.random(20) < 0.4, 5 * scores**3 + scores - 2, scores)
    half = slice(0, 200), slice(200, 400)
    before, after = (
        calibrated_average_precision(Y[half[0]], some[half[0]], Y[half[1]], some[half[1]]) for some in (scores, moved)
    )
    assert after == pytest.approx(before, abs=1e-12)


def test_it_undoes_a_bad_scale_and_does_not_spoil_a_good_one() -> None:
    """Five times too large scores of a third of the labels cost the plain figure much, the calibrated one nothing."""
    Y, scores = data(0)
    spoilt = scores * np.where(np.arange(20) % 3 == 0, 5, 1)
    valid, test = slice(0, 1_500), slice(1_500, 3_000)
    plain = average_precision(Y[test], scores[test], "micro")
    broken = average_precision(Y[test], spoilt[test], "micro")
    calibrated = calibrated_average_precision(Y[valid], spoilt[valid], Y[test], spoilt[test])
    assert broken < plain - 0.1
    assert calibrated == pytest.approx(plain, abs=0.03)


def test_log_odds_are_those_of_valid_and_the_order_stays() -> None:
    """Where scores tell the odds, they are found; within a label the order never changes."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=20_000)
    truth = (rng.random(20_000) < 1 / (1 + np.exp(2 - 1.5 * z))).astype(np.uint8)
    found = calibrate(truth, np.exp(z), np.exp(np.array([-1.0, 0.0, 1.0])))
    assert found == pytest.approx([-3.5, -2, -0.5], abs=0.15)
    new = rng.normal(size=500)
    assert np.array_equal(np.argsort(calibrate(truth[:50], z[:50], new)), np.argsort(new))


def test_few_rows_to_calibrate_on_cost_little() -> None:
    """With 160 rows of valid, good scores stay nearly as good."""
    Y, scores = data(3, n=1_160, k=12)
    calibrated = calibrated_average_precision(Y[:160], scores[:160], Y[160:], scores[160:])
    assert calibrated == pytest.approx(average_precision(Y[160:], scores[160:], "micro"), abs=0.04)


@pytest.mark.parametrize("truth", [np.zeros(5, np.uint8), np.ones(5, np.uint8)])
def test_a_label_that_is_constant_on_valid_keeps_its_order(truth: np.ndarray) -> None:
    """One share for all, and the scores decide within the label."""
    found = calibrate(truth, np.arange(5.0), np.array([3.0, 1.0, 2.0]))
    assert np.ptp(found) < 1e-6
    assert np.argsort(found).tolist() == [1, 2, 0]
