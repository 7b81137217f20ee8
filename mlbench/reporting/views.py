"""A leaderboard for people, from the rows of its CSV alone: Markdown, HTML, and the cells they share."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence

from mlbench.errors import one_line
from mlbench.evaluation.bootstrap import FEWEST_UNITS, N_REPLICATES
from mlbench.reporting.leaderboard import Row

HEADER = (
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
ABSENT = "–"
BASELINE = "prior"
MADE_UP = {
    "synth-musicnet": "a synthetic stand-in: its figures are not those of MusicNet or mini-MusicNet",
    "mini-musicnet-standin": "a synthetic stand-in: its figures are not those of mini-MusicNet",
    "demo": "made up on the spot: these figures say nothing about real data",
}
"""What every board of a data set says whose name begins so: a CSV has no other place that could tell."""


def warnings(rows: Sequence[Row]) -> list[str]:
    """What must not be overlooked, for the top of the board. Unescaped."""
    names = list(dict.fromkeys(row["dataset"] for row in rows))
    return [
        f"Warning: {name} is {what}."
        for name in names
        for start, what in MADE_UP.items()
        if name == start or name.startswith(f"{start}-")
    ]


def cells(row: Row) -> tuple[str, ...]:
    """The cells of ``HEADER`` for one row, unescaped."""
    return (
        _rank(row),
        row["model"],
        row["features"],
        _figure(row, "average_precision_micro"),
        _figure(row, "average_precision_macro"),
        _figure(row, "valid_average_precision_micro"),
        row["n_trials"],
        _duration(_sum(row, "prepare_seconds", "tune_seconds", "fit_seconds")),
        _duration(_sum(row, "predict_seconds")),
        f"{float(row['peak_memory_mb']):,.0f} MB" if row["peak_memory_mb"] else ABSENT,
        row["status"],
    )


def footnotes(rows: Sequence[Row]) -> list[str]:
    """What a careful reader asks next: sizes, labels scored, floor, budget, fingerprint, errors. Unescaped."""
    if not rows:
        return []
    first = rows[0]
    groups = f" in {first['n_groups']} groups" if first["n_groups"] else ""
    lines = [
        f"{first['dataset']}: {first['n_train']} rows to train, {first['n_valid']} to tune, "
        f"{first['n_test']} to test{groups}; {first['n_labels']} labels, "
        f"{first['n_labels_scored']} of them with a positive in test: macro AP is over those.",
    ]
    floor = next((row for row in rows if row["model"] == BASELINE and row["average_precision_micro"]), None)
    if floor is not None:
        lines.append(f"Floor ({BASELINE}): micro AP {_figure(floor, 'average_precision_micro')}.")
    trials = max(math.ceil(int(row["n_trials"]) / max(1, int(row["n_seeds"]))) for row in rows)
    n_seeds = [int(row["n_seeds"]) for row in rows]
    fewest, most = min(n_seeds), max(n_seeds)
    seeds = f"{most} seed{'s' * (most > 1)}" if fewest == most else f"{fewest} to {most} seeds"
    if trials:  # none where all died before their first was finished
        lines.append(f"Budget: up to {trials} trials a model, tuned on valid, scored once on test; {seeds}.")
    drawn = f"{first['n_groups']} groups" if first["n_groups"] else f"{first['n_test']} rows"
    if any(row["average_precision_micro_low"] for row in rows):
        lines.append(
            f"±: half of the 95 % interval, {N_REPLICATES:,} bootstrap replicates of the {drawn} of test. "
            "Ranks such as 1–3 cannot be told apart: paired differences of micro AP, corrected for the number of "
            "pairs (max-t, 95 %)."
        )
    elif int(first["n_groups"] or first["n_test"]) < FEWEST_UNITS:
        lines.append(f"No intervals, and any order may be chance: {drawn} of test are fewer than {FEWEST_UNITS}.")
    lines.append(f"Data SHA-256: {first['dataset_sha256']}. mlbench {first['mlbench_version']}.")
    lines += [f"{row['model']} ({row['features']}): {row['error']}" for row in rows if row["error"]]
    return lines


def to_markdown(rows: Sequence[Row]) -> str:
    """The Markdown table with its footnotes."""
    align = [":--" if name in TEXT_COLUMNS else "--:" for name in HEADER]
    lines = [_line(HEADER), _line(align)]
    lines += [_line([escape_markdown(cell) for cell in cells(row)]) for row in rows]
    notes = [f"- {escape_markdown(note)}" for note in footnotes(rows)]
    top = [line for warning in warnings(rows) for line in (f"> {escape_markdown(warning)}", "")]
    return "\n".join([*top, *lines, "", *notes]) + "\n"


def to_html(rows: Sequence[Row]) -> str:
    """The same as an HTML table with a list below."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in HEADER)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells(row)) + "</tr>" for row in rows)
    notes = "\n".join(f"<li>{html.escape(note)}</li>" for note in footnotes(rows))
    caption = html.escape(rows[0]["dataset"]) if rows else ""
    top = "".join(f'<p class="warning">{html.escape(warning)}</p>\n' for warning in warnings(rows))
    return (
        f"{top}<table>\n<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n<ul>\n{notes}\n</ul>\n"
    )


def escape_markdown(text: str) -> str:
    """``text`` so that Markdown shows just that: one line, no links, tags, emphasis or further cells."""
    text = re.sub(r"([\\`*_\[\]<>|&~$])", r"\\\1", one_line(text, longest=len(text) + 1))
    # GitHub makes links of bare addresses; a backslash before the ``:`` or ``.`` ends that.
    return re.sub(r"(?i)(https?|ftp|mailto)(?=:)|www(?=\.)", r"\g<0>\\", text)


def _line(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"


def _rank(row: Row) -> str:
    """``2``, or ``1–3`` where it cannot be told apart from others."""
    low, high = row["rank_low"], row["rank_high"]
    return f"{low}–{high}" if low != high else row["rank"] or ABSENT


def _figure(row: Row, name: str) -> str:
    """``0.8123``, or ``0.812 ± 0.013`` where there is an interval, whose half that is."""
    if not row[name]:
        return ABSENT
    if not row.get(f"{name}_low"):
        return f"{float(row[name]):.4f}"
    half = (float(row[f"{name}_high"]) - float(row[f"{name}_low"])) / 2
    return f"{float(row[name]):.3f} ± {half:.3f}"


def _sum(row: Row, *names: str) -> float | None:
    known = [float(row[name]) for name in names if row[name]]
    return sum(known) if known else None


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ABSENT
    if seconds < 0.01:
        return "<0.01 s"
    if round(seconds) < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"
