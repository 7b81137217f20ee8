"""Every changed byte is found and its file named, and so is a metric that the scores do not give."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import call, restamp

from mlbench.evaluation.dataset_finder import DatasetFinder
from mlbench.evaluation.verification import verify_runs
from mlbench.plugins.catalog import Catalog, discover
from mlbench.reporting.board_csv import from_csv, to_csv
from mlbench.reporting.board_verification import verify_board, whole_records
from mlbench.reporting.views import to_markdown
from mlbench.results.ledger import Ledger, read_record
from mlbench.results.schema import Record, TuningReport

BOARD = "demo-limit-60"
EVERY = 31
"""Of the bytes of a file, one in so many is flipped, and the first and last 50: flipping all takes minutes."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """What is installed."""
    return discover()


@pytest.fixture(scope="module")
def finder(catalog: Catalog) -> DatasetFinder:
    """Finds the demo by its name."""
    return DatasetFinder(catalog, [], lambda *progress: None)


@pytest.fixture
def job(finished: Path, tmp_path: Path) -> Path:
    """The folder of one good job, alone in its runs folder ``tmp_path / "runs"``."""
    first = next(path for path in Ledger(finished / "runs").folders() if read_record(path).job.model == "ridge")
    folder = Path(shutil.copytree(first, tmp_path / "runs" / "jobs" / first.name))
    (folder / "log.txt").write_text("a model said something\n")
    restamp(folder)
    return folder


@pytest.fixture
def board(finished: Path, tmp_path: Path) -> Path:
    """A copy of the board's CSV, with its Markdown."""
    shutil.copytree(finished / "leaderboards", tmp_path / "leaderboards")
    return tmp_path / "leaderboards" / f"{BOARD}.csv"


def _found(job: Path, finder: DatasetFinder) -> list[str]:
    return verify_runs(job.parents[1], finder).differences


def _places(n: int) -> list[int]:
    """Which of n bytes are flipped."""
    return sorted({*range(0, n, EVERY), *range(min(50, n)), *range(max(0, n - 50), n)})


# --------------------------------------------------------------------------------------------- jobs
def test_a_good_run_passes(finished: Path) -> None:
    """Nothing differs: exit 0, a line with counts; all metrics of jobs with scores were computed anew."""
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}

    code, out, err = call("verify", finished / "runs", finished / "leaderboards")

    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{finished / 'runs'}: 6 jobs, 42 files, 4 jobs recomputed",
        f"{finished / 'leaderboards' / BOARD}.csv: 3 rows, recomputed",
        "no differences",
    ]
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


@pytest.mark.parametrize(
    "name",
    ["record.json", "scores-valid.npy", "scores-test.npy", "per_label.csv", "curves.json", "trials.csv", "log.txt"],
)
def test_every_flipped_byte_is_found_and_named(job: Path, finder: DatasetFinder, name: str) -> None:
    """Whatever byte of whatever file changes: the file is named."""
    path = job / name
    whole = path.read_bytes()
    places = _places(len(whole))
    assert places
    for at in places:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        found = _found(job, finder)
        assert found, at
        assert all(line.startswith(f"{path}: ") for line in found), found
    path.write_bytes(whole)
    assert _found(job, finder) == []


def test_a_damaged_file_is_exit_3(job: Path) -> None:
    """The command names the file on one line and exits 3, and puts nothing aside."""
    (job / "scores-test.npy").write_bytes(b"x")

    code, out, _ = call("verify", job.parents[1])

    assert code == 3
    assert f"{job / 'scores-test.npy'}: its SHA-256 does not match the record\n" in out
    assert job.exists()


@pytest.mark.parametrize("name", ["record.json", "scores-valid.npy", "per_label.csv", "trials.csv", "log.txt"])
def test_a_missing_file_is_named(job: Path, finder: DatasetFinder, name: str) -> None:
    """So is a file that is gone."""
    (job / name).unlink()

    assert any(line == f"{job / name}: missing" for line in _found(job, finder))


def test_an_unknown_file_is_named(job: Path, finder: DatasetFinder) -> None:
    """A file or folder that the record does not know is named; an empty lock is what a kill leaves."""
    (job / "lock").touch()
    assert _found(job, finder) == []
    (job / "lock").write_text("x")
    (job / "notes").mkdir()

    assert [line.partition(": ")[0] for line in _found(job, finder)] == [str(job / "lock"), str(job / "notes")]


def _scores(job: Path, change: Callable[[np.ndarray], np.ndarray], part: str = "test") -> None:
    path = job / f"scores-{part}.npy"
    np.save(path, change(np.load(path, allow_pickle=False)), allow_pickle=False)


