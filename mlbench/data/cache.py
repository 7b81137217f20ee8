"""The input of jobs: folders of plain, memory-mapped ``.npy`` files, one for each data set and one for its features.

``X`` holds the rows of train, valid and test in this order, so that train, valid and both together (for
the refit) are views of one file. ``Y`` and ``groups`` stop after valid: no file that a job reads
contains test labels.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.dataset import Matrix, Split, blocks, exclusive, is_sparse
from mlbench.data.missing import columns_with_missing
from mlbench.errors import DataError

if TYPE_CHECKING:  # a job's process reads files alone
    from mlbench.data.complete import CompleteDataset

CSR_FIELDS = ("data", "indices", "indptr")
TEXTS, MISSING = "texts.json", "X-missing.npy"
Transform: TypeAlias = "Callable[[Matrix], Matrix]"
"""From any block of rows (n, d) to their new features (n, d')."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JobData:
    """The rows that a job may see, memory-mapped and read-only.

    Attributes:
        train: The training split.
        valid: The validation split.
        both: Train and valid together, for the refit.
        X_test: The features of the test split, without its labels; texts if the others are.
        missing: The columns of the features in which a value is missing.
    """

    train: Split
    valid: Split
    both: Split
    X_test: Matrix
    missing: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))

    @cached_property
    def n_positives(self) -> NDArray[np.int64]:
        """Positives of each label in train, shape (k,)."""
        counts: NDArray[np.int64] = self.train.Y.sum(axis=0, dtype=np.int64)
        return counts

    @cached_property
    def exclusive(self) -> bool:
        """Whether every row of train and valid has exactly one label."""
        return exclusive(self.train, self.valid)


def write_data(dataset: CompleteDataset, folder: Path) -> None:
    """Write the features of all splits, and labels and groups of train and valid, unless they are there.

    Args:
        dataset: The data set.
        folder: Written beside and renamed, so that it is whole or not there.

    Raises:
        OSError: The folder cannot be written.
    """

    def write(making: Path) -> None:
        seen = (dataset.train, dataset.valid)
        write_matrix([split.X for _, split in dataset.parts()], _unchanged, making, missing=True)
        if dataset.train.texts is not None:
            texts = [text for _, split in dataset.parts() for text in (() if split.texts is None else split.texts)]
            (making / TEXTS).write_text(json.dumps(texts), encoding="utf-8")
        np.save(making / "Y.npy", np.concatenate([split.Y for split in seen]))
        if any(split.known is not None for split in seen):
            known = [np.ones(split.Y.shape, dtype=bool) if split.known is None else split.known for split in seen]
            np.save(making / "known.npy", np.concatenate(known))
        if all(split.groups is not None for split in seen):
            np.save(making / "groups.npy", np.concatenate([split.groups for split in seen if split.groups is not None]))
        sizes = {"n_train": len(dataset.train), "n_valid": len(dataset.valid), "n_test": len(dataset.test)}
        (making / "sizes.json").write_text(json.dumps(sizes))

    _write_folder(folder, write)


def write_features(
    data: JobData,
    transform: Transform,
    folder: Path,
    *,
    texts: Sequence[Any] | None = None,
    missing: bool = False,
) -> None:
    """Write the transformed features of all splits to ``folder``, unless they are there.

    Args:
        data: The rows of a job.
        transform: From a block of rows to their new features.
        folder: Written beside and renamed.
        texts: The texts of train, valid and test, if they are what is transformed.
        missing: Whether values may be missing.

    Raises:
        OSError: The folder cannot be written.
        DataError: The transform gives something that models cannot use.
    """
    parts = [data.train.X, data.valid.X, data.X_test] if texts is None else texts
    _write_folder(folder, lambda making: write_matrix(parts, transform, making, missing=missing))


def _unchanged(X: Matrix) -> Matrix:
    return X


