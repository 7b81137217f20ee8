"""Feature columns of ARFF files: numbers, and nominal columns as one column of 0 and 1 or as several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mlbench.data.formats.arff import Arff, number_of
from mlbench.data.formats.base import dense, dense_if_full, shown
from mlbench.data.formats.table_columns import id_note, which_is_one
from mlbench.errors import DataError

_MOST_CHANCE_VALUES = 9  # with so few values, all may differ by chance in a tiny file: not a row id


class Features:
    """Converts the feature columns of all files to one matrix per file.

    Attributes:
        names: The d feature names.
        matrices: One matrix (n, d) per file, all dense or all sparse.
        notes: One line per column that was dropped.
    """

    def __init__(self, files: Sequence[Arff], columns: Sequence[int]) -> None:
        self.names: list[str] = []
        self.notes: list[str] = []
        self._sparse = all(sp.issparse(file.cells) for file in files)
        if self._sparse:
            self._cells = [sp.csc_matrix(file.cells) for file in files]
        else:
            self._cells = [dense(file.cells) for file in files]
        self._files = files
        self._blocks: list[list[object]] = [[] for _ in files]
        unchanged: list[int] = []
        for j in columns:
            if all(f.attributes[j].kind == "numeric" or f.attributes[j].zero_one for f in files):
                unchanged.append(j)
            else:
                self._copy(unchanged)
                unchanged = []
                self._encode(j)
        self._copy(unchanged)
        self.matrices = self._joined()

    def _copy(self, columns: list[int]) -> None:
        """Copy columns that need no conversion."""
        if columns:
            names = [self._files[0].attributes[j].name for j in columns]
            self.notes += [note for name, j in zip(names, columns, strict=True) if (note := self._id_note(name, j))]
            self.names += names
            self._add([cells[:, columns] for cells in self._cells])

    def _id_note(self, name: str, j: int) -> str | None:
        return None if self._sparse else id_note(name, np.concatenate([cells[:, j] for cells in self._cells]))

    def _encode(self, j: int) -> None:
        """Convert a nominal or string column to one 0/1 column or to one-hot columns, or drop it as a row id."""
        attribute = self._files[0].attributes[j]
        if attribute.kind not in ("nominal", "string", "numeric"):
            raise DataError(
                f"{self._files[0].file}: column {shown(attribute.name)} has type {shown(attribute.kind)}, which is no "
                "feature: leave it out with --drop, or name it with --labels"
            )
        # Splits may list different values, so codes refer to all lists together.
        values = list(dict.fromkeys(value for file in self._files for value in file.attributes[j].values))
        codes = [self._codes(file, j, values) for file in range(len(self._files))]
        may_be_id = attribute.kind == "string" or len(values) > _MOST_CHANCE_VALUES
        if may_be_id and all(len(np.unique(c)) == len(c) and (c >= 0).all() for c in codes):
            twice = sum(len(c) for c in codes) - len(np.unique(np.concatenate(codes)))
            in_two = f"; {twice} of its values occur in more than one split" if twice else ""
            self.notes.append(f"column {shown(attribute.name)} dropped: a row id, as all values differ{in_two}")
        elif attribute.kind == "string":
            raise DataError(
                f"{self._files[0].file}: column {shown(attribute.name)} holds text: give --text {attribute.name!r} to "
                "use its words, or leave it out with --drop"
            )
        elif len(values) == 2:
            one = which_is_one(values)
            plain = {number_of(value) for value in values} == {0, 1}
            self.names.append(attribute.name if plain else f"{attribute.name}={values[one]}")
            self._add([_with_missing((c == one)[:, None], c) for c in codes])
        else:
            self.names += [f"{attribute.name}={value}" for value in values]
            self._add([_with_missing(c[:, None] == np.arange(len(values)), c) for c in codes])

    def _codes(self, file: int, j: int, values: list[str]) -> NDArray[np.intp]:
        """Return the place of each cell among ``values``; -1 where it is missing."""
        own = dense(self._cells[file][:, [j]])[:, 0]
        place = {value: code for code, value in enumerate(values)}
        of_code = np.array([place[value] for value in self._files[file].attributes[j].values] + [-1], dtype=np.intp)
        return of_code[np.where(np.isnan(own), -1, own).astype(np.intp)]

    def _add(self, blocks: Sequence[object]) -> None:
        for target, block in zip(self._blocks, blocks, strict=True):
            target.append(block)

    def _joined(self) -> Sequence[object]:
        if not self.names:
            return [np.empty((file.cells.shape[0], 0)) for file in self._files]
        if not self._sparse:
            with np.errstate(over="ignore"):  # make_split refuses values too large for float32
                return [np.hstack(blocks, dtype=np.float32) for blocks in self._blocks]  # type: ignore[arg-type]
        joined = [
            sp.hstack([sp.csr_matrix(b, dtype=np.float64) for b in blocks], format="csr") for blocks in self._blocks
        ]
        return dense_if_full(joined)


def _with_missing(block: NDArray[np.bool_], codes: NDArray[np.intp]) -> NDArray[np.bool_] | NDArray[np.float32]:
    """Return 0/1 columns, NaN in the rows where the cell is missing."""
    missing = codes < 0
    return np.where(missing[:, None], np.float32(np.nan), block) if missing.any() else block
