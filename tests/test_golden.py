"""What earlier versions of mlbench wrote is read, ranked, compared, merged and verified, value by value."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from helpers import call

from mlbench.api import load_leaderboard
from mlbench.reporting.board import COLUMNS, FIRST_COLUMNS, boards, leaderboard
from mlbench.reporting.board_csv import from_csv, read_board, to_csv
from mlbench.reporting.views import table_lines, to_html
from mlbench.results.ledger import Ledger, damages, read_record
from mlbench.results.migrations import from_json, to_json
from mlbench.results.schema import Record

GOLDEN = Path(__file__).parent / "golden"
RUNS, BOARDS = GOLDEN / "runs", GOLDEN / "leaderboards"
JOBS = sorted(path.name for path in (RUNS / "jobs").iterdir())
TRIALS = {"demo": 5, "demo-limit-60": 3, "emotions": 4}
"""The boards, and the trials of their budgets."""
EARLIER_FIELDS = {"n_trials", "n_trials_pruned", "n_trials_failed", "status", "error", "best_params", "best_trial"}


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    """Whatever is done with the golden files, they stay as they are."""
    before = _content(GOLDEN)
    yield
    assert _content(GOLDEN) == before


def _content(folder: Path) -> dict[str, str]:
    """Every file with its hash, and every folder."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in folder.rglob("*")
    }


def _records(name: str) -> list[Record]:
    """The records of a board."""
    groups = boards(Ledger(RUNS).records())
    (found,) = (group for (dataset, _), group in groups.items()
                if dataset == name and group[0].budget.n_trials == TRIALS[name])  # fmt: skip
    return found


