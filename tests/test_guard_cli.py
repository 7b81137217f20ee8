"""The command line: what each ending is worth to a script that looks at exit codes alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import call, record

from mlbench.cli.main import COMMANDS
from mlbench.execution.scheduler import Schedule
from mlbench.results.ledger import Ledger, read_record
from mlbench.results.schema import Record, TuningReport

MICRO = "average_precision_micro"


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def _main(raised: str) -> subprocess.CompletedProcess[str]:
    """The command, inside of which that is raised."""
    return _python(
        "import click\nfrom mlbench.cli.main import cli, main\nfrom mlbench.errors import *\n"
        f"def ends(**more):\n    raise {raised}\ncli.main = ends\nmain()\n"
    )


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        ("BrokenPipeError()", 0),
        ("KeyboardInterrupt()", 130),
        ("click.exceptions.Abort()", 130),
        ("click.UsageError('no')", 2),
        ("click.ClickException('no')", 2),
        ("UsageError('no')", 2),
        ("DataError('no')", 2),
        ("PluginError('no')", 2),
        ("LedgerError('no')", 2),
        ("SystemExit(3)", 3),
    ],
)
def test_how_each_error_ends(raised: str, code: int) -> None:
    """A reader that stops reading is no error, an interrupt is 130, and what is expected is one line and 2."""
    ended = _main(raised)

    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == (code == 2)
    assert ended.stdout == ""


def test_what_is_not_expected_shows_its_traceback() -> None:
    """A bug is not made to look like a wrong option."""
    ended = _main("ZeroDivisionError()")

    assert ended.returncode == 1
    assert "Traceback" in ended.stderr


@pytest.mark.parametrize("words", [["--version"], ["data", "list"], ["plugins", "list"]])
def test_nobody_reads_what_is_printed(words: list[str]) -> None:
    """A pipe that is closed before the first line makes no traceback."""
    read, write = os.pipe()
    os.close(read)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "mlbench", *words], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60,
            check=False,
        )  # fmt: skip
    finally:
        os.close(write)

    assert "Traceback" not in ended.stderr
    assert ended.returncode in (0, 1)


def test_every_command_is_there() -> None:
    """Each name leads to a command that can say what it does."""
    for name in COMMANDS:
        code, out, _ = call(name, "--help")
        assert code == 0
        assert name in out


# ------------------------------------------------------------------------------------------ compare
def _runs(folder: Path, *records: Record) -> Path:
    ledger = Ledger(folder)
    for number, one in enumerate(records):
        finished = Record(**{**vars(one), "id": f"{number:032x}"})
        ledger.commit(ledger.claim(finished.id), finished, ())
    return folder


def _with(**values: float | None) -> Record:
    known = record()
    return record(metrics={**known.metrics, "test": {**known.metrics["test"], **values}})


@pytest.mark.parametrize(
    ("before", "now", "metric", "code"),
    [
        ({MICRO: 0.5}, {MICRO: 0.5}, MICRO, 0),
        ({MICRO: 0.5}, {MICRO: 0.6}, MICRO, 0),
        ({MICRO: 0.5}, {MICRO: 0.49}, MICRO, 3),
        ({MICRO: 0.5}, {MICRO: 0.25}, f"{MICRO}:0.25", 0),
        ({MICRO: 0.5}, {MICRO: 0.24}, f"{MICRO}:0.25", 3),
        ({"hamming_loss": 0.5}, {"hamming_loss": 0.6}, "hamming_loss", 3),
        ({"hamming_loss": 0.5}, {"hamming_loss": 0.4}, "hamming_loss", 0),
        ({"roc_auc_macro": 0.5}, {"roc_auc_macro": None}, "roc_auc_macro", 3),
        ({"roc_auc_macro": 0.5}, {"roc_auc_macro": None}, "roc_auc_macro:0.9", 3),
        ({"hamming_loss": 0.5}, {"hamming_loss": None}, "hamming_loss", 3),
        ({"roc_auc_macro": None}, {"roc_auc_macro": 0.1}, "roc_auc_macro", 0),
        ({"roc_auc_macro": None}, {"roc_auc_macro": None}, "roc_auc_macro", 0),
    ],
)
def test_what_is_worse(
    tmp_path: Path, before: dict[str, float | None], now: dict[str, float | None], metric: str, code: int
) -> None:
    """More than the margin, in the direction of the metric, or a value that became undefined."""
    first, second = _runs(tmp_path / "a", _with(**before)), _runs(tmp_path / "b", _with(**now))

    found, _, err = call("compare", first, second, "--fail-if-worse", metric)

    assert found == code
    assert ("worse" in err) == (code == 3)
    assert call("compare", first, second)[0] == 0


def test_a_row_that_did_not_end_well_is_worse(tmp_path: Path) -> None:
    """A row of A that B lacks or that failed there; without the option it is only told."""
    other = record(model="other")
    first = _runs(tmp_path / "a", record(), other)
    failed = _runs(tmp_path / "b", record(), record(None, model="other", status="failed", error="e"))

    assert call("compare", first, failed, "--fail-if-worse", MICRO)[0] == 3
    code, _, err = call("compare", first, failed)
    assert code == 0
    assert "other" in err
    assert call("compare", failed, first, "--fail-if-worse", MICRO)[0] == 0


@pytest.mark.parametrize("limit", ["no_such_metric", f"{MICRO}:-0.1", f"{MICRO}:x", f"{MICRO}:nan", ""])
def test_limits_that_cannot_be_meant(tmp_path: Path, limit: str) -> None:
    """An unknown metric and a margin below 0 or that is no number are wrong use, not a pass."""
    runs = _runs(tmp_path / "a", record())

    assert call("compare", runs, runs, "--fail-if-worse", limit)[0] == 2


# ----------------------------------------------------------------------------- verify, merge, and so on
def test_what_differs_is_exit_3(finished: Path, tmp_path: Path) -> None:
    """A difference, a conflict and a damaged job each; exit 0 only where there is none."""
    runs = Path(shutil.copytree(finished / "runs", tmp_path / "runs"))
    failed = next(one for one in Ledger(runs).folders() if read_record(one).status != "ok")
    assert call("verify", runs)[0] == 0
    assert call("merge", runs, "-o", tmp_path / "whole")[0] == 0
    (failed / "trials.csv").write_text("x")

    assert call("verify", runs)[0] == 3
    assert call("merge", runs, "-o", tmp_path / "rest")[0] == 3
    assert len(Ledger(tmp_path / "rest").folders()) == len(Ledger(runs).folders()) - 1


@pytest.mark.parametrize(
    ("status", "lost", "code"), [("ok", [], 0), ("failed", [], 1), ("ok", ["gone"], 2), ("failed", ["gone"], 2)]
)
def test_the_worst_that_became_of_a_job_is_the_exit_code(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, lost: list[str], code: int
) -> None:
    """A row that is not ok is 1, a job without a row 2; the boards of what is there are written nevertheless."""
    runs = Path(shutil.copytree(finished / "runs", tmp_path / "runs"))
    done = Schedule(records=[record(status=status)], lost=lost)
    monkeypatch.setattr("mlbench.cli.run.run_jobs", lambda *_, **more: done)
    boards = tmp_path / "boards"

    found, out, err = call(
        *("run", "-m", "ridge", "--n-trials", "3", "--limit", "60", "--runs", runs), "--leaderboards", boards
    )

    assert found == code
    assert ("mlbench: gone" in err.splitlines()) == bool(lost)
    assert "ridge" in out
    assert sorted(path.suffix for path in boards.iterdir()) == [".csv", ".md"]


@pytest.mark.parametrize("name", ["leaderboard", "report", "score"])
def test_a_folder_without_jobs_is_wrong_use(tmp_path: Path, name: str) -> None:
    """There is nothing to show, and nothing is written."""
    more = {"report": ["-o", tmp_path / "out"], "score": ["--metric", MICRO]}.get(name, [])

    assert call(name, *more, "--runs", tmp_path / "none")[0] == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["csv", "markdown", "html"])
def test_a_board_is_printed_as_it_was_written(finished: Path, form: str) -> None:
    """CSV and Markdown are the bytes of the files."""
    code, out, _ = call("leaderboard", "--format", form, "--runs", finished / "runs")

    assert code == 0
    if form != "html":
        suffix = {"csv": "csv", "markdown": "md"}[form]
        assert out == next((finished / "leaderboards").glob(f"*.{suffix}")).read_text()
    else:
        assert out.count("<tr>") == 4


def test_scores_are_the_best_first(finished: Path) -> None:
    """Every job of every seed, the best on test first; the rows that failed are left out, and that is told."""
    code, out, err = call("score", "--metric", MICRO, "--runs", finished / "runs")

    assert code == 0
    rows = [line.split() for line in out.splitlines() if line.split()[:1] in (["ridge"], ["prior"])]
    values = [float(row[-1]) for row in rows]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)
    assert err.count("breaks") == len(err.splitlines())


@pytest.mark.parametrize("words", [["--version"], ["plugins", "list"]])
def test_a_full_disk_behind_standard_output_is_one_line(words: list[str]) -> None:
    """What was printed is lost, which is an error of the environment and no traceback."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "mlbench", *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (
        2,
        "mlbench: cannot write to standard output: No space left on device\n",
    )


@pytest.mark.parametrize("n", [4, 5, 9, 10])
def test_the_expected_best_of_as_many_trials_as_there_were(tmp_path: Path, n: int) -> None:
    """The best of 5, or of 10, is shown from a study of exactly so many trials on."""
    expected = tuple(0.1234 + m / 100 for m in range(1, n + 1))
    runs = _runs(tmp_path, record(tuning=TuningReport(expected_best=expected)))

    code, out, _ = call("leaderboard", "--tuning", "--runs", runs)

    assert code == 0
    assert ("0.1734" in out, "0.2234" in out) == (n >= 5, n >= 10)
