"""Rows that occur more than once, cell by cell."""

from __future__ import annotations

import hashlib

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Matrix, Split, is_sparse


def count_shared_rows(dataset: Dataset) -> dict[tuple[str, str], int]:
    """Count the rows of valid and test that also occur in an earlier split, by (split, earlier split), if any."""
    seen: dict[str, set[bytes]] = {}
    shared = {}
    for part, split in dataset.parts():
        keys = row_keys(split)
        for earlier, known in seen.items():
            if count := sum(key in known for key in keys):
                shared[part, earlier] = count
        seen[part] = set(keys)
    return shared


def row_keys(split: Split) -> list[bytes]:
    """Hash the features and the text of each row; equal rows have equal hashes."""
    keys = row_hashes(split.X)
    if split.texts is None:
        return keys
    return [
        key + hashlib.blake2b(text.encode(), digest_size=16).digest()
        for key, text in zip(keys, split.texts, strict=True)
    ]


def row_hashes(X: Matrix | NDArray[np.uint8]) -> list[bytes]:
    """Hash each row of ``X`` (n, d) to 16 bytes; equal rows have equal hashes.

    Zeros are equal whatever their sign and whether or not CSR stores them.
    """

    def digest(*arrays: NDArray[np.generic]) -> bytes:
        state = hashlib.blake2b(digest_size=16)
        for array in arrays:
            state.update(np.ascontiguousarray(array).data)
        return state.digest()

    if is_sparse(X):
        X = sp.csr_matrix(X)
        ends = zip(X.indptr[:-1], X.indptr[1:], strict=True)
        filled = ((X.indices[a:b][X.data[a:b] != 0], X.data[a:b][X.data[a:b] != 0]) for a, b in ends)
        return [digest(indices.astype(np.int64), data) for indices, data in filled]
    return [digest(row + 0) for row in X]
