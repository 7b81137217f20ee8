"""Records to ranked rows, and the CSV of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from helpers import patient, record
from hypothesis import given
from hypothesis import strategies as st

from mlbench.reporting.board import COLUMNS, FIRST_COLUMNS, Board, Row, boards, leaderboard, row_notes
from mlbench.reporting.board_csv import to_csv
from mlbench.results.schema import PROTOCOL, STATUSES, Budget, Record, Timings

ORDER = """
rank, rank_low, rank_high, model, features, status, average_precision_micro, average_precision_micro_low,
average_precision_micro_high, average_precision_macro, average_precision_macro_low, average_precision_macro_high,
average_precision_macro_all_labels, average_precision_weighted, average_precision_samples, roc_auc_macro,
label_ranking_average_precision, valid_average_precision_micro, default_average_precision_micro, n_labels,
n_labels_scored, n_train, n_valid, n_test, n_groups, n_seeds, n_trials, n_trials_pruned, n_trials_failed,
best_params, prepare_seconds, tune_seconds, fit_seconds, predict_seconds, peak_memory_mb, device, plugin,
plugin_version, mlbench_version, dataset, dataset_sha256, error, metric, metric_value, metric_low, metric_high,
valid_metric, default_metric, budget_trials, budget_seconds, budget_trial_seconds, budget_memory_mb, refit, notes,
job_ids, board_id, schema_version
"""


def _rank(rows: Sequence[Row]) -> list[tuple[str, str]]:
    return [(row["rank"], row["model"]) for row in rows]


def test_two_plugins_of_one_model_name_are_not_averaged() -> None:
    """A fork with the same name and version is another variant; rules of another protocol are no row."""
    mine, fork = record(0.9), record(0.1, id="fork")
    fork = replace(fork, job=replace(fork.job, plugin="somebody-s-ridge"))
    old = replace(record(0.1, id="old"), job=replace(mine.job, protocol=0))

    (row,) = leaderboard([mine, fork], preferred={mine.id}).rows

    assert (row["average_precision_micro"], row["n_seeds"]) == ("0.9", "1")
    assert leaderboard([old]).rows == ()


def test_columns_are_in_the_published_order() -> None:
    """The CSV has exactly these columns in this order: others read it."""
    assert ", ".join(COLUMNS) == " ".join(ORDER.split())
    assert COLUMNS[: len(FIRST_COLUMNS)] == FIRST_COLUMNS
    assert len(FIRST_COLUMNS) == 42
    assert to_csv(Board(rows=())) == ",".join(COLUMNS) + "\n"


def test_a_row_has_the_records_values() -> None:
    """Each column holds the value of the record, at full precision, and what is not there yet is empty."""
    (row,) = leaderboard([record(1 / 3, macro=0.1 + 0.2, model="ridge")]).rows

    assert row == {
        **dict.fromkeys(COLUMNS, ""),
        "rank": "1", "model": "ridge", "features": "raw", "status": "ok",
        "average_precision_micro": "0.3333333333333333", "average_precision_macro": "0.30000000000000004",
        **dict.fromkeys(
            (
                "average_precision_macro_all_labels", "average_precision_weighted", "average_precision_samples",
                "roc_auc_macro", "label_ranking_average_precision",
            ),
            "0.3333333333333333",
        ),
        "valid_average_precision_micro": "0.75", "default_average_precision_micro": "0.5",
        "n_labels": "3", "n_labels_scored": "2", "n_train": "40", "n_valid": "20", "n_test": "20", "n_groups": "",
        "n_seeds": "1", "n_trials": "20", "n_trials_pruned": "4", "n_trials_failed": "1",
        "best_params": '{"alpha": 2.0}', "prepare_seconds": "1.0", "tune_seconds": "2.0", "fit_seconds": "3.0",
        "predict_seconds": "4.0", "peak_memory_mb": "100.0", "device": "cpu", "plugin": "mlbench-ridge",
        "plugin_version": "0.1", "mlbench_version": "0.1.0", "dataset": "toy", "dataset_sha256": "d" * 64,
        "metric": "average_precision_micro", "metric_value": "0.3333333333333333", "valid_metric": "0.75",
        "default_metric": "0.5", "budget_trials": "20", "budget_seconds": "600.0", "budget_trial_seconds": "300.0",
        "budget_memory_mb": "8192.0", "refit": "train", "job_ids": "ridge-raw-0-0.1",
        "board_id": record().job.board_id, "schema_version": "3",
    }  # fmt: skip
    assert tuple(row) == COLUMNS


# ------------------------------------------------------------------------------------------- ranking
def test_the_best_comes_first_and_ties_share_a_rank() -> None:
    """Rows go by micro AP; equal ones share the better rank and the next rank is left out."""
    rows = leaderboard(
        [record(v, model=m) for m, v in [("d", 0.1), ("b", 0.5), ("c", 0.5), ("a", 0.2), ("e", 0.9)]]
    ).rows

    assert _rank(rows) == [("1", "e"), ("2", "b"), ("2", "c"), ("4", "a"), ("5", "d")]


def test_ties_are_ordered_by_macro_then_name() -> None:
    """Among equal micro AP the higher macro AP stands first, then the name, then the features."""
    rows = leaderboard([
        record(0.5, model="b", macro=0.1),
        record(0.5, model="a", macro=0.1, features="rfft"),
        record(0.5, model="a", macro=0.1),
        record(0.5, model="c", macro=0.2),
    ]).rows  # fmt: skip

    assert [(row["model"], row["features"]) for row in rows] == [
        ("c", "raw"),
        ("a", "raw"),
        ("a", "rfft"),
        ("b", "raw"),
    ]
    assert {row["rank"] for row in rows} == {"1"}


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "ok"])
def test_failed_rows_are_last_and_have_no_rank(status: str) -> None:
    """A model that failed stands below all others, without a rank and without values, with its reason."""
    rows = leaderboard([record(None, model="a", status=status, error="why"), record(0.0, model="z")]).rows

    assert _rank(rows) == [("1", "z"), ("", "a")]
    assert (rows[1]["status"], rows[1]["error"]) == (status, "why")
    assert (
        rows[1]["average_precision_micro"] == rows[1]["roc_auc_macro"] == rows[1]["valid_average_precision_micro"] == ""
    )


@patient
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, None]), min_size=1, max_size=8), st.randoms())
def test_ranks_are_one_plus_those_that_are_better(values: list[float | None], shuffle: random.Random) -> None:
    """Whatever the records and their order, a rank is one more than the number of better rows."""
    records = [
        record(v, model=f"m{i}") if v is not None else record(None, model=f"m{i}", status="failed", error="e")
        for i, v in enumerate(values)
    ]
    rows = leaderboard(records).rows
    shuffle.shuffle(records)

    assert leaderboard(records).rows == rows
    known = [v for v in values if v is not None]
    assert [row["rank"] for row in rows] == [
        *(str(1 + sum(other > v for other in known)) for v in sorted(known, reverse=True)),
        *[""] * (len(values) - len(known)),
    ]


# --------------------------------------------------------------------------------------------- seeds
def test_seeds_are_one_row_of_means() -> None:
    """Values and durations are means over the seeds; trials are summed; the peak is the largest."""
    rows = leaderboard([
        record(0.25, seed=0, valid=0.5, best_params={"alpha": 1.0}),
        record(0.75, seed=1, valid=0.75, best_params={"alpha": 9.0}, peak_memory_mb=300.0,
               timings=Timings(prepare_seconds=3.0, tune_seconds=4.0, fit_seconds=5.0)),
    ]).rows  # fmt: skip

    (row,) = rows
    assert row["average_precision_micro"] == "0.5"
    assert row["valid_average_precision_micro"] == "0.625"
    assert (row["n_seeds"], row["n_trials"], row["n_trials_pruned"], row["n_trials_failed"]) == ("2", "40", "8", "2")
    assert (row["prepare_seconds"], row["tune_seconds"], row["fit_seconds"]) == ("2.0", "3.0", "4.0")
    assert row["predict_seconds"] == "", "a mean of fewer seeds than the row says is none"
    assert row["peak_memory_mb"] == "300.0"
    assert row["best_params"] == '{"alpha": 9.0}', "of the seed that is best on valid"


@pytest.mark.parametrize("failed", [0, 1, 2])
def test_one_failed_seed_fails_the_row(failed: int) -> None:
    """A mean over the seeds that happened to work is no value: the row has the failed one's status."""
    records = [
        record(None, seed=i, status="timeout", error="late") if i == failed else record(0.5, seed=i) for i in range(3)
    ]

    (row, baseline) = leaderboard([record(0.1, model="prior"), *records]).rows[::-1]

    assert (row["rank"], row["status"], row["error"], row["n_seeds"]) == ("", "timeout", "late", "3")
    for name in (
        "average_precision_micro",
        "average_precision_macro",
        "roc_auc_macro",
        "valid_average_precision_micro",
    ):
        assert row[name] == ""
    assert baseline["rank"] == "1"


