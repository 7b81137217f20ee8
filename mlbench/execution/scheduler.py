"""Jobs over any ``concurrent.futures`` executor, features first where a job needs them."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from mlbench.data.cache import write_data
from mlbench.data.dataset import is_sparse
from mlbench.errors import LedgerError, one_line
from mlbench.execution.executors import OURS
from mlbench.execution.job import Job
from mlbench.execution.supervisor import supervise, supervise_features
from mlbench.execution.worker_request import FeaturesRequest, WorkerRequest
from mlbench.plugins.catalog import CORE
from mlbench.results.ledger import Ledger, WorkFolder, remedy
from mlbench.results.outcome import Outcome
from mlbench.results.schema import BASELINE, LOG, Record

Evaluate: TypeAlias = Callable[[Job, WorkFolder, Outcome], tuple[Record, tuple[str, ...]]]
"""From a job, its work folder and its outcome to the record and the names of the files to keep."""
AS_THEY_ARE = "raw"
"""Features of the core that are the data set's own: nothing is computed for them."""
SMALL = 2_000_000
"""The number of stored feature values up to which numeric libraries use one thread: on small products, synchronising
two threads costs several times what the second one gains."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What became of the jobs.

    Attributes:
        records: Records of the jobs that have one, in the order of the jobs.
        lost: One line for each job that has none because the executor lost it: run again to go on.
    """

    records: Sequence[Record]
    lost: Sequence[str]


@dataclass(kw_only=True, eq=False)
class _Features:
    """Features under way, and the jobs that wait for them."""

    folder: Path
    work: Path
    jobs: list[Job] = field(default_factory=list)


def schedule(
    jobs: Sequence[Job],
    executor: Executor,
    ledger: Ledger,
    evaluate: Evaluate,
    *,
    threads: int,
    on_done: Callable[[Job, Record], None] = lambda job, record: None,
    fail_fast: bool = False,
) -> Schedule:
    """Run the jobs that the ledger lacks, and return the records of all.

    Args:
        jobs: In the order in which they start.
        executor: Runs ``supervise``; it must share the file system, and nothing else.
        ledger: Where records are, and go.
        evaluate: Computes the values of a job that has ended.
        threads: Threads of each job; its numeric libraries use one of them on small data.
        on_done: Told each job that ran, as soon as its record is in the ledger.
        fail_fast: Start nothing more after the first row that is not ok.

    Raises:
        LedgerError: The disk cannot be written; what was under way is resumed by the next run.
    """
    run = _Run(executor, ledger, evaluate, threads, on_done, fail_fast)
    wanted = {job.id: job for job in jobs}
    run.records = {job_id: record for job_id in wanted if (record := ledger.tidy(job_id)) is not None}
    try:
        for job in wanted.values():
            if job.id not in run.records and not run.is_over():
                run.start(job)
                run.collect(block=False)
        while run.pending:
            run.collect(block=True)
    finally:
        run.give_up()
    return Schedule(records=[run.records[job.id] for job in jobs if job.id in run.records], lost=run.lost)


