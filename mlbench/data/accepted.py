"""The input of a job in the form that its model, or its features, accept."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from mlbench.data.cache import JobData
from mlbench.data.dataset import Matrix, Split, is_sparse
from mlbench.data.missing import columns_without_values, filled, medians


def as_accepted(data: JobData, accepts: Collection[str]) -> JobData:
    """Convert features to dense or sparse, and fill missing values with the medians of train, where need be.

    A feature of which train has no value is 0 for all: libraries that take missing values fail on it, or ignore it.

    Args:
        data: The rows of a job.
        accepts: Some of ``"dense"``, ``"sparse"`` and ``"missing"``.
    """
    columns = data.missing if "missing" not in accepts else columns_without_values(data.train.X, data.missing)
    if len(columns):
        values = medians(data.train.X, columns)
        data = _converted(data, lambda X: filled(X, columns, values))
    if ("sparse" if is_sparse(data.X_test) else "dense") in accepts:
        return data
    return _converted(data, _other_form)


def labels_as_accepted(split: Split, accepts: Collection[str]) -> Split:
    """Return the split with unknown labels as 0 unless ``"unknown"`` is accepted."""
    return split if split.known is None or "unknown" in accepts else Split.unchecked(**vars(split) | {"known": None})


def _other_form(X: Any) -> Matrix:
    import scipy.sparse as sp

    return np.ascontiguousarray(X.toarray()) if is_sparse(X) else sp.csr_matrix(X)


def _converted(data: JobData, convert: Any) -> JobData:
    whole = convert(data.both.X)
    n = len(data.train)

    def part(split: Split, X: Matrix) -> Split:
        return Split.unchecked(**vars(split) | {"X": X})

    return JobData(
        train=part(data.train, whole[:n]),
        valid=part(data.valid, whole[n:]),
        both=part(data.both, whole),
        X_test=convert(data.X_test),
        missing=data.missing,
    )