def test_features_are_rows_of_their_own() -> None:
    """A model on two representations is two rows."""
    rows = leaderboard([record(0.2, features="raw"), record(0.4, features="rfft")]).rows

    assert [(row["rank"], row["features"]) for row in rows] == [("1", "rfft"), ("2", "raw")]


# ------------------------------------------------------------------------------------------ versions
@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("0.9", "0.10"), ("1.0", "1.0.1"), ("1.9.9", "2"), ("0.1", "0.1.1"), ("1.0a1", "1.0b1"), ("1.0rc1", "1.0"),
        ("1.0rc9", "1.0rc10"), ("1.0.dev1", "1.0"), ("1.0", "1.0.post1"), ("1.0.dev1", "1.0a1"),
        ("protocol 1", "protocol 2"), ("protocol 9", "protocol 10"),
    ],
)  # fmt: skip
def test_the_newest_version_stands(older: str, newer: str) -> None:
    """Of a plugin that was run in two versions the newer one's row stands, however versions are written."""
    records = [record(0.9, version=older), record(0.1, version=newer)]

    for order in (records, records[::-1]):
        (row,) = leaderboard(order).rows
        assert row["plugin_version"] == newer
        assert row["average_precision_micro"] == "0.1"


def test_versions_are_not_mixed() -> None:
    """Seeds of an older version are not averaged into a newer one's row."""
    (row,) = leaderboard([record(0.9, seed=0, version="0.1"), record(0.1, seed=1, version="0.2")]).rows

    assert (row["n_seeds"], row["average_precision_micro"]) == ("1", "0.1")


