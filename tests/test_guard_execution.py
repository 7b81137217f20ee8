"""Time, limits, durability and cancelling of jobs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from helpers import job_data, random_dataset, record, request

from mlbench.data.cache import read_job_data, write_data
from mlbench.data.complete import complete
from mlbench.data.dataset import Split
from mlbench.evaluation.evaluate import _tune_seconds
from mlbench.execution import features, supervisor, tuning, worker
from mlbench.execution.process import Ending
from mlbench.execution.scheduler import _Run
from mlbench.execution.worker_request import CURVE, EXIT_DISK, FeaturesRequest, WorkerRequest
from mlbench.metrics import METRICS
from mlbench.plugins.specs import FeatureSpec, FitContext, ModelSpec
from mlbench.results.ledger import Ledger
from mlbench.results.outcome import OUTCOME, Outcome, write_outcome
from mlbench.results.schema import Budget
from mlbench.results.trial_log import TrialLog, TrialRecord


def _trial(number: int = 0, **more: Any) -> TrialRecord:
    return TrialRecord(number=number, **{"state": "COMPLETE", "value": 0.5, "seconds": 1.0, **more})


# ---------------------------------------------------------------------------------------- processes
def test_a_child_dumps_no_core_and_has_its_limit_of_memory() -> None:
    """Neither the soft nor the hard limit lets a process write a core dump or take more memory."""
    code = (
        "import resource as r\nfrom mlbench.execution.process import limit_memory\nlimit_memory(1 << 31)\n"
        "print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_DATA))\n"
        "try:\n    bytearray(1 << 32)\nexcept MemoryError:\n    print('refused')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stdout.split("\n")[:2] == [f"(0, 0) {(1 << 31, 1 << 31)}", "refused"]


def test_scores_are_on_disk_before_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores of the best trial are synced, with the name of the file, before the log tells of the trial."""
    seen = []
    path = tmp_path / "best-valid-0.npy"
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(path.exists()))

    worker.save_scores(path, np.zeros((2, 2)))

    assert seen == [False, True]


def test_features_are_fitted_on_train_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They see the rows and labels of train, and no context but seed and threads; all rows are transformed."""
    dataset = complete(random_dataset())
    write_data(dataset, tmp_path / "data")
    seen: list[tuple[Split, FitContext]] = []

    def fit(train: Split, context: FitContext) -> Any:
        seen.append((train, context))
        return lambda X: 2 * X

    monkeypatch.setattr(features, "load_features", lambda *_: FeatureSpec(name="f", summary="s", fit=fit))
    outcome = features.compute(
        FeaturesRequest(
            source={"plugin": "p", "version": "1", "entry_point": "p"}, features="f", data=str(tmp_path / "data"),
            target=str(tmp_path / "target"), work=str(tmp_path), threads=3, library_threads=1, budget=Budget(),
        )
    )  # fmt: skip
    [(train, context)] = seen
    found = read_job_data(tmp_path / "data", tmp_path / "target")

    assert outcome.status == "ok"
    assert np.array_equal(train.X, dataset.train.X)
    assert np.array_equal(train.Y, dataset.train.Y)
    assert (context.seed, context.threads, context.valid) == (0, 3, None)
    assert np.array_equal(found.valid.X, 2 * dataset.valid.X)
    assert np.array_equal(found.X_test, 2 * dataset.test.X)


# ------------------------------------------------------------------------------------- time accounting
def test_a_resumed_job_has_the_time_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seconds of all logged trials are taken off the time for tuning, down to none."""
    granted = []

    def ends(order: WorkerRequest, work: Path) -> Ending:
        granted.append(order.seconds_left)
        write_outcome(work / OUTCOME, Outcome(status="ok"))
        return Ending(kind="exit", code=0, last={"phase": "final"})

    monkeypatch.setattr(supervisor, "_one_process", ends)
    log = TrialLog(tmp_path / "study.jsonl")
    for number, seconds in enumerate((20.0, 40.0, 90.0)):
        outcome = supervisor.supervise(request(tmp_path, timeout=100))
        assert outcome.status == "ok"
        assert outcome.wall_seconds is not None
        log.append(_trial(number, seconds=seconds))
    supervisor.supervise(request(tmp_path, timeout=100))

    assert granted == pytest.approx([100, 80, 40, 0], abs=1)


def test_a_trial_over_its_time_costs_its_time_and_the_study_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The killed trial is logged as failed with the time of a trial, under the next number."""
    endings = iter([Ending(kind="timeout", code=0, last={"phase": "trial", "number": 0}), None])

    def ends(order: WorkerRequest, work: Path) -> Ending:
        ending = next(endings)
        if ending is None:
            write_outcome(work / OUTCOME, Outcome(status="ok"))
            return Ending(kind="exit", code=0, last={"phase": "final"})
        return ending

    monkeypatch.setattr(supervisor, "_one_process", ends)
    outcome = supervisor.supervise(request(tmp_path, timeout=100, trial_timeout=7))
    [line] = TrialLog(tmp_path / "study.jsonl").read()

    assert outcome.status == "ok"
    assert (line.number, line.state, line.status, line.seconds) == (0, "FAIL", "timeout", 7)


def test_tuning_that_is_over_leaves_the_best_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process killed at the end of all tuning time is followed by one that has no time left, and no failed trial."""
    TrialLog(tmp_path / "study.jsonl").append(_trial(seconds=0.01))
    granted = []

    def ends(order: WorkerRequest, work: Path) -> Ending:
        granted.append(order.seconds_left)
        if len(granted) == 1:
            time.sleep(0.2)
            return Ending(kind="timeout", code=0, last={"phase": "trial", "number": 1})
        write_outcome(work / OUTCOME, Outcome(status="ok"))
        return Ending(kind="exit", code=0, last={"phase": "final"})

    monkeypatch.setattr(supervisor, "_one_process", ends)
    monkeypatch.setattr(supervisor, "grace", lambda budget: 0.0)
    outcome = supervisor.supervise(request(tmp_path, timeout=0.1, trial_timeout=50))

    assert outcome.status == "ok"
    assert granted[1:] == [0.0]
    assert len(TrialLog(tmp_path / "study.jsonl").read()) == 1


