"""Label columns of ARFF files: what their cells mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlbench.data.formats.arff import Arff, Attribute, number_of
from mlbench.data.formats.base import YES_NO, ReadOptions, listed, shown
from mlbench.data.formats.label_cells import FEWEST_REPEATED, Named, list_cells, number_cells, split_cells, word_cells
from mlbench.errors import DataError, UsageError


def label_blocks(
    files: Sequence[Arff], columns: Sequence[int], options: ReadOptions, notes: list[str]
) -> tuple[list[str], list[NDArray[np.float64]]]:
    """Return the label names, and the labels (n, k) of each file, NaN where unknown.

    Args:
        files: The files of all splits, with the same columns.
        columns: The label columns.
        options: What the files do not say of label cells.
        notes: What was found out is appended.

    Raises:
        UsageError: It is not said what the cells mean.
        DataError: They are no labels.
    """
    names: list[str] = []
    blocks: list[NDArray[np.float64]] = []
    for j in columns:
        found, block = _block(files, j, options, notes, only=len(columns) == 1)
        names += found
        blocks.append(block)
    whole = np.hstack(blocks)
    return names, np.split(whole, np.cumsum([file.cells.shape[0] for file in files])[:-1])


def _block(files: Sequence[Arff], j: int, options: ReadOptions, notes: list[str], *, only: bool) -> Named:
    attribute = files[0].attributes[j]
    if not attribute.usable:
        raise DataError(
            f"{files[0].file}: label {shown(attribute.name)} has type {shown(attribute.kind)}, which cannot be read"
        )
    if attribute.kind == "hierarchical":
        return _nodes(files, j)
    if attribute.zero_one and not (options.unknown or options.label_separator or options.positive or options.one_hot):
        return [attribute.name], np.concatenate([file.column(j) for file in files])[:, None]  # by far the usual case
    if attribute.kind == "numeric" and options.label_separator is None:
        numbers = np.concatenate([file.column(j) for file in files])
        numbers[np.isin(numbers, [number for text in options.unknown if (number := number_of(text)) is not None])] = (
            np.nan
        )
        return number_cells(files[0].file, attribute.name, numbers, options, notes, only=only)
    cells = [cell if cell not in options.unknown else "" for file in files for cell in file.words(j)]
    if options.label_separator is not None:
        return split_cells(attribute.name, cells, options.label_separator)
    if attribute.kind == "nominal":
        return _nominal(files, j, cells, options, notes, only=only)
    lists = list_cells(attribute.name, cells)
    if lists is not None:
        return lists
    return word_cells(files[0].file, attribute.name, cells, options, notes, only=only)


def _nominal(
    files: Sequence[Arff], j: int, cells: list[str], options: ReadOptions, notes: list[str], *, only: bool
) -> Named:
    """Return the labels of a nominal column; of two words of the header, the second one is 1."""
    attribute = files[0].attributes[j]
    values = [value for value in attribute.values if value not in options.unknown]
    said = any(entry.rpartition("=")[0] in ("", attribute.name) for entry in options.positive)
    repeated = sum(count > 1 for cell, count in Counter(cells).items() if cell)
    classes = only and repeated >= FEWEST_REPEATED
    if len(values) > 2 and not options.one_hot and not classes and not said:
        has = f"label {shown(attribute.name)} has the values {listed(values)}"
        raise UsageError(f"{files[0].file}: {has}: give --one-hot if each of them is a label of its own")
    if len(values) != 2 or options.one_hot or said or _known_pair(values):
        known = [value for value in values if number_of(value) in (0, 1, -1)]
        if len(known) == len(values) and not said and not options.one_hot:
            numbers = np.array([np.nan if not cell else float(cell) for cell in cells])
            return number_cells(files[0].file, attribute.name, numbers, options, notes, only=only)
        return word_cells(files[0].file, attribute.name, cells, options, notes, only=only)
    notes.append(f"label {shown(attribute.name)}: {values[1]} is 1, as the header lists it second")
    ones = np.array([[np.nan if not cell else float(cell == values[1])] for cell in cells])
    return [attribute.name], ones


def _known_pair(values: Sequence[str]) -> bool:
    words = {value.lower() for value in values}
    return any(words <= set(pair) for pair in YES_NO) or {number_of(value) for value in values} in ({0, 1}, {-1, 1})


def _nodes(files: Sequence[Arff], j: int) -> Named:
    """Return a label for each node of a hierarchy; the parents of a positive node are positive, too."""
    attribute: Attribute = files[0].attributes[j]
    rows: list[list[str]] = []
    known = {node: None for listed_node in attribute.nodes for node in [*_parents(listed_node), listed_node]}
    for file in files:
        for row, cell in enumerate(file.words(j)):
            nodes = [node for node in cell.split("@") if node]
            wrong = next((node for node in nodes if node not in known), None)
            if wrong is not None:
                where = f"{file.file}: row {row} (from 0), column {shown(attribute.name)}"
                raise DataError(f"{where} holds {shown(wrong)}, which is no node of its hierarchy")
            rows.append([name for node in nodes for name in [*_parents(node), node]])
    names = list(known)
    place = {name: code for code, name in enumerate(names)}
    Y = np.zeros((len(rows), len(names)))
    for row, labels in enumerate(rows):
        Y[row, [place[label] for label in labels]] = 1
    return names, Y


def _parents(node: str) -> list[str]:
    steps = node.split("/")
    return ["/".join(steps[:n]) for n in range(1, len(steps))]
