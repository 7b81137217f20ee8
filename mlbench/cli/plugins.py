"""``mlbench plugins``."""

from __future__ import annotations

import json
from typing import Any

import click

from mlbench.cli.tables import show_table
from mlbench.errors import UnknownName
from mlbench.plugins.catalog import discover


@click.group()
def plugins() -> None:
    """List and describe the installed models, data sets and features."""


@plugins.command("list")
def list_plugins() -> None:
    """List the installed plugins, and the broken ones with their errors."""
    catalog = discover()
    rows = [
        (kind, name, registered.origin.plugin, registered.origin.version, registered.spec.summary)
        for kind, known in (("model", catalog.models), ("data set", catalog.datasets), ("features", catalog.features))
        for name, registered in known.items()
    ]
    show_table(("Kind", "Name", "Plugin", "Version", "Summary"), rows)
    for broken in catalog.broken:
        click.echo(f"broken: {broken.origin} ({broken.origin.entry_point}): {broken.error}")


@plugins.command()
@click.argument("name")
def info(name: str) -> None:
    """Show the details of a model, a data set or features."""
    catalog = discover()
    groups = (("model", catalog.models), ("data set", catalog.datasets), ("features", catalog.features))
    found = [(kind, known[name]) for kind, known in groups if name in known]
    clashes = [message for (_, clashing), message in catalog.clashes.items() if clashing == name]
    broken = [f"{b.origin}: {b.error}" for b in catalog.broken if name in (b.origin.plugin, b.origin.entry_point)]
    for message in dict.fromkeys(clashes + broken):
        click.echo(f"broken: {message}")
    if not found and not clashes and not broken:
        raise UnknownName("model, data set or features", name, [*catalog.models, *catalog.datasets, *catalog.features])
    for kind, registered in found:
        spec: Any = registered.spec
        lines = {
            kind: spec.name,
            "summary": spec.summary,
            "plugin": str(registered.origin),
            "accepts": ", ".join(sorted(getattr(spec, "accepts", ()))),
            "devices": ", ".join(sorted(getattr(spec, "devices", ()))),
            "defaults": json.dumps(dict(spec.defaults)) if getattr(spec, "defaults", None) else "",
            "citation": getattr(spec, "citation", ""),
        }
        width = max(map(len, lines))
        for key, value in lines.items():
            if value:
                click.echo(f"{key:<{width}}  {value}")
