"""`mlbench compare`: paired, honest about what it cannot compare, and of use in CI."""

from __future__ import annotations

import csv
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from helpers import patient
from hypothesis import given
from hypothesis import strategies as st

from mlbench.cli.main import cli
from mlbench.errors import MlbenchError, UsageError
from mlbench.evaluation.bootstrap import units, weights
from mlbench.evaluation.intervals import interval
from mlbench.metrics import MICRO, average_precision
from mlbench.plugins.demo import load_demo
from mlbench.reporting.best_per_label import COLUMNS as LABEL_COLUMNS
from mlbench.reporting.best_per_label import to_csv as to_label_csv
from mlbench.reporting.board import COLUMNS, FIRST_COLUMNS
from mlbench.reporting.board_csv import read_board, rows_to_csv
from mlbench.reporting.compare import BANDS, compare_entries, contender, entries_of, pair_up
from mlbench.reporting.multiple_datasets import holm, rank_over_datasets
from mlbench.results.ledger import Ledger
from mlbench.results.migrations import from_json


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished jobs: ridge and logistic on two representations of the demo, and on a shortened one."""
    folder = tmp_path_factory.mktemp("compare")
    for limit in ([], ["--limit", "300"]):
        words = ["run", "demo", "-m", "ridge", "-m", "logistic", "-f", "raw", "-f", "rfft", "--n-trials", "2", *limit]
        done = invoke(*words, "--runs", folder / "runs", "--leaderboards", folder / "boards")
        assert done.exit_code == 0, done.output
    return folder / "runs"


def entry(runs: Path, label: str, dataset: str = "demo"):
    return next(one for one in entries_of(Ledger(runs)) if (one.label, one.dataset) == (label, dataset))


def test_the_difference_is_of_the_same_replicates(runs: Path) -> None:
    """Value, interval and superiority are those of resampling both models' scores by the same weights."""
    test = load_demo().test
    assert test is not None
    first, second = entry(runs, "ridge · rfft"), entry(runs, "logistic · rfft")
    scores = [np.load(one.ledger.jobs / one.seeds[0].id / "scores-test.npy") for one in (first, second)]
    unit = units(len(test), test.groups)
    weight = weights(first.sha256, int(unit.max()) + 1)
    gaps = []
    for drawn in weight.T[:40]:
        rows = np.concatenate([np.tile(np.flatnonzero(unit == u), times) for u, times in enumerate(drawn)])
        gaps.append(np.diff([average_precision(test.Y[rows], one[rows], "micro") for one in scores])[0])
    name = "average_precision_micro"
    paired = second.replicates(name) - first.replicates(name)
    assert paired[:40] == pytest.approx(gaps, abs=1e-10)
    found = compare_entries(first, second).differences[name]
    assert found.value == pytest.approx(second.value(name) - first.value(name))
    assert found.low == pytest.approx(interval(found.value, paired, int(unit.max()) + 1)[0])
    assert found.superiority == pytest.approx(np.mean(paired > 0) + np.mean(paired == 0) / 2)


def test_label_wins_are_counted_once_each(runs: Path) -> None:
    """Every label with a positive is won, lost or tied, in one band; the other way round is the mirror image."""
    first, second = entry(runs, "ridge · raw"), entry(runs, "ridge · rfft")
    there, back = compare_entries(first, second).labels, compare_entries(second, first).labels
    assert there is not None
    assert back is not None
    assert sum(sum(kind.values()) for kind in (there.wins, there.losses, there.ties)) == 12
    assert (there.wins, there.losses) == (back.losses, back.wins)
    assert list(there.wins) == list(BANDS)


def test_different_test_sets_are_refused(runs: Path) -> None:
    """Values of other data are not compared, whatever they are called."""
    with pytest.raises(UsageError, match="two different data sets"):
        compare_entries(entry(runs, "ridge · raw"), entry(runs, "ridge · raw", "demo-limit-300"))


