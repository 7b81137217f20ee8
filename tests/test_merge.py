"""Runs of several machines are joined: each job once, conflicts and damage named, safe to kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import call, record, restamp

from mlbench.errors import LedgerError, UsageError
from mlbench.results.ledger import Ledger, read_record
from mlbench.results.merge import _same_curves, differences, merge
from mlbench.results.schema import Environment, Timings

N_JOBS = 6


def _tree(root: Path) -> dict[str, bytes]:
    """The finished jobs, file by file."""
    return {str(path.relative_to(root)): path.read_bytes() for path in (root / "jobs").rglob("*") if path.is_file()}


def _copy(finished: Path, to: Path, some: slice = slice(None)) -> Path:
    """A runs folder with some of the jobs."""
    for folder in Ledger(finished / "runs").folders()[some]:
        shutil.copytree(folder, to / "jobs" / folder.name)
    return to


def _job(root: Path, model: str = "ridge") -> Path:
    return next(path for path in Ledger(root).folders() if read_record(path).job.model == model)


def test_two_halves_are_the_whole(finished: Path, tmp_path: Path) -> None:
    """Merging two half runs gives the ledger and the board of the whole run, byte for byte; sources stay."""
    one, two = _copy(finished, tmp_path / "a", slice(0, 3)), _copy(finished, tmp_path / "b", slice(3, None))
    before = _tree(one), _tree(two)

    code, out, err = call("merge", one, two, "-o", tmp_path / "all")

    assert (code, err) == (0, "")
    assert out == f"jobs: {N_JOBS} merged into {tmp_path / 'all'}, 0 already there with the same results\n"
    assert _tree(tmp_path / "all") == _tree(finished / "runs")
    assert list((tmp_path / "all" / "work").iterdir()) == []
    board = (finished / "leaderboards" / "demo-limit-60.csv").read_text()
    assert call("leaderboard", "--format", "csv", "--runs", tmp_path / "all") == (0, board, "")
    assert (_tree(one), _tree(two)) == before


def test_a_second_merge_changes_nothing(finished: Path, tmp_path: Path) -> None:
    """What is there is not written again, the target itself among the sources or not."""
    target = _copy(finished, tmp_path / "a")
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}

    again = merge([finished / "runs", finished / "runs"], target)
    with_itself = merge([target, finished / "runs"], target)

    assert (again.merged, again.there) == (0, N_JOBS)
    assert (with_itself.merged, with_itself.there) == (0, 2 * N_JOBS)
    assert not again.conflicts + again.damaged + with_itself.conflicts + with_itself.damaged
    after = {
        path: path.stat().st_mtime_ns for path in target.rglob("*") if target / "work" not in [path, *path.parents]
    }
    assert {path: time for path, time in after.items() if path in before and path != target} == {
        path: time for path, time in before.items() if path != target
    }


def test_what_depends_on_the_machine_may_differ(finished: Path, tmp_path: Path) -> None:
    """Timings, memory, environment, log, seconds of trials and a missing train curve are no conflict."""
    other = _copy(finished, tmp_path / "b")
    folder = _job(other)
    (folder / "log.txt").write_text("another machine")
    trials = (folder / "trials.csv").read_text().splitlines()
    cells = trials[1].split(",")
    trials[1] = ",".join([*cells[:5], "123.25", *cells[6:]])
    (folder / "trials.csv").write_text("\n".join(trials) + "\n")
    curves = json.loads((folder / "curves.json").read_text())
    del curves["train"]
    (folder / "curves.json").write_text(json.dumps(curves, indent=1) + "\n")
    restamp(folder, timings=Timings(tune_seconds=9.0), peak_memory_mb=1.0, environment=Environment(cpus=99))

    result = merge([finished / "runs", other], tmp_path / "all")

    assert (result.merged, result.there, result.conflicts, result.damaged) == (N_JOBS, N_JOBS, [], [])
    assert _tree(tmp_path / "all") == _tree(finished / "runs")


def test_a_metric_that_one_version_lacks_is_no_conflict(finished: Path, tmp_path: Path) -> None:
    """A record of a version that knew fewer metrics agrees with one that knows more; the first is kept."""
    other = _copy(finished, tmp_path / "b")
    folder = _job(other)
    record = read_record(folder)
    fewer = {name: value for name, value in record.metrics["test"].items() if name != "f1_macro"}
    restamp(folder, metrics={**record.metrics, "test": fewer})

    result = merge([finished / "runs", other], tmp_path / "all")

    assert (result.merged, result.there, result.conflicts) == (N_JOBS, N_JOBS, [])


@pytest.mark.parametrize("what", ["scores-test.npy", "trials.csv", "curves.json", "record.json (status", "record.json"])
def test_other_results_are_a_conflict(finished: Path, tmp_path: Path, what: str) -> None:
    """A job with other results: one line with model, data, id, folders and files; the first stays; exit 3."""
    other = _copy(finished, tmp_path / "b")
    folder = _job(other)
    if what == "scores-test.npy":
        np.save(folder / what, np.load(folder / what, allow_pickle=False) + 1, allow_pickle=False)
    elif what == "trials.csv":
        (folder / what).write_text((folder / what).read_text().replace("COMPLETE", "PRUNED", 1))
    elif what == "curves.json":
        curves = json.loads((folder / what).read_text())
        curves["train"]["recall"][1] = 0.123
        (folder / what).write_text(json.dumps(curves))
    record = restamp(folder, **({"status": "failed"} if "status" in what else {}))
    if what == "record.json":
        metrics = {**record.metrics, "test": {**record.metrics["test"], "f1_macro": 0.5}}
        restamp(folder, metrics=metrics)
        what = "record.json (metrics)"

    code, out, err = call("merge", finished / "runs", other, "-o", tmp_path / "all")

    assert code == 3
    (line,) = err.splitlines()
    first = finished / "runs" / "jobs" / folder.name
    assert line.startswith(f"ridge on demo-limit-60, {folder.name}: {first} and {folder} differ in {what}")
    assert line.endswith(f"kept {first}")
    assert "1 with different results" in out
    assert _tree(tmp_path / "all") == _tree(finished / "runs")


@pytest.mark.parametrize("name", ["record.json", "scores-test.npy", "log.txt", "lost", "no record"])
def test_a_damaged_job_is_not_merged(finished: Path, tmp_path: Path, name: str) -> None:
    """A job whose checksum does not fit is named and left where it is; the others are merged; exit 3."""
    source = _copy(finished, tmp_path / "a")
    folder = _job(source)
    if name == "lost":
        (folder / (name := "per_label.csv")).unlink()
    elif name == "no record":
        (folder / (name := "record.json")).unlink()
    else:
        whole = bytearray((folder / name).read_bytes() or b"x")
        whole[len(whole) // 2] ^= 1
        (folder / name).write_bytes(whole)
    before = _tree(source)

    code, out, err = call("merge", source, "-o", tmp_path / "all")

    assert code == 3
    assert [line for line in err.splitlines() if f"{folder / name}: " in line and line.endswith(": skipped")]
    assert len(err.splitlines()) == 1
    assert f"{N_JOBS - 1} merged" in out
    assert "1 damaged" in out
    assert folder.name not in [path.name for path in Ledger(tmp_path / "all").folders()]
    assert _tree(source) == before
    assert sorted(path.name for path in (source / "jobs").iterdir()) == sorted({Path(file).parts[1] for file in before})


def test_a_damaged_job_of_the_target_is_replaced(finished: Path, tmp_path: Path) -> None:
    """A damaged job in the target is named and put aside, and a whole one takes its place."""
    target = _copy(finished, tmp_path / "all")
    folder = _job(target)
    (folder / "scores-test.npy").write_bytes(b"")

    code, _, err = call("merge", finished / "runs", "-o", target)

    assert code == 3
    assert f"{folder / 'scores-test.npy'}: " in err
    assert (folder / "scores-test.npy").read_bytes()
    assert len(list(target.glob(f"jobs/{folder.name}.corrupt-*"))) == 1


def test_a_job_that_changes_while_it_is_copied_is_not_merged(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that is not what the record says is an error that names the file, and nothing gets into the ledger."""
    one = _copy(finished, tmp_path / "a", slice(0, 1))

    def cut(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:-1])

    monkeypatch.setattr("mlbench.results.merge.shutil.copyfile", cut)
    with pytest.raises(LedgerError, match=r"changed while it was copied: run again"):
        merge([one], tmp_path / "all")

    assert not list((tmp_path / "all").glob("jobs/*"))


