"""``mlbench verify``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlbench.api.stored import verify as verify_stored
from mlbench.cli.data_make import making
from mlbench.cli.options import EXIT_DIFFERENCE, data_option, table_options
from mlbench.data.formats import ReadOptions
from mlbench.evaluation.verification import Verified
from mlbench.plugins.datasets import DatasetRequest


@click.command()
@click.argument("runs_or_board", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--runs",
    "compared",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="Runs folder to recompute the rows of boards from (repeatable). [default: the runs folders given]",
)
@data_option
@table_options
def verify(
    runs_or_board: tuple[Path, ...],
    compared: tuple[Path, ...],
    data: tuple[str, ...],
    read: ReadOptions,
) -> None:
    """Recompute finished jobs and boards, and list every file that differs.

    RUNS_OR_BOARD is a runs folder, the CSV file of a board or a folder of boards; the default is the folder
    runs. Metrics are recomputed where the labels are available: from --data, or from a registered data set of
    the same name.
    """
    asked = [DatasetRequest(name=name, options=read) for name in data]
    with making() as progress:
        found = verify_stored(runs_or_board or (Path("runs"),), compared, asked, progress=progress)
    for note in (note for verified in found.runs.values() for note in verified.notes):
        click.echo(note, err=True)
    if found.boards and not found.rows_recomputed:
        click.echo("the rows of boards were not recomputed: give their runs folder with --runs", err=True)
    for line in found.differences:
        click.echo(line)
    for folder, verified in found.runs.items():
        click.echo(f"{folder}: {verified.jobs} jobs, {verified.files} files, {verified.recomputed} jobs recomputed")
    for path, n_rows in found.boards.items():
        click.echo(f"{path}: {n_rows} rows{', recomputed' if found.rows_recomputed else ''}")
    if found.differences:
        click.echo(f"differences: {len(found.differences)}")
    else:
        bare = [f"{folder}: {_not_recomputed(one)}" for folder, one in found.runs.items() if not one.recomputed]
        click.echo("\n".join(bare) or "no differences")
    sys.exit(EXIT_DIFFERENCE if found.differences else 0)


def _not_recomputed(found: Verified) -> str:
    """Explain why no metric was recomputed."""
    if not found.jobs:
        return "no finished jobs: nothing to verify"
    why = "the labels were not found (see above)" if found.notes else "no job has scores"
    return f"the files are unchanged, but no metric was recomputed: {why}"
