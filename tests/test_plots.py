"""Figures: of data sets and of curves, as files of both types, the same bytes each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import random_dataset

from mlbench.data.dataset import Dataset, Split
from mlbench.errors import UsageError
from mlbench.plugins.demo import load_demo
from mlbench.reporting import plots
from mlbench.reporting.plots import Line, check_file, plot_curves, plot_dataset, shown_row
from mlbench.results.ledger import Ledger

MAGIC = {".png": b"\x89PNG\r\n", ".svg": b"<?xml"}


def _mlbench(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlbench", *words],
        cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def _words(svg: Path) -> list[str]:
    """The texts of a figure: matplotlib leaves each as a comment beside its outlines."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    return [node.text.strip() for node in ET.parse(svg, parser).iter() if node.tag is ET.Comment and node.text]


def _sparse(dataset: Dataset) -> Dataset:
    parts = {part: replace(split, X=sp.csr_matrix(split.X)) for part, split in dataset.parts()}
    return replace(dataset, **parts)


# ------------------------------------------------------------------------------------- a data set
@pytest.mark.parametrize("suffix", MAGIC)
@pytest.mark.parametrize("kind", ["signal", "dense", "sparse", "983 labels", "one label"])
def test_a_data_set_is_drawn_the_same_each_time(tmp_path: Path, suffix: str, kind: str) -> None:
    """Signals, tables, sparse rows, many labels or one: a file of the type its name says, same bytes twice."""
    datasets = {
        "signal": load_demo,
        "dense": random_dataset,
        "sparse": lambda: _sparse(random_dataset(d=300)),
        "983 labels": lambda: random_dataset(k=983),
        "one label": lambda: random_dataset(k=1, d=1),
    }
    first, second = tmp_path / f"first{suffix}", tmp_path / "new" / "folder" / f"second{suffix}"

    plot_dataset(datasets[kind](), first)
    plot_dataset(datasets[kind](), second)

    assert first.read_bytes().startswith(MAGIC[suffix])
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < 1_000_000


def test_a_figure_never_differs_by_a_digit(tmp_path: Path) -> None:
    """Drawn many times the bytes stay the same: the layout's solver, by itself, differs one time in ten."""
    found = set()
    for _ in range(15):
        plot_dataset(load_demo(), tmp_path / "demo.svg")
        found.add((tmp_path / "demo.svg").read_bytes())

    assert len(found) == 1


def test_nothing_outside_of_the_figure_changes(tmp_path: Path) -> None:
    """The user's style does not change a figure, drawing does not change the user's style, pyplot is not loaded."""
    plot_dataset(load_demo(), tmp_path / "calm.png")
    code = """
import sys, matplotlib
from pathlib import Path
from mlbench.reporting.plots import plot_dataset
from mlbench.plugins.demo import load_demo

def style():
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if not name.startswith("backend")}

matplotlib.rcParams["axes.facecolor"], matplotlib.rcParams["svg.hashsalt"] = "red", "mine"
before = style()
plot_dataset(load_demo(), Path("loud.png"))
assert style() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True, timeout=120)

    assert (tmp_path / "loud.png").read_bytes() == (tmp_path / "calm.png").read_bytes()


def test_what_a_figure_of_signals_says(tmp_path: Path) -> None:
    """Name, sizes, cardinality, the row's labels, and axes in samples and bins: no rate is known."""
    plot_dataset(load_demo(), tmp_path / "demo.svg")

    words = _words(tmp_path / "demo.svg")
    assert "demo" in words
    assert "480 train + 160 valid + 160 test rows · 256 features · 12 labels · 2.51 labels per row" in words
    assert "train row 0: note-73, note-79" in words
    assert {"sample", "frequency bin (all 129)", "valid", "test", "note-83"} <= set(words)


def test_what_a_figure_of_a_table_says(tmp_path: Path) -> None:
    """Rows that are no signals are drawn by feature, under the features' names where those fit."""
    plot_dataset(random_dataset(feature_names=("a", "b", "$c", "d")), tmp_path / "toy.svg")

    words = _words(tmp_path / "toy.svg")
    assert {"a", "b", "$c", "d", "value", "label-0"} <= set(words)
    assert "sample" not in words