def test_two_folders_row_by_row(runs: Path, tmp_path: Path) -> None:
    """A copy of a runs folder differs in nothing; exit 0 with --fail-if-worse."""
    shutil.copytree(runs / "jobs", tmp_path / "copy" / "jobs")
    done = invoke("compare", runs, tmp_path / "copy", "--fail-if-worse", "average_precision_macro")
    assert done.exit_code == 0, done.output
    assert done.output.count("+0.0000 to +0.0000") == 8
    assert len(pair_up(entries_of(Ledger(runs)), entries_of(Ledger(tmp_path / "copy")))) == 8


def test_models_jobs_and_boards(runs: Path) -> None:
    """Names of models, folders of jobs and boards name what is compared."""
    assert invoke("compare", "ridge:raw", "ridge:rfft", "--runs", runs).exit_code == 0
    one, other = entry(runs, "ridge · raw"), entry(runs, "logistic · rfft")
    jobs = [entry.ledger.jobs / entry.seeds[0].id for entry in (one, other)]
    done = invoke("compare", jobs[0], jobs[1] / "record.json")
    assert done.exit_code == 0, done.output
    assert "logistic · rfft" in done.output
    boards = runs.parent / "boards"
    done = invoke("compare", boards / "demo.csv", boards / "demo.csv", "--runs", runs)
    assert done.exit_code == 0, done.output


def test_after_a_merge_the_comparison_is_the_same(runs: Path, tmp_path: Path) -> None:
    """Jobs of two machines, put together, give exactly what they give side by side."""
    parts = [tmp_path / "one", tmp_path / "two"]
    for number, job in enumerate(sorted((runs / "jobs").iterdir())):
        shutil.copytree(job, parts[number % 2] / "jobs" / job.name)
    done = invoke("merge", *parts, "-o", tmp_path / "both")
    assert done.exit_code == 0, done.output
    words = ("compare", "ridge:rfft", "logistic:rfft", "--runs")
    assert invoke(*words, tmp_path / "both").output == invoke(*words, runs).output


def test_the_best_model_of_each_label(runs: Path) -> None:
    """Every label once, with the highest average precision of any model, and its interval."""
    done = invoke("leaderboard", "demo", "--per-label", "--runs", runs)
    rows = list(csv.DictReader(done.output.splitlines()))
    assert len(rows) == 12
    for row in rows:
        values = []
        for path in (runs / "jobs").glob("*/per_label.csv"):
            record = from_json((path.parent / "record.json").read_text())
            if record.dataset.name == "demo":
                (line,) = [one for one in csv.DictReader(path.read_text().splitlines()) if one["label"] == row["label"]]
                values.append(float(line["average_precision"]))
        assert float(row["average_precision"]) == max(values)
        assert float(row["average_precision_low"]) <= float(row["average_precision_high"])
        assert row["best_features"] == "rfft"


def test_labels_of_several_boards_are_one_table(runs: Path) -> None:
    """One header; the first column says whose labels they are."""
    lines = invoke("leaderboard", "--per-label", "--runs", runs).stdout.splitlines()
    assert [line for line in lines if "best_model" in line] == lines[:1]
    rows = list(csv.DictReader(lines))
    assert next(iter(rows[0])) == "dataset"
    assert sorted(row["dataset"] for row in rows) == ["demo"] * 12 + ["demo-limit-300"] * 12


@pytest.mark.parametrize(
    "words", [["--per-label", "--tuning"], ["--per-label", "--format", "csv"], ["--tuning", "--format", "table"]]
)
def test_no_option_of_the_leaderboard_is_ignored(runs: Path, words: list[str]) -> None:
    """Two that each print something else are refused; --curves draws beside any of them."""
    done = invoke("leaderboard", "--runs", runs, *words)
    assert isinstance(done.exception, UsageError)
    assert "cannot be combined: give one of them" in str(done.exception)