@pytest.mark.parametrize("phase", ["start", "prepare", "final", "trial"])
def test_a_phase_that_hangs_without_a_trial_is_a_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    """There is nothing to fall back to, so that the job ends."""
    monkeypatch.setattr(supervisor, "_one_process", lambda *_: Ending(kind="timeout", code=0, last={"phase": phase}))
    monkeypatch.setattr(supervisor, "grace", lambda budget: -1000.0)

    assert supervisor.supervise(request(tmp_path)).status == "timeout"


def test_the_train_curve_is_given_up_once_and_a_full_disk_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash while train is scored costs the curve alone; the exit code of a full disk is believed the second time."""
    wanted = []
    endings = [("signal", 9), ("exit", EXIT_DISK), ("exit", EXIT_DISK)]

    def ends(order: WorkerRequest, work: Path) -> Ending:
        wanted.append(order.score_train)
        kind, code = endings[len(wanted) - 1]
        return Ending(kind=kind, code=code, last={"phase": CURVE})  # type: ignore[arg-type]

    monkeypatch.setattr(supervisor, "_one_process", ends)
    outcome = supervisor.supervise(request(tmp_path))

    assert (wanted, outcome.status) == ([True, False, False], "killed")


def test_what_an_earlier_process_said_is_not_taken_for_this_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends without an outcome of its own has none, whatever lies in its folder."""
    write_outcome(tmp_path / OUTCOME, Outcome(status="ok"))
    ending = Ending(kind="exit", code=0, last={"phase": "final"})
    monkeypatch.setattr(supervisor.process, "run_child", lambda argv, **how: ending)

    outcome = supervisor.supervise(request(tmp_path))

    assert (outcome.status, outcome.error) == (
        "killed", "the process exited with code 0 while fitting the final model",
    )  # fmt: skip


@pytest.mark.parametrize(("phase", "end"), [("prepare", 5), ("trial", 5), ("final", 30), ("curve", 30), ("start", 30)])
def test_deadlines_of_phases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, end: float) -> None:
    """Preparing and trials end with the tuning time, other phases have the time of a trial; grace comes on top."""
    found = []

    def child(argv: list[str], **how: Any) -> Ending:
        now = time.monotonic()
        found.append(how["deadline"]({"phase": phase}, now) - now)
        return Ending(kind="exit", code=0, last={})

    monkeypatch.setattr(supervisor.process, "run_child", child)
    asked = request(tmp_path, timeout=100, trial_timeout=30)
    supervisor._one_process(replace(asked, seconds_left=5.0), tmp_path)

    assert found == [pytest.approx(end + 2 + 3, abs=0.5)]


def test_the_fit_of_the_final_model_is_counted_once() -> None:
    """Without a refit the final model is the best trial's own, whose fit is no part of tuning then."""
    key = record().job
    best = _trial(1, seconds=10.0, fit_seconds=4.0)
    trials = [_trial(0, seconds=5.0, fit_seconds=3.0), best]

    assert _tune_seconds(replace(key, refit_on_both=False), trials, best) == 11
    assert _tune_seconds(replace(key, refit_on_both=True), trials, best) == 15
    assert _tune_seconds(key, trials, None) == 15


# -------------------------------------------------------------------------------------------- tuning
@pytest.mark.parametrize("metric", ["average_precision_micro", "hamming_loss"])
def test_the_study_goes_in_the_direction_of_its_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    """Sampler and pruner look for less of a loss, and for more of a precision."""
    studies = []
    make = optuna.create_study

    def create(**how: Any) -> optuna.Study:
        studies.append(make(**how))
        return studies[-1]

    monkeypatch.setattr(tuning.optuna, "create_study", create)

    def fit(prepared: Any, params: Any, context: FitContext) -> Any:
        return lambda X: np.asarray(X)[:, :3]

    spec = ModelSpec(name="m", summary="x", defaults={}, fit=fit)
    tuning.tune(
        spec, job_data(random_dataset()), FitContext(seed=0, threads=1, device="cpu"),
        Budget(n_trials=1, metric=metric),
        TrialLog(tmp_path / "log"), deadline=time.monotonic() + 60, on_trial=lambda n: None,
        on_best=lambda *_: 0.0, prepared=None,
    )  # fmt: skip

    assert studies[0].direction.name.lower() == METRICS[metric].direction


# ------------------------------------------------------------------------------------------ fail fast
class _Waiting(Executor):
    """An executor that only ever keeps futures."""


@pytest.mark.parametrize(
    ("fail_fast", "status", "cancelled"), [(True, "failed", 2), (True, "ok", 0), (False, "failed", 0)]
)
def test_fail_fast_cancels_what_has_not_started(tmp_path: Path, fail_fast: bool, status: str, cancelled: int) -> None:
    """After the first row that is not ok, whatever waits is cancelled; otherwise nothing is."""
    run = _Run(_Waiting(), Ledger(tmp_path), lambda *_: None, 1, lambda *_: None, fail_fast)  # type: ignore[arg-type,return-value]
    waiting: list[Future[Outcome]] = [Future(), Future()]
    run.pending = dict.fromkeys(waiting)  # type: ignore[assignment,arg-type]
    run.records = {"a": record(status=status, error=None if status == "ok" else "no")}

    run.collect(block=False)

    assert sum(future.cancelled() for future in waiting) == cancelled
