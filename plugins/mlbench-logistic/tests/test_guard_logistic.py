"""Logistic regression is scikit-learn's for every scaling; intercepts are free, labels and trials separate."""

import time
from dataclasses import replace

import mlbench_logistic as plugin
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from mlbench import FitContext, Split

SPEC = next(iter(plugin.mlbench_models()))
POWER = {"standard": 1.0, "pareto": 0.5, "none": 0.0}
FORMS = pytest.mark.parametrize("form", [lambda s: s, lambda s: replace(s, X=sp.csr_matrix(s.X))], ids=["dense", "csr"])


def planted(n=300, d=20, k=5, seed=0):
    """Correlated features of unlike spread with zeros, two of them constant, and labels, two of them constant."""
    rng = np.random.default_rng(seed)
    X = (rng.poisson(0.9, (n, d)) * rng.uniform(0.5, 1.5, (n, d))).astype(np.float32)
    X[:, 10:15] += X[:, :5]
    X *= np.geomspace(0.2, 5, d, dtype=np.float32)
    X[:, 3], X[:, 7] = 2, 0
    Y = (X[:, 8 : 8 + k] / X[:, 8 : 8 + k].std(axis=0) + rng.standard_normal((n, k)) > 1.5).astype(np.uint8)
    if k > 3:
        Y[:, 1], Y[:, 3] = 0, 1
    return Split(X=X, Y=Y)


def trained(train, C, scaling, **context):
    context = FitContext(seed=0, **context)
    return SPEC.fit(SPEC.prepare(train, context), {"C": C, "scaling": scaling}, context)


def scaled(train, test, scaling):
    """Centred features over a power of their spread, of mean variance 1, in double precision."""
    X, new = train.X.astype(np.float64), test.X.astype(np.float64)
    spread = X.std(axis=0)
    live = (X[0] != X).any(axis=0)
    weight = np.zeros(X.shape[1])
    weight[live] = spread[live] ** -POWER[scaling]
    weight /= np.sqrt(np.mean((weight * spread)[live] ** 2))
    return (X - X.mean(axis=0)) * weight, (new - X.mean(axis=0)) * weight


def restated(train, test, C, scaling):
    """Probabilities by scikit-learn, to a tight tolerance; constant labels have their share."""
    Z, new = scaled(train, test, scaling)
    scores = np.tile(train.Y.mean(axis=0), (len(new), 1))
    for label, y in enumerate(train.Y.T):
        if len(np.unique(y)) == 2:
            model = LogisticRegression(C=C, tol=1e-9, max_iter=5000).fit(Z, y)
            scores[:, label] = model.predict_proba(new)[:, 1]
    return scores


@FORMS
@pytest.mark.parametrize("scaling", list(POWER))
@pytest.mark.parametrize("most_axes", [0, 4096])
def test_every_scaling_is_scikit_learns_logistic_regression(monkeypatch, form, scaling, most_axes):
    """The penalty is C's on features of mean variance 1, which constant ones have no part in; axes change nothing."""
    monkeypatch.setattr(plugin, "MOST_AXES", most_axes)
    train, test = planted(), planted(50, seed=1)
    for C in (1e-3, 0.02, 1.0):
        expected = restated(train, test, C, scaling)
        found = trained(form(train), C, scaling)(form(test).X)

        np.testing.assert_allclose(found, expected, atol=3e-3)


@FORMS
@pytest.mark.parametrize("C", [1e-5, 0.02, 1.0])
def test_intercepts_are_not_penalised(form, C):
    """Whatever the penalty, the mean probability of the train rows is the label's share, rare or frequent."""
    train = planted(600)
    train.Y[:] = np.random.default_rng(2).random(train.Y.shape) < [0.01, 0.1, 0.5, 0.9, 0.99]
    scores = trained(form(train), C, "standard")(form(train).X)

    np.testing.assert_allclose(scores.mean(axis=0), train.Y.mean(axis=0), atol=4e-5)


