"""``mlbench data make``, and the progress display for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from mlbench.data.formats import read_dataset
from mlbench.errors import UsageError
from mlbench.plugins.catalog import PluginEntry, discover
from mlbench.plugins.dataset_maker import home_of, make
from mlbench.plugins.specs import DatasetSpec, Option
from mlbench.plugins.worker_pool import process_pool

LINES = 10
"""How many lines of progress a log gets in all."""


@contextlib.contextmanager
def making() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows (data set, done, total) on stderr: a bar on a terminal, else plain lines."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (TextColumn("making {task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    bar = Progress(*columns, *times, console=console, transient=True)
    tasks: dict[str, Any] = {}

    def show(name: str, done: int, total: int) -> None:
        if console.is_terminal:
            if name not in tasks:
                bar.start()
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done, total=total)
        elif done * LINES // total > (done - 1) * LINES // total:
            click.echo(f"making {name}: {done} of {total}", err=True)

    try:
        yield show
    finally:
        if tasks:  # stopping a bar that never started prints an empty line
            bar.stop()


class _Makers(click.Group):
    """A group with one command per data set that can be made, with the options its plugin declares."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names of the data sets that can be made."""
        return [name for name, entry in discover().datasets.items() if entry.spec.make is not None]

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        """Return the command that makes the data set ``name``."""
        registered = discover().dataset(name)
        if registered.spec.make is None:
            raise UsageError(f"data set {name!r} needs no making: use it with `mlbench run {name}`")
        return _command(registered)


@click.group("make", cls=_Makers)
def make_data() -> None:
    """Make a data set on this machine, from installed packages or from your own files."""


def _command(registered: PluginEntry[DatasetSpec]) -> click.Command:
    spec = registered.spec
    params: list[click.Parameter] = [_parameter(option) for option in spec.options]
    if spec.from_source:
        folder = click.Path(path_type=Path)
        needed = not spec.source_optional
        params.append(
            click.Option(["--from", "source"], type=folder, required=needed, help=f"Your {spec.from_source}.")
        )
    params += [
        click.Option(
            ["-o", "--output"],
            type=click.Path(path_type=Path, file_okay=False),
            help=f"Folder to write to.  [default: where `mlbench run {spec.name}` finds it]",
        ),
        click.Option(
            ["-j", "--jobs"], type=click.IntRange(min=1), help="Number of parallel processes.  [default: one per core]"
        ),
    ]

    def callback(output: Path | None, jobs: int | None, source: Path | None = None, **options: Any) -> None:
        changed = [option.name for option in spec.options if options[option.name] != option.default]
        if changed and output is None:
            raise UsageError(f"--{_dashed(changed[0])} changes the data set: choose a folder of its own with -o FOLDER")
        folder = output or home_of(spec)
        try:
            with making() as show, process_pool(jobs) as executor:
                make(
                    registered,
                    folder,
                    source=source,
                    options=options,
                    executor=executor,
                    progress=lambda done, total: show(spec.name, done, total),
                )
        except KeyboardInterrupt:
            click.echo("interrupted: run the same command again to resume", err=True)
            raise
        for note in read_dataset(folder).notes:
            click.echo(note, err=True)
        click.echo(f"written: {folder}", err=True)
        click.echo(f"to use it: mlbench run {spec.name if output is None else output}", err=True)

    summary = spec.summary.rstrip(".") + "."
    return click.Command(spec.name, callback=callback, params=params, help=summary, short_help=summary)


def _parameter(option: Option) -> click.Option:
    kind = click.Choice(option.choices) if option.choices else type(option.default)
    shown = str(option.default) != ""
    return click.Option(
        [f"--{_dashed(option.name)}", option.name],
        type=kind,
        default=option.default,
        show_default=shown,
        help=option.help,
    )


def _dashed(name: str) -> str:
    return name.replace("_", "-")
