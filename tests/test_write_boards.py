"""A board that takes the place of another one says so: by fingerprint, and by what differs in the budget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import call, record

from mlbench.api import write_boards
from mlbench.reporting.board import FIRST_COLUMNS, Board, leaderboard
from mlbench.reporting.board_csv import rows_to_csv, to_csv
from mlbench.reporting.views import to_markdown
from mlbench.results.schema import PROTOCOL, Budget, Record

NEW = leaderboard([record(0.5)])


def _of_other_data(one: Record) -> Record:
    return replace(one, job=replace(one.job, dataset_sha256="e" * 64), dataset=replace(one.dataset, sha256="e" * 64))


def _of_other_protocol(board: Board) -> Board:
    """The board as an mlbench with other rules of measurement wrote it."""
    job = replace(record().job, protocol=PROTOCOL + 1)
    return Board(rows=tuple({**row, "board_id": job.board_id} for row in board.rows))


@pytest.mark.parametrize(
    ("old", "says"),
    [
        (leaderboard([record(budget=Budget(timeout=60.0))]), "another budget (seconds of tuning 60.0, now 600.0)"),
        (leaderboard([record(budget=Budget(n_trials=7))]), "another budget (trials 7, now 20)"),
        (leaderboard([record(budget=Budget(trial_timeout=1.0))]), "another budget (seconds a trial 1.0, now 300.0)"),
        (
            leaderboard([record(budget=Budget(memory_limit=1 << 30))]),
            "another budget (MB of memory 1024.0, now 8192.0)",
        ),
        (
            leaderboard([record(budget=Budget(n_trials=7, metric="f1_macro"))]),
            "another budget (metric f1_macro, now average_precision_micro; trials 7, now 20)",
        ),
        (leaderboard([_of_other_data(record())]), "other data (SHA-256 eeeeeeeeeeee, now dddddddddddd)"),
        (
            leaderboard([_of_other_data(record(budget=Budget(n_trials=7)))]),
            "other data (SHA-256 eeeeeeeeeeee, now dddddddddddd)",
        ),
        (_of_other_protocol(NEW), "another budget"),
    ],
)
def test_a_board_that_is_replaced_is_told(tmp_path: Path, old: Board, says: str) -> None:
    """The file, what the board was of and that the jobs stay are said; the new board stands there."""
    path = tmp_path / "toy.csv"
    path.write_text(to_csv(old))

    told = write_boards({"toy": NEW}, tmp_path)

    assert told == [f"{path} was a board of {says}, and is replaced: finished jobs stay in their runs folder"]
    assert path.read_text() == to_csv(NEW)
    assert path.with_suffix(".md").read_text() == to_markdown(NEW)


@pytest.mark.parametrize(
    "old",
    [
        NEW,
        leaderboard([record(0.25)]),
        leaderboard([record(0.5, model="other", n_trials=3, seed=4), record(0.1, model="prior", n_trials=1)]),
        leaderboard([record(0.5, version="0.0.1")]),
        Board(rows=()),
        None,
    ],
    ids=["the same", "another value", "other rows and seeds", "another version", "an empty one", "none"],
)
def test_a_board_of_the_same_data_and_budget_is_nothing_to_tell(tmp_path: Path, old: Board | None) -> None:
    """Neither further rows, nor seeds, nor trials that were not used up make another board."""
    if old is not None:
        (tmp_path / "toy.csv").write_text(to_csv(old))

    assert write_boards({"toy": NEW}, tmp_path) == []
    assert (tmp_path / "toy.csv").read_text() == to_csv(NEW)


def test_the_budget_of_a_board_of_schema_1_is_not_guessed(tmp_path: Path) -> None:
    """It does not say its budget: only other data are told."""
    path = tmp_path / "toy.csv"
    told = []

    for board in (leaderboard([record(n_trials=3)]), leaderboard([_of_other_data(record())])):
        path.write_text(rows_to_csv(FIRST_COLUMNS, board.rows))
        told.append(write_boards({"toy": NEW}, tmp_path))

    assert told[0] == []
    assert [line.partition(" was a board of ")[2].partition(" (")[0] for line in told[1]] == ["other data"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a,b\n1,2\n", b"[1"])
def test_what_is_no_board_is_replaced_without_a_word(tmp_path: Path, content: bytes) -> None:
    """A file that cannot be read as a board is no obstacle."""
    (tmp_path / "toy.csv").write_bytes(content)

    assert write_boards({"toy": NEW}, tmp_path) == []
    assert (tmp_path / "toy.csv").read_text() == to_csv(NEW)


def test_each_board_has_its_own_warning(tmp_path: Path) -> None:
    """Several boards are written, and those that replace another one are told, in their order."""
    boards = {name: leaderboard([record(dataset=name)]) for name in ("a", "b", "c")}
    for name in ("c", "a"):
        (tmp_path / f"{name}.csv").write_text(to_csv(leaderboard([record(dataset=name, budget=Budget(n_trials=1))])))

    told = write_boards(boards, tmp_path)

    assert [line.split(" was ")[0] for line in told] == [str(tmp_path / "a.csv"), str(tmp_path / "c.csv")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.md", "b.csv", "b.md", "c.csv", "c.md"]


def test_the_command_warns_once(tmp_path: Path) -> None:
    """A run of more trials writes over the board of fewer; the same run again says nothing."""
    words = ("run", "-m", "ridge", "--limit", "60", "--runs", tmp_path / "runs", "--leaderboards", tmp_path / "boards")

    told = [call(*words, "--n-trials", n)[2].count("another budget (trials 1, now 2)") for n in ("1", "2", "2")]

    assert told == [0, 1, 0]
