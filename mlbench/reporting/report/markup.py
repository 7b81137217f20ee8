"""Pieces of HTML and SVG in which every text is escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

from mlbench.errors import one_line

ABSENT = "–"
_BREAKERS = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def text(value: object) -> str:
    """``value`` as one line that a page shows as it is, in a tag's text or in a quoted attribute."""
    line = str(value)
    return html.escape(one_line(line, longest=len(line) + 1))


def element(tag: str, *inside: str, **attributes: object) -> str:
    """``<tag …>inside</tag>``; ``inside`` is HTML, attributes are escaped here.

    An attribute's ``_`` stands for ``-``, one at its end is dropped (``class_``); None leaves it out,
    True gives it no value.
    """
    shown = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return f"<{tag}{shown}>{''.join(inside)}</{tag}>"


def long(value: object) -> str:
    """``text`` that may be long: it wraps within a column's width, and never makes one that is narrower than a word."""
    return element("span", text(value), class_="long")


def header(*inside: str, sort: str | None = None, number: bool = False, class_: str | None = None) -> str:
    """A column's header; with ``sort`` (``"ascending"``, ``"descending"``, ``"none"``) it is a button."""
    classes = " ".join(filter(None, ["number" if number else None, class_])) or None
    if sort is None:
        return element("th", *inside, scope="col", class_=classes)
    button = element("button", *inside, '<span class="arrow" aria-hidden="true"></span>', type="button")
    return element("th", button, scope="col", class_=classes, aria_sort=None if sort == "none" else sort)


def number_cell(shown: str, value: float | None = None, *more: str) -> str:
    """A cell of a number: as text, and what to sort by."""
    return element("td", text(shown), *more, class_="number", data_v=None if value is None else repr(value))


def table(caption: str, headers: Iterable[str], rows: Iterable[str], *, identity: str, class_: str = "") -> str:
    """A table that scrolls in a container of its own, which the keyboard can reach too."""
    head = element("thead", element("tr", *headers))
    name = f"{identity}-caption"
    whole = element(
        "table",
        element("caption", caption, id=name),
        head,
        "<tbody>\n",
        "\n".join(rows),
        "\n</tbody>",
        class_=class_ or None,
        id=identity,
    )
    return element("div", whole, class_="scroll", role="region", aria_labelledby=name, tabindex="0") + "\n"


def plain_table(caption: str, headers: Sequence[str], rows: Iterable[Sequence[str]], *, identity: str) -> str:
    """A table of texts, the first column of which names the row and the others of which are numbers."""
    heads = [header(text(name), number=position > 0) for position, name in enumerate(headers)]
    lines = (
        element("tr", element("th", long(first), scope="row"), *(number_cell(value) for value in rest))
        for first, *rest in rows
    )
    return table(text(caption), heads, lines, identity=identity)


def figure(value: float | None, digits: int = 4) -> str:
    """A number for people."""
    return ABSENT if value is None else f"{value:.{digits}f}"


def interval_bar(value: float, low: float | None, high: float | None, span: tuple[float, float]) -> str:
    """A dot for ``value`` on a track over ``span``, or a tick on a bar from ``low`` to ``high`` where known."""

    def place(number: float) -> str:
        return f"{4 + 92 * (number - span[0]) / (span[1] - span[0]):.2f}"

    parts = ['<line class="track" x1="4" x2="96" y1="6" y2="6"/>']
    point = f'<circle cx="{place(value)}" cy="6" r="3"/>'
    name = None
    if low is not None and high is not None:
        parts.append(f'<line class="range" x1="{place(low)}" x2="{place(high)}" y1="6" y2="6"/>')
        name = f"interval {low:.4f} to {high:.4f}"
        # A dot would hide an interval that is narrower than itself.
        point = f'<line class="point" x1="{place(value)}" x2="{place(value)}" y1="0.5" y2="11.5"/>'
    parts.append(point)
    # Without an interval it says nothing that the number beside it does not.
    named: dict[str, object] = {"role": "img", "aria_label": name} if name else {"aria_hidden": "true"}
    return element("svg", *parts, class_="bar", viewBox="0 0 100 12", width="100", height="12", **named)


def script_data(value: Any) -> str:
    """JSON for a ``<script>`` element, which no text in it can end."""
    dumped = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return dumped.translate(_BREAKERS)
