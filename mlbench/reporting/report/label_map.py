"""The heat map of labels and models: a table with cells coloured by average precision."""

from __future__ import annotations

from mlbench.reporting.report.collect import Board, Entry
from mlbench.reporting.report.markup import ABSENT, element, figure, header, long, number_cell, table, text

SHOWN = 60
"""How many labels are shown at first, the most frequent ones."""
LEVELS = 10
"""Steps of the colour scale from 0 to 1."""
UPRIGHT = 4
"""The largest number of models whose names are written horizontally."""


def label_map(board: Board, name: str) -> list[str]:
    """Return heading, legend, table and "show all" button; nothing if no job is ok."""
    entries = [entry for entry in board.entries if entry.label_ap]
    if not entries:
        return []
    order = sorted(
        range(len(board.labels)),
        key=lambda label: (-board.labels[label].n_test, -board.labels[label].n_train, board.labels[label].name),
    )
    turned = len(entries) > UPRIGHT
    heads = [
        header("Label", class_="fixed"),
        *(header(title, number=True) for title in ("In train", "In test")),
        *(header(element("span", text(entry.name)), class_="turned" if turned else "column") for entry in entries),
        header("Best"),
    ]
    rows = [_row(board, label, entries, hidden=position >= SHOWN) for position, label in enumerate(order)]
    undefined = sum(board.labels[label].n_test == 0 for label in order)
    caption = (
        f"{text(board.title)}: AP of each label on test. <span>Sorted by frequency in test."
        + (f" {undefined} of {len(order)} labels have no positive in test and therefore no AP." if undefined else "")
        + "</span>"
    )
    scale = "".join(element("i", class_=f"h{level}") for level in range(LEVELS + 1))
    button = element(
        "button",
        f"Show all {len(order)} labels",
        type="button",
        class_="more",
        aria_expanded="false",
        aria_controls=f"{name}-labels",
        data_all=f"Show all {len(order)} labels",
        data_few=f"Show the {SHOWN} most frequent",
    )
    return [
        "<h3>Labels</h3>",
        element(
            "p",
            element("span", "0"),
            element("span", scale, class_="scale", role="img", aria_label="colour scale of AP from 0 to 1"),
            element("span", "1"),
            element("span", "bold: best model for the label", class_="hint"),
            class_="legend-scale",
        ),
        element("p", "Point at a cell, or focus one and use the arrow keys.", class_="readout", role="status"),
        table(caption, heads, rows, identity=f"{name}-labels", class_="heat"),
        *([button] if len(order) > SHOWN else []),
    ]


def _row(board: Board, label: int, entries: list[Entry], *, hidden: bool) -> str:
    shown = board.labels[label]
    values = [entry.label_ap[label] for entry in entries]
    known = [value for value in values if value is not None]
    best = max(known, default=None)
    winners = [entry.name for entry, value in zip(entries, values, strict=True) if value is not None and value == best]
    more = f" and {len(winners) - 1} more" if len(winners) > 1 else ""
    return element(
        "tr",
        element("th", long(shown.name), scope="row", class_="fixed"),
        number_cell(str(shown.n_train)),
        number_cell(str(shown.n_test)),
        *(_cell(value, best=value == best) for value in values),
        element("td", text(winners[0] + more if winners else ABSENT), class_="best"),
        class_="more" if hidden else None,
    )


def _cell(value: float | None, *, best: bool) -> str:
    if value is None:
        return element("td", ABSENT, class_="cell")
    level = min(LEVELS, max(0, round(value * LEVELS)))
    inside = element("b", figure(value, 2)) if best else figure(value, 2)
    return element("td", inside, class_=f"cell h{level}", data_ap=figure(value))