def _replace(job: Path, name: str, old: str, new: str) -> None:
    text = (job / name).read_text()
    assert old in text
    (job / name).write_text(text.replace(old, new, 1))


def _forge(job: Path, kind: str) -> None:
    """Change a result and make every checksum right again."""
    record = read_record(job)
    test = record.metrics["test"]
    changes: dict[str, object] = {}
    if kind == "figure":
        changes = {"metrics": {**record.metrics, "test": {**test, "f1_macro": (test["f1_macro"] or 0) + 1e-9}}}
    elif kind == "figure left out":
        changes = {"metrics": {**record.metrics, "test": {**test, "coverage_error": None}}}
    elif kind == "threshold":
        changes = {"threshold": (record.threshold or 0.0) + 0.01}
    elif kind == "sizes":
        changes = {"dataset": replace(record.dataset, n_test=61)}
    elif kind == "params":
        changes = {"best_params": {"alpha": 123.0}}
    elif kind == "trials":
        changes = {"n_trials": 4}
    elif kind == "default":
        changes = {"default_average_precision_micro": 0.1}
    elif kind == "budget":
        changes = {"job": replace(record.job, seed=7)}
    elif kind == "status":
        changes = {"status": "failed"}
    elif kind == "scores":
        _scores(job, lambda scores: scores[::-1].copy())
    elif kind == "shape":
        _scores(job, lambda scores: scores[:-1])
    elif kind == "NaN":
        _scores(job, lambda scores: np.where(scores == scores.max(), np.nan, scores))
    elif kind == "per_label":
        _replace(job, "per_label.csv", "note-74", "note-99")
    elif kind == "per_label lost":
        (job / "per_label.csv").write_text("label\n")
    elif kind == "curves":
        curves = json.loads((job / "curves.json").read_text())
        curves["test"]["precision"][3] += 1e-6
        (job / "curves.json").write_text(json.dumps(curves))
    elif kind == "value":
        best = str(max(float(line.split(",")[2]) for line in (job / "trials.csv").read_text().splitlines()[1:]))
        _replace(job, "trials.csv", best, "0.999")
    elif kind == "micro of the best":
        rows = [line.split(",") for line in (job / "trials.csv").read_text().splitlines()]
        rows[1 + (record.best_trial or 0)][3] = "0.999"
        (job / "trials.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    elif kind == "replicates":
        micro = record.replicates["average_precision_micro"]
        changes = {
            "replicates": {**record.replicates, "average_precision_micro": [*micro[:-1], (micro[-1] or 0) + 0.01]}
        }
    elif kind == "calibrated":
        changes = {"metrics": {**record.metrics, "test": {**test, "average_precision_micro_calibrated": 0.5}}}
    elif kind == "expected":
        changes = {"tuning": replace(record.tuning, expected_best=(0.1, 0.2, 0.3))}
    elif kind == "no text":
        (job / "trials.csv").write_bytes(b"\xff\xfe")
    restamp(job, **changes)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("figure", "record.json", "test f1_macro is"),
        ("figure left out", "record.json", "test coverage_error is None, recomputed"),
        ("threshold", "record.json", "threshold is"),
        ("sizes", "record.json", "data set: n_test is 61, recomputed 60"),
        ("params", "trials.csv", "best_params is"),
        ("trials", "trials.csv", "n_trials is 3, in the record 4"),
        ("default", "trials.csv", "default_average_precision_micro is"),
        ("budget", "record.json", "the id is not the hash of the job"),
        ("status", "record.json", "status failed does not go with"),
        ("scores", "record.json", "test average_precision_micro is"),
        ("shape", "scores-test.npy", "scores have shape (59, 12), expected (60, 12)"),
        ("NaN", "scores-test.npy", "NaN"),
        ("per_label", "per_label.csv", "label 'note-74' is"),
        ("per_label lost", "per_label.csv", "0 labels, recomputed 12"),
        ("curves", "curves.json", "the test curve does not match the scores"),
        ("value", "trials.csv", "best average_precision_micro is 0.999"),
        ("micro of the best", "trials.csv", "average_precision_micro of the best trial is 0.999"),
        ("replicates", "record.json", "the replicates of average_precision_micro do not match the scores"),
        ("calibrated", "record.json", "test average_precision_micro_calibrated is 0.5, recomputed"),
        ("expected", "trials.csv", "expected_best is"),
        ("no text", "trials.csv", "cannot be read"),
    ],
)
def test_what_the_scores_do_not_give_is_found(
    job: Path, finder: DatasetFinder, kind: str, name: str, words: str
) -> None:
    """A result that was changed together with all checksums is found by computing it anew."""
    _forge(job, kind)

    found = _found(job, finder)

    assert any(line.startswith(f"{job / name}: {words}") or (words in line and name in line) for line in found), found


