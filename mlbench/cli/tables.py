"""Tables on stdout: drawn on a terminal, Markdown or plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from mlbench.ranking.leaderboard import Row
from mlbench.ranking.views import HEADER, TEXT_COLUMNS, cells, footnotes, to_markdown


def show_board(rows: Sequence[Row]) -> None:
    """A leaderboard, as a table on a terminal and as Markdown in a pipe."""
    if not sys.stdout.isatty():
        click.echo(to_markdown(rows))
        return
    show_table(HEADER, [cells(row) for row in rows], title=rows[0]["dataset"] if rows else "", text=TEXT_COLUMNS)
    for note in footnotes(rows):
        click.echo(f"  {note}")


def show_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", text: Sequence[str] | None = None
) -> None:
    """Columns with a header; those in ``text`` (by default all) to the left, others to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for name in header:
        left = text is None or name in text
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = 240
    console.print(table)
