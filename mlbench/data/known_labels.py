"""What the known labels of a split say: their shares, and which labels are known in the same rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Split


def label_shares(split: Split) -> NDArray[np.float64]:
    """Return the share of positives among the rows in which each label is known, (k,); 0 where it is known in none."""
    if split.known is None:
        shares: NDArray[np.float64] = split.Y.mean(axis=0, dtype=np.float64)
    else:
        shares = (split.labels == 1).sum(axis=0) / np.maximum(split.known.sum(axis=0), 1)
    return shares


def labels_by_known_rows(
    split: Split, labels: NDArray[np.intp]
) -> list[tuple[NDArray[np.intp], NDArray[np.intp] | None]]:
    """Group labels that are known in the same rows.

    Args:
        split: Labels (n, k).
        labels: The labels (columns) to group.

    Returns:
        The labels of each group, and the rows in which they are known, or None if these are all rows.
    """
    if split.known is None:
        return [(labels, None)] if len(labels) else []
    known = np.ascontiguousarray(split.known[:, labels].T)
    groups: dict[bytes, list[int]] = {}
    for place, pattern in enumerate(np.packbits(known, axis=1)):
        groups.setdefault(pattern.tobytes(), []).append(place)
    return [
        (labels[places], None if known[places[0]].all() else np.flatnonzero(known[places[0]]))
        for places in groups.values()
    ]
