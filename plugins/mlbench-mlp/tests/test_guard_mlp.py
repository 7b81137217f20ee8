"""The neural network is the textbook's, restated in double precision; which epoch is kept; and when it ends."""

import math
import time
from dataclasses import replace

import mlbench_mlp as plugin
import numpy as np
import pytest
import scipy.sparse as sp

from mlbench import FitContext, Split
from mlbench.metrics import average_precision

SPEC = next(iter(plugin.mlbench_models()))
POWER = {"standard": 1.0, "pareto": 0.5, "none": 0.0}
FORMS = pytest.mark.parametrize("form", [lambda s: s, lambda s: replace(s, X=sp.csr_matrix(s.X))], ids=["dense", "csr"])


def planted(n=150, d=12, k=4, seed=0):
    """Non-negative features of unlike spread, with zeros, that the labels depend on."""
    rng = np.random.default_rng(seed)
    X = (rng.poisson(0.9, (n, d)) * rng.uniform(0.5, 1.5, (n, d)) * np.geomspace(0.3, 3, d)).astype(np.float32)
    signal = X[:, :k] / np.geomspace(0.3, 3, d)[:k] + 0.5 * rng.standard_normal((n, k))
    return Split(X=X, Y=(signal > np.linspace(0.5, 1.5, k)).astype(np.uint8))


def trained(train, valid=None, params=None, **context):
    context = FitContext(**{"seed": 0, "valid": valid, **context})
    return SPEC.fit(SPEC.prepare(train, context), {**SPEC.defaults, **(params or {})}, context)


def textbook(train, test, epochs, seed=0, **changes):
    """Probabilities of the test rows after so many epochs, without any of the plugin's shortcuts."""
    params = {**SPEC.defaults, **changes}
    sparse = not isinstance(train.X, np.ndarray)
    X, new = ((s.X.toarray() if sparse else s.X).astype(np.float64) for s in (train, test))
    n, d = X.shape
    spread = X.std(axis=0)
    live = spread > 0
    centre = 0 if sparse else X.mean(axis=0)
    weight = np.zeros(d)
    weight[live] = spread[live] ** -POWER[params["scaling"]]
    weight /= np.sqrt(np.mean((weight * spread)[live] ** 2))
    X, new = (X - centre) * weight, (new - centre) * weight
    share = train.Y.mean(axis=0)
    constant = (share == 0) | (share == 1)
    Y = train.Y[:, ~constant].astype(np.float64)
    rng = np.random.default_rng(seed)
    hidden, rate, dropout = params["hidden"], params["learning_rate"], params["dropout"]
    weights = [
        rng.standard_normal((d, hidden), dtype=np.float32) * np.sqrt(2 / d),
        rng.standard_normal((hidden, Y.shape[1]), dtype=np.float32) * np.sqrt(1 / hidden),
        np.zeros(hidden),
        np.log(Y.mean(axis=0) / (1 - Y.mean(axis=0))),
    ]
    first, second, step = [np.zeros(w.shape) for w in weights], [np.zeros(w.shape) for w in weights], 0
    for _ in range(epochs):
        order = rng.permutation(n)
        for start in range(0, n, 64):
            x, y = X[order[start : start + 64]], Y[order[start : start + 64]]
            W, V, b, c = weights
            margins = x @ W + b
            H = np.maximum(margins, 0)
            kept = np.ones(H.shape)
            if dropout:
                kept = (rng.random(H.shape, dtype=np.float32) >= np.float32(dropout)) / (1 - dropout)
            residual = (1 / (1 + np.exp(-(H * kept @ V + c))) - y) / len(x)
            back = residual @ V.T * kept * (margins > 0)
            slopes = [x.T @ back, (H * kept).T @ residual, back.sum(axis=0), residual.sum(axis=0)]
            step += 1
            for i, slope in enumerate(slopes):
                first[i] = 0.9 * first[i] + 0.1 * slope
                second[i] = 0.999 * second[i] + 0.001 * slope**2
                # The order of Kingma and Ba, end of section 2: their constant is added before the bias is corrected.
                unbiased = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                decay = params["weight_decay"] if i < 2 else 0
                weights[i] = weights[i] * (1 - rate * decay) - unbiased * first[i] / (np.sqrt(second[i]) + 1e-8)
    W, V, b, c = weights
    scores = np.tile(share, (len(new), 1))
    scores[:, ~constant] = 1 / (1 + np.exp(-(np.maximum(new @ W + b, 0) @ V + c)))
    return scores


