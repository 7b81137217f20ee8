"""The files that a job reads: the same rows, without test labels, whole or not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import random_dataset, random_split

from mlbench.data.cache import JobData, read_job_data, write_data, write_features
from mlbench.data.complete import complete
from mlbench.data.dataset import Dataset, Matrix
from mlbench.data.duplicates import count_shared_rows
from mlbench.errors import DataError
from mlbench.plugins.demo import load_demo


def _same(train: Matrix) -> object:
    return lambda X: X


def _written(dataset: Dataset, fit: Any, folder: Path) -> JobData:
    """The rows with the features that ``fit`` gives, as a job reads them."""
    write_data(complete(dataset), folder / "data")
    data = read_job_data(folder / "data")
    write_features(data, fit(data.train.X), folder / "features")
    return read_job_data(folder / "data", folder / "features")


def _sparse(dataset: Dataset) -> Dataset:
    parts = {part: replace(split, X=sp.csr_matrix(split.X)) for part, split in dataset.parts()}
    return replace(dataset, **parts)


def _dense(X: Matrix) -> np.ndarray:
    return X.toarray() if sp.issparse(X) else np.asarray(X)


@pytest.mark.parametrize("prepare", [lambda dataset: dataset, _sparse], ids=["dense", "sparse"])
def test_rows_come_back(tmp_path: Path, prepare: object) -> None:
    """Train, valid, both and test features are read as they were written, dense or sparse."""
    dataset = prepare(random_dataset())  # type: ignore[operator]
    assert dataset.valid is not None

    data = _written(dataset, _same, tmp_path / "cache" / "toy")

    for got, want in ((data.train, dataset.train), (data.valid, dataset.valid)):
        np.testing.assert_array_equal(_dense(got.X), _dense(want.X))
        np.testing.assert_array_equal(got.Y, want.Y)
        assert got.X.dtype == np.float32
    np.testing.assert_array_equal(_dense(data.both.X), np.vstack([_dense(data.train.X), _dense(data.valid.X)]))
    np.testing.assert_array_equal(data.both.Y, np.vstack([data.train.Y, data.valid.Y]))
    np.testing.assert_array_equal(_dense(data.X_test), _dense(dataset.test.X))
    assert data.train.groups is None


@pytest.mark.parametrize("prepare", [lambda dataset: dataset, _sparse], ids=["dense", "sparse"])
def test_test_labels_are_in_no_file(tmp_path: Path, prepare: object) -> None:
    """Other test labels and test groups give the same bytes."""
    dataset = prepare(random_dataset())  # type: ignore[operator]
    assert dataset.test is not None
    other = replace(dataset, test=replace(dataset.test, Y=1 - dataset.test.Y, groups=np.arange(20)))

    for one, name in ((dataset, "a"), (other, "b")):
        _written(one, _same, tmp_path / name)
    first, second = tmp_path / "a", tmp_path / "b"

    assert sorted(path.name for path in first.rglob("*")) == sorted(path.name for path in second.rglob("*"))
    for path in filter(Path.is_file, first.rglob("*")):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()


def test_rows_are_mapped_read_only(tmp_path: Path) -> None:
    """A plugin cannot write to what other jobs read."""
    data = _written(random_dataset(), _same, tmp_path / "toy")

    for array in (data.train.X, data.train.Y, data.valid.X, data.both.Y, data.X_test):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_groups_come_back(tmp_path: Path) -> None:
    """Groups of train and valid are read as they were written."""
    train, valid = random_split(0, 40, groups=np.arange(40) // 4), random_split(1, 20, groups=100 + np.arange(20))

    data = _written(random_dataset(train=train, valid=valid), _same, tmp_path / "toy")

    for got, want in ((data.train, train), (data.valid, valid)):
        np.testing.assert_array_equal(got.groups, want.groups)


@pytest.mark.parametrize("prepare", [lambda dataset: dataset, _sparse], ids=["dense", "sparse"])
def test_features_are_fitted_on_train_only(tmp_path: Path, prepare: object) -> None:
    """``fit`` sees train's rows and no others, and its transform is applied to all parts."""
    dataset = prepare(random_dataset())  # type: ignore[operator]
    seen = []

    def fit(train: Matrix) -> object:
        seen.append(_dense(train))
        return lambda X: X[:, :2] * 2

    data = _written(dataset, fit, tmp_path / "toy")

    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], _dense(dataset.train.X))
    np.testing.assert_array_equal(_dense(data.X_test), 2 * _dense(dataset.test.X)[:, :2])
    assert data.train.X.shape == (40, 2)


