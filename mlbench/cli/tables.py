"""Tables on stdout: drawn on a terminal, Markdown or plain columns in a pipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import click

from mlbench.evaluation.calibration import CALIBRATED
from mlbench.reporting.leaderboard import Row, records_of_rows, shown_record
from mlbench.reporting.views import HEADER, TEXT_COLUMNS, cells, footnotes, to_markdown, warnings
from mlbench.results.ledger import Record

WIDE = 100
"""Columns of a terminal from which on the whole board is drawn."""
LEFT_OUT_WHEN_NARROW = ("Trials", "Predict", "Peak memory")


def show_board(rows: Sequence[Row]) -> None:
    """A leaderboard, as a table on a terminal and as Markdown in a pipe."""
    if not sys.stdout.isatty():
        click.echo(to_markdown(rows))
        return
    narrow = shutil.get_terminal_size().columns < WIDE
    kept = [position for position, name in enumerate(HEADER) if not (narrow and name in LEFT_OUT_WHEN_NARROW)]
    shown = [[cells(row)[position] for position in kept] for row in rows]
    header = [HEADER[position] for position in kept]
    show_table(header, shown, title=rows[0]["dataset"] if rows else "", text=TEXT_COLUMNS)
    for note in warnings(rows) + footnotes(rows):
        click.echo(f"  {note}")


def show_tuning(records: Sequence[Record]) -> None:
    """What tuning bought: a line for each row of the board, of the seed that stands for it."""
    header = (
        "Model",
        "Features",
        "Default",
        "Tuned",
        "Test",
        "Calibrated",
        "Valid - test",
        "Expected best of 5",
        "of 10",
        "At an edge",
    )
    shown = [record for record in map(shown_record, records_of_rows(records)) if record.status == "ok"]
    shown.sort(key=lambda record: -(record.figures["test"]["average_precision_micro"] or 0.0))
    rows = []
    for record in shown:
        valid, test = (record.figures[part]["average_precision_micro"] for part in ("valid", "test"))
        expected = record.tuning.get("expected_best", [])
        edges = record.tuning.get("at_edge", {})
        rows.append(
            (
                *(record.job["model"], record.job["features"], _plain(record.default_average_precision_micro)),
                *(_plain(valid), _plain(test), _plain(record.figures["test"].get(CALIBRATED))),
                "" if valid is None or test is None else f"{valid - test:+.4f}",
                *(_plain(expected[m - 1]) if len(expected) >= m else "" for m in (5, 10)),
                ", ".join(f"{name} ({record.best_params[name]:.3g}, {end})" for name, end in edges.items())
                if record.best_params
                else "",
            )
        )
    name, metric = records[0].dataset["name"], records[0].job["budget"]["metric"]
    show_table(header, rows, title=str(name), text=("Model", "Features", "At an edge"))
    click.echo("Default, tuned and test are micro AP; default and tuned on valid. Calibrated: that of test when each")
    click.echo("label's scores are calibrated on valid; far above Test, scores of labels are not on one scale.")
    click.echo(f"Expected best: {metric} on valid of the best of so many of the trials, whichever they had been.")


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def show_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", text: Sequence[str] | None = None
) -> None:
    """Columns with a header; those in ``text`` (by default all) to the left, others to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for position, name in enumerate(header):
        left = text is None or name in text
        longest = max((len(row[position]) for row in rows), default=0) if text is not None else None
        table.add_column(name, justify="left" if left else "right", overflow="fold", min_width=longest)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = 240
    console.print(table)
