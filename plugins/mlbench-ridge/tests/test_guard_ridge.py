"""Ridge is scikit-learn's, whichever way it is solved: dense or sparse, primal or dual, or by iteration."""

import time
from dataclasses import replace

import mlbench_ridge as plugin
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge

from mlbench import FitContext, Split
from mlbench.toolkit.scaling import measure

SPEC = next(iter(plugin.mlbench_models()))
POWER = {"standard": 1.0, "pareto": 0.5, "none": 0.0}


def planted(n=300, d=30, k=5, seed=0):
    """Correlated features of unlike spread with zeros, two of them constant, and labels, two of them constant."""
    rng = np.random.default_rng(seed)
    X = (rng.poisson(0.9, (n, d)) * rng.uniform(0.5, 1.5, (n, d))).astype(np.float32)
    X[:, 10:20] += X[:, :10]
    X *= np.geomspace(0.2, 5, d, dtype=np.float32)
    X[:, 3], X[:, 7] = 2, 0
    Y = (X[:, 8 : 8 + k] / X[:, 8 : 8 + k].std(axis=0) + rng.standard_normal((n, k)) > 1.5).astype(np.uint8)
    Y[:, 1], Y[:, 3] = 0, 1
    return Split(X=X, Y=Y)


def as_sparse(split):
    return replace(split, X=sp.csr_matrix(split.X))


def trained(train, shrinkage, scaling, **context):
    context = FitContext(seed=0, **context)
    return SPEC.fit(SPEC.prepare(train, context), {"shrinkage": shrinkage, "scaling": scaling}, context)


def restated(train, test, shrinkage, scaling):
    """By scikit-learn: centred features over a power of their spread, of mean variance 1, in double precision."""
    X, new = train.X.astype(np.float64), test.X.astype(np.float64)
    spread = X.std(axis=0)
    live = (X[0] != X).any(axis=0)
    weight = np.zeros(X.shape[1])
    weight[live] = spread[live] ** -POWER[scaling]
    weight /= np.sqrt(np.mean((weight * spread)[live] ** 2))
    Z, new = (X - X.mean(axis=0)) * weight, (new - X.mean(axis=0)) * weight
    return Ridge(alpha=shrinkage * max(len(X), live.sum()), solver="svd").fit(Z, train.Y).predict(new)


@pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])
@pytest.mark.parametrize(("n", "d"), [(300, 30), (40, 40), (31, 60), (58, 60)])
@pytest.mark.parametrize("scaling", list(POWER))
def test_every_scaling_is_scikit_learns_ridge(form, n, d, scaling):
    """Penalties are in units of the mean eigenvalue, which constant features have no part in; labels keep shares."""
    train, test = planted(n, d), planted(50, d, seed=1)
    for shrinkage in (1e-4, 0.1, 1.0):
        expected = restated(train, test, shrinkage, scaling)
        found = trained(form(train), shrinkage, scaling)(form(test).X)

        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("n", [301, 25], ids=["primal", "dual"])
@pytest.mark.parametrize("scaling", list(POWER))
def test_what_single_precision_leaves_of_a_mean_is_taken_off(n, scaling):
    """Where the mean is no number of single precision, centring leaves a part of it: no product may keep that part."""
    rng = np.random.default_rng(0)
    step = np.spacing(np.float32(1000.0))

    def far(n, seed):
        levels = np.random.default_rng(seed).choice(3, (n, 30), p=[0.6, 0.3, 0.1]) * np.linspace(1, 3, 30).astype(int)
        return (np.float32(1000) + levels * step).astype(np.float32)

    train, test = far(n, 1), far(50, 2)
    mean = train.mean(axis=0, dtype=np.float64)
    assert np.abs((mean.astype(np.float32) - mean) / train.std(axis=0, dtype=np.float64)).max() > 0.2
    Y = (train[:, :4] - 1000 > rng.random((n, 4)) * 4 * step).astype(np.uint8)
    train, test = Split(X=train, Y=Y), Split(X=test, Y=np.resize(Y, (50, 4)))
    for shrinkage in (1e-3, 0.1):
        expected = restated(train, test, shrinkage, scaling)

        np.testing.assert_allclose(trained(train, shrinkage, scaling)(test.X), expected, atol=1e-4)


@pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])
@pytest.mark.parametrize("n", [5000, 25], ids=["primal", "dual"])
def test_rows_and_columns_in_blocks(monkeypatch, form, n):
    """Products that are summed over blocks of rows, or of columns, leave none out and count none twice."""
    monkeypatch.setattr(plugin, "COLUMNS_PER_BLOCK", 13)
    train, test = planted(n), planted(50, seed=1)
    order = np.argsort(train.X[:, 10])  # so that blocks of rows differ
    train = Split(X=np.ascontiguousarray(train.X[order]), Y=train.Y[order])

    found = trained(form(train), 1e-3, "pareto")(form(test).X)
    np.testing.assert_allclose(found, restated(train, test, 1e-3, "pareto"), atol=1e-4)


def slopes(train, scorer, shrinkage):
    """What is left of the normal equations, and their right-hand side, by the scores of a standardised fit."""
    X = train.X.toarray().astype(np.float64)
    n, d = X.shape
    zero = scorer(sp.csr_matrix((1, d), dtype=np.float32)).astype(np.float64)
    raw = scorer(sp.eye(d, dtype=np.float32, format="csr")).astype(np.float64) - zero
    spread = X.std(axis=0)
    live = spread > 0
    Z = (X - X.mean(axis=0))[:, live] / spread[live]
    W = raw[live] * spread[live, None]
    target = train.Y - train.Y.mean(axis=0)
    alpha = shrinkage * max(n, live.sum())
    return Z.T @ (target - Z @ W) - alpha * W, Z.T @ target


