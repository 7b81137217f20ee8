"""What the child process of a job does: prepare once, run the trials, fit the winner, write raw scores.

    python -P -m mlbench.execution.worker REQUEST.json PIPE

It is given rows, train and valid labels, and test features; test labels are nowhere in it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlbench.data.accepted import as_accepted, labels_as_accepted
from mlbench.data.cache import JobData, read_job_data
from mlbench.data.dataset import Matrix
from mlbench.data.files import atomic_write
from mlbench.errors import PluginError
from mlbench.evaluation.curves import curve_rows
from mlbench.evaluation.scores import score_rows
from mlbench.execution import process
from mlbench.execution.environment import environment
from mlbench.execution.failures import classify
from mlbench.execution.tuning import n_trials, params_of, tune
from mlbench.execution.worker_request import CURVE, EXIT_DISK, WorkerRequest
from mlbench.plugins.catalog import PluginSource, load_model
from mlbench.plugins.specs import FitContext, ModelSpec, ScoreFunction, Scores
from mlbench.results.outcome import OUTCOME, SO_FAR, Outcome, read_outcome, with_earlier, write_outcome
from mlbench.results.schema import SCORES_TEST, SCORES_TRAIN, SCORES_VALID
from mlbench.results.trial_log import TrialLog, TrialRecord, best_trial

CURVE_SHARE = 0.1
"""Train rows are only scored if that takes at most this fraction of the time limit of a trial."""


def best_file(work: Path, kind: str, number: int) -> Path:
    """Return the path for the scores of a trial while it is the best one."""
    return work / f"best-{kind}-{number}.npy"


def save_scores(path: Path, scores: Scores) -> None:
    """Write scores atomically."""
    with _our_own_files():
        atomic_write(path, lambda file: np.save(file, scores, allow_pickle=False))


@contextlib.contextmanager
def _our_own_files() -> Iterator[None]:
    """Exit if our own files cannot be written, as a full disk is not the fault of the model."""
    try:
        yield
    except OSError as error:
        with contextlib.suppress(OSError):
            print(f"mlbench: {error}", file=sys.stderr, flush=True)
        os._exit(EXIT_DISK)


class _Log(TrialLog):
    """The log of the study, which exits if it cannot be written."""

    def append(self, line: TrialRecord) -> None:
        """Append one trial durably."""
        with _our_own_files():
            super().append(line)


class _Run:
    """One request, carried out."""

    def __init__(self, request: WorkerRequest, pipe: Any) -> None:
        self.request = request
        self.pipe = pipe
        self.work = Path(request.work)
        self.log = _Log(Path(request.study))
        self.seconds: dict[str, float] = {}
        self.new_best: tuple[int, ScoreFunction] | None = None
        self.before = read_outcome(self.work / SO_FAR)

    def say(self, phase: str, **more: Any) -> None:
        """Report the current phase to the parent."""
        with contextlib.suppress(OSError):  # the plugin closed the pipe; the parent still keeps the time
            self.pipe.write(json.dumps({"phase": phase, **more}).encode() + b"\n")

    def carry_out(self) -> Outcome:
        start = time.monotonic()
        spec = None
        try:
            self.say("prepare" if self.request.seconds_left > 0 else "final")
            spec = load_model(PluginSource(**self.request.source), self.request.model)
            data = as_accepted(read_job_data(Path(self.request.data), Path(self.request.features)), spec.accepts)
            self.tune(spec, data, start)
            lines = self.log.read()
            best = best_trial(lines, self.request.budget.metric)
            if best is None:
                return self.outcome(*_why_nothing(lines))
            self.say("final")
            k = data.train.Y.shape[1]
            if self.request.refit_on_both:
                clock = time.monotonic()
                context = self.context(valid=None, best_step=best.best_step, refit_state=dict(best.refit_state))
                prepared = spec.prepare(labels_as_accepted(data.both, spec.accepts), context)
                self.say("final")  # preparing had its own time limit
                context = replace(context, deadline=time.monotonic() + self.request.budget.trial_timeout)
                scorer = spec.fit(prepared, params_of(spec, best), context)
                self.seconds["fit_seconds"] = time.monotonic() - clock
                save_scores(self.work / SCORES_TEST, self.predict(scorer, data.X_test, k))
                shutil.copyfile(best_file(self.work, "valid", best.number), self.work / SCORES_VALID)
                self.score_train(scorer, data, self.work / SCORES_TRAIN, self.request.budget.trial_timeout)
            else:
                self.seconds["fit_seconds"] = best.fit_seconds
                self.seconds["predict_seconds"] = best.predict_seconds
                # Copied instead of moved, as a resumed run needs them if this one is killed from here on.
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
        """Prepare, and run the missing trials."""
        k = data.train.Y.shape[1]
        deadline = start + self.request.seconds_left
        context = self.context(valid=labels_as_accepted(data.valid, spec.accepts))
        prepared = None
        if self.request.seconds_left > 0 and len(self.log.read()) < n_trials(spec, self.request.budget.n_trials):
            clock = time.monotonic()
            prepared = spec.prepare(labels_as_accepted(data.train, spec.accepts), context)
            self.seconds["prepare_seconds"] = time.monotonic() - clock

        def on_best(number: int, scores: Scores, scorer: ScoreFunction) -> float:
            save_scores(best_file(self.work, "valid", number), scores)
            if not self.request.refit_on_both:
                save_scores(best_file(self.work, "test", number), self.predict(scorer, data.X_test, k))
                self.new_best = number, scorer
            return self.seconds.get("predict_seconds", 0.0)

        def on_end() -> None:
            # Score now, not at the end: a resumed run has the scores of the best trial, but not its model.
            if self.new_best is not None:
                (number, scorer), self.new_best = self.new_best, None
                seconds = min(self.request.budget.trial_timeout, self.request.seconds_left)
                self.score_train(scorer, data, best_file(self.work, "train", number), seconds)
            with _our_own_files():
                write_outcome(self.work / SO_FAR, self.outcome("ok", None))

        tune(
            spec,
            data,
            context,
            self.request.budget,
            self.log,
            deadline=deadline,
            on_trial=lambda number: self.say("trial", number=number),
            on_best=on_best,
            on_end=on_end,
            prepared=prepared,
        )

    def context(self, **more: Any) -> FitContext:
        return FitContext(seed=self.request.seed, threads=self.request.threads, device=self.request.device, **more)

    def predict(self, scorer: ScoreFunction, X: Matrix, k: int) -> Scores:
        clock = time.monotonic()
        scores = score_rows(scorer, X, k)
        self.seconds["predict_seconds"] = time.monotonic() - clock
        return scores

    def score_train(self, scorer: ScoreFunction, data: JobData, path: Path, seconds: float) -> None:
        """Write the scores of some train rows; skip it if it fails or would take too long."""
        if not self.request.score_train:
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
            peak_memory_mb=process.peak_memory_mb(),
            environment=environment(self.request.threads),
        )
        return with_earlier(self.before, now)


def _why_nothing(lines: list[Any]) -> tuple[str, str]:
    """Return the status and error of a job without a complete trial: those of its first failed trial."""
    for line in lines:
        if line.state == "FAIL":
            return line.status, f"{line.error} (all {len(lines)} trials failed)" if len(lines) > 1 else str(line.error)
    return "timeout", "no trial finished within --timeout: raise it"


def main() -> None:
    """Carry out the request that ``sys.argv`` names."""
    request = WorkerRequest.from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    process.die_with(request.parent)
    faulthandler.enable()
    if request.device == "cpu":  # CUDA reserves address space far beyond what it uses
        process.limit_memory(request.budget.memory_limit)
    # Never closed: a plugin may have closed it already, and the process ends here anyway.
    pipe = os.fdopen(int(sys.argv[2]), "wb", buffering=0, closefd=False)
    write_outcome(Path(request.work) / OUTCOME, _Run(request, pipe).carry_out())


if __name__ == "__main__":
    main()
