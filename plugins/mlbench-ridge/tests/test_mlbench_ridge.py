"""Ridge: the model contract, and the equality with scikit-learn's solution."""

import json
import time
from dataclasses import replace

import mlbench_ridge as plugin
import numpy as np
import optuna
import pytest
import scipy.sparse as sp

from mlbench import FitContext, Split
from mlbench.metrics import average_precision

SPEC = next(iter(plugin.mlbench_models()))


def planted(n=300, d=12, k=4, seed=0):
    """Labels that depend on single features, some of them rare."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)).astype(np.float32)
    signal = X[:, np.arange(k) % d]
    Y = (signal + 0.3 * rng.standard_normal((n, k)) > np.linspace(0.3, 1.5, k)).astype(np.uint8)
    return Split(X=X, Y=Y)


def trained(train, valid=None, params=None, **context):
    """A scorer, with the default parameters where none are given."""
    context = FitContext(seed=0, valid=valid, **context)
    return SPEC.fit(SPEC.prepare(train, context), {**SPEC.defaults, **(params or {})}, context)


def micro(split, scorer):
    return average_precision(split.Y, scorer(split.X), average="micro")


def as_sparse(split):
    return replace(split, X=sp.csr_matrix(split.X))


def counts(n=300, d=12, k=3, seed=0):
    """Non-negative data with many zeros."""
    rng = np.random.default_rng(seed)
    X = (rng.poisson(0.7, (n, d)) * np.linspace(0.5, 2, d)).astype(np.float32)
    return Split(X=X, Y=(X[:, :k] + 0.3 * rng.standard_normal((n, k)) > 0.7).astype(np.uint8))


def test_defaults_are_exactly_what_suggest_asks_for():
    """The defaults are a point of the search space, with the same names."""
    assert SPEC.suggest(optuna.trial.FixedTrial(dict(SPEC.defaults))) == SPEC.defaults
    json.dumps(dict(SPEC.defaults))


def test_learns():
    """Planted labels are found, with any parameters of the search space better than by chance."""
    train, valid, test = planted(), planted(seed=1), planted(seed=2)
    prior = test.Y.mean()
    assert micro(test, trained(train, valid)) > prior + 0.25
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(4):
        params = SPEC.suggest(study.ask())
        assert micro(test, trained(train, valid, params)) > prior + 0.05, params


@pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])
def test_constant_labels_rank_by_their_share(form):
    """A label without positives scores 0, one without negatives 1, and the others are learnt as usual."""
    train, valid = planted(k=4), planted(k=4, seed=1)
    train.Y[:, 0], train.Y[:, 1] = 0, 1
    scores = trained(form(train), form(valid))(form(valid).X)
    assert np.all(scores[:, 0] == 0)
    assert np.all(scores[:, 1] == 1)
    assert average_precision(valid.Y[:, 2:], scores[:, 2:], average="micro") > valid.Y[:, 2:].mean() + 0.1


@pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    "case", ["one_label", "tiny", "wide", "constant_features", "no_valid_positive", "all_constant", "wild_scales"]
)
def test_odd_data_give_finite_scores(case, form):
    """Odd data are no reason to fail, to warn, or to return NaN."""
    train, valid = planted(), planted(n=60, seed=1)
    if case == "one_label":
        train, valid = planted(k=1), planted(k=1, seed=1)
    elif case == "tiny":
        train, valid = planted(n=10), planted(n=3, seed=1)
    elif case == "wide":
        train, valid = planted(n=20, d=90), planted(n=8, d=90, seed=1)
    elif case == "constant_features":
        for split in (train, valid):
            split.X[:, 5:8] = [0, 0.1, 1e8]
    elif case == "no_valid_positive":
        valid.Y[:] = 0
    elif case == "all_constant":
        train.Y[:] = [0, 1, 0, 1]
    elif case == "wild_scales":
        for split in (train, valid):
            split.X[:] = split.X * np.logspace(-18, 18, 12)
    train, valid = form(train), form(valid)
    seen = []
    for scorer in (trained(train, valid, on_report=lambda step, scores: seen.append(scores)), trained(train)):
        for X in (train.X, valid.X, valid.X[:1]):
            scores = scorer(X)
            assert scores.shape == (X.shape[0], train.Y.shape[1])
            assert scores.dtype.kind == "f"
            assert np.isfinite(scores).all()
    assert all(np.isfinite(scores).all() and scores.shape == valid.Y.shape for scores in seen)


def test_wild_scales_are_learnt():
    """Columns that differ by orders of magnitude, and sit far from 0, do not hide what is there."""
    train, test = planted(), planted(seed=2)
    for split in (train, test):
        split.X[:] = split.X * 10.0 ** np.arange(-4, 8) + 3 * 10.0 ** np.arange(-4, 8)
    params = {"scaling": "standard"}
    assert micro(test, trained(train, params=params)) > test.Y.mean() + 0.25


def test_dense_and_sparse_rank_alike():
    """The same data in CSR give nearly the same ranking."""
    train, valid, test = counts(), counts(seed=1), counts(seed=2)
    dense = trained(train, valid)(test.X)
    sparse = trained(as_sparse(train), as_sparse(valid))(as_sparse(test).X)
    assert np.corrcoef(dense.ravel(), sparse.ravel())[0, 1] > 0.99
    assert abs(average_precision(test.Y, dense, "micro") - average_precision(test.Y, sparse, "micro")) < 0.05


def test_blocks_of_rows_give_the_same_rows():
    """A row's scores do not depend on its neighbours, read-only input is fine, and nothing is written to it."""
    train, valid, test = planted(), planted(seed=1), planted(seed=2)
    for split in (train, valid, test):
        split.X.setflags(write=False)
    before = test.X.copy()
    scorer = trained(train, valid)
    whole = scorer(test.X)
    parts = np.concatenate([scorer(test.X[:1]), scorer(test.X[1:50]), scorer(test.X[50:])])
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(test.X, before)


def test_same_seed_same_bytes():
    """Two trials of one job, and of two jobs, with the same parameters give identical scores."""
    train, valid = planted(), planted(seed=1)
    context = FitContext(seed=3, valid=valid)
    prepared = SPEC.prepare(train, context)
    scores = [
        SPEC.fit(p, dict(SPEC.defaults), context)(valid.X) for p in (prepared, prepared, SPEC.prepare(train, context))
    ]
    assert scores[0].tobytes() == scores[1].tobytes() == scores[2].tobytes()


def test_trials_do_not_touch_what_they_share():
    """A trial with other parameters in between changes nothing."""
    train, valid = planted(), planted(seed=1)
    context = FitContext(seed=3, valid=valid)
    prepared = SPEC.prepare(train, context)
    first = SPEC.fit(prepared, dict(SPEC.defaults), context)
    before = first(valid.X)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    SPEC.fit(prepared, SPEC.suggest(study.ask()), context)(valid.X)
    assert first(valid.X).tobytes() == before.tobytes()


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
    assert plugin.measure(train.X).near
    assert not plugin.measure(far.X).near
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
    scorer = SPEC.fit(SPEC.prepare(train, context), dict(SPEC.defaults), context)
    np.testing.assert_allclose(scorer(train.X), np.tile(train.Y.mean(axis=0), (300, 1)), atol=1e-6)