def test_means_far_from_zero_are_centred():
    """Where single precision leaves a part of a mean, this changes the intercept, not the penalty."""
    step = np.spacing(np.float32(1000.0))

    def far(n, seed):
        levels = np.random.default_rng(seed).choice(3, (n, 12), p=[0.6, 0.3, 0.1]) * np.linspace(1, 3, 12).astype(int)
        return (np.float32(1000) + levels * step).astype(np.float32)

    X = far(301, 1)
    Y = (X[:, :4] - 1000 > np.random.default_rng(0).random((301, 4)) * 4 * step).astype(np.uint8)
    train, test = Split(X=X, Y=Y), Split(X=far(50, 2), Y=Y[:50])
    for scaling in POWER:
        found = trained(train, 1.0, scaling)(test.X)

        np.testing.assert_allclose(found, restated(train, test, 1.0, scaling), atol=3e-3)


@FORMS
@pytest.mark.parametrize("scaling", list(POWER))
@pytest.mark.parametrize("C", [1e-3, 1.0, 100.0])
def test_every_label_is_solved_to_the_tolerance(form, scaling, C):
    """At the end no slope of any label is above the tolerance, rare or frequent, whichever label ends last."""
    train = planted(400, k=12)
    scores = trained(form(train), C, scaling)(form(train).X).astype(np.float64)
    Z, _ = scaled(train, train, scaling)
    margins = np.log(scores[:, [0, *range(4, 12)]]) - np.log1p(-scores[:, [0, *range(4, 12)]])
    A = np.column_stack([Z, np.ones(len(Z))])
    W = np.linalg.lstsq(A, margins, rcond=None)[0]
    penalty = np.append(np.full(Z.shape[1], 1 / C), 0)[:, None]
    slopes = (A.T @ (scores[:, [0, *range(4, 12)]] - train.Y[:, [0, *range(4, 12)]]) + penalty * W) / len(Z)

    assert np.abs(slopes).max() < 6e-5


@FORMS
def test_labels_do_not_depend_on_each_other(monkeypatch, form):
    """A label alone gets what it gets among others, and in groups of which each is solved by itself."""
    monkeypatch.setattr(plugin, "CELLS_AT_ONCE", 1)  # groups of 16
    train = planted(k=10)
    train = replace(train, Y=np.concatenate([train.Y, train.Y[:, ::-1], 1 - train.Y, train.Y], axis=1))
    train, test = form(train), form(planted(50, seed=1)).X
    together = trained(train, 1.0, "standard")(test)
    for label in (0, 5, 15, 16, 17, 25, 33, 39):
        alone = trained(replace(train, Y=train.Y[:, [label]]), 1.0, "standard")(test)

        np.testing.assert_allclose(alone[:, 0], together[:, label], atol=3e-3)


@FORMS
def test_labels_without_a_question_score_their_share(form):
    """Where every label is constant nothing is solved, and scores are the shares."""
    train = planted()
    train.Y[:] = [0, 1, 1, 0, 1]

    np.testing.assert_array_equal(trained(form(train), 1.0, "none")(form(train).X), np.tile([0, 1, 1, 0, 1], (300, 1)))


def test_groups_of_labels_share_the_time(monkeypatch):
    """Each group gets its part of what time there is, the last as much as the first, and a tenth is left over."""
    monkeypatch.setattr(plugin, "CELLS_AT_ONCE", 1)  # groups of 16
    monkeypatch.setattr(plugin, "MOST_AXES", 0)
    monkeypatch.setattr(plugin, "TOLERANCE", 0.0)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 40)) * np.geomspace(1, 0.01, 40) @ np.linalg.qr(rng.standard_normal((40, 40)))[0]
    Y = (X[:, :16] + 0.1 * rng.standard_normal((300, 16)) > 0.1).astype(np.uint8)
    train = Split(X=X.astype(np.float32), Y=np.concatenate([Y, Y, Y, Y], axis=1))
    clock = [0.0]

    def tick():
        clock[0] += 1
        return clock[0]

    monkeypatch.setattr(time, "monotonic", tick)
    scores = trained(train, 100.0, "standard", deadline=100.0)(train.X)
    assert 85 < clock[0] < 100

    def loss(p):
        return -np.log(np.where(Y == 1, p, 1 - p)).mean()

    losses = [loss(scores[:, 16 * group : 16 * group + 16]) for group in range(4)]
    monkeypatch.undo()
    least = loss(trained(train, 100.0, "standard")(train.X)[:, :16])
    gaps = np.array(losses) - least
    assert gaps.max() < 0.25 * (loss(np.tile(Y.mean(axis=0), (300, 1))) - least)
    assert gaps.max() < 4 * gaps.min()


