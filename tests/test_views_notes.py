"""What a board shows beside its values: the tuned metric, the budget, warnings and notes, in Markdown and HTML."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from typing import Any

import pytest
from helpers import random_dataset, record
from markdown_it import MarkdownIt

from mlbench.cli.tables import show_board
from mlbench.data.complete import complete
from mlbench.reporting.board import COLUMNS, FIRST_COLUMNS, Board, leaderboard
from mlbench.reporting.board_csv import from_csv, rows_to_csv, to_csv
from mlbench.reporting.views import cells, footnotes, header_of, to_html, to_markdown, warnings
from mlbench.results.schema import Budget, Record

LOSS = Budget(metric="label_ranking_loss")
HOSTILE = ["<script>alert(1)</script>", "[x](javascript:alert(1))", "a|b", "*a*", "https://evil.example", "# a", "> a"]


def _told(done: Record, *, warnings: tuple[str, ...] = (), notes: tuple[str, ...] = ()) -> Record:
    return replace(done, dataset=replace(done.dataset, warnings=warnings, notes=notes))


def _tuned(micro: float, loss: float, valid: float = 0.5, **more: Any) -> Record:
    done = record(micro, budget=LOSS, **more)
    test, on_valid = dict(done.metrics["test"]), dict(done.metrics["valid"])
    metrics = {"test": test | {"label_ranking_loss": loss}, "valid": on_valid | {"label_ranking_loss": valid}}
    return replace(done, metrics=metrics)


# -------------------------------------------------------------------------------------- tuned metric
def test_the_tuned_metric_has_columns_of_its_own() -> None:
    """A board that was tuned on another metric shows it first, with its direction, and on valid last."""
    board = leaderboard([_tuned(0.5, 0.125, 0.25), _tuned(0.25, 0.5, 1.0, model="prior")])

    assert header_of(board) == (
        "Rank", "Model", "Features", "label_ranking_loss ↓", "micro AP ↑", "macro AP ↑", "valid micro AP",
        "valid label_ranking_loss", "Trials", "Tune + fit", "Predict", "Peak memory", "Status",
    )  # fmt: skip
    assert cells(board, board.rows[0]) == (
        "1", "ridge", "raw", "0.1250", "0.5000", "0.2500", "0.7500", "0.2500", "20", "6 s", "4 s", "100 MB", "ok",
    )  # fmt: skip
    assert '<th scope="col">label_ranking_loss ↓</th>' in to_html(board)
    assert "| label_ranking_loss ↓ | micro AP ↑ |" in to_markdown(board)


def test_the_tuned_metric_of_which_more_is_better_points_up() -> None:
    """The arrow says which way is better."""
    board = leaderboard([record(0.5, budget=Budget(metric="f1_macro"))])

    assert "f1_macro ↑" in header_of(board)
    assert "(lower is better)" not in "\n".join(footnotes(board))


def test_the_interval_of_the_tuned_metric_is_shown() -> None:
    """The value of the tuned metric comes with half of its own interval, and ranks are said to be by it."""
    board = leaderboard([_tuned(0.5, 0.125)])
    row = {**board.rows[0], "metric_low": "0.1", "metric_high": "0.2", "average_precision_micro_low": "0.3",
           "average_precision_micro_high": "0.7"}  # fmt: skip
    board = Board(rows=(row,))

    assert cells(board, row)[3:5] == ("0.125 ± 0.050", "0.500 ± 0.200")
    assert "cannot be told apart by paired differences of label_ranking_loss," in "\n".join(footnotes(board))


def test_footnotes_name_the_tuned_metric() -> None:
    """The metric, that less of it is better, and what the baseline reaches stand below the table."""
    notes = footnotes(leaderboard([_tuned(0.5, 0.125), _tuned(0.25, 0.75, model="prior")]))

    assert "Baseline (prior): label_ranking_loss 0.7500, micro AP 0.2500." in notes
    assert (
        "Tuned on the validation split by label_ranking_loss (lower is better), scored once on test and ranked by it; "
        "1 seed."
    ) in notes


# -------------------------------------------------------------------------------------------- budget
@pytest.mark.parametrize(
    ("budget", "says"),
    [
        (Budget(), "20 trials, 10 min of tuning, 5 min a trial, 8 GiB."),
        (Budget(n_trials=1, timeout=7200.0, trial_timeout=90.0), "1 trial, 2 h of tuning, 90 s a trial, 8 GiB."),
        (Budget(timeout=0.5, memory_limit=3 << 29), "20 trials, 0.5 s of tuning, 5 min a trial, 1.5 GiB."),
    ],
)
def test_footnotes_state_the_budget_that_was_asked_for(budget: Budget, says: str) -> None:
    """The budget of a model is the one of the command, even where no job could use it up or none ran at all."""
    for done in (
        record(budget=budget, n_trials=3),
        record(None, status="killed", error="e", budget=budget, n_trials=0),
    ):
        assert f"Budget of a model: {says}" in footnotes(leaderboard([done]))


def test_a_board_of_schema_1_does_not_say_its_budget() -> None:
    """Nothing is guessed of a board that is older than the columns of the budget; the table is the same."""
    board = leaderboard([record(0.5, n_trials=7), record(0.25, model="prior")])

    old = from_csv(rows_to_csv(FIRST_COLUMNS, board.rows))

    notes = footnotes(old)
    assert "The budget and the tuned metric are not known: the board is older than their columns; 1 seed." in notes
    assert not any("Budget of a model" in note or "Tuned on" in note or "trials" in note for note in notes)
    assert [cells(old, row) for row in old.rows] == [cells(board, row) for row in board.rows]
    assert header_of(old) == header_of(board)


# ------------------------------------------------------------------------------------------- warnings
def _noted() -> Board:
    """A warning and a note of the data that all rows share, and a row that was cut."""
    known: dict[str, Any] = {"warnings": ("toy is made up",), "notes": ("2 rows repeat",)}
    return leaderboard([
        _told(record(0.5), **known),
        _told(record(0.4, model="slow", n_trials=7), **known),
        _told(record(0.1, model="prior"), **known),
    ])  # fmt: skip


def test_warnings_stand_on_top_once() -> None:
    """Markdown and HTML begin with each warning, and have it nowhere else."""
    board = _noted()
    markdown, shown = to_markdown(board), to_html(board)

    assert warnings(board) == ["Warning: toy is made up."]
    assert markdown.startswith("> Warning: toy is made up.\n\n| Rank |")
    assert shown.startswith('<p class="warning">Warning: toy is made up.</p>\n<table>')
    assert markdown.count("made up") == shown.count("made up") == 1


def test_a_warning_of_a_single_board_of_one_row_stands_on_top_too() -> None:
    """It does not matter how many rows there are."""
    text = to_markdown(leaderboard([_told(record(), warnings=("toy is made up",))]))

    assert text.startswith("> Warning: toy is made up.\n\n| Rank |")
    assert text.count("made up") == 1


def test_shared_notes_are_said_once_and_others_with_their_row() -> None:
    """What all rows share is said of the data; what one row says stands there with the row's name."""
    notes = footnotes(_noted())

    assert [note for note in notes if "repeat" in note] == ["Data: 2 rows repeat."]
    assert [note for note in notes if "timed out" in note] == [
        "slow (raw): timed out after 7 of 20 trials (--timeout 600s)."
    ]
    for shown in (to_markdown(_noted()), to_html(_noted())):
        assert shown.count("2 rows repeat") == shown.count("timed out after 7 of 20 trials") == 1


