"""A leaderboard as Markdown and HTML, from the rows of its CSV alone."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from mlbench.errors import one_line
from mlbench.evaluation.bootstrap import FEWEST_UNITS, N_REPLICATES
from mlbench.metrics import METRICS, MICRO
from mlbench.reporting.board import TUNING, WARNING, Board, Row, row_notes
from mlbench.results.schema import BASELINE

COLUMNS = (
    "Rank",
    "Model",
    "Features",
    "micro AP ↑",
    "macro AP ↑",
    "valid micro AP",
    "Trials",
    "Tune + fit",
    "Predict",
    "Peak memory",
    "Status",
)
TEXT_COLUMNS = ("Model", "Features", "Status")
ARROWS = {"maximize": "↑", "minimize": "↓"}
ABSENT = "–"
CELLS = {
    "micro AP ↑": "average_precision_micro",
    "macro AP ↑": "average_precision_macro",
    "valid micro AP": "valid_average_precision_micro",
}
"""Which column of the CSV the header of a value shows."""


def value_columns(board: Board) -> dict[str, str]:
    """Return the headers of values with their columns of the CSV; the tuned metric comes first where it is another."""
    if board.metric == MICRO:
        return dict(CELLS)
    tuned = {f"{board.metric} {ARROWS[METRICS[board.metric].direction]}": "metric_value"}
    return tuned | CELLS | {f"valid {board.metric}": "valid_metric"}


def header_of(board: Board) -> tuple[str, ...]:
    """Return the headers of the table."""
    first, last = COLUMNS.index("micro AP ↑"), COLUMNS.index("valid micro AP")
    return (*COLUMNS[:first], *value_columns(board), *COLUMNS[last + 1 :])


def warnings(board: Board) -> list[str]:
    """Return what must not be overlooked, for the top of the board. Unescaped."""
    notes = [note for row in board.rows for note in row_notes(row)]
    return [f"{note}." for note in dict.fromkeys(notes) if note.startswith(WARNING)]


def cells(board: Board, row: Row) -> tuple[str, ...]:
    """Return the cells of ``header_of`` for one row, unescaped."""
    return (
        _rank(row),
        row["model"],
        row["features"],
        *(_value(row, column) for column in value_columns(board).values()),
        row["n_trials"],
        _duration(_sum(row, "prepare_seconds", "tune_seconds", "fit_seconds")),
        _duration(_sum(row, "predict_seconds")),
        f"{float(row['peak_memory_mb']):,.0f} MB" if row["peak_memory_mb"] else ABSENT,
        row["status"],
    )


def footnotes(board: Board) -> list[str]:
    """Return what a careful reader asks next: sizes, baseline, metric, budget, notes, fingerprint. Unescaped."""
    if not board.rows:
        return []
    rows, first = board.rows, board.rows[0]
    groups = f" in {first['n_groups']} groups" if first["n_groups"] else ""
    lines = [
        f"{first['dataset']}: {first['n_train']} rows to train, {first['n_valid']} to tune, "
        f"{first['n_test']} to test{groups}; {first['n_labels']} labels, of which "
        f"{first['n_labels_scored']} have a positive in test: macro AP is the mean over these."
    ]
    baseline = next((row for row in rows if row["model"] == BASELINE and row[MICRO]), None)
    if baseline is not None:
        tuned = "" if board.metric == MICRO else f"{board.metric} {_value(baseline, 'metric_value')}, "
        lines.append(f"Baseline ({BASELINE}): {tuned}micro AP {_value(baseline, MICRO)}.")
    lines += _protocol(board)
    drawn = f"{first['n_groups']} groups" if first["n_groups"] else f"{first['n_test']} rows"
    if any(row[f"{MICRO}_low"] for row in rows):
        lines.append(
            f"±: half of the 95 % interval, from {N_REPLICATES:,} bootstrap replicates of the {drawn} of test. "
            f"Models that share a range of ranks, such as 1–3, cannot be told apart by paired differences of "
            f"{_name(board.metric)}, corrected for the number of pairs (max-t, 95 %)."
        )
    elif int(first["n_groups"] or first["n_test"]) < FEWEST_UNITS:
        lines.append(
            f"There are no intervals, and any order may be chance: test has {drawn}, fewer than {FEWEST_UNITS}."
        )
    lines += _notes(board)
    lines.append(f"Data SHA-256: {first['dataset_sha256']}. mlbench {first['mlbench_version']}.")
    lines += [f"{row['model']} ({row['features']}): {row['error']}" for row in rows if row["error"]]
    return lines


def _name(metric: str) -> str:
    return "micro AP" if metric == MICRO else metric


def _protocol(board: Board) -> list[str]:
    """The metric and the budget that was asked for; boards of schema 1 do not say them."""
    rows, first = board.rows, board.rows[0]
    n_seeds = [int(row["n_seeds"]) for row in rows]
    fewest, most = min(n_seeds), max(n_seeds)
    seeds = f"{most} seed{'s' * (most > 1)}" if fewest == most else f"{fewest} to {most} seeds"
    if board.schema_version == 1:
        return [f"The budget and the tuned metric are not known: the board is older than their columns; {seeds}."]
    less = " (lower is better)" if METRICS[board.metric].sign < 0 else ""
    trials = int(first["budget_trials"])
    limits = (
        f"{_length(first['budget_seconds'])} of tuning, {_length(first['budget_trial_seconds'])} a trial, "
        f"{float(first['budget_memory_mb']) / 1024:.3g} GiB"
    )
    return [
        f"Tuned on the validation split by {_name(board.metric)}{less}, scored once on test and ranked by it; {seeds}.",
        f"Budget of a model: {trials} trial{'s' * (trials != 1)}, {limits}.",
    ]


def _notes(board: Board) -> list[str]:
    """Notes of the data, then those of single rows with their names; warnings stand above the table."""
    of_data: dict[str, None] = {}
    of_rows = []
    for row in board.rows:
        for note in row_notes(row):
            if note.startswith(TUNING):
                of_rows.append(f"{row['model']} ({row['features']}): {note.removeprefix(TUNING)}.")
            elif not note.startswith(WARNING):
                of_data[f"Data: {note}."] = None
    return [*of_data, *of_rows]


def to_markdown(board: Board) -> str:
    """Return the Markdown table with its footnotes."""
    notes = [f"- {escape_markdown(note)}" for note in footnotes(board)]
    top = [line for warning in warnings(board) for line in (f"> {escape_markdown(warning)}", "")]
    return "\n".join([*top, *table_lines(board), "", *notes]) + "\n"


def table_lines(board: Board) -> list[str]:
    """Return the lines of the Markdown table."""
    header = header_of(board)
    align = [":--" if name in TEXT_COLUMNS else "--:" for name in header]
    shown = [_line([escape_markdown(cell) for cell in cells(board, row)]) for row in board.rows]
    return [_line([escape_markdown(name) for name in header]), _line(align), *shown]


def to_html(board: Board) -> str:
    """Return the same as an HTML table with a list below."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in header_of(board))
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells(board, row)) + "</tr>" for row in board.rows
    )
    notes = "\n".join(f"<li>{html.escape(note)}</li>" for note in footnotes(board))
    top = "".join(f'<p class="warning">{html.escape(warning)}</p>\n' for warning in warnings(board))
    return (
        f"{top}<table>\n<caption>{html.escape(board.dataset)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n<ul>\n{notes}\n</ul>\n"
    )


