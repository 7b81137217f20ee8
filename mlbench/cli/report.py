"""``mlbench report``."""

from __future__ import annotations

from pathlib import Path

import click

from mlbench.cli.open_ledger import ReadLedger
from mlbench.cli.options import runs_option
from mlbench.reporting.report import write_report


@click.command()
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder for index.html, which is self-contained and opens offline.",
)
@runs_option
def report(datasets: tuple[str, ...], output: Path, runs: Path) -> None:
    """Write an HTML report of finished jobs: boards, curves, labels, tuning, cost and environment."""
    written = write_report(ReadLedger(runs), output, datasets)
    click.echo(f"written: {written}", err=True)
