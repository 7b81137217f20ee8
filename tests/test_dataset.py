"""``make_split`` and ``Dataset``: what is accepted, what is refused, and how parts are taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import patient, random_dataset, random_split
from hypothesis import given
from hypothesis import strategies as st

from mlbench.data.dataset import Dataset, Split, blocks, make_split
from mlbench.errors import DataError

X, Y = np.arange(6.0).reshape(3, 2), np.array([[0, 1], [1, 0], [1, 1]])


def _with(array: np.ndarray, row: int, column: int, value: float) -> np.ndarray:
    changed = array.astype(float)
    changed[row, column] = value
    return changed


# ---------------------------------------------------------------------------------------- make_split
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, np.float64])
def test_labels_of_any_type_become_uint8(dtype: type) -> None:
    """Labels that are exactly 0 or 1 are taken in any type."""
    split = make_split(X, Y.astype(dtype), where="here")

    assert split.Y.dtype == np.uint8
    np.testing.assert_array_equal(split.Y, Y)


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, lambda a: a[::-1][::-1]])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, bool])
def test_features_become_contiguous_float32(layout: object, dtype: type) -> None:
    """Numeric features of any type and memory order become C-contiguous float32 with the same values."""
    array = layout(X.astype(dtype))  # type: ignore[operator]

    split = make_split(array, Y, where="here")

    assert split.X.dtype == np.float32
    assert split.X.flags.c_contiguous
    np.testing.assert_array_equal(split.X, array.astype(np.float32))


def test_float32_features_are_not_copied() -> None:
    """Features that are as they should be stay the same memory, so that files can stay on disk."""
    array = np.ascontiguousarray(X, dtype=np.float32)

    assert np.shares_memory(make_split(array, Y, where="here").X, array)


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_array, sp.coo_matrix])
def test_sparse_features_become_csr(kind: type) -> None:
    """Sparse features of any format become float32 CSR."""
    split = make_split(kind(X), Y, where="here")

    assert split.X.format == "csr"
    assert split.X.dtype == np.float32
    np.testing.assert_array_equal(split.X.toarray(), X)


def test_sparse_duplicates_are_summed_for_us_alone() -> None:
    """Cells that are stored twice are summed, and the caller's matrix is left as it was."""
    given_ = sp.csr_matrix((np.ones(3, np.float32), np.array([1, 1, 0]), np.array([0, 2, 3, 3])), shape=(3, 2))
    before = given_.data.copy(), given_.indices.copy(), given_.indptr.copy()

    split = make_split(given_, Y, where="here")

    np.testing.assert_array_equal(split.X.toarray(), [[0, 2], [1, 0], [0, 0]])
    for now, then in zip((given_.data, given_.indices, given_.indptr), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (_with(Y, 2, 1, 2), "labels must be 0 or 1: row 2, column 'b' holds 2.0"),
        (_with(Y, 1, 0, 0.5), "row 1, column 'a' holds 0.5"),
        (-Y, r"row 0, column 'b' holds -1"),
        (Y[:, 0], r"labels have shape \(3,\), expected \(rows, labels\)"),
        (Y.astype(str), "labels have type <U21, expected numbers 0 and 1"),
        (Y.astype(object), "labels have type object, expected numbers 0 and 1"),
        (Y[:2], "3 rows of features, but 2 rows of labels"),
    ],
)
def test_bad_labels(labels: np.ndarray, message: str) -> None:
    """Labels that are not 0 or 1 are refused with file, row and column."""
    with pytest.raises(DataError, match=f"(?s)^file.npy: .*{message}"):
        make_split(X, labels, where="file.npy", label_names=["a", "b"])


@pytest.mark.parametrize(
    ("row", "value", "message"),
    [
        (2, np.inf, "row 2, column 'y' is infinite or too large for float32"),
        (0, -1e300, "row 0, column 'y' is infinite or too large for float32"),
    ],
)
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_features_must_be_finite(kind: type, row: int, value: float, message: str) -> None:
    """An infinite or too large feature is refused with file, row and column, dense or sparse."""
    with pytest.raises(DataError, match=f"^file.npy: {message}"):
        make_split(kind(_with(X, row, 1, value)), Y, where="file.npy", feature_names=["x", "y"])


def test_a_bad_value_is_found_in_any_block() -> None:
    """The row that an error names counts from the start of the file, not of a block."""
    features = np.zeros((10_000, 2), dtype=np.float32)
    features[9_123, 1] = np.inf

    with pytest.raises(DataError, match="row 9123, column 1"):
        make_split(features, np.ones((10_000, 1)), where="file.npy")