def test_features_are_computed_once(tmp_path: Path) -> None:
    """What is there is not computed again."""
    _written(random_dataset(), _same, tmp_path / "toy")

    def transform(X: Matrix) -> Matrix:
        raise AssertionError("computed again")

    assert len(_written(random_dataset(), lambda train: transform, tmp_path / "toy").train) == 40


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    """When the features raise, there is neither a half folder nor a temporary one, and the next try works."""

    def fit(train: Matrix) -> object:
        calls = iter(range(10))

        def transform(X: Matrix) -> Matrix:
            if next(calls) == 2:
                raise RuntimeError("no")
            return X

        return transform

    with pytest.raises(RuntimeError, match="no"):
        _written(random_dataset(), fit, tmp_path / "toy")

    assert [path.name for path in (tmp_path / "toy").iterdir()] == ["data"]
    assert len(_written(random_dataset(), _same, tmp_path / "toy").train) == 40


def test_the_first_writer_wins(tmp_path: Path) -> None:
    """When another process writes the same folder meanwhile, its files stay and ours are dropped."""

    def fit(train: Matrix) -> object:
        def transform(X: Matrix) -> Matrix:
            write_features(read_job_data(tmp_path / "toy" / "data"), lambda X: X, tmp_path / "toy" / "features")
            return X * 0

        return transform

    data = _written(random_dataset(), fit, tmp_path / "toy")

    np.testing.assert_array_equal(data.train.X, random_dataset().train.X)
    assert sorted(path.name for path in (tmp_path / "toy").iterdir()) == ["data", "features"]


@pytest.mark.parametrize("prepare", [lambda dataset: dataset, _sparse], ids=["dense", "sparse"])
def test_rows_that_stand_in_two_parts_are_counted(prepare: object) -> None:
    """Duplicates across parts are counted by pair of parts; duplicates within a part are not."""
    dataset = random_dataset()
    assert dataset.valid is not None
    assert dataset.test is not None
    X_valid, X_test = dataset.valid.X.copy(), dataset.test.X.copy()
    X_valid[:3] = dataset.train.X[:3]
    X_test[:2] = dataset.train.X[5]
    X_test[2] = X_valid[10]
    X_test[18] = X_test[19]
    dataset = replace(dataset, valid=replace(dataset.valid, X=X_valid), test=replace(dataset.test, X=X_test))

    assert count_shared_rows(prepare(dataset)) == {  # type: ignore[operator]
        ("valid", "train"): 3,
        ("test", "train"): 2,
        ("test", "valid"): 1,
    }
    assert count_shared_rows(prepare(random_dataset())) == {}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda X: X * np.float32("nan"), "NaN or infinite"),
        (lambda X: X[:-1], "were transformed into an array of shape"),
        (lambda X: X[:, 0], "were transformed into an array of shape"),
    ],
)
def test_features_that_models_cannot_use_are_named(tmp_path: Path, spoil, error: str) -> None:
    """A transform that loses rows or gives NaN is an error there, not in every model; nothing is left."""
    dataset = load_demo()

    with pytest.raises(DataError, match=error):
        _written(dataset, lambda train: spoil, tmp_path / "toy")

    assert [path.name for path in (tmp_path / "toy").iterdir()] == ["data"]


def test_features_may_be_sparse_where_the_data_are_dense(tmp_path: Path) -> None:
    """A transform may give CSR for dense rows, and dense rows for CSR; it is read as it was given."""
    dataset = random_dataset()

    to_sparse = _written(dataset, lambda train: sp.csr_matrix, tmp_path / "a")
    to_dense = _written(_sparse(dataset), lambda train: _dense, tmp_path / "b")

    assert sp.issparse(to_sparse.train.X)
    assert isinstance(to_dense.train.X, np.ndarray)
    np.testing.assert_array_equal(_dense(to_sparse.both.X), to_dense.both.X)


def test_a_transform_that_mixes_dense_and_sparse_is_refused(tmp_path: Path) -> None:
    """All blocks of rows must become dense, or all sparse."""
    calls = iter(range(10))

    def transform(X: Matrix) -> Matrix:
        return X if next(calls) else sp.csr_matrix(X)

    with pytest.raises(DataError, match="dense"):
        _written(random_dataset(), lambda train: transform, tmp_path / "toy")
