"""Rows of a later part that are nearly rows of an earlier one.

Each row is compared with each, exactly: memory is bounded by blocks, time by samples of ``MOST_LATER``
and ``MOST_EARLIER`` rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.dataset import Matrix, Split, blocks, is_sparse

NEAR = 0.999
"""The similarity from which on two rows are near repeats of each other, see ``near_repeats``."""
MOST_LATER = 2_000
MOST_EARLIER = 20_000
CELLS_PER_BLOCK = 2**22
"""Cells that are standardised together: 32 MiB."""
ROWS_PER_PRODUCT = 1024
"""Rows on either side of a product of two blocks."""
DENSE_FROM = 0.05
"""The share of non-zero cells from which on CSR rows are compared faster as dense ones."""
LARGEST_SCORE = 1e9
"""Standardised values are cut off here, so that their squares stay in float32."""


@dataclass(frozen=True, kw_only=True)
class NearRepeats:
    """Rows of a part that are nearly, but not exactly, rows of an earlier part.

    Attributes:
        part: Where the rows are.
        rows: How many of those looked at.
        looked_at: Rows of ``part`` that were compared, of ``of``.
        of: Rows of ``part``.
        against: Rows of the earlier parts that they were compared with, of ``of_earlier``.
        of_earlier: Rows of all earlier parts.
    """

    part: str
    rows: int
    looked_at: int
    of: int
    against: int
    of_earlier: int


def near_repeats(
    parts: Mapping[str, Split], copied: Mapping[str, NDArray[np.bool_]], varying: NDArray[np.bool_]
) -> tuple[NearRepeats, ...]:
    """Rows of later parts whose similarity to a row of an earlier part is at least ``NEAR``.

    The similarity of rows a and b is 2 a·b / (a·a + b·b), with features standardised by train's mean and
    deviation. It is the cosine for rows of the same length, and falls with the difference in length. Two
    rows at ``NEAR`` lie 4.5 % of their length apart. In few dimensions rows come that near by chance.
    Features that are constant in train have no scale and are left out: rows may differ there.

    Compared are at most ``MOST_LATER`` rows of the part with at most ``MOST_EARLIER`` rows of all earlier
    parts together, evenly spaced; each with each. Rows that stand in an earlier part exactly do not count.

    Args:
        parts: By name, in their order; train first.
        copied: By part, of shape (n,): the rows that do not count.
        varying: Of shape (d,): the features that are not constant in train; only these are looked at.
    """
    mean, scale = _moments(parts["train"].X, varying)
    found: list[NearRepeats] = []
    earlier: list[Matrix] = []
    for part, split in parts.items():
        if earlier:
            later = _spaced(len(split), MOST_LATER)
            known = _spaced_rows(earlier, MOST_EARLIER)
            near = np.zeros(len(later), dtype=bool)
            for rows, block in _row_blocks(split.X, later):
                for X, numbers in known:
                    for _, other in _row_blocks(X, numbers):
                        near[rows] |= _any_near(block, other, mean, scale)
            near &= ~copied[part][later]
            found.append(
                NearRepeats(
                    part=part,
                    rows=int(near.sum()),
                    looked_at=len(later),
                    of=len(split),
                    against=sum(len(numbers) for _, numbers in known),
                    of_earlier=sum(X.shape[0] for X in earlier),
                )
            )
        earlier.append(split.X)
    return tuple(found)


def _any_near(a: Any, b: Any, mean: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each row of ``a`` (n, d) has a near repeat in ``b`` (m, d); both dense or both CSR, of shape (n,)."""
    if is_sparse(a):
        # Standardised rows would be dense: (x - m)·(y - m) is computed from x·y, x·m and y·m.
        a, b = (sp.csr_matrix(X.astype(np.float64).multiply(scale)) for X in (a, b))
        shift = mean * scale
        a_m, b_m, m_m = a @ shift, b @ shift, shift @ shift
        products = (a @ b.T).toarray() - a_m[:, None] - b_m + m_m
        a_a, b_b = (np.asarray(X.multiply(X).sum(axis=1)).ravel() - 2 * x_m + m_m for X, x_m in ((a, a_m), (b, b_m)))
    else:
        a, b = (_standardised(X, mean, scale) for X in (a, b))
        products = a @ b.T
        a_a, b_b = (np.einsum("ij,ij->i", X, X, dtype=np.float64) for X in (a, b))
    lengths = a_a[:, None] + b_b
    return np.asarray(((2 * products >= NEAR * lengths) & (lengths > 0)).any(axis=1))


def _standardised(X: NDArray[np.float32], mean: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float32]:
    scores = (X - mean) * scale
    return np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE, out=scores).astype(np.float32)


def _row_blocks(X: Matrix, numbers: NDArray[np.intp]) -> Iterator[tuple[slice, Matrix]]:
    """The rows ``numbers`` of ``X`` in blocks, each with its place in ``numbers``."""
    d = X.shape[1]
    stays_sparse = is_sparse(X) and X.nnz < DENSE_FROM * X.shape[0] * d
    size = ROWS_PER_PRODUCT if stays_sparse else max(1, min(ROWS_PER_PRODUCT, CELLS_PER_BLOCK // d))
    for rows in blocks(len(numbers), size):
        block = X[numbers[rows]]
        yield rows, block.toarray() if is_sparse(block) and not stays_sparse else block


def _spaced(n: int, most: int) -> NDArray[np.intp]:
    """All of ``range(n)``, or ``most`` of it, evenly spaced."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.intp)


def _spaced_rows(matrices: Sequence[Matrix], most: int) -> list[tuple[Matrix, NDArray[np.intp]]]:
    """Row numbers of each matrix, so that all together are ``_spaced`` over all rows."""
    ends = np.cumsum([X.shape[0] for X in matrices])
    chosen = _spaced(int(ends[-1]), most)
    starts = ends - [X.shape[0] for X in matrices]
    return [
        (X, chosen[(start <= chosen) & (chosen < end)] - start)
        for X, start, end in zip(matrices, starts, ends, strict=True)
    ]


def _moments(X: Matrix, varying: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean of each feature, and one over its standard deviation (0 where it does not vary); shape (d,)."""
    n, d = X.shape
    mean, square = np.zeros(d), np.zeros(d)
    for block in cell_blocks(n, d):
        mean += np.asarray(X[block].sum(axis=0, dtype=np.float64)).ravel() / n
    for block in cell_blocks(n, d):
        if is_sparse(X):
            part = X[block]
            away = np.square(part.data - mean[part.indices]) - np.square(mean[part.indices])
            # Each cell that is not stored is a zero, which lies at a distance of the mean.
            square += np.bincount(part.indices, away, minlength=d) + part.shape[0] * np.square(mean)
        else:
            square += np.square(X[block] - mean).sum(axis=0)
    deviation = np.sqrt(np.maximum(square, 0) / n)
    usable = varying & (deviation > 0)
    return mean, np.divide(1.0, deviation, out=np.zeros(d), where=usable)


def cell_blocks(n: int, width: int) -> Iterator[slice]:
    """Slices of ``range(n)`` with at most ``CELLS_PER_BLOCK`` cells in rows of ``width``."""
    return blocks(n, max(1, CELLS_PER_BLOCK // width))