class _Run:
    """The state of one call of ``schedule``."""

    def __init__(
        self,
        executor: Executor,
        ledger: Ledger,
        evaluate: Evaluate,
        threads: int,
        on_done: Callable[[Job, Record], None],
        fail_fast: bool,
    ) -> None:
        self.executor = executor
        self.ledger = ledger
        self.evaluate = evaluate
        self.threads = threads
        self.on_done = on_done
        self.fail_fast = fail_fast
        self.records: dict[str, Record] = {}
        self.lost: list[str] = []
        self.pending: dict[Future[Outcome], tuple[Job, WorkFolder] | _Features] = {}
        self.ended = threading.Event()
        self.features: dict[Path, _Features] = {}
        self.failed_features: dict[Path, tuple[Outcome, str]] = {}

    def is_over(self) -> bool:
        """Whether nothing more is to start."""
        return self.fail_fast and any(record.status != "ok" for record in self.records.values())

    def start(self, job: Job) -> None:
        """Submit a job, or the features that it needs first."""
        data, folder = self._data(job), self._features_folder(job)
        if job.model.origin.plugin == CORE and job.model.spec.name == BASELINE:
            self._submit(job, data, data)  # it looks at no feature, so no features can keep it off a board
        elif folder == data or folder.exists():
            self._submit(job, data, folder)
        elif folder in self.failed_features:
            self._fail(job, *self.failed_features[folder])
        elif folder in self.features:
            self.features[folder].jobs.append(job)
        else:
            self._submit_features(job, data, folder)

    def collect(self, *, block: bool) -> None:
        """Take in what has ended; with ``block``, wait for something to end."""
        if block:
            self.ended.wait()  # not ``futures.wait``, which waits for ever for what a shutdown cancelled
        self.ended.clear()
        for future in [future for future in self.pending if future.done()]:  # in the order of their start
            task = self.pending.pop(future)
            if isinstance(task, _Features):
                self._features_ended(task, future)
            else:
                self._job_ended(*task, future)
        if self.is_over():
            for future in self.pending:
                future.cancel()

    def give_up(self) -> None:
        """Cancel what has not ended; nobody may take a work folder over while its job still runs."""
        for future, task in self.pending.items():
            future.cancel()
            future.add_done_callback(partial(_tidy_up, task))

    def _watch(self, future: Future[Outcome], task: tuple[Job, WorkFolder] | _Features) -> None:
        self.pending[future] = task
        future.add_done_callback(lambda _: self.ended.set())

    # ------------------------------------------------------------------------------------------- jobs
    def _submit(self, job: Job, data: Path, folder: Path) -> None:
        work = self.ledger.claim(job.id)
        X = job.dataset.train.X
        request = WorkerRequest(
            source=asdict(job.model.origin),
            model=job.model.spec.name,
            data=str(data.resolve()),
            features=str(folder.resolve()),
            work=str(work.path.resolve()),
            study=str(work.study.path.resolve()),
            seed=job.seed,
            threads=self.threads,
            library_threads=1 if (X.nnz if is_sparse(X) else X.size) <= SMALL else self.threads,
            device=job.device,
            refit_on_both=job.refit_on_both,
            budget=job.budget,
        )
        if (future := self._submitted(job, supervise, request)) is None:
            work.release()
        else:
            self._watch(future, (job, work))

    def _submitted(self, job: Job, call: Callable[[Any], Outcome], request: Any) -> Future[Outcome] | None:
        """The future, or None if the executor refuses the work, which is then told."""
        try:
            return self.executor.submit(call, request)
        except BrokenExecutor:
            self.lost.append(_lost(job, "the executor takes no more jobs, since a worker process died"))
        except Exception as error:  # one that was shut down raises a RuntimeError, Dask's its own
            if isinstance(self.executor, OURS):
                raise
            self.lost.append(_lost(job, f"the executor takes no jobs: {type(error).__name__}: {error}"))
        return None

    def _job_ended(self, job: Job, work: WorkFolder, future: Future[Outcome]) -> None:
        try:
            outcome = self._outcome(job, future, work.path)
        except BaseException:
            work.release()
            raise
        if outcome is None:
            work.release()
        else:
            self._commit(job, work, outcome)

    def _outcome(self, job: Job, future: Future[Outcome], folder: Path) -> Outcome | None:
        """The outcome, or None if the executor lost it, which is then told."""
        try:
            return future.result()
        except CancelledError:
            if not self.is_over():
                self.lost.append(_lost(job, "the executor cancelled it"))
        except BrokenExecutor:
            self.lost.append(_lost(job, "its worker process died"))
        except OSError as error:
            raise _unwritten(folder, error) from error
        except Exception as error:
            if isinstance(self.executor, OURS):
                raise
            self.lost.append(_lost(job, f"{type(error).__name__}: {error}"))
        return None

    def _commit(self, job: Job, work: WorkFolder, outcome: Outcome) -> None:
        try:
            record, names = self.evaluate(job, work, outcome)
        except OSError as error:
            work.release()
            raise _unwritten(work.path, error) from error
        self.records[job.id] = self.ledger.commit(work, record, names)
        self.on_done(job, self.records[job.id])

    # --------------------------------------------------------------------------------------- features
    def _data(self, job: Job) -> Path:
        """The folder of the data set, written if it is not there."""
        folder = self.ledger.cache / job.dataset.sha256[:32] / "data"
        try:
            write_data(job.dataset, folder)
        except OSError as error:
            raise LedgerError(f"cannot write {folder}: {error.strerror or error}: {remedy(error)}") from error
        return folder

    def _features_folder(self, job: Job) -> Path:
        home, origin, name = self.ledger.cache / job.dataset.sha256[:32], job.features.origin, job.features.spec.name
        if (origin.plugin, name) == (CORE, AS_THEY_ARE):
            return home / "data"
        version = job.key.features_plugin_version.replace(" ", "-")
        return home / f"{name}-{origin.plugin}-{version}"

    def _submit_features(self, job: Job, data: Path, folder: Path) -> None:
        try:
            work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        except OSError as error:
            raise LedgerError(f"cannot write {folder}: {error.strerror or error}: {remedy(error)}") from error
        task = _Features(folder=folder, work=work, jobs=[job])
        request = FeaturesRequest(
            source=asdict(job.features.origin),
            features=job.features.spec.name,
            data=str(data.resolve()),
            target=str(folder.resolve()),
            work=str(work.resolve()),
            threads=self.threads,
            library_threads=self.threads,
            budget=job.budget,
        )
        if (future := self._submitted(job, supervise_features, request)) is None:
            shutil.rmtree(work, ignore_errors=True)
        else:
            self._watch(future, task)
            self.features[folder] = task

    def _features_ended(self, task: _Features, future: Future[Outcome]) -> None:
        del self.features[task.folder]
        try:
            outcome = self._outcome(task.jobs[0], future, task.work)
            log = (task.work / LOG).read_text(encoding="utf-8", errors="replace") if (task.work / LOG).exists() else ""
        finally:
            shutil.rmtree(task.work, ignore_errors=True)
        if outcome is None:  # told for the first job
            if not self.is_over():
                self.lost += [_lost(job, "its features were lost") for job in task.jobs[1:]]
            return
        if outcome.status == "ok" and not task.folder.exists():  # the folder is within reach of a plugin's process
            outcome = replace(outcome, status="failed", error="nothing was written")
        if outcome.status != "ok":
            self.failed_features[task.folder] = outcome, log
        for job in task.jobs:
            if not self.is_over():
                self.start(job)

    def _fail(self, job: Job, outcome: Outcome, log: str) -> None:
        """Make a row of a job whose features failed."""
        work = self.ledger.claim(job.id)
        error = one_line(f"features {job.features.spec.name!r}: {outcome.error}")
        try:
            (work.path / LOG).write_text(log, encoding="utf-8")
        except OSError as problem:
            work.release()
            raise _unwritten(work.path, problem) from problem
        self._commit(job, work, replace(outcome, error=error))


def _unwritten(folder: Path, error: OSError) -> LedgerError:
    return LedgerError(f"cannot write {folder}: {error.strerror or error}: {remedy(error)}")


def _lost(job: Job, why: str) -> str:
    return one_line(f"{job.label}: {why}: run again to go on")


def _tidy_up(task: tuple[Job, WorkFolder] | _Features, future: Future[Outcome]) -> None:
    if isinstance(task, _Features):
        with contextlib.suppress(OSError):
            shutil.rmtree(task.work, ignore_errors=True)
    else:
        task[1].release()
