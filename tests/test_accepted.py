"""The input of a job as its model accepts it: dense or sparse, with missing values or without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from mlbench.data.accepted import as_accepted, labels_as_accepted
from mlbench.data.cache import JobData
from mlbench.data.dataset import Split

NAN = np.nan
TRAIN = np.array([[1, NAN, NAN, 0], [3, 0, NAN, 2], [NAN, 5, NAN, 0]])
VALID = np.array([[NAN, 1, 7, 3]])
TEST = np.array([[0, NAN, NAN, NAN]])


def _data(form: Any) -> JobData:
    def split(X: np.ndarray) -> Split:
        known = np.arange(len(X))[:, None] > [0]
        return Split(X=form(X.astype(np.float32)), Y=np.ones((len(X), 1)), known=known)

    parts = {"train": split(TRAIN), "valid": split(VALID), "both": split(np.concatenate([TRAIN, VALID]))}
    return JobData(**parts, X_test=form(TEST.astype(np.float32)), missing=np.arange(4))


def _dense(X: Any) -> Any:
    return X.toarray() if sp.issparse(X) else X


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
def test_missing_values_stay_where_they_are_accepted_and_train_has_values(form: Any) -> None:
    """A feature of which train has no value is 0 in every part."""
    found = as_accepted(_data(form), {"dense", "missing"})

    for split, X in ((found.train.X, TRAIN), (found.valid.X, VALID), (found.X_test, TEST)):
        np.testing.assert_array_equal(_dense(split), np.where([0, 0, 1, 0], np.where(np.isnan(X), 0, X), X))
    assert isinstance(found.train.X, np.ndarray)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
def test_missing_values_are_medians_of_train_elsewhere(form: Any) -> None:
    """A model that accepts none is given the median of what train has; zeros that are not stored count."""
    found = as_accepted(_data(form), {"sparse"})

    for split, X in ((found.train.X, TRAIN), (found.valid.X, VALID), (found.X_test, TEST)):
        np.testing.assert_array_equal(_dense(split), np.where(np.isnan(X), [2, 2.5, 0, 0], X))
    assert sp.issparse(found.X_test)


def test_unknown_labels_are_0_unless_they_are_accepted() -> None:
    """The mask is for models that look at it."""
    train = _data(np.asarray).train
    assert labels_as_accepted(train, {"dense"}).known is None
    assert labels_as_accepted(train, {"dense"}).Y.tolist() == [[0], [1], [1]]
    assert labels_as_accepted(train, {"dense", "unknown"}) is train
