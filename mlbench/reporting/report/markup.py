"""HTML and SVG elements with all text escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

from mlbench.errors import one_line

ABSENT = "–"
_BREAKERS = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def text(value: object) -> str:
    """Escape ``value`` as one line, for use as text or in a quoted attribute."""
    line = str(value)
    return html.escape(one_line(line, longest=len(line) + 1))


def element(tag: str, *inside: str, **attributes: object) -> str:
    """Return ``<tag …>inside</tag>``; ``inside`` is HTML, and attributes are escaped.

    In attribute names, ``_`` becomes ``-``, and a trailing one is dropped (``class_``). None omits an
    attribute, and True omits its value.
    """
    shown = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return f"<{tag}{shown}>{''.join(inside)}</{tag}>"


def long(value: object) -> str:
    """Escape text that may be long: it wraps, but a column never gets narrower than a word."""
    return element("span", text(value), class_="long")


def header(*inside: str, sort: str | None = None, number: bool = False, class_: str | None = None) -> str:
    """Return a column header; with ``sort`` (``"ascending"``, ``"descending"``, ``"none"``) it is a button."""
    classes = " ".join(filter(None, ["number" if number else None, class_])) or None
    if sort is None:
        return element("th", *inside, scope="col", class_=classes)
    button = element("button", *inside, '<span class="arrow" aria-hidden="true"></span>', type="button")
    return element("th", button, scope="col", class_=classes, aria_sort=None if sort == "none" else sort)


def number_cell(shown: str, value: float | None = None, *more: str) -> str:
    """Return a cell with a number as text, and with the value to sort by."""
    return element("td", text(shown), *more, class_="number", data_v=None if value is None else repr(value))


def table(caption: str, headers: Iterable[str], rows: Iterable[str], *, identity: str, class_: str = "") -> str:
    """Return a table in a scrollable container that can be focused by keyboard."""
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
    """Return a table whose first column names the rows and whose other columns are numbers."""
    heads = [header(text(name), number=position > 0) for position, name in enumerate(headers)]
    lines = (
        element("tr", element("th", long(first), scope="row"), *(number_cell(value) for value in rest))
        for first, *rest in rows
    )
    return table(text(caption), heads, lines, identity=identity)


def figure(value: float | None, digits: int = 4) -> str:
    """Format a number."""
    return ABSENT if value is None else f"{value:.{digits}f}"


def interval_bar(value: float, low: float | None, high: float | None, span: tuple[float, float]) -> str:
    """Draw ``value`` on a track over ``span``: a tick on a bar from ``low`` to ``high``, or a dot without them."""

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
    # Without an interval, it only repeats the number beside it.
    named: dict[str, object] = {"role": "img", "aria_label": name} if name else {"aria_hidden": "true"}
    return element("svg", *parts, class_="bar", viewBox="0 0 100 12", width="100", height="12", **named)


def script_data(value: Any) -> str:
    """Serialise to JSON for a ``<script>`` element, so that no text can close it."""
    dumped = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return dumped.translate(_BREAKERS)
