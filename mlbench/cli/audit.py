"""``mlbench data audit``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from mlbench.cli.data_make import making
from mlbench.cli.options import table_options
from mlbench.cli.tables import show_table
from mlbench.data.audit import Audit, LabelStatistics, audit
from mlbench.data.dataset import Dataset
from mlbench.data.formats import ReadOptions
from mlbench.data.near_duplicates import NEAR, NearRepeats
from mlbench.execution.plan import DatasetRequest, load
from mlbench.plugins.catalog import discover

NAMED = 3
"""Labels and features that are named where several are counted."""
STATISTICS = ("Part", "Rows", "Cardinality", "Density", "Label sets", "MeanIR", "SCUMBLE", "Labels left out of MeanIR")


@click.command("audit")
@click.argument("dataset")
@table_options
def audit_command(dataset: str, labels: tuple[str, ...], groups: str | None, split: str | None) -> None:
    """Check a split: repeated rows, shared groups, labels and features that say nothing."""
    asked = DatasetRequest(name=dataset, options=ReadOptions(labels=labels, groups=groups, split=split))
    with making() as progress:
        loaded = load(asked, discover(), progress=progress)
    found = audit(loaded)
    click.echo(f"{loaded.name}")
    for check, finding in findings(loaded, found):
        click.echo(f"  {check}: {finding}")
    click.echo()
    rows = [_cells(part, statistics) for part, statistics in found.statistics.items()]
    show_table(STATISTICS, rows, text=STATISTICS[:1])


def findings(dataset: Dataset, found: Audit) -> list[tuple[str, str]]:
    """Each check with what it found, ``none`` where that is nothing."""
    parts = [part for part, _ in dataset.parts()]
    pairs = [("train", "train"), *((part, first) for i, part in enumerate(parts) for first in parts[:i])]
    repeats = {(entry.part, entry.earlier): entry for entry in found.repeats}
    lines = []
    for part, earlier in pairs:
        entry = repeats.get((part, earlier))
        where = f"rows of {part} that stand in {earlier} too" if part != earlier else f"rows repeated within {part}"
        lines.append((where, f"{entry.rows:,}, {entry.other_labels:,} with other labels" if entry else "none"))
    lines += [(f"near repeats in {entry.part}", _near(entry)) for entry in found.near]
    if all(split.groups is None for _, split in dataset.parts()):
        lines.append(("groups in two parts", "there are no groups"))
    else:
        shared = [f"{e.groups:,} of {e.earlier} in {e.part} ({e.rows:,} rows)" for e in found.shared_groups]
        lines.append(("groups in two parts", ", ".join(shared) or "none"))
    lines.append(("twins known", f"{found.twins:,} (leave them out: --drop-twins)" if found.twins else "none"))
    lines.append(("labels without a positive", _by_part(found.never, dataset.label_names)))
    lines.append(("labels that every row has", _by_part(found.always, dataset.label_names)))
    equal = [f"{dataset.label_names[a]} = {dataset.label_names[b]}" for a, b in found.first_identical]
    lines.append(("pairs of identical labels", _some(found.identical_labels, equal)))
    for check, columns in (
        ("features constant in train", found.constant),
        ("features constant in train, but not in test", found.constant_but_in_test),
    ):
        names = dataset.feature_names
        shown = [names[column] if names else f"column {column}" for column in columns[:NAMED]]
        lines.append((check, _some(len(columns), shown)))
    return lines


def _near(entry: NearRepeats) -> str:
    count = f"{entry.rows:,}" if entry.rows else "none"
    if (entry.looked_at, entry.against) == (entry.of, entry.of_earlier):
        return f"{count} (similarity {NEAR} or more, standardised)"
    sample = f"{entry.looked_at:,} of {entry.of:,} rows with {entry.against:,} of {entry.of_earlier:,} earlier ones"
    return f"{count} (similarity {NEAR} or more, standardised; only {sample} compared)"


def _by_part(columns: Mapping[str, Sequence[int]], names: Sequence[str]) -> str:
    shown = (
        f"{part} " + _some(len(found), [names[column] for column in found[:NAMED]]) for part, found in columns.items()
    )
    return "; ".join(shown) or "none"


def _some(count: int, first: Sequence[str]) -> str:
    """A count with the first few names."""
    if not count:
        return "none"
    return f"{count:,} ({', '.join(first)}{', …' if count > len(first) else ''})"


def _cells(part: str, statistics: LabelStatistics) -> tuple[str, ...]:
    ratio = statistics.mean_imbalance_ratio
    return (
        part,
        f"{statistics.rows:,}",
        f"{statistics.cardinality:.3f}",
        f"{statistics.density:.3f}",
        f"{statistics.label_sets:,}",
        "–" if ratio is None else f"{ratio:.3f}",
        f"{statistics.scumble:.3f}",
        f"{statistics.without_positive:,}",
    )
