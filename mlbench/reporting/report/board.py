"""The leaderboard as a table that can be sorted."""

from __future__ import annotations

import math

from mlbench.reporting.report.collect import Board, Entry
from mlbench.reporting.report.markup import ABSENT, element, header, interval_bar, long, number_cell, table, text
from mlbench.reporting.views import HEADER, TEXT_COLUMNS, cells

RANK, MODEL, STATUS = "Rank", "Model", "Status"
FIGURES = {
    "micro AP ↑": "average_precision_micro",
    "macro AP ↑": "average_precision_macro",
    "valid micro AP": "valid_average_precision_micro",
}
"""Which column of the CSV a header shows, to sort by it."""
BARS = ("micro AP ↑", "macro AP ↑")
SECONDS = {"Tune + fit": ("prepare_seconds", "tune_seconds", "fit_seconds"), "Predict": ("predict_seconds",)}
PLAIN = {"Trials": "n_trials", "Peak memory": "peak_memory_mb"}


def leaderboard_table(board: Board, name: str) -> str:
    """The columns that the board has in Markdown too, each with a button that sorts."""
    heads = [
        header(
            text(column),
            sort="ascending" if column == RANK else "none",
            number=column not in TEXT_COLUMNS,
            class_="fixed" if column == MODEL else None,
        )
        for column in HEADER
    ]
    spans = {column: _span(board, FIGURES[column]) for column in BARS}
    rows = [_row(entry, spans) for entry in board.entries]
    drawn = "; ".join(f"{column.split(' AP')[0]} from {low:g} to {high:g}" for column, (low, high) in spans.items())
    without = ", the floor left out" if any(entry.floor for entry in board.entries) else ""
    hint = f"<span>A header sorts. Marks below the numbers are on a scale: {drawn}{without}.</span>"
    caption = f"{text(board.title)}: by micro AP on test. {hint}"
    return table(caption, heads, rows, identity=f"{name}-leaderboard", class_="board")


def _span(board: Board, column: str) -> tuple[float, float]:
    """The scale of a column's marks: tenths that all values and intervals are within, but for the floor's.

    The floor is so far off on most boards that nothing could be seen of the others beside it.
    """
    known = [
        float(entry.row[name])
        for entry in board.entries
        if not entry.floor
        for name in (column, f"{column}_low", f"{column}_high")
        if entry.row[name]
    ] or [0.0, 1.0]
    low, high = math.floor(min(known) * 10) / 10, math.ceil(max(known) * 10) / 10
    return low, high if high > low else low + 0.1


def _row(entry: Entry, spans: dict[str, tuple[float, float]]) -> str:
    row = entry.row
    bad = row["status"] != "ok"
    shown = []
    for column, cell in zip(HEADER, cells(row), strict=True):
        if column == MODEL:
            # The column that says so may be out of sight.
            status = element("small", text(row["status"]), class_="status") if bad else ""
            shown.append(element("th", long(cell), status, scope="row", class_="fixed", data_v=cell))
        elif column == RANK:
            span = row["rank_low"] and row["rank_high"] and f"{row['rank_low']}–{row['rank_high']}"
            more = (
                element("small", text(span), class_="ranks") if span and span != f"{row['rank']}–{row['rank']}" else ""
            )
            shown.append(number_cell(row["rank"] or ABSENT, float(row["rank"]) if row["rank"] else None, more))
        elif column in FIGURES:
            known = FIGURES[column]
            value = float(row[known]) if row[known] else None
            drawn = "" if value is None or column not in BARS else _bar(entry, known, value, spans[column])
            shown.append(number_cell(cell, value, drawn))
        elif column in SECONDS:
            seconds = [float(row[part]) for part in SECONDS[column] if row[part]]
            shown.append(number_cell(cell, sum(seconds) if seconds else None))
        elif column in PLAIN:
            shown.append(number_cell(cell, float(row[PLAIN[column]]) if row[PLAIN[column]] else None))
        elif column == STATUS:
            error = element("small", text(row["error"]), class_="error" if bad else "remark") if row["error"] else ""
            shown.append(element("td", text(cell), error, data_v=cell))
        elif column in TEXT_COLUMNS:
            shown.append(element("td", long(cell), data_v=cell))
        else:
            shown.append(number_cell(cell))
    return element("tr", *shown, class_="floor" if entry.floor else "bad" if bad else None)


def _bar(entry: Entry, column: str, value: float, span: tuple[float, float]) -> str:
    low, high = (float(cell) if (cell := entry.row[f"{column}_{end}"]) else None for end in ("low", "high"))
    seen = [end for end in (low, value, high) if end is not None]
    return interval_bar(value, low, high, span) if span[0] <= min(seen) and max(seen) <= span[1] else ""