def _write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a folder beside ``folder``, and rename it into place."""
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        write(making)
        try:
            making.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was first, with the same content
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


def write_matrix(parts: Sequence[Matrix], transform: Transform, folder: Path, *, missing: bool = False) -> None:
    """Write the transformed rows of all parts, one after the other, dense or CSR as the transform gives them.

    Args:
        parts: The rows of train, valid and test.
        transform: From a block of rows to their new features.
        folder: Where to write.
        missing: Whether values may be missing (NaN).

    Raises:
        OSError: A file cannot be written.
        DataError: A block has another shape or kind than it must have, or values that are not finite.
    """
    out: NDArray[np.float32] | None = None
    sparse: list[Any] = []
    gaps: set[int] = set()
    done, total = 0, sum(X.shape[0] for X in parts)
    for X in parts:
        for rows in blocks(X.shape[0]):
            block = _checked(transform(X[rows]), rows.stop - rows.start, missing)
            gaps.update(columns_with_missing(block).tolist() if missing else ())
            if is_sparse(block) != bool(sparse) and done:
                raise DataError("some blocks of rows were transformed into dense ones, others into sparse ones")
            width = out.shape[1] if out is not None else sparse[0].shape[1] if sparse else block.shape[1]
            if block.shape[1] != width:
                raise DataError(
                    f"a block of rows was transformed into {block.shape[1]} columns, the first one into {width}"
                )
            if is_sparse(block):
                sparse.append(block)
            else:
                if out is None:
                    shape = (total, block.shape[1])
                    out = _new_matrix(folder / "X.npy", shape)
                out[done : done + block.shape[0]] = block
            done += block.shape[0]
    if gaps:
        np.save(folder / MISSING, np.array(sorted(gaps), dtype=np.int64))
    if sparse:
        whole = sp.csr_matrix(sp.vstack(sparse, format="csr"), dtype=np.float32)
        for field in CSR_FIELDS:
            np.save(folder / f"X-{field}.npy", getattr(whole, field))
        np.save(folder / "X-shape.npy", np.array(whole.shape))


def _new_matrix(file: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    if not shape[1]:  # texts alone; an empty file cannot be mapped
        np.save(file, np.empty(shape, dtype=np.float32))
        return np.empty(shape, dtype=np.float32)
    mapped = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
    _reserve(file)
    return mapped


def _reserve(file: Path) -> None:
    """Reserve disk space for a whole file: a full disk raises OSError here, instead of SIGBUS at a later write."""
    with file.open("r+b") as stream:
        os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)


def _checked(block: Matrix, n_rows: int, missing: bool) -> Matrix:
    """Return what a transform gave, in float32, if models can use it."""
    if not (isinstance(block, np.ndarray) or is_sparse(block)):
        raise DataError(
            f"{n_rows} rows were transformed into a {type(block).__name__}, expected an array or a CSR matrix"
        )
    if block.ndim != 2 or block.shape[0] != n_rows:
        raise DataError(f"{n_rows} rows were transformed into an array of shape {block.shape}")
    if is_sparse(block):
        block = sp.csr_matrix(block)
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite, and refused
        block = block.astype(np.float32)
    values = block.data if is_sparse(block) else block
    wrong = ~np.isfinite(values) & ~np.isnan(values) if missing else ~np.isfinite(values)
    if wrong.any():
        raise DataError(f"{int(wrong.sum())} values are {'' if missing else 'NaN or '}infinite")
    return block


def read_job_data(data: Path, features: Path | None = None) -> JobData:
    """Map what ``write_data`` wrote into memory.

    Args:
        data: The folder of the data set.
        features: The folder that ``write_features`` wrote; the data set's own features by default.
    """

    def mapped(file: Path) -> Any:
        try:
            return np.load(file, mmap_mode="r", allow_pickle=False)
        except ValueError:  # an empty array cannot be mapped
            return np.load(file, allow_pickle=False)

    sizes = json.loads((data / "sizes.json").read_text())
    n_train, n_seen = sizes["n_train"], sizes["n_train"] + sizes["n_valid"]
    Y = mapped(data / "Y.npy")
    groups, known = (mapped(data / name) if (data / name).exists() else None for name in ("groups.npy", "known.npy"))
    folder = features or data
    X: Matrix
    if (folder / "X.npy").exists():
        X = mapped(folder / "X.npy")
    else:
        arrays = tuple(mapped(folder / f"X-{field}.npy") for field in CSR_FIELDS)
        X = sp.csr_matrix(arrays, shape=tuple(mapped(folder / "X-shape.npy")))

    whole = Split.unchecked(X=X[:n_seen], Y=Y, groups=groups, known=known)

    def split(start: int, stop: int) -> Split:
        return whole.take(slice(start, stop))

    return JobData(
        train=split(0, n_train),
        valid=split(n_train, n_seen),
        both=split(0, n_seen),
        X_test=X[n_seen : n_seen + sizes["n_test"]],
        missing=mapped(folder / MISSING) if (folder / MISSING).exists() else np.empty(0, dtype=np.intp),
    )


def read_texts(data: Path) -> list[NDArray[np.object_]]:
    """Read the texts of train, valid and test that ``write_data`` wrote, each of shape (n,)."""
    sizes = json.loads((data / "sizes.json").read_text())
    texts = np.array(json.loads((data / TEXTS).read_text(encoding="utf-8")), dtype=object)
    return np.split(texts, np.cumsum([sizes["n_train"], sizes["n_valid"]]))
