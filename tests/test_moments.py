"""Means and spreads of features."""

import numpy as np
import pytest
import scipy.sparse as sp

from mlbench.toolkit.moments import ROWS_AT_ONCE, moments, moments_where_known


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("n", [1, ROWS_AT_ONCE, 1000])
def test_moments_are_numpys(n, form):
    """One pass over blocks finds what two passes do, also where the spread is small and the rows are in order."""
    rng = np.random.default_rng(0)
    X = np.sort(rng.standard_normal((n, 5)), axis=0).astype(np.float32)
    X[:, 1] = X[:, 1] * 1e-3 + 1000
    X[:, 2] = 7
    X[:, 3] *= rng.random(n) < 0.5
    mean, inverse = moments(form(X))
    np.testing.assert_allclose(mean, X.mean(axis=0, dtype=np.float64), rtol=1e-12, atol=1e-12)
    spread = X.std(axis=0, dtype=np.float64)
    live = (X[0] != X).any(axis=0)
    assert not live[2]
    np.testing.assert_allclose(inverse[live] * spread[live], 1, rtol=1e-6)
    assert (inverse[~live] == 0).all()


@pytest.mark.parametrize("place", [1, -1])
def test_a_feature_that_varies_in_one_block_is_not_constant(place):
    """A single other value counts, in whichever block it is."""
    X = np.full((3 * ROWS_AT_ONCE, 2), 7, dtype=np.float32)
    X[place, 0] = 8
    _, inverse = moments(X)
    np.testing.assert_allclose(inverse, [1 / X[:, 0].std(dtype=np.float64), 0], rtol=1e-6)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
def test_missing_values_are_left_out(form):
    """Mean and spread are those of the values that are there; a feature without any has none of either."""
    rng = np.random.default_rng(0)
    X = rng.poisson(1.0, (600, 5)).astype(np.float32)
    X[rng.random(X.shape) < 0.3] = np.nan
    X[:, 2] = np.where(np.isnan(X[:, 2]), np.nan, 7)
    X[:, 3] = np.nan
    X[:, 4] = np.nan_to_num(X[:, 4])
    mean, inverse = moments(form(X))
    np.testing.assert_allclose(mean[[0, 1, 2, 4]], np.nanmean(X[:, [0, 1, 2, 4]], axis=0, dtype=np.float64))
    np.testing.assert_allclose(inverse[[0, 1, 4]], 1 / np.nanstd(X[:, [0, 1, 4]], axis=0, dtype=np.float64), rtol=1e-6)
    assert mean[3] == inverse[2] == inverse[3] == 0


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
def test_moments_where_a_label_is_known_are_those_of_its_rows(form):
    """Each label has its own; a feature that varies in other rows alone is constant."""
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((9000, 4)) * (rng.random((9000, 4)) < 0.5)).astype(np.float32)
    known = rng.random((9000, 3)) < [0.1, 0.5, 1.0]
    X[:, 3] = np.where(known[:, 0], np.float32(0.1), X[:, 3])
    mean, spread = moments_where_known(form(X), known)
    for label in range(3):
        mine = X[known[:, label]].astype(np.float64)
        np.testing.assert_allclose(mean[label], mine.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(spread[label], mine.std(axis=0) * (np.ptp(mine, axis=0) > 0), rtol=1e-9)
    assert spread[0, 3] == 0 < spread[1, 3]
