"""mlbench from Python: what the command does, as pandas objects."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import random_dataset, record

import mlbench
from mlbench.errors import DataError, UnknownName, UsageError
from mlbench.execution.python_request import OPTIONS
from mlbench.reporting.board import COLUMNS, FIRST_COLUMNS, boards, leaderboard
from mlbench.reporting.board_csv import from_csv, rows_to_csv, to_csv
from mlbench.reporting.frames import Leaderboard, frame
from mlbench.reporting.views import to_html
from mlbench.results.ledger import Ledger

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    mlbench.run("demo", models=["ridge"], features=["raw", "rfft"], n_trials=2, runs=folder)
    return folder


def test_run_gives_the_board(runs: Path) -> None:
    """One row a model and representation, numbers as numbers; a second call runs nothing again."""
    before = {path: path.stat().st_mtime_ns for path in runs.glob("jobs/*/record.json")}
    board = mlbench.run("demo", models=["ridge"], features=["raw", "rfft"], n_trials=2, runs=runs)
    assert list(board["model"]) == ["ridge", "ridge", "prior"]
    assert board["average_precision_micro"].dtype == np.float64
    assert board["average_precision_micro"].is_monotonic_decreasing
    assert {path: path.stat().st_mtime_ns for path in runs.glob("jobs/*/record.json")} == before
    assert board.equals(mlbench.load_leaderboard(runs))


def test_an_executor_of_the_users_own_is_used_and_left_open(tmp_path: Path) -> None:
    """It runs the jobs, and the caller shuts it down; one that is shut down already loses them in one line."""
    with ThreadPoolExecutor(1) as executor:
        board = mlbench.run("demo", models="prior", runs=tmp_path, executor=executor)
        assert list(board["status"]) == ["ok"]
        assert executor.submit(int).result() == 0
    with pytest.raises(
        UsageError, match=r"prior · seed 1: the executor takes no jobs: RuntimeError: .*: run again to go on"
    ):
        mlbench.run("demo", models="prior", seeds=[1], runs=tmp_path, executor=executor)


def test_a_number_is_a_number(runs: Path) -> None:
    """600 seconds are 600.0 seconds, as they are on the command line: nothing is run again."""
    words = {"models": ["ridge"], "features": ["raw", "rfft"], "runs": runs}
    mlbench.run("demo", **words, n_trials=np.int64(2), timeout=600, trial_timeout=np.float64(300), memory_limit=2.0**33)
    assert len(list(runs.glob("jobs/*"))) == 3
    for name, value in [
        ("n_trials", 1.5),
        ("n_trials", "1"),
        ("timeout", np.nan),
        ("timeout", np.inf),
        ("timeout", "1m"),
    ]:
        with pytest.raises(UsageError, match=f"{name} is .* number"):
            mlbench.run("demo", **words, **{name: value})
    with pytest.raises(UsageError, match="jobs must be at least 1, not 0"):
        mlbench.run("demo", **words, jobs=0)


def test_a_data_set_from_python(tmp_path: Path) -> None:
    """A ``Dataset`` needs no file and no plugin."""
    board = mlbench.run(random_dataset("mine"), models=["ridge"], n_trials=1, runs=tmp_path)
    assert set(board["dataset"]) == {"mine"}
    assert set(board["status"]) == {"ok"}


@pytest.mark.parametrize("name", ["yeast", "synth-musicnet"])
def test_a_published_board_shows_as_its_html(name: str) -> None:
    """What was read from the CSV is shown as the CSV's rows are; a selection of columns as any table."""
    path = ROOT / "leaderboards" / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"{name} is not published")
    board = mlbench.load_leaderboard(path)
    assert board._repr_html_() == to_html(from_csv(path.read_text()))
    some = board[["model", "average_precision_micro"]]
    assert isinstance(some, pd.DataFrame)
    assert "<table" in (some._repr_html_() or "")


def test_a_frame_gives_its_boards_back(runs: Path) -> None:
    """What became numbers is written as it was: the frame's board has the CSV of the records'."""
    found = mlbench.load_leaderboard(runs)

    (board,) = found.boards()

    (records,) = boards(Ledger(runs).records()).values()
    assert isinstance(found, Leaderboard)
    assert tuple(found.columns) == COLUMNS
    assert to_csv(board) == to_csv(leaderboard(records))
    assert found["budget_trials"].tolist() == [2, 2, 2]
    assert found["budget_seconds"].dtype == np.float64
    assert set(found["metric"]) == {"average_precision_micro"}
    assert "Warning: demo is made up" in (found._repr_html_() or "")


def test_a_board_of_schema_1_and_one_of_a_later_mlbench_can_be_loaded(tmp_path: Path) -> None:
    """Columns that an older mlbench did not write are empty; one that this mlbench does not know is left out."""
    board = leaderboard([record(0.5), record(0.25, model="prior")])
    (tmp_path / "old.csv").write_text(rows_to_csv(FIRST_COLUMNS, board.rows))
    (tmp_path / "new.csv").write_text(rows_to_csv(("carbon", *COLUMNS), [{**row, "carbon": "1"} for row in board.rows]))

    old, new = (mlbench.load_leaderboard(tmp_path / f"{name}.csv") for name in ("old", "new"))

    assert tuple(old.columns) == tuple(new.columns) == COLUMNS
    assert new.equals(frame([board]))
    assert old["budget_trials"].isna().all()
    assert old[list(FIRST_COLUMNS)].equals(new[list(FIRST_COLUMNS)])
    assert old._repr_html_() == to_html(from_csv((tmp_path / "old.csv").read_text()))


