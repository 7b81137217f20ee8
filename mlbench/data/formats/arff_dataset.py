"""From ARFF files to a data set: the roles of columns, for Mulan, MEKA and any other ARFF."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Split, make_split
from mlbench.data.formats.arff import Arff, read_arff
from mlbench.data.formats.arff_features import Features
from mlbench.data.formats.arff_labels import label_blocks
from mlbench.data.formats.base import ReadOptions, listed, shown
from mlbench.data.formats.columns import check_roles, one, select, split_of_rows
from mlbench.data.formats.parts import PART_WORDS
from mlbench.errors import DataError, UsageError

TAKES = frozenset(
    {"labels", "drop", "text", "groups", "split", "label_separator", "positive", "unknown", "one_hot", "encoding"}
)
"""The options that ARFF files take."""
Statement = tuple[str, Sequence[str]]
"""What says which columns are labels, for messages, and their names in the order of the file."""


def read_arff_dataset(
    name: str, by_split: Mapping[str, Path], stated: Callable[[Arff], Statement | None], options: ReadOptions
) -> Dataset:
    """Read a data set from one ARFF file per split.

    Args:
        name: The name of the data set.
        by_split: The file of each split.
        stated: Returns what the files say of their label columns.
        options: What they do not say.

    Raises:
        UsageError: It is not known which columns are labels, or what a label cell means.
        DataError: The headers differ, two statements contradict each other, or a cell is no label or feature.
    """
    files = [read_arff(file, options.encoding) for file in by_split.values()]
    first = files[0]
    for file in files:
        if not file.cells.shape[0]:
            raise DataError(f"{file.file}: no rows after @data")
    for other in files[1:]:
        _check_same_header(first, other)
    labels = _label_columns(first, stated(first), options)
    texts, dropped = select(first.names, options.text), select(first.names, options.drop)
    special = [one(first.names, column) for column in (options.groups, options.split) if column is not None]
    check_roles(labels, texts, special, dropped)
    if options.split is not None and len(files) > 1:
        names = listed(file.file for file in files)
        raise UsageError(f"--split {options.split}: the files ({names}) are splits already: leave it out")

    notes: list[str] = []
    place = {column: j for j, column in enumerate(first.names)}
    label_names, Ys = label_blocks(files, [place[column] for column in labels], options, notes)
    used = {*labels, *texts, *special, *dropped}
    features = Features(files, [j for column, j in place.items() if column not in used])
    groups = _groups(files, place[options.groups]) if options.groups is not None else [None] * len(files)
    splits: dict[str, Split] = {}
    for part, file, X, Y, keys in zip(by_split, files, features.matrices, Ys, groups, strict=True):
        rows = make_split(
            X,
            Y,
            keys,
            texts=_texts(file, [place[column] for column in texts]) if texts else None,
            where=f"{file.file} (rows from 0)",
            feature_names=features.names,
            label_names=label_names,
        )
        splits |= {part: rows} if options.split is None else _by_column(file, place[options.split], rows, options.fold)
    if "train" not in splits:
        raise DataError(f"{first.file}: no row has train in column {shown(str(options.split))}")
    notes = [*notes, *features.notes, *(f"{file.file}: row weights are ignored" for file in files if file.weighted)]
    return Dataset(
        name=name,
        train=splits["train"],
        valid=splits.get("valid"),
        test=splits.get("test"),
        label_names=tuple(label_names),
        feature_names=tuple(features.names),
        features=("raw",) if not texts else ("tfidf", "raw") if features.names else ("tfidf",),
        notes=tuple(notes),
    )


def _label_columns(first: Arff, statement: Statement | None, options: ReadOptions) -> list[str]:
    """Return the names of the label columns that the files or the user state."""
    said = select(first.names, options.labels)
    if statement is None:
        if said:
            return said
        raise UsageError(
            f"{first.file}: it is not known which columns are labels: name them with --labels, put a Mulan XML file "
            "beside it, or write '-C n' into its @relation for the first n columns ('-C -n' for the last n)"
        )
    source, stated = statement
    if said and set(said) != set(stated):
        raise DataError(
            f"{first.file}: {source} says that {len(stated)} columns are labels ({listed(stated, 3)}), but --labels "
            f"names {len(said)} ({listed(said, 3)}): correct one of them"
        )
    return list(stated)


def _groups(files: Sequence[Arff], j: int) -> list[NDArray[np.intp]]:
    """Return the group of each row of each file as an integer, in the order in which groups occur."""
    cells = [file.words(j) for file in files]
    for file, words in zip(files, cells, strict=True):
        if "" in words:
            column = shown(file.attributes[j].name)
            raise DataError(
                f"{file.file}: row {words.index('')} (from 0), column {column} is missing: fill it in first"
            )
    numbers = {word: number for number, word in enumerate(dict.fromkeys(word for words in cells for word in words))}
    return [np.array([numbers[word] for word in words], dtype=np.intp) for words in cells]


def _texts(file: Arff, columns: Sequence[int]) -> list[str]:
    return ["\n".join(row) for row in zip(*(file.words(j) for j in columns), strict=True)]


def _by_column(file: Arff, j: int, rows: Split, fold: int | None) -> dict[str, Split]:
    """Split the rows of a file by the words, or the folds, in one of its columns."""
    where = lambda row: f"{file.file}: row {row} (from 0)"  # noqa: E731
    part_of_row = split_of_rows(file.words(j), fold, file.attributes[j].name, where)
    return {part: rows.take(np.flatnonzero(part_of_row == part)) for part in PART_WORDS if part in part_of_row}


def _check_same_header(first: Arff, other: Arff) -> None:
    if len(first.attributes) != len(other.attributes):
        counts = f"{len(first.attributes)} and {len(other.attributes)} columns"
        raise DataError(f"{first.file} and {other.file} have {counts}: they must be splits of one data set")
    for number, (a, b) in enumerate(zip(first.attributes, other.attributes, strict=True)):
        if (a.name, a.kind) != (b.name, b.kind):
            a_is, b_is = f"{shown(a.name)} ({a.kind})", f"{shown(b.name)} ({b.kind})"
            raise DataError(f"column {number} is {a_is} in {first.file}, but {b_is} in {other.file}")
