"""Jobs over executors that fail, cancel and are interrupted: nothing is lost in silence, nothing goes on running."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import origin, random_dataset, record

from mlbench.data.complete import complete
from mlbench.errors import LedgerError
from mlbench.execution import scheduler
from mlbench.execution.executors import InlineExecutor, SupervisingThreads, executor_for
from mlbench.execution.job import Job
from mlbench.execution.process import Stopped, run_child
from mlbench.execution.scheduler import Schedule, schedule
from mlbench.execution.worker_request import FeaturesRequest, WorkerRequest
from mlbench.plugins.catalog import CORE, PluginEntry
from mlbench.plugins.specs import FeatureSpec, ModelSpec
from mlbench.results.ledger import Ledger, WorkFolder
from mlbench.results.outcome import Outcome
from mlbench.results.schema import LOG, Record

Instead = Mapping[int, Callable[["Future[Any]"], object]]
LOST = "toy · raw · a · seed 1: {why}: run again to go on"


class KilledWorker(Exception):  # noqa: N818
    """What Dask says of a job whose workers died again and again; it knows nothing of ``BrokenExecutor``."""


class _Each(Executor):
    """Runs each call at once, but for those that are told otherwise by their number."""

    def __init__(self, instead: Instead) -> None:
        self.instead = instead
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """Return the future of the call, or do what is to be done instead."""
        future: Future[Any] = Future()
        self.futures.append(future)
        number = len(self.futures) - 1
        if number in self.instead:
            self.instead[number](future)
        else:
            future.set_result(fn(*args, **more))
        return future


def _jobs(n: int, features: str = "raw") -> list[Job]:
    """Jobs that differ by their seeds; ``raw`` needs no process for its features."""
    dataset = complete(random_dataset())
    spec = FeatureSpec(name=features, summary="s", fit=print)  # type: ignore[arg-type]
    model = PluginEntry(spec=ModelSpec(name="a", summary="s", fit=print), origin=origin())  # type: ignore[arg-type]
    chosen = PluginEntry(spec=spec, origin=origin(CORE) if features == "raw" else origin())
    return [Job(dataset=dataset, features=chosen, model=model, seed=seed) for seed in range(n)]


def _evaluate(job: Job, work: WorkFolder, outcome: Outcome) -> tuple[Record, tuple[str, ...]]:
    return record(id=job.id, seed=job.seed, status=outcome.status, error=outcome.error), ()


def _run(jobs: list[Job], executor: Executor, folder: Path, **more: Any) -> Schedule:
    return schedule(jobs, executor, Ledger(folder), _evaluate, threads=1, **more)


def _seeds(done: Schedule) -> list[int]:
    return [one.job.seed for one in done.records]


def _is_released(job: Job, folder: Path) -> bool:
    """Whether another process could go on with the job: its only work folder can be claimed."""
    (left,) = (folder / "work").glob(f"{job.id}.*")
    work = Ledger(folder).claim(job.id)
    work.release()
    return work.path == left


@pytest.fixture(autouse=True)
def supervised(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No job starts a process: each ends well at once; the seeds of those that were run."""
    seeds: list[int] = []

    def supervise(request: WorkerRequest) -> Outcome:
        seeds.append(request.seed)
        return Outcome(status="ok")

    monkeypatch.setattr(scheduler, "supervise", supervise)
    return seeds


# ----------------------------------------------------------------------------------- foreign executors
@pytest.mark.parametrize(
    ("instead", "why"),
    [
        (Future.cancel, "the executor cancelled it"),
        (lambda future: future.set_exception(BrokenExecutor()), "its worker process died"),
        (lambda future: future.set_exception(KilledWorker("tried\n4 workers")), "KilledWorker: tried 4 workers"),
    ],
)
def test_a_job_that_the_executor_loses_is_named(
    tmp_path: Path, instead: Callable[[Future[Any]], object], why: str
) -> None:
    """A job that was cancelled, or whose worker died, is lost in one line, and the others have their records."""
    jobs = _jobs(3)

    done = _run(jobs, _Each({1: instead}), tmp_path)

    assert done.lost == [LOST.format(why=why)]
    assert _seeds(done) == [0, 2]
    assert [one.id for one in Ledger(tmp_path).records()] == sorted([jobs[0].id, jobs[2].id])
    assert _is_released(jobs[1], tmp_path)
    assert _seeds(_run(jobs, InlineExecutor(), tmp_path)) == [0, 1, 2]


