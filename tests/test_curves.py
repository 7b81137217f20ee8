"""Precision-recall curves: exact, thinned, kept beside each record, and never worth a failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import patient, random_labels, record
from hypothesis import given
from hypothesis import strategies as st
from plugin_files import install

from mlbench.errors import LedgerError
from mlbench.evaluation.curves import MOST_POINTS, MOST_ROWS, curve, curve_rows, read_curves, write_curves
from mlbench.metrics import average_precision, precision_recall_curve
from mlbench.plugins.demo import load_demo
from mlbench.results.ledger import Ledger
from mlbench.results.schema import CURVES

PLUGIN = """
import ctypes, os, sys, time
import numpy as np
from mlbench import ModelSpec, hookimpl

def harmless(X):
    pass

def raises(X):
    raise RuntimeError("not these rows")

def sysexits(X):
    sys.exit(0)

def exits(X):
    os._exit(0)

def segfaults(X):
    ctypes.string_at(0)

def sleeps(X):
    time.sleep(10_000)

def dawdles(X):
    time.sleep(1.5)

def nan(X):
    return np.nan

def make(behaviour):
    def fit(train, params, context):
        W = np.random.default_rng(0).normal(size=(train.X.shape[1], train.Y.shape[1])).astype(np.float32)
        first = np.array(train.X[0])

        def scorer(X):
            extra = behaviour(X) if (X[0] == first).all() else None
            return X @ W * params["x"] + (extra or 0)

        return scorer
    return fit

def suggest(trial):
    return {"x": trial.suggest_float("x", -1, 1)}

@hookimpl
def mlbench_models():
    for behaviour in (harmless, raises, sysexits, exits, segfaults, sleeps, dawdles, nan):
        yield ModelSpec(
            name=behaviour.__name__, summary=".", suggest=suggest, fit=make(behaviour), defaults={"x": 0.5}
        )
"""


def _mlbench(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlbench", *words],
        cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def _with_plugin(folder: Path) -> dict[str, str]:
    site = install(folder / "site", "mlbench-train-rows", PLUGIN)
    return {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])}


def _jobs(folder: Path) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """(record, curves) of each finished job, by model."""
    found = {}
    for path in (folder / "runs" / "jobs").glob("*/record.json"):
        body = json.loads(path.read_text())
        found[body["job"]["model"]] = body, json.loads((path.parent / CURVES).read_text())
    return found


# --------------------------------------------------------------------------------------- the curve
def _distinct(points: np.ndarray) -> np.ndarray:
    """Without repetitions of the point before."""
    return points[np.append(True, (np.diff(points, axis=0) != 0).any(axis=1))]


@patient
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 4), st.sampled_from([1, 2, 5, 10**9]))
def test_the_curve_is_scikit_learns(seed: int, n: int, k: int, levels: int) -> None:
    """Precision and recall equal scikit-learn's, point by point, ties and both ends included."""
    from sklearn.metrics import precision_recall_curve as theirs

    rng = np.random.default_rng(seed)
    Y = (rng.random((n, k)) < 0.4).astype(np.uint8)
    Y[0, 0] = 1
    scores = rng.integers(0, levels, (n, k)) / np.float64(levels)

    found = np.column_stack(precision_recall_curve(Y, scores))

    expected = np.column_stack(theirs(Y.ravel(), scores.ravel(), drop_intermediate=True)[:2])[::-1]
    np.testing.assert_allclose(found, _distinct(expected), rtol=0, atol=1e-15)
    assert found[0].tolist() == [1, 0]
    assert found[-1].tolist() == [Y.mean(), 1]


def test_a_curve_has_no_more_points_than_positives_need() -> None:
    """At most two points for each positive and two at the ends, however many entries there are."""
    rng = np.random.default_rng(0)
    Y = (rng.random((2000, 50)) < 0.001).astype(np.uint8)

    precision, recall = precision_recall_curve(Y, rng.random(Y.shape))

    assert len(precision) == len(recall) <= 2 * Y.sum() + 2


def test_a_curve_without_a_positive_is_refused() -> None:
    """Recall is a share of the positives: without any there is no curve."""
    with pytest.raises(ValueError, match="positive"):
        precision_recall_curve(np.zeros((3, 2)), np.zeros((3, 2)))


def test_a_kept_curve_is_thinned_and_its_figure_is_not() -> None:
    """At most 200 points of the whole curve, with its ends and evenly spaced in recall; the AP is of all."""
    Y = random_labels(0, 3000, 4)
    scores = np.random.default_rng(1).normal(size=Y.shape) + Y

    kept = curve(Y, scores)

    precision, recall = precision_recall_curve(Y, scores)
    whole = set(zip(precision.tolist(), recall.tolist(), strict=True))
    points = list(zip(kept["precision"], kept["recall"], strict=True))
    assert MOST_POINTS - 2 <= len(points) <= MOST_POINTS
    assert set(points) <= whole
    assert points[0] == (1.0, 0.0)
    assert points[-1] == (Y.mean(), 1.0)
    assert np.diff(kept["recall"]).min() >= 0
    assert np.diff(kept["recall"]).max() < 1.5 / MOST_POINTS
    assert kept["average_precision_micro"] == average_precision(Y, scores, "micro")