@pytest.mark.parametrize("shape", [(300, 30), (31, 60)])
def test_iteration_solves_the_normal_equations(monkeypatch, shape):
    """Every label is iterated until little of its own right-hand side is left, rare or frequent."""
    monkeypatch.setattr(plugin, "MAX_GRAM", 10)
    train = as_sparse(planted(*shape, k=9))
    for shrinkage in (1e-2, 1.0):
        left, right = slopes(train, trained(train, shrinkage, "standard"), shrinkage)
        size = np.sqrt((right**2).sum(axis=0))

        assert size[1] == size[3] == 0
        assert (np.sqrt((left**2).sum(axis=0)) <= 3e-5 * size).all()


@pytest.mark.parametrize("scaling", list(POWER))
@pytest.mark.parametrize("shape", [(300, 30), (31, 60)])
def test_iteration_is_scikit_learns_ridge(monkeypatch, scaling, shape):
    """What is found where no Gram matrix would fit is centred, scaled and penalised as anywhere else."""
    monkeypatch.setattr(plugin, "MAX_GRAM", 10)
    train, test = planted(*shape), planted(50, shape[1], seed=1)
    for shrinkage in (1e-2, 1.0):
        expected = restated(train, test, shrinkage, scaling)
        found = trained(as_sparse(train), shrinkage, scaling)(as_sparse(test).X)

        np.testing.assert_allclose(found, expected, atol=4e-4)


def test_iteration_of_a_label_does_not_depend_on_the_others(monkeypatch):
    """Labels of other groups and of the same, slow or fast, change nothing of what a label gets."""
    monkeypatch.setattr(plugin, "MAX_GRAM", 10)
    train, test = planted(k=20), as_sparse(planted(50, seed=1)).X
    train = replace(train, Y=np.concatenate([train.Y, train.Y[:, ::-1], train.Y, 1 - train.Y], axis=1))
    together = trained(as_sparse(train), 1e-3, "none")(test)
    for label in (0, 5, 19, 63, 64, 66, 79):
        alone = trained(as_sparse(replace(train, Y=train.Y[:, [label]])), 1e-3, "none")(test)

        np.testing.assert_allclose(alone[:, 0], together[:, label], atol=1e-4)


@pytest.mark.parametrize("shape", [(300, 30), (31, 60)])
def test_one_short_side_is_solved_at_once(monkeypatch, shape):
    """Few features or few rows have a small Gram matrix: sparse rows have an exact solution, which no time cuts."""
    monkeypatch.setattr(plugin, "MAX_GRAM", 40)
    train = planted(*shape)
    found = trained(as_sparse(train), 1e-3, "none", deadline=time.monotonic())(as_sparse(train).X)

    np.testing.assert_allclose(found, restated(train, train, 1e-3, "none"), atol=1e-4)


def test_iteration_takes_enough_steps_for_a_small_penalty(monkeypatch):
    """A hundred iterations and more are taken where features are nearly the same."""
    monkeypatch.setattr(plugin, "MAX_GRAM", 10)
    rng = np.random.default_rng(0)
    turned, _ = np.linalg.qr(rng.standard_normal((120, 120)))
    X = rng.standard_normal((400, 120)) * np.geomspace(1, 0.02, 120) @ turned
    Y = (X[:, :3] + rng.standard_normal((400, 3)) > 0.5).astype(np.uint8)
    train = Split(X=X.astype(np.float32), Y=Y)
    expected = restated(train, train, 1e-4, "standard")

    np.testing.assert_allclose(trained(as_sparse(train), 1e-4, "standard")(as_sparse(train).X), expected, atol=1.5e-4)


def test_cut_short_iteration_keeps_what_it_has(monkeypatch):
    """Time that ends between two iterations leaves a shrunk solution: no share alone, and not yet the whole."""
    monkeypatch.setattr(plugin, "MAX_GRAM", 10)
    train = as_sparse(planted())
    whole = trained(train, 1e-4, "standard")(train.X)
    clock = [0.0]

    def tick():
        clock[0] += 1
        return clock[0]

    monkeypatch.setattr(time, "monotonic", tick)
    cut = trained(train, 1e-4, "standard", deadline=3.5)(train.X)

    share = train.Y.mean(axis=0)
    assert 0.1 < np.abs(cut - share).max() < np.abs(whole - share).max()
    assert np.corrcoef(cut[:, 0], whole[:, 0])[0, 1] > 0.8


@pytest.mark.parametrize("n", [300, 25], ids=["primal", "dual"])
def test_trials_of_one_preparation_are_trials_of_their_own(n):
    """Scalings and penalties that were asked for before change nothing of a later trial, in any order."""
    train, context = planted(n), FitContext(seed=0)
    prepared = SPEC.prepare(train, context)
    for scaling, shrinkage in [("pareto", 0.1), ("none", 0.1), ("standard", 1e-3), ("pareto", 1e-3), ("none", 1.0)]:
        found = SPEC.fit(prepared, {"shrinkage": shrinkage, "scaling": scaling}, context)(train.X)

        np.testing.assert_array_equal(found, trained(train, shrinkage, scaling)(train.X))


@pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])
def test_products_with_the_rows_are_about_their_means(form):
    """Whatever is left of a mean of the dual coefficients, centred features have no part in it."""
    train = planted(40, 60)
    dual = np.random.default_rng(2).standard_normal((40, 3)) + 5
    columns = measure(train.X)
    Z = (train.X - train.X.mean(axis=0, dtype=np.float64)) * columns.inverse

    found = plugin.transposed_product(form(train).X, columns, dual)

    np.testing.assert_allclose(found, Z.T @ dual, atol=1e-4)
