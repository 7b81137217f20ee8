"""Markdown and HTML of a board: made from the CSV alone, and safe to show."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise

import pytest
from helpers import patient, record
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from mlbench.reporting.board import COLUMNS, Board, leaderboard
from mlbench.reporting.board_csv import from_csv, to_csv
from mlbench.reporting.views import (
    ABSENT,
    cells,
    escape_markdown,
    footnotes,
    header_of,
    to_html,
    to_markdown,
)
from mlbench.results.schema import Timings

HOSTILE = [
    "a|b", "[x](javascript:alert(1))", "![x](http://x.y/z.png)", "<script>alert(1)</script>", "<b>", "`code`", "*a*",
    "_a_", "**a**", "~~a~~", "=1+1", "-2+3", "@SUM(A1)", "https://evil.example/x", "www.evil.example", "a\\|b", "\\",
    "a\\", "&amp;", "&lt;b&gt;", "$x^2$", "<!-- x", "](x)", "a@evil.example", "<https://evil.example>", "{{ x }}",
]  # fmt: skip
BROKEN_LINES = ["a\nb", "a\n\n# b", "a\r\nb", "a\x1b[31mb", "a\x00b", "a\u202eb", "a\n| x | y |", "a\u2028b"]

BOARD = leaderboard([
    record(0.5123456, model="ridge", macro=0.25),
    record(0.25, model="prior", macro=0.125, peak_memory_mb=None),
    record(None, model="slow", status="timeout", error="no trial finished within --timeout 3s"),
])  # fmt: skip


def _board(**more: str) -> Board:
    """The board with other cells in its first row."""
    return Board(rows=({**BOARD.rows[0], **more}, *BOARD.rows[1:]))


def _plain(token: Token) -> str:
    """What a reader of a piece of Markdown sees; nothing but plain text is allowed in it."""
    kinds = {child.type for child in token.children or []}
    assert kinds <= {"text", "text_special", "softbreak"}, kinds
    return "".join(" " if child.type == "softbreak" else child.content for child in token.children or [])


def _rendered(text: str) -> tuple[list[list[str]], list[str]]:
    """The table and the list that a Markdown renderer makes of ``text``, as plain text."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == 1
    assert kinds.count("bullet_list_open") <= 1
    assert not {"html_block", "heading_open", "fence", "code_block", "ordered_list_open", "hr"} & set(kinds)
    table: list[list[str]] = []
    notes = []
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            table.append([])
        if token.type == "inline":
            if before.type in ("th_open", "td_open"):
                table[-1].append(_plain(token))
            else:
                notes.append(_plain(token))
    return table, notes


# -------------------------------------------------------------------------------------------- content
def test_markdown_has_the_published_columns() -> None:
    """The table's head is exactly this; numbers are aligned to the right."""
    head, align, *_ = to_markdown(BOARD).splitlines()

    assert head == (
        "| Rank | Model | Features | micro AP ↑ | macro AP ↑ | valid micro AP | Trials | Tune + fit | Predict "
        "| Peak memory | Status |"
    )
    assert align.count("--:") == 8
    assert align.count(":--") == 3


def test_markdown_shows_the_rows() -> None:
    """A renderer shows the cells of each row, with a dash for what is not there."""
    table, notes = _rendered(to_markdown(BOARD))

    assert table == [
        list(header_of(BOARD)),
        ["1", "ridge", "raw", "0.5123", "0.2500", "0.7500", "20", "6 s", "4 s", "100 MB", "ok"],
        ["2", "prior", "raw", "0.2500", "0.1250", "0.7500", "20", "6 s", "4 s", ABSENT, "ok"],
        [ABSENT, "slow", "raw", ABSENT, ABSENT, ABSENT, "20", "6 s", "4 s", "100 MB", "timeout"],
    ]
    assert notes == footnotes(BOARD)


