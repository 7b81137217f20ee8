"""Tables on stdout: drawn on a terminal, Markdown or plain columns in a pipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import click

from mlbench.ranking.leaderboard import Row
from mlbench.ranking.views import HEADER, TEXT_COLUMNS, cells, footnotes, to_markdown, warnings

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