def test_damaged_values_of_labels_are_not_shown(runs: Path, tmp_path: Path) -> None:
    """Not as fewer labels, or other values, but as one line; a comparison goes without labels."""
    shutil.copytree(runs / "jobs", tmp_path / "jobs")
    path = tmp_path / "jobs" / entry(runs, "ridge · rfft").seeds[0].id / "per_label.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:5]))
    done = invoke("leaderboard", "demo", "--per-label", "--runs", tmp_path)
    assert isinstance(done.exception, MlbenchError)
    assert f"{path}: wrong checksum" in str(done.exception)
    assert compare_entries(entry(tmp_path, "ridge · raw"), entry(tmp_path, "ridge · rfft")).labels is None


def test_labels_are_no_formulas() -> None:
    """A label's name is data of strangers, too."""
    assert to_label_csv([{**dict.fromkeys(LABEL_COLUMNS, ""), "label": "=1+1"}]).splitlines()[1].startswith(",'=1+1,")


def test_a_board_whose_jobs_are_elsewhere(runs: Path, tmp_path: Path) -> None:
    """The jobs of another budget are not taken for those of a board; with both at hand each board gets its own."""
    words = ["run", "demo", "-m", "ridge", "-f", "rfft", "--n-trials", "4"]
    other, board = tmp_path / "other", runs.parent / "boards" / "demo.csv"
    assert invoke(*words, "--runs", other, "--leaderboards", tmp_path).exit_code == 0
    for pair in ((board, tmp_path / "demo.csv"), (tmp_path / "demo.csv", board)):
        for ledger in (other, runs):
            done = invoke("compare", *pair, "--runs", ledger)
            assert isinstance(done.exception, UsageError)
            assert f": no job of this board is in {ledger}: give its runs folder with --runs" in str(done.exception)
    assert invoke("merge", runs, other, "-o", tmp_path / "both").exit_code == 0
    done = invoke("compare", board, tmp_path / "demo.csv", "--runs", tmp_path / "both")
    assert done.exit_code == 0, done.output
    gap = entry(other, "ridge · rfft").value(MICRO) - entry(runs, "ridge · rfft").value(MICRO)
    assert f"{gap:+.4f}" in done.output
    assert "note: demo: the budgets differ: n_trials is 2 for A, 4 for B" in done.output


def test_a_board_one_of_whose_jobs_is_elsewhere(runs: Path, tmp_path: Path) -> None:
    """A row without its job is named, and nothing is compared, not even the rows that are there."""
    shutil.copytree(runs / "jobs", tmp_path / "runs" / "jobs")
    shutil.rmtree(tmp_path / "runs" / "jobs" / entry(runs, "ridge · rfft").seeds[0].id)
    board = runs.parent / "boards" / "demo.csv"

    done = invoke("compare", board, board, "--runs", tmp_path / "runs")

    assert isinstance(done.exception, UsageError)
    says = f"{board}: ridge · rfft: no job in {tmp_path / 'runs'} gives the values of this row: name its runs folder"
    assert says in str(done.exception)


def test_a_board_of_schema_1_finds_its_jobs_by_their_values(runs: Path, tmp_path: Path) -> None:
    """Without the columns that name jobs, a board is compared as it is with them; a value of no job is an error."""
    board, old = runs.parent / "boards" / "demo.csv", tmp_path / "old.csv"
    rows = read_board(board).rows
    old.write_text(rows_to_csv(FIRST_COLUMNS, rows))

    said = [invoke("compare", one, board, "--runs", runs).output for one in (old, board)]
    changed = [{**row, MICRO: "0.123"} if row["model"] == "logistic" else row for row in rows]
    old.write_text(rows_to_csv(FIRST_COLUMNS, changed))
    done = invoke("compare", old, board, "--runs", runs)

    assert said[0] == said[1]
    assert said[0].count("+0.0000 to +0.0000") == 4
    assert isinstance(done.exception, UsageError)
    assert f"{old}: logistic · rfft: no job in {runs} gives the values of this row" in str(done.exception)


