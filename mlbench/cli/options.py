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
    help="Where finished jobs, studies under way and cached features are kept.",
)
EXIT_DIFFERENCE = 3
"""Of a check that found a difference."""
data_option = click.option(
    "--data",
    multiple=True,
    metavar="DATASET",
    help="Where to find the labels again: a registered name or a path, as for `run`; several times for several.",
)


def table_options(command: Command) -> Command:
    """``--labels``, ``--groups`` and ``--split``: which columns of a table are what."""
    for option in (
        click.option("--split", metavar="COLUMN", help="Table: the column that says train, valid or test."),
        click.option("--groups", metavar="COLUMN", help="Table: the column of what belongs together (a recording)."),
        click.option(
            "--labels",
            metavar="COLUMNS",
            multiple=True,
            help="Table: label columns: a name, names with commas between, or a pattern such as 'Class*'.",
        ),
    ):
        command = option(command)
    return command


class Quantity(click.ParamType[Any]):
    """A duration or an amount of memory, parsed by one of our functions."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self.parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number; a usage error says what to write instead."""
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value)
        except MlbenchError as error:
            self.fail(str(error), param, ctx)
