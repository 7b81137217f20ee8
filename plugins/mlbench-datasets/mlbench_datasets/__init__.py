"""Public multi-label data sets by name: downloaded on first use, or copied from files at hand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mlbench import DatasetSpec, MakeContext, hookimpl
from mlbench_datasets.table import ENTRIES, Entry


def _make(entry: Entry, context: MakeContext) -> None:
    from mlbench_datasets.files import make  # late: no other command needs it

    make(entry, context)


@hookimpl
def mlbench_datasets() -> Iterator[DatasetSpec]:
    """Yield one data set for each entry of the table."""
    for entry in ENTRIES:
        sizes = f"{entry.n_train:,} + {entry.n_test:,} rows, {entry.n_features:,} features, {entry.n_labels:,} labels"
        names = [file.name for file in entry.files]
        yield DatasetSpec(
            name=entry.name,
            summary=f"{entry.about}: {sizes}; licence {entry.licence}",
            make=partial(_make, entry),
            from_source=f"copy of {entry.name}, a folder with {', '.join(names[:-1])} and {names[-1]}",
            source_optional=True,
            citation=entry.citation,
        )