@FORMS
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"dropout": 0.0, "weight_decay": 0.0, "scaling": "standard", "hidden": 32},
        {"dropout": 0.5, "learning_rate": 0.01, "scaling": "none", "hidden": 40},
        {"weight_decay": 30.0, "learning_rate": 0.01, "scaling": "standard", "hidden": 40},
    ],
    ids=["defaults", "plain", "dropout", "decay"],
)
def test_the_network_is_the_textbooks(form, params):
    """Weights, dropout, Adam, decay and the order of rows are those of the method, dense or sparse."""
    train, test = planted(), planted(seed=1)
    train.X[:, 5] = test.X[:, 5] = 3
    train.Y[:, 1] = 1
    expected = textbook(form(train), form(test), 6, seed=7, **params)
    found = trained(form(train), params=params, best_step=6, seed=7)(form(test).X)

    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_biases_do_not_decay():
    """Where weights decay to nothing, outputs are the labels' shares still, which only their biases know."""
    train = planted(n=640)
    train.Y[:] = np.random.default_rng(2).random(train.Y.shape) < [0.03, 0.1, 0.9, 0.5]
    scores = trained(train, params={"weight_decay": 50.0, "learning_rate": 0.01}, best_step=30)(train.X)

    assert np.abs(scores.mean(axis=0) - train.Y.mean(axis=0)).max() < 0.03