def test_what_a_killed_run_left_in_the_target_is_removed(finished: Path, tmp_path: Path) -> None:
    """A job that is there already is tidied up as a run would do it; that of a source is left alone."""
    target, source = (_copy(finished, tmp_path / name, slice(0, 1)) for name in ("all", "a"))
    for root in (target, source):
        (Ledger(root).folders()[0] / "study.jsonl").write_text("left by a kill")

    result = merge([source], target)

    assert (result.there, result.conflicts, result.damaged) == (1, [], [])
    assert not list(target.glob("jobs/*/study.jsonl"))
    assert list(source.glob("jobs/*/study.jsonl"))


@pytest.mark.parametrize(
    ("lacking", "alike"), [((), True), (("train",), True), (("valid",), False), (("train", "test"), False)]
)
def test_only_the_train_curve_may_be_missing(lacking: tuple[str, ...], alike: bool) -> None:
    """It is left out where it would take too long; the others are there always, and the same."""
    curves = {part: {"recall": [0.0, 1.0]} for part in ("train", "valid", "test")}
    fewer = {part: curve for part, curve in curves.items() if part not in lacking}

    assert _same_curves(curves, fewer) is _same_curves(fewer, curves) is alike
    assert not _same_curves(curves, {**curves, "train": {"recall": [0.5]}})