@pytest.mark.parametrize("features", [np.array([["a", "b"]] * 3), X[0], X.astype(object), X + 1j])
def test_features_must_be_numbers(features: np.ndarray) -> None:
    """Text, objects, complex numbers and flat arrays are no features."""
    with pytest.raises(DataError, match=r"expected numbers \(rows, features\)"):
        make_split(features, Y, where="file.npy")


@pytest.mark.parametrize("groups", [["b", "a", "b"], [0.5, 2.5, 0.5], [True, False, True], [7, -1, 7]])
def test_groups_become_integers(groups: list[object]) -> None:
    """Groups of any type become integers that are the same for the same key, in every part."""
    one, other = (make_split(X, Y, keys, where="here").groups for keys in (groups, groups[::-1][:2] + groups[1:2]))

    assert one is not None
    assert other is not None
    assert one.dtype == np.int64
    assert one[0] == one[2] == other[0]
    assert one[1] == other[1] == other[2]
    assert one[0] != one[1]


def test_integer_groups_are_kept() -> None:
    """Integer keys are the groups themselves."""
    assert make_split(X, Y, [5, 5, 9], where="here").groups.tolist() == [5, 5, 9]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("groups", "message"),
    [([1, 2], r"3 rows, but groups have shape \(2,\)"), ([1.0, np.nan, 2.0], "row 1 has no group")],
)
def test_bad_groups(groups: list[float], message: str) -> None:
    """Every row needs a group."""
    with pytest.raises(DataError, match=message):
        make_split(X, Y, groups, where="here")


# ------------------------------------------------------------------------------------------- Dataset
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label_names": ("a", "a", "b")}, "two labels are named 'a'"),
        ({"label_names": ("a", "b")}, "3 label columns, but 2 label names"),
        ({"test": random_split(1, 9, d=5)}, r"test has X \(9, 5\) and Y \(9, 3\), but train has 4 features and 3"),
        ({"valid": random_split(1, 9, k=2)}, r"valid has X \(9, 4\) and Y \(9, 2\), but train has 4 features and 3"),
        ({"test": random_split(1, 9).take(np.array([], dtype=np.intp))}, "the test split has no rows"),
        ({"train": random_split(1, 9, d=0)}, "no feature columns"),
    ],
)
def test_parts_must_fit_together(change: dict[str, object], message: str) -> None:
    """Parts and names that disagree are refused in one line with the data set's name."""
    with pytest.raises(DataError, match=f"^toy: {message}"):
        random_dataset(**change)


def test_dense_and_sparse_parts_do_not_mix() -> None:
    """All parts are dense or all are sparse."""
    dataset = random_dataset()
    sparse = replace(dataset.train, X=sp.csr_matrix(dataset.train.X))

    with pytest.raises(DataError, match="both be dense or both be sparse"):
        replace(dataset, train=sparse)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", "a b", "=1+1", "<script>", ".hidden", "a\nb"])
def test_a_name_must_be_a_file_name(name: str) -> None:
    """A name that is no plain file name is refused: boards are written under it."""
    with pytest.raises(DataError):
        random_dataset(name)


def test_fingerprint_is_of_the_content() -> None:
    """Any cell, label, group or label name changes the fingerprint; names, notes and order of indices do not."""
    base = random_dataset(train=random_split(0, 40, groups=np.arange(40)))
    train = base.train

    def changed(**fields: object) -> str:
        return replace(base, train=replace(train, **fields)).fingerprint()  # type: ignore[arg-type]

    X_other, Y_other, groups_other = train.X.copy(), train.Y.copy(), np.arange(40)
    X_other[7, 1] += 1
    Y_other[7, 1] ^= 1
    groups_other[3] = 4
    prints = [
        base.fingerprint(),
        changed(X=X_other),
        changed(Y=Y_other),
        changed(groups=groups_other),
        changed(groups=None),
        replace(base, label_names=("x", "y", "z")).fingerprint(),
        replace(base, valid=None).fingerprint(),
        replace(base, valid=base.test, test=base.valid).fingerprint(),
    ]

    assert len(set(prints)) == len(prints)
    assert replace(base, name="other", notes=("n",), citation="c").fingerprint() == base.fingerprint()
    assert random_dataset(train=random_split(0, 40, groups=np.arange(40))).fingerprint() == base.fingerprint()


