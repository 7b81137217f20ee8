"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mlbench.errors import MlbenchError

Command = TypeVar("Command", bound=Callable[..., Any])

runs_option = click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Runs folder: finished jobs, running studies and cached features.",
)
EXIT_DIFFERENCE = 3
"""The exit code of a check that found a difference."""
data_option = click.option(
    "--data",
    multiple=True,
    metavar="DATASET",
    help="Data set that provides the labels: a name or a path, as for `mlbench run` (repeatable).",
)


def table_options(command: Command) -> Command:
    """Add ``--labels``, ``--groups`` and ``--split``, the column roles of a table."""
    for option in (
        click.option("--split", metavar="COLUMN", help="Tables only: column whose values are train, valid or test."),
        click.option(
            "--groups",
            metavar="COLUMN",
            help="Tables only: column that identifies the group of a row, such as a recording or a patient.",
        ),
        click.option(
            "--labels",
            metavar="COLUMNS",
            multiple=True,
            help="Tables only: label columns, as comma-separated names or a pattern such as 'Class*' (repeatable).",
        ),
    ):
        command = option(command)
    return command


class Quantity(click.ParamType[Any]):
    """A parameter type for durations and memory sizes."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self.parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the text; fail with a usage error that shows the expected form."""
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value)
        except MlbenchError as error:
            self.fail(str(error), param, ctx)
