"""The score-scale audit: what scales labels against each other is taken out, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from mlbench.metrics import average_precision
from mlbench.metrics.calibration import calibrate, calibrated


def data(seed: int, n: int = 3_000, k: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.005, 0.2, k)
    Y = (rng.random((n, k)) < share).astype(np.uint8)
    logit = np.log(share / (1 - share))
    return Y, 1 / (1 + np.exp(-(logit + 1.5 * (2.0 * Y - 1) + rng.normal(0, 1, (n, k)))))


def test_it_undoes_a_bad_scale_and_does_not_spoil_a_good_one() -> None:
    """Five times too large scores of a third of the labels cost the plain figure much, the calibrated one nothing."""
    Y, scores = data(0)
    spoilt = scores * np.where(np.arange(20) % 3 == 0, 5, 1)
    valid, test = slice(0, 1_500), slice(1_500, 3_000)
    plain = average_precision(Y[test], scores[test], "micro")
    broken = average_precision(Y[test], spoilt[test], "micro")
    undone = calibrated(Y[valid], spoilt[valid], spoilt[test])
    assert undone is not None
    assert broken < plain - 0.1
    assert average_precision(Y[test], undone, "micro") > broken + 0.05


def test_log_odds_are_those_of_valid_and_the_order_stays() -> None:
    """Where scores tell the odds, they are found; within a label the order never changes."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=20_000)
    truth = (rng.random(20_000) < 1 / (1 + np.exp(2 - 1.5 * z))).astype(np.uint8)
    found = calibrate(truth, np.exp(z), np.exp(np.array([-1.0, 0.0, 1.0])))
    assert found == pytest.approx([-3.5, -2, -0.5], abs=0.15)
    new = rng.normal(size=500)
    assert np.array_equal(np.argsort(calibrate(truth[:50], z[:50], new)), np.argsort(new))


@pytest.mark.parametrize(("n", "known"), [(800, True), (100, False)])
def test_few_rows_are_not_calibrated_on(n: int, known: bool) -> None:
    """Half of the labels must have fifty positives on valid, or the map would cost more than it gains."""
    Y, scores = data(3, n=2_000, k=12)

    found = calibrated(Y[:n], scores[:n], scores[n:])

    assert (found is not None) is known
    if found is not None:
        plain = average_precision(Y[n:], scores[n:], "micro")
        assert average_precision(Y[n:], found, "micro") == pytest.approx(plain, abs=0.01)


def test_the_order_within_each_label_stays() -> None:
    """Whatever a label's own map and the shared one say."""
    Y, scores = data(4, n=2_000, k=8)

    found = calibrated(Y[:1_000], scores[:1_000], scores[1_000:])

    assert found is not None
    for before, after in zip(scores[1_000:].T, found.T, strict=True):
        assert np.array_equal(np.argsort(before), np.argsort(after))


@pytest.mark.parametrize("truth", [np.zeros(5, np.uint8), np.ones(5, np.uint8)])
def test_a_label_that_is_constant_on_valid_keeps_its_order(truth: np.ndarray) -> None:
    """One share for all, and the scores decide within the label."""
    found = calibrate(truth, np.arange(5.0), np.array([3.0, 1.0, 2.0]))
    assert np.ptp(found) < 1e-6
    assert np.argsort(found).tolist() == [1, 2, 0]