def test_footnotes_answer_what_a_reader_asks() -> None:
    """Sizes, labels scored, baseline, metric, budget, fingerprint, version and errors stand below the table."""
    text = "\n".join(footnotes(BOARD))

    for piece in (
        "toy: 40 rows to train, 20 to tune, 20 to test; 3 labels, of which 2 have a positive in test: "
        "macro AP is the mean over these.",
        "Baseline (prior): micro AP 0.2500.",
        "Tuned on the validation split by micro AP, scored once on test and ranked by it; 1 seed.",
        "Budget of a model: 20 trials, 10 min of tuning, 5 min a trial, 8 GiB.",
        "d" * 64,
        "mlbench 0.1.0",
        "slow (raw): no trial finished within --timeout 3s",
    ):
        assert piece in text


def test_footnotes_of_groups_and_seeds() -> None:
    """Groups of test are mentioned where there are some, and so is that they are too few for intervals."""
    (row,) = leaderboard([record(0.5, seed=seed) for seed in (0, 1)]).rows

    text = "\n".join(footnotes(Board(rows=({**row, "n_groups": "7"},))))

    few = "There are no intervals, and any order may be chance: test has 7 groups, fewer than 10."
    assert "20 to test in 7 groups;" in text
    assert few in text
    assert "no intervals" not in "\n".join(footnotes(Board(rows=(row,))))
    assert "scored once on test and ranked by it; 2 seeds." in text
    assert "Budget of a model: 20 trials," in text
    assert "Baseline" not in text


def test_footnotes_name_what_ran_out_of_time() -> None:
    """A model that the time ended before all its trials is named, with the time, unless there was nothing to tune."""
    board = leaderboard([
        record(0.5, seed=0), record(0.5, seed=1),
        record(0.4, model="slow", seed=0), record(0.4, model="slow", seed=1, n_trials=7, n_trials_timed_out=2),
        record(0.3, model="fixed", n_trials=1, n_trials_asked=1, best_params={}),
        record(None, model="bad", status="failed", error="why", n_trials=2),
    ])  # fmt: skip

    notes = footnotes(board)
    assert "slow (raw): timed out after 27 of 40 trials (--timeout 600s)." in notes
    assert "slow (raw): 2 of 40 trials cut by --trial-timeout 300s." in notes
    assert [note for note in notes if "fixed" in note or "ridge" in note] == []
    assert [note for note in notes if "bad" in note] == ["bad (raw): why"]
    assert not any("timed out after" in note for note in footnotes(BOARD))


def test_rows_of_different_seeds_are_not_called_alike() -> None:
    """A board on which one model has four seeds and another one says so."""
    seeds = [record(0.5, seed=seed) for seed in range(4)]

    text = "\n".join(footnotes(leaderboard([*seeds, record(0.4, model="other")])))

    assert "scored once on test and ranked by it; 1 to 4 seeds." in text


def test_an_empty_board() -> None:
    """No rows give a table without rows and no footnotes."""
    empty = Board(rows=())

    assert footnotes(empty) == []
    assert len(to_markdown(empty).splitlines()) == 3
    assert "<tbody>\n\n</tbody>" in to_html(empty)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "<0.01 s"), (0.04, "0.04 s"), (9.87, "9.9 s"), (10.4, "10 s"), (59.4, "59 s"), (61.0, "1 min 01 s"),
        (3599.0, "59 min 59 s"), (3600.0, "1 h 00 min"), (7322.0, "2 h 02 min"),
    ],
)  # fmt: skip
def test_durations_for_people(seconds: float, shown: str) -> None:
    """Durations are short, and never lose what matters."""
    board = leaderboard([record(0.5, timings=Timings(predict_seconds=seconds))])

    assert cells(board, board.rows[0])[8] == shown


