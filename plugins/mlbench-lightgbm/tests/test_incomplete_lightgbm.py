"""LightGBM where labels are unknown or values are missing."""

from dataclasses import replace

import mlbench_lightgbm as plugin
import numpy as np
import pytest
import scipy.sparse as sp

from mlbench import FitContext, Split
from mlbench.metrics import average_precision
from mlbench.testing import as_sparse, planted
from mlbench.toolkit import boosting

SPEC = next(iter(plugin.mlbench_models()))
FORMS = pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])


def trained(train, valid=None, **context):
    context = FitContext(seed=0, valid=valid, **context)
    return SPEC.fit(SPEC.prepare(train, context), dict(SPEC.defaults), context)


def masked(split, seed):
    """Labels that are mostly unknown where another feature is positive."""
    k = split.Y.shape[1]
    known = np.random.default_rng(seed).random(split.Y.shape) < np.where(split.X[:, -k:] > 0, 0.1, 0.9)
    return replace(split, known=known)


@FORMS
@pytest.mark.parametrize("limit", ["none", "rows", "features"])
def test_labels_are_learnt_from_the_rows_in_which_they_are_known(monkeypatch, form, limit):
    """Labels are found better than where unknown is taken for 0, for all ways to share rows and features out."""
    monkeypatch.setattr(boosting, {"none": "MAX_ROUNDS", "rows": "MAX_ROWS", "features": "MAX_FEATURES"}[limit], 200)
    if limit == "features":
        monkeypatch.setattr(boosting, "MAX_FEATURES", 8)
        monkeypatch.setattr(boosting, "MIN_FEATURES", 4)
    train, valid, test = form(masked(planted(900), 0)), form(masked(planted(400, seed=1), 1)), planted(900, seed=2)
    hidden = [Split(X=split.X, Y=split.Y) for split in (train, valid)]
    X = form(test).X
    found = average_precision(test.Y, trained(train, valid)(X), "macro")
    without = average_precision(test.Y, trained(*hidden)(X), "macro")

    assert found > without + 0.05


@FORMS
def test_a_label_is_boosted_on_its_known_rows_alone(form):
    """With one label, scores are those of a training set of these rows, byte by byte."""
    train, X = planted(k=1), form(planted(seed=1)).X
    known = np.random.default_rng(0).random(300) < 0.5
    scores = trained(form(replace(train, known=known[:, None])), best_step=10)(X)
    alone = trained(form(Split(X=train.X[known], Y=train.Y[known])), best_step=10)(X)

    np.testing.assert_array_equal(scores, alone)


@FORMS
def test_a_mask_that_hides_nothing_changes_no_byte(form):
    """Scores are those of a training set without a mask."""
    train = form(planted())
    whole = Split.unchecked(**vars(train) | {"known": np.ones(train.Y.shape, dtype=bool)})

    assert trained(whole, whole)(train.X).tobytes() == trained(train, train)(train.X).tobytes()


def gaps(n, seed):
    """Counts, of which some are missing, and three labels: missing, 0, and more than 0."""
    rng = np.random.default_rng(seed)
    X = (rng.poisson(0.7, (n, 6)) * rng.uniform(1, 2, (n, 6))).astype(np.float32)
    X[rng.random(n) < 0.3, 0] = np.nan
    return Split(X=X, Y=np.stack([np.isnan(X[:, 0]), X[:, 0] == 0, X[:, 0] > 0], axis=1))


@FORMS
@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize("limit", [None, 150])
def test_missing_values_zeros_and_others_are_told_apart(monkeypatch, form, validated, limit):
    """Also in sparse rows, where zeros are not stored and missing values are; one row is scored as many are."""
    if limit:
        monkeypatch.setattr(boosting, "MAX_ROWS", limit)
    train, valid, test = (form(gaps(n, seed)) for n, seed in ((400, 0), (200, 1), (300, 2)))
    score = trained(train, valid if validated else None)

    assert (average_precision(test.Y, score(test.X), None) > 0.95).all()
    np.testing.assert_allclose(
        np.concatenate([score(test.X[i : i + 1]) for i in range(20)]), score(test.X[:20]), rtol=1e-6
    )


def test_values_that_only_rows_to_score_lack_are_scored():
    """Nothing is known of what they mean: in sparse rows such a value counts as 0."""
    train = planted()
    train.X[:] = np.maximum(train.X, 0)
    score = trained(as_sparse(train), best_step=10)
    X = train.X[:50].copy()
    X[:, 2] = 0
    zeros = score(sp.csr_matrix(X))
    X[:, 2] = np.nan

    np.testing.assert_array_equal(score(sp.csr_matrix(X)), zeros)
