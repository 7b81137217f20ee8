"""Jobs over any ``concurrent.futures`` executor; the only place where scores meet test labels."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlbench import __version__
from mlbench.data.cache import write_job_data
from mlbench.data.dataset import Dataset, Split, is_sparse
from mlbench.errors import InvalidScores, LedgerError, one_line
from mlbench.evaluation.bootstrap import Replicates, bootstrap_test
from mlbench.evaluation.calibration import CALIBRATED, calibrated_average_precision
from mlbench.evaluation.curves import CURVES, Curve, curve, curve_rows, write_curves
from mlbench.evaluation.scores import checked_scores
from mlbench.evaluation.tuning_report import tuning_audit
from mlbench.execution.job import Job
from mlbench.execution.supervisor import LOG, Limits, supervise
from mlbench.execution.tuning import best_trial, n_trials
from mlbench.execution.worker import SCORES_TEST, SCORES_TRAIN, SCORES_VALID, Order, Outcome
from mlbench.metrics import Labels, average_precision, best_threshold, figures, roc_auc
from mlbench.plugins.specs import Scores
from mlbench.results.ledger import Ledger, Record, WorkFolder
from mlbench.results.trial_log import TrialRecord

PER_LABEL = "per_label.csv"
TRIALS = "trials.csv"
TRIAL_COLUMNS = ("number", "state", "value", "average_precision_micro", "best_step", "seconds", "error")
"""Of ``trials.csv``; then come the parameters."""
LIMITS = ("average_precision_low", "average_precision_high")
SMALL = 2_000_000
"""Stored feature values up to which numeric libraries get one thread: two that wait for each other after every
small product cost several times what the second brings."""


def drive(
    jobs: Sequence[Job],
    executor: Executor,
    ledger: Ledger,
    *,
    threads: int,
    on_done: Callable[[Job, Record], None] = lambda job, record: None,
    fail_fast: bool = False,
) -> list[Record]:
    """Run the jobs that the ledger lacks, and give the records of all.

    Args:
        jobs: In the order in which they start.
        executor: Runs ``supervise``; it must share the file system, and nothing else.
        ledger: Where records are, and go.
        threads: Threads of each job; its numeric libraries use one of them on small data.
        on_done: Told each job that ran, as soon as its record is in the ledger.
        fail_fast: Start nothing more after the first row that is not ok.
    """
    records = {job.id: record for job in jobs if (record := ledger.tidy(job.id)) is not None}
    running: dict[Future[Outcome], tuple[Job, WorkFolder]] = {}

    def finish(future: Future[Outcome]) -> None:
        job, work = running.pop(future)
        try:
            records[job.id] = _commit(job, work, future.result(), ledger)
        except BrokenExecutor as error:
            raise LedgerError(f"{job.label}: its worker process was killed: run again to go on") from error
        except OSError as error:
            why = error.strerror or error
            raise LedgerError(f"{job.label}: cannot write {work.path}: {why}: free the disk and run again") from error
        on_done(job, records[job.id])

    def failed() -> bool:
        return fail_fast and any(record.status != "ok" for record in records.values())

    try:
        for job in {job.id: job for job in jobs}.values():
            if job.id in records or failed():
                continue
            work = ledger.claim(job.id)
            try:
                order = _order(job, work, ledger, threads)
            except _FeaturesFailed as error:
                records[job.id] = _commit(job, work, Outcome(status="failed", error=str(error), environment={}), ledger)
                on_done(job, records[job.id])
                continue
            limits = Limits(timeout=job.budget.timeout, trial_timeout=job.budget.trial_timeout)
            try:
                future = executor.submit(supervise, order, limits)
            except BrokenExecutor as error:
                work.release()
                raise LedgerError(f"{job.label}: a worker process was killed: run again to go on") from error
            running[future] = job, work
            for future in [future for future in running if future.done()]:
                finish(future)
        for future in as_completed(list(running)):
            if not future.cancelled():
                finish(future)
            if failed():
                for other in running:
                    other.cancel()
    finally:
        for future, (_, work) in running.items():  # nobody may take a folder over while its job still runs
            future.cancel()
            future.add_done_callback(partial(_release, work))
    return [records[job.id] for job in jobs if job.id in records]


def _release(work: WorkFolder, future: Future[Outcome]) -> None:
    work.release()


class _FeaturesFailed(Exception):  # noqa: N818
    """The plugin of the features raised; its jobs become rows."""


def _order(job: Job, work: WorkFolder, ledger: Ledger, threads: int) -> Order:
    spec = job.features.spec
    version = job.identity["features_plugin_version"].replace(" ", "-")
    folder = ledger.cache / job.source.sha256[:32] / f"{spec.name}-{job.features.origin.plugin}-{version}"
    try:
        write_job_data(job.source.dataset, spec.fit, folder)
    except OSError as error:
        raise LedgerError(f"cannot write {folder}: {error.strerror or error}: free the disk and run again") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even call sys.exit
        raise _FeaturesFailed(one_line(f"features {spec.name!r} failed: {type(error).__name__}: {error}")) from error
    X = job.source.dataset.train.X
    small = (X.nnz if is_sparse(X) else X.size) <= SMALL
    return Order(
        origin=asdict(job.model.origin),
        model=job.model.spec.name,
        data=str(folder.resolve()),
        work=str(work.path.resolve()),
        study=str(work.study.path.resolve()),
        seed=job.seed,
        threads=threads,
        library_threads=1 if small else threads,
        device=job.device,
        refit_on_both=job.refit_on_both,
        n_trials=n_trials(job.model.spec, job.budget.n_trials),
        metric=job.budget.metric,
        tune_seconds=job.budget.timeout,
        trial_seconds=job.budget.trial_timeout,
        memory_limit=job.budget.memory_limit,
    )


# ----------------------------------------------------------------------------- outcome -> record
def _commit(job: Job, work: WorkFolder, outcome: Outcome, ledger: Ledger) -> Record:
    dataset = job.source.dataset
    assert dataset.valid is not None
    assert dataset.test is not None
    lines = work.study.read()
    _write_trials(work.path / TRIALS, lines)
    names = [TRIALS]
    if (work.path / LOG).exists():
        names.append(LOG)
    status, error, found, replicates, threshold = outcome.status, outcome.error, {}, {}, None
    if status == "ok":
        try:
            valid = raw_scores(work.path / SCORES_VALID, dataset.valid.Y)
            test = raw_scores(work.path / SCORES_TEST, dataset.test.Y)
        except InvalidScores as problem:
            status, error = "invalid_scores", str(problem)
        else:
            threshold = best_threshold(dataset.valid.Y, valid)
            calibrated = calibrated_average_precision(dataset.valid.Y, valid, dataset.test.Y, test)
            found = {
                "valid": plain(figures(dataset.valid.Y, valid, threshold)),
                "test": plain(figures(dataset.test.Y, test, threshold) | {CALIBRATED: calibrated}),
            }
            bootstrapped = bootstrap_test(dataset.test, test, job.source.sha256)
            if bootstrapped is not None:
                replicates = replicates_to_keep(bootstrapped)
            _write_csv(work.path / PER_LABEL, per_label_rows(dataset, test, bootstrapped))
            curves = {"valid": curve(dataset.valid.Y, valid), "test": curve(dataset.test.Y, test)}
            write_curves(work.path / CURVES, {**_train_curve(work.path / SCORES_TRAIN, dataset.train), **curves})
            names += [SCORES_VALID, SCORES_TEST, PER_LABEL, CURVES]
    best = best_trial(lines, job.budget.metric)
    record = Record(
        id=job.id,
        job=job.identity,
        status=status,
        error=error,
        dataset=describe(dataset, job.source.sha256),
        figures=found,
        replicates=replicates,
        tuning=tuning_audit(lines, best, job.budget.metric),
        threshold=threshold,
        default_average_precision_micro=lines[0].average_precision_micro if lines else None,
        default_params=dict(job.model.spec.defaults),
        best_params=dict(best.params) if best else None,
        best_trial=best.number if best else None,
        n_trials=len(lines),
        n_trials_pruned=sum(line.state == "PRUNED" for line in lines),
        n_trials_failed=sum(line.state == "FAIL" for line in lines),
        refit="train+valid" if job.refit_on_both else "train",
        timings={
            "prepare_seconds": outcome.prepare_seconds,
            "tune_seconds": _tune_seconds(job, lines, best) if status == "ok" else outcome.wall_seconds,
            "fit_seconds": outcome.fit_seconds,
            "predict_seconds": outcome.predict_seconds,
        },
        peak_memory_mb=outcome.peak_memory_mb,
        device=job.device,
        environment={**outcome.environment, "mlbench": __version__},
    )
    return ledger.commit(work, record, tuple(names))


def _tune_seconds(job: Job, lines: Sequence[TrialRecord], best: TrialRecord | None) -> float:
    """Seconds of all trials, less the fit of the final model where that is the winning trial's own."""
    spent = sum(line.seconds for line in lines)
    return spent if best is None or job.refit_on_both else spent - best.fit_seconds