def escape_markdown(text: str) -> str:
    """Return ``text`` so that Markdown shows just that: one line, no links, tags, emphasis or further cells."""
    # Within a word an underscore is itself: names of metrics can be searched for.
    text = re.sub(r"([\\`*\[\]<>|&~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", one_line(text, len(text) + 1))
    # GitHub turns bare addresses into links; a backslash before the ``:`` or ``.`` prevents that.
    return re.sub(r"(?i)(https?|ftp|mailto)(?=:)|www(?=\.)", r"\g<0>\\", text)


def _line(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"


def _rank(row: Row) -> str:
    """Format a rank: ``2``, or ``1–3`` if the model cannot be told apart from others."""
    low, high = row["rank_low"], row["rank_high"]
    return f"{low}–{high}" if low != high else row["rank"] or ABSENT


def _value(row: Row, name: str) -> str:
    """Format a value: ``0.8123``, or ``0.812 ± 0.013`` with half the width of its interval."""
    if not row[name]:
        return ABSENT
    ends = "metric" if name == "metric_value" else name
    if not row.get(f"{ends}_low"):
        return f"{float(row[name]):.4f}"
    half = (float(row[f"{ends}_high"]) - float(row[f"{ends}_low"])) / 2
    return f"{float(row[name]):.3f} ± {half:.3f}"


def _sum(row: Row, *names: str) -> float | None:
    known = [float(row[name]) for name in names if row[name]]
    return sum(known) if known else None


def _length(seconds: str) -> str:
    """A duration of a budget: whole units where there are any."""
    value = float(seconds)
    for unit, size in (("h", 3600), ("min", 60)):
        if value >= size and value % size == 0:
            return f"{value / size:.0f} {unit}"
    return f"{value:g} s"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ABSENT
    if seconds < 0.01:
        return "<0.01 s"
    if round(seconds) < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"
