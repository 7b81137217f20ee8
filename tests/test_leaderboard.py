"""Records to ranked rows, and the CSV of them."""

from __future__ import annotations

import csv
import io
import math
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import patient, record
from hypothesis import given
from hypothesis import strategies as st

from mlbench.errors import DataError
from mlbench.execution.job import PROTOCOL, Budget
from mlbench.reporting.leaderboard import (
    COLUMNS,
    Row,
    board_key,
    boards,
    from_csv,
    leaderboard,
    to_csv,
    write_text,
)
from mlbench.results.ledger import STATUSES, Record

ORDER = """
rank, rank_low, rank_high, model, features, status, average_precision_micro, average_precision_micro_low,
average_precision_micro_high, average_precision_macro, average_precision_macro_low, average_precision_macro_high,
average_precision_macro_all_labels, average_precision_weighted, average_precision_samples, roc_auc_macro,
label_ranking_average_precision, valid_average_precision_micro, default_average_precision_micro, n_labels,
n_labels_scored, n_train, n_valid, n_test, n_groups, n_seeds, n_trials, n_trials_pruned, n_trials_failed,
best_params, prepare_seconds, tune_seconds, fit_seconds, predict_seconds, peak_memory_mb, device, plugin,
plugin_version, mlbench_version, dataset, dataset_sha256, error
"""
FIGURES = (
    "average_precision_micro", "average_precision_macro", "average_precision_macro_all_labels",
    "average_precision_weighted", "average_precision_samples", "roc_auc_macro", "label_ranking_average_precision",
    "valid_average_precision_micro",
)  # fmt: skip


def _rank(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row["rank"], row["model"]) for row in rows]


def test_two_plugins_of_one_model_name_are_not_averaged() -> None:
    """A fork with the same name and version is another variant; rules of another protocol are no row."""
    mine, fork = record(0.9), record(0.1, id="fork")
    fork = replace(fork, job={**fork.job, "plugin": "somebody-s-ridge"})
    (row,) = leaderboard([mine, fork], preferred={mine.id})
    assert (row["average_precision_micro"], row["n_seeds"]) == ("0.9", "1")
    old = replace(record(0.1, id="old"), job={**mine.job, "protocol": 0})
    assert leaderboard([old]) == []


def test_columns_are_in_the_published_order() -> None:
    """The CSV has exactly these columns in this order: others read it."""
    assert ", ".join(COLUMNS) == " ".join(ORDER.split())
    assert to_csv([]) == ",".join(COLUMNS) + "\n"


def test_a_row_has_the_records_values() -> None:
    """Each column holds the value of the record, at full precision, and what is not there yet is empty."""
    (row,) = leaderboard([record(1 / 3, macro=0.1 + 0.2, model="ridge")])

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
    }  # fmt: skip
    assert tuple(row) == COLUMNS


# ------------------------------------------------------------------------------------------- ranking
def test_the_best_comes_first_and_ties_share_a_rank() -> None:
    """Rows go by micro AP; equal ones share the better rank and the next rank is left out."""
    rows = leaderboard([record(v, model=m) for m, v in [("d", 0.1), ("b", 0.5), ("c", 0.5), ("a", 0.2), ("e", 0.9)]])

    assert _rank(rows) == [("1", "e"), ("2", "b"), ("2", "c"), ("4", "a"), ("5", "d")]


def test_ties_are_ordered_by_macro_then_name() -> None:
    """Among equal micro AP the higher macro AP stands first, then the name, then the features."""
    rows = leaderboard([
        record(0.5, model="b", macro=0.1),
        record(0.5, model="a", macro=0.1, features="rfft"),
        record(0.5, model="a", macro=0.1),
        record(0.5, model="c", macro=0.2),
    ])  # fmt: skip

    assert [(row["model"], row["features"]) for row in rows] == [
        ("c", "raw"),
        ("a", "raw"),
        ("a", "rfft"),
        ("b", "raw"),
    ]
    assert {row["rank"] for row in rows} == {"1"}


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "ok"])
def test_failed_rows_are_last_and_have_no_rank(status: str) -> None:
    """A model that failed stands below all others, without a rank and without figures, with its reason."""
    rows = leaderboard([record(None, model="a", status=status, error="why"), record(0.0, model="z")])

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
    rows = leaderboard(records)
    shuffle.shuffle(records)

    assert leaderboard(records) == rows
    known = [v for v in values if v is not None]
    assert [row["rank"] for row in rows] == [
        *(str(1 + sum(other > v for other in known)) for v in sorted(known, reverse=True)),
        *[""] * (len(values) - len(known)),
    ]


# --------------------------------------------------------------------------------------------- seeds
def test_seeds_are_one_row_of_means() -> None:
    """Figures and durations are means over the seeds; trials are summed; the peak is the largest."""
    rows = leaderboard([
        record(0.25, seed=0, valid=0.5, best_params={"alpha": 1.0}),
        record(0.75, seed=1, valid=0.75, best_params={"alpha": 9.0}, peak_memory_mb=300.0,
               timings={"prepare_seconds": 3.0, "tune_seconds": 4.0, "fit_seconds": 5.0, "predict_seconds": None}),
    ])  # fmt: skip

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
    """A mean over the seeds that happened to work is no figure: the row has the failed one's status."""
    records = [
        record(None, seed=i, status="timeout", error="late") if i == failed else record(0.5, seed=i) for i in range(3)
    ]

    (row, floor) = leaderboard([record(0.1, model="prior"), *records])[::-1]

    assert (row["rank"], row["status"], row["error"], row["n_seeds"]) == ("", "timeout", "late", "3")
    for name in (
        "average_precision_micro",
        "average_precision_macro",
        "roc_auc_macro",
        "valid_average_precision_micro",
    ):
        assert row[name] == ""
    assert floor["rank"] == "1"