@pytest.mark.parametrize("seconds", [59.7, 9.96, 3599.7, 119.6])
def test_durations_are_rounded_before_they_are_split(seconds: float) -> None:
    """Rounding never shows 60 s, 1e+01 s or 60 min."""
    board = leaderboard([record(0.5, timings=Timings(predict_seconds=seconds))])

    shown = cells(board, board.rows[0])[8]
    assert shown in {"1 min 00 s", "10 s", "1 h 00 min", "2 min 00 s"}


# ------------------------------------------------------------------------------------ CSV and Markdown
@patient
@given(
    st.sampled_from([*HOSTILE, "plain", "'quoted", "''"]), st.sampled_from(["model", "error", "dataset", "features"])
)
def test_markdown_is_made_from_the_csv_alone(value: str, column: str) -> None:
    """Markdown and HTML of the CSV's text are those of the rows, whatever the names and errors are."""
    board = _board(**{column: value})
    back = from_csv(to_csv(board))

    assert to_markdown(back) == to_markdown(board)
    assert to_html(back) == to_html(board)


def test_views_look_at_nothing_but_the_rows_of_the_csv() -> None:
    """A row of the CSV, which is text in each of its columns, is all that is needed."""
    (row, *_) = from_csv(to_csv(BOARD)).rows

    assert tuple(row) == COLUMNS
    assert all(isinstance(value, str) for value in row.values())
    assert to_markdown(Board(rows=(row,)))


# -------------------------------------------------------------------------------------------- escaping
@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("column", ["model", "features", "status"])
def test_hostile_cells_are_shown_as_they_are(value: str, column: str) -> None:
    """Rendered, a cell shows its text and nothing else: no link, no tag, no emphasis, no further cell."""
    board = _board(**{column: value})

    table, _ = _rendered(to_markdown(board))

    assert table[1] == list(cells(board, board.rows[0]))
    assert [len(row) for row in table] == [11] * 4


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_errors_are_shown_as_they_are(value: str) -> None:
    """Rendered, a footnote shows the error's text and nothing else."""
    board = _board(error=value)

    assert _rendered(to_markdown(board))[1] == footnotes(board)


@pytest.mark.parametrize("address", ["https://evil.example", "http://evil.example", "www.evil.example"])
def test_addresses_do_not_become_links(address: str) -> None:
    """GitHub turns bare addresses into links: none stands bare."""
    assert address not in to_markdown(_board(error=f"see {address} now", model=address))


@pytest.mark.parametrize("value", BROKEN_LINES)
@pytest.mark.parametrize("column", ["model", "error", "status", "dataset"])
def test_no_value_breaks_a_line(value: str, column: str) -> None:
    """Line ends, escapes and direction marks in a value neither break the table nor reach a terminal."""
    text = to_markdown(_board(**{column: value}))

    table, notes = _rendered(text)
    assert [len(row) for row in table] == [11] * 4
    assert len(notes) == len(footnotes(_board(**{column: "x"})))
    assert all(line.isprintable() for line in text.split("\n"))


@patient
@given(st.text())
def test_escaped_text_renders_as_itself(text: str) -> None:
    """Any line of printable text inside a cell is shown as it is."""
    line = " ".join("".join(character for character in text if character.isprintable()).split())

    table, _ = _rendered(f"| a | b |\n| - | - |\n| x{escape_markdown(line)}x | y |\n")

    assert table[1] == [f"x{line}x", "y"]


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.texts.append("")
        assert attrs in ([], [("scope", "col")])

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data


@pytest.mark.parametrize("value", [*HOSTILE, '"><img src=x onerror=alert(1)>', "</td></table>"])
@pytest.mark.parametrize("column", ["model", "error", "dataset", "features"])
def test_hostile_values_in_html(value: str, column: str) -> None:
    """HTML has the tags of the table and no others; the value is shown as it is."""
    plain, hostile = _Seen(), _Seen()

    plain.feed(to_html(_board(**{column: "x"})))
    hostile.feed(to_html(_board(**{column: value})))

    assert hostile.tags == plain.tags
    assert any(value in text for text in hostile.texts)
