"""mini-MusicNet: a folder of ``.npy`` files with audio windows and the notes that sound in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Matrix, blocks, make_split
from mlbench.data.formats.base import Format, ReadOptions, one_line, read_text
from mlbench.data.formats.npy import Array, read_npy, texts_of
from mlbench.errors import DataError

MANIFEST = "manifest.json"
MANIFEST_KEYS: dict[str, tuple[Any, Any]] = {
    "name": (str, str),
    "citation": (str, str),
    "notes": (list, str),
    "warnings": (list, str),
    "twins": (list, int),
}
"""The keys that are read from a manifest, with the types of value and items; ``Dataset`` describes them."""
_SPLITS = ("train", "valid", "test")


def _recognises(path: Path) -> bool:
    return any((path / f"audio-{name}.npy").is_file() for name in _SPLITS)


def _find(path: Path, options: ReadOptions) -> dict[str, Path]:
    """Return the folder, which holds all splits."""
    return {"train": path}


def _read(parts: Mapping[str, Path], name: str, options: ReadOptions) -> Dataset:
    path = parts["train"]
    splits = {}
    groups = _read_groups(path)
    for part in _SPLITS:
        audio, labels = (path / f"{kind}-{part}.npy" for kind in ("audio", "labels"))
        if part != "train" and not audio.exists() and not labels.exists():
            continue
        X, Y = _read_array(audio), _read_array(labels)
        splits[part] = make_split(X, Y, groups.get(part), where=f"{audio.name}, {labels.name}", label_names=_names(Y))
        _check_complete(splits[part].X, audio.name)
    manifest = _read_manifest(path / MANIFEST)
    return Dataset(
        name=manifest.get("name", name),
        train=splits["train"],
        valid=splits.get("valid"),
        test=splits.get("test"),
        label_names=_names(splits["train"].Y),
        features=("rfft",),
        notes=tuple(manifest.get("notes", ())),
        warnings=tuple(manifest.get("warnings", ())),
        citation=manifest.get("citation", ""),
        twins=frozenset(manifest.get("twins", ())),
    )


def _check_complete(X: Matrix, file: str) -> None:
    """Raise ``DataError`` if a sample is NaN: audio has no missing values, and ``rfft`` would spread it."""
    for rows in blocks(X.shape[0]):
        missing = np.isnan(X[rows])
        if missing.any():
            row, column = (int(i[0]) for i in np.nonzero(missing))
            raise DataError(
                f"{file}: row {rows.start + row}, column {column} is NaN: replace or drop such windows first"
            )


def _read_manifest(file: Path) -> dict[str, Any]:
    """Read those of ``MANIFEST_KEYS`` that the manifest has.

    Raises:
        DataError: The file is not JSON, or a value has the wrong type.
    """
    if not file.is_file():
        return {}
    try:
        manifest = json.loads(read_text(file))
    except ValueError as error:
        raise DataError(f"{file}: not JSON: {one_line(error)}: fix the file or delete it (it is optional)") from error
    found = manifest if isinstance(manifest, dict) else {}
    for key, (wanted, of) in MANIFEST_KEYS.items():
        value = found.get(key, wanted())
        if type(value) is not wanted or any(type(item) is not of for item in value):
            raise DataError(f"{file}: {key!r} must be a {wanted.__name__} of {of.__name__}: fix the file or delete it")
    return {key: found[key] for key in MANIFEST_KEYS if key in found}


def _names(Y: NDArray[np.generic]) -> tuple[str, ...]:
    """Name each label column after its MIDI note."""
    return tuple(f"note-{i}" for i in range(Y.shape[-1] if Y.ndim else 0))


def _read_groups(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read the groups of each split that has them; names become integers, the same ones in every split."""
    files = {name: path / f"groups-{name}.npy" for name in _SPLITS}
    groups = {name: read_npy(file) for name, file in files.items() if file.exists()}
    for name, keys in groups.items():
        if keys.ndim != 1 or keys.dtype.kind not in "iuUS":
            raise DataError(
                f"{files[name].name}: groups have shape {keys.shape} and type {keys.dtype}, expected (rows,) integers"
            )
    if all(keys.dtype.kind in "iu" for keys in groups.values()):
        return groups
    numbers = np.unique(
        [text for name, keys in groups.items() for text in _texts(keys, files[name].name)], return_inverse=True
    )[1]
    ends = np.cumsum([len(keys) for keys in groups.values()])
    return dict(zip(groups, np.split(numbers, ends[:-1]), strict=True))


def _texts(keys: Array, where: str) -> list[str]:
    """Return keys as texts, whatever their type."""
    return texts_of(keys, where) if keys.dtype.kind in "US" else [str(key) for key in keys.tolist()]


def _read_array(file: Path) -> Array:
    """Memory-map an array.

    Raises:
        DataError: The file is missing or broken.
    """
    if not file.is_file():
        raise DataError(f"{file.parent}: {file.name} is missing: a split needs audio and labels, and train must exist")
    return read_npy(file)


FORMAT = Format(
    name="mini-MusicNet",
    describe="a folder with audio-train.npy and labels-train.npy (also -valid and -test; groups-*.npy, manifest.json)",
    recognises=_recognises,
    find=_find,
    read=_read,
)
