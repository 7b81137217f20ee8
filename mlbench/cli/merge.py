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
    help="Runs folder to merge into. It may already exist, and it may be one of RUNS.",
)
def merge_command(runs: tuple[Path, ...], output: Path) -> None:
    """Merge the finished jobs of several runs folders, such as those of several machines.

    A job that occurs several times is kept once; times, memory and logs may differ. If its results differ, the
    first one is kept and the conflict is reported. Damaged jobs are skipped. The exit code is 3 in either case.
    """
    result = merge(runs, output)
    for line in result.conflicts + result.damaged:
        click.echo(line, err=True)
    counts = [f"{result.merged} merged into {output}", f"{result.there} already there with the same results"]
    counts += [f"{len(result.conflicts)} with different results"] * bool(result.conflicts)
    counts += [f"{len(result.damaged)} damaged"] * bool(result.damaged)
    click.echo(f"jobs: {', '.join(counts)}")
    sys.exit(EXIT_DIFFERENCE if result.conflicts or result.damaged else 0)
