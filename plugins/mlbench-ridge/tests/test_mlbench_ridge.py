"""Ridge: the model contract, and the equality with scikit-learn's solution."""

import time
from dataclasses import replace

import mlbench_ridge as plugin
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


@pytest.mark.parametrize("n", [200, 30], ids=["primal", "dual"])
@pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])
@pytest.mark.parametrize("alpha", [0.01, 1.0, 1000.0])
def test_equals_scikit_learn(n, form, alpha):
    """On standardised features the predictions are those of ``sklearn.linear_model.Ridge``."""
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    train, test = planted(n=n, d=60), planted(n=50, d=60, seed=1)
    for split in (train, test):
        split.X[:] = split.X * np.linspace(0.1, 20, 60) + np.linspace(-3, 3, 60)
    scaler = StandardScaler().fit(train.X.astype(np.float64))
    theirs = Ridge(alpha=alpha).fit(scaler.transform(train.X.astype(np.float64)), train.Y)
    expected = theirs.predict(scaler.transform(test.X.astype(np.float64)))
    params = {"shrinkage": alpha / max(n, 60), "scaling": "standard"}
    ours = trained(form(train), params=params)(form(test).X)
    np.testing.assert_allclose(ours, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("scaling", list(plugin.SCALING))
def test_primal_and_dual_agree(scaling):
    """Fewer rows than features change the way, not the solution; nor does summing in single precision."""
    train = planted(n=40, d=40)
    train.X[:] = train.X * np.logspace(-2, 2, 40)
    context = FitContext(seed=0)
    primal = SPEC.prepare(train, context)
    dual = replace(primal, gram=None, cross=train.Y - primal.share, solved={})
    for alpha in (0.1, 100.0):
        np.testing.assert_allclose(
            primal.coefficients(alpha, scaling, context), dual.coefficients(alpha, scaling, context), atol=1e-6
        )


def test_blocks_of_single_precision_are_precise(monkeypatch):
    """Large data are multiplied in single precision and summed in double: the solution stays within 1e-4."""
    train = planted(n=500, d=30)
    exact = trained(train, params={"shrinkage": 2e-5})(train.X)
    monkeypatch.setattr(plugin, "CELLS_IN_DOUBLE", 0)
    np.testing.assert_allclose(trained(train, params={"shrinkage": 2e-5})(train.X), exact, atol=1e-4)


def test_far_and_near_features_score_alike():
    """Whether rows are centred before or after they are multiplied, the scores are the same."""
    train = planted()
    near = trained(train)(train.X)
    far = replace(train, X=train.X + np.float32(64))
    assert plugin.is_near(plugin.measure(train.X))
    assert not plugin.is_near(plugin.measure(far.X))
    np.testing.assert_allclose(trained(far)(far.X), near, atol=1e-4)


@pytest.mark.parametrize("shape", [(300, 40), (40, 300)])
@pytest.mark.parametrize("scaling", ["standard", "pareto", "none"])
def test_where_no_gram_matrix_fits_the_solution_is_the_same(monkeypatch, shape, scaling):
    """Many rows and features of sparse rows are solved by iteration: same scores, constant labels and features too."""
    n, d = shape
    train = counts(n, d, k=6)
    train.X[:, 5] = 2
    train.Y[:, 0], train.Y[:, 1] = 0, 1
    train, test = as_sparse(train), as_sparse(counts(200, d, seed=1))
    for shrinkage in (1e-2, 1.0):
        params = {"shrinkage": shrinkage, "scaling": scaling}
        exact = trained(train, params=params)(test.X)
        with monkeypatch.context() as patch:
            patch.setattr(plugin, "MAX_GRAM", 10)
            patch.setattr(plugin, "LABELS_AT_ONCE", 4)
            np.testing.assert_allclose(trained(train, params=params)(test.X), exact, atol=1e-4)


def test_iteration_ends_with_the_time(monkeypatch):
    """Without time there are coefficients of 0, and shares for scores: late, but no lost trial."""
    monkeypatch.setattr(plugin, "MAX_GRAM", 10)
    train = as_sparse(counts(d=20))
    context = FitContext(seed=0, deadline=time.monotonic())
    score = SPEC.fit(SPEC.prepare(train, context), dict(SPEC.defaults), context)
    np.testing.assert_allclose(score(train.X), np.tile(train.Y.mean(axis=0), (300, 1)), atol=1e-6)