def test_a_record_of_schema_1_may_lack_what_was_added_later(tmp_path: Path) -> None:
    """Replicates and the like are no conflict with a job of an older mlbench; between two of today they are."""
    new = record(replicates={"average_precision_micro": [0.5]}, n_trials_timed_out=1)
    old = replace(new, replicates={}, default_value=None, n_trials_timed_out=None)

    assert list(differences(tmp_path, replace(old, schema_version=1), tmp_path, new)) == []
    assert list(differences(tmp_path, old, tmp_path, new)) == [
        "record.json (replicates, default_value, n_trials_timed_out)"
    ]


def test_a_file_outside_of_the_job_is_not_copied(finished: Path, tmp_path: Path) -> None:
    """A record that names a file elsewhere is damaged, and so is a link."""
    source = _copy(finished, tmp_path / "a")
    (tmp_path / "secret").write_text("x")
    one, two = Ledger(source).folders()[:2]
    (one / "log.txt").unlink(missing_ok=True)
    (one / "log.txt").symlink_to(tmp_path / "secret")
    restamp(one)
    restamp(two, files={**read_record(two).files, "../../../secret": "0" * 64})

    result = merge([source], tmp_path / "all")

    assert result.merged == N_JOBS - 2
    assert len(result.damaged) == 2


def test_a_folder_without_jobs_is_refused(finished: Path, tmp_path: Path) -> None:
    """A source that is no runs folder: one line, exit 2, nothing written."""
    with pytest.raises(UsageError, match="not a runs folder"):
        merge([finished / "runs", tmp_path], tmp_path / "all")

    assert not (tmp_path / "all").exists()
    (tmp_path / "file").write_text("x")
    assert call("merge", finished / "runs", "-o", tmp_path / "file")[0] == 2


KILLED = """
import os, pathlib, shutil, signal, sys
from mlbench.results import ledger
from mlbench.results import merge as merging

left = int(sys.argv[3])

def dying(function):
    def call(*args, **more):
        global left
        left -= 1
        if left < 0:
            if function is shutil_copyfile:
                pathlib.Path(args[1]).write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **more)
    return call

shutil_copyfile = shutil.copyfile
shutil.copyfile = dying(shutil.copyfile)
ledger.sync = dying(ledger.sync)
pathlib.Path.rename = dying(pathlib.Path.rename)
pathlib.Path.unlink = dying(pathlib.Path.unlink)
merging.merge([pathlib.Path(sys.argv[1])], pathlib.Path(sys.argv[2]))
"""


@pytest.mark.parametrize("after", [0, 3, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 40, 60])
def test_a_killed_merge_is_run_again(finished: Path, tmp_path: Path, after: int) -> None:
    """Killed at any step, what is in the ledger is whole, and merging again gives the whole."""
    target = tmp_path / "all"
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(finished / "runs"), str(target), str(after)],
        env=os.environ, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL
    for folder in Ledger(target).folders():
        assert read_record(folder).files

    result = merge([finished / "runs"], target)

    assert not result.conflicts + result.damaged
    # An empty lock may be left of a kill between the rename and its removal.
    assert {name: data for name, data in _tree(target).items() if not name.endswith("/lock")} == _tree(
        finished / "runs"
    )
