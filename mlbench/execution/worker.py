"""What the child process of a job does: prepare once, run the trials, fit the winner, write raw scores.

    python -P -m mlbench.execution.worker ORDER.json PIPE

It is given rows, train and valid labels, and test features; test labels are nowhere in it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import json
import os
import platform
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from mlbench.data.cache import JobData, read_job_data
from mlbench.data.dataset import Matrix, Split
from mlbench.errors import PluginError
from mlbench.evaluation.curves import curve_rows
from mlbench.evaluation.scores import score_rows
from mlbench.execution import process as isolate
from mlbench.execution.tuning import Settings, best_trial, classify, params_of, tune
from mlbench.plugins.catalog import PluginSource, load_model
from mlbench.plugins.specs import FitContext, ModelSpec, ScoreFunction, Scores
from mlbench.results.trial_log import TrialLog, TrialRecord

OUTCOME = "outcome.json"
SO_FAR = "so-far.json"
"""What an outcome would say after the latest trial; for the next process, if this one does not get to its end."""
EXIT_DISK = 74
"""A job's process could not write its files."""
SCORES_VALID = "scores-valid.npy"
SCORES_TEST = "scores-test.npy"
SCORES_TRAIN = "scores-train.npy"
"""Of ``curve_rows`` of train; for the train curve alone, and not kept."""
CURVE = "curve"
"""The phase in which train rows are scored."""
CURVE_SHARE = 0.1
"""Of the time that a trial has: train rows are not scored if that would take longer."""
LIBRARIES = ("numpy", "scipy", "sklearn", "optuna", "xgboost", "lightgbm", "torch")


@dataclass(frozen=True, kw_only=True)
class Order:
    """Everything that the child is told.

    Attributes:
        origin: The plugin of the model, as fields of ``PluginSource``.
        model: The model's name.
        data: Folder that ``mlbench.data.cache`` wrote.
        work: Folder to write to.
        study: The study's log.
        seed: The job's seed.
        threads: Threads that it may use.
        library_threads: Threads of numeric libraries that are not told, such as BLAS.
        device: ``"cpu"`` or ``"cuda"``.
        refit_on_both: Fit the final model on train and valid.
        n_trials: Finished trials to reach.
        metric: What to optimise.
        tune_seconds: What is left for tuning.
        trial_seconds: What a trial may take.
        memory_limit: Bytes.
        score_train: Whether to score train rows, for the train curve.
        parent: Process id of the parent; ``supervise`` fills it in.
    """

    origin: Mapping[str, str]
    model: str
    data: str
    work: str
    study: str
    seed: int
    threads: int
    library_threads: int
    device: str
    refit_on_both: bool
    n_trials: int
    metric: str
    tune_seconds: float
    trial_seconds: float
    memory_limit: int
    score_train: bool = True
    parent: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the child says at its end; ``wall_seconds`` is what its parent saw, over all processes."""

    status: str
    error: str | None = None
    wall_seconds: float | None = None
    prepare_seconds: float | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    peak_memory_mb: float | None = None
    environment: Mapping[str, Any]


def best_file(work: Path, kind: str, number: int) -> Path:
    """Where the scores of a trial are kept while it is the best one."""
    return work / f"best-{kind}-{number}.npy"


def save_scores(path: Path, scores: Scores) -> None:
    """Write scores so that they are whole or not there."""
    making = path.with_name(f".{path.name}")
    with _our_own_files(), making.open("wb") as file:
        np.save(file, scores, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
        making.rename(path)


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write an outcome so that it is whole or not there."""
    making = path.with_suffix(".making")
    with _our_own_files():
        making.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
        making.rename(path)


def read_outcome(path: Path) -> Outcome | None:
    """An outcome that ``write_outcome`` wrote, or None if there is none, or none that makes sense."""
    try:
        outcome = Outcome(**json.loads(path.read_text(encoding="utf-8")))
        # The folder is within reach of the plugin's process.
        dict(outcome.environment["versions"])
        float(outcome.peak_memory_mb or 0) + float(outcome.prepare_seconds or 0)
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    return outcome


