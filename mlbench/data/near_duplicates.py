"""Near-duplicate rows across splits.

Pairs of rows are compared exhaustively and exactly. Blocks bound the memory; sampling at most
``MOST_LATER`` and ``MOST_EARLIER`` rows bounds the time.
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
"""The similarity at or above which two rows are near-duplicates; see ``near_repeats``."""
MOST_LATER = 2_000
MOST_EARLIER = 20_000
CELLS_PER_BLOCK = 2**22
"""How many cells are standardised at a time: 32 MiB."""
ROWS_PER_PRODUCT = 1024
"""How many rows each factor of a matrix product has at most."""
DENSE_FROM = 0.05
"""The fraction of non-zero cells at or above which CSR rows are compared faster as dense rows."""
LARGEST_SCORE = 1e9
"""Standardised values are clipped to this magnitude, so that their squares fit into float32."""


@dataclass(frozen=True, kw_only=True)
class NearRepeats:
    """The number of rows of a split that are near-duplicates, but not copies, of rows in earlier splits.

    Attributes:
        part: The name of the split.
        rows: The number of near-duplicates among the rows that were compared.
        looked_at: How many rows of the split were compared.
        of: How many rows the split has.
        against: How many rows of earlier splits they were compared with.
        of_earlier: How many rows the earlier splits have together.
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
    """Count the rows of each later split whose similarity to a row of an earlier split is at least ``NEAR``.

    The similarity of rows a and b is 2 a·b / (a·a + b·b), where features are standardised with the mean and
    standard deviation of train. For rows of equal norm it is the cosine; otherwise it decreases with the
    difference in norm. Two rows at ``NEAR`` are 4.5 % of their norm apart. In few dimensions, rows can be
    that close by chance. Features that are constant in train have no scale and are ignored.

    At most ``MOST_LATER`` rows of the split are compared with at most ``MOST_EARLIER`` rows of all earlier
    splits together, both evenly spaced. Exact copies of rows in an earlier split do not count.

    Args:
        parts: The splits by name, in order, train first.
        copied: By split name, a mask of shape (n,) of the rows that do not count.
        varying: A mask of shape (d,) of the features that are not constant in train; the others are ignored.
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
    """Return, for each row of ``a`` (n, d), whether ``b`` (m, d) has a near-duplicate; both dense or both CSR."""
    if is_sparse(a):
        # Standardised rows would be dense, so (x - m)·(y - m) is computed from x·y, x·m and y·m.
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
    """Yield the rows ``numbers`` of ``X`` in blocks, each with its slice of ``numbers``."""
    d = X.shape[1]
    stays_sparse = is_sparse(X) and X.nnz < DENSE_FROM * X.shape[0] * d
    size = ROWS_PER_PRODUCT if stays_sparse else max(1, min(ROWS_PER_PRODUCT, CELLS_PER_BLOCK // d))
    for rows in blocks(len(numbers), size):
        block = X[numbers[rows]]
        yield rows, block.toarray() if is_sparse(block) and not stays_sparse else block


def _spaced(n: int, most: int) -> NDArray[np.intp]:
    """Return ``range(n)``, or ``most`` evenly spaced elements of it."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.intp)


def _spaced_rows(matrices: Sequence[Matrix], most: int) -> list[tuple[Matrix, NDArray[np.intp]]]:
    """Choose rows of each matrix so that together they are evenly spaced over all rows."""
    ends = np.cumsum([X.shape[0] for X in matrices])
    chosen = _spaced(int(ends[-1]), most)
    starts = ends - [X.shape[0] for X in matrices]
    return [
        (X, chosen[(start <= chosen) & (chosen < end)] - start)
        for X, start, end in zip(matrices, starts, ends, strict=True)
    ]


def _moments(X: Matrix, varying: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the inverse standard deviation (0 where constant) of each feature, of shape (d,)."""
    n, d = X.shape
    mean, square = np.zeros(d), np.zeros(d)
    for block in cell_blocks(n, d):
        mean += np.asarray(X[block].sum(axis=0, dtype=np.float64)).ravel() / n
    for block in cell_blocks(n, d):
        if is_sparse(X):
            rows = X[block]
            away = np.square(rows.data - mean[rows.indices]) - np.square(mean[rows.indices])
            # A cell that is not stored is 0, so its deviation is the mean.
            square += np.bincount(rows.indices, away, minlength=d) + rows.shape[0] * np.square(mean)
        else:
            square += np.square(X[block] - mean).sum(axis=0)
    deviation = np.sqrt(np.maximum(square, 0) / n)
    usable = varying & (deviation > 0)
    return mean, np.divide(1.0, deviation, out=np.zeros(d), where=usable)


def cell_blocks(n: int, width: int) -> Iterator[slice]:
    """Yield slices of ``range(n)`` that cover at most ``CELLS_PER_BLOCK`` cells in rows of ``width`` cells."""
    return blocks(n, max(1, CELLS_PER_BLOCK // width))
