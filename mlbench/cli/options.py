"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from mlbench.data.formats import ReadOptions
from mlbench.errors import MlbenchError, UsageError

Command = TypeVar("Command", bound=Callable[..., Any])

runs_option = click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Runs folder: finished jobs, unfinished studies and cached features.",
)
EXIT_DIFFERENCE = 3
"""The exit code of a check that found a difference."""
data_option = click.option(
    "--data",
    multiple=True,
    metavar="DATASET",
    help="Data set that provides the labels: a name or a path, as for `mlbench run` (repeatable).",
)


_ROLES = (
    click.option(
        "--labels",
        metavar="COLUMNS",
        multiple=True,
        help="Label columns, as comma-separated names or a pattern such as 'Class*' (repeatable).",
    ),
    click.option("--drop", metavar="COLUMNS", multiple=True, help="Columns to leave out (repeatable)."),
    click.option(
        "--text",
        metavar="COLUMNS",
        multiple=True,
        help="Columns of text, which the features tfidf are made of (repeatable).",
    ),
    click.option(
        "--groups",
        metavar="COLUMN",
        help="Column that identifies the group of a row, such as a recording or a patient.",
    ),
    click.option(
        "--split", metavar="COLUMN", help="Column whose values are train, valid or test, or folds with --fold."
    ),
    click.option("--fold", type=int, metavar="N", help="Fold to test on, of the column --split or of files."),
    click.option("--train", metavar="PATH", help="File of the training split; the same as DATASET."),
    click.option("--valid", metavar="PATH", help="File of the validation split."),
    click.option("--test", metavar="PATH", help="File of the test split."),
    click.option("--join", metavar="FILE", help="Second table, whose columns are added by --key."),
    click.option("--key", metavar="COLUMN", help="Column by which the rows of two tables belong together."),
    click.option(
        "--label-separator",
        metavar="TEXT",
        help="Separator for a column that lists all labels of a row in one cell, such as '|'.",
    ),
    click.option(
        "--positive",
        metavar="WORD",
        multiple=True,
        help="Word that counts as positive in a label column with two words, as WORD or COLUMN=WORD (repeatable).",
    ),
    click.option(
        "--one-hot",
        is_flag=True,
        help="One-hot encode label columns, so that each distinct value becomes a label.",
    ),
    click.option(
        "--unknown",
        metavar="VALUE",
        multiple=True,
        help="Value of a label cell that means that the label is unknown, such as -1; empty cells and ? always do "
        "(repeatable).",
    ),
    click.option(
        "--decimal", type=click.Choice([".", ","]), default=".", help="Decimal separator of numbers. [default: .]"
    ),
    click.option(
        "--delimiter", metavar="TEXT", help="What separates the cells of a line, such as ';'. [default: detected]"
    ),
    click.option(
        "--encoding", metavar="NAME", help="Encoding of text files, such as latin-1 or utf-16. [default: detected]"
    ),
)


def table_options(command: Command) -> Command:
    """Add the options that say how a table is read; the command gets them as ``read``, a ``ReadOptions``."""
    names = [field.name for field in fields(ReadOptions)]

    @wraps(command)
    def with_roles(**options: Any) -> Any:
        train = options.pop("train")
        name = next(name for name in ("data", "datasets", "dataset") if name in options)
        if train is not None:
            if options[name]:
                raise UsageError("give the training split as DATASET or with --train, not both")
            options[name] = train if name == "dataset" else (train,)
        elif name == "dataset" and options[name] is None:
            raise UsageError("name a data set: a registered name or a path")
        return command(read=ReadOptions(**{name: options.pop(name) for name in names}), **options)

    decorated: Any = with_roles
    for option in reversed(_ROLES):
        decorated = option(decorated)
    found: Command = decorated
    return found


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