def with_earlier(before: Outcome | None, now: Outcome) -> Outcome:
    """The outcome of a process with what earlier ones of the same job used.

    The last one may do no more than copy the scores of the best trial. It has not prepared then, and where it runs,
    with what, is not where the job was done.
    """
    if before is None:
        return now
    if now.prepare_seconds is None:
        now = replace(now, prepare_seconds=before.prepare_seconds, environment=before.environment)
    versions = {**before.environment["versions"], **now.environment["versions"]}
    return replace(
        now,
        peak_memory_mb=max(now.peak_memory_mb or 0.0, before.peak_memory_mb or 0.0),
        environment={**now.environment, "versions": versions},
    )


@contextlib.contextmanager
def _our_own_files() -> Iterator[None]:
    """Where our own files cannot be written, the process ends: a full disk is no fault of the model."""
    try:
        yield
    except OSError as error:
        with contextlib.suppress(OSError):
            print(f"mlbench: {error}", file=sys.stderr, flush=True)
        os._exit(EXIT_DISK)


class _Log(TrialLog):
    """The study's log, as the child writes it."""

    def append(self, line: TrialRecord) -> None:
        """Write one line and make it durable."""
        with _our_own_files():
            super().append(line)


class _Run:
    """One order, carried out."""

    def __init__(self, order: Order, pipe: Any) -> None:
        self.order = order
        self.pipe = pipe
        self.work = Path(order.work)
        self.log = _Log(Path(order.study))
        self.seconds: dict[str, float] = {}
        self.new_best: tuple[int, ScoreFunction] | None = None
        self.before = read_outcome(self.work / SO_FAR)

    def say(self, phase: str, **more: Any) -> None:
        """Tell the parent where we are."""
        with contextlib.suppress(OSError):  # the plugin closed it; the parent's clock goes on
            self.pipe.write(json.dumps({"phase": phase, **more}).encode() + b"\n")

    def carry_out(self) -> Outcome:
        start = time.monotonic()
        spec = None
        try:
            self.say("prepare" if self.order.tune_seconds > 0 else "final")
            spec = load_model(PluginSource(**self.order.origin), self.order.model)
            data = _as_accepted(read_job_data(Path(self.order.data)), spec)
            self.tune(spec, data, start)
            lines = self.log.read()
            best = best_trial(lines, self.order.metric)
            if best is None:
                return self.outcome(*_why_nothing(lines))
            self.say("final")
            k = data.train.Y.shape[1]
            if self.order.refit_on_both:
                clock = time.monotonic()
                context = self.context(valid=None, best_step=best.best_step, keep=dict(best.keep))
                prepared = spec.prepare(data.both, context)
                self.say("final")  # preparing has had its own time
                context = replace(context, deadline=time.monotonic() + self.order.trial_seconds)
                scorer = spec.fit(prepared, params_of(spec, best), context)
                self.seconds["fit_seconds"] = time.monotonic() - clock
                save_scores(self.work / SCORES_TEST, self.predict(scorer, data.X_test, k))
                shutil.copyfile(best_file(self.work, "valid", best.number), self.work / SCORES_VALID)
                self.score_train(scorer, data, self.work / SCORES_TRAIN, self.order.trial_seconds)
            else:
                self.seconds["fit_seconds"] = best.fit_seconds
                self.seconds["predict_seconds"] = best.predict_seconds
                # Copied, not moved: a kill from here on must find them again.
                shutil.copyfile(best_file(self.work, "test", best.number), self.work / SCORES_TEST)
                shutil.copyfile(best_file(self.work, "valid", best.number), self.work / SCORES_VALID)
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(best_file(self.work, "train", best.number), self.work / SCORES_TRAIN)
        except KeyboardInterrupt:
            raise
        except PluginError as error:
            return self.outcome(*(classify(error) if spec is not None else ("import_error", str(error))))
        except BaseException as error:  # a plugin may even call sys.exit
            return self.outcome(*classify(error))
        return self.outcome("ok", None)

    def tune(self, spec: ModelSpec, data: JobData, start: float) -> None:
        """Prepare and run what trials are missing."""
        k = data.train.Y.shape[1]
        deadline = start + self.order.tune_seconds
        settings = Settings(
            n_trials=self.order.n_trials,
            metric=self.order.metric,
            seed=self.order.seed,
            trial_seconds=self.order.trial_seconds,
            deadline=deadline,
        )
        context = self.context(valid=data.valid)
        prepared = None
        if self.order.tune_seconds > 0 and len(self.log.read()) < self.order.n_trials:
            clock = time.monotonic()
            prepared = spec.prepare(data.train, context)
            self.seconds["prepare_seconds"] = time.monotonic() - clock

        def on_best(number: int, scores: Scores, scorer: ScoreFunction) -> float:
            save_scores(best_file(self.work, "valid", number), scores)
            if not self.order.refit_on_both:
                save_scores(best_file(self.work, "test", number), self.predict(scorer, data.X_test, k))
                self.new_best = number, scorer
            return self.seconds.get("predict_seconds", 0.0)

        def on_end() -> None:
            # Now, not at the end: a resumed run has the scores of an earlier best, but not its model.
            if self.new_best is not None:
                (number, scorer), self.new_best = self.new_best, None
                seconds = min(self.order.trial_seconds, self.order.tune_seconds)
                self.score_train(scorer, data, best_file(self.work, "train", number), seconds)
            with _our_own_files():
                write_outcome(self.work / SO_FAR, self.outcome("ok", None))

        tune(
            spec,
            data,
            context,
            settings,
            self.log,
            on_trial=lambda number: self.say("trial", number=number),
            on_best=on_best,
            on_end=on_end,
            prepared=prepared,
        )

    def context(self, **more: Any) -> FitContext:
        return FitContext(seed=self.order.seed, threads=self.order.threads, device=self.order.device, **more)

    def predict(self, scorer: ScoreFunction, X: Matrix, k: int) -> Scores:
        clock = time.monotonic()
        scores = score_rows(scorer, X, k)
        self.seconds["predict_seconds"] = time.monotonic() - clock
        return scores

    def score_train(self, scorer: ScoreFunction, data: JobData, path: Path, seconds: float) -> None:
        """Write scores of some train rows; harmless: whatever goes wrong, or would take long, is left out."""
        if not self.order.score_train:
            return
        rows = curve_rows(len(data.train))
        expected = self.seconds["predict_seconds"] * len(rows) / data.X_test.shape[0]
        if expected > CURVE_SHARE * seconds:
            print(f"no train curve: scoring {len(rows)} rows would take {expected:.0f} s")
            return
        self.say(CURVE)
        try:
            save_scores(path, score_rows(scorer, data.train.X, data.train.Y.shape[1], rows))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even call sys.exit
            traceback.print_exception(error)

    def outcome(self, status: str, error: str | None) -> Outcome:
        now = Outcome(
            status=status,
            error=error,
            **self.seconds,
            peak_memory_mb=isolate.peak_memory_mb(),
            environment=_environment(self.order.threads),
        )
        return with_earlier(self.before, now)


