"""Plugins that misbehave, as installed distributions in real processes."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plugin_files import install

BAD = """
import ctypes, os, signal, sys, time
import numpy as np
from mlbench import ModelSpec, hookimpl

def zeros(X, k):
    return np.zeros((X.shape[0], k))

def raises(X, k):
    raise RuntimeError("first line\\nsecond line")

def sleeps(X, k):
    time.sleep(10_000)

def spins(X, k):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    while True:
        pass

def exits(X, k):
    os._exit(3)

def exits_cleanly(X, k):
    os._exit(0)

def sysexits(X, k):
    sys.exit(0)

def segfaults(X, k):
    ctypes.string_at(0)

def allocates(X, k):
    return np.ones(int(100e9 / 8))

def nan(X, k):
    return zeros(X, k) * np.nan

def shape(X, k):
    return np.zeros((X.shape[0], k + 1))

def a_list(X, k):
    return zeros(X, k).tolist()

def strings(X, k):
    return zeros(X, k).astype(str)

def imports(X, k):
    import no_such_library

def prints(X, k):
    print("noise" * 1000)
    os.write(1, b"raw noise")
    return zeros(X, k)

def forks(X, k):
    if os.fork() == 0:
        time.sleep(10_000)
    return zeros(X, k)

def closes(X, k):
    os.closerange(3, 100)
    return zeros(X, k)

def spec(act):
    def fit(train, params, context):
        return lambda X: act(X, train.Y.shape[1])
    return ModelSpec(
        name="bad-" + act.__name__, summary="misbehaves", fit=fit,
        suggest=lambda trial: {"x": trial.suggest_float("x", 0, 1)}, defaults={"x": 0.5},
    )

@hookimpl
def mlbench_models():
    for act in (raises, sleeps, spins, exits, exits_cleanly, sysexits, segfaults, allocates, nan, shape, a_list,
                strings, imports, prints, forks, closes):
        yield spec(act)
"""
EXPECTED = {
    "raises": ("failed", "RuntimeError: first line second line (all 2 trials failed)"),
    "sleeps": ("timeout", "no trial finished within --timeout 3s"),
    "spins": ("timeout", "no trial finished within --timeout 3s"),
    "exits": ("killed", "the process exited with code 3 in trial 0"),
    "exits_cleanly": ("killed", "the process exited with code 0 in trial 0"),
    "sysexits": ("failed", "SystemExit: 0 (all 2 trials failed)"),
    "segfaults": (
        "killed",
        "the process was killed by SIGSEGV in trial 0: a fault in native code, or an allocation that --memory-limit "
        "refused",
    ),
    "allocates": ("out_of_memory", "MemoryError: Unable to allocate 93.1 GiB"),
    "nan": ("invalid_scores", "scores are NaN or infinite, the first at row 0, label 0"),
    "shape": ("invalid_scores", "expected ("),
    "a_list": ("invalid_scores", "scores are a list, expected a numpy array"),
    "strings": ("invalid_scores", "expected floats"),
    "imports": ("import_error", "No module named 'no_such_library'"),
    "prints": ("ok", ""),
    "forks": ("ok", ""),
    "closes": ("ok", ""),
}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The board of a run of all bad plugins beside the floor, by model; the run's ending is checked here."""
    folder = tmp_path_factory.mktemp("bad")
    site = install(folder / "site", "mlbench-bad", BAD)
    models = [word for name in EXPECTED for word in ("-m", f"bad-{name}")]
    limits = ["--n-trials", "2", "--timeout", "3s", "--memory-limit", "2G", "-j", "2"]
    start = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "mlbench", "run", *models, *limits],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert "noise" not in ended.stdout + ended.stderr
    assert time.monotonic() - start < 120
    _no_process_is_left(folder)
    with (folder / "leaderboards" / "demo.csv").open() as file:
        return {row["model"]: row for row in csv.DictReader(file)}


def _no_process_is_left(folder: Path) -> None:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        assert str(folder).encode() not in command, command