def test_what_was_just_run_stands() -> None:
    """The jobs that a run asked for go before a newer version that lies in the ledger."""
    records = [record(0.9, version="0.1", id="mine"), record(0.1, version="0.2")]

    (row,) = leaderboard(records, preferred={"mine"}).rows

    assert row["plugin_version"] == "0.1"


def _with_job(result: Record, **more: Any) -> Record:
    return replace(result, job=replace(result.job, **more))


def test_what_may_stand_on_one_board() -> None:
    """Other data, another budget or another protocol is another board, or none; all else is one board."""
    base = record(0.5)
    same = record(0.4, model="other", seed=3, features="rfft", version="9")
    records = [
        base,
        same,
        _with_job(record(0.3), dataset_sha256="e" * 64),
        record(0.2, budget=Budget(n_trials=3)),
        record(0.2, dataset="another"),
        _with_job(record(0.1), protocol=PROTOCOL + 1),
    ]

    found = boards(records)

    assert [name for name, _ in found] == ["another", "toy", "toy", "toy"]
    assert found["toy", base.job.board_id] == [base, same]
    assert sum(map(len, found.values())) == 5


# ------------------------------------------------------------------------------------- what a run knew
def test_a_row_states_the_budget_that_was_asked_for() -> None:
    """The limits stand in columns, as they were asked for, whatever a job needed of them."""
    budget = Budget(
        n_trials=7, timeout=90.0, trial_timeout=12.5, memory_limit=3 << 29, metric="f1_macro", refit="train"
    )

    rows = leaderboard([
        record(0.5, budget=budget, n_trials=3), record(0.4, model="prior", budget=budget, n_trials=1, n_trials_asked=1)
    ]).rows  # fmt: skip

    names = ("metric", "budget_trials", "budget_seconds", "budget_trial_seconds", "budget_memory_mb")
    assert [tuple(row[name] for name in names) for row in rows] == [("f1_macro", "7", "90.0", "12.5", "1536.0")] * 2
    assert [row["n_trials"] for row in rows] == ["3", "1"]


def test_a_board_names_its_jobs_and_itself() -> None:
    """Each row has the ids of its seeds' jobs in the order of the seeds; all rows have the id of the board."""
    first, second, other = record(seed=1, id="b" * 32), record(seed=0, id="c" * 32), record(model="x", id="a" * 32)

    board = leaderboard([first, second, other])

    assert {row["model"]: row["job_ids"] for row in board.rows} == {"ridge": f"{'c' * 32} {'b' * 32}", "x": "a" * 32}
    assert board.job_ids == {"a" * 32, "b" * 32, "c" * 32}
    assert {row["board_id"] for row in board.rows} == {board.id} == {first.job.board_id}
    assert (board.dataset, board.dataset_sha256, board.schema_version) == ("toy", "d" * 64, 3)


