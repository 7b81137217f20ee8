"""Sparse matrices as ``scipy.sparse.save_npz`` writes them, built from arrays that are checked first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.formats.base import shown
from mlbench.data.formats.npy import Array, texts_of
from mlbench.data.formats.sparse_text import LARGEST_INDEX
from mlbench.errors import DataError

_ARRAYS = {"csr": ("indices", "indptr"), "csc": ("indices", "indptr"), "coo": ("row", "col")}
_MOST_EMPTY_ROWS = 2**24
"""So many rows may be stated beyond 16 for each entry: CSR needs memory for rows without entries, too."""


def holds_sparse(arrays: Mapping[str, Array]) -> bool:
    """Return whether an archive is one sparse matrix."""
    return {"format", "shape", "data"} <= arrays.keys()


def sparse_of(arrays: Mapping[str, Array], where: str) -> sp.csr_matrix:
    """Return the matrix of an archive, in CSR; its duplicate entries are added up.

    Raises:
        DataError: The arrays make no matrix of numbers: shapes, types, or indices are wrong.
    """
    name = arrays["format"]
    kind = texts_of(name, where)[0] if name.dtype.kind in "SU" and name.size == 1 else "?"
    if kind not in _ARRAYS:
        raise DataError(f"{where}: a sparse matrix in format {shown(kind)}: save it in format csr")
    missing = [key for key in _ARRAYS[kind] if key not in arrays]
    if missing:
        raise DataError(f"{where}: a sparse {kind} matrix without its array {missing[0]!r}: save it again")
    n, d = _shape(arrays["shape"], where)
    data = arrays["data"]
    if data.ndim != 1 or data.dtype.kind not in "biuf":
        raise DataError(f"{where}: entries have shape {data.shape} and type {data.dtype}, expected a list of numbers")
    with np.errstate(over="ignore", invalid="ignore"):  # SciPy knows neither half precision nor other byte orders
        data = data.astype(
            np.float32 if data.dtype.kind == "f" and data.dtype.itemsize <= 4 else np.float64, copy=False
        )
    if n > _MOST_EMPTY_ROWS + 16 * len(data):
        raise DataError(f"{where}: shape ({n}, {d}) with {len(data)} entries: is the shape wrong?")
    if kind == "coo":
        row, col = (_indices(arrays, key, len(data), limit, where) for key, limit in (("row", n), ("col", d)))
        matrix = sp.coo_matrix((data, (row, col)), shape=(n, d)).tocsr()
    else:
        major, minor = (n, d) if kind == "csr" else (d, n)
        ends = _ends(arrays["indptr"], major, len(data), where)
        indices = _indices(arrays, "indices", len(data), minor, where)[: ends[-1]]
        matrix = getattr(sp, f"{kind}_matrix")((data[: ends[-1]], indices, ends), shape=(n, d)).tocsr()
    matrix.sum_duplicates()
    return matrix


def _shape(stated: Array, where: str) -> tuple[int, int]:
    if stated.shape != (2,) or stated.dtype.kind not in "iu":
        raise DataError(f"{where}: a sparse matrix needs a shape of two integers (rows, columns)")
    n, d = (int(size) for size in stated.tolist())
    if not (0 <= n <= LARGEST_INDEX and 0 <= d <= LARGEST_INDEX):
        raise DataError(f"{where}: shape ({n}, {d}) is out of range: is it wrong?")
    return n, d


def _indices(arrays: Mapping[str, Array], key: str, count: int, limit: int, where: str) -> NDArray[np.int64]:
    """Return the row or column of each entry, all below ``limit``."""
    indices = arrays[key]
    if indices.shape != (count,) or indices.dtype.kind not in "iu":
        raise DataError(
            f"{where}: array {key!r} has shape {indices.shape} and type {indices.dtype}, expected {count} integers"
        )
    if count and (int(indices.min()) < 0 or int(indices.max()) >= limit):
        wrong = next(index for index in indices.tolist() if not 0 <= index < limit)
        raise DataError(f"{where}: array {key!r} holds {wrong}, expected 0 to {limit - 1}")
    return indices.astype(np.int64)


def _ends(ends: Array, rows: int, count: int, where: str) -> NDArray[np.int64]:
    """Return where the entries of each row (of a CSC matrix: column) start and the last ones end."""
    if ends.shape != (rows + 1,) or ends.dtype.kind not in "iu":
        raise DataError(
            f"{where}: array 'indptr' has shape {ends.shape} and type {ends.dtype}, expected {rows + 1} integers"
        )
    if int(ends.max()) > count or int(ends.min()) < 0 or ends[0] != 0 or (ends[1:] < ends[:-1]).any():
        raise DataError(f"{where}: array 'indptr' must rise from 0 to at most {count}")
    return ends.astype(np.int64)
