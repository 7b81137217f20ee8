"""The Optuna study of a job; the only module that imports Optuna.

The sampler is seeded for each trial from (job seed, number of finished trials), and an interrupted trial leaves no
trace. A study that was killed and resumed therefore equals an uninterrupted one, trial by trial.
"""

from __future__ import annotations

import hashlib
import json
import operator
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FixedTrial, TrialState

from mlbench.data.cache import JobData
from mlbench.errors import PluginError, TrialPruned
from mlbench.evaluation.scores import checked_scores, score_rows
from mlbench.execution.failures import classify
from mlbench.metrics import METRICS, MICRO, Fitted, metric_value
from mlbench.plugins.specs import FitContext, ModelSpec, Params, ScoreFunction, Scores
from mlbench.results.schema import Budget
from mlbench.results.trial_log import TrialLog, TrialRecord, best_trial

STARTUP_TRIALS = 5
"""The number of random trials before TPE and pruning start. Optuna's default for TPE, 10, is half of our budget."""
WARMUP_STEPS = 10
"""No trial is pruned before this step, because slow learners start low."""
LEAST_SHARE = 0.25
"""No trial starts if less than this fraction of the quickest complete trial's time is left. Such a trial could hardly
win, and a model that does not stop by itself would be killed, which also costs the grace period."""


def tune(
    spec: ModelSpec,
    data: JobData,
    context: FitContext,
    budget: Budget,
    log: TrialLog,
    *,
    deadline: float,
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
        budget: What to optimise, and how many trials.
        log: Where finished trials are, and go.
        deadline: ``time.monotonic()`` at which tuning ends.
        on_trial: Told a trial's number before it starts.
        on_best: Told (number, valid scores, scorer) of a new best before it is logged, so that what it
            stores is there whenever the log says so; returns the seconds that it predicted.
        on_end: Called after each trial before it is logged; what it takes is no part of the trial's seconds.
        prepared: What ``spec.prepare`` gave.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    direction = METRICS[budget.metric].direction
    study = optuna.create_study(
        direction=direction,
        pruner=optuna.pruners.PercentilePruner(75.0, n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_STEPS),
    )
    lines = log.read()
    for line in lines:
        study.add_trial(_replayed(line))
    while len(lines) < n_trials(spec, budget.n_trials) and _is_time_left(deadline, lines):
        number = len(lines)
        study.sampler = optuna.samplers.TPESampler(
            seed=_trial_seed(context.seed, number), n_startup_trials=STARTUP_TRIALS
        )
        if number == 0:
            study.enqueue_trial(dict(spec.defaults))
        on_trial(number)
        if number == 0:
            _check_defaults(spec)
        trial = study.ask()
        best = best_trial(lines, budget.metric)
        line = _run_trial(spec, data, context, budget, deadline, trial, number, best, on_best, prepared)
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
    """Return the number of trials: 1 for a model that has nothing to tune."""
    return asked if spec.suggest is not None else 1


def params_of(spec: ModelSpec, line: TrialRecord) -> Params:
    """Return the parameters that ``suggest`` returned in a trial."""
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
    """Check the defaults as trial 0 will use them, before any time is spent on a fit.

    Optuna runs a trial with a default outside the range of ``suggest``, but cannot resume it. It ignores a default
    whose name ``suggest`` does not use, so a misspelt default would become a random value.

    Raises:
        PluginError: A default is out of range, or ``suggest`` does not use it.
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
    except BaseException:  # the trial will report what is wrong
        return
    asked = study.get_trials()[0]
    if unknown := spec.defaults.keys() - asked.params.keys():
        names = ", ".join(sorted(unknown))
        raise PluginError(f"model {spec.name!r}: suggest does not ask for {names}, which defaults has")
    try:
        optuna.trial.create_trial(value=0.0, params=asked.params, distributions=asked.distributions)
    except ValueError as error:
        raise PluginError(f"model {spec.name!r}: defaults are outside the range of suggest: {error}") from error


def _run_trial(
    spec: ModelSpec,
    data: JobData,
    context: FitContext,
    budget: Budget,
    deadline: float,
    trial: optuna.Trial,
    number: int,
    best: TrialRecord | None,
    on_best: Callable[[int, Scores, ScoreFunction], float],
    prepared: Any,
) -> TrialRecord:
    """Run one trial, catching whatever the plugin raises; the caller fills in ``params`` and related fields."""
    start = time.monotonic()
    sign = METRICS[budget.metric].sign
    steps: dict[int, float] = {}
    whole_steps: dict[int, float] = {}

    def on_report(step: int, scores: Scores) -> float:
        step = operator.index(step)
        scores = checked_scores(scores, data.valid.Y.shape, missing_labels=True)
        trained = ~np.isnan(scores[0])
        value = _value(budget.metric, data, scores, trained) if trained.any() else np.nan
        if not (np.isnan(value) or step in steps):
            steps[step] = value
            if trained.all():
                whole_steps[step] = value
            trial.report(value, step)
            if trial.should_prune():
                raise TrialPruned
        return sign * value

    state: dict[str, Any] = {}
    context = replace(
        context,
        refit_state=state,
        on_report=on_report,
        deadline=min(start + budget.trial_timeout, deadline),
    )
    line = TrialRecord(number=number, state="COMPLETE")
    try:
        params = spec.suggest(trial) if spec.suggest is not None else dict(spec.defaults)
        fit_start = time.monotonic()
        scorer = spec.fit(prepared, params, context)
        line = replace(line, fit_seconds=time.monotonic() - fit_start)
        scores = score_rows(scorer, data.valid.X, data.valid.Y.shape[1])
        _check_state(state)
        value = _value(budget.metric, data, scores)
        if np.isnan(value):
            raise ValueError(f"{budget.metric} is undefined on the valid part: tune on another --metric")
        line = replace(line, value=value, average_precision_micro=metric_value(MICRO, data.valid.labels, scores))
        if best is None or best.value is None or sign * value > sign * best.value:
            line = replace(line, predict_seconds=on_best(number, scores, scorer))
    except (TrialPruned, optuna.TrialPruned):
        line = replace(line, state="PRUNED")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even call sys.exit
        status, message = classify(error)
        state = {}
        line = replace(line, state="FAIL", value=None, average_precision_micro=None, status=status, error=message)
    best_step = min(whole_steps, key=lambda step: (-sign * whole_steps[step], step), default=None)
    return replace(
        line, steps=tuple(steps.items()), best_step=best_step, refit_state=state, seconds=time.monotonic() - start
    )


def _value(metric: str, data: JobData, scores: Scores, trained: NDArray[np.bool_] | None = None) -> float:
    """Compute the tuned metric on the validation split, as the record will have it, or on some of its labels."""
    Y, counts, whole = data.valid.labels, data.n_positives, trained is None or bool(trained.all())
    if not whole:
        Y, scores, counts = Y[:, trained], scores[:, trained], counts[trained]
    exclusive = whole and data.exclusive
    fitted = Fitted(Y=Y, scores=scores, n_positives=counts, n_train=len(data.train), exclusive=exclusive)
    return metric_value(metric, Y, scores, fitted)


def _check_state(state: Mapping[str, Any]) -> None:
    try:
        json.dumps(state, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PluginError(f"context.refit_state must hold plain JSON values: {error}") from error
