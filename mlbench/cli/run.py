"""``mlbench run``."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mlbench.cli.data_make import making
from mlbench.cli.open_ledger import ReadLedger
from mlbench.cli.options import Quantity, runs_option, table_options
from mlbench.cli.progress import Progress, describe_data, describe_plan
from mlbench.cli.tables import show_board
from mlbench.data.formats import ReadOptions
from mlbench.errors import UsageError
from mlbench.execution.executors import InlineExecutor, process_pool
from mlbench.execution.job import Budget, Job
from mlbench.execution.plan import DEMO, DEVICES, REFITS, DatasetRequest, Request, check_budget, plan
from mlbench.execution.process import usable_cpus
from mlbench.execution.scheduler import drive
from mlbench.execution.suites import n_bytes, read_suite, seconds
from mlbench.metrics import DIRECTIONS
from mlbench.plugins.catalog import discover
from mlbench.reporting.leaderboard import Row, board_key, leaderboard, to_csv, write_text
from mlbench.reporting.replaced import replaced
from mlbench.reporting.views import to_markdown
from mlbench.results.ledger import Ledger, Record

INTERRUPTED = "interrupted: run the same command again to go on where it stopped"
BUDGET_OPTIONS = ("n_trials", "timeout", "trial_timeout", "memory_limit", "metric", "refit")


@click.command()
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option(
    "-m", "--model", "models", multiple=True, metavar="MODEL", help="A model; several times for several. [default: all]"
)
@click.option(
    "-f", "--features", multiple=True, metavar="FEATURES", help="A representation; several times for several."
)
@click.option("--suite", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file of data sets and options.")
@table_options
@click.option("--n-trials", type=int, help="Trials of each model, the defaults being the first. [default: 20]")
@click.option("--timeout", type=Quantity("TIME", seconds), help="Tuning time of each model. [default: 10m]")
@click.option(
    "--trial-timeout", type=Quantity("TIME", seconds), help="Time of one trial, and of the final fit. [default: 5m]"
)
@click.option("--memory-limit", type=Quantity("SIZE", n_bytes), help="Memory of each model. [default: 8G]")
@click.option(
    "--metric",
    type=click.Choice(sorted(DIRECTIONS)),
    metavar="NAME",
    help="What tuning optimises. [default: average_precision_micro]",
)
@click.option("--refit", type=click.Choice(REFITS), help="What the final model is fitted on. [default: auto]")
@click.option(
    "--seed", "seeds", type=click.IntRange(min=0), multiple=True, help="A seed; several times for several. [default: 0]"
)
@click.option("--device", type=click.Choice(DEVICES), help="[default: auto, a GPU where there is one]")
@click.option(
    "-j", "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Models that run side by side."
)
@click.option("--limit", type=click.IntRange(min=2), metavar="ROWS", help="At most so many rows of each part.")
@click.option(
    "--drop-twins", is_flag=True, help="Without what valid and test share with an earlier part in another version."
)
@runs_option
@click.option(
    "--leaderboards",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("leaderboards"),
    show_default=True,
    help="Where the CSV and the Markdown are written.",
)
@click.option("--dry-run", is_flag=True, help="Say what would run, and how much of it is there already.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first model that fails.")
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
    """Tune every model on DATASET, score each once on test, write a leaderboard.

    DATASET is a registered name or a path; without one it is the built-in demo. What is finished is not
    run again, and what was interrupted goes on where it stopped.
    """
    catalog = discover()
    for broken in catalog.broken:
        click.echo(f"warning: plugin {broken.origin} is left out: {broken.error}", err=True)
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

    try:
        leaderboards.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=leaderboards, prefix="."):
            pass  # before hours of work, not after
    except OSError as error:
        what = f"{leaderboards}: cannot be written: {error.strerror or error}"
        raise UsageError(f"{what}: name another folder with --leaderboards") from error
    threads = max(1, usable_cpus() // jobs)
    executor = InlineExecutor() if jobs == 1 else process_pool(jobs)
    missing = [job for job in todo if ledger.tidy(job.id) is None]
    try:
        with Progress(missing, ledger) as progress:
            records = drive(todo, executor, ledger, threads=threads, on_done=progress.done, fail_fast=fail_fast)
    except BaseException as error:
        executor.shutdown(wait=False, cancel_futures=True)
        for worker in multiprocessing.active_children():
            worker.terminate()
        if isinstance(error, KeyboardInterrupt):
            click.echo(INTERRUPTED, err=True)
        raise
    executor.shutdown()

    there = list(ReadLedger(runs).records())
    for name, rows in _boards(todo, there).items():
        if older := replaced(leaderboards / f"{name}.csv", rows, there, ledger):
            click.echo(f"warning: {older}", err=True)
        write_text(leaderboards / f"{name}.csv", to_csv(rows))
        write_text(leaderboards / f"{name}.md", to_markdown(rows))
        show_board(rows)
        click.echo(f"written: {leaderboards / name}.csv and .md", err=True)
    failed = [record for record in records if record.status != "ok"]
    for record in failed:
        where = ledger.jobs / record.id
        what = f"{record.job['model']} on {record.dataset['name']}: {record.status}"
        click.echo(f"{what}: see {where / 'log.txt'}; delete {where} to run it again", err=True)
    sys.exit(1 if failed else 0)


def _request(datasets: tuple[str, ...], suite: Path | None, options: dict[str, Any]) -> Request:
    """The options, over those of the suite, over the defaults."""
    settings = read_suite(suite) if suite else {}
    if suite and datasets:
        raise UsageError("name data sets or a --suite, not both")
    if suite and any(options[name] for name in ("labels", "groups", "split")):
        raise UsageError("--labels, --groups and --split stand in the suite's file, with their data set")
    given = {name: value for name, value in options.items() if value not in (None, ())}
    chosen = settings | given
    read = ReadOptions(labels=options["labels"], groups=options["groups"], split=options["split"])
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


def _boards(jobs: list[Job], records: Sequence[Record]) -> dict[str, list[Row]]:
    """The board of each data set: these jobs, and what else the ledger holds of same data and budget."""
    rows = {}
    for job in jobs:
        if job.source.name not in rows:
            mine = [record for record in records if board_key(record.job) == board_key(job.identity)]
            rows[job.source.name] = leaderboard(mine, preferred={job.id for job in jobs})
    return rows
