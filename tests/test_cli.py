"""The command line, end to end: real commands in real folders."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

MODELS = {"ridge", "logistic", "xgboost", "lightgbm", "mlp", "prior"}


def _mlbench(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlbench", *words],
        cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder in which `mlbench run` ran without arguments, and how it ended."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, _mlbench("run", cwd=folder)


def test_the_demo_runs_five_models_and_the_baseline(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """Without arguments: all models on the demo, exit 0, a board on stdout and in two files."""
    folder, ended = demo

    assert ended.returncode == 0, ended.stderr
    with (folder / "leaderboards" / "demo.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == MODELS
    assert [row["status"] for row in rows] == ["ok"] * 6
    assert rows[-1]["model"] == "prior"
    assert ended.stdout.strip() == (folder / "leaderboards" / "demo.md").read_text().strip()


def test_every_metric_is_what_scikit_learn_computes(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """All metrics of all records equal scikit-learn's on the stored scores to 1e-12."""
    from sklearn import metrics

    from mlbench.plugins.demo import load_demo

    data = load_demo()
    records = sorted((demo[0] / "runs" / "jobs").glob("*/record.json"))
    assert len(records) == 6
    for path in records:
        record = json.loads(path.read_text())
        for part, split in (("valid", data.valid), ("test", data.test)):
            assert split is not None
            Y, S = split.Y, np.load(path.with_name(f"scores-{part}.npy"), allow_pickle=False)
            some = Y.any(axis=0)
            both = some & ~Y.all(axis=0)
            D = record["threshold"] <= S
            expected = {
                "average_precision_micro": metrics.average_precision_score(Y, S, average="micro"),
                "average_precision_macro": metrics.average_precision_score(Y[:, some], S[:, some], average="macro"),
                "average_precision_weighted": metrics.average_precision_score(
                    Y[:, some], S[:, some], average="weighted"
                ),
                "roc_auc_micro": metrics.roc_auc_score(Y, S, average="micro"),
                "roc_auc_macro": metrics.roc_auc_score(Y[:, both], S[:, both], average="macro"),
                "label_ranking_average_precision": metrics.label_ranking_average_precision_score(Y, S),
                "coverage_error": metrics.coverage_error(Y, S),
                "label_ranking_loss": metrics.label_ranking_loss(Y, S),
                "hamming_loss": metrics.hamming_loss(Y, D),
                "f1_micro": metrics.f1_score(Y, D, average="micro", zero_division=0),
                "f1_macro": metrics.f1_score(Y[:, some], D[:, some], average="macro", zero_division=0),
                "f1_samples": metrics.f1_score(Y, D, average="samples", zero_division=0),
                "jaccard_samples": metrics.jaccard_score(Y, D, average="samples", zero_division=0),
                "zero_one_loss": metrics.zero_one_loss(Y, D),
            }
            for name, value in expected.items():
                assert record["metrics"][part][name] == pytest.approx(value, abs=1e-12), (record["job"]["model"], name)


