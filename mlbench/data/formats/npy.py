"""Arrays of NumPy files, read without running code and without trusting the sizes that they state.

Pickled objects are never loaded. Before memory is reserved, the header of an array is checked against the file.
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlbench.data.formats.base import check_not_pointer, one_line, read_bytes, shown
from mlbench.errors import DataError

Array: TypeAlias = NDArray[Any]
"""An array of any type."""
_LONGEST_HEADER = 2**14  # NumPy itself reads at most 10,000 characters
_MOST_DIMENSIONS = 32
_MOST_CELLS_OF_EMPTY = 2**31
_MOST_PER_BYTE = 1032  # what deflate can compress to one byte
_CHUNK = 2**20


class _Header(NamedTuple):
    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[np.generic]
    start: int


def read_npy(file: Path) -> Array:
    """Memory-map a ``.npy`` file after checking its header against its size; a packed one is read.

    Raises:
        DataError: The file is not ``.npy``, holds Python objects, or is truncated.
    """
    where = shown_name(file.name)
    if file.suffix.lower() != ".npy":
        data = read_bytes(file)
        shape, fortran_order, dtype, offset = _header(data[:_LONGEST_HEADER], where, len(data))
        cells: Array = np.frombuffer(data, dtype, math.prod(shape), offset)
        return cells.reshape(shape, order="F" if fortran_order else "C")
    with file.open("rb") as stream:
        start = stream.read(_LONGEST_HEADER)
    check_not_pointer(file, start)
    shape, fortran_order, dtype, offset = _header(start, where, file.stat().st_size)
    if not math.prod(shape):  # an empty array cannot be mapped
        return np.empty(shape, dtype)
    order: Any = "F" if fortran_order else "C"
    return np.memmap(file, dtype=dtype, mode="r", offset=offset, shape=shape, order=order)


class Archive(Mapping[str, Array]):
    """The arrays of a ``.npz`` file; each is read, and checked, when it is asked for.

    Attributes:
        file: The path of the file.

    Raises:
        DataError: The file is not a ZIP archive of arrays, or an array is not what its header states.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._size = file.stat().st_size
        with self._opened("not a .npz file") as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        self._members = {info.filename.removesuffix(".npy"): info for info in members}
        if len(self._members) != len(members):
            raise DataError(f"{file.name}: two arrays have the same name")
        if not members:
            raise DataError(f"{file.name}: holds no NumPy arrays: write it with numpy.savez or scipy.sparse.save_npz")

    def __getitem__(self, name: str) -> Array:
        info = self._members[name]
        where = shown_name(f"{self.file.name}: {name}")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(
                f"{where}: packed by a method that NumPy does not use: write it with numpy.savez_compressed"
            )
        with self._opened(f"{name} is broken") as archive, archive.open(info) as stream:
            start = stream.read(_LONGEST_HEADER)
        header = _header(start, where, self._size, _MOST_PER_BYTE)
        with self._opened(f"{name} is broken") as archive, archive.open(info) as stream:
            stream.read(header.start)
            cells = _filled(stream, header.dtype, math.prod(header.shape), where)
        return cells.reshape(header.shape, order="F" if header.fortran_order else "C")

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    @contextmanager
    def _opened(self, problem: str) -> Iterator[zipfile.ZipFile]:
        with self.file.open("rb") as stream:
            check_not_pointer(self.file, stream.read(64))
        try:
            with zipfile.ZipFile(self.file) as archive:
                yield archive
        except (DataError, MemoryError):
            raise
        except Exception as error:  # a broken archive can make zipfile raise anything
            raise DataError(
                shown_name(f"{self.file.name}: {problem} ({one_line(error)}): download or save it again")
            ) from error


def shown_name(text: str) -> str:
    """Return names of files and arrays as they may stand in a message: on one line, not too long."""
    return shown(text, 200)[1:-1]


def _filled(stream: Any, dtype: np.dtype[np.generic], count: int, where: str) -> Array:
    """Read ``count`` values; memory is touched only as far as there are bytes."""
    cells: Array = np.empty(count, dtype)
    view = memoryview(cells.view(np.uint8).data) if count else memoryview(b"")
    done = 0
    while done < len(view):
        chunk = stream.read(min(_CHUNK, len(view) - done))
        if not chunk:
            raise DataError(f"{where}: truncated: its header states {len(view)} bytes, there are {done}")
        view[done : done + len(chunk)] = chunk
        done += len(chunk)
    return cells


def _header(start: bytes, where: str, size: int, most_per_byte: int = 1) -> _Header:
    """Parse the header of an array.

    Args:
        start: The first bytes.
        where: The file and the array, for messages.
        size: The size of the file.
        most_per_byte: How many bytes of the array one byte of the file can stand for.

    Raises:
        DataError: It is no header, or what it states cannot be read.
    """
    stream: BinaryIO = io.BytesIO(start)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # arrays written by Python 2 are read all the same
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran_order, dtype = read(stream)
    except Exception as error:  # a broken header can make NumPy's parser raise anything
        raise DataError(
            f"{where}: not a .npy file of numbers (pickled files are never loaded): use numpy.save"
        ) from error
    if dtype.hasobject:
        raise DataError(f"{where}: holds pickled Python objects, which are never loaded: save an array of numbers")
    needed = stream.tell() + math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or needed > size * most_per_byte:
        raise DataError(
            f"{where}: truncated: its header says {shown_name(str(shape))} {dtype}, {needed} bytes, the file has {size}"
        )
    if not _can_be_made(shape, dtype):
        raise DataError(f"{where}: an array of shape {shown_name(str(shape))} and type {dtype}, which cannot be read")
    return _Header(tuple(map(int, shape)), bool(fortran_order), dtype, stream.tell())


def _can_be_made(shape: Sequence[int], dtype: np.dtype[np.generic]) -> bool:
    """Return whether NumPy can make such an array; sizes multiply even where one dimension is 0."""
    cells = math.prod(max(size, 1) for size in shape)
    return (
        len(shape) <= _MOST_DIMENSIONS
        and dtype.itemsize > 0
        and (bool(math.prod(shape)) or cells < _MOST_CELLS_OF_EMPTY)
    )


def texts_of(array: Array, where: str) -> list[str]:
    """Return an array of texts or bytes as a list of strings.

    Raises:
        DataError: A text is not valid Unicode.
    """
    if array.dtype.kind == "S":
        return [bytes(text).decode("utf-8", "replace") for text in array.ravel().tolist()]
    native = np.ascontiguousarray(array.ravel(), dtype=array.dtype.newbyteorder("="))
    points = native.view(np.uint32)
    if ((points > 0x10FFFF) | ((points >= 0xD800) & (points <= 0xDFFF))).any():
        raise DataError(f"{where}: holds text that is not valid Unicode")
    return [str(text) for text in native.tolist()]
