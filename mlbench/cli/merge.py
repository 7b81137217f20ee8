"""``mlbench merge``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlbench.cli.options import EXIT_DIFFERENCE
from mlbench.results.merge import merge


@click.command("merge")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="The runs folder to merge into; it may be there already, and be one of RUNS.",
)
def merge_command(runs: tuple[Path, ...], output: Path) -> None:
    """Join the finished jobs of several runs folders, of several machines, into one.

    The same job twice is kept once. If its results differ, both are named, the first is kept, and the exit
    code is 3; so it is for a damaged job, which is not merged. Times, memory and logs may differ.
    """
    result = merge(runs, output)
    for line in result.conflicts + result.damaged:
        click.echo(line, err=True)
    counts = [f"{result.merged} merged into {output}", f"{result.there} were there with the same results"]
    counts += [f"{len(result.conflicts)} with other results"] * bool(result.conflicts)
    counts += [f"{len(result.damaged)} damaged"] * bool(result.damaged)
    click.echo(f"jobs: {', '.join(counts)}")
    sys.exit(EXIT_DIFFERENCE if result.conflicts or result.damaged else 0)
