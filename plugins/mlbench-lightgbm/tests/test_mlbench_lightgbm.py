"""LightGBM: the model contract, early stopping, pruning and time limits."""

import time
from dataclasses import replace

import mlbench_lightgbm as plugin
import numpy as np
import optuna
import pytest
import scipy.sparse as sp

from mlbench import FitContext, Split, TrialPruned
from mlbench.metrics import average_precision
from mlbench.testing import MODEL_CHECKS, SkipCheck, as_sparse, counts
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
def test_rows_without_a_usable_feature_give_finite_scores(form):
    """Rows that are all zero are no reason to fail, to warn, or to return NaN."""
    train, valid = planted(), planted(n=60, seed=1)
    train.X[:] = 0
    for score in (trained(form(train), form(valid)), trained(form(train))):
        assert np.isfinite(score(form(valid).X)).all()


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
        trained(train, valid=as_sparse(counts(seed=1)) if sp.issparse(train.X) else counts(seed=1), refit_state=keep)
        trained(train, refit_state=keep, best_step=5)
        assert {(one["feature_fraction"], one.get("feature_fraction_bynode")) for one in asked} == {share}
        asked.clear()


def test_threads_do_not_matter():
    """Parts that are grown side by side, in whatever order, are those that are grown one after the other."""
    train, valid = planted(k=12), planted(k=12, seed=1)
    alone = trained(train, valid)(valid.X).tobytes()
    assert {trained(train, valid, threads=threads)(valid.X).tobytes() for threads in (2, 3, 4, 3, 4)} == {alone}


def test_reports_every_fifth_round():
    """Scores of all labels are handed over after the first two rounds and every fifth; the best of these is kept."""
    train, valid = planted(), planted(seed=1)
    seen = {}
    score = trained(train, valid, on_report=lambda step, scores: seen.__setitem__(step, scores.copy()))
    assert list(seen) == [1, 2, *range(5, 5 * len(seen) - 5, 5)]
    values = [average_precision(valid.Y, scores, average="micro") for scores in seen.values()]
    assert micro(valid, score) == pytest.approx(max(values), abs=1e-6)


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
    score = trained(
        train,
        valid,
        on_report=lambda step, scores: values.__setitem__(step, average_precision(valid.Y, scores, "micro")),
    )
    best = max(values, key=values.get)
    np.testing.assert_allclose(trained(train, best_step=best)(valid.X), score(valid.X), rtol=1e-5, atol=1e-6)
    assert not np.allclose(trained(train, best_step=best + 1)(valid.X), score(valid.X))


def test_stops_in_time():
    """When time runs out there is a model all the same, of one round at least."""
    train, valid = planted(), planted(seed=1)
    steps = []
    score = trained(train, valid, deadline=time.monotonic(), on_report=lambda step, scores: steps.append(step))
    assert steps == [1]
    assert np.isfinite(score(valid.X)).all()


def test_rounds_in_blocks_give_the_same_scores(monkeypatch):
    """Scoring a few rounds at a time, as is done for many labels, changes nothing but the rounding."""
    train, valid = planted(), planted(seed=1)
    whole = trained(train, valid)(valid.X)
    monkeypatch.setattr(plugin, "TREES_AT_ONCE", 1)
    np.testing.assert_allclose(trained(train, valid)(valid.X), whole, atol=1e-12)


def test_rounds_without_a_split_are_no_trees():
    """LightGBM keeps nothing of a round whose drawn features cannot split; the score is the model of the best step."""

    def mostly_useless(seed):
        rng = np.random.default_rng(seed)
        X = np.zeros((400, 12), dtype=np.float32)
        X[:, 0] = rng.standard_normal(400)
        for column in range(1, 12):
            X[rng.choice(400, 20, replace=False), column] = 1
        return Split(X=X, Y=(X[:, :1] + 0.8 * rng.standard_normal((400, 1)) > 0.8).astype(np.uint8))

    train, valid, reports = mostly_useless(0), mostly_useless(1), {}
    params = {"feature_fraction": 0.1, "min_data_in_leaf": 50}
    score = trained(train, valid, params, on_report=lambda step, scores: reports.__setitem__(step, scores.copy()))
    best = max(reports, key=lambda step: (average_precision(valid.Y, reports[step], average="micro"), -step))
    assert best < max(reports)
    np.testing.assert_array_equal(score(valid.X), reports[best])


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
    trained(train, valid, refit_state=keep)
    monkeypatch.setattr(boosting, "MAX_ROWS", 200)
    trained(train, refit_state=keep)  # a refit with so many rows that each label has its own
    assert drawn == [True] * 8
    drawn.clear()
    trained(train, valid)
    assert drawn == [False] * 4