def test_an_executor_that_breaks_takes_no_more_jobs(tmp_path: Path) -> None:
    """A job that cannot even be submitted to a broken executor is lost in one line, and its folder is free."""

    def breaks(future: Future[Any]) -> None:
        raise BrokenExecutor

    jobs = _jobs(3)

    done = _run(jobs, _Each({1: breaks, 2: breaks}), tmp_path)

    why = "the executor takes no more jobs, since a worker process died"
    assert done.lost == [LOST.format(why=why), LOST.format(why=why).replace("seed 1", "seed 2")]
    assert _seeds(done) == [0]
    assert all(_is_released(job, tmp_path) for job in jobs[1:])


def test_an_executor_that_is_shut_down_by_others_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that still waited when someone else shut the executor down are lost, rather than waited for for ever."""
    executor = ThreadPoolExecutor(1)

    def supervise(request: WorkerRequest) -> Outcome:
        while executor._work_queue.qsize() < 2:
            time.sleep(0.01)
        executor.shutdown(wait=False, cancel_futures=True)
        return Outcome(status="ok")

    monkeypatch.setattr(scheduler, "supervise", supervise)
    found: list[Schedule] = []
    run = threading.Thread(target=lambda: found.append(_run(_jobs(3), executor, tmp_path)), daemon=True)
    run.start()
    run.join(timeout=20)

    (done,) = found
    assert _seeds(done) == [0]
    assert sorted(done.lost) == [
        LOST.format(why="the executor cancelled it").replace("seed 1", f"seed {seed}") for seed in (1, 2)
    ]


def test_all_jobs_on_lost_features_are_named(tmp_path: Path, supervised: list[int]) -> None:
    """If the executor loses features, each job that waited for them is lost in one line, and nothing is left."""

    def last(future: Future[Any]) -> None:
        threading.Timer(0.2, future.set_exception, [KilledWorker("gone")]).start()

    done = _run(_jobs(2, "log"), _Each({0: last}), tmp_path)

    assert done.lost == [
        "toy · log · a: KilledWorker: gone: run again to go on",
        "toy · log · a · seed 1: its features were lost: run again to go on",
    ]
    assert (done.records, supervised) == ([], [])
    assert [path.name for path in (tmp_path / "cache").glob("*/*")] == ["data"]


# ------------------------------------------------------------------------------------------------- ours
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_unexpected_exception_in_our_threads_is_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    """Executors of ours lose nothing, so an exception that nobody expects is shown rather than called a lost job."""

    def supervise(request: WorkerRequest) -> Outcome:
        raise ArithmeticError("a bug")

    monkeypatch.setattr(scheduler, "supervise", supervise)
    with executor_for(jobs) as executor, pytest.raises(ArithmeticError, match="a bug"):
        _run(_jobs(3), executor, tmp_path)


def test_a_full_disk_is_an_error_of_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the supervisor cannot write ends the run with what to do, under any executor, and the folder is free."""

    def supervise(request: WorkerRequest) -> Outcome:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scheduler, "supervise", supervise)
    jobs = _jobs(1)
    with pytest.raises(LedgerError, match="No space left on device: free some disk space and run again"):
        _run(jobs, InlineExecutor(), tmp_path)

    assert _is_released(jobs[0], tmp_path)


def test_fail_fast_starts_nothing_more(tmp_path: Path) -> None:
    """After a row that is not ok no job is submitted, those that wait are cancelled, and none of them is lost."""

    def ends_the_first(future: Future[Any]) -> None:
        executor.futures[0].set_result(Outcome(status="failed", error="on purpose"))

    executor = _Each({0: lambda future: None, 1: lambda future: None, 2: ends_the_first})
    jobs = _jobs(5)
    told: list[int] = []

    done = _run(jobs, executor, tmp_path, fail_fast=True, on_done=lambda job, one: told.append(job.seed))

    assert [(one.job.seed, one.status) for one in done.records] == [(0, "failed")]
    assert (done.lost, told) == ([], [0])
    assert [future.cancelled() for future in executor.futures] == [False, True, True]
    assert all(_is_released(job, tmp_path) for job in jobs[1:3])


def test_without_fail_fast_a_failed_row_stops_nothing(tmp_path: Path) -> None:
    """The jobs after a row that is not ok run all the same."""
    bad = Outcome(status="failed", error="on purpose")

    done = _run(_jobs(3), _Each({0: lambda future: future.set_result(bad)}), tmp_path)

    assert [one.status for one in done.records] == ["failed", "ok", "ok"]