@pytest.mark.parametrize(
    "other",
    [
        record(budget=Budget(n_trials=21)),
        record(budget=Budget(timeout=601.0)),
        record(budget=Budget(trial_timeout=301.0)),
        record(budget=Budget(memory_limit=1)),
        record(budget=Budget(metric="f1_macro")),
        record(budget=Budget(refit="train")),
        _with_job(record(), dataset_sha256="e" * 64),
        _with_job(record(), protocol=PROTOCOL + 1),
    ],
)
def test_another_budget_is_another_board(other: Record) -> None:
    """The id of a board depends on the data, each limit and the protocol, and on nothing else."""
    alike = record(model="x", features="rfft", seed=7, version="9").job

    assert alike.board_id == record().job.board_id
    assert other.job.board_id != alike.board_id


def test_an_empty_board() -> None:
    """A board without rows says nothing of data, budget and jobs."""
    board = leaderboard([])

    assert (board.rows, board.dataset, board.id, board.job_ids) == ((), "", "", frozenset())
    assert (board.metric, board.schema_version) == ("average_precision_micro", 1)


# ---------------------------------------------------------------------------------------------- notes
def _told(done: Record, *, warnings: tuple[str, ...] = (), notes: tuple[str, ...] = ()) -> Record:
    return replace(done, dataset=replace(done.dataset, warnings=warnings, notes=notes))


def test_what_is_known_of_the_data_stands_in_each_row() -> None:
    """Warnings first, each once, as a list in JSON, in every row of the board, failed ones included."""
    records = [
        _told(record(0.5), warnings=("toy is made up",), notes=("2 rows repeat", "ümlaut")),
        _told(record(0.4, model="b"), warnings=("toy is made up", "late"), notes=("2 rows repeat",)),
        record(None, model="bad", status="failed", error="e"),
    ]

    board = leaderboard(records)

    assert {row["notes"] for row in board.rows} == {
        '["Warning: toy is made up", "Warning: late", "2 rows repeat", "ümlaut"]'
    }
    assert row_notes(board.rows[0]) == ["Warning: toy is made up", "Warning: late", "2 rows repeat", "ümlaut"]


def test_a_row_without_notes_has_none() -> None:
    """There is no empty list where there is nothing to say."""
    (row,) = leaderboard([record()]).rows

    assert row["notes"] == ""
    assert row_notes(row) == []


def test_what_ran_out_of_time_is_noted() -> None:
    """A row that the time ended before all its trials says so, with the limit; its error cell stays empty."""
    rows = leaderboard([
        record(0.4, model="slow", seed=0), record(0.4, model="slow", seed=1, n_trials=7),
        record(0.3, model="fixed", n_trials=1, n_trials_asked=1, best_params={}),
        record(0.2, model="patient"),
        record(None, model="bad", status="failed", error="why", n_trials=2),
    ]).rows  # fmt: skip

    assert {row["model"]: row_notes(row) for row in rows} == {
        "slow": ["Tuning: timed out after 27 of 40 trials (--timeout 600s)"],
        "fixed": [],
        "patient": [],
        "bad": [],
    }
    assert [row["error"] for row in rows] == ["", "", "", "why"]


def test_trials_that_were_cut_are_noted() -> None:
    """Trials that ran over their own limit are counted over the seeds, of failed rows too."""
    budget = Budget(trial_timeout=1.5, timeout=60.0)

    rows = leaderboard([
        record(0.5, model="a", seed=0, budget=budget, n_trials_timed_out=2),
        record(0.5, model="a", seed=1, budget=budget, n_trials_timed_out=1, n_trials=10),
        record(None, model="bad", status="timeout", error="e", budget=budget, n_trials=3, n_trials_timed_out=3),
        record(0.4, model="old", budget=budget, n_trials_timed_out=None),
    ]).rows  # fmt: skip

    assert {row["model"]: row_notes(row) for row in rows} == {
        "a": [
            "Tuning: timed out after 30 of 40 trials (--timeout 60s)",
            "Tuning: 3 of 40 trials cut by --trial-timeout 1.5s",
        ],
        "old": [],
        "bad": ["Tuning: 3 of 20 trials cut by --trial-timeout 1.5s"],
    }


def test_notes_of_the_data_come_before_those_of_the_row() -> None:
    """Warnings, then the data, then what was cut."""
    (row,) = leaderboard([_told(record(n_trials=7), warnings=("w",), notes=("n",))]).rows

    assert row_notes(row) == ["Warning: w", "n", "Tuning: timed out after 7 of 20 trials (--timeout 600s)"]
