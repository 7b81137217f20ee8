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
from mlbench.execution.plan import DatasetRequest, load
from mlbench.plugins.catalog import discover


@click.group(cls=LateGroup, late={"audit": "mlbench.cli.audit:audit_command", "plot": "mlbench.cli.plot:plot"})
def data() -> None:
    """Data sets: those known by name, and what a path holds."""


data.add_command(make_data)


@data.command("list")
def list_data() -> None:
    """List the data sets that are known by name, and the formats that are read."""
    catalog = discover()
    rows = [(name, str(entry.origin), entry.spec.summary) for name, entry in catalog.datasets.items()]
    show_table(("Data set", "Plugin", "Summary"), rows)
    click.echo()
    show_table(("Format", "A path to"), [(known.name, known.describe) for known in FORMATS])


@data.command()
@click.argument("dataset")
@table_options
def inspect(dataset: str, labels: tuple[str, ...], groups: str | None, split: str | None) -> None:
    """What a data set holds, as a run would see it."""
    asked = DatasetRequest(name=dataset, options=ReadOptions(labels=labels, groups=groups, split=split))
    with making() as progress:
        loaded = load(asked, discover(), progress=progress)
    click.echo(f"{loaded.name}")
    for line in dataset_lines(loaded):
        click.echo(f"  {line}")
    X = loaded.train.X
    kind = f"sparse, {X.nnz / max(1, X.shape[0] * X.shape[1]):.2%} of cells" if is_sparse(X) else "dense"
    click.echo(f"  features: {kind}; run as {', '.join(loaded.features)}")
    labelled = label_statistics([split.Y for _, split in loaded.parts()])
    click.echo(f"  labels: cardinality {labelled.cardinality:.3f}, density {labelled.density:.3f}")
    groups_per_part = [len(set(split.groups.tolist())) for _, split in loaded.parts() if split.groups is not None]
    if groups_per_part:
        click.echo(f"  groups: {' + '.join(map(str, groups_per_part))}")
    if loaded.valid_from_train:
        click.echo("  valid is taken out of train: stratified by label, whole groups only")
    click.echo(f"  SHA-256 {loaded.fingerprint()}")
    names = list(loaded.label_names)
    shown = ", ".join(names[:8]) + (f", … {names[-1]}" if len(names) > 9 else "")
    click.echo(f"  label names: {shown}")