def test_an_interrupt_kills_the_children_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When our threads are shut down as Ctrl-C does, a child that sleeps is killed, and its job can be resumed."""

    def supervise(request: WorkerRequest) -> Outcome:
        work = Path(request.work)
        code = "import os, pathlib, time; pathlib.Path('pid').write_text(f'{os.getpid()}\\n'); time.sleep(10_000)"
        run_child(
            [sys.executable, "-c", code],
            cwd=work, log=work / "log.txt", threads=1, cuda=False, deadline=lambda last, since: since + 1000,
        )  # fmt: skip
        raise AssertionError("the child ended by itself")

    monkeypatch.setattr(scheduler, "supervise", supervise)
    executor = SupervisingThreads(2)
    jobs = _jobs(3)
    stopped: list[float] = []

    def interrupt() -> None:
        while sum(path.read_text().endswith("\n") for path in tmp_path.glob("work/*/pid")) < 2:
            time.sleep(0.02)
        stopped.append(time.monotonic())
        executor.shutdown(cancel_futures=True)

    other = threading.Thread(target=interrupt, daemon=True)
    other.start()
    with pytest.raises(Stopped):
        _run(jobs, executor, tmp_path)
    other.join(timeout=20)

    assert time.monotonic() - stopped[0] < 3
    for path in tmp_path.glob("work/*/pid"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)
    assert all(_is_released(job, tmp_path) for job in jobs)


# --------------------------------------------------------------------------------------------- requests
def test_small_data_have_one_library_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to ``SMALL`` values numeric libraries get one thread, beyond it as many as the model."""
    asked: list[WorkerRequest] = []

    def supervise(request: WorkerRequest) -> Outcome:
        asked.append(request)
        return Outcome(status="ok")

    monkeypatch.setattr(scheduler, "supervise", supervise)
    size = int(_jobs(1)[0].dataset.train.X.size)
    for number, most in enumerate((size, size - 1)):
        monkeypatch.setattr(scheduler, "SMALL", most)
        schedule(_jobs(1), InlineExecutor(), Ledger(tmp_path / f"{number}"), _evaluate, threads=8)

    assert [(one.threads, one.library_threads) for one in asked] == [(8, 1), (8, 8)]


# --------------------------------------------------------------------------------------------- features
def _with_features(outcome: Outcome, monkeypatch: pytest.MonkeyPatch, *, written: bool) -> list[str]:
    """Let features end so, with a log, and their folder there or not; the folders that were asked for."""
    targets: list[str] = []

    def supervise_features(request: FeaturesRequest) -> Outcome:
        targets.append(request.target)
        (Path(request.work) / LOG).write_text("what the plugin printed\n")
        if written:
            Path(request.target).mkdir()
        return outcome

    monkeypatch.setattr(scheduler, "supervise_features", supervise_features)
    return targets


def test_features_of_another_version_are_computed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each version of a plugin has a folder of its own; the jobs of one version share it."""
    targets = _with_features(Outcome(status="ok"), monkeypatch, written=True)
    for version in ("0.1", "0.2", "0.1"):
        jobs = [replace(job, features=replace(job.features, origin=origin(version=version))) for job in _jobs(2, "log")]
        _run(jobs, InlineExecutor(), tmp_path)

    assert [Path(target).name for target in targets] == ["log-mlbench-toy-0.1", "log-mlbench-toy-0.2"]


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Outcome(status="failed", error="no"), "features 'log': no"),
        (Outcome(status="ok"), "features 'log': nothing was written"),
    ],
)
def test_jobs_whose_features_failed_are_rows_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, error: str
) -> None:
    """Every job says what was wrong with its features, with what their plugin printed; they are tried once a run."""
    targets = _with_features(outcome, monkeypatch, written=False)

    def evaluate(job: Job, work: WorkFolder, ended: Outcome) -> tuple[Record, tuple[str, ...]]:
        return _evaluate(job, work, ended)[0], (LOG,)

    jobs = _jobs(2, "log")
    done = schedule(jobs, InlineExecutor(), Ledger(tmp_path), evaluate, threads=1)

    assert [(one.status, one.error) for one in done.records] == [("failed", error)] * 2
    assert {(tmp_path / "jobs" / job.id / LOG).read_text() for job in jobs} == {"what the plugin printed\n"}
    assert len(targets) == 1
