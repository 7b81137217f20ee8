"""``mlbench data plot``, and the plot of ``mlbench leaderboard --curves``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from mlbench.cli.data_make import making
from mlbench.cli.options import table_options
from mlbench.data.formats import ReadOptions
from mlbench.errors import UsageError
from mlbench.evaluation.curves import read_curves
from mlbench.plugins.catalog import discover
from mlbench.plugins.datasets import DatasetRequest, load
from mlbench.reporting.plots import Line, check_file, plot_curves, plot_dataset
from mlbench.reporting.row_records import records_of_rows, shown_record
from mlbench.results.ledger import Ledger
from mlbench.results.schema import BASELINE, Record


@click.command()
@click.argument("dataset", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="File to write (.png or .svg).",
)
@table_options
def plot(dataset: str, output: Path, read: ReadOptions) -> None:
    """Plot one row with its labels, and the frequency of each label."""
    check_file(output)
    asked = DatasetRequest(name=dataset, options=read)
    with making() as progress:
        loaded = load(asked, discover(), progress=progress)
    plot_dataset(loaded, output)
    click.echo(f"written: {output}", err=True)


def plot_board(boards: Mapping[tuple[str, str], Sequence[Record]], ledger: Ledger, output: Path) -> None:
    """Plot the curves of one board.

    Raises:
        UsageError: There are several boards, or no curves.
    """
    check_file(output)
    names = sorted({name for name, _ in boards})
    if len(names) > 1:
        raise UsageError(f"--curves plots one board, but there are several ({', '.join(names)}): name a DATASET")
    (name, _), records = max(boards.items(), key=lambda board: len(board[1]))
    if len(boards) > 1:
        trials = records[0].budget.n_trials
        click.echo(
            f"{name} was run with {len(boards)} budgets: plotting that of {trials} trials, with the most jobs", err=True
        )
    shown = [record for record in map(shown_record, records_of_rows(records)) if record.status == "ok"]
    lines = []
    for record in shown:
        label = record.job.label
        curves = read_curves(ledger, record)
        if curves is None:
            where = ledger.jobs / record.id
            click.echo(
                f"{label} has no curves because an older mlbench ran it: to run it again, delete {where}", err=True
            )
            continue
        lines.append(Line(name=label, curves=curves, baseline=record.job.model == BASELINE))
    if not lines:
        raise UsageError(f"no finished job of {name} in {ledger.root} has curves: delete the jobs and run them again")
    plot_curves(f"{name}: precision-recall curves", lines, output)
    click.echo(f"written: {output}", err=True)
