"""XGBoost: the model contract, early stopping, pruning and time limits."""

import time

import mlbench_xgboost as plugin
import numpy as np
import optuna
import pytest

from mlbench import FitContext, Split, TrialPruned
from mlbench.metrics import average_precision
from mlbench.testing import MODEL_CHECKS, SkipCheck, as_sparse
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


def test_wild_scales_are_learnt():
    """Columns that differ by orders of magnitude, and sit far from 0, do not hide what is there."""
    train, test = planted(), planted(seed=2)
    for split in (train, test):
        split.X[:] = split.X * 10.0 ** np.arange(-4, 8) + 3 * 10.0 ** np.arange(-4, 8)
    params = None
    assert micro(test, trained(train, params=params)) > test.Y.mean() + 0.2


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
    refit = FitContext(seed=0, best_step=3, refit_state=trial.refit_state)
    for context, features in ((trial, width), (refit, width_of_refit)):
        monkeypatch.setattr(boosting, "MAX_FEATURES", features)
        _, plan = prepared = SPEC.prepare(train, context)
        assert (plan.parts[0].features is None) == (features == 12)
        SPEC.fit(prepared, params, context)
        for matrix, _ in plan.cache[most]:
            starts, _ = matrix.get_quantile_cut()
            assert set(np.diff(starts.astype(int)) - 1) == {most}  # as edges, of which there is one more
