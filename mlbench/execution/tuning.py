"""One Optuna study, alone in its process; the only module that imports Optuna.

The sampler is seeded anew for each trial from (seed, finished trials), and a trial that is cut short
leaves no trace, so a study that is killed and resumed equals one that was not, trial by trial.
"""

from __future__ import annotations

import hashlib
import json
import operator
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FixedTrial, TrialState

from mlbench.data.cache import JobData
from mlbench.errors import InvalidScores, PluginError, TrialPruned, one_line
from mlbench.evaluation.scores import checked_scores, score_rows
from mlbench.metrics import DIRECTIONS, figure
from mlbench.plugins.specs import FitContext, ModelSpec, Params, ScoreFunction, Scores
from mlbench.results.trial_log import TrialLog, TrialRecord

STARTUP_TRIALS = 5
"""Random trials before TPE and before pruning. Optuna's default for TPE, 10, is half of our budget."""
WARMUP_STEPS = 10
"""No trial is pruned before this step: slow learners start low."""
LEAST_SHARE = 0.25
"""Of the quickest complete trial: with less time left no other one is begun. It could hardly win, and a model that does
not stop by itself is killed, which costs the grace on top."""
OUT_OF_MEMORY_WORDS = ("bad_alloc", "bad allocation", "out of memory", "cannot allocate memory")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to tune.

    Attributes:
        n_trials: Finished trials to reach.
        metric: A figure of ``mlbench.metrics.DIRECTIONS``.
        seed: The job's seed.
        trial_seconds: How long one trial may take.
        deadline: ``time.monotonic()`` at which tuning ends.
    """

    n_trials: int
    metric: str
    seed: int
    trial_seconds: float
    deadline: float


def tune(
    spec: ModelSpec,
    data: JobData,
    context: FitContext,
    settings: Settings,
    log: TrialLog,
    *,
    on_trial: Callable[[int], None],
    on_best: Callable[[int, Scores, ScoreFunction], float],
    on_end: Callable[[], None] = lambda: None,
    prepared: Any,
) -> None:
    """Run the trials that ``log`` lacks.

    Args:
        spec: The model.
        data: The rows.
        context: Without trial-bound fields.
        settings: How.
        log: Where finished trials are, and go.
        on_trial: Told a trial's number before it starts.
        on_best: Told (number, valid scores, scorer) of a new best before it is logged, so that what it
            stores is there whenever the log says so; returns the seconds that it predicted.
        on_end: Called after each trial before it is logged; what it takes is no part of the trial's seconds.
        prepared: What ``spec.prepare`` gave.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    direction = DIRECTIONS[settings.metric]
    study = optuna.create_study(
        direction=direction,
        pruner=optuna.pruners.PercentilePruner(75.0, n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_STEPS),
    )
    lines = log.read()
    for line in lines:
        study.add_trial(_replayed(line))
    while len(lines) < n_trials(spec, settings.n_trials) and _is_time_left(settings.deadline, lines):
        number = len(lines)
        study.sampler = optuna.samplers.TPESampler(
            seed=_trial_seed(settings.seed, number), n_startup_trials=STARTUP_TRIALS
        )
        if number == 0:
            study.enqueue_trial(dict(spec.defaults))
        on_trial(number)
        if number == 0:
            _check_defaults(spec)
        trial = study.ask()
        best = best_trial(lines, settings.metric)
        line = _run_trial(spec, data, context, settings, trial, number, best, on_best, prepared)
        study.tell(trial, line.value, state=TrialState[line.state])
        frozen = study.get_trials(deepcopy=False)[-1]
        line = replace(
            line,
            params=frozen.params,
            distributions={name: distribution_to_json(d) for name, d in frozen.distributions.items()},
            attributes=frozen.system_attrs,
        )
        on_end()
        log.append(line)
        lines.append(line)


def _is_time_left(deadline: float, lines: Sequence[TrialRecord]) -> bool:
    quickest = min((line.seconds for line in lines if line.state == "COMPLETE"), default=0.0)
    return deadline - time.monotonic() > LEAST_SHARE * quickest


def n_trials(spec: ModelSpec, asked: int) -> int:
    """One trial is all there is when there is nothing to tune."""
    return asked if spec.suggest is not None else 1


def best_trial(lines: Sequence[TrialRecord], metric: str) -> TrialRecord | None:
    """The first of the best complete trials."""
    complete = [line for line in lines if line.value is not None and line.state == "COMPLETE"]
    sign = 1 if DIRECTIONS[metric] == "maximize" else -1
    return max(complete, key=lambda line: sign * (line.value or 0.0), default=None)


def params_of(spec: ModelSpec, line: TrialRecord) -> Params:
    """What ``suggest`` gave in that trial."""
    return spec.suggest(FixedTrial(dict(line.params))) if spec.suggest is not None else dict(spec.defaults)  # type: ignore[arg-type]