def test_only_what_could_be_recomputed_is_counted(job: Path, finder: DatasetFinder) -> None:
    """A job whose files or trials do not fit its record is a job, but none of its metrics was recomputed."""
    whole = verify_runs(job.parents[1], finder)
    _forge(job, "params")
    forged = verify_runs(job.parents[1], finder)

    assert (whole.jobs, whole.recomputed, forged.jobs, forged.recomputed) == (1, 1, 1, 0)


def test_another_order_of_adding_up_is_no_difference(job: Path, finder: DatasetFinder) -> None:
    """The last digit may differ: another processor adds up in another order."""
    record = read_record(job)
    metrics = {part: {n: v and float(np.nextafter(v, 2)) for n, v in f.items()} for part, f in record.metrics.items()}
    restamp(job, metrics=metrics)

    assert _found(job, finder) == []


def _as_schema_1(record: Record, job: Path) -> None:
    """Write the record as the first version of mlbench did."""
    values = record.as_dict()
    for name in ("n_trials_timed_out", "n_trials_asked", "default_value"):
        del values[name]
    for name in ("base_name", "limit", "drop_twins"):
        del values["dataset"][name]
    values["figures"] = values.pop("metrics")
    values["schema_version"] = 1
    values["sha256"] = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    (job / "record.json").write_text(json.dumps(values, sort_keys=True, indent=1) + "\n")


def test_a_job_from_before_there_were_intervals(job: Path, finder: DatasetFinder) -> None:
    """Older jobs have no replicates, no audits, no curves and fewer columns: that is no difference."""
    record = read_record(job)
    rows = [line.split(",") for line in (job / "per_label.csv").read_text().splitlines()]
    (job / "per_label.csv").write_text("\n".join(",".join([*row[:4], row[6]]) for row in rows) + "\n")
    (job / "curves.json").unlink()
    metrics = {part: {n: v for n, v in f.items() if "calibrated" not in n} for part, f in record.metrics.items()}
    _as_schema_1(restamp(job, replicates={}, tuning=TuningReport(), metrics=metrics), job)

    result = verify_runs(job.parents[1], finder)

    assert (result.differences, result.recomputed) == ([], 1)


def test_labels_that_are_not_found(job: Path, catalog: Catalog) -> None:
    """Where the data are not there: one line says so, and all hashes are checked nevertheless."""
    finder = DatasetFinder(replace(catalog, datasets={}), [], lambda *progress: None)

    result = verify_runs(job.parents[1], finder)

    assert (result.differences, result.recomputed) == ([], 0)
    assert result.notes == [f"{BOARD}: metrics not recomputed: give --data PATH"]
    (job / "log.txt").write_text("x")
    assert len(verify_runs(job.parents[1], finder).differences) == 1


def test_nothing_recomputed_is_not_all_fine(job: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog) -> None:
    """The last line says that no metric was recomputed, and why; so of jobs that failed, and of no job."""
    monkeypatch.setattr("mlbench.api.stored.discover", lambda: replace(catalog, datasets={}))
    runs = job.parents[1]
    bare = f"{runs}: the files are unchanged, but no metric was recomputed: "

    code, out, err = call("verify", runs)

    assert (code, out.splitlines()[-1]) == (0, f"{bare}the labels were not found (see above)")
    assert err == f"{BOARD}: metrics not recomputed: give --data PATH\n"
    shutil.rmtree(job)
    assert call("verify", runs)[1].splitlines()[-1] == f"{runs}: no finished jobs: nothing to verify"


def test_only_failed_jobs_are_not_all_fine(finished: Path, tmp_path: Path) -> None:
    """Without scores there is no metric to recompute."""
    failed = next(one for one in Ledger(finished / "runs").folders() if read_record(one).status != "ok")
    shutil.copytree(failed, tmp_path / "jobs" / failed.name)

    assert call("verify", tmp_path)[1].splitlines()[-1].endswith("no metric was recomputed: no job has scores")


