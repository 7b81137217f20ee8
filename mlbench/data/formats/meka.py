"""MEKA: ARFF files whose relation name tells which columns are labels (https://waikato.github.io/meka/).

Any other ARFF file is read here, too: with ``--labels``, with KEEL's ``@outputs``, or with a hierarchical column.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlbench.data.dataset import Dataset
from mlbench.data.formats.arff import SUFFIXES, Arff
from mlbench.data.formats.arff_dataset import TAKES, Statement, read_arff_dataset
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
    return read_arff_dataset(name, parts, _stated, options)


def _stated(arff: Arff) -> Statement | None:
    """Return the first n columns for ``-C n``, the last n for ``-C -n``, and what else names labels in a header."""
    if arff.outputs:
        return "its @outputs", [name for name in arff.names if name in arff.outputs]
    match = LABEL_COUNT.search(arff.relation)
    if not match:
        nodes = [attribute.name for attribute in arff.attributes if attribute.kind == "hierarchical"]
        return ("its hierarchical column", nodes) if nodes else None
    count, columns = int(match[1]), len(arff.attributes)
    if not 0 < abs(count) < columns:
        raise DataError(f"{arff.file}: -C {count} in @relation, but the number of columns is {columns}")
    return f"-C {count} in its @relation", arff.names[:count] if count > 0 else arff.names[count:]


FORMAT = Format(
    name="ARFF",
    describe="NAME.arff with '-C n' in its relation name, or with --labels COLUMNS; KEEL's NAME.dat",
    recognises=_recognises,
    find=find,
    read=_read,
    takes=TAKES,
)