def test_a_board_with_a_cell_that_cannot_be_read_is_one_line(runs: Path, tmp_path: Path) -> None:
    """A schema that is no number ends the command with an error that names the file and the line."""
    board, bad = runs.parent / "boards" / "demo.csv", tmp_path / "bad.csv"
    bad.write_text(rows_to_csv(COLUMNS, [{**row, "schema_version": "two"} for row in read_board(board).rows]))

    done = invoke("compare", bad, board, "--runs", runs)

    assert isinstance(done.exception, MlbenchError)
    assert str(done.exception) == f"{bad}: a cell is not what it must be: line 2, schema_version: two"


def test_other_seeds_are_said(runs: Path, tmp_path: Path) -> None:
    """A difference may be that of the seeds; rows that were run alike get no note."""
    words = ["run", "demo", "-m", "ridge", "-f", "rfft", "--n-trials", "2", "--seed", "1", "--seed", "2"]
    assert invoke(*words, "--runs", tmp_path / "runs", "--leaderboards", tmp_path).exit_code == 0
    assert "note: demo: the seeds differ: 0 for A, 1, 2 for B" in invoke("compare", runs, tmp_path / "runs").output
    assert "note:" not in invoke("compare", "ridge:raw", "ridge:rfft", "--runs", runs).output


@pytest.mark.filterwarnings("error")
def test_equals_over_data_sets(runs: Path) -> None:
    """Where all are equal, nothing speaks against that."""
    equal = [contender("ridge:raw", entries_of(Ledger(runs))) for _ in range(3)]
    contenders = [replace(one, name=str(number)) for number, one in enumerate(equal)]
    found = rank_over_datasets(contenders, "average_precision_micro")
    assert found is not None
    assert found.friedman_p == 1
    assert set(found.ranks.values()) == {2}


def test_a_row_that_is_gone_is_worse(runs: Path, tmp_path: Path) -> None:
    """A model that does not end well in B, or is not there, fails the check; without the check it is said."""
    shutil.copytree(runs / "jobs", tmp_path / "b" / "jobs")
    shutil.rmtree(tmp_path / "b" / "jobs" / entry(runs, "ridge · rfft").seeds[0].id)
    done = invoke("compare", runs, tmp_path / "b", "--fail-if-worse", "average_precision_micro")
    assert done.exit_code == 3
    assert "ridge · rfft on demo has no values" in done.output
    assert invoke("compare", runs, tmp_path / "b").exit_code == 0
    assert invoke("compare", tmp_path / "b", runs, "--fail-if-worse", "average_precision_micro").exit_code == 0


def test_worse_is_exit_3(runs: Path) -> None:
    """B worse than A by more than the margin ends with 3 and says where; by less, with 0; for losses too."""
    better, worse = "ridge:rfft", "ridge:raw"
    done = invoke("compare", better, worse, "--runs", runs, "--fail-if-worse", "average_precision_micro:0.01")
    assert done.exit_code == 3
    assert "worse: ridge · raw on demo: average_precision_micro" in done.output
    assert invoke("compare", worse, better, "--runs", runs, "--fail-if-worse", "average_precision_micro").exit_code == 0
    assert invoke("compare", better, worse, "--runs", runs, "--fail-if-worse", "label_ranking_loss").exit_code == 3
    assert (
        invoke("compare", better, worse, "--runs", runs, "--fail-if-worse", "average_precision_micro:2").exit_code == 0
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ridge"], "give at least two"),
        (["ridge:raw", "ridgé"], "no file, folder or model"),
        (["ridge", "logistic"], "give MODEL:FEATURES"),
        (["ridge:raw", "ridge:rfft", "--fail-if-worse", "acuracy"], "no metric 'acuracy'"),
        (["ridge:raw", "ridge:rfft", "--fail-if-worse", "f1_macro:much"], "must be a number"),
        (["ridge:raw", "ridge:rfft", "--fail-if-worse", "f1_macro:nan"], "must be a number"),
        (["ridge:raw", "ridge:rfft", "--fail-if-worse", "f1_macro:-1"], "the margin '-1' must be a number, 0 or more"),
        (["ridge", "rigde"], "no file, folder or model 'rigde'"),
        (["ridge", "logistic:rfft"], " was run on several features of demo: give MODEL:FEATURES, such as ridge:r"),
        (["ridge:raw", "prior"], "prior is the baseline"),
        (["ridge:raw", "{runs}"], "is a runs folder, which is compared with another"),
        (["ridge:raw", "{runs}/../boards/demo.csv"], "is a board, which is compared with another"),
        (["{runs}/jobs", "ridge:raw"], "is not a runs folder (it has no jobs folder), a job"),
        (["{runs}/jobs", "{runs}/work", "--runs", "nowhere"], "is not a runs folder (it has no jobs folder), a job"),
        (["ridge:raw", "ridge:rfft", "ridge:raw"], "ridge:raw is given twice"),
        (["{runs}", "{runs}", "--plot", "x.svg"], "--plot draws models of one runs folder"),
        (["nowhere.csv", "nowhere.csv"], "nowhere.csv: No such file"),
        (["ridge:raw", "ridge:rfft", "--plot", "x.pdf"], ".png or .svg"),
    ],
)
def test_wrong_use_is_one_line(runs: Path, words: list[str], says: str) -> None:
    """What is wrong, and what to write instead."""
    done = invoke("compare", "--runs", runs, *(word.format(runs=runs) for word in words))
    assert isinstance(done.exception, MlbenchError)
    assert says in str(done.exception)
    assert "\n" not in str(done.exception)