def test_a_data_set_without_notes_warns_of_nothing() -> None:
    """No name of a data set makes a warning: only the data set itself does."""
    for name in ("demo", "demo-limit-60", "synth-musicnet"):
        board = leaderboard([record(dataset=name)])

        assert warnings(board) == []
        assert "arning" not in to_markdown(board) + to_html(board)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_notes_are_shown_as_they_are(value: str) -> None:
    """A warning or a note of strangers' data is text: no link, no tag, no emphasis, no heading."""
    board = leaderboard([
        _told(record(), warnings=(f"w {value}",), notes=(f"n {value}",)), record(model="b", n_trials=7)
    ])  # fmt: skip

    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(to_markdown(board))

    inside = [child for token in tokens for child in token.children or []]
    assert {child.type for child in inside} <= {"text", "text_special", "softbreak"}
    assert not {"html_block", "heading_open", "fence", "hr"} & {token.type for token in tokens}
    assert [token.type for token in tokens].count("blockquote_open") == 1
    texts = ["".join(child.content for child in token.children or []) for token in tokens if token.type == "inline"]
    assert texts[0] == f"Warning: w {value}."
    assert f"Data: n {value}." in texts
    shown = to_html(board)
    assert f'<p class="warning">Warning: w {html.escape(value)}.</p>' in shown
    assert f"<li>Data: n {html.escape(value)}.</li>" in shown
    assert "<script" not in shown


@pytest.mark.parametrize("value", ["a\nb", "a\r\n\r\n# b", "a\x1b[31mb", "a\u202eb", "ä", "=1+1", "'", '","'])
def test_notes_survive_the_csv(value: str) -> None:
    """Whatever a note holds, the CSV gives the same Markdown and HTML, on one line each."""
    board = leaderboard([_told(record(), warnings=(value,), notes=(value,)), record(model="b")])

    back = from_csv(to_csv(board))

    assert back == board
    assert json.loads(back.rows[0]["notes"]) == [f"Warning: {value}", value]
    assert to_markdown(back) == to_markdown(board)
    assert all(line.isprintable() for line in to_markdown(back).split("\n"))
    assert tuple(back.rows[0]) == COLUMNS


def test_a_warning_of_a_data_set_is_one_line() -> None:
    """Line ends and escapes in what a reader of data warns of reach neither records nor terminals."""
    found = complete(random_dataset(warnings=("a\x1b[31m\nb\u202e",), notes=("c\r\x07d",)))

    assert found.warnings == ("a[31m b",)
    assert found.facts[-1] == "c d"


def test_notes_on_a_terminal_are_printable(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A ledger of strangers cannot send escapes to a terminal."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    show_board(leaderboard([_told(record(), warnings=("a\x1b[31mb",), notes=("c\x1b]0;d",))]))

    shown = capsys.readouterr().out
    assert "  Warning: a[31mb.\n" in shown
    assert "\n  Data: c]0;d.\n" in shown
