"""Fingerprints, limits, splits and files of data hold what the rest relies on."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import random_dataset, random_labels

from mlbench.data import cache
from mlbench.data.dataset import ROWS_PER_BLOCK, Dataset, Split, make_split
from mlbench.data.splits import stratified_parts
from mlbench.errors import DataError


def _rows(n: int, *, sparse: bool = False, groups: bool = False) -> Split:
    X: Any = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    Y = np.zeros((n, 2), dtype=np.uint8)
    Y[::2, 0], Y[1::3, 1] = 1, 1
    keys = np.arange(n) // 2 if groups else None
    return make_split(sp.csr_matrix(X) if sparse else X, Y, keys, where="rows")


def _dataset(*, sparse: bool = False, groups: bool = False) -> Dataset:
    parts = {part: _rows(n, sparse=sparse, groups=groups) for part, n in (("train", 6), ("valid", 3), ("test", 4))}
    return Dataset(name="toy", label_names=("b", "a"), **parts)


# --------------------------------------------------------------------------------------- fingerprints
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("groups", [False, True])
def test_the_fingerprint_covers_key_type_and_shape_of_every_array(sparse: bool, groups: bool) -> None:
    """The fingerprint is the SHA-256 of each array after a line with its part, type and shape, then of the names."""
    dataset = _dataset(sparse=sparse, groups=groups)
    content = b"mlbench data 1\n"
    for part, split in dataset.parts():
        X = split.X
        arrays: dict[str, np.ndarray]
        if sparse:
            assert sp.issparse(X)
            indices, indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
            arrays = {"X.data": X.data, "X.indices": indices, "X.indptr": indptr, "Y": split.Y}
        else:
            arrays = {"X": X, "Y": split.Y}
        if split.groups is not None:
            arrays["groups"] = split.groups
        for key, array in arrays.items():
            content += f"{part}.{key} {array.dtype.str} {array.shape}\n".encode() + array.tobytes()
    content += json.dumps([2, ["b", "a"]]).encode()

    assert dataset.fingerprint() == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("what", ["X", "Y", "groups"])
@pytest.mark.parametrize("row", [0, ROWS_PER_BLOCK - 1, ROWS_PER_BLOCK, 2 * ROWS_PER_BLOCK + 5])
def test_every_row_is_in_the_fingerprint(what: str, row: int) -> None:
    """A change of a row in any block of rows changes the fingerprint."""
    n = 2 * ROWS_PER_BLOCK + 6
    split = _rows(n, groups=True)
    arrays = {"X": np.array(split.X), "Y": split.Y.copy(), "groups": split.groups}
    arrays[what] = np.array(arrays[what])
    arrays[what][row] = 1 - arrays[what][row]
    small = _rows(4, groups=True)
    one = Dataset(name="toy", label_names=("a", "b"), train=split, test=small)
    other = replace(one, train=Split(**arrays))

    assert one.fingerprint() != other.fingerprint()


def test_every_stored_value_of_sparse_rows_is_in_the_fingerprint() -> None:
    """The values of a sparse matrix beyond the first block count, too."""
    split = _rows(ROWS_PER_BLOCK + 6, sparse=True)
    X = sp.csr_matrix(split.X, copy=True)
    X.data[-1] += 1
    one = Dataset(name="toy", label_names=("a", "b"), train=split)

    assert one.fingerprint() != replace(one, train=replace(split, X=X)).fingerprint()


def test_the_fingerprint_tells_parts_and_label_names_apart() -> None:
    """The same rows as another part, or under other label names, are other data; the name of the data is not."""
    dataset = _dataset()
    prints = {
        dataset.fingerprint(),
        replace(dataset, valid=None).fingerprint(),
        replace(dataset, valid=None, test=dataset.valid).fingerprint(),
        replace(dataset, valid=dataset.test, test=dataset.valid).fingerprint(),
        replace(dataset, label_names=("a", "b")).fingerprint(),
    }

    assert len(prints) == 5
    assert replace(dataset, name="other", notes=("a note",)).fingerprint() == dataset.fingerprint()


# ---------------------------------------------------------------------------------- limits and parts
def test_a_limit_takes_rows_from_the_first_to_the_last() -> None:
    """The rows that a limit keeps are spread evenly over each split; a shorter split stays whole."""
    cut = _dataset(groups=True).limited(4)

    assert np.asarray(cut.train.X)[:, 0].tolist() == [0, 2, 6, 10]
    assert cut.train.groups is not None
    assert cut.train.groups.tolist() == [0, 0, 1, 2]
    assert cut.valid is not None
    assert len(cut.valid) == 3
    assert cut.name == "toy-limit-4"


def test_a_limit_that_cuts_nothing_keeps_the_name() -> None:
    """A data set that is no longer than the limit is the same data set."""
    dataset = _dataset()

    assert dataset.limited(6) is dataset
    assert dataset.limited(5).name == "toy-limit-5"


def test_twins_are_dropped_from_valid_and_test_but_not_from_train() -> None:
    """Only the later splits lose the groups that are other versions of earlier ones."""
    dropped = replace(_dataset(groups=True), twins=frozenset({1})).without_twins()

    assert {part: len(split) for part, split in dropped.parts()} == {"train": 6, "valid": 2, "test": 2}
    assert dropped.twins == frozenset()
    assert (dropped.name, len(dropped.notes)) == ("toy-no-twins", 1)
    with pytest.raises(DataError):
        dropped.without_twins()


@pytest.mark.parametrize(
    ("lacking", "sizes", "valid_from_train", "n_notes"),
    [
        ((), {"train": 40, "valid": 20, "test": 20}, False, 0),
        (("valid",), {"train": 32, "valid": 8, "test": 20}, True, 0),
        (("test",), {"train": 32, "valid": 20, "test": 8}, False, 1),
        (("valid", "test"), {"train": 24, "valid": 8, "test": 8}, True, 1),
    ],
)
def test_missing_parts_come_out_of_train(
    lacking: tuple[str, ...], sizes: dict[str, int], valid_from_train: bool, n_notes: int
) -> None:
    """Each missing part has a fifth of train's rows; a test split of our own is noted, a valid split is marked."""
    whole = replace(random_dataset(), **dict.fromkeys(lacking)).with_all_parts()

    assert {part: len(split) for part, split in whole.parts()} == pytest.approx(sizes, abs=1)
    assert sum(len(split) for _, split in whole.parts()) == sum(sizes.values())
    assert (whole.valid_from_train, len(whole.notes)) == (valid_from_train, n_notes)