def test_several_budgets_are_named_with_what_to_say_instead(runs: Path, tmp_path: Path) -> None:
    """The trials of each, and the folders of jobs, which can be compared."""
    shutil.copytree(runs / "jobs", tmp_path / "jobs")
    words = ["run", "demo", "-m", "ridge", "-f", "raw", "--n-trials", "1", "--leaderboards", tmp_path / "boards"]
    assert invoke(*words, "--runs", tmp_path).exit_code == 0
    for asked in (["ridge:raw", "ridge:rfft", "--runs", tmp_path], [tmp_path, runs]):
        said = str(invoke("compare", *asked).exception)
        assert "on demo was run with several budgets: give the folder of a job instead: " in said
        folders = re.findall(r"\S+/jobs/\S+", said)
        assert sorted(re.findall(r"\(n_trials \d\)", said)) == ["(n_trials 1)", "(n_trials 2)"]
        assert invoke("compare", *folders).exit_code == 0


def test_ranks_over_data_sets(runs: Path, tmp_path: Path) -> None:
    """Average ranks, the tests' p values, and the picture, the same bytes twice."""
    names = ("ridge:raw", "ridge:rfft", "logistic:rfft")
    contenders = [contender(name, entries_of(Ledger(runs))) for name in names]
    found = rank_over_datasets(contenders, "average_precision_micro")
    assert found is not None
    assert found.datasets == ("demo", "demo-limit-300")
    assert sum(found.ranks.values()) == pytest.approx(6)
    assert found.ranks["ridge:raw"] == 3
    # Demsar's table: q is 2.343 for three classifiers.
    assert found.critical_difference == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 2)), abs=2e-3)
    for number in range(2):
        done = invoke("compare", *names, "--runs", runs, "--plot", tmp_path / f"{number}.svg")
        assert done.exit_code == 0, done.output
        assert "Average ranks by micro AP over 2 data sets" in done.output
    assert (tmp_path / "0.svg").read_bytes() == (tmp_path / "1.svg").read_bytes()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@patient
def test_holm_is_holm(values: list[float]) -> None:
    """Never below the raw p, at most Bonferroni's, and in the raw order."""
    pairs = {(str(i), "x"): p for i, p in enumerate(values)}
    adjusted = holm(pairs)
    assert list(adjusted) == list(pairs)
    for pair, p in pairs.items():
        assert p <= adjusted[pair] <= min(1.0, p * len(values)) + 1e-12
    ordered = sorted(pairs, key=lambda pair: pairs[pair])
    assert [adjusted[pair] for pair in ordered] == sorted(adjusted.values())
