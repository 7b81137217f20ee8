"""XGBoost's trees are those that XGBoost grows by itself of the same rows, weights and seeds."""

from dataclasses import replace

import mlbench_xgboost as plugin
import numpy as np
import pytest
import scipy.sparse as sp

from mlbench import FitContext, Split
from mlbench.toolkit import boosting
from mlbench.toolkit.boosting import plan

SPEC = next(iter(plugin.mlbench_models()))


def planted(n=400, d=12, k=4, seed=0):
    """Labels that depend on single features, some of them rare."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)).astype(np.float32)
    signal = np.abs(X[:, :k]) + X[:, 4 : 4 + k] + 0.3 * rng.standard_normal((n, k))
    return Split(X=X, Y=(signal > np.linspace(0.8, 2.2, k)).astype(np.uint8))


def trained(train, valid=None, params=None, **context):
    context = FitContext(**{"seed": 0, "valid": valid, **context})
    return SPEC.fit(SPEC.prepare(train, context), {**SPEC.defaults, **(params or {})}, context)


def by_itself(train, test, parts, rounds, seed, **params):
    """Each part by XGBoost's own training loop; of features of a label's own, twice as many bins."""
    import xgboost

    scores = np.tile(train.Y.mean(axis=0), (len(test), 1))
    for number, part in enumerate(parts):
        rows = slice(None) if part.rows is None else part.rows
        features = slice(None) if part.features is None else part.features
        settings = {**SPEC.defaults, **params}
        settings["max_bin"] *= 1 if part.features is None else 2
        settings |= {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_leaves": 32,
            "seed": seed + number,
            "seed_per_iteration": True,
            "nthread": 1,
        }
        data = xgboost.QuantileDMatrix(
            train.X[rows][:, features],
            train.Y[rows][:, part.labels].astype(np.float32),
            weight=part.weight,
            max_bin=settings["max_bin"],
        )
        booster = xgboost.train(settings, data, num_boost_round=rounds)
        scores[:, part.labels] = booster.inplace_predict(test.X[:, features]).reshape(len(test), -1)
    return scores


@pytest.mark.parametrize("limit", ["rows", "features", "none"])
@pytest.mark.parametrize("params", [{}, {"max_depth": 8, "min_child_weight": 0.03, "subsample": 0.7, "max_bin": 16}])
@pytest.mark.parametrize("k", [4, 20])
def test_parts_are_boosted_as_xgboost_does_it(monkeypatch, limit, params, k):
    """Rows are weighted, each part has a seed of its own, and parameters arrive where they are meant to."""
    if limit == "rows":
        monkeypatch.setattr(boosting, "MAX_ROWS", 150)
    if limit == "features":
        monkeypatch.setattr(boosting, "MAX_FEATURES", 8)
    train, test = planted(2000 if limit == "rows" else 400, 30, k), planted(seed=1, d=30, k=k)
    parts = plan(train, FitContext(seed=5), screen_sparse=False).parts
    assert all((part.weight is not None) == (limit == "rows") for part in parts)
    assert all((part.features is not None) == (limit == "features") for part in parts)
    expected = by_itself(train, test, parts, 10, 5, **params)

    np.testing.assert_allclose(trained(train, params=params, best_step=10, seed=5)(test.X), expected, atol=1e-5)


@pytest.mark.parametrize("form", [lambda s: s, lambda s: replace(s, X=sp.csr_matrix(s.X))], ids=["dense", "csr"])
def test_parts_and_jobs_draw_differently(form):
    """Two parts of the same label draw other rows, and so does another seed; the same seed draws the same."""
    train = planted()
    train = form(replace(train, Y=np.repeat(train.Y[:, :1], 2, axis=1)))
    scores = trained(train, best_step=5)(train.X)

    assert not np.allclose(scores[:, 0], scores[:, 1], atol=1e-3)
    assert not np.allclose(scores, trained(train, best_step=5, seed=3)(train.X), atol=1e-3)
    np.testing.assert_array_equal(scores, trained(train, best_step=5)(train.X))


def test_rounds_draw_differently():
    """Every round draws its own rows and features: the second tree is not the first, shrunk."""
    train = planted(k=1)
    params = {"subsample": 0.7, "colsample_bytree": 0.25}
    one, two, three = (trained(train, params=params, best_step=step)(train.X)[:, 0] for step in (1, 2, 3))
    margins = [np.log(p / (1 - p)) for p in (one, two, three)]

    assert np.corrcoef(margins[1] - margins[0], margins[2] - margins[1])[0, 1] < 0.9


def test_a_seed_and_the_part_beyond_the_librarys_are_folded():
    """The number of a part is added to the seed; what comes out too large begins at 0 again."""
    train = planted()
    train = replace(train, Y=np.repeat(train.Y[:, :1], 3, axis=1))
    scores = trained(train, best_step=5, seed=2**31 - 1)(train.X)

    np.testing.assert_array_equal(scores[:, 1:], trained(train, best_step=5, seed=0)(train.X)[:, :2])


@pytest.mark.parametrize("best", [1, 2, 5, 20])
@pytest.mark.parametrize("form", [lambda s: s, lambda s: replace(s, X=sp.csr_matrix(s.X))], ids=["dense", "csr"])
def test_the_first_of_equally_good_rounds_is_scored(form, best):
    """The model is that of the best round, and of the first where others are as good."""
    train, valid, seen = form(planted()), form(planted(200, seed=1)), {}

    def report(step, scores):
        seen[step] = scores.copy()
        return min(step, best) / 100

    scorer = trained(train, valid, on_report=report)
    assert max(seen) >= best + 20
    np.testing.assert_allclose(scorer(valid.X), seen[best], atol=1e-6)
    np.testing.assert_allclose(scorer(valid.X), trained(train, best_step=best)(valid.X), atol=1e-6)


def test_without_validation_there_are_sixty_rounds():
    """Where no round can be told to be better, and where no rows are there to tell it."""
    train, valid, seen = planted(), planted(200, seed=1), {}
    sixty = trained(train, best_step=60)(valid.X)
    np.testing.assert_array_equal(trained(train)(valid.X), sixty)
    valid.Y[:] = 0
    scorer = trained(train, valid, on_report=lambda step, scores: seen.__setitem__(step, scores.copy()))

    assert max(seen) == 60
    np.testing.assert_allclose(scorer(valid.X), sixty, atol=1e-6)


def test_trials_with_other_bins_have_their_own_rows():
    """What one trial binned is not what another, with another number of bins, gets; however much fits."""
    train, context = planted(), FitContext(seed=0, valid=planted(200, seed=1))
    prepared = SPEC.prepare(train, context)
    for max_bin in (16, 32, 16, 8):
        params = {**SPEC.defaults, "max_bin": max_bin}
        alone = SPEC.fit(SPEC.prepare(train, context), params, context)(train.X)

        np.testing.assert_array_equal(SPEC.fit(prepared, params, context)(train.X), alone)


@pytest.mark.parametrize(("most", "kept"), [(None, [16, 32]), (0, [16])], ids=["little", "much"])
def test_rows_stay_binned_as_memory_allows(monkeypatch, most, kept):
    """Of many cells, only those of the latest number of bins stay; of few, those of all."""
    train, context = planted(), FitContext(seed=0, valid=planted(200, seed=1), best_step=1)
    monkeypatch.setattr(plugin, "MOST_CELLS", train.X.size * len(train.Y[0]) if most is None else most)
    prepared = SPEC.prepare(train, context)
    SPEC.fit(prepared, {**SPEC.defaults, "max_bin": 16}, context)

    assert sorted(prepared[1].cache) == kept