def test_labels_are_found_by_fingerprint(tmp_path: Path, job: Path, catalog: Catalog) -> None:
    """``--data`` finds a data set whatever it is called there; another one is said not to be it."""
    rng = np.random.default_rng(0)
    data = tmp_path / "mine"
    data.mkdir()
    for part, n in (("train", 60), ("valid", 30), ("test", 30)):
        Y = (rng.random((n, 3)) < 0.4).astype(np.uint8)
        np.save(data / f"audio-{part}.npy", rng.normal(size=(n, 16)).astype(np.float32) + Y[:, :1])
        np.save(data / f"labels-{part}.npy", Y)
    runs = tmp_path / "own"
    code, _, err = call(
        *("run", data, "-m", "prior", "-f", "raw", "--limit", "20"),
        *("--runs", runs, "--leaderboards", tmp_path / "boards"),
    )
    assert code == 0, err

    code, out, err = call("verify", runs)
    assert (code, err) == (0, "mine-limit-20: metrics not recomputed: give --data PATH\n")
    assert "0 jobs recomputed" in out
    moved = data.rename(tmp_path / "moved")
    code, out, err = call("verify", runs, "--data", moved)
    assert (code, err) == (0, "")
    assert "1 jobs, 9 files, 1 jobs recomputed" in out
    code, out, err = call("verify", runs, "--data", "demo")
    assert code == 0
    assert err.startswith("mine-limit-20: metrics not recomputed: not the data of --data demo (fingerprint ")
    assert call("verify", runs, "--data", "dmo")[2].endswith("did you mean 'demo'?\n")


def test_what_is_neither_runs_nor_board_is_refused(tmp_path: Path) -> None:
    """A path that is neither: one line, exit 2."""
    for words in ((tmp_path,), (tmp_path / "nothing",), ()):
        code, _, err = call("verify", *words)
        assert code == 2
        assert "neither a runs folder, nor a board's CSV" in err
    assert call("verify", "--runs", tmp_path)[0] == 2


# ------------------------------------------------------------------------------------------- boards
@pytest.mark.parametrize("suffix", [".csv", ".md"])
def test_every_flipped_byte_of_a_board_is_found(finished: Path, board: Path, suffix: str) -> None:
    """Whatever byte of the CSV or the Markdown changes, with runs at hand it is found, and the file is named."""
    records = whole_records([finished / "runs"])
    path = board.with_suffix(suffix)
    whole = path.read_bytes()
    for at in _places(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        _, found = verify_board(board, records)
        assert any(line.startswith((f"{path}: ", f"{path} is no leaderboard: ")) for line in found), (at, found)
    path.write_bytes(whole)
    assert verify_board(board, records) == (3, [])


def test_a_board_alone(board: Path) -> None:
    """Without runs: a line says what is not done; the Markdown must be that of the CSV."""
    code, out, err = call("verify", board)
    assert (code, err) == (0, "the rows of boards were not recomputed: give their runs folder with --runs\n")
    assert out.splitlines()[-1] == "no differences"

    board.with_suffix(".md").unlink()

    code, out, _ = call("verify", board.parent)
    assert code == 3
    assert out.startswith(f"{board.with_suffix('.md')}: No such file")


@pytest.mark.parametrize("how", [["{runs}", "{board}"], ["{board}", "--runs", "{runs}"]], ids=["beside", "--runs"])
def test_a_board_with_its_runs(finished: Path, board: Path, how: list[str]) -> None:
    """The rows are computed anew from the runs that are verified with the board, or from those of ``--runs``."""
    words = [word.format(runs=finished / "runs", board=board) for word in how]

    code, out, err = call("verify", *words)

    assert (code, err) == (0, "")
    assert f"{board}: 3 rows, recomputed" in out.splitlines()


def test_rows_that_the_runs_do_not_give(finished: Path, board: Path) -> None:
    """Rows lost, swapped, added or improved are told apart, though the Markdown was made of them."""
    whole = from_csv(board.read_text())
    rows = list(whole.rows)
    better = {**rows[1], "roc_auc_macro": "0.99"}
    for changed, words in (
        (rows[:2], f"row {rows[2]['model']} · rfft is missing"),
        ([rows[1], rows[0], rows[2]], "the rows are in a different order"),
        ([*rows, {**rows[0], "model": "mine"}], "row mine · rfft: no such job in the runs"),
        ([rows[0], better, rows[2]], f"row {better['model']} · rfft: roc_auc_macro is 0.99, recomputed"),
        ([*rows, rows[2]], "a row occurs twice"),
    ):
        written = replace(whole, rows=tuple(changed))
        board.write_text(to_csv(written))
        board.with_suffix(".md").write_text(to_markdown(written))
        code, out, _ = call("verify", board, "--runs", finished / "runs")
        assert code == 3
        assert f"{board}: {words}" in out
        assert "differences: 1\n" in out
