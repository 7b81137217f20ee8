"""Conjugate gradients: each column by itself, however long the others take."""

from __future__ import annotations

import numpy as np
import pytest

from mlbench.toolkit.conjugate_gradients import conjugate_gradients


def systems(n: int = 5, d: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices (n, d, d) that are unlike in their condition, right-hand sides and penalties."""
    rng = np.random.default_rng(0)
    roots = rng.standard_normal((n, d, d)) * np.geomspace(0.1, 3, n)[:, None, None]
    return roots @ roots.transpose(0, 2, 1), rng.standard_normal((d, n)), np.geomspace(0.1, 10, n)


@pytest.mark.parametrize("zero", [None, 2])
def test_each_column_has_its_own_matrix(zero: int | None) -> None:
    """Solutions are those of each system alone; a right-hand side of zeros has one of zeros."""
    A, right, penalty = systems()
    if zero is not None:
        right[:, zero] = 0
    before = right.copy()
    calls = []

    def product(P: np.ndarray, which: np.ndarray) -> np.ndarray:
        calls.append(len(which))
        return np.stack([A[j] @ p for j, p in zip(which, P.T, strict=True)], axis=1)

    V = conjugate_gradients(right, product, penalty, 1e-10, 500, lambda: False)

    for j in range(5):
        np.testing.assert_allclose(V[:, j], np.linalg.solve(A[j] + penalty[j] * np.eye(30), right[:, j]), atol=1e-7)
    assert calls[-1] < calls[0] == (5 if zero is None else 4)
    np.testing.assert_array_equal(right, before)


def test_it_ends_when_the_time_is_over_and_after_so_many_products() -> None:
    """What there is by then is kept."""
    A, right, penalty = systems(1)
    for most, times in ((3, [False] * 9), (9, [False, False, False, True])):
        left = iter(times)
        V = conjugate_gradients(right, lambda P, which: A[0] @ P, penalty, 1e-10, most, lambda left=left: next(left))
        np.testing.assert_array_equal(
            V, conjugate_gradients(right, lambda P, which: A[0] @ P, penalty, 1e-10, 3, lambda: False)
        )
        assert np.abs(V).max() > 0