def test_boards_of_one_table_under_two_names_are_two_tables() -> None:
    """The same data and budget under another name are another board, in the frame as in its HTML."""
    found = [leaderboard([record(dataset=name)]) for name in ("toy", "copy")]

    both = frame(found)

    assert both.boards() == found
    assert both._repr_html_() == "\n".join(map(to_html, found))


def test_boards_of_two_budgets_are_two_tables(runs: Path, tmp_path: Path) -> None:
    """Each with its own ranks and budget, in whatever order the rows are."""
    shutil.copytree(runs / "jobs", tmp_path / "jobs")
    mlbench.run("demo", models=["ridge"], features=["rfft"], n_trials=3, runs=tmp_path)
    both = mlbench.load_leaderboard(tmp_path)
    assert len(both) == 5
    wanted = [to_html(leaderboard(records)) for records in boards(Ledger(tmp_path).records()).values()]
    assert both._repr_html_() == "\n".join(wanted)
    shown = both.sort_values("model")._repr_html_()
    assert shown is not None
    assert shown.count("<table") == 2


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'"' + b"x" * 200_000, b""])
def test_a_file_that_is_no_board(tmp_path: Path, content: bytes) -> None:
    """An error of ours that names the file, whatever is in it."""
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.csv is no leaderboard"):
        mlbench.load_leaderboard(tmp_path / "x.csv")


def test_a_board_with_a_cell_that_is_no_number(runs: Path, tmp_path: Path) -> None:
    """An error of ours, too."""
    (board,) = mlbench.load_leaderboard(runs).boards()
    (tmp_path / "x.csv").write_text(to_csv(board).replace("\n1,", "\none,"))

    with pytest.raises(DataError, match=r"x\.csv: a cell is not what it must be"):
        mlbench.load_leaderboard(tmp_path / "x.csv")


def test_compare_gives_paired_differences(runs: Path) -> None:
    """One line a data set; the second less the first."""
    found = mlbench.compare("ridge:raw", "ridge:rfft", runs=runs)
    (line,) = found.to_dict("records")
    gap = line["average_precision_micro_second"] - line["average_precision_micro_first"]
    assert line["average_precision_micro_difference_value"] == pytest.approx(gap)
    assert line["average_precision_micro_difference_low"] < gap < line["average_precision_micro_difference_high"]
    assert line["labels_wins"] + line["labels_losses"] + line["labels_ties"] == 12


def test_what_is_wrong_is_an_error_of_ours(tmp_path: Path) -> None:
    """The command's line, as an exception."""
    with pytest.raises(UnknownName, match="did you mean 'ridge'"):
        mlbench.run("demo", models=["rigde"], runs=tmp_path)
    with pytest.raises(UnknownName, match=r"no option of mlbench.run 'trials': did you mean 'n_trials'\?"):
        mlbench.run("demo", trials=3, runs=tmp_path)
    with pytest.raises(UsageError, match="no board"):
        mlbench.load_leaderboard(tmp_path)
    with pytest.raises(UsageError, match="no finished job"):
        mlbench.compare("a", "b", runs=tmp_path)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("seeds", [-1], r"seeds is \[-1\]: .* whole numbers from 0 on"),
        ("seeds", [0.5], r"seeds is \[0.5\]: .* whole numbers from 0 on"),
        ("seeds", 3, "seeds is 3: .* list of whole numbers"),
        ("seeds", [], r"seeds is \[\]: "),
        ("models", 3, "models is 3: .* a name or a list of names"),
        ("features", [None], r"features is \[None\]: .* a name or a list of names"),
        ("models", "rigde", "no model 'rigde': did you mean 'ridge'"),
        ("features", "rft", "no features 'rft': did you mean 'rfft'"),
        ("device", "tpu", "no device 'tpu': .*'cpu'"),
        ("model", "ridge", "no option of mlbench.run 'model': did you mean 'models'"),
    ],
)
def test_what_an_option_must_be(tmp_path: Path, option: str, value: object, says: str) -> None:
    """What the command would refuse is refused, before anything runs; a text is one name, not its letters."""
    with pytest.raises(UsageError, match=says):
        mlbench.run("demo", **{"models": ["ridge"], option: value}, runs=tmp_path)
    assert not list(tmp_path.iterdir())


def test_options_are_those_that_are_known() -> None:
    """An unknown one is told of all that there are."""
    names = [one.name for one in inspect.signature(mlbench.run).parameters.values() if one.kind is one.KEYWORD_ONLY]
    assert tuple(names) == OPTIONS


def test_importing_mlbench_loads_none_of_it() -> None:
    """A plugin that imports its specs waits for neither pandas nor Optuna."""
    code = "import sys, mlbench; sys.exit(any(name in sys.modules for name in ('pandas', 'optuna', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mlbench.nothing
