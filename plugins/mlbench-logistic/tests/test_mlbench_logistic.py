"""Logistic regression: the model contract, and the objective against scikit-learn's."""

import time

import mlbench_logistic as plugin
import numpy as np
import pytest

from mlbench import FitContext
from mlbench.metrics import average_precision
from mlbench.testing import MODEL_CHECKS, SkipCheck, as_sparse, counts, planted

SPEC = next(iter(plugin.mlbench_models()))


def trained(train, valid=None, params=None, **context):
    """A score function, with the default parameters where none are given."""
    context = FitContext(seed=0, valid=valid, **context)
    return SPEC.fit(SPEC.prepare(train, context), {**SPEC.defaults, **(params or {})}, context)


def micro(split, score):
    return average_precision(split.Y, score(split.X), average="micro")


@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
def test_the_contract_of_models(check):
    """Each check of mlbench.testing passes."""
    try:
        check(SPEC)
    except SkipCheck as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])
def test_constant_labels_rank_by_their_share(form):
    """A label without positives scores 0, one without negatives 1, and the others are learnt as usual."""
    train, valid = planted(k=4), planted(k=4, seed=1)
    train.Y[:, 0], train.Y[:, 1] = 0, 1
    scores = trained(form(train), form(valid))(form(valid).X)
    assert np.all(scores[:, 0] == 0)
    assert np.all(scores[:, 1] == 1)
    assert average_precision(valid.Y[:, 2:], scores[:, 2:], average="micro") > valid.Y[:, 2:].mean() + 0.1


def test_wild_scales_are_learnt():
    """Columns that differ by orders of magnitude, and sit far from 0, do not hide what is there."""
    train, test = planted(), planted(seed=2)
    for split in (train, test):
        split.X[:] = split.X * 10.0 ** np.arange(-4, 8) + 3 * 10.0 ** np.arange(-4, 8)
    params = {"scaling": "standard"}
    assert micro(test, trained(train, params=params)) > test.Y.mean() + 0.25


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])
def test_objective_is_scikit_learns(C, form):
    """The objective is not worse than that of ``sklearn.linear_model.LogisticRegression`` by 1e-4 of it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    train = planted(n=400, d=20)
    train.X[:] = train.X * np.linspace(0.1, 20, 20) + np.linspace(-3, 3, 20)
    Z = StandardScaler().fit_transform(train.X.astype(np.float64))

    def objective(W, intercept):
        margins = Z @ W + intercept
        loss = np.logaddexp(0, margins) - train.Y * margins
        return loss.mean(axis=0) + (W**2).sum(axis=0) / (2 * C * len(Z))

    theirs = [LogisticRegression(C=C, max_iter=2000, tol=1e-6).fit(Z, y) for y in train.Y.T]
    best = objective(np.stack([m.coef_[0] for m in theirs], axis=1), np.array([m.intercept_[0] for m in theirs]))
    prepared = SPEC.prepare(form(train), FitContext(seed=0))
    W, intercept = plugin.weights(prepared, {"C": C, "scaling": "standard"}, FitContext(seed=0))
    if form is as_sparse:  # not centred
        intercept = intercept + (prepared.columns.centre * prepared.columns.inverse) @ W
    assert np.all(objective(W.astype(np.float64), intercept) <= best * (1 + 1e-4))


def test_groups_of_labels_change_nothing(monkeypatch):
    """Labels are separate problems: solving them in groups gives the same scores."""
    train = planted(k=20)
    whole = trained(train)(train.X)
    monkeypatch.setattr(plugin, "CELLS_AT_ONCE", 1)
    np.testing.assert_allclose(trained(train)(train.X), whole, atol=2e-3)


@pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])
@pytest.mark.parametrize("scaling", list(plugin.SCALING))
def test_axes_change_nothing_but_the_time(monkeypatch, form, scaling):
    """The eigenbasis is a preconditioner only, dense or sparse: the solution is the same without it."""
    train = counts(k=4)
    train.X[:, 6:] += train.X[:, :6]  # correlated, or there would be nothing to rotate
    found = []
    for most in (plugin.MOST_AXES, 0):
        monkeypatch.setattr(plugin, "MOST_AXES", most)
        monkeypatch.setattr(plugin, "TOLERANCE", 1e-6)
        prepared = SPEC.prepare(form(train), FitContext(seed=0))
        found.append(SPEC.fit(prepared, {"C": 1.0, "scaling": scaling}, FitContext(seed=0))(form(train).X))
        assert (prepared.bases[scaling].axes is None) == (most == 0)
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)


def test_the_tolerance_holds_for_the_features():
    """At the end no slope along a scaled feature is above the tolerance, though steps are taken along other axes."""
    train = planted(n=500, d=30)
    train.X[:, 1:] += 3 * train.X[:, :1]
    prepared = SPEC.prepare(train, FitContext(seed=0))
    W, intercept = plugin.weights(prepared, {"C": 1.0, "scaling": "standard"}, FitContext(seed=0))
    Z = prepared.X.astype(np.float64)
    residual = 1 / (1 + np.exp(-(Z @ W + intercept))) - train.Y
    assert np.abs(Z.T @ residual + W).max() / len(Z) <= plugin.TOLERANCE * 1.05


def test_stops_in_time():
    """When time runs out, what there is is kept: without an iteration, the share of each label."""
    train = planted()
    scores = trained(train, deadline=time.monotonic())(train.X)
    np.testing.assert_allclose(scores, np.tile(train.Y.mean(axis=0), (len(train), 1)), atol=1e-5)
