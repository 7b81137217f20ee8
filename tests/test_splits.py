"""Stratified splits: every row once, groups whole, labels in their shares."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import patient
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlbench.data.splits import stratified_parts
from mlbench.errors import DataError

SHARES = st.sampled_from([(0.8, 0.2), (0.6, 0.2, 0.2), (0.5, 0.5), (0.9, 0.05, 0.05)])


@st.composite
def labelled(draw: st.DrawFn) -> np.ndarray:
    """Labels of at least three rows."""
    shape = draw(st.integers(3, 40)), draw(st.integers(1, 5))
    return draw(arrays(np.uint8, shape, elements=st.integers(0, 1)))


@patient
@given(labelled(), SHARES, st.integers(0, 5))
def test_parts_partition_the_rows(Y: np.ndarray, shares: tuple[float, ...], seed: int) -> None:
    """Each row stands in exactly one part; no part is empty; the numbers are sorted."""
    parts = stratified_parts(Y, shares, seed=seed)

    assert len(parts) == len(shares)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(Y)))
    for part in parts:
        assert len(part) > 0
        assert (np.diff(part) > 0).all()


@patient
@given(labelled(), SHARES, st.integers(0, 5), st.data())
def test_groups_stay_whole(Y: np.ndarray, shares: tuple[float, ...], seed: int, data: st.DataObject) -> None:
    """No group stands in two parts, whatever the keys are."""
    keys = st.sampled_from(["a", "b", "c", "d", "e", "f"])
    groups = np.array(["a", "b", "c", *data.draw(st.lists(keys, min_size=len(Y) - 3, max_size=len(Y) - 3))])

    parts = stratified_parts(Y, shares, groups=groups, seed=seed)

    assert sorted(np.concatenate(parts).tolist()) == list(range(len(Y)))
    seen = [set(groups[part]) for part in parts]
    assert all(seen)
    assert sum(len(keys) for keys in seen) == len(set(groups))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shares", [(0.8, 0.2), (0.6, 0.2, 0.2)])
def test_labels_keep_their_shares(shares: tuple[float, ...], seed: int) -> None:
    """Of each label, rare or frequent, every part gets its share to within two positives or 2 %."""
    rng = np.random.default_rng(seed)
    Y = (rng.random((600, 8)) < [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8]).astype(np.uint8)

    parts = stratified_parts(Y, shares, seed=seed)

    for part, share in zip(parts, shares, strict=True):
        wanted = share * Y.sum(axis=0)
        assert (np.abs(Y[part].sum(axis=0) - wanted) <= np.maximum(2, 0.02 * Y.sum(axis=0))).all()
        assert abs(len(part) - share * len(Y)) <= 0.03 * len(Y)


def test_a_rare_label_reaches_every_part() -> None:
    """Five positives over 60/20/20 are three, one, one."""
    Y = np.zeros((100, 2), dtype=np.uint8)
    Y[:5, 0] = 1
    Y[::2, 1] = 1

    parts = stratified_parts(Y, (0.6, 0.2, 0.2), seed=0)

    assert [int(Y[part, 0].sum()) for part in parts] == [3, 1, 1]


def test_labels_of_groups_keep_their_shares() -> None:
    """With 40 groups of unequal size every label is in both parts, near its share."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(5, 25, 40))
    taste = rng.random((40, 6)) < 0.4
    Y = (taste[groups] & (rng.random((len(groups), 6)) < 0.6)).astype(np.uint8)

    _, held = stratified_parts(Y, (0.8, 0.2), groups=groups, seed=0)

    shares = Y[held].sum(axis=0) / Y.sum(axis=0)
    assert shares == pytest.approx(0.2, abs=0.08)


def test_the_seed_decides() -> None:
    """The same seed gives the same parts, another seed other ones."""
    Y = (np.random.default_rng(0).random((60, 3)) < 0.3).astype(np.uint8)
    first, same, other = (stratified_parts(Y, (0.5, 0.5), seed=seed)[0].tolist() for seed in (1, 1, 2))

    assert first == same
    assert first != other


def test_names_of_groups_do_not_matter() -> None:
    """Groups as numbers or as text that sorts alike give the same parts."""
    Y = (np.random.default_rng(0).random((30, 3)) < 0.3).astype(np.uint8)
    numbers = np.repeat(np.arange(10), 3)
    words = np.array([f"recording {n}" for n in numbers])

    for a, b in zip(
        stratified_parts(Y, (0.7, 0.3), groups=numbers, seed=0),
        stratified_parts(Y, (0.7, 0.3), groups=words, seed=0),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("groups", "message"),
    [(None, "cannot split 2 rows into 3 parts"), (np.array([7, 7]), "cannot split 1 groups into 3 parts")],
)
def test_too_few_rows_or_groups(groups: np.ndarray | None, message: str) -> None:
    """Fewer rows or groups than parts is an error that says how many there are."""
    with pytest.raises(DataError, match=message):
        stratified_parts(np.ones((2, 1), dtype=np.uint8), (0.6, 0.2, 0.2), groups=groups, seed=0)
