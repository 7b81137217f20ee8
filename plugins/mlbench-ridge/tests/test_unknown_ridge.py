"""Ridge where labels are unknown: each is fitted on the rows in which it is known, whichever way it is solved."""

import time
from dataclasses import replace

import mlbench_ridge as plugin
import numpy as np
import pytest

from mlbench import FitContext, Split
from mlbench.testing import as_sparse

SPEC = next(iter(plugin.mlbench_models()))
FORMS = pytest.mark.parametrize("form", [lambda s: s, as_sparse], ids=["dense", "sparse"])


def masked(n=300, d=30, seed=0):
    """Features of unlike spread, one constant where label 0 is known, and labels of which more or fewer are unknown.

    Labels 0 and 1 are known in the same rows, 2 nowhere, of 3 only negatives, and 7 in all rows.
    """
    rng = np.random.default_rng(seed)
    X = (rng.poisson(0.9, (n, d)) * rng.uniform(0.5, 1.5, (n, d)) * np.geomspace(0.2, 5, d)).astype(np.float32)
    Y = (X[:, 8:16] / X[:, 8:16].std(axis=0) + rng.standard_normal((n, 8)) > 1.2).astype(np.uint8)
    known = rng.random((n, 8)) < [0.4, 0.4, 0, 0.5, 0.5, 0.7, 0.9, 1]
    known[:, 1], known[:, 3] = known[:, 0], known[:, 3] & (Y[:, 3] == 0)
    X[:, 3] = np.where(known[:, 0], 2, X[:, 3])
    return Split(X=X, Y=Y, known=known)


def trained(train, shrinkage=0.01, scaling="pareto", **context):
    context = FitContext(seed=0, **context)
    return SPEC.fit(SPEC.prepare(train, context), {"shrinkage": shrinkage, "scaling": scaling}, context)


@FORMS
@pytest.mark.parametrize("kept", [0, 1 << 31], ids=["iterated", "decomposed"])
@pytest.mark.parametrize(("n", "d"), [(300, 30), (50, 60)])
@pytest.mark.parametrize("scaling", ["standard", "pareto", "none"])
def test_a_label_is_fitted_on_its_known_rows_alone(monkeypatch, form, kept, n, d, scaling):
    """Scores are those of a training set of these rows; a label without both values there scores its share."""
    monkeypatch.setattr(plugin, "MOST_KEPT", kept)
    train, test = masked(n, d), form(replace(masked(80, d, seed=1), known=None))
    for shrinkage in (1e-4, 0.1):
        scores = trained(form(train), shrinkage, scaling)(test.X)
        for label in (0, 1, 4, 5, 6, 7):
            rows = train.known[:, label]
            alone = form(Split(X=train.X[rows], Y=train.Y[rows][:, [label]]))
            np.testing.assert_allclose(
                scores[:, [label]], trained(alone, shrinkage, scaling)(test.X), atol=5e-4 if kept == 0 else 1e-6
            )
        assert (scores[:, 2:4] == 0).all()


@pytest.mark.parametrize(
    ("most", "expected"), [(4 * 8 * (6 * 30**2), plugin.Groups), (4 * 8 * (5 * 30**2), plugin.Masked)]
)
def test_decompositions_are_made_as_memory_allows(monkeypatch, most, expected):
    """One for each set of known rows, with a Gram matrix and a basis for each scaling."""
    monkeypatch.setattr(plugin, "MOST_KEPT", most)
    train = masked()
    train.known[:, 0] &= np.arange(300) != np.flatnonzero(train.known[:, 0])[0]  # a sixth set
    prepared = SPEC.prepare(train, FitContext(seed=0))

    assert type(prepared) is expected


def test_labels_that_are_known_in_the_same_rows_share_a_decomposition(monkeypatch):
    """Rows of which nothing is known cost nothing: one decomposition, as if they were not there."""
    calls = []
    eigh = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda A: calls.append(A.shape) or eigh(A))
    monkeypatch.setattr(plugin, "MOST_KEPT", 0)
    train = masked()
    train = Split(X=train.X, Y=train.Y, known=np.repeat(np.arange(300)[:, None] % 3 > 0, 8, axis=1))
    rows = train.known[:, 0]
    scores = trained(train)(train.X)

    assert calls == [(30, 30)]
    np.testing.assert_array_equal(scores, trained(Split(X=train.X[rows], Y=train.Y[rows]))(train.X))


@FORMS
@pytest.mark.parametrize("n", [300, 25])
def test_a_mask_that_hides_nothing_changes_no_byte(form, n):
    """Scores are those of a training set without a mask."""
    train = form(replace(masked(n), known=None))
    whole = Split.unchecked(**vars(train) | {"known": np.ones(train.Y.shape, dtype=bool)})

    assert trained(whole)(train.X).tobytes() == trained(train)(train.X).tobytes()


def test_iteration_is_cut_short_when_the_time_is_over(monkeypatch):
    """What there is by then is finite and shrunk."""
    monkeypatch.setattr(plugin, "MOST_KEPT", 0)
    train = masked()
    cut = trained(train, deadline=time.monotonic())(train.X)

    live = [0, 1, 4, 5, 6, 7]
    shares = [train.Y[train.known[:, label], label].mean() for label in live]
    np.testing.assert_allclose(cut[:, live], np.tile(shares, (300, 1)), rtol=1e-6)


def test_means_far_from_zero(monkeypatch):
    """Iteration over rows whose mean is large finds what a decomposition does."""
    train = masked()
    train = replace(train, X=train.X + np.float32(1000))
    exact = trained(train)(train.X)
    monkeypatch.setattr(plugin, "MOST_KEPT", 0)

    np.testing.assert_allclose(trained(train)(train.X), exact, atol=2e-3)