@pytest.mark.parametrize(("d", "hidden"), [(600, 512), (254, 1000)])
def test_many_weights_learn_as_few_do(d, hidden):
    """More weights than Adam goes over at a time: all of them move and decay, and no bias decays."""
    rng = np.random.default_rng(0)
    train, test = (Split(X=rng.standard_normal((130, d)), Y=np.zeros((130, 1))) for _ in range(2))
    train = replace(train, Y=(train.X[:, :8] + train.X[:, -8:] > 0.5).astype(np.uint8))
    test = replace(test, Y=train.Y)
    params = {"hidden": hidden, "weight_decay": 50.0, "learning_rate": 0.003, "dropout": 0.0}
    expected = textbook(train, test, 3, **params)

    np.testing.assert_allclose(trained(train, params=params, best_step=3)(test.X), expected, atol=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_tiny_slopes_move_little(dropout):
    """Adam's constant of 1e-8 is what it is divided by where slopes are smaller: such a weight hardly moves."""
    train = planted()
    train.X[:, 5] *= np.float32(3e-8)
    test = planted(seed=1)
    test.X[:, 5] *= np.float32(20)
    params = {"scaling": "none", "dropout": dropout, "learning_rate": 0.01}
    expected = textbook(train, test, 10, **params)
    before = test.X.copy()
    before[:, 5] = 0

    found = trained(train, params=params, best_step=10)
    assert np.abs(found(test.X) - found(before)).max() > 0.05
    np.testing.assert_allclose(found(test.X), expected, atol=1e-4)


def scored(train, valid, values):
    """What a trial reports, with the figure tuned given by epoch, and its scorer."""
    seen = {}

    def report(epoch, scores):
        seen[epoch] = scores.copy()
        return values(epoch)

    return seen, trained(train, valid, on_report=report)


@pytest.mark.parametrize("best", [1, 3, 12])
def test_ten_epochs_without_a_better_one_end_a_trial(best):
    """It ends at the tenth, no epoch later, and what is kept is the first of equally good epochs."""
    train, valid = planted(), planted(n=60, seed=1)
    seen, scorer = scored(train, valid, lambda epoch: min(epoch, best) / 100)

    assert list(seen) == list(range(1, best + 11))
    np.testing.assert_array_equal(scorer(valid.X), seen[best])


def test_a_late_better_epoch_is_waited_for():
    """One that is better at the tenth epoch starts the patience anew; ups and downs below the best do not."""
    train, valid = planted(), planted(n=60, seed=1)
    seen, scorer = scored(train, valid, lambda epoch: {2: 0.5, 12: 0.6}.get(epoch, 0.1 + epoch / 1000))

    assert max(seen) == 22
    np.testing.assert_array_equal(scorer(valid.X), seen[12])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_figure_below_zero_is_compared_as_any(sign):
    """What is tuned may be negative; higher is better all the same."""
    seen, scorer = scored(planted(), planted(n=60, seed=1), lambda epoch: -100 + sign * min(epoch, 4))

    assert max(seen) == (14 if sign > 0 else 11)
    np.testing.assert_array_equal(scorer(planted(n=60, seed=1).X), seen[4 if sign > 0 else 1])


def test_where_nothing_can_be_measured_the_last_epoch_counts():
    """Undefined figures end nothing early: all epochs are trained, and the network is the last, not the first."""
    train, valid = planted(), planted(n=60, seed=1)
    seen, scorer = scored(train, valid, lambda epoch: math.nan)
    assert max(seen) == 100
    np.testing.assert_array_equal(scorer(valid.X), seen[100])

    valid.Y[:] = 0
    seen, scorer = scored(train, valid, lambda epoch: None)
    assert max(seen) == 30
    np.testing.assert_array_equal(scorer(valid.X), seen[30])
    np.testing.assert_array_equal(scorer(valid.X), trained(train)(valid.X))


@FORMS
def test_without_validation_the_number_of_epochs_is_what_is_asked_for(form):
    """A refit trains for the best epochs of its trial, else for 30; other seeds and other epochs are other networks."""
    train, test = form(planted()), form(planted(seed=1))
    thirty = trained(train)(test.X)

    np.testing.assert_array_equal(trained(train, best_step=30)(test.X), thirty)
    for other in ({"best_step": 29}, {"best_step": 31}, {"seed": 1}):
        assert not np.allclose(trained(train, **other)(test.X), thirty, atol=1e-4)


def test_a_trial_goes_on_to_a_hundred_epochs():
    """Also where a winner's epochs are known: with rows to validate on, these say when to stop."""
    valid = planted(n=60, seed=1)
    seen = []
    trained(planted(), valid, best_step=2, on_report=lambda epoch, scores: seen.append(epoch) or float(epoch))

    assert seen == list(range(1, 101))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (lambda epoch: 1.0, 18),
        (lambda epoch: 4.0 if epoch == 3 else 1.0, 9),
        (lambda epoch: 20.0 * (epoch == 100), 100),
    ],
    ids=["even", "one was slow", "fast"],
)
def test_time_is_left_for_the_slowest_epoch_twice(monkeypatch, capsys, seconds, expected):
    """Another epoch starts while two as long as the longest would fit, and half a second; who stops, says so."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    seen = []

    def report(epoch, scores):
        seen.append(epoch)
        clock[0] += seconds(epoch)
        return float(epoch)

    trained(planted(), planted(n=60, seed=1), deadline=20.4, on_report=report)

    assert max(seen) == expected
    assert ("timed out" in capsys.readouterr().out) == (expected < 100)


@FORMS
def test_labels_without_a_question_score_their_share(form):
    """Where every label is constant there is no network, and scores are the shares."""
    train = planted()
    train.Y[:] = [0, 1, 1, 0]

    np.testing.assert_array_equal(trained(form(train))(form(train).X), np.tile([0, 1, 1, 0], (150, 1)))


def test_what_is_reported_has_no_dropout():
    """Scores of the same weights on the same rows are the same whenever they are asked for, and rank well."""
    train, valid = planted(), planted(n=60, seed=1)
    seen = {}
    params = {"dropout": 0.6, "learning_rate": 0.01}
    trained(train, valid, params, on_report=lambda epoch, scores: seen.__setitem__(epoch, scores.copy()))

    np.testing.assert_allclose(seen[2], trained(train, params=params, best_step=2)(valid.X), atol=1e-6)
    assert average_precision(valid.Y, seen[max(seen)], "micro") > valid.Y.mean() + 0.2
