"""LightGBM: the model contract, early stopping, pruning and time limits."""

import json
import time
from dataclasses import replace

import mlbench_lightgbm as plugin
import numpy as np
import optuna
import pytest
import scipy.sparse as sp

from mlbench import FitContext, Split, TrialPruned
from mlbench.metrics import average_precision
from mlbench.toolkit import boosting

SPEC = next(iter(plugin.mlbench_models()))
TREES = plugin.Trees


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
    "case",
    [
        "one_label",
        "tiny",
        "wide",
        "constant_features",
        "no_features",
        "no_valid_positive",
        "all_constant",
        "wild_scales",
    ],
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
    elif case == "no_features":
        train.X[:] = 0
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


@pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])
def test_labels_without_a_usable_feature_keep_their_share(monkeypatch, form):
    """LightGBM refuses rows that nothing can split; the other labels are learnt as usual, each from its own rows."""
    train, valid = planted(), planted(seed=1)
    share = train.Y.mean(axis=0, dtype=np.float32)
    empty = form(replace(train, X=np.zeros_like(train.X)))
    np.testing.assert_allclose(trained(empty, form(valid))(form(valid).X), np.tile(share, (300, 1)), rtol=1e-6)

    monkeypatch.setattr(boosting, "MAX_FEATURES", 8)  # a part of its own for each label
    whole = trained(form(train), form(valid))(form(valid).X)
    can_split, asked = plugin._can_split, []
    monkeypatch.setattr(plugin, "_can_split", lambda rows: asked.append(rows) or (len(asked) > 1 and can_split(rows)))
    scores = trained(form(train), form(valid))(form(valid).X)
    np.testing.assert_allclose(scores[:, 0], share[0], rtol=1e-6)
    for label in range(1, 4):
        assert average_precision(valid.Y[:, [label]], scores[:, [label]], "micro") == pytest.approx(
            average_precision(valid.Y[:, [label]], whole[:, [label]], "micro"), abs=0.1
        )


def test_wild_scales_are_learnt():
    """Columns that differ by orders of magnitude, and sit far from 0, do not hide what is there."""
    train, test = planted(), planted(seed=2)
    for split in (train, test):
        split.X[:] = split.X * 10.0 ** np.arange(-4, 8) + 3 * 10.0 ** np.arange(-4, 8)
    params = None
    assert micro(test, trained(train, params=params)) > test.Y.mean() + 0.2


def test_features_of_sparse_rows_are_drawn_for_nodes(monkeypatch):
    """A share of a label's own sparse features is drawn for each node, of others for each tree, at a refit too."""
    asked = []
    monkeypatch.setattr(plugin, "Trees", lambda settings, *rest: asked.append(settings) or TREES(settings, *rest))
    for train, features, share in [
        (as_sparse(counts()), boosting.MAX_FEATURES, (0.5, None)),
        (counts(), 8, (0.5, None)),
        (as_sparse(counts()), 8, (1.0, 0.5)),
    ]:
        monkeypatch.setattr(boosting, "MAX_FEATURES", features)
        keep = {}
        trained(train, valid=as_sparse(counts(seed=1)) if sp.issparse(train.X) else counts(seed=1), keep=keep)
        trained(train, keep=keep, best_step=5)
        assert {(one["feature_fraction"], one.get("feature_fraction_bynode")) for one in asked} == {share}
        asked.clear()


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


def test_rounds_in_blocks_give_the_same_scores(monkeypatch):
    """Scoring a few rounds at a time, as is done for many labels, changes nothing but the rounding."""
    train, valid = planted(), planted(seed=1)
    whole = trained(train, valid)(valid.X)
    monkeypatch.setattr(plugin, "TREES_AT_ONCE", 1)
    np.testing.assert_allclose(trained(train, valid)(valid.X), whole, atol=1e-12)


def test_rounds_without_a_split_are_no_trees():
    """LightGBM keeps nothing of a round whose drawn features cannot split; the scorer is the model of the best step."""

    def mostly_useless(seed):
        rng = np.random.default_rng(seed)
        X = np.zeros((400, 12), dtype=np.float32)
        X[:, 0] = rng.standard_normal(400)
        for column in range(1, 12):
            X[rng.choice(400, 20, replace=False), column] = 1
        return Split(X=X, Y=(X[:, :1] + 0.8 * rng.standard_normal((400, 1)) > 0.8).astype(np.uint8))

    train, valid, reports = mostly_useless(0), mostly_useless(1), {}
    params = {"feature_fraction": 0.1, "min_data_in_leaf": 50}
    scorer = trained(train, valid, params, on_report=lambda step, scores: reports.__setitem__(step, scores.copy()))
    best = max(reports, key=lambda step: (average_precision(valid.Y, reports[step], average="micro"), -step))
    assert best < max(reports)
    np.testing.assert_array_equal(scorer(valid.X), reports[best])


def test_random_thresholds_only_where_labels_share_everything(monkeypatch):
    """A label's own features are few of many: there the best threshold is searched for."""
    drawn = []
    new = plugin.Trees.__init__

    def traced(self, settings, *others):
        drawn.append(settings["extra_trees"])
        new(self, settings, *others)

    monkeypatch.setattr(plugin.Trees, "__init__", traced)
    train, valid = planted(), planted(seed=1)
    trained(train, valid)
    assert drawn == [True] * 4
    drawn.clear()
    monkeypatch.setattr(boosting, "MAX_FEATURES", 6)
    trained(train, valid)
    assert drawn == [False] * 4
    drawn.clear()
    monkeypatch.setattr(boosting, "MAX_FEATURES", 512)
    keep = {}
    trained(train, valid, keep=keep)
    monkeypatch.setattr(boosting, "MAX_ROWS", 200)
    trained(train, keep=keep)  # a refit with so many rows that each label has its own
    assert drawn == [True] * 8
    drawn.clear()
    trained(train, valid)
    assert drawn == [False] * 4