def test_fingerprint_does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashed in small blocks or in one, the fingerprint is the same."""
    dataset = random_dataset()
    whole = dataset.fingerprint()

    monkeypatch.setattr("mlbench.data.dataset.blocks", lambda n: blocks(n, 3))

    assert dataset.fingerprint() == whole


def test_fingerprint_of_sparse_rows() -> None:
    """The index type of a sparse matrix is no content, its values are."""
    narrow = sp.csr_matrix(np.eye(3, dtype=np.float32))
    wide = narrow.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    dataset = Dataset(name="toy", train=make_split(narrow, Y, where="x"), label_names=("a", "b"))

    assert replace(dataset, train=replace(dataset.train, X=wide)).fingerprint() == dataset.fingerprint()
    assert replace(dataset, train=replace(dataset.train, X=2 * narrow)).fingerprint() != dataset.fingerprint()


@pytest.mark.parametrize(
    ("parts", "sizes", "from_train"),
    [
        (("train",), (60, 20, 20), True),
        (("train", "valid"), (80, 30, 20), False),
        (("train", "test"), (80, 20, 30), True),
        (("train", "valid", "test"), (100, 30, 30), False),
    ],
)
def test_missing_parts_are_taken_out_of_train(
    parts: tuple[str, ...], sizes: tuple[int, int, int], from_train: bool
) -> None:
    """A missing part is 20 % of train; no row is lost, and it is remembered whether valid came out of train."""
    brought = {"train": random_split(0, 100), "valid": random_split(1, 30), "test": random_split(2, 30)}
    names = ("a", "b", "c")
    dataset = Dataset(name="toy", label_names=names, **{part: brought[part] for part in parts})

    whole = dataset.with_all_parts()

    assert whole.valid is not None
    assert whole.test is not None
    assert [len(whole.train), len(whole.valid), len(whole.test)] == pytest.approx(sizes, abs=3)
    assert whole.valid_from_train is from_train
    before = sum(len(split) for _, split in dataset.parts())
    assert sum(len(split) for _, split in whole.parts()) == before
    for part in set(parts) - {"train"}:
        assert getattr(whole, part) is brought[part]


def test_taken_parts_are_the_same_for_all() -> None:
    """Parts that are taken out of train are the same every time, and whole groups."""
    groups = np.repeat(np.arange(20), 5)
    dataset = Dataset(name="toy", label_names=("a", "b", "c"), train=random_split(0, 100, groups=groups))
    first, second = dataset.with_all_parts(), dataset.with_all_parts()

    assert first.fingerprint() == second.fingerprint()
    keys = [set(split.groups.tolist()) for _, split in first.parts() if split.groups is not None]
    assert sum(len(part) for part in keys) == len(set.union(*keys)) == 20


@patient
@given(st.integers(2, 60))
def test_limited_parts(rows: int) -> None:
    """No part has more rows than asked for; rows stay with their labels; it is a data set of its own."""
    dataset = random_dataset()

    limited = dataset.limited(rows)

    for part, split in limited.parts():
        whole = getattr(dataset, part)
        assert len(split) == min(rows, len(whole))
        cells = {(x.tobytes(), y.tobytes()) for x, y in zip(whole.X, whole.Y, strict=True)}
        assert all((x.tobytes(), y.tobytes()) in cells for x, y in zip(split.X, split.Y, strict=True))
    assert (limited.name == "toy") == (rows >= 40)
    assert (limited.fingerprint() == dataset.fingerprint()) == (rows >= 40)


# --------------------------------------------------------------------------------------------- Split
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_hold_out_keeps_groups_and_rows_together(kind: type) -> None:
    """The two parts share no group, lose no row, and each row keeps its labels and group."""
    groups = np.repeat(np.arange(10), 4)
    whole = random_split(0, 40, groups=groups)
    split = Split(X=kind(whole.X), Y=whole.Y, groups=whole.groups)

    rest, held = split.hold_out(0.25, seed=1)

    assert len(rest) + len(held) == 40
    assert len(held) == pytest.approx(10, abs=4)
    assert not set(rest.groups.tolist()) & set(held.groups.tolist())  # type: ignore[union-attr]
    for part in (rest, held):
        dense = part.X.toarray() if sp.issparse(part.X) else part.X
        for x, y, group in zip(dense, part.Y, part.groups, strict=True):  # type: ignore[arg-type]
            row = int(np.flatnonzero((x == whole.X).all(axis=1))[0])
            np.testing.assert_array_equal(y, whole.Y[row])
            assert group == groups[row]


def test_hold_out_leaves_the_split_alone() -> None:
    """What is held out is a copy: writing to it does not reach the rows it came from."""
    split = random_split(0, 40)
    before = split.X.copy()

    _, held = split.hold_out(0.5, seed=0)
    held.X[:] = 0

    np.testing.assert_array_equal(split.X, before)


@given(st.integers(0, 50), st.integers(1, 9))
def test_blocks_cover_all_rows(n: int, size: int) -> None:
    """Blocks go over each row once, in order."""
    assert [i for rows in blocks(n, size) for i in range(n)[rows]] == list(range(n))
