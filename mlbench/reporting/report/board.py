"""The leaderboard as a sortable table."""

from __future__ import annotations

import math

from mlbench.reporting.report.collect import Board, Entry
from mlbench.reporting.report.markup import ABSENT, element, header, interval_bar, long, number_cell, table, text
from mlbench.reporting.views import TEXT_COLUMNS, cells, header_of, value_columns

RANK, MODEL, STATUS = "Rank", "Model", "Status"
VALID = "valid "
"""How the headers of values on the validation split begin; they have no interval."""
SECONDS = {"Tune + fit": ("prepare_seconds", "tune_seconds", "fit_seconds"), "Predict": ("predict_seconds",)}
PLAIN = {"Trials": "n_trials", "Peak memory": "peak_memory_mb"}


def leaderboard_table(board: Board, name: str) -> str:
    """Return the table with the same columns as in Markdown, each with a sort button."""
    heads = [
        header(
            text(column),
            sort="ascending" if column == RANK else "none",
            number=column not in TEXT_COLUMNS,
            class_="fixed" if column == MODEL else None,
        )
        for column in header_of(board.board)
    ]
    shown = value_columns(board.board)
    spans = {name: _span(board, column) for name, column in shown.items() if not name.startswith(VALID)}
    rows = [_row(board, entry, shown, spans) for entry in board.entries]
    drawn = "; ".join(f"{name.rstrip(' ↑↓')} from {low:g} to {high:g}" for name, (low, high) in spans.items())
    without = ", the baseline left out" if any(entry.baseline for entry in board.entries) else ""
    hint = f"<span>Click a header to sort. The marks below the numbers are on a scale: {text(drawn)}{without}.</span>"
    caption = f"{text(board.title)}: ranked by {text(board.metric_name)} on test. {hint}"
    return table(caption, heads, rows, identity=f"{name}-leaderboard", class_="board")


def _ends(column: str) -> tuple[str, str]:
    """Return the columns of a value's interval."""
    name = "metric" if column == "metric_value" else column
    return f"{name}_low", f"{name}_high"


def _span(board: Board, column: str) -> tuple[float, float]:
    """The scale of a column's marks: tenths that all values and intervals are within, except for the baseline's.

    The baseline is so far off on most boards that nothing could be seen of the others beside it.
    """
    known = [
        float(entry.row[name])
        for entry in board.entries
        if not entry.baseline
        for name in (column, *_ends(column))
        if entry.row[name]
    ] or [0.0, 1.0]
    low, high = math.floor(min(known) * 10) / 10, math.ceil(max(known) * 10) / 10
    return low, high if high > low else low + 0.1


def _row(board: Board, entry: Entry, values: dict[str, str], spans: dict[str, tuple[float, float]]) -> str:
    row = entry.row
    bad = row["status"] != "ok"
    shown = []
    for column, cell in zip(header_of(board.board), cells(board.board, row), strict=True):
        if column == MODEL:
            # The status column may be scrolled out of view.
            status = element("small", text(row["status"]), class_="status") if bad else ""
            shown.append(element("th", long(cell), status, scope="row", class_="fixed", data_v=cell))
        elif column == RANK:
            span = row["rank_low"] and row["rank_high"] and f"{row['rank_low']}–{row['rank_high']}"
            more = (
                element("small", text(span), class_="ranks") if span and span != f"{row['rank']}–{row['rank']}" else ""
            )
            shown.append(number_cell(row["rank"] or ABSENT, float(row["rank"]) if row["rank"] else None, more))
        elif column in values:
            known = values[column]
            value = float(row[known]) if row[known] else None
            drawn = "" if value is None or column not in spans else _bar(entry, known, value, spans[column])
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
    return element("tr", *shown, class_="baseline" if entry.baseline else "bad" if bad else None)


def _bar(entry: Entry, column: str, value: float, span: tuple[float, float]) -> str:
    low, high = (float(cell) if (cell := entry.row[end]) else None for end in _ends(column))
    seen = [end for end in (low, value, high) if end is not None]
    return interval_bar(value, low, high, span) if span[0] <= min(seen) and max(seen) <= span[1] else ""