def raw_scores(path: Path, Y: Labels) -> Scores:
    """What the child wrote, checked anew: it is a plugin's process."""
    try:
        scores = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidScores(f"{path.name} cannot be read: {error}") from error
    return checked_scores(scores, Y.shape)


def _train_curve(path: Path, train: Split) -> dict[str, Curve]:
    """The curve of train by its name, or nothing: a job is no worse for not having one."""
    try:
        Y = train.Y[curve_rows(len(train))]
        return {"train": curve(Y, raw_scores(path, Y))}
    except (InvalidScores, ValueError):
        return {}


def replicates_to_keep(bootstrapped: Replicates) -> dict[str, list[float | None]]:
    """What a record keeps of the replicates, by figure; None where one is undefined."""
    kept = {"average_precision_micro": bootstrapped.micro, "average_precision_macro": bootstrapped.macro}
    return {name: [None if math.isnan(value) else value for value in values.tolist()] for name, values in kept.items()}


def plain(values: dict[str, float]) -> dict[str, float | None]:
    """JSON has no NaN: an undefined figure is None."""
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def describe(dataset: Dataset, sha256: str) -> dict[str, Any]:
    """What a record says of a data set with all its parts."""
    assert dataset.test is not None
    sizes = {f"n_{part}": len(split) for part, split in dataset.parts()}
    groups = None if dataset.test.groups is None else len(np.unique(dataset.test.groups))
    scored = int(dataset.test.Y.any(axis=0).sum())
    return {
        "name": dataset.name,
        "sha256": sha256,
        **sizes,
        "n_features": dataset.train.X.shape[1],
        "n_labels": dataset.train.Y.shape[1],
        "n_labels_scored": scored,
        "n_groups": groups,
    }