def test_features_are_rows_of_their_own() -> None:
    """A model on two representations is two rows."""
    rows = leaderboard([record(0.2, features="raw"), record(0.4, features="rfft")])

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
        (row,) = leaderboard(order)
        assert row["plugin_version"] == newer
        assert row["average_precision_micro"] == "0.1"


def test_versions_are_not_mixed() -> None:
    """Seeds of an older version are not averaged into a newer one's row."""
    (row,) = leaderboard([record(0.9, seed=0, version="0.1"), record(0.1, seed=1, version="0.2")])

    assert (row["n_seeds"], row["average_precision_micro"]) == ("1", "0.1")


def test_what_was_just_run_stands() -> None:
    """The jobs that a run asked for go before a newer version that lies in the ledger."""
    records = [record(0.9, version="0.1", id="mine"), record(0.1, version="0.2")]

    (row,) = leaderboard(records, preferred={"mine"})

    assert row["plugin_version"] == "0.1"


def _with_job(result: Record, **more: Any) -> Record:
    return replace(result, job={**result.job, **more})


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
    assert found["toy", board_key(base.job)] == [base, same]
    assert sum(map(len, found.values())) == 5


# ---------------------------------------------------------------------------------------------- CSV
FORMULAS = ["=1+1", "@SUM(A1)", "+1", "-1", "-x", "'quoted", "'=1", "''=1", "''", "=", "-", "'", "'-1", "- a", "-inf"]
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"))) | st.sampled_from(
    [*FORMULAS, "a,b", 'a"b', "a|b", " x "]
)
ROWS = st.lists(st.builds(lambda values: {**dict.fromkeys(COLUMNS, ""), **values}, st.fixed_dictionaries(
    dict.fromkeys(("model", "best_params", "dataset", "error"), TEXT)
)), max_size=3)  # fmt: skip


@patient
@given(ROWS)
def test_rows_come_back_from_the_csv(rows: list[Row]) -> None:
    """Any line of text in any cell survives being written and read, what looks like a formula included."""
    assert from_csv(to_csv(rows)) == rows


@pytest.mark.parametrize("value", ["a\nb", "a\r\nb", "a\rb", "\rb", "b\r", "\ta", "a\x00b", "\x1b[31m", "a\u2028b"])
@pytest.mark.parametrize("column", ["model", "error"])
def test_control_characters_do_not_break_the_csv(column: str, value: str) -> None:
    """A CSV can be read again whatever a cell holds, has the same rows, and is written the same again."""
    text = to_csv([{**dict.fromkeys(COLUMNS, ""), column: value}, {**dict.fromkeys(COLUMNS, ""), column: "second"}])

    rows = from_csv(text)

    assert len(rows) == 2
    assert rows[1][column] == "second"
    assert to_csv(rows) == text


@pytest.mark.parametrize("value", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(1)"])
@pytest.mark.parametrize("column", ["model", "error", "best_params", "dataset"])
def test_no_cell_is_a_formula(column: str, value: str) -> None:
    """A spreadsheet that opens the CSV runs nothing: such cells do not begin like a formula."""
    row = {**dict.fromkeys(COLUMNS, ""), column: value}

    (cells,) = list(csv.DictReader(io.StringIO(to_csv([row]))))

    assert cells[column][0] not in "=+-@\t\r"
    assert value.strip() in cells[column]


@patient
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_stay_numbers(value: float) -> None:
    """Figures are written to the last digit and stay numbers, negative ones too."""
    (row,) = leaderboard([record(value)])

    (cells,) = csv.DictReader(io.StringIO(to_csv([row])))

    assert float(cells["average_precision_micro"]) == value
    assert math.copysign(1, float(cells["average_precision_micro"])) == math.copysign(1, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        ",".join(COLUMNS[::-1]) + "\n",
        ",".join(COLUMNS[:-1]) + "\n",
        ",".join(COLUMNS) + "\n1,2,3\n",
        ",".join(COLUMNS) + "\n" + "," * len(COLUMNS) + "\n",
    ],
    ids=["empty", "other", "order", "missing", "short row", "long row"],
)
def test_another_csv_is_no_leaderboard(text: str) -> None:
    """A CSV with other columns, or with rows that do not fit them, is refused with its name."""
    with pytest.raises(DataError, match=r"x\.csv is no leaderboard of this mlbench"):
        from_csv(text, "x.csv")


# ---------------------------------------------------------------------------------------- write_text
def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    """Folders that are missing are made; line ends are as they are; nothing is left beside."""
    path = tmp_path / "a" / "b" / "board.csv"

    write_text(path, "ä\nb\n")

    assert path.read_bytes() == "ä\nb\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_the_same_text_leaves_the_file_alone(tmp_path: Path) -> None:
    """A board that did not change is not touched; one that did is replaced as a whole."""
    path = tmp_path / "board.csv"
    write_text(path, "same")
    os.utime(path, ns=(1, 1))
    before = path.stat()

    write_text(path, "same")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (1, before.st_ino)

    write_text(path, "other")
    assert path.read_text() == "other"
    assert path.stat().st_mtime_ns != 1


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """A file that is open while it is replaced keeps its old content to the end."""
    path = tmp_path / "board.csv"
    write_text(path, "old" * 9999)
    with path.open() as file:
        start = file.read(10)
        write_text(path, "new")
        assert start + file.read() == "old" * 9999