def _trial_seed(seed: int, finished: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{finished}".encode()).digest()[:4], "big")


def _replayed(line: TrialRecord) -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(
        state=TrialState[line.state],
        value=line.value,
        params=dict(line.params),
        distributions={name: json_to_distribution(text) for name, text in line.distributions.items()},
        intermediate_values=dict(line.steps),
        system_attrs=dict(line.attributes),
    )


def _check_defaults(spec: ModelSpec) -> None:
    """Ask as trial 0 will, before any time is spent on a fit.

    Optuna runs values that lie outside of what ``suggest`` asks for, but cannot take them up again at a resume. It
    passes over a name that nobody asks for: misspelt, the default would be a random value.

    Raises:
        PluginError: A default lies outside, or is not asked for.
    """
    if spec.suggest is None:
        return
    study = optuna.create_study()
    study.enqueue_trial(dict(spec.defaults))
    trial = study.ask()
    try:
        spec.suggest(trial)
    except KeyboardInterrupt:
        raise
    except BaseException:  # what is wrong with it, the trial will say
        return
    asked = study.get_trials()[0]
    if unknown := spec.defaults.keys() - asked.params.keys():
        names = ", ".join(sorted(unknown))
        raise PluginError(f"model {spec.name!r}: defaults has {names}, which suggest does not ask for with them")
    try:
        optuna.trial.create_trial(value=0.0, params=asked.params, distributions=asked.distributions)
    except ValueError as error:
        raise PluginError(f"model {spec.name!r}: defaults are outside of what suggest asks for: {error}") from error


def _run_trial(
    spec: ModelSpec,
    data: JobData,
    context: FitContext,
    settings: Settings,
    trial: optuna.Trial,
    number: int,
    best: TrialRecord | None,
    on_best: Callable[[int, Scores, ScoreFunction], float],
    prepared: Any,
) -> TrialRecord:
    """One trial, whatever the plugin does; ``params`` and the like are filled in by the caller."""
    start = time.monotonic()
    sign = 1 if DIRECTIONS[settings.metric] == "maximize" else -1
    steps: dict[int, float] = {}
    whole_steps: dict[int, float] = {}

    def on_report(step: int, scores: Scores) -> float:
        step = operator.index(step)
        scores = checked_scores(scores, data.valid.Y.shape, missing_labels=True)
        trained = ~np.isnan(scores[0])
        value = figure(settings.metric, data.valid.Y[:, trained], scores[:, trained]) if trained.any() else np.nan
        if not (np.isnan(value) or step in steps):
            steps[step] = value
            if trained.all():
                whole_steps[step] = value
            trial.report(value, step)
            if trial.should_prune():
                raise TrialPruned
        return sign * value

    keep: dict[str, Any] = {}
    context = replace(
        context,
        keep=keep,
        on_report=on_report,
        deadline=min(start + settings.trial_seconds, settings.deadline),
    )
    line = TrialRecord(number=number, state="COMPLETE")
    try:
        params = spec.suggest(trial) if spec.suggest is not None else dict(spec.defaults)
        fit_start = time.monotonic()
        scorer = spec.fit(prepared, params, context)
        line = replace(line, fit_seconds=time.monotonic() - fit_start)
        scores = score_rows(scorer, data.valid.X, data.valid.Y.shape[1])
        _check_keep(keep)
        value = figure(settings.metric, data.valid.Y, scores)
        if np.isnan(value):
            raise ValueError(f"{settings.metric} is undefined on the valid part: tune on another --metric")
        line = replace(
            line, value=value, average_precision_micro=figure("average_precision_micro", data.valid.Y, scores)
        )
        if best is None or best.value is None or sign * value > sign * best.value:
            line = replace(line, predict_seconds=on_best(number, scores, scorer))
    except (TrialPruned, optuna.TrialPruned):
        line = replace(line, state="PRUNED")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even call sys.exit
        status, message = classify(error)
        keep = {}
        line = replace(line, state="FAIL", value=None, average_precision_micro=None, status=status, error=message)
    best_step = min(whole_steps, key=lambda step: (-sign * whole_steps[step], step), default=None)
    return replace(line, steps=tuple(steps.items()), best_step=best_step, keep=keep, seconds=time.monotonic() - start)


def _check_keep(keep: Mapping[str, Any]) -> None:
    try:
        json.dumps(keep, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PluginError(f"context.keep must hold plain JSON values: {error}") from error


def classify(error: BaseException) -> tuple[str, str]:
    """The status that an exception of a plugin stands for, and its one line; the rest goes to the job's log."""
    traceback.print_exception(error)
    words = one_line(error)
    line = one_line(f"{type(error).__name__}: {words}") if words else type(error).__name__
    if isinstance(error, InvalidScores):
        return "invalid_scores", words
    if isinstance(error, MemoryError) or any(word in words.lower() for word in OUT_OF_MEMORY_WORDS):
        return "out_of_memory", line
    if isinstance(error, ImportError):
        return "import_error", line
    return "failed", line
