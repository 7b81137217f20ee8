"""``mlbench leaderboard``."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from mlbench.cli.open_ledger import ReadLedger
from mlbench.cli.options import runs_option
from mlbench.cli.plot import plot_board
from mlbench.cli.tables import show_board, show_tuning
from mlbench.errors import UsageError
from mlbench.reporting.best_per_label import best_of_labels
from mlbench.reporting.best_per_label import to_csv as to_label_csv
from mlbench.reporting.board import chosen_boards, leaderboard
from mlbench.reporting.board_csv import to_csv
from mlbench.reporting.views import to_html, to_markdown

WRITERS = {"csv": to_csv, "markdown": to_markdown, "html": to_html}


@click.command("leaderboard")
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", *WRITERS]),
    default="table",
    show_default=True,
    help="Output format.",
)
@click.option(
    "--curves",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also draw the precision-recall curves on train and test (.png or .svg).",
)
@click.option(
    "--tuning",
    is_flag=True,
    help="Show what tuning gained, and which parameters ended at the edge of their range, instead of the board.",
)
@click.option("--per-label", is_flag=True, help="Print the best model for each label as CSV, instead of the board.")
@runs_option
def leaderboard_command(
    datasets: tuple[str, ...], form: str, curves: Path | None, tuning: bool, per_label: bool, runs: Path
) -> None:
    """Print the leaderboards of finished jobs, one per data set and tuning budget."""
    chosen = click.get_current_context().get_parameter_source("form") is not ParameterSource.DEFAULT
    given = {"--per-label": per_label, "--tuning": tuning, "--format": chosen}
    instead = [name for name in given if given[name]]
    if len(instead) > 1:
        raise UsageError(f"{' and '.join(instead)} cannot be combined: give one of them")
    ledger = ReadLedger(runs)
    found = chosen_boards(ledger, datasets)
    if curves is not None:
        plot_board(found, ledger, curves)
    if per_label:
        labels = [row for records in found.values() for row in best_of_labels(records, ledger)]
        click.echo(to_label_csv(labels), nl=False)
        return
    for records in found.values():
        if tuning:
            show_tuning(records)
        elif form == "table":
            show_board(leaderboard(records))
        else:
            click.echo(WRITERS[form](leaderboard(records)), nl=False)
