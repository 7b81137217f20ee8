"""Means and spreads of features."""

import numpy as np
import pytest
import scipy.sparse as sp

from mlbench.toolkit.moments import ROWS_AT_ONCE, moments


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