@pytest.mark.parametrize("name", EXPECTED)
def test_each_misdeed_is_a_row_with_its_status(board: dict[str, dict[str, str]], name: str) -> None:
    """Whatever a plugin does becomes a row with the right status and a one-line error."""
    status, error = EXPECTED[name]

    row = board[f"bad-{name}"]

    assert row["status"] == status
    assert error in row["error"]
    assert "\n" not in row["error"]


def test_the_log_has_the_traceback(tmp_path: Path) -> None:
    """What a plugin's author needs, where it was raised, is in the job's log, and the command says where that is."""
    code = """
    from mlbench import ModelSpec, hookimpl

    def fit(train, params, context):
        raise RuntimeError("on purpose")

    @hookimpl
    def mlbench_models():
        yield ModelSpec(name="raises", summary="s", fit=fit)
    """
    site = install(tmp_path / "site", "mlbench-raises", code)

    ended = subprocess.run(
        [sys.executable, "-m", "mlbench", "run", "-m", "raises"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert ended.returncode == 1
    (log,) = [word for word in ended.stderr.replace(";", " ").split() if word.endswith("log.txt")]
    assert 'raise RuntimeError("on purpose")' in (tmp_path / log).read_text()


def test_the_others_finish(board: dict[str, dict[str, str]]) -> None:
    """The floor is scored and ranked beside all of them."""
    assert board["prior"]["status"] == "ok"
    assert board["prior"]["rank"] in ("1", "2", "3", "4")  # the three that end well score as any constant does


BAD_FEATURES = """
import ctypes, os, time
import numpy as np
from mlbench import FeatureSpec, hookimpl

def sleeps(train, context):
    time.sleep(10_000)

def exits(train, context):
    os._exit(3)

def segfaults(train, context):
    ctypes.string_at(0)

def allocates(train, context):
    np.ones(100 << 27)

@hookimpl
def mlbench_features():
    for act in (sleeps, exits, segfaults, allocates):
        yield FeatureSpec(name=act.__name__, summary="misbehaves", fit=act)
"""
EXPECTED_OF_FEATURES = {
    "sleeps": ("timeout", "ran over 2s: raise --trial-timeout"),
    "exits": ("killed", "the process exited with code 3 while computing features"),
    "segfaults": (
        "killed",
        "the process was killed by SIGSEGV while computing features: a fault in native code, or an allocation that "
        "--memory-limit refused",
    ),
    "allocates": ("out_of_memory", "MemoryError: Unable to allocate 100. GiB"),
}


@pytest.fixture(scope="module")
def board_of_features(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The rows of a run of ridge on all bad features beside raw; the run's ending is checked here."""
    folder = tmp_path_factory.mktemp("bad-features")
    site = install(folder / "site", "mlbench-badfeatures", BAD_FEATURES)
    features = [word for name in (*EXPECTED_OF_FEATURES, "raw") for word in ("-f", name)]
    start = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "mlbench", "run", "demo", "-m", "ridge", *features, "--trial-timeout", "2s", "-j", "2"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert time.monotonic() - start < 60
    _no_process_is_left(folder)
    with (folder / "leaderboards" / "demo.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", EXPECTED_OF_FEATURES)
def test_each_misdeed_of_features_is_a_row_with_its_status(board_of_features: list[dict[str, str]], name: str) -> None:
    """Whatever the features do becomes a row of their jobs with the right status and an error that names them."""
    status, error = EXPECTED_OF_FEATURES[name]

    (row,) = [row for row in board_of_features if row["features"] == name and row["model"] == "ridge"]

    assert row["status"] == status
    assert row["error"].startswith(f"features '{name}': {error}")
    assert "\n" not in row["error"]


def test_jobs_on_other_features_finish(board_of_features: list[dict[str, str]]) -> None:
    """The jobs that do not need the bad features end as if these were not there, the baseline in any case."""
    others = {(row["model"], row["features"]): row["status"] for row in board_of_features if row["status"] == "ok"}

    assert others == {("ridge", "raw"): "ok", ("prior", "sleeps"): "ok"}
    assert len(board_of_features) == 2 + len(EXPECTED_OF_FEATURES)


def test_a_trial_that_hangs_costs_a_trial_not_the_study(tmp_path: Path) -> None:
    """A trial over --trial-timeout is one failed trial; the study goes on and the row is ok."""
    code = """
    import time
    import numpy as np
    from mlbench import ModelSpec, hookimpl

    def fit(train, params, context):
        if params["x"] == 0.5:
            time.sleep(10_000)
        return lambda X: np.tile(train.Y.mean(axis=0), (X.shape[0], 1))

    @hookimpl
    def mlbench_models():
        yield ModelSpec(name="first-hangs", summary="s", fit=fit, defaults={"x": 0.5},
                        suggest=lambda trial: {"x": trial.suggest_float("x", 0, 1)})
    """
    site = install(tmp_path / "site", "mlbench-hangs", code)

    ended = subprocess.run(
        [sys.executable, "-m", "mlbench", "run", "-m", "first-hangs", "--n-trials", "3", "--trial-timeout", "2s"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    with (tmp_path / "leaderboards" / "demo.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["model"] == "first-hangs")
    assert (row["n_trials"], row["n_trials_failed"], row["status"]) == ("3", "1", "ok")


def test_a_last_trial_that_hangs_leaves_what_was_used(tmp_path: Path) -> None:
    """When time is over in a trial that hangs, memory, versions and preparation are those of the trials before it."""
    code = """
    import time
    import numpy as np
    from mlbench import ModelSpec, hookimpl

    def prepare(train, context):
        time.sleep(0.5)
        return train

    def fit(train, params, context):
        if params["x"] != 0.5:
            print("hanging")
            time.sleep(10_000)
        import sklearn
        np.ones(40_000_000)
        return lambda X: np.tile(train.Y.mean(axis=0), (X.shape[0], 1))

    @hookimpl
    def mlbench_models():
        yield ModelSpec(name="last-hangs", summary="s", prepare=prepare, fit=fit, defaults={"x": 0.5},
                        suggest=lambda trial: {"x": trial.suggest_float("x", 0, 1)})
    """
    site = install(tmp_path / "site", "mlbench-last", code)

    words = ["-m", "last-hangs", "--refit", "train", "--n-trials", "3", "--timeout", "10s"]
    ended = subprocess.run(
        [sys.executable, "-m", "mlbench", "run", *words],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert "1 of 3 trials before the time limit" in ended.stderr
    records = [json.loads(path.read_text()) for path in tmp_path.glob("runs/jobs/*/record.json")]
    (record,) = [record for record in records if record["job"]["model"] == "last-hangs"]
    assert "hanging" in (tmp_path / "runs" / "jobs" / record["id"] / "log.txt").read_text()
    assert (record["status"], record["n_trials"]) == ("ok", 1)
    assert record["peak_memory_mb"] > 300
    assert record["timings"]["prepare_seconds"] > 0.4
    assert "sklearn" in record["environment"]["versions"]


def test_a_refit_knows_its_deadline(tmp_path: Path) -> None:
    """A model that uses all the time it has stops by itself at the refit, too: no tuned study is lost for it.

    Nor is it for preparing, which has its own time.
    """
    code = """
    import time
    import numpy as np
    from mlbench import ModelSpec, hookimpl

    def prepare(train, context):
        if context.valid is None:
            time.sleep(3)
        return train

    def fit(train, params, context):
        if context.valid is None:
            time.sleep(min(context.seconds_left - 0.5, 100))
        return lambda X: np.tile(train.Y.mean(axis=0), (X.shape[0], 1))

    @hookimpl
    def mlbench_models():
        yield ModelSpec(name="thorough", summary="s", prepare=prepare, fit=fit)
    """
    site = install(tmp_path / "site", "mlbench-thorough", code)

    words = ["-m", "thorough", "--refit", "train+valid", "--trial-timeout", "3s"]
    ended = subprocess.run(
        [sys.executable, "-m", "mlbench", "run", *words],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    with (tmp_path / "leaderboards" / "demo.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["model"] == "thorough")
    assert row["status"] == "ok"
    assert 5 < float(row["fit_seconds"]) < 10


CANARY = '''
import json, os, re
from pathlib import Path
import numpy as np
from mlbench import ModelSpec, hookimpl

HERE = Path(__file__).parent

def hits(complement, report):
    """Where memory holds the labels whose complement is given: memory is flipped in one fixed buffer."""
    buffer = bytearray(1 << 22)
    flipped = np.frombuffer(buffer, dtype=np.uint8)
    own = (flipped.ctypes.data, flipped.ctypes.data + len(buffer))
    found = 0
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps.read().splitlines():
            start, end, rights = re.match(r"(\\w+)-(\\w+) (\\S+)", line).groups()
            start, end = int(start, 16), int(end, 16)
            if "r" not in rights or "[v" in line:
                continue
            for at in range(start, end, len(buffer) - len(complement)):
                size = min(len(buffer), end - at)
                try:
                    memory.seek(at)
                    got = memory.readinto(memoryview(buffer)[:size])
                except (OSError, ValueError, OverflowError):
                    continue
                flipped[:got] ^= 1
                place = buffer.find(complement, 0, got)
                while place >= 0:
                    if not own[0] <= at + place < own[1]:
                        found += 1
                    place = buffer.find(complement, place + 1, got)
    return found

def fit(train, params, context):
    report = {"train": 0, "test": 0}
    for part in report:
        report[part] = hits((HERE / f"{part}.complement").read_bytes(), report)
    words = json.loads((HERE / "words.json").read_text())
    said = " ".join(Path("/proc/self/cmdline").read_text().split("\\0")) + json.dumps(dict(os.environ))
    report["said"] = [word for word in words if word in said]
    files = {os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")}
    files |= {line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if "/" in line}
    needle = (HERE / "test.complement").read_bytes()
    report["files"] = []
    for name in files:
        if os.path.isfile(name) and os.path.getsize(name) < 1 << 26:
            content = np.fromfile(name, dtype=np.uint8) ^ 1
            if content.tobytes().find(needle) >= 0:
                report["files"].append(name)
    (HERE / "report.json").write_text(json.dumps(report))
    return lambda X: np.tile(train.Y.mean(axis=0), (X.shape[0], 1))

@hookimpl
def mlbench_models():
    yield ModelSpec(name="canary", summary="looks for test labels", fit=fit)
'''


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_child_process_has_no_test_label(tmp_path: Path, jobs: str) -> None:
    """A plugin that searches memory, arguments, environment and open files finds train labels, never test's."""
    import json

    import numpy as np

    rng = np.random.default_rng(5)
    data = tmp_path / "secret"
    data.mkdir()
    site = install(tmp_path / "site", "mlbench-canary", CANARY)
    for part, rows in (("train", 200), ("valid", 50), ("test", 60)):
        Y = (rng.random((rows, 16)) < 0.4).astype(np.uint8)
        np.save(data / f"labels-{part}.npy", Y)
        np.save(data / f"audio-{part}.npy", rng.normal(size=(rows, 32)).astype(np.float32))
        (site / f"{part}.complement").write_bytes((1 - Y[:8]).tobytes())
    (site / "words.json").write_text(json.dumps([str(data), "secret", "labels-test"]))

    ended = subprocess.run(
        [sys.executable, "-m", "mlbench", "run", str(data), "-m", "canary", "-f", "raw", "-j", jobs],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr + ended.stdout
    report = json.loads((site / "report.json").read_text())
    assert report["train"] > 0, "the search must be able to find what is there"
    assert report["test"] == 0
    assert report["said"] == []
    assert report["files"] == []
