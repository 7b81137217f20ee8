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
from mlbench.plugins.catalog import discover
from mlbench.plugins.datasets import DatasetRequest, load

NAMED = 3
"""How many labels or features are named where several are counted."""
STATISTICS = ("Split", "Rows", "Cardinality", "Density", "Label sets", "MeanIR", "SCUMBLE", "Labels not in MeanIR")


@click.command("audit")
@click.argument("dataset", required=False)
@table_options
def audit_command(dataset: str, read: ReadOptions) -> None:
    """Check the splits of a data set: duplicate rows, shared groups, and constant labels or features."""
    asked = DatasetRequest(name=dataset, options=read)
    with making() as progress:
        loaded = load(asked, discover(), progress=progress)
    found = audit(loaded)
    click.echo(f"{loaded.name}")
    for check, finding in findings(loaded, found):
        click.echo(f"  {check}: {finding}")
    for line in [*loaded.notes, *loaded.hints]:
        click.echo(f"  note: {line}")
    click.echo()
    rows = [_cells(part, statistics) for part, statistics in found.statistics.items()]
    show_table(STATISTICS, rows, text=STATISTICS[:1])


def findings(dataset: Dataset, found: Audit) -> list[tuple[str, str]]:
    """Return each check with its result, ``none`` if nothing was found."""
    parts = [part for part, _ in dataset.parts()]
    pairs = [("train", "train"), *((part, first) for i, part in enumerate(parts) for first in parts[:i])]
    repeats = {(entry.part, entry.earlier): entry for entry in found.repeats}
    lines = []
    for part, earlier in pairs:
        entry = repeats.get((part, earlier))
        where = f"rows of {part} that also occur in {earlier}" if part != earlier else f"duplicate rows within {part}"
        lines.append((where, f"{entry.rows:,}, {entry.other_labels:,} with different labels" if entry else "none"))
    lines += [(f"near-duplicates in {entry.part}", _near(entry)) for entry in found.near]
    if all(split.groups is None for _, split in dataset.parts()):
        lines.append(("groups in two splits", "the data set has no groups"))
    else:
        shared = [f"{e.groups:,} of {e.earlier} in {e.part} ({e.rows:,} rows)" for e in found.shared_groups]
        lines.append(("groups in two splits", ", ".join(shared) or "none"))
    lines.append(
        (
            "other versions of earlier groups",
            f"{found.twins:,} (drop them with --drop-twins)" if found.twins else "none known",
        )
    )
    lines.append(("labels without a positive", _by_part(found.never, dataset.label_names)))
    lines.append(("labels that are positive in every row", _by_part(found.always, dataset.label_names)))
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
        return f"{count} (similarity of standardised rows at least {NEAR})"
    sample = f"{entry.looked_at:,} of {entry.of:,} rows against {entry.against:,} of {entry.of_earlier:,} earlier rows"
    return f"{count} (similarity of standardised rows at least {NEAR}; sampled: {sample})"


def _by_part(columns: Mapping[str, Sequence[int]], names: Sequence[str]) -> str:
    shown = (
        f"{part} " + _some(len(found), [names[column] for column in found[:NAMED]]) for part, found in columns.items()
    )
    return "; ".join(shown) or "none"


def _some(count: int, first: Sequence[str]) -> str:
    """Format a count with the first few names."""
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