@pytest.mark.parametrize("name", ["$x_{1", "$x$ and $y$", "日本語", "\x07\nbell", "_private", "\\frac", "a" * 300])
def test_odd_names_are_drawn_as_they_are(tmp_path: Path, name: str) -> None:
    """No name is taken for a formula, none warns, none fails; long ones are cut."""
    names = (name, "label-1", "label-2")
    data = random_dataset(label_names=names, feature_names=(name, "b", "c", "d"))

    plot_dataset(data, tmp_path / "toy.svg")
    line = Line(name=name, curves=_curves(0.5))
    plot_curves(name, [line], tmp_path / "curves.svg")

    if "$" in name:
        assert name in _words(tmp_path / "toy.svg")
        assert f"0.5000  {name}" in _words(tmp_path / "curves.svg")


def test_the_row_shown() -> None:
    """The first with the median number of labels, of the rows with any; the lower of two medians."""

    def split(*counts: int) -> Split:
        Y = (np.arange(5) < np.array(counts)[:, None]).astype(np.uint8)
        return Split(X=np.zeros((len(counts), 1), dtype=np.float32), Y=Y)

    assert shown_row(split(0, 0, 0, 5, 1, 2, 2)) == 5
    assert shown_row(split(0, 4, 1)) == 2
    assert shown_row(split(3)) == 0
    assert shown_row(split(0, 0)) == 0


# ------------------------------------------------------------------------------------------ curves
def _curves(test: float, **parts: float) -> dict[str, Any]:
    return {
        part: {"average_precision_micro": value, "recall": [0.0, 0.5, 1.0], "precision": [1.0, value, 0.1]}
        for part, value in {"train": 0.9, "test": test, **parts}.items()
    }


@pytest.mark.parametrize("suffix", MAGIC)
def test_curves_are_drawn_the_same_whatever_the_order(tmp_path: Path, suffix: str) -> None:
    """The order in which lines are handed over does not matter: same bytes."""
    lines = [Line(name=f"model-{i}", curves=_curves(i / 10)) for i in range(5)]

    plot_curves("toy", lines, tmp_path / f"one{suffix}")
    plot_curves("toy", lines[::-1], tmp_path / f"two{suffix}")

    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    assert (tmp_path / f"one{suffix}").read_bytes().startswith(MAGIC[suffix])


def test_the_best_twelve_are_drawn_and_the_baseline(tmp_path: Path) -> None:
    """More lines than can be told apart: the best on test and the baseline, and the title says of how many."""
    lines = [Line(name=f"model-{i}", curves=_curves(i / 100)) for i in range(10, 40)]
    lines.append(Line(name="prior", curves=_curves(0.01), baseline=True))

    plot_curves("toy", lines, tmp_path / "curves.svg")

    words = _words(tmp_path / "curves.svg")
    test = [word.split()[1] for word in words if word.startswith("0.") and "  " in word and not word.startswith("0.9")]
    assert test == [*(f"model-{i}" for i in range(39, 27, -1)), "prior"]
    assert "toy, the best 12 of 30" in words


def test_without_train_curves(tmp_path: Path) -> None:
    """A line without a train curve is drawn on test; the empty half says so."""
    curves = _curves(0.5)
    del curves["train"]

    plot_curves("toy", [Line(name="a", curves=curves)], tmp_path / "curves.svg")

    assert "no train curves" in _words(tmp_path / "curves.svg")


