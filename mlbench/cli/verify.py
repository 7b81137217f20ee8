"""``mlbench verify``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlbench.cli.data_make import making
from mlbench.cli.options import EXIT_DIFFERENCE, data_option, table_options
from mlbench.data.formats import ReadOptions
from mlbench.errors import UsageError
from mlbench.evaluation.dataset_finder import Finder
from mlbench.evaluation.verification import Verified, verify_runs
from mlbench.execution.plan import DatasetRequest
from mlbench.plugins.catalog import discover
from mlbench.reporting.board_verification import verify_board, whole_records


@click.command()
@click.argument("runs_or_board", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--runs",
    "compared",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="Compute the rows of boards anew from these runs. [default: the runs folders among the arguments]",
)
@data_option
@table_options
def verify(
    runs_or_board: tuple[Path, ...],
    compared: tuple[Path, ...],
    data: tuple[str, ...],
    labels: tuple[str, ...],
    groups: str | None,
    split: str | None,
) -> None:
    """Recompute finished jobs and boards from what they were made of, and name every file that differs.

    RUNS_OR_BOARD is a runs folder, a board's CSV or a folder of boards; without one it is runs. The figures
    are recomputed where the labels are found: in the data sets of --data, or in the installed one of the name.
    """
    runs, boards = _sorted_out(runs_or_board or (Path("runs"),))
    for folder in compared:
        if not (folder / "jobs").is_dir():
            raise UsageError(f"{folder}: no finished jobs: a runs folder has a folder jobs in it")
    read = ReadOptions(labels=labels, groups=groups, split=split)
    with making() as progress:
        finder = Finder(discover(), [DatasetRequest(name=name, options=read) for name in data], progress)
    differences, counts, bare = [], [], []
    for folder in runs:
        found = verify_runs(folder, finder)
        for note in found.notes:
            click.echo(note, err=True)
        differences += found.differences
        counts.append(f"{folder}: {found.jobs} jobs, {found.files} files, {found.recomputed} jobs recomputed")
        if not found.recomputed:
            bare.append(f"{folder}: {_not_recomputed(found)}")
    at_hand = compared or tuple(runs)
    records = whole_records(at_hand) if at_hand else None
    if boards and records is None:
        click.echo("rows of boards not recomputed: give --runs DIR", err=True)
    for path in boards:
        n_rows, lines = verify_board(path, records)
        differences += lines
        counts.append(f"{path}: {n_rows} rows{', recomputed' if records is not None else ''}")
    for line in differences:
        click.echo(line)
    for line in counts:
        click.echo(line)
    if differences:
        click.echo(f"differences: {len(differences)}")
    else:
        click.echo("\n".join(bare) or "all fine")
    sys.exit(EXIT_DIFFERENCE if differences else 0)


def _not_recomputed(found: Verified) -> str:
    """What a check without a single figure is worth, and why there was none."""
    if not found.jobs:
        return "no finished job, nothing to verify"
    why = "the labels were not found: see above" if found.notes else "no job has scores"
    return f"files are as they were written, but no figure was recomputed: {why}"


def _sorted_out(paths: tuple[Path, ...]) -> tuple[list[Path], list[Path]]:
    """Runs folders, and CSV files of boards."""
    runs: list[Path] = []
    boards: list[Path] = []
    for path in paths:
        if (path / "jobs").is_dir():
            runs.append(path)
        elif path.is_file() and path.suffix == ".csv":
            boards.append(path)
        elif path.is_dir() and (found := sorted(path.glob("*.csv"))):
            boards += found
        else:
            raise UsageError(f"{path}: neither a runs folder, nor a board's CSV, nor a folder of boards")
    return runs, boards