def _why_nothing(lines: list[Any]) -> tuple[str, str]:
    """Status and error of a job without a complete trial: those of its first failed one."""
    for line in lines:
        if line.state == "FAIL":
            return line.status, f"{line.error} (all {len(lines)} trials failed)" if len(lines) > 1 else str(line.error)
    return "timeout", "no trial finished in time: raise --timeout"


def _as_accepted(data: JobData, spec: ModelSpec) -> JobData:
    """The rows in a form that the model takes."""
    sparse = sp.issparse(data.X_test)
    if ("sparse" if sparse else "dense") in spec.accepts:
        return data

    def convert(X: Any) -> Matrix:
        return np.ascontiguousarray(X.toarray()) if sparse else sp.csr_matrix(X)

    whole = convert(data.both.X)
    n = len(data.train)

    def part(split: Split, X: Matrix) -> Split:
        return replace(split, X=X)

    return JobData(
        train=part(data.train, whole[:n]),
        valid=part(data.valid, whole[n:]),
        both=part(data.both, whole),
        X_test=convert(data.X_test),
    )


def _environment(threads: int) -> dict[str, Any]:
    versions = {
        name: str(getattr(sys.modules[name], "__version__", "unknown")) for name in LIBRARIES if name in sys.modules
    }
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "versions": versions,
    }


@functools.cache
def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    """Carry out the order of ``sys.argv``."""
    order = Order(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    isolate.die_with(order.parent)
    faulthandler.enable()
    if order.device == "cpu":  # CUDA reserves address space far beyond what it uses
        isolate.limit_memory(order.memory_limit)
    # Not closed by us: a plugin may have closed it already, and the process ends here anyway.
    pipe = os.fdopen(int(sys.argv[2]), "wb", buffering=0, closefd=False)
    write_outcome(Path(order.work) / OUTCOME, _Run(order, pipe).carry_out())


if __name__ == "__main__":
    main()
