"""What a job reads: one folder of plain ``.npy`` files per (data set, features), memory-mapped.

``X`` holds the rows of train, valid and test one after the other, so that train, valid and the two
together (for the refit) are all views of one file. ``Y`` and ``groups`` end with valid: test labels
are in no file that a job reads.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Matrix, Split, blocks, is_sparse
from mlbench.errors import DataError

CSR_FIELDS = ("data", "indices", "indptr")


@dataclass(frozen=True, kw_only=True, eq=False)
class JobData:
    """The rows that a job may see, memory-mapped and read-only.

    Attributes:
        train: The train part.
        valid: The valid part.
        both: Train and valid together, for the refit.
        X_test: Test features; there are no test labels here.
    """

    train: Split
    valid: Split
    both: Split
    X_test: Matrix


def write_job_data(dataset: Dataset, fit: Callable[[Matrix], Callable[[Matrix], Matrix]], folder: Path) -> Path:
    """Compute features once and write them to ``folder``, unless they are there.

    Args:
        dataset: With all three parts.
        fit: From train's X to the transform of any block of rows.
        folder: Written beside and renamed, so that it is whole or not there.
    """
    if folder.exists():
        return folder
    assert dataset.valid is not None
    assert dataset.test is not None
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        _write_matrix(dataset, fit(dataset.train.X), making)
        seen = (dataset.train, dataset.valid)
        np.save(making / "Y.npy", np.concatenate([split.Y for split in seen]))
        if all(split.groups is not None for split in seen):
            np.save(making / "groups.npy", np.concatenate([split.groups for split in seen if split.groups is not None]))
        sizes = {"n_train": len(dataset.train), "n_valid": len(dataset.valid), "n_test": len(dataset.test)}
        (making / "sizes.json").write_text(json.dumps(sizes))
        try:
            making.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was first, with the same content
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def _write_matrix(dataset: Dataset, transform: Callable[[Matrix], Matrix], folder: Path) -> None:
    splits = [split for _, split in dataset.parts()]
    if is_sparse(dataset.train.X):
        parts = [_checked(transform(split.X), len(split)) for split in splits]
        whole = sp.csr_matrix(sp.vstack(parts, format="csr"), dtype=np.float32)
        for field in CSR_FIELDS:
            np.save(folder / f"X-{field}.npy", getattr(whole, field))
        np.save(folder / "X-shape.npy", np.array(whole.shape))
        return
    out: NDArray[np.float32] | None = None
    done, total = 0, sum(len(split) for split in splits)
    for split in splits:
        for rows in blocks(len(split)):
            block = _checked(transform(split.X[rows]), rows.stop - rows.start)
            if out is None:
                shape = (total, block.shape[1])
                out = np.lib.format.open_memmap(folder / "X.npy", mode="w+", dtype=np.float32, shape=shape)
                _reserve(folder / "X.npy")
            if block.shape[1] != out.shape[1]:
                raise DataError(f"a block of rows became {block.shape[1]} columns wide, the first {out.shape[1]}")
            out[done : done + len(block)] = block
            done += len(block)


def _reserve(file: Path) -> None:
    """Room on disk for all of a file: a full disk is an OSError here, and would be a SIGBUS at the first write."""
    with file.open("r+b") as stream:
        os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)


def _checked(block: Matrix, n_rows: int) -> Matrix:
    """What a transform gave, in float32, if models can use it."""
    if block.ndim != 2 or block.shape[0] != n_rows:
        raise DataError(f"{n_rows} rows became an array of shape {block.shape}")
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite, and refused
        block = block.astype(np.float32)
    values = block.data if is_sparse(block) else block
    if not np.isfinite(values).all():
        raise DataError(f"{int((~np.isfinite(values)).sum())} values are NaN or infinite")
    return block


def read_job_data(folder: Path) -> JobData:
    """Map what ``write_job_data`` wrote."""

    def mapped(name: str) -> Any:
        return np.load(folder / name, mmap_mode="r", allow_pickle=False)

    sizes = json.loads((folder / "sizes.json").read_text())
    n_train, n_seen = sizes["n_train"], sizes["n_train"] + sizes["n_valid"]
    Y = mapped("Y.npy")
    groups = mapped("groups.npy") if (folder / "groups.npy").exists() else None
    X: Matrix
    if (folder / "X.npy").exists():
        X = mapped("X.npy")
    else:
        X = sp.csr_matrix(tuple(mapped(f"X-{field}.npy") for field in CSR_FIELDS), shape=tuple(mapped("X-shape.npy")))

    def part(start: int, stop: int) -> Split:
        return Split(X=X[start:stop], Y=Y[start:stop], groups=None if groups is None else groups[start:stop])

    return JobData(
        train=part(0, n_train),
        valid=part(n_train, n_seen),
        both=part(0, n_seen),
        X_test=X[n_seen : n_seen + sizes["n_test"]],
    )


def count_shared_rows(dataset: Dataset) -> dict[tuple[str, str], int]:
    """How many rows of valid and test stand in an earlier part too, by (part, earlier part); only where any do."""
    seen: dict[str, set[bytes]] = {}
    shared = {}
    for part, split in dataset.parts():
        keys = row_hashes(split.X)
        for earlier, known in seen.items():
            if count := sum(key in known for key in keys):
                shared[part, earlier] = count
        seen[part] = set(keys)
    return shared


def row_hashes(X: Matrix | NDArray[np.uint8]) -> list[bytes]:
    """16 bytes for each row of ``X`` (n, d), the same for the same values.

    Zeros are alike, whatever their sign and whether CSR stores them.
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
