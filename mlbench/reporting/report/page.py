"""The page: its head with styles and scripts inside, and each board's section."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from mlbench import __version__
from mlbench.reporting.report.board import leaderboard_table
from mlbench.reporting.report.collect import Board, Entry, best_so_far
from mlbench.reporting.report.label_map import label_map
from mlbench.reporting.report.markup import (
    ABSENT,
    element,
    figure,
    header,
    long,
    plain_table,
    script_data,
    table,
    text,
)  # fmt: skip

STYLES = ("style.css", "charts.css")
SCRIPTS = ("charts.js", "script.js")
OPTIONS = ("labels", "groups", "split", "limit", "drop-twins")
"""What makes another data set of what was read, so that a record knows it by the fingerprint alone."""
AT_RECALL = (0.1, 0.25, 0.5, 0.75, 0.9)


def page(boards: Sequence[Board]) -> str:
    """The whole of ``index.html``."""
    style, script = (_assets(names) for names in (STYLES, SCRIPTS))
    # Nothing but this very style and script may run or load: a text that slips through stays a text.
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    data = {"boards": [_chart_data(board) for board in boards]}
    listed = "".join(
        element("li", element("a", text(board.title), href=f"#board-{number}"))
        for number, board in enumerate(boards, start=1)
    )
    body = [
        '<a class="skip" href="#main">Skip to the boards</a>\n',
        element(
            "header",
            "<h1>mlbench report</h1>",
            "<p>Multi-label classifiers: each tuned on valid, scored once on test. AP is average precision; "
            "more is better.</p>",
        ),
        "\n",
        element("nav", element("ul", listed), aria_label="Boards"),
        '\n<main id="main" tabindex="-1">\n',
        *(_section(board, f"board-{number}", number - 1) for number, board in enumerate(boards, start=1)),
        "</main>\n",
        element(
            "footer", element("p", f"Made by mlbench report {text(__version__)} from the records of finished jobs.")
        ),
        f'\n<script type="application/json" id="data">{script_data(data)}</script>\n<script>{script}</script>\n',
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>mlbench report</title>\n<style>{style}</style>\n</head>\n<body>\n{''.join(body)}</body>\n</html>\n"
    )


def _assets(names: Sequence[str]) -> str:
    folder = files("mlbench.reporting.report")
    return "\n" + "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def _digest(asset: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(asset.encode()).digest()).decode()}"


def _chart_data(board: Board) -> dict[str, Any]:
    colours = iter(range(len(board.entries)))
    return {
        "metric": board.budget["metric"],
        "series": [
            {
                "name": entry.name,
                "colour": -1 if entry.floor else next(colours),
                "micro": entry.micro,
                "cost": entry.cost,
                "front": entry.on_front,
                "curves": {
                    part: {
                        "ap": found["average_precision_micro"],
                        "recall": [round(value, 5) for value in found["recall"]],
                        "precision": [round(value, 5) for value in found["precision"]],
                    }
                    for part, found in entry.curves.items()
                },
                "trials": [
                    [trial.number, trial.state, trial.value, best]
                    for trial, best in zip(
                        entry.trials, best_so_far(entry.trials, minimize=board.minimize), strict=True
                    )
                ],
            }
            for entry in board.entries
        ],
    }


# ------------------------------------------------------------------------------------------- a board
def _section(board: Board, name: str, number: int) -> str:
    row = board.entries[0].row
    train, valid, test, labels = (f"{int(row[f'n_{what}']):,}" for what in ("train", "valid", "test", "labels"))
    facts = (
        f"{train} rows to train, {valid} to tune, {test} to test · {labels} labels · {len(board.entries)} on the board"
    )
    parts = [
        element("h2", text(board.title), id=f"{name}-title"),
        element("p", text(facts), class_="facts"),
        *(element("p", text(warning), class_="warning", role="note") for warning in board.warnings),
        "<h3>Leaderboard</h3>\n",
        leaderboard_table(board, name),
        element("ul", *(element("li", text(note)) for note in board.notes), class_="notes"),
        *_curves(board, name, number),
        *label_map(board, name),
        *_cost(board, name, number),
        *_tuning(board, name, number),
        *_parameters(board, name),
        *_environment(board, name),
        *_again(board),
    ]
    return element("section", *(f"{part}\n" for part in parts), id=name, aria_labelledby=f"{name}-title") + "\n"


def _chart(kind: str, number: int, label: str, caption: str, *before: str) -> str:
    """A place for a chart, which the script draws, and its name for those who do not see it."""
    return element(
        "figure",
        *before,
        element("div", class_="plot", data_label=label),
        element("figcaption", caption),
        class_="chart",
        data_chart=kind,
        data_board=number,
    )


def _values(inside: str) -> str:
    return element("details", "<summary>The values as a table</summary>", inside)


def _seeds_note(board: Board) -> str:
    several = any(entry.row["n_seeds"] not in ("", "1") for entry in board.entries)
    return " Of several seeds, the one that is best on valid." if several else ""


def _curves(board: Board, name: str, number: int) -> list[str]:
    drawn = [entry for entry in board.entries if entry.curves]
    if not drawn:
        return ["<h3>Precision and recall</h3>", "<p>No job of this board has curves.</p>"]
    parts = [part for part in ("test", "train") if any(part in entry.curves for entry in drawn)]
    choices = "".join(
        element(
            "label",
            f'<input type="radio" name="{name}-part" value="{part}"{" checked" if not position else ""}>',
            f"<span>{part}</span>",
        )
        for position, part in enumerate(parts)
    )
    rows = [
        [
            entry.name,
            *(figure(entry.curves.get(part, {}).get("average_precision_micro")) for part in ("test", "valid", "train")),
            *(figure(_precision_at(entry, recall), 3) for recall in AT_RECALL),
        ]
        for entry in drawn
    ]
    heads = ["Model", *(f"AP {part}" for part in ("test", "valid", "train")), *(f"at recall {r:g}" for r in AT_RECALL)]
    best = max(drawn, key=lambda entry: entry.micro or 0.0)
    label = f"Precision over recall of {len(drawn)} rows; the best on test is {best.name}, AP {figure(best.micro)}."
    caption = f"All labels together (micro).{_seeds_note(board)} Train is of at most 10,000 rows."
    without = [entry.name for entry in board.entries if entry.micro is not None and not entry.curves]
    return [
        "<h3>Precision and recall</h3>",
        _chart("curves", number, label, caption, element("fieldset", "<legend>Part</legend>", choices)),
        *([element("p", f"Without curves, older than they are: {text(', '.join(without))}.")] if without else []),
        _values(plain_table(f"{board.title}: AP, and test precision", heads, rows, identity=f"{name}-curves")),
    ]


def _precision_at(entry: Entry, recall: float) -> float | None:
    curve = entry.curves.get("test")
    if curve is None:
        return None
    return next((p for r, p in zip(curve["recall"], curve["precision"], strict=True) if r >= recall), None)


def _cost(board: Board, name: str, number: int) -> list[str]:
    drawn = [entry for entry in board.entries if entry.cost is not None and entry.micro is not None]
    if not drawn:
        return []
    front = sorted((entry for entry in drawn if entry.on_front), key=lambda entry: entry.cost or 0.0)
    names = ", ".join(entry.name for entry in front)
    label = f"Test micro AP over seconds, {len(drawn)} rows. On the Pareto front, from the cheapest: {names}."
    rows = [
        [entry.name, figure(entry.cost, 2), figure(entry.micro), "yes" if entry.on_front else "no"]
        for entry in sorted(drawn, key=lambda entry: (entry.cost or 0.0, entry.name))
    ]
    heads = ["Model", "Seconds", "Test micro AP", "On the front"]
    caption = f"Seconds of preparing, tuning and fitting. Nothing is both cheaper and better than: {text(names)}."
    return [
        "<h3>Cost and quality</h3>",
        _chart("cost", number, label, caption),
        _values(plain_table(f"{board.title}: cost and quality", heads, rows, identity=f"{name}-cost")),
    ]


def _tuning(board: Board, name: str, number: int) -> list[str]:
    drawn = [entry for entry in board.entries if entry.trials]
    if not drawn:
        return []
    rows = []
    for entry in drawn:
        values = best_so_far(entry.trials, minimize=board.minimize)
        states = [trial.state for trial in entry.trials]
        counts = [str(states.count(state)) for state in ("COMPLETE", "PRUNED", "FAIL")]
        best = next((trial.number for trial in entry.trials if trial.value == values[-1] is not None), None)
        rows.append([entry.name, figure(values[0]), figure(values[-1]), ABSENT if best is None else str(best), *counts])
    metric = board.budget["metric"]
    heads = ["Model", "Defaults", "Best", "Best trial", "Complete", "Pruned", "Failed"]
    label = f"Best {metric} on valid so far, over the trials of {len(drawn)} rows."
    marks = "Marked: ● better than before, ▽ pruned, × failed."
    caption = f"Best <code>{text(metric)}</code> on valid so far; trial 0 is the defaults. {marks}{_seeds_note(board)}"
    return [
        "<h3>Tuning</h3>",
        _chart("tuning", number, label, caption),
        _values(plain_table(f"{board.title}: {metric} on valid", heads, rows, identity=f"{name}-tuning")),
    ]


def _parameters(board: Board, name: str) -> list[str]:
    heads = [header(column, number=column == "Trial") for column in ("Model", "Features", "Trial", "Best parameters")]
    rows, exact = [], []
    for entry in board.entries:
        best, defaults = entry.record.best_params, entry.record.default_params
        if not best:
            continue
        listed = "".join(element("li", _parameter(key, best[key], defaults.get(key))) for key in sorted(best))
        trial = ABSENT if entry.record.best_trial is None else str(entry.record.best_trial)
        rows.append(
            element(
                "tr",
                element("th", long(entry.row["model"]), scope="row"),
                element("td", long(entry.row["features"])),
                element("td", text(trial), class_="number"),
                element("td", element("ul", listed, class_="parameters")),
            )
        )
        exact.append(f"{text(entry.name)}: {html.escape(json.dumps(dict(best), sort_keys=True))}")
    if not rows:
        return []
    pre = element("pre", "\n".join(exact), tabindex="0")
    return [
        "<h3>Best parameters</h3>",
        table(f"{text(board.title)}: parameters of the winning trial", heads, rows, identity=f"{name}-parameters"),
        element("details", "<summary>Exactly, as JSON</summary>", pre),
    ]


def _parameter(key: str, value: Any, default: Any) -> str:
    shown, usual = (f"{one:.4g}" if isinstance(one, float) else str(one) for one in (value, default))
    more = "" if default is None or value == default else element("small", f"default {text(usual)}")
    return element("code", f"{text(key)} = {text(shown)}") + more


def _environment(board: Board, name: str) -> list[str]:
    heads = [header(column) for column in ("What", "Value", "Rows")]
    rows = [
        element(
            "tr",
            element("th", long(what), scope="row"),
            element("td", long(value)),
            element("td", long(whose or "all")),
        )
        for what, value, whose in board.environment
    ]
    caption = f"{text(board.title)}: what the jobs ran on"
    return ["<h3>Environment</h3>", table(caption, heads, rows, identity=f"{name}-environment")]


def _again(board: Board) -> list[str]:
    commands = "\n".join(" \\\n    ".join(text(line) for line in command) for command in board.commands)
    listed = [element("code", f"--{name}", class_="option") for name in OPTIONS]
    return [
        "<h3>Do it again</h3>",
        element("pre", element("code", commands), tabindex="0"),
        element(
            "p",
            f"The data set is a registered name; one that was read from a file or a folder needs its path in place of "
            f"<code>{text(board.dataset)}</code>, and what of the options {', '.join(listed)} it was read with, which "
            "is not in the records. Without the last two, <code>mlbench data inspect</code> must say SHA-256 ",
            element("code", text(board.sha256), class_="sha"),
            ".",
        ),
    ]
