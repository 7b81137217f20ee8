"""Scores that can be ranked pass; all else is refused with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from mlbench.data.dataset import ROWS_PER_BLOCK
from mlbench.errors import InvalidScores
from mlbench.evaluation.scores import checked_scores, score_rows

GOOD = np.arange(6.0).reshape(3, 2)


def _with(row: int, column: int, value: float) -> np.ndarray:
    scores = GOOD.copy()
    scores[row, column] = value
    return scores


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_pass_as_they_are(dtype: type) -> None:
    """Finite floats of the right shape are handed back, not copied."""
    scores = GOOD.astype(dtype)

    assert checked_scores(scores, (3, 2)) is scores


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (None, r"scores are a NoneType, expected a numpy array of shape \(3, 2\)"),
        (GOOD.tolist(), "scores are a list"),
        (sp.csr_matrix(GOOD), "scores are a csr_matrix"),
        (GOOD.astype(int), "scores have type int64, expected floats"),
        (GOOD > 1, "scores have type bool, expected floats"),
        (GOOD.astype(str), "scores have type <U32, expected floats"),
        (GOOD.astype(object), "scores have type object, expected floats"),
        (GOOD + 1j, "scores have type complex128, expected floats"),
        (GOOD[:2], r"scores have shape \(2, 2\), expected \(3, 2\)"),
        (GOOD.T, r"scores have shape \(2, 3\), expected \(3, 2\)"),
        (GOOD[:, :1], r"scores have shape \(3, 1\), expected \(3, 2\)"),
        (GOOD.ravel(), r"scores have shape \(6,\), expected \(3, 2\)"),
        (GOOD[None], r"scores have shape \(1, 3, 2\), expected \(3, 2\)"),
        (_with(1, 1, np.nan), "1 scores are NaN or infinite, the first at row 1, label 1"),
        (_with(2, 0, np.inf), "1 scores are NaN or infinite, the first at row 2, label 0"),
        (_with(0, 0, -np.inf), "1 scores are NaN or infinite, the first at row 0, label 0"),
        (GOOD * np.nan, "6 scores are NaN or infinite, the first at row 0, label 0"),
    ],
)
@pytest.mark.parametrize("missing_labels", [False, True])
def test_what_cannot_be_ranked_is_refused(scores: Any, message: str, missing_labels: bool) -> None:
    """Wrong types, shapes and values are refused with what came and what was expected."""
    if missing_labels and isinstance(scores, np.ndarray) and scores.dtype.kind == "f" and np.isnan(scores).all():
        assert checked_scores(scores, (3, 2), missing_labels=True) is scores
        return
    with pytest.raises(InvalidScores, match=message):
        checked_scores(scores, (3, 2), missing_labels=missing_labels)


def test_labels_not_trained_yet_may_be_missing() -> None:
    """A column of NaN passes where labels may be missing; an infinite one never does."""
    missing = GOOD.copy()
    missing[:, 0] = np.nan

    assert checked_scores(missing, (3, 2), missing_labels=True) is missing
    with pytest.raises(InvalidScores):
        checked_scores(missing, (3, 2))
    missing[:, 0] = np.inf
    with pytest.raises(InvalidScores):
        checked_scores(missing, (3, 2), missing_labels=True)


@pytest.mark.parametrize("n", [1, ROWS_PER_BLOCK, ROWS_PER_BLOCK + 1, 3 * ROWS_PER_BLOCK - 1])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_rows_are_scored_block_by_block(n: int, kind: Any) -> None:
    """All rows are scored once, in order, in blocks of bounded size, dense or sparse."""
    X = np.arange(n, dtype=np.float32)[:, None]
    sizes = []

    def scorer(block: Any) -> np.ndarray:
        dense = block.toarray() if sp.issparse(block) else block
        sizes.append(len(dense))
        return np.hstack([dense, -dense])

    scores = score_rows(scorer, kind(X), 2)

    np.testing.assert_array_equal(scores, np.hstack([X, -X]))
    assert max(sizes) <= ROWS_PER_BLOCK
    assert sum(sizes) == n


@pytest.mark.parametrize(
    ("given", "wanted"), [(np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64)]
)
def test_precision_is_kept(given: type, wanted: type) -> None:
    """Scores are float32 or float64, and never narrower than they came."""
    assert score_rows(lambda X: np.zeros((len(X), 2), given), np.zeros((3, 1)), 2).dtype == wanted


def test_a_later_block_does_not_lose_precision() -> None:
    """Scores that are float64 only in a later block are kept to the last digit, and so are those before them."""
    # Of type float64, as NumPy rounds a plain float to float32 before it compares the two.
    first, last = np.float64(np.float32(0.1)), np.float64(1 + 2**-40)

    def scorer(X: np.ndarray) -> np.ndarray:
        return np.full((len(X), 1), last) if len(X) == 1 else np.full((len(X), 1), first, dtype=np.float32)

    scores = score_rows(scorer, np.zeros((ROWS_PER_BLOCK + 1, 1), dtype=np.float32), 1)

    assert scores.dtype == np.float64
    assert scores[-1, 0] == last
    assert (scores[:-1, 0] == first).all()


def test_a_later_block_of_less_precision_loses_nothing() -> None:
    """Scores stay float64 where only later blocks are float32."""
    value = np.float64(1 + 2**-40)

    def scorer(X: np.ndarray) -> np.ndarray:
        return np.full((len(X), 1), 0.5, dtype=np.float32) if len(X) == 1 else np.full((len(X), 1), value)

    scores = score_rows(scorer, np.zeros((ROWS_PER_BLOCK + 1, 1), dtype=np.float32), 1)

    assert scores.dtype == np.float64
    assert (scores[:-1, 0] == value).all()
    assert scores[-1, 0] == 0.5


def test_a_scorer_may_reuse_its_buffer() -> None:
    """A scorer that hands out the same array again does not overwrite earlier rows."""
    buffer = np.empty((ROWS_PER_BLOCK, 1))

    def scorer(X: np.ndarray) -> np.ndarray:
        buffer[: len(X)] = X
        return buffer[: len(X)]

    X = np.arange(2 * ROWS_PER_BLOCK, dtype=np.float64)[:, None]

    np.testing.assert_array_equal(score_rows(scorer, X, 1), X)


def test_an_error_in_a_later_block_is_an_error() -> None:
    """Every block is checked, not just the first."""

    def scorer(X: np.ndarray) -> np.ndarray:
        return np.zeros((len(X), 1)) if X[0, 0] == 0 else np.full((len(X), 1), np.nan)

    with pytest.raises(InvalidScores):
        score_rows(scorer, np.arange(ROWS_PER_BLOCK + 9.0)[:, None], 1)
