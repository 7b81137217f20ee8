"""The neural network where labels are unknown: no loss, no share and no stop depends on them."""

from dataclasses import replace

import mlbench_mlp as plugin
import numpy as np
import pytest

from mlbench import FitContext, Split
from mlbench.metrics import average_precision
from mlbench.testing import as_sparse, planted

SPEC = next(iter(plugin.mlbench_models()))


def trained(train, valid=None, **context):
    context = FitContext(seed=0, valid=valid, **context)
    return SPEC.fit(SPEC.prepare(train, context), dict(SPEC.defaults), context)


def test_gradients_are_those_of_the_known_cells():
    """An unknown cell is what a cell whose probability is right would be: it pulls at no weight."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((7, 5)).astype(np.float32), rng.integers(0, 2, (7, 3)).astype(np.float32)
    known = (rng.random((7, 3)) < 0.5).astype(np.float32)
    params = {"hidden": 6, "learning_rate": 1e-3, "weight_decay": 0.0, "dropout": 0.0}
    caught = []
    for mask, labels in ((known, Y), (known, np.where(known == 1, Y, 1 - Y)), (None, None)):
        network = plugin.Network(5, np.full(3, 0.4), params, np.random.default_rng(1))
        network.update = lambda: None
        if labels is None:
            labels = np.where(known == 1, Y, plugin.predict(network.weights, X))
        network.learn(X, labels, np.random.default_rng(2), mask)
        caught.append(network.slopes.copy())
    np.testing.assert_array_equal(caught[0], caught[1])
    np.testing.assert_allclose(caught[0], caught[2], atol=1e-7)
    assert np.abs(caught[0]).max() > 0.01


@pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])
def test_a_mask_that_hides_nothing_changes_no_byte(form):
    """Scores are those of a training set without a mask."""
    train = form(planted())
    whole = Split.unchecked(**vars(train) | {"known": np.ones(train.Y.shape, dtype=bool)})

    assert trained(whole, whole)(train.X).tobytes() == trained(train, train)(train.X).tobytes()


def test_a_label_that_is_known_in_few_rows_keeps_its_rank():
    """Labels whose positives are hidden to different shares are compared by what is known of them."""
    train, valid, test = planted(2000, k=2), planted(500, k=2, seed=1), planted(2000, k=2, seed=2)
    known = np.random.default_rng(0).random(train.Y.shape) < [0.1, 1.0]
    scores = [trained(one, valid)(test.X) for one in (replace(train, known=known), Split(X=train.X, Y=train.Y * known))]
    found, without = (average_precision(test.Y, s, "micro") for s in scores)
    assert found > without + 0.05
    assert scores[0][:, 0].mean() == pytest.approx(train.Y[:, 0].mean(), rel=0.3)


def test_valid_without_a_known_positive_stops_nothing():
    """As where valid has no positive, all epochs of a fit without valid are trained."""
    train, valid, steps = planted(), planted(60, seed=1), []
    valid = Split.unchecked(X=valid.X, Y=valid.Y, known=valid.Y == 0)
    trained(train, valid, on_report=lambda step, scores: steps.append(step))

    assert max(steps) == plugin.EPOCHS_WITHOUT_VALID