def test_same_inputs_same_bytes(demo: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """A run in another folder gives the same scores, byte for byte, for every model."""
    assert _mlbench("run", cwd=tmp_path).returncode == 0

    for path in (demo[0] / "runs" / "jobs").glob("*/scores-*.npy"):
        other = tmp_path / "runs" / "jobs" / path.parent.name / path.name
        assert other.read_bytes() == path.read_bytes(), path


def test_the_leaderboard_is_a_function_of_the_ledger(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """`mlbench leaderboard` prints what the run wrote, in every format."""
    folder, _ = demo

    for form, suffix in (("csv", "csv"), ("markdown", "md")):
        ended = _mlbench("leaderboard", "--format", form, cwd=folder)
        assert ended.stdout == (folder / "leaderboards" / f"demo.{suffix}").read_text()
    assert "<table>" in _mlbench("leaderboard", "demo", "--format", "html", cwd=folder).stdout
    assert _mlbench("leaderboard", "dmo", cwd=folder).stderr.strip().endswith("did you mean 'demo'?")


def test_a_dry_run_says_what_is_there_and_writes_nothing(
    demo: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """--dry-run lists jobs with their state and leaves no file."""
    ended = _mlbench("run", "--dry-run", cwd=tmp_path)
    assert ended.returncode == 0
    assert "demo · rfft · ridge: not started, 20 trials" in ended.stdout
    assert "6 jobs, 0 finished, 6 to run" in ended.stdout
    assert _files(tmp_path) == []

    assert "6 jobs, 6 finished, 0 to run" in _mlbench("run", "--dry-run", cwd=demo[0]).stdout


def test_a_later_run_of_one_model_keeps_the_others_on_the_board(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """A board holds all that the ledger has of same data and budget, not just what was asked for last."""
    folder, _ = demo
    before = (folder / "leaderboards" / "demo.csv").read_bytes()

    ended = _mlbench("run", "-m", "ridge", cwd=folder)

    assert ended.returncode == 0
    assert (folder / "leaderboards" / "demo.csv").read_bytes() == before


def test_seeds_features_and_options(tmp_path: Path) -> None:
    """Several seeds become one row with n_seeds; each feature set has its rows; the baseline has one."""
    ended = _mlbench(
        "run", "-m", "ridge", "-f", "raw", "-f", "rfft", "--seed", "1", "--seed", "2", "--n-trials", "2", "-j", "2",
        "--metric", "label_ranking_loss", "--refit", "train+valid", "--limit", "200", cwd=tmp_path,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    with (tmp_path / "leaderboards" / "demo-limit-200.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["features"], row["n_seeds"]) for row in rows] == [
        ("ridge", "rfft", "2"),
        ("ridge", "raw", "2"),
        ("prior", "raw", "2"),
    ]
    assert {row["n_train"] for row in rows} == {"200"}


def test_a_suite_runs_its_data_sets_with_its_options(tmp_path: Path) -> None:
    """A suite file names data sets and options; the command line overrides them."""
    rng = np.random.default_rng(0)
    table = tmp_path / "data" / "small.csv"
    table.parent.mkdir()
    rows = [",".join([*(f"{x:.3f}" for x in rng.normal(size=4)), *map(str, rng.integers(0, 2, 2))]) for _ in range(80)]
    table.write_text("\n".join(["a,b,c,d,l1,l2", *rows]) + "\n")
    (tmp_path / "suite.toml").write_text(
        'n_trials = 3\nmodels = ["ridge"]\ntimeout = "1m"\n[[datasets]]\nname = "$WHERE/small.csv"\nlabels = ["l*"]\n'
        '[[datasets]]\nname = "demo"\nfeatures = ["log-rfft"]\n'
    )

    ended = _mlbench("run", "--suite", "suite.toml", "--n-trials", "2", cwd=tmp_path, env={"WHERE": str(table.parent)})

    assert ended.returncode == 0, ended.stderr
    for name, features in (("small", "raw"), ("demo", "log-rfft")):
        with (tmp_path / "leaderboards" / f"{name}.csv").open() as file:
            ridge = next(row for row in csv.DictReader(file) if row["model"] == "ridge")
        assert (ridge["features"], ridge["n_trials"]) == (features, "2")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["run", "-m", "rigde"], "no model 'rigde': did you mean 'ridge'?"),
        (["run", "-f", "rft"], "no features 'rft': did you mean 'rfft'?"),
        (["run", "dmeo"], "no data set, file or folder 'dmeo': did you mean 'demo'?"),
        (["run", "no/such/place"], "no such file or folder: no/such/place"),
        (["run", "--metric", "average_precision_mirco"], "average_precision_micro"),
        (["run", "--timeout", "soon"], "invalid duration 'soon': write for example 90s, 10m or 1h30m"),
        (["run", "--memory-limit", "much"], "invalid memory size 'much': write for example 8G or 512M"),
        (["run", "--n-trials", "0"], "must be at least 1"),
        (["run", "--suite", "none.toml"], "cannot read suite none.toml"),
        (["run", "--n-trails", "3"], "--n-trials"),
        (["rnu"], "'run'"),
        (["leaderboard"], "no finished jobs in runs: start with `mlbench run`"),
        (["plugins", "info", "rigde"], "did you mean 'ridge'?"),
        (["data", "inspect", "dmeo"], "did you mean 'demo'?"),
    ],
)
def test_wrong_words_get_one_line_and_exit_2(tmp_path: Path, words: list[str], error: str) -> None:
    """Usage errors are one line that says what to do; nothing is written."""
    ended = _mlbench(*words, cwd=tmp_path)

    assert ended.returncode == 2
    assert error in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert _files(tmp_path) == []


def test_cuda_is_never_silently_replaced(tmp_path: Path) -> None:
    """--device cuda where there is none is an error, not a run on the CPU."""
    from mlbench.execution.process import cuda_is_there

    if cuda_is_there():
        pytest.skip("there is a CUDA device")
    ended = _mlbench("run", "--device", "cuda", cwd=tmp_path)

    assert ended.returncode == 2
    assert "no CUDA device" in ended.stderr


def _bad_data(kind: str, folder: Path) -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 16)).astype(np.float32), rng.integers(0, 2, (30, 3)).astype(float)
    folder.mkdir()
    arff = "@relation r\n@attribute a numeric\n@attribute l {0,1}\n@data\n1,0\n2,1\n"
    if kind == "labels 0 and 2":
        Y[4, 1] = 2
    if kind == "NaN features":
        X[7, 3] = np.nan
    if kind in ("labels 0 and 2", "NaN features", "truncated npy", "pickled npy"):
        np.save(folder / "audio-train.npy", X)
        np.save(folder / "labels-train.npy", Y)
    if kind == "truncated npy":
        whole = (folder / "audio-train.npy").read_bytes()
        (folder / "audio-train.npy").write_bytes(whole[: len(whole) // 2])
    if kind == "pickled npy":
        np.save(folder / "audio-train.npy", np.array([{"a": 1}] * 30, dtype=object), allow_pickle=True)
    if kind == "missing XML":
        (folder / "x-train.arff").write_text(arff)
        (folder / "x-test.arff").write_text(arff)
    if kind == "multi-class target":
        (folder / "x.arff").write_text(arff.replace("@relation r", "@relation 'x: -C -1'").replace("{0,1}", "{0,1,2}"))
    if kind == "unknown format":
        (folder / "notes.docx").write_bytes(b"PK\x03\x04")
    if kind == "no positive":
        np.save(folder / "audio-train.npy", X)
        np.save(folder / "labels-train.npy", Y * 0)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("labels 0 and 2", ["labels-train.npy", "row 4", "2.0"]),
        ("NaN features", ["audio-train.npy", "row 7", "column 3"]),
        ("missing XML", ["XML"]),
        ("truncated npy", ["audio-train.npy"]),
        ("multi-class target", ["x.arff"]),
        ("pickled npy", ["audio-train.npy"]),
        ("unknown format", ["Mulan", "mini-MusicNet"]),
        ("empty folder", ["Mulan", "mini-MusicNet"]),
        ("no positive", ["no positive"]),
    ],
)
def test_bad_data_get_one_line_and_write_nothing(tmp_path: Path, kind: str, words: list[str]) -> None:
    """Data that cannot be used: one clear line with the place, exit 2, no file written."""
    _bad_data(kind, tmp_path / "bad")
    before = _files(tmp_path)

    ended = _mlbench("run", "bad", cwd=tmp_path)

    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert all(word in ended.stderr for word in words), ended.stderr
    assert _files(tmp_path) == before


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """When nothing can be written the error says so; there is no traceback."""
    (tmp_path / "runs").write_text("a file where the folder should be")

    ended = _mlbench("run", "-m", "ridge", cwd=tmp_path)

    assert ended.returncode == 2
    assert len([line for line in ended.stderr.splitlines() if line.startswith("mlbench:")]) == 1
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder where root cannot write either")
def test_boards_that_cannot_be_written_are_known_before_the_work(tmp_path: Path) -> None:
    """A folder that is there and cannot be written ends the command with one line, and nothing has run."""
    ended = _mlbench("run", "-m", "ridge", "--leaderboards", "/proc/self", cwd=tmp_path)

    assert ended.returncode == 2
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("mlbench:")]
    assert line.startswith("mlbench: /proc/self: cannot be written: ")
    assert line.endswith("with --leaderboards")
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "runs").exists()


def test_output_can_be_piped_away(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """A reader that stops reading is no error."""
    command = f"{sys.executable} -m mlbench leaderboard --format csv | head -c 10"
    ended = subprocess.run(command, shell=True, cwd=demo[0], capture_output=True, text=True, timeout=60)

    assert ended.stderr == ""
