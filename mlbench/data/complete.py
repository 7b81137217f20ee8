"""A data set as it is run on: train, validation and test split, and its fingerprint."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from mlbench.data.audit import shared_groups
from mlbench.data.dataset import Dataset, Split, exclusive
from mlbench.data.duplicates import count_shared_rows
from mlbench.data.missing import count_missing
from mlbench.errors import DataError, one_line

FEW_POSITIVES = 10
"""Metrics of a label with fewer positives are uncertain, and biased upwards where it is average precision."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CompleteDataset(Dataset):
    """A data set that has all three splits; made by ``complete``.

    Attributes:
        valid: The rows to tune on.
        test: The rows to score on, once.
        base_name: Name before ``limit`` and ``dropped_twins`` changed it.
        limit: At most this many rows of each split were kept, or None.
        dropped_twins: Whether groups that are other versions of groups in an earlier split were dropped.
    """

    valid: Split
    test: Split
    base_name: str
    limit: int | None = None
    dropped_twins: bool = False

    @cached_property
    def sha256(self) -> str:
        """The fingerprint, computed once."""
        return self.fingerprint()

    @cached_property
    def exclusive(self) -> bool:
        """Whether the labels exclude each other: every row of every split has exactly one."""
        return exclusive(*(split for _, split in self.parts()))

    @cached_property
    def facts(self) -> tuple[str, ...]:
        """What to know before trusting a value on this data set, one line each; the reader's notes come last."""
        lines = []
        empty = {split: int(np.sum(~rows.Y.any(axis=0))) for split, rows in self.parts()}
        if any(empty.values()):
            counts = ", ".join(f"{count} in {split}" for split, count in empty.items() if count)
            lines.append(f"labels without a positive: {counts}")
        rare = int(np.sum(self.test.Y.any(axis=0) & (self.test.Y.sum(axis=0) < FEW_POSITIVES)))
        if rare:
            lines.append(f"labels with fewer than {FEW_POSITIVES} positives in test: {rare} of {self.test.Y.shape[1]}")
        lines += self._unknown_and_missing()
        repeated = count_shared_rows(self)
        if repeated:
            counts = ", ".join(f"{n} rows of {split} also occur in {first}" for (split, first), n in repeated.items())
            lines.append(f"repeated rows: {counts}")
        shared = shared_groups(dict(self.parts()))
        lines += [f"groups in two splits: {one.groups} of {one.part} also occur in {one.earlier}" for one in shared]
        if self.valid_from_train:
            lines.append("no validation split: 20 % of train is held out, stratified by label, whole groups only")
        return (*lines, *(one_line(note) for note in self.notes))

    def _unknown_and_missing(self) -> list[str]:
        lines = []
        if any(split.known is not None for _, split in self.parts()):
            shares = (
                f"{0 if split.known is None else 1 - split.known.mean():.1%} in {part}" for part, split in self.parts()
            )
            lines.append(
                f"unknown labels: {', '.join(shares)}: no metric counts them; models leave them out, or learn them as 0"
            )
        gaps = {part: n for part, split in self.parts() if (n := count_missing(split.X))}
        if gaps:
            shares = (f"{n / self._n_cells(part):.1%} in {part}" for part, n in gaps.items())
            filled = "filled with the median of train for models that take none"
            lines.append(f"missing feature values: {', '.join(shares)}: {filled}")
        return lines

    def _n_cells(self, part: str) -> int:
        X = getattr(self, part).X
        return int(X.shape[0] * X.shape[1])


def complete(dataset: Dataset, limit: int | None = None, *, drop_twins: bool = False) -> CompleteDataset:
    """Return the data set with all three splits.

    Args:
        dataset: As it was read.
        limit: Keep at most this many rows of each split.
        drop_twins: Drop validation and test groups that are other versions of groups in an earlier split.

    Raises:
        DataError: A split has no positive label, so that nothing can be ranked there.
    """
    changed = dataset.without_twins() if drop_twins else dataset
    changed = changed if limit is None else changed.limited(limit)
    changed = changed.with_all_parts()
    for name, split in changed.parts():
        if not split.Y.any():
            raise DataError(f"{changed.name}: the {name} split has no positive label: nothing can be ranked there")
    values = {field.name: getattr(changed, field.name) for field in fields(Dataset)}
    values["warnings"] = tuple(map(one_line, changed.warnings))
    return CompleteDataset(**values, base_name=dataset.name, limit=limit, dropped_twins=drop_twins)
