"""Logistic regression where labels are unknown: each is fitted on the rows in which it is known."""

from dataclasses import replace

import mlbench_logistic as plugin
import numpy as np
import pytest

from mlbench import FitContext, Split
from mlbench.testing import as_sparse

SPEC = next(iter(plugin.mlbench_models()))
FORMS = pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])


def masked(n=400, d=20, seed=0):
    """Features of unlike spread, one constant where label 0 is known, and labels of which more or fewer are unknown.

    Label 2 is known nowhere, of 3 only negatives, and 6 in all rows.
    """
    rng = np.random.default_rng(seed)
    X = (rng.poisson(0.9, (n, d)) * rng.uniform(0.5, 1.5, (n, d)) * np.geomspace(0.2, 5, d)).astype(np.float32)
    Y = (X[:, 8:15] / X[:, 8:15].std(axis=0) + rng.standard_normal((n, 7)) > 1.2).astype(np.uint8)
    known = rng.random((n, 7)) < np.where(
        X[:, [5]] > 1, [0.3, 0.6, 0, 0.5, 0.5, 0.9, 1], [0.7, 0.2, 0, 0.5, 0.5, 0.9, 1]
    )
    known[:, 3] &= Y[:, 3] == 0
    X[:, 3] = np.where(known[:, 0], 2, X[:, 3])
    return Split(X=X, Y=Y, known=known)


def trained(train, C=0.02, scaling="pareto"):
    context = FitContext(seed=0)
    return SPEC.fit(SPEC.prepare(train, context), {"C": C, "scaling": scaling}, context)


@FORMS
@pytest.mark.parametrize("axes", [True, False])
@pytest.mark.parametrize("scaling", ["standard", "pareto", "none"])
def test_a_label_is_fitted_on_its_known_rows_alone(monkeypatch, form, axes, scaling):
    """Scores are those of a training set of these rows; a label without both values there scores its share."""
    monkeypatch.setattr(plugin, "TOLERANCE", 1e-6)
    if not axes:
        monkeypatch.setattr(plugin, "MOST_AXES", 0)
    train, test = masked(), form(replace(masked(80, seed=1), known=None))
    for C in (1e-3, 1.0):
        scores = trained(form(train), C, scaling)(test.X)
        for label in (0, 1, 4, 5, 6):
            rows = train.known[:, label]
            alone = form(Split(X=train.X[rows], Y=train.Y[rows][:, [label]]))
            np.testing.assert_allclose(scores[:, [label]], trained(alone, C, scaling)(test.X), atol=2e-4)
        assert (scores[:, 2:4] == 0).all()


def test_labels_that_are_solved_in_groups_keep_their_rows(monkeypatch):
    """Masks, penalties and scales go with the labels into their group, and with those that have not converged."""
    train = masked(d=30)
    train = Split(
        X=train.X, Y=np.tile(train.Y, 6), known=np.concatenate([np.roll(train.known, i, 1) for i in range(6)], 1)
    )
    together = trained(train, 0.3)(train.X)
    monkeypatch.setattr(plugin, "CELLS_AT_ONCE", 1)

    np.testing.assert_allclose(trained(train, 0.3)(train.X), together, atol=2e-3)


@FORMS
def test_a_mask_that_hides_nothing_changes_no_byte(form):
    """Scores are those of a training set without a mask."""
    train = form(replace(masked(), known=None))
    whole = Split.unchecked(**vars(train) | {"known": np.ones(train.Y.shape, dtype=bool)})

    assert trained(whole)(train.X).tobytes() == trained(train)(train.X).tobytes()


def test_a_label_that_is_known_in_few_rows_is_solved_as_far():
    """Slopes are of the mean over the rows in which the label is known, not over all."""
    train = masked(6000)
    train.known[:, 0] = np.arange(6000) < 60
    rows = train.known[:, 0]
    alone = trained(Split(X=train.X[rows], Y=train.Y[rows][:, [0]]), 1.0)(train.X)

    np.testing.assert_allclose(trained(train, 1.0)(train.X)[:, [0]], alone, atol=1e-3)
