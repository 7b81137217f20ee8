"""XGBoost: the model contract, early stopping, pruning and time limits."""

import json
import time
from dataclasses import replace

import mlbench_xgboost as plugin
import numpy as np
import optuna
import pytest
import scipy.sparse as sp

from mlbench import FitContext, Split, TrialPruned
from mlbench.metrics import average_precision
from mlbench.toolkit import boosting

SPEC = next(iter(plugin.mlbench_models()))


def planted(n=300, d=12, k=4, seed=0):
    """Labels that depend on single features in a nonlinear way, some of them rare."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)).astype(np.float32)
    signal = np.abs(X[:, :k]) + X[:, 4 : 4 + k] if k <= 4 else X[:, np.arange(k) % d]
    Y = (signal + 0.3 * rng.standard_normal((n, k)) > np.linspace(0.8, 2.2, k)).astype(np.uint8)
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
    assert micro(test, trained(train, valid)) > prior + 0.2
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
    params = None
    assert micro(test, trained(train, params=params)) > test.Y.mean() + 0.2


def test_dense_and_sparse_rank_alike():
    """The same data in CSR give nearly the same ranking."""
    train, valid, test = counts(), counts(seed=1), counts(seed=2)
    dense = trained(train, valid)(test.X)
    sparse = trained(as_sparse(train), as_sparse(valid))(as_sparse(test).X)
    assert np.corrcoef(dense.ravel(), sparse.ravel())[0, 1] > 0.95
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


def test_threads_do_not_matter():
    """Parts that are grown side by side, in whatever order, are those that are grown one after the other."""
    train, valid = planted(k=12), planted(k=12, seed=1)
    alone = trained(train, valid)(valid.X).tobytes()
    assert {trained(train, valid, threads=threads)(valid.X).tobytes() for threads in (2, 3, 4, 3, 4)} == {alone}


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


def test_reports_every_fifth_round():
    """Scores of all labels are handed over after the first two rounds and every fifth; the best of these is kept."""
    train, valid = planted(), planted(seed=1)
    seen = {}
    scorer = trained(train, valid, on_report=lambda step, scores: seen.__setitem__(step, scores.copy()))
    assert list(seen) == [1, 2, *range(5, 5 * len(seen) - 5, 5)]
    values = [average_precision(valid.Y, scores, average="micro") for scores in seen.values()]
    assert micro(valid, scorer) == pytest.approx(max(values), abs=1e-6)


def test_pruning_passes_through():
    """``TrialPruned`` reaches the caller, at the round at which it was raised."""
    seen = []

    def prune(step, scores):
        seen.append(step)
        if step == 10:
            raise TrialPruned

    with pytest.raises(TrialPruned):
        trained(planted(), planted(seed=1), on_report=prune)
    assert seen == [1, 2, 5, 10]


def test_a_refit_takes_the_best_step(monkeypatch):
    """For as many rounds as the winning trial had at its best, a refit is, on the same rows, the same model."""
    monkeypatch.setattr(boosting, "LABEL_PATIENCE", 1000)
    train, valid = planted(), planted(seed=1)
    values = {}
    scorer = trained(
        train,
        valid,
        on_report=lambda step, scores: values.__setitem__(step, average_precision(valid.Y, scores, "micro")),
    )
    best = max(values, key=values.get)
    np.testing.assert_allclose(trained(train, best_step=best)(valid.X), scorer(valid.X), rtol=1e-5, atol=1e-6)
    assert not np.allclose(trained(train, best_step=best + 1)(valid.X), scorer(valid.X))


def test_stops_in_time():
    """When time runs out there is a model all the same, of one round at least."""
    train, valid = planted(), planted(seed=1)
    steps = []
    scorer = trained(train, valid, deadline=time.monotonic(), on_report=lambda step, scores: steps.append(step))
    assert steps == [1]
    assert np.isfinite(scorer(valid.X)).all()


def test_a_build_without_cuda_says_so(monkeypatch):
    """On a machine with a GPU, a CPU build of xgboost is refused in one clear line."""
    import xgboost

    monkeypatch.setattr(xgboost, "build_info", lambda: {"USE_CUDA": False})
    with pytest.raises(RuntimeError, match="no CUDA"):
        SPEC.prepare(planted(), FitContext(seed=0, device="cuda"))


@pytest.mark.parametrize(("width", "most"), [(12, 16), (6, 32)])
@pytest.mark.parametrize("width_of_refit", [12, 6])
def test_features_of_a_label_alone_get_twice_the_bins(monkeypatch, width, most, width_of_refit):
    """A label that has features of its own splits them at finer thresholds; a refit has as many bins as its trial."""
    train, valid, params = planted(), planted(seed=1), {**SPEC.defaults, "max_bin": 16}
    trial = FitContext(seed=0, valid=valid)
    refit = FitContext(seed=0, best_step=3, keep=trial.keep)
    for context, features in ((trial, width), (refit, width_of_refit)):
        monkeypatch.setattr(boosting, "MAX_FEATURES", features)
        _, plan = prepared = SPEC.prepare(train, context)
        assert (plan.parts[0].features is None) == (features == 12)
        SPEC.fit(prepared, params, context)
        for matrix, _ in plan.cache[most]:
            starts, _ = matrix.get_quantile_cut()
            assert set(np.diff(starts.astype(int)) - 1) == {most}  # as edges, of which there is one more