# ------------------------------------------------------------------------------- the command line
@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a board of the demo."""
    folder = tmp_path_factory.mktemp("board")
    ended = _mlbench("run", "-m", "ridge", "--n-trials", "2", "--limit", "60", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder


def test_plotting_from_the_command_line(tmp_path: Path) -> None:
    """`data plot` writes the figure, over an older one, and takes the options of tables."""
    (tmp_path / "toy.csv").write_text("a,b,l1,l2\n" + "".join(f"{i},{-i},{i % 2},{i % 3 == 0:d}\n" for i in range(40)))
    for _ in range(2):
        ended = _mlbench("data", "plot", "toy.csv", "--labels", "l*", "-o", "deep/toy.PNG", cwd=tmp_path)
        assert (ended.returncode, ended.stderr) == (0, "written: deep/toy.PNG\n")

    assert (tmp_path / "deep" / "toy.PNG").read_bytes().startswith(MAGIC[".png"])


def test_curves_from_the_command_line(board: Path) -> None:
    """`leaderboard --curves` prints the board and draws its curves from the ledger, same bytes each time."""
    files = []
    for name in ("one.svg", "two.svg"):
        ended = _mlbench("leaderboard", "--curves", name, cwd=board)
        assert ended.returncode == 0, ended.stderr
        assert "| 1 | ridge |" in ended.stdout
        assert ended.stderr == f"written: {name}\n"
        files.append((board / name).read_bytes())

    assert files[0] == files[1]
    words = _words(board / "one.svg")
    found = {
        body["job"]["model"]: body["metrics"]["test"]["average_precision_micro"]
        for body in (json.loads(path.read_text()) for path in (board / "runs" / "jobs").glob("*/record.json"))
    }
    assert f"{found['ridge']:.4f}  ridge · rfft" in words
    assert f"{found['prior']:.4f}  prior · rfft" in words


def _without_curves(board: Path, models: set[str]) -> Ledger:
    """The ledger of ``board``, copied as if some jobs had been run before there were curves."""
    ledger = Ledger(board / "old")
    known = Ledger(board / "runs")
    for record in known.records():
        work = ledger.claim(record.id)
        names = set(record.files) - ({"curves.json"} if record.job.model in models else set())
        for name in names:
            (work.path / name).write_bytes((known.jobs / record.id / name).read_bytes())
        ledger.commit(work, record, tuple(names))
    return ledger


def test_records_from_before_curves(board: Path, tmp_path: Path) -> None:
    """Older jobs are left out with a line each; when there is nothing else the error says what to do."""
    for models, code in (({"ridge"}, 0), ({"ridge", "prior"}, 2)):
        ledger = _without_curves(board, models)
        ended = _mlbench("leaderboard", "--runs", str(ledger.root), "--curves", "curves.png", cwd=tmp_path)
        assert ended.returncode == code
        assert "ridge · rfft has no curves" in ended.stderr
        assert (tmp_path / "curves.png").exists() == (code == 0)
        last = ended.stderr.splitlines()[-1]
        assert ("delete" in last and "again" in last) == (code == 2)
        (tmp_path / "curves.png").unlink(missing_ok=True)
        for path in sorted(ledger.root.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_several_boards_need_a_name(board: Path, tmp_path: Path) -> None:
    """One figure shows one board: which ones there are is in the error; a DATASET picks one."""
    runs = str(board / "runs")
    ended = _mlbench("run", "-m", "prior", "--limit", "50", "--runs", runs, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr

    ended = _mlbench("leaderboard", "--runs", runs, "--curves", "curves.png", cwd=tmp_path)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "demo-limit-50" in ended.stderr
    assert "demo-limit-60" in ended.stderr
    assert "name a DATASET" in ended.stderr
    ended = _mlbench("leaderboard", "demo-limit-60", "--runs", runs, "--curves", "curves.png", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["data", "plot", "demo", "-o", "demo.pdf"], "demo.pdf: plots are .png or .svg files"),
        (["data", "plot", "demo", "-o", "demo"], "demo: plots are .png or .svg files"),
        (["data", "plot", "demo"], "--output"),
        (["data", "plot", "dmeo", "-o", "demo.png"], "did you mean 'demo'?"),
        (["data", "plot", "demo", "-o", "file/demo.png"], "cannot write file/demo.png: "),
        (["leaderboard", "--curves", "curves.png"], "no finished jobs in runs"),
    ],
)
def test_wrong_words_get_one_line_and_exit_2(tmp_path: Path, words: list[str], error: str) -> None:
    """Usage errors are one line that says what to do; nothing is written."""
    (tmp_path / "file").write_text("where the folder should be")

    ended = _mlbench(*words, cwd=tmp_path)

    assert ended.returncode == 2
    assert error in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_wrong_type_of_curves_is_one_line(board: Path) -> None:
    """The suffix decides; another than the two is an error before anything is printed."""
    ended = _mlbench("leaderboard", "demo-limit-60", "--curves", "curves.gif", cwd=board)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "mlbench: curves.gif: plots are .png or .svg files\n"


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Matplotlib is an extra: without it one line says how to get it; nothing else imports it."""
    monkeypatch.setattr(plots.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(UsageError, match=r'plots need matplotlib: pip install "mlbench-suite\[plot\]"'):
        check_file(tmp_path / "demo.png")

    code = "import sys, mlbench.cli.main; print([name for name in sys.modules if name.startswith('matplotlib')])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == "[]"