def per_label_rows(dataset: Dataset, scores: Scores, replicates: Replicates | None) -> list[list[Any]]:
    """The rows of ``per_label.csv``, the header first; ``scores`` are those of test (n_test, k)."""
    assert dataset.test is not None
    Y = dataset.test.Y
    columns = zip(
        dataset.label_names,
        dataset.train.Y.sum(axis=0, dtype=int).tolist(),
        Y.sum(axis=0, dtype=int).tolist(),
        average_precision(Y, scores, None).tolist(),
        *(replicates.intervals() if replicates else ([None] * Y.shape[1],) * 2),
        roc_auc(Y, scores, None).tolist(),
        strict=True,
    )
    header = ("label", "n_positives_train", "n_positives_test", "average_precision", *LIMITS, "roc_auc")
    return [list(header), *([cell(value) for value in row] for row in columns)]


def _write_trials(path: Path, lines: Sequence[TrialRecord]) -> None:
    names = sorted({name for line in lines for name in line.params})
    rows = (
        [
            *(line.number, line.state, cell(line.value), cell(line.average_precision_micro), cell(line.best_step)),
            *(cell(line.seconds), cell(line.error), *(cell(line.params.get(name)) for name in names)),
        ]
        for line in lines
    )
    _write_csv(path, [(*TRIAL_COLUMNS, *names), *rows])


def cell(value: Any) -> Any:
    """A cell of a CSV: full precision, and nothing for what is not there."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


def _write_csv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
