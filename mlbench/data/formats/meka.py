"""MEKA: one ARFF file whose relation name tells which columns are labels (https://waikato.github.io/meka/)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlbench.data.dataset import Dataset
from mlbench.data.formats.arff import SUFFIXES, Arff
from mlbench.data.formats.arff_dataset import read_arff_dataset
from mlbench.data.formats.arff_text import LABEL_COUNT
from mlbench.data.formats.base import Format, ReadOptions, files_in, has_suffix
from mlbench.data.formats.parts import parts_in
from mlbench.errors import DataError


def _recognises(path: Path) -> bool:
    return has_suffix(path, SUFFIXES) or bool(files_in(path, SUFFIXES))


def find(path: Path, options: ReadOptions) -> dict[str, Path]:
    """Find the ARFF file of each split; ``parts_in`` describes the errors."""
    return parts_in(path, SUFFIXES, "ARFF files", options.fold)


def _read(parts: Mapping[str, Path], name: str, options: ReadOptions) -> Dataset:
    return read_arff_dataset(name, parts, _columns)


def _columns(arff: Arff) -> range:
    """Return the first n columns for ``-C n``, and the last n for ``-C -n``."""
    match = LABEL_COUNT.search(arff.relation)
    if not match:
        advice = "put the Mulan XML file beside it, or add '-C n' to its @relation as MEKA does"
        raise DataError(f"{arff.file}: it is not known which columns are labels: {advice}")
    count, columns = int(match[1]), len(arff.attributes)
    if not 0 < abs(count) < columns:
        raise DataError(f"{arff.file}: -C {count} in @relation, but the number of columns is {columns}")
    return range(count) if count > 0 else range(columns + count, columns)


FORMAT = Format(
    name="MEKA",
    describe="NAME.arff or NAME.arff.bz2, with '-C n' in its relation name",
    recognises=_recognises,
    find=find,
    read=_read,
)
