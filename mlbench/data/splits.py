"""Stratified, group-aware splits of multi-label data.

Iterative stratification after Sechidis, Tsoumakas and Vlahavas, "On the Stratification of
Multi-Label Data" (ECML PKDD 2011), with one change: the unit that is assigned is a group (a recording,
a patient), not a row, so no group is ever divided between splits. Without groups, each row is a unit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlbench.errors import DataError


def stratified_parts(
    Y: NDArray[np.uint8],
    shares: Sequence[float],
    *,
    groups: NDArray[np.generic] | None = None,
    seed: int,
) -> list[NDArray[np.intp]]:
    """Split the rows of ``Y`` into ``len(shares)`` parts, with each label in proportion.

    Args:
        Y: Labels of shape (n, k), 0 or 1.
        shares: The fraction of the rows for each part; they sum to 1.
        groups: One key per row, shape (n,); rows of the same group stay together.
        seed: The same seed gives the same parts.

    Returns:
        The sorted row indices of each part; together they are ``range(n)``.

    Raises:
        DataError: There are fewer groups (or rows) than parts.
    """
    n = len(Y)
    keys = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_groups = int(keys.max()) + 1 if n else 0
    if n_groups < len(shares):
        unit = "rows" if groups is None else "groups"
        raise DataError(
            f"cannot split {n_groups} {unit} into {len(shares)} parts: there must be at least one of them per part"
        )

    sizes = np.bincount(keys, minlength=n_groups).astype(float)
    counts = np.zeros((n_groups, Y.shape[1]))
    np.add.at(counts, keys, Y)
    order = np.random.default_rng(seed).permutation(n_groups)
    part = _deal(counts[order], sizes[order], np.asarray(shares, dtype=float))
    part_of_group = np.empty(n_groups, dtype=np.intp)
    part_of_group[order] = part
    part_of_row = part_of_group[keys]
    return [np.flatnonzero(part_of_row == p) for p in range(len(shares))]


def _deal(counts: NDArray[np.float64], sizes: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Assign a part to each group, given its positives ``counts`` (groups, k) and its row counts ``sizes``."""
    part = np.full(len(counts), -1, dtype=np.intp)
    left = counts.sum(0)
    wanted = shares[:, None] * left
    room = shares * sizes.sum()

    def give(group: int, to: int) -> None:
        part[group] = to
        wanted[to] -= counts[group]
        room[to] -= sizes[group]
        left.__isub__(counts[group])

    # Start with the rarest label, while its few positives can still go anywhere.
    while (left > 0).any():
        label = int(np.where(left > 0, left, np.inf).argmin())
        for group in np.flatnonzero((part < 0) & (counts[:, label] > 0)):
            wish = wanted[:, label]
            best = np.flatnonzero(wish >= wish.max() - 1e-9)
            give(int(group), int(best[room[best].argmax()]))
    for group in np.flatnonzero(part < 0):
        give(int(group), int(room.argmax()))
    # In a tiny data set, a part may end up empty; it gets the smallest group of the largest part.
    for empty in np.setdiff1d(np.arange(len(shares)), part):
        donors = np.flatnonzero(part == np.bincount(part, minlength=len(shares)).argmax())
        part[donors[sizes[donors].argmin()]] = empty
    return part