@pytest.mark.parametrize("n", [1, 7, MOST_ROWS, MOST_ROWS + 1, 123_456])
def test_rows_of_the_train_curve(n: int) -> None:
    """All rows, or 10,000 different ones spread over the whole of train."""
    rows = curve_rows(n)

    assert len(set(rows.tolist())) == len(rows) == min(n, MOST_ROWS)
    assert rows[0] == 0
    assert rows[-1] == n - 1


# --------------------------------------------------------------------------------------- the ledger
def test_curves_come_back_and_damage_is_noticed(tmp_path: Path) -> None:
    """What was written is read; a record without curves has None; a changed file is one line with the place."""
    ledger = Ledger(tmp_path)
    work = ledger.claim("a" * 32)
    curves = {"test": curve(np.array([[1, 0]]), np.array([[0.5, 0.25]]))}
    write_curves(work.path / CURVES, curves)
    kept = ledger.commit(work, record(id="a" * 32), (CURVES,))

    assert read_curves(ledger, kept) == curves
    assert read_curves(ledger, replace(kept, files={})) is None
    path = ledger.jobs / kept.id / CURVES
    path.write_text(path.read_text().replace("0", "1"))
    with pytest.raises(LedgerError, match=r"wrong checksum: delete .*a and run again"):
        read_curves(ledger, kept)
    path.unlink()
    with pytest.raises(LedgerError, match="No such file"):
        read_curves(ledger, kept)


@pytest.mark.parametrize("refit", ["train", "train+valid"])
def test_a_job_keeps_curves_of_train_valid_and_test(tmp_path: Path, refit: str) -> None:
    """Each ok job has curves.json, hashed in its record; figures are those of the record, train's of train."""
    ended = _mlbench("run", "-m", "ridge", "--n-trials", "2", "--limit", "100", "--refit", refit, cwd=tmp_path)

    assert ended.returncode == 0, ended.stderr
    data = load_demo().limited(100)
    assert set(_jobs(tmp_path)) == {"ridge", "prior"}
    for body, curves in _jobs(tmp_path).values():
        assert list(curves) == ["train", "valid", "test"]
        assert CURVES in body["files"]
        assert "scores-train.npy" in body["files"]
        for part in ("valid", "test"):
            assert curves[part]["average_precision_micro"] == body["metrics"][part]["average_precision_micro"]
        assert curves["train"]["recall"][-1] == 1
        share = curves["train"]["precision"][-1]
        assert share == pytest.approx(data.train.Y.mean())
    assert _jobs(tmp_path)["ridge"][1]["train"]["average_precision_micro"] > 0.9


@pytest.mark.parametrize("refit", ["train", "train+valid"])
def test_train_rows_that_cannot_be_scored_cost_nothing(tmp_path: Path, refit: str) -> None:
    """A model that raises, dies, hangs or answers rubbish on train rows is as ok as another, without that curve."""
    bad = ("raises", "sysexits", "exits", "segfaults", "sleeps", "nan")
    models = [word for name in ("harmless", *bad) for word in ("-m", name)]

    ended = _mlbench(
        "run", *models, "--n-trials", "3", "--limit", "60", "--trial-timeout", "1", "--refit", refit,
        cwd=tmp_path, env=_with_plugin(tmp_path),
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    jobs = _jobs(tmp_path)
    assert list(jobs["harmless"][1]) == ["train", "valid", "test"]
    for name in bad:
        body, curves = jobs[name]
        assert list(curves) == ["valid", "test"], name
        assert (body["status"], body["n_trials"], body["n_trials_failed"]) == ("ok", 3, 0), name
        assert body["metrics"] == jobs["harmless"][0]["metrics"], name


@pytest.mark.parametrize("refit", ["train", "train+valid"])
def test_scoring_train_rows_is_in_no_timing(tmp_path: Path, refit: str) -> None:
    """Seconds of tuning, fitting and predicting are without those of the train curve."""
    ended = _mlbench(
        "run", "-m", "dawdles", "--n-trials", "2", "--limit", "60", "--refit", refit,
        cwd=tmp_path, env=_with_plugin(tmp_path),
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    body, curves = _jobs(tmp_path)["dawdles"]
    assert "train" in curves
    assert all(seconds < 1.4 for seconds in body["timings"].values()), body["timings"]


def test_the_train_curve_knows_no_test_label(tmp_path: Path) -> None:
    """Other test labels change the test curve alone."""
    rng = np.random.default_rng(0)
    for name, seed in (("one", 1), ("two", 2)):
        rng = np.random.default_rng(0)
        folder = tmp_path / name / "toy"
        folder.mkdir(parents=True)
        for part in ("train", "valid", "test"):
            np.save(folder / f"audio-{part}.npy", rng.normal(size=(50, 16)).astype(np.float32))
            np.save(folder / f"labels-{part}.npy", random_labels(seed if part == "test" else 0, 50, 3))
        ended = _mlbench("run", "toy", "-m", "ridge", "--n-trials", "2", cwd=tmp_path / name)
        assert ended.returncode == 0, ended.stderr

    one, two = (_jobs(tmp_path / name)["ridge"][1] for name in ("one", "two"))
    assert one["train"] == two["train"]
    assert one["valid"] == two["valid"]
    assert one["test"] != two["test"]
