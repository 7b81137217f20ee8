"""LightGBM's trees are those that LightGBM grows by itself of the same rows, weights and seeds."""

from dataclasses import replace

import mlbench_lightgbm as plugin
import numpy as np
import pytest
import scipy.sparse as sp

from mlbench import FitContext, Split
from mlbench.toolkit import boosting
from mlbench.toolkit.boosting import plan

SPEC = next(iter(plugin.mlbench_models()))
FORMS = pytest.mark.parametrize("form", [lambda s: s, lambda s: replace(s, X=sp.csr_matrix(s.X))], ids=["dense", "csr"])


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
    """Each label by LightGBM's own logistic loss, weighted, from the log-odds of its rows."""
    import lightgbm

    scores = np.tile(train.Y.mean(axis=0), (len(test), 1))
    for number, part in enumerate(parts):
        (label,) = part.labels
        rows = slice(None) if part.rows is None else part.rows
        y, weight = train.Y[rows, label].astype(float), part.weight
        share = np.average(y, weights=weight)
        start = np.log(share / (1 - share))
        settings = {
            **SPEC.defaults,
            **params,
            "objective": "binary",
            "boost_from_average": False,
            "lambda_l2": 1.0,
            "max_bin": 63,
            "feature_pre_filter": False,
            "force_col_wise": True,
            "deterministic": True,
            "num_threads": 1,
            "verbosity": -1,
            "seed": seed + number,
            "extra_trees": part.features is None and part.rows is None,
        }
        if not settings["extra_trees"] and not isinstance(train.X, np.ndarray):
            settings |= {"feature_fraction": 1.0, "feature_fraction_bynode": settings["feature_fraction"]}
        features = slice(None) if part.features is None else part.features
        X = train.X[rows][:, features]
        binning = {**settings, "seed": seed}
        data = lightgbm.Dataset(X, label=y, weight=weight, init_score=np.full(len(y), start), params=binning)
        booster = lightgbm.Booster(settings, data.construct())
        booster.reset_parameter({"objective": "binary"})  # a loss of one's own resets it, and draws begin anew
        for _ in range(rounds):
            booster.update()
        margins = booster.predict(test.X[:, features], raw_score=True)
        scores[:, label] = 1 / (1 + np.exp(-(margins + start)))
    return scores


@FORMS
@pytest.mark.parametrize("limit", ["rows", "features", "none"])
@pytest.mark.parametrize("params", [{}, {"num_leaves": 5, "min_data_in_leaf": 20, "feature_fraction": 1.0}])
def test_a_label_alone_is_boosted_as_lightgbm_does_it(monkeypatch, form, limit, params):
    """Gradient and curvature are weighted, it starts at the weighted share, and each part has a seed of its own."""
    if limit == "rows":
        monkeypatch.setattr(boosting, "MAX_ROWS", 150)
    if limit == "features":
        monkeypatch.setattr(boosting, "MAX_FEATURES", 8)
    train, test = form(planted(2000 if limit == "rows" else 400)), form(planted(seed=1))
    parts = plan(train, FitContext(seed=5), screen_sparse=True).parts
    assert all((part.weight is not None) == (limit == "rows") for part in parts)
    assert all((part.features is not None) == (limit == "features") for part in parts)
    expected = by_itself(train, test, parts, 12, 5, **params)

    np.testing.assert_allclose(trained(train, params=params, best_step=12, seed=5)(test.X), expected, atol=1e-4)


def test_many_labels_of_one_booster_are_boosted_each_by_itself():
    """Without anything drawn but thresholds, a part's labels are those of boosters with a label each, about."""
    train = planted(600)
    train = replace(train, Y=np.repeat(train.Y, 5, axis=1))
    scores = trained(train, params={"feature_fraction": 1.0, "num_leaves": 40}, best_step=40)(train.X)

    for label in range(4):
        same = scores[:, 5 * label : 5 * label + 5]
        assert np.corrcoef(same.T).min() > 0.98
        assert np.abs(same.mean(axis=0) - train.Y[:, 5 * label].mean()).max() < 0.02


@FORMS
def test_parts_and_jobs_draw_differently(form):
    """Two parts of the same label draw other features, and so does another seed; the same seed draws the same."""
    train = planted()
    train = form(replace(train, Y=np.repeat(train.Y[:, :1], 2, axis=1)))
    scores = trained(train, best_step=5)(train.X)

    assert not np.allclose(scores[:, 0], scores[:, 1], atol=1e-3)
    assert not np.allclose(scores, trained(train, best_step=5, seed=3)(train.X), atol=1e-3)
    np.testing.assert_array_equal(scores, trained(train, best_step=5)(train.X))


def test_a_seed_and_the_part_beyond_the_librarys_are_folded():
    """The number of a part is added to the seed; what comes out too large begins at 0 again."""
    train = planted()
    train = replace(train, Y=np.repeat(train.Y[:, :1], 3, axis=1))
    scores = trained(train, best_step=5, seed=2**31 - 1)(train.X)

    np.testing.assert_array_equal(scores[:, 1:], trained(train, best_step=5, seed=0)(train.X)[:, :2])


@pytest.mark.parametrize("best", [1, 2, 5, 20])
def test_the_first_of_equally_good_rounds_is_scored(best):
    """The model is that of the best round, and of the first where others are as good."""
    train, valid, seen = planted(), planted(200, seed=1), {}

    def report(step, scores):
        seen[step] = scores.copy()
        return min(step, best) / 100

    scorer = trained(train, valid, on_report=report)
    assert max(seen) >= best + 20
    np.testing.assert_allclose(scorer(valid.X), seen[best], atol=1e-12)
    np.testing.assert_allclose(scorer(valid.X), trained(train, best_step=best)(valid.X), atol=1e-12)


def test_without_validation_there_are_sixty_rounds():
    """Where no round can be told to be better, and where no rows are there to tell it."""
    train, valid, seen = planted(), planted(200, seed=1), {}
    sixty = trained(train, best_step=60)(valid.X)
    np.testing.assert_array_equal(trained(train)(valid.X), sixty)
    valid.Y[:] = 0
    scorer = trained(train, valid, on_report=lambda step, scores: seen.__setitem__(step, scores.copy()))

    assert max(seen) == 60
    np.testing.assert_allclose(scorer(valid.X), sixty, atol=1e-12)
