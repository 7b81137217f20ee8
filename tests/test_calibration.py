"""The score-scale audit: what scales labels against each other is taken out, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import patient
from hypothesis import given
from hypothesis import strategies as st

from mlbench.metrics import average_precision
from mlbench.running.calibration import calibrate, calibrated_average_precision


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


def test_shares_are_those_of_valid_and_the_order_stays() -> None:
    """Steps are shares of positives, drawn to the label's share by one row; equal shares keep the scores' order."""
    truth = np.array([0, 0, 1, 0, 1, 1], np.uint8)
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    new = np.array([0.55, 0.05, 0.35, 0.61, 0.3, 9.0])
    found = calibrate(truth, scores, new)
    share = 3.5 / 7
    low, middle, high = share / 3, (1 + share) / 3, (2 + share) / 3
    assert found == pytest.approx([high, low, middle, high, middle, high], abs=1e-6)
    assert found[5] > found[3] > found[0]
    assert found[2] > found[4]


@pytest.mark.parametrize("truth", [np.zeros(5, np.uint8), np.ones(5, np.uint8)])
def test_a_label_that_is_constant_on_valid_keeps_its_order(truth: np.ndarray) -> None:
    """One share for all, and the scores decide within the label."""
    found = calibrate(truth, np.arange(5.0), np.array([3.0, 1.0, 2.0]))
    assert np.ptp(found) < 1e-6
    assert np.argsort(found).tolist() == [1, 2, 0]