def correlated():
    """Features that have one in common, and labels from rare to frequent that depend on all of them."""
    rng = np.random.default_rng(0)
    X = (rng.random((500, 30)) < 0.3) * rng.uniform(0.5, 1.5, (500, 30))
    X[:, 1:] += 1.5 * X[:, :1]
    signal = (X - X.mean(axis=0)) / X.std(axis=0) @ rng.standard_normal((30, 24))
    Y = signal + 3 * rng.standard_normal((500, 24)) > np.linspace(0, 8, 24)
    return Split(X=(X * np.geomspace(0.3, 3, 30)).astype(np.float32), Y=Y.astype(np.uint8))


@FORMS
@pytest.mark.parametrize("scaling", list(POWER))
@pytest.mark.parametrize(
    ("most_axes", "most"), [(4096, {0.02: 12, 1.0: 17, 100.0: 25}), (0, {0.02: 20, 1.0: 36, 100.0: 48})]
)
def test_few_iterations_are_enough(monkeypatch, form, scaling, most_axes, most):
    """The clock is read once an iteration: curvature, axes and start are what makes them few."""
    monkeypatch.setattr(plugin, "MOST_AXES", most_axes)
    read = []
    monkeypatch.setattr(time, "monotonic", lambda: read.append(0) or float(len(read)))
    for C, expected in most.items():
        read.clear()
        trained(form(correlated()), C, scaling, deadline=1e9)

        assert 5 < len(read) <= expected


def test_as_many_iterations_as_it_takes(monkeypatch):
    """Hundreds where features are nearly the same and the penalty is small; the last one counts, too."""
    monkeypatch.setattr(plugin, "MOST_AXES", 0)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 40)) * np.geomspace(1, 0.01, 40) @ np.linalg.qr(rng.standard_normal((40, 40)))[0]
    Y = (X[:, :3] + 0.3 * rng.standard_normal((300, 3)) > 0.1).astype(np.uint8)
    train = Split(X=X.astype(np.float32), Y=Y)
    expected = restated(train, train, 100.0, "standard")
    assert np.abs(trained(train, 100.0, "standard")(train.X) - expected).max() < 0.006

    monkeypatch.setattr(plugin, "MAX_ITERATIONS", 1)
    assert np.abs(trained(train, 100.0, "standard")(train.X) - Y.mean(axis=0)).max() > 0.1


def test_without_time_every_group_scores_its_shares(monkeypatch):
    """Before the first iteration a label is at its share, in whichever group it is."""
    monkeypatch.setattr(plugin, "CELLS_AT_ONCE", 1)  # groups of 16
    train = correlated()
    train.Y[:, 2] = 0
    scores = trained(train, 1.0, "pareto", deadline=time.monotonic())(train.X)

    np.testing.assert_allclose(scores, np.tile(train.Y.mean(axis=0), (500, 1)), atol=1e-6)


def test_trials_of_one_preparation_are_trials_of_their_own():
    """Scalings and penalties that were asked for before change nothing of a later trial, in any order."""
    train, context = planted(), FitContext(seed=0)
    prepared = SPEC.prepare(train, context)
    for scaling, C in [("pareto", 0.02), ("none", 0.02), ("standard", 1.0), ("pareto", 1.0), ("none", 1e-3)]:
        found = SPEC.fit(prepared, {"C": C, "scaling": scaling}, context)(train.X)

        np.testing.assert_array_equal(found, trained(train, C, scaling)(train.X))
