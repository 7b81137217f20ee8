"""What is known of labels: their shares, and which are known in the same rows."""

from __future__ import annotations

import numpy as np

from mlbench import Split
from mlbench.toolkit.labels import label_shares, labels_by_known_rows

KNOWN = np.array([[1, 1, 0, 1, 1], [1, 0, 0, 1, 1], [1, 1, 0, 0, 1], [1, 1, 0, 1, 1]], dtype=bool)
Y = np.array([[1, 0, 1, 1, 0], [0, 1, 1, 1, 0], [1, 1, 0, 1, 0], [0, 0, 1, 0, 1]], dtype=np.uint8)


def test_a_share_is_of_the_known_rows() -> None:
    """Unknown cells count neither above nor below, whatever stands in them; nothing known is a share of 0."""
    np.testing.assert_allclose(label_shares(Split.unchecked(X=Y, Y=Y, known=KNOWN)), [1 / 2, 1 / 3, 0, 2 / 3, 1 / 4])
    np.testing.assert_array_equal(label_shares(Split.unchecked(X=Y, Y=Y)), Y.mean(axis=0))


def test_labels_that_are_known_in_the_same_rows_are_together() -> None:
    """Each of the labels is in one group, with the rows in which all of the group are known."""
    split = Split.unchecked(X=Y, Y=Y, known=KNOWN)
    found = labels_by_known_rows(split, np.array([0, 1, 3, 4]))
    assert [(labels.tolist(), None if rows is None else rows.tolist()) for labels, rows in found] == [
        ([0, 4], None),
        ([1], [0, 2, 3]),
        ([3], [0, 1, 3]),
    ]
    [(labels, rows)] = labels_by_known_rows(Split.unchecked(X=Y, Y=Y), np.array([2, 3]))
    assert (labels.tolist(), rows) == ([2, 3], None)
    assert labels_by_known_rows(Split.unchecked(X=Y, Y=Y), np.array([], dtype=int)) == []
    assert labels_by_known_rows(split, np.array([], dtype=int)) == []
