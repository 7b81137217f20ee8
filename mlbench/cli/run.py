"""``mlbench run``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from mlbench.api.jobs import boards_of, check_writable, run_jobs, write_boards
from mlbench.cli.data_make import making
from mlbench.cli.open_ledger import ReadLedger
from mlbench.cli.options import Quantity, runs_option, table_options
from mlbench.cli.progress import Progress, describe_data, describe_plan
from mlbench.cli.tables import show_board
from mlbench.data.formats import ReadOptions
from mlbench.errors import UsageError
from mlbench.execution.plan import DEMO, DEVICES, REFITS, Request, check_budget, plan
from mlbench.execution.suites import n_bytes, read_suite, seconds
from mlbench.plugins.catalog import discover
from mlbench.plugins.datasets import DatasetRequest
from mlbench.results.ledger import Ledger
from mlbench.results.schema import Budget

INTERRUPTED = "interrupted: run the same command again to resume"
EXIT_USAGE = 2
BUDGET_OPTIONS = ("n_trials", "timeout", "trial_timeout", "memory_limit", "metric", "refit")


@click.command()
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="Model to run (repeatable). [default: all installed models]",
)
@click.option(
    "-f",
    "--features",
    multiple=True,
    metavar="FEATURES",
    help="Feature set to use (repeatable). [default: the data set's own]",
)
@click.option("--suite", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with data sets and options.")
@table_options
@click.option(
    "--n-trials", type=int, help="Number of trials per job; the first uses the default parameters. [default: 20]"
)
@click.option(
    "--timeout",
    type=Quantity("TIME", seconds),
    help="Time limit for tuning a model, such as 90s, 10m or 2h. [default: 10m]",
)
@click.option(
    "--trial-timeout",
    type=Quantity("TIME", seconds),
    help="Time limit for each trial, and for the final fit. [default: 5m]",
)
@click.option(
    "--memory-limit",
    type=Quantity("SIZE", n_bytes),
    help="Memory limit for each job, such as 500M or 8G. [default: 8G]",
)
@click.option(
    "--metric",
    metavar="NAME",
    help="Metric to optimise on the validation split; `mlbench score --help` lists them. "
    "[default: average_precision_micro]",
)
@click.option(
    "--refit",
    type=click.Choice(REFITS),
    help="Data for the final fit; auto uses train+valid if valid was held out from train, else train. [default: auto]",
)
@click.option(
    "--seed", "seeds", type=click.IntRange(min=0), multiple=True, help="Random seed (repeatable). [default: 0]"
)
@click.option(
    "--device", type=click.Choice(DEVICES), help="Device to run on; auto uses a GPU if there is one. [default: auto]"
)
@click.option(
    "-j", "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Number of jobs to run in parallel."
)
@click.option("--limit", type=click.IntRange(min=2), metavar="ROWS", help="Use at most this many rows of each split.")
@click.option(
    "--drop-twins",
    is_flag=True,
    help="Drop validation and test groups that are other versions of groups in an earlier split, such as another "
    "recording of the same piece.",
)
@runs_option
@click.option(
    "--leaderboards",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("leaderboards"),
    show_default=True,
    help="Folder for the leaderboards (CSV and Markdown).",
)
@click.option("--dry-run", is_flag=True, help="List the jobs and their progress without running them.")
@click.option("--fail-fast", is_flag=True, help="Stop after the first job that fails.")
def run(
    datasets: tuple[str, ...],
    suite: Path | None,
    jobs: int,
    runs: Path,
    leaderboards: Path,
    dry_run: bool,
    fail_fast: bool,
    **options: Any,
) -> None:
    """Tune every model on DATASET, score it once on test, and write a leaderboard.

    DATASET is the name of a registered data set or a path; the default is the built-in demo. Finished jobs are
    skipped, and interrupted jobs are resumed.
    """
    catalog = discover()
    for broken in catalog.broken:
        click.echo(f"warning: skipping plugin {broken.origin}: {broken.error}", err=True)
    try:
        with making() as progress_of_making:
            todo = plan(_request(datasets, suite, options), catalog, progress_of_making)
    except KeyboardInterrupt:
        click.echo(INTERRUPTED, err=True)
        raise
    ledger = Ledger(runs)
    describe_data(todo)
    if dry_run:
        describe_plan(todo, ledger)
        return

    check_writable(leaderboards)
    missing = [job for job in todo if ledger.tidy(job.id) is None]
    if len(missing) < len(todo):
        click.echo(f"{len(todo) - len(missing)} of {len(todo)} jobs are finished already", err=True)
    try:
        with Progress(missing, ledger) as progress:
            done = run_jobs(todo, ledger, jobs=jobs, on_done=progress.done, fail_fast=fail_fast)
    except KeyboardInterrupt:
        click.echo(INTERRUPTED, err=True)
        raise
    found = boards_of(todo, list(ReadLedger(runs).records()))
    for warning in write_boards(found, leaderboards):
        click.echo(f"warning: {warning}", err=True)
    for name, board in found.items():
        show_board(board)
        click.echo(f"written: {leaderboards / name}.csv and .md", err=True)
    failed = [record for record in done.records if record.status != "ok"]
    for record in failed:
        where = ledger.jobs / record.id
        what = f"{record.job.label} on {record.dataset.name}: {record.status}"
        click.echo(f"{what}: see {where / 'log.txt'}; to run it again, delete {where}", err=True)
    for line in done.lost:
        click.echo(f"mlbench: {line}", err=True)
    sys.exit(EXIT_USAGE if done.lost else 1 if failed else 0)


def _request(datasets: tuple[str, ...], suite: Path | None, options: dict[str, Any]) -> Request:
    """Merge the settings: options override the suite, which overrides the defaults."""
    settings = read_suite(suite) if suite else {}
    if suite and datasets:
        raise UsageError("give either data sets or --suite, not both")
    read = options.pop("read")
    if suite and read != ReadOptions():
        raise UsageError("options of tables, such as --labels, cannot be combined with --suite: set them in its file")
    given = {name: value for name, value in options.items() if value not in (None, ())}
    chosen = settings | given
    features = tuple(given.get("features", ()))
    asked = settings.get("datasets") or [DatasetRequest(name=name, options=read) for name in datasets or (DEMO,)]
    return Request(
        datasets=tuple(
            DatasetRequest(name=one.name, options=one.options, features=features or one.features) for one in asked
        ),
        models=tuple(chosen.get("models", ())),
        seeds=tuple(chosen.get("seeds", (0,))),
        budget=check_budget(Budget(**{name: chosen[name] for name in BUDGET_OPTIONS if name in chosen})),
        device=chosen.get("device", "auto"),
        limit=chosen.get("limit"),
        drop_twins=options["drop_twins"],
    )