def test_hold_out_gives_the_rest_first() -> None:
    """The second of the two parts has the share that was asked for, and no group is in both."""
    split = make_split(np.ones((40, 1)), random_labels(0, 40, 2), np.arange(40) // 4, where="x")

    rest, held = split.hold_out(0.25, seed=3)

    assert (len(rest), len(held)) == (pytest.approx(30, abs=4), pytest.approx(10, abs=4))
    assert rest.groups is not None
    assert held.groups is not None
    assert not set(rest.groups) & set(held.groups)


def test_room_is_counted_in_rows() -> None:
    """Parts have their shares of the rows, whether these come in large groups, in small ones or in both."""
    even = np.repeat(np.arange(20), 10)
    mixed = np.repeat(np.arange(310), [30] * 10 + [1] * 300)

    for seed in range(10):
        parts = stratified_parts(np.zeros((200, 2), np.uint8), (0.8, 0.2), groups=even, seed=seed)
        halves = stratified_parts(np.zeros((600, 2), np.uint8), (0.5, 0.5), groups=mixed, seed=seed)

        assert [len(part) for part in parts] == [160, 40]
        assert abs(len(halves[0]) - len(halves[1])) <= 30


def test_the_rarest_label_is_dealt_first() -> None:
    """A label with as many positives as parts reaches each part, though a frequent label is listed before it."""
    Y = np.zeros((90, 2), np.uint8)
    Y[:60, 0] = 1
    Y[[0, 30, 59], 1] = 1

    for seed in range(10):
        parts = stratified_parts(Y, (1 / 3, 1 / 3, 1 / 3), seed=seed)

        assert [int(Y[rows, 1].sum()) for rows in parts] == [1, 1, 1]
        assert [int(Y[rows, 0].sum()) for rows in parts] == [20, 20, 20]
        assert [len(rows) for rows in parts] == [30, 30, 30]


def test_an_empty_part_gets_the_smallest_group_of_the_largest_part() -> None:
    """With as many groups as parts, each part has a group, however small its share."""
    for seed in range(5):
        parts = stratified_parts(np.ones((6, 1), np.uint8), (0.98, 0.01, 0.01), groups=[0, 0, 0, 0, 1, 2], seed=seed)

        assert sorted(len(rows) for rows in parts) == [1, 1, 4]


# --------------------------------------------------------------------------------------------- files
def test_room_for_all_rows_is_reserved_before_the_first_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole file has its disk blocks first, so that a full disk raises OSError and no bus error."""
    asked = []

    def reserve(descriptor: int, start: int, length: int) -> None:
        asked.append((start, length, os.fstat(descriptor).st_size))

    monkeypatch.setattr(cache.os, "posix_fallocate", reserve)
    cache.write_matrix([np.ones((3, 2), np.float32), np.ones((4, 2), np.float32)], lambda X: X, tmp_path)
    size = (tmp_path / "X.npy").stat().st_size

    assert asked == [(0, size, size)]
    assert size >= 7 * 2 * 4


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no room can be reserved, nothing is written under the name of the data."""

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(cache.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="full"):
        cache._write_folder(tmp_path / "data", lambda to: cache.write_matrix([np.ones((1, 1))], lambda X: X, to))

    assert list(tmp_path.iterdir()) == []
