"""``mlbench score``."""

from __future__ import annotations

from pathlib import Path

import click

from mlbench.cli.data_make import making
from mlbench.cli.open_ledger import ReadLedger
from mlbench.cli.options import data_option, runs_option, table_options
from mlbench.cli.tables import show_table
from mlbench.data.formats import ReadOptions
from mlbench.errors import UsageError
from mlbench.evaluation.dataset_finder import Finder
from mlbench.evaluation.rescoring import find_metric, rescore
from mlbench.execution.plan import DatasetRequest
from mlbench.plugins.catalog import discover
from mlbench.reporting.leaderboard import chosen_boards
from mlbench.reporting.views import ABSENT

ARROWS = {"maximize": "↑", "minimize": "↓"}


@click.command()
@click.argument("datasets", nargs=-1, metavar="[DATASET_NAME]...")
@click.option(
    "--metric",
    required=True,
    metavar="NAME",
    help="A figure of mlbench, or a function of sklearn.metrics; 'sklearn.metrics:NAME' for the latter in any case.",
)
@runs_option
@data_option
@table_options
def score(
    datasets: tuple[str, ...],
    metric: str,
    runs: Path,
    data: tuple[str, ...],
    labels: tuple[str, ...],
    groups: str | None,
    split: str | None,
) -> None:
    """Any metric on finished jobs, from their stored scores: nothing is trained.

    Metrics of decisions use the threshold of each record, which was fitted on valid.
    """
    wanted = find_metric(metric)
    ledger = ReadLedger(runs)
    found = chosen_boards(ledger, datasets)
    read = ReadOptions(labels=labels, groups=groups, split=split)
    with making() as progress:
        finder = Finder(discover(), [DatasetRequest(name=name, options=read) for name in data], progress)
    said: set[str] = set()

    def note(line: str) -> None:
        if line not in said:
            said.add(line)
            click.echo(line, err=True)

    arrow, shown = ARROWS[wanted.direction], False
    for (name, _), records in found.items():
        rows = rescore(wanted, records, ledger, finder, note)
        if rows:
            shown = True
            header = ("Model", "Features", "Seed", f"valid {metric} {arrow}", f"test {metric} {arrow}")
            cells = [(row.model, row.features, str(row.seed), _text(row.valid), _text(row.test)) for row in rows]
            title = f"{name} (--n-trials {records[0].job['budget']['n_trials']})"
            show_table(header, cells, title=title, text=("Model", "Features"))
    if not shown:
        raise UsageError(f"--metric {metric}: no job could be scored")


def _text(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.6f}"
