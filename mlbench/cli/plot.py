"""``mlbench data plot``, and the figure of ``mlbench leaderboard --curves``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from mlbench.cli.data_make import making
from mlbench.cli.options import table_options
from mlbench.data.formats import ReadOptions
from mlbench.errors import UsageError
from mlbench.evaluation.curves import read_curves
from mlbench.execution.job import BASELINE
from mlbench.execution.plan import DatasetRequest, load
from mlbench.plugins.catalog import discover
from mlbench.reporting.leaderboard import records_of_rows, shown_record
from mlbench.reporting.plots import Line, check_file, plot_curves, plot_dataset
from mlbench.results.ledger import Ledger, Record


@click.command()
@click.argument("dataset")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="The figure to write: .png or .svg.",
)
@table_options
def plot(dataset: str, output: Path, labels: tuple[str, ...], groups: str | None, split: str | None) -> None:
    """Draw one row with its labels, and how often each label is."""
    check_file(output)
    asked = DatasetRequest(name=dataset, options=ReadOptions(labels=labels, groups=groups, split=split))
    with making() as progress:
        loaded = load(asked, discover(), progress=progress)
    plot_dataset(loaded, output)
    click.echo(f"written: {output}", err=True)


def plot_board(boards: Mapping[tuple[str, str], Sequence[Record]], ledger: Ledger, output: Path) -> None:
    """Draw the curves of the one board, from its records and what lies beside them.

    Raises:
        UsageError: Several boards, or no curves.
    """
    check_file(output)
    names = sorted({name for name, _ in boards})
    if len(names) > 1:
        raise UsageError(f"--curves draws one board, and there are {', '.join(names)}: name a DATASET")
    (name, _), records = max(boards.items(), key=lambda board: len(board[1]))
    if len(boards) > 1:
        trials = records[0].job["budget"]["n_trials"]
        click.echo(
            f"{name} was run with {len(boards)} budgets: drawn is the one of {trials} trials and most jobs", err=True
        )
    shown = [record for record in map(shown_record, records_of_rows(records)) if record.status == "ok"]
    lines = []
    for record in shown:
        label = f"{record.job['model']} · {record.job['features']}"
        curves = read_curves(ledger, record)
        if curves is None:
            where = ledger.jobs / record.id
            click.echo(f"{label} has no curves, it is older than they are: delete {where} to run it again", err=True)
            continue
        lines.append(Line(name=label, curves=curves, floor=record.job["model"] == BASELINE))
    if not lines:
        raise UsageError(
            f"no finished job of {name} in {ledger.root} has curves: delete its folder there and run again"
        )
    plot_curves(f"{name}: precision over recall", lines, output)
    click.echo(f"written: {output}", err=True)
