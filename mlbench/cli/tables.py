"""Tables on stdout: formatted for a terminal, or as Markdown or plain columns for a pipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import click

from mlbench.errors import one_line
from mlbench.metrics import CALIBRATED, MICRO
from mlbench.reporting.board import Board
from mlbench.reporting.row_records import records_of_rows, shown_record, sign_of
from mlbench.reporting.views import TEXT_COLUMNS, cells, footnotes, header_of, to_markdown, warnings
from mlbench.results.schema import Record

WIDE = 100
"""The terminal width at or above which all columns of a board are shown."""
HIDDEN_WHEN_NARROW = ("Trials", "Predict", "Peak memory")


def show_board(board: Board) -> None:
    """Show a leaderboard as a table on a terminal, as Markdown in a pipe."""
    if not sys.stdout.isatty():
        click.echo(to_markdown(board))
        return
    narrow = shutil.get_terminal_size().columns < WIDE
    whole = header_of(board)
    kept = [position for position, name in enumerate(whole) if not (narrow and name in HIDDEN_WHEN_NARROW)]
    shown = [[cells(board, row)[position] for position in kept] for row in board.rows]
    show_table(
        [whole[position] for position in kept],
        shown,
        title=titled(board.dataset, board.rows[0]["budget_trials"]),
        text=TEXT_COLUMNS,
    )
    for note in warnings(board) + footnotes(board):
        click.echo(f"  {one_line(note, len(note) + 1)}")


def titled(dataset: str, n_trials: int | str) -> str:
    """Return the title of a table: several of one data set differ in their budget."""
    return f"{dataset} (--n-trials {n_trials})" if n_trials else dataset


def show_tuning(records: Sequence[Record]) -> None:
    """Show what tuning gained: a line for each row of the board, of the seed that stands for it."""
    metric = records[0].budget.metric
    name = "micro AP" if metric == MICRO else metric
    header = (
        "Model",
        "Features",
        f"Default {name}",
        "Tuned",
        "Test",
        "Calibrated micro AP",
        "Valid - test",
        "Expected best of 5",
        "of 10",
        "At the edge",
    )
    shown = [record for record in map(shown_record, records_of_rows(records)) if record.status == "ok"]
    sign = sign_of(metric)
    shown.sort(key=lambda record: -sign * (record.value("test", metric) or 0.0))
    rows = []
    for record in shown:
        valid, test = record.value("valid", metric), record.value("test", metric)
        expected, edges = record.tuning.expected_best, record.tuning.at_edge
        rows.append(
            (
                *(record.job.model, record.job.features, _plain(record.default_value)),
                *(_plain(valid), _plain(test), _plain(record.value("test", CALIBRATED))),
                "" if valid is None or test is None else f"{valid - test:+.4f}",
                *(_plain(expected[m - 1]) if len(expected) >= m else "" for m in (5, 10)),
                ", ".join(f"{param} ({record.best_params[param]:.3g}, {end})" for param, end in edges.items())
                if record.best_params
                else "",
            )
        )
    title = titled(records[0].dataset.name, records[0].budget.n_trials)
    show_table(header, rows, title=title, text=("Model", "Features", "At the edge"))
    click.echo(f"Default and tuned are {name} on the validation split, Test is {name} on test. Calibrated is micro AP")
    click.echo("on test after each label's scores were calibrated on the validation split: if it is far above the")
    click.echo("micro AP of test, the scores of labels are not on one scale. Expected best is the mean value, on the")
    click.echo("validation split, of the best of so many trials, over all ways to choose them.")


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def show_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", text: Sequence[str] | None = None
) -> None:
    """Print a table with a header; columns in ``text`` (by default all) are left-aligned, others right-aligned."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    class Output(Console):
        def on_broken_pipe(self) -> None:  # rich would exit with 1, which says that rows failed
            raise BrokenPipeError

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for position, name in enumerate(header):
        left = text is None or name in text
        longest = max((len(row[position]) for row in rows), default=0) if text is not None else None
        table.add_column(name, justify="left" if left else "right", overflow="fold", min_width=longest)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Output()
    if not console.is_terminal:
        console.width = 240
    console.print(table)
