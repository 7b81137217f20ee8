"""Nothing is lost: runs that are killed, run twice, or run side by side end in the same bytes."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from plugin_files import install

STUDY = """
import time
import numpy as np
from mlbench import ModelSpec, hookimpl

def suggest(trial):
    params = {"x": trial.suggest_float("x", -3, 3), "kind": trial.suggest_categorical("kind", ["a", "b"])}
    if params["kind"] == "b":
        params["extra"] = trial.suggest_float("extra", 0, 1)
    return params

def fit(train, params, context):
    if params["x"] > 2.5:
        raise ValueError("x is too large for this model")
    rng = np.random.default_rng(context.seed)
    noise = rng.random((context.valid.Y.shape if context.valid else (1, 1)))
    weight = 1 / (1 + (params["x"] - 1) ** 2) + 0.1 * params.get("extra", 0)
    for step in range(1, 16):
        time.sleep(0.012)
        if context.valid is not None:
            context.report(step, weight * min(step, 12) / 12 * context.valid.Y + noise)
    context.refit_state["weight"] = weight
    W = np.random.default_rng(0).normal(size=(train.X.shape[1], train.Y.shape[1]))
    return lambda X: np.asarray(X @ W * weight, dtype=np.float64) + train.Y.mean(axis=0)

@hookimpl
def mlbench_models():
    for name in ("study-one", "study-two"):
        yield ModelSpec(name=name, summary="many outcomes", suggest=suggest, fit=fit, defaults={"x": 0.0, "kind": "a"})
"""
COMMAND = [sys.executable, "-m", "mlbench", "run", "-m", "study-one", "-m", "study-two", "--n-trials", "12"]
MEASURED = {"prepare_seconds", "tune_seconds", "fit_seconds", "predict_seconds", "peak_memory_mb"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which the plugin is installed."""
    site = install(tmp_path / "site", "mlbench-study", STUDY)
    return {**os.environ, "PYTHONPATH": str(site)}


def _finish(folder: Path, environment: dict[str, str], *more: str) -> None:
    folder.mkdir(exist_ok=True)
    subprocess.run(
        [*COMMAND, *more], cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=120
    )


def _rows(folder: Path) -> list[dict[str, str]]:
    """The CSV apart from durations and memory."""
    with (folder / "leaderboards" / "demo.csv").open() as file:
        return [{name: cell for name, cell in row.items() if name not in MEASURED} for row in csv.DictReader(file)]


def _trials(folder: Path) -> list[list[str]]:
    """All trials of all jobs apart from durations."""
    found = []
    for path in sorted((folder / "runs" / "jobs").glob("*/trials.csv")):
        with path.open() as file:
            found += [[cell for name, cell in row.items() if name != "seconds"] for row in csv.DictReader(file)]
    return found


def _curves(folder: Path) -> dict[str, bytes]:
    """The curves of all jobs, by job."""
    return {path.parent.name: path.read_bytes() for path in (folder / "runs" / "jobs").glob("*/curves.json")}


def _processes_of(folder: Path) -> list[bytes]:
    """Commands of living processes that work below ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in str((process / "cwd").readlink()):
                found.append((process / "cmdline").read_bytes())
        except OSError:
            continue
    return found


def test_a_second_run_runs_nothing_and_leaves_the_same_bytes(tmp_path: Path, environment: dict[str, str]) -> None:
    """What is in the ledger is not run again; no file changes."""
    _finish(tmp_path, environment)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    times = {path: path.stat().st_mtime_ns for path in before}

    _finish(tmp_path, environment)

    after = {
        path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    }
    assert {path: data for path, data in before.items() if "__pycache__" not in str(path)} == after
    assert all(path.stat().st_mtime_ns == times[path] for path in after)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_killed_runs_end_in_the_same_board(tmp_path: Path, environment: dict[str, str], jobs: str) -> None:
    """SIGKILL at random moments, started again each time: the board and every trial as without kills."""
    _finish(tmp_path / "calm", environment)
    (tmp_path / "rough").mkdir()
    rng = random.Random(int(jobs))
    deadline = time.monotonic() + 150
    kills = 0
    for _ in range(int(os.environ.get("MLBENCH_KILLS", "8"))):
        process = subprocess.Popen(
            [*COMMAND, "-j", jobs], cwd=tmp_path / "rough", env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(timeout=rng.uniform(0.6, 2.5))
            break
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        assert time.monotonic() < deadline
    _finish(tmp_path / "rough", environment, "-j", jobs)

    assert kills > 0
    assert _rows(tmp_path / "rough") == _rows(tmp_path / "calm")
    assert _trials(tmp_path / "rough") == _trials(tmp_path / "calm")
    assert _curves(tmp_path / "rough") == _curves(tmp_path / "calm")
    assert all(b'"train"' in data for data in _curves(tmp_path / "calm").values())
    assert list((tmp_path / "rough" / "runs" / "work").iterdir()) == []


def test_two_runs_on_one_folder_do_not_hurt_each_other(tmp_path: Path, environment: dict[str, str]) -> None:
    """Two commands at once on one ledger give the board of one."""
    _finish(tmp_path / "alone", environment)
    (tmp_path / "both").mkdir()
    processes = [
        subprocess.Popen(
            COMMAND, cwd=tmp_path / "both", env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=120) for process in processes]

    assert [process.returncode for process in processes] == [0, 0], ended
    assert _rows(tmp_path / "both") == _rows(tmp_path / "alone")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_says_how_to_go_on(tmp_path: Path, environment: dict[str, str], jobs: str) -> None:
    """Ctrl-C ends with exit code 130, one line, and no process left; the next run goes on."""
    process = subprocess.Popen(
        [*COMMAND, "-j", jobs], cwd=tmp_path, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    end = time.monotonic() + 60
    while not list((tmp_path / "runs" / "work").glob("*/study.jsonl")):
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 130, errors
    assert "run the same command again" in errors
    assert "Traceback" not in errors
    end = time.monotonic() + 5
    while left := _processes_of(tmp_path):
        assert time.monotonic() < end, left
        time.sleep(0.1)
    _finish(tmp_path, environment)
    assert {row["status"] for row in _rows(tmp_path)} == {"ok"}


def test_a_damaged_record_is_put_aside_and_run_again(tmp_path: Path, environment: dict[str, str]) -> None:
    """A record with a flipped byte is not believed: its job runs again, the board is the same."""
    _finish(tmp_path, environment)
    rows = _rows(tmp_path)
    record = sorted((tmp_path / "runs" / "jobs").glob("*/record.json"))[0]
    data = bytearray(record.read_bytes())
    data[len(data) // 2] ^= 1
    record.write_bytes(data)

    _finish(tmp_path, environment)

    assert _rows(tmp_path) == rows
    assert len(list((tmp_path / "runs" / "jobs").glob("*.corrupt-*"))) == 1
