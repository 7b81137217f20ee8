"""``mlbench score``."""

from __future__ import annotations

from pathlib import Path

import click

from mlbench.api.stored import score_boards
from mlbench.cli.data_make import making
from mlbench.cli.open_ledger import ReadLedger
from mlbench.cli.options import data_option, runs_option, table_options
from mlbench.cli.tables import show_table, titled
from mlbench.data.formats import ReadOptions
from mlbench.errors import UsageError
from mlbench.evaluation.rescoring import find_metric
from mlbench.metrics import METRICS
from mlbench.plugins.datasets import DatasetRequest
from mlbench.reporting.views import ABSENT, ARROWS


@click.command(epilog=f"Metrics of mlbench: {', '.join(METRICS)}.")
@click.argument("datasets", nargs=-1, metavar="[DATASET_NAME]...")
@click.option(
    "--metric",
    required=True,
    metavar="NAME",
    help="A metric of mlbench or a function in sklearn.metrics; sklearn.metrics:NAME forces the latter.",
)
@runs_option
@data_option
@table_options
def score(
    datasets: tuple[str, ...],
    metric: str,
    runs: Path,
    data: tuple[str, ...],
    read: ReadOptions,
) -> None:
    """Compute a metric on finished jobs from their stored scores, without training.

    Metrics of binary predictions use thresholds fitted on the validation split; propensity-scored metrics use the
    label frequencies in train.
    """
    wanted = find_metric(metric)
    said: set[str] = set()

    def note(line: str) -> None:
        if line not in said:
            said.add(line)
            click.echo(line, err=True)

    asked = [DatasetRequest(name=name, options=read) for name in data]
    with making() as progress:
        found = score_boards(wanted, ReadLedger(runs), datasets, asked, progress=progress, note=note)
    arrow = ARROWS[wanted.direction]
    header = ("Model", "Features", "Seed", f"valid {metric} {arrow}", f"test {metric} {arrow}")
    for (name, _), rows in found:
        if rows:
            cells = [(row.model, row.features, str(row.seed), _text(row.valid), _text(row.test)) for row in rows]
            title = titled(name, rows[0].n_trials)
            show_table(header, cells, title=title, text=("Model", "Features"))
    if not any(rows for _, rows in found):
        raise UsageError(f"--metric {metric} could not be computed for any job")


def _text(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.6f}"
