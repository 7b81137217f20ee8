"""``mlbench data``."""

from __future__ import annotations

import click

from mlbench.cli.data_make import make_data, making
from mlbench.cli.lazy_group import LateGroup
from mlbench.cli.options import table_options
from mlbench.cli.progress import dataset_lines
from mlbench.cli.tables import show_table
from mlbench.data.audit import label_statistics
from mlbench.data.dataset import is_sparse
from mlbench.data.formats import FORMATS, ReadOptions
from mlbench.plugins.catalog import discover
from mlbench.plugins.datasets import DatasetRequest, load


@click.group(cls=LateGroup, late={"audit": "mlbench.cli.audit:audit_command", "plot": "mlbench.cli.plot:plot"})
def data() -> None:
    """List, inspect, audit, make and plot data sets."""


data.add_command(make_data)


@data.command("list")
def list_data() -> None:
    """List the registered data sets and the supported file formats."""
    catalog = discover()
    rows = [(name, str(entry.origin), entry.spec.summary) for name, entry in catalog.datasets.items()]
    show_table(("Data set", "Plugin", "Summary"), rows)
    click.echo()
    show_table(("Format", "Files"), [(known.name, known.describe) for known in FORMATS])


@data.command()
@click.argument("dataset", required=False)
@table_options
def inspect(dataset: str, read: ReadOptions) -> None:
    """Show a data set as a run would use it: sizes, labels, duplicates, dropped columns."""
    asked = DatasetRequest(name=dataset, options=read)
    with making() as progress:
        loaded = load(asked, discover(), progress=progress)
    click.echo(f"{loaded.name}")
    for line in [*dataset_lines(loaded), *loaded.hints]:
        click.echo(f"  {line}")
    X = loaded.train.X
    kind = f"sparse, {X.nnz / max(1, X.shape[0] * X.shape[1]):.2%} non-zero" if is_sparse(X) else "dense"
    click.echo(f"  features: {kind}; runs use {', '.join(loaded.features)}")
    labelled = label_statistics([split.Y for _, split in loaded.parts()])
    click.echo(f"  labels: cardinality {labelled.cardinality:.3f}, density {labelled.density:.3f}")
    groups_per_part = [len(set(split.groups.tolist())) for _, split in loaded.parts() if split.groups is not None]
    if groups_per_part:
        click.echo(f"  groups: {' + '.join(map(str, groups_per_part))}")
    click.echo(f"  SHA-256 {loaded.sha256}")
    names = list(loaded.label_names)
    shown = ", ".join(names[:8]) + (f", … {names[-1]}" if len(names) > 9 else "")
    click.echo(f"  label names: {shown}")