def _lines(name: str) -> list[dict[str, str]]:
    """The rows of a golden board, read by nothing of ours."""
    with (BOARDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -------------------------------------------------------------------------------------------- records
def test_there_are_golden_jobs_of_every_kind() -> None:
    """What follows is of jobs that ended well and of jobs that failed, of three data sets and four budgets."""
    records = list(Ledger(RUNS).records())

    assert len(records) == len(JOBS) == 16
    assert {record.dataset.name for record in records} == TRIALS.keys()
    assert {record.status for record in records} == {"ok", "failed"}
    assert len({record.job.board_id for record in records}) == 4


@pytest.mark.parametrize("job", JOBS)
def test_a_record_is_read_as_it_was_written(job: str) -> None:
    """Its id is the hash of its key, its files are whole, and each of its values is the one of the text."""
    folder = RUNS / "jobs" / job
    text = json.loads((folder / "record.json").read_text())

    record = read_record(folder)

    assert record.id == record.job.id == job
    assert list(damages(folder, record)) == []
    assert record.schema_version == text["schema_version"] == 1
    assert record.metrics == text["figures"]
    assert record.replicates == text.get("replicates", {})
    for name in EARLIER_FIELDS:
        assert getattr(record, name) == text[name], name
    plain = record.as_dict()
    for name in ("job", "dataset", "environment", "timings"):
        assert plain[name].items() >= text[name].items(), name


def test_what_schema_1_did_not_say_is_read_from_what_it_did() -> None:
    """The whole data set's name, the limit and the trials asked for; what is not known is None, not a guess."""
    records = _records("demo-limit-60")

    assert {(record.dataset.base_name, record.dataset.limit) for record in records} == {("demo", 60)}
    assert {record.job.model: record.n_trials_asked for record in records} == {"ridge": 3, "prior": 1}
    assert {record.n_trials_timed_out for record in records} == {None}
    assert {record.default_value for record in records} == {None}
    assert {record.budget.metric for record in records} == {"label_ranking_loss"}


@pytest.mark.parametrize("job", JOBS)
def test_a_golden_record_can_be_written_in_the_present_schema(job: str) -> None:
    """Written again, it says the same, under the same id."""
    record = read_record(RUNS / "jobs" / job)

    again = from_json(to_json(record))

    assert again.as_dict() == {**record.as_dict(), "schema_version": again.schema_version}
    assert again.job.id == job


# --------------------------------------------------------------------------------------------- boards
@pytest.mark.parametrize("name", TRIALS)
def test_the_records_give_the_golden_board(name: str) -> None:
    """Every cell that was ever published is computed to the last digit, in the same order, with the same ranks."""
    records, golden = _records(name), _lines(name)

    board = from_csv(to_csv(leaderboard(records, schema=1)))

    assert tuple(golden[0]) == FIRST_COLUMNS
    assert [(row["model"], row["features"]) for row in board.rows] == [
        (row["model"], row["features"]) for row in golden
    ]
    for row, line in zip(board.rows, golden, strict=True):
        for column in FIRST_COLUMNS:
            if column != "error" or row["status"] != "ok":
                assert row[column] == line[column], (row["model"], column)


@pytest.mark.parametrize("name", TRIALS)
def test_the_later_columns_of_a_golden_board(name: str) -> None:
    """The present columns say the metric and the budget, which the records knew all along."""
    records = _records(name)

    board = leaderboard(records)

    assert board.columns == COLUMNS
    assert board.job_ids == {record.id for record in records}
    for row in board.rows:
        mine = [record for record in records if record.id in row["job_ids"].split()]
        assert row["metric"] == mine[0].budget.metric
        assert row["budget_trials"] == str(TRIALS[name])
        if row["status"] == "ok":
            values = [record.metrics["test"][row["metric"]] for record in mine]
            assert float(row["metric_value"]) == pytest.approx(sum(values) / len(values), rel=1e-15)  # type: ignore[arg-type]
        assert row["notes"] == ""


def test_a_golden_board_is_ranked_by_the_metric_that_was_tuned() -> None:
    """Ranked anew, the board that was tuned on a loss has the least loss first."""
    board = leaderboard(_records("demo-limit-60"))

    values = [float(row["metric_value"]) for row in board.rows]
    assert board.metric == "label_ranking_loss"
    assert values == sorted(values)
    assert [row["rank"] for row in board.rows] == ["1", "2", "3"]
    assert {row["rank_low"] for row in board.rows} == {""}, "records of schema 1 have no replicates of it"


@pytest.mark.parametrize("name", TRIALS)
def test_a_golden_board_is_read_and_shown(name: str) -> None:
    """The CSV is read as it is, written byte for byte, and its table is the one of the golden Markdown."""
    path = BOARDS / f"{name}.csv"

    board = read_board(path)

    assert to_csv(board) == path.read_text(encoding="utf-8")
    assert (board.schema_version, board.id, board.dataset) == (1, "", name)
    table = [line for line in path.with_suffix(".md").read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    assert table_lines(board) == table
    assert load_leaderboard(path)._repr_html_() == to_html(board)


# ------------------------------------------------------------------------------------------- commands
def test_golden_runs_and_boards_are_verified(shared_data: Path) -> None:
    """Every file, every metric of every job from its scores, and every row of every board are recomputed."""
    code, out, err = call("verify", RUNS, BOARDS, "--data", shared_data / "mulan" / "emotions")

    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{RUNS}: 16 jobs, 104 files, 14 jobs recomputed",
        f"{BOARDS / 'demo-limit-60.csv'}: 3 rows, recomputed",
        f"{BOARDS / 'demo.csv'}: 2 rows, recomputed",
        f"{BOARDS / 'emotions.csv'}: 4 rows, recomputed",
        "no differences",
    ]


def test_golden_boards_are_verified_without_the_data() -> None:
    """The rows of boards come from the records alone; the demo's jobs are recomputed, as it is built in."""
    code, out, err = call("verify", RUNS, BOARDS)

    assert code == 0, out
    assert f"{RUNS}: 16 jobs, 104 files, 8 jobs recomputed" in out.splitlines()
    assert "emotions" in err


@pytest.mark.parametrize("name", TRIALS)
def test_a_changed_cell_of_a_golden_board_is_found(name: str, tmp_path: Path) -> None:
    """The last digit of a value that no Markdown shows is enough, and the column is named."""
    for suffix in (".csv", ".md"):
        shutil.copy(BOARDS / f"{name}{suffix}", tmp_path)
    path, value = tmp_path / f"{name}.csv", _lines(name)[0]["roc_auc_macro"]
    changed = value[:-1] + ("1" if value[-1] != "1" else "2")
    path.write_text(path.read_text().replace(value, changed))

    code, out, _ = call("verify", path, "--runs", RUNS)

    row = _lines(name)[0]
    assert code == 3
    assert f"{path}: row {row['model']} · {row['features']}: roc_auc_macro is {changed}, recomputed {value}" in out
    assert "differences: 1" in out


@pytest.mark.parametrize("name", TRIALS)
def test_golden_boards_are_compared(name: str) -> None:
    """A board of schema 1 finds its jobs by their values: compared with itself nothing differs."""
    path = BOARDS / f"{name}.csv"

    code, out, err = call("compare", path, path, "--runs", RUNS, "--fail-if-worse", "average_precision_macro")

    rows = [row for row in _lines(name) if row["status"] == "ok" and row["model"] != "prior"]
    assert (code, err) == (0, "")
    assert out.count("+0.0000 to +0.0000") == len(rows)


def test_models_of_golden_runs_are_compared() -> None:
    """The paired difference of two models over two seeds each is the one of their boards' values."""
    code, out, _ = call("compare", "ridge:raw", "logistic:raw", "--runs", RUNS)

    values = {row["model"]: float(row["average_precision_micro"]) for row in _lines("emotions") if row["rank"]}
    assert code == 0
    assert f"{values['logistic'] - values['ridge']:+.4f}" in out
    assert "+0.0035 to +0.0297" in out


def test_golden_runs_are_compared_after_a_merge_byte_for_byte(tmp_path: Path) -> None:
    """Merging copies every record and every file as it is; the same comes of it, and a second merge adds nothing."""
    code, out, _ = call("merge", RUNS, "-o", tmp_path / "both")

    again, repeated, _ = call("merge", RUNS, "-o", tmp_path / "both")
    assert (code, again) == (0, 0)
    assert out == f"jobs: 16 merged into {tmp_path / 'both'}, 0 already there with the same results\n"
    assert repeated == f"jobs: 0 merged into {tmp_path / 'both'}, 16 already there with the same results\n"
    assert _content(tmp_path / "both" / "jobs") == _content(RUNS / "jobs")
    assert (tmp_path / "both" / "jobs" / JOBS[0] / "record.json").read_bytes() == (
        RUNS / "jobs" / JOBS[0] / "record.json"
    ).read_bytes()


@pytest.mark.parametrize("form", ["csv", "markdown", "html"])
def test_golden_runs_are_shown(form: str) -> None:
    """The command shows the boards of golden runs in every format, the budget from the records."""
    code, out, err = call("leaderboard", "--runs", RUNS, "--format", form)

    assert (code, err) == (0, "")
    assert "label_ranking_loss" in out
    assert form == "csv" or "Budget of a model: 4 trials," in out


def test_a_report_of_golden_runs_is_made(tmp_path: Path) -> None:
    """Curves, trials and labels of schema 1 are drawn."""
    code, _, err = call("report", "--runs", RUNS, "-o", tmp_path / "site")

    assert code == 0, err
    assert "emotions" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
