"""A study in process: what is tried, what is logged, what a resume repeats."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import job_data, random_dataset

from mlbench.data.cache import JobData
from mlbench.errors import InvalidScores, PluginError, TrialPruned
from mlbench.execution.failures import classify
from mlbench.execution.tuning import n_trials, params_of, tune
from mlbench.metrics import METRICS, metric_value
from mlbench.plugins.specs import FitContext, ModelSpec
from mlbench.results.schema import Budget
from mlbench.results.trial_log import TrialLog, TrialRecord, best_trial

DATA = job_data(random_dataset())
TRUTH = DATA.valid.Y.astype(float)
NOISE = np.random.default_rng(9).normal(size=TRUTH.shape)
DEFAULTS = {"x": 0.5, "depth": 3, "kind": "b", "rate": 1e-3}


def _suggest(trial: Any) -> dict[str, Any]:
    kind = trial.suggest_categorical("kind", ["a", "b", None, True])
    params = {"x": trial.suggest_float("x", 0, 1), "kind": kind, "depth": trial.suggest_int("depth", 1, 9)}
    if kind == "b":
        params["rate"] = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    return params


def _quality(value: float) -> Callable[[Any], np.ndarray]:
    """A scorer of the valid rows that is the better the larger ``value`` is."""
    return lambda X: value * TRUTH + NOISE


def _fit(train: Any, params: dict[str, Any], context: FitContext) -> Any:
    """Fails for large x, gives rubbish for small x, else reports 14 steps and is as good as x is near 0.6."""
    x = params["x"]
    if x > 0.9:
        raise RuntimeError("x is too large")
    if x < 0.05:
        return lambda X: np.full((X.shape[0], 3), np.nan)
    good = 1 - abs(x - 0.6)
    for step in range(1, 15):
        context.report(step, _quality(3 * good * step / 14)(None))
    context.refit_state["x"] = x
    return _quality(3 * good)


def _spec(**more: Any) -> ModelSpec:
    return ModelSpec(**{"name": "m", "summary": "s", "fit": _fit, "suggest": _suggest, "defaults": DEFAULTS, **more})


def _tune(
    log: TrialLog,
    spec: ModelSpec | None = None,
    n: int = 14,
    seed: int = 0,
    metric: str = "average_precision_micro",
    data: JobData = DATA,
    **more: Any,
) -> list[TrialRecord]:
    seconds = more.pop("seconds", 60.0)
    calls: dict[str, Any] = {
        "on_trial": lambda number: None, "on_best": lambda number, scores, scorer: 0.0, "prepared": None, **more
    }  # fmt: skip
    budget = Budget(n_trials=n, metric=metric, trial_timeout=60.0)
    context = FitContext(seed=seed, valid=data.valid)
    tune(spec or _spec(), data, context, budget, log, deadline=time.monotonic() + seconds, **calls)
    return [replace(line, fit_seconds=0.0, predict_seconds=0.0, seconds=0.0) for line in log.read()]


@pytest.fixture
def log(tmp_path: Path) -> TrialLog:
    """An empty log."""
    return TrialLog(tmp_path / "study.jsonl")


def test_a_trial_is_logged_when_all_of_it_is_there(log: TrialLog) -> None:
    """What belongs to a trial is stored before the log tells of it, so that a kill between them costs only a redo."""
    logged: list[int] = []

    _tune(log, n=3, on_end=lambda: logged.append(len(log.read())))

    assert logged == [0, 1, 2]


# ------------------------------------------------------------------------------------ what is tried
def test_trial_0_is_the_defaults(log: TrialLog) -> None:
    """The first trial has the parameters that the plugin wrote down, so that a board shows what tuning gained."""
    first, *others = _tune(log, n=3)

    assert first.params == DEFAULTS
    assert first.number == 0
    assert all(line.params != DEFAULTS for line in others)


@pytest.mark.parametrize("metric", ["average_precision_micro", "label_ranking_loss"])
def test_the_seed_decides(tmp_path: Path, metric: str) -> None:
    """The same seed gives the same study, bit by bit; another seed tries other parameters."""
    first, same, other = (
        _tune(TrialLog(tmp_path / f"{i}"), seed=seed, metric=metric) for i, seed in enumerate((1, 1, 2))
    )

    assert first == same
    assert [line.params for line in first[1:]] != [line.params for line in other[1:]]


def test_no_trial_is_repeated(log: TrialLog) -> None:
    """Trials that were pruned or failed count for the sampler: no two trials have the same parameters."""
    lines = _tune(log, n=25)

    assert len({str(sorted(line.params.items(), key=str)) for line in lines}) == 25


def test_the_study_has_every_kind_of_ending(log: TrialLog) -> None:
    """The fake model of these tests covers complete, pruned and both kinds of failed trials."""
    lines = _tune(log, n=40)

    assert {line.state for line in lines} == {"COMPLETE", "PRUNED", "FAIL"}
    assert {line.status for line in lines if line.state == "FAIL"} == {"failed", "invalid_scores"}


@pytest.mark.parametrize("finished", range(15))
def test_a_resumed_study_is_the_uninterrupted_one(tmp_path: Path, finished: int) -> None:
    """Cut after any number of finished trials and resumed, the study is the same trial by trial."""
    whole = TrialLog(tmp_path / "whole")
    lines = _tune(whole, seed=4)
    text = whole.path.read_bytes().splitlines(keepends=True)
    cut = TrialLog(tmp_path / "cut")
    cut.path.write_bytes(b"".join(text[:finished]))

    assert _tune(cut, seed=4) == lines


def test_what_is_compared_has_pruned_and_failed_trials(log: TrialLog) -> None:
    """The study of the test above has pruned and failed trials before its end."""
    states = [line.state for line in _tune(log, seed=4)]

    assert {"PRUNED", "FAIL", "COMPLETE"} <= set(states[:-1])


def test_a_trial_that_was_cut_short_is_run_again(log: TrialLog, tmp_path: Path) -> None:
    """A trial that a kill cut off leaves no trace: it is tried again with the same parameters."""
    wanted = _tune(TrialLog(tmp_path / "whole"), n=6)
    tried = []

    def on_trial(number: int) -> None:
        if number == 4 and len(tried) < 5:
            tried.append(number)
            raise KeyboardInterrupt
        tried.append(number)

    with pytest.raises(KeyboardInterrupt):
        _tune(log, n=6, on_trial=on_trial)

    assert _tune(log, n=6, on_trial=on_trial) == wanted
    assert tried == [0, 1, 2, 3, 4, 4, 5]


def test_ctrl_c_inside_fit_leaves_no_line(log: TrialLog) -> None:
    """Ctrl-C in a plugin's code is not the plugin's failure."""

    def fit(train: Any, params: Any, context: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _tune(log, _spec(fit=fit))
    assert log.read() == []


def test_the_study_goes_on_after_a_trial_that_was_killed(log: TrialLog) -> None:
    """A line without parameters, as the parent writes for a trial that it killed, does not stop the study."""
    log.append(TrialRecord(number=0, state="FAIL", status="timeout", error="late", seconds=3.0))

    lines = _tune(log, n=3)

    assert [line.number for line in lines] == [0, 1, 2]
    assert lines[0].status == "timeout"


def test_nothing_to_tune_is_one_trial(log: TrialLog) -> None:
    """A model without ``suggest`` is fitted once, with its defaults."""
    seen = []
    spec = _spec(suggest=None, fit=lambda train, params, context: seen.append(params) or _quality(1.0))

    lines = _tune(log, spec)

    assert [line.state for line in lines] == ["COMPLETE"]
    assert seen == [DEFAULTS]
    assert n_trials(spec, 20) == 1
    assert params_of(spec, lines[0]) == DEFAULTS


def test_params_of_gives_what_suggest_gave(log: TrialLog) -> None:
    """The winner's parameters at a refit are what its trial was fitted with, types included."""
    seen = {}

    def fit(train: Any, params: dict[str, Any], context: FitContext) -> Any:
        seen[len(seen)] = params
        return _quality(params["x"])

    lines = _tune(log, _spec(fit=fit), n=8)

    for line in log.read():
        assert params_of(_spec(), line) == seen[line.number]
        assert type(line.params["depth"]) is int
    assert len(lines) == 8


def test_time_is_up(log: TrialLog) -> None:
    """After the deadline no trial starts."""
    assert _tune(log, seconds=-1.0) == []


@pytest.mark.parametrize(("left", "n_finished"), [(40.0, 5), (60.0, 6)])
def test_no_trial_starts_that_could_only_be_cut_short(log: TrialLog, left: float, n_finished: int) -> None:
    """A trial begins while a quarter of the quickest complete one's time is left; others are no measure."""
    for number, (state, seconds) in enumerate([("COMPLETE", 500), ("COMPLETE", 200), ("COMPLETE", 300), ("PRUNED", 1)]):
        log.append(TrialRecord(number=number, state=state, value=0.5 if state == "COMPLETE" else None, seconds=seconds))
    log.append(TrialRecord(number=4, state="FAIL", seconds=2.0))

    assert len(_tune(log, n=6, seconds=left)) == n_finished


def test_the_deadline_of_a_trial_is_the_earlier_one(log: TrialLog) -> None:
    """A model is told how long it has: until the trial's or the study's end, whichever is first."""
    left = []
    spec = _spec(fit=lambda train, params, context: left.append(context.seconds_left) or _quality(1.0))

    _tune(log, spec, n=1, seconds=5.0)
    _tune(log, spec, n=2, seconds=500.0)

    assert 0 < left[0] <= 5
    assert 5 < left[1] <= 60


def test_a_changed_search_space_does_not_stop_a_resume(log: TrialLog) -> None:
    """Choices that JSON cannot hold as they are, tuples for example, are the same after a resume."""

    def suggest(trial: Any) -> dict[str, Any]:
        sizes = {"small": (8,), "large": (64, 64)}
        return {"layers": sizes[trial.suggest_categorical("layers", list(sizes))]}

    spec = _spec(suggest=suggest, defaults={"layers": "large"}, fit=lambda train, params, context: _quality(1.0))
    _tune(log, spec, n=2)

    assert [line.state for line in _tune(log, spec, n=4)] == ["COMPLETE"] * 4


# ------------------------------------------------------------------------------------ what goes wrong
class _StrangeError(Exception):
    def __str__(self) -> str:
        return "one\ntwo\x1b"


@pytest.mark.parametrize(
    ("deed", "status", "error"),
    [
        (lambda: 1 / 0, "failed", "ZeroDivisionError: division by zero"),
        (lambda: (_ for _ in ()).throw(_StrangeError), "failed", "_StrangeError: one two"),
        (lambda: (_ for _ in ()).throw(SystemExit(0)), "failed", "SystemExit: 0"),
        (lambda: (_ for _ in ()).throw(AssertionError), "failed", "AssertionError"),
        (lambda: (_ for _ in ()).throw(MemoryError), "out_of_memory", "MemoryError"),
        (lambda: (_ for _ in ()).throw(RuntimeError("std::bad_alloc")), "out_of_memory", "RuntimeError: std::bad"),
        (lambda: __import__("no_such_library"), "import_error", "ModuleNotFoundError: No module named"),
        (lambda: None, "failed", "TypeError"),
        (lambda: lambda X: [[0.0] * 3] * len(X), "invalid_scores", "scores are a list"),
        (lambda: lambda X: np.zeros((len(X), 4)), "invalid_scores", r"scores have shape (20, 4), expected (20, 3)"),
        (lambda: lambda X: np.zeros((len(X), 3), int), "invalid_scores", "scores have type int64"),
        (lambda: lambda X: np.full((len(X), 3), np.nan), "invalid_scores", "60 scores are NaN or infinite"),
        (lambda: lambda X: np.full((len(X), 3), np.inf), "invalid_scores", "60 scores are NaN or infinite"),
        (lambda: lambda X: 1 / 0, "failed", "ZeroDivisionError"),
    ],
)  # fmt: skip
def test_a_misdeed_costs_one_trial(log: TrialLog, deed: Any, status: str, error: str) -> None:
    """Whatever fit or the scorer does, the trial is logged as failed with the reason and the next one is run."""

    def fit(train: Any, params: dict[str, Any], context: FitContext) -> Any:
        return deed() if params == DEFAULTS else _quality(1.0)

    first, *others = _tune(log, _spec(fit=fit), n=3)

    assert (first.state, first.value, first.status) == ("FAIL", None, status)
    assert first.average_precision_micro is None
    assert first.error is not None
    assert first.error.startswith(error)
    assert first.error.isprintable()
    assert [line.state for line in others] == ["COMPLETE", "COMPLETE"]
    assert all(line.status == "ok" and line.error is None for line in others)


@pytest.mark.parametrize(
    "misreport",
    [
        lambda context: context.report(1, np.zeros((20, 4))),
        lambda context: context.report(1, np.zeros((19, 3))),
        lambda context: context.report(1, np.full((20, 3), np.inf)),
        lambda context: context.report(1, [[0.0] * 3] * 20),
        lambda context: context.report("first", TRUTH),
        lambda context: context.report(-1, TRUTH),
        lambda context: context.refit_state.update(rounds=np.int64(3)),
        lambda context: context.refit_state.update(model=object()),
    ],
    ids=["labels", "rows", "infinite", "a list", "step", "negative step", "numpy", "object"],
)
def test_a_bad_report_costs_one_trial(log: TrialLog, misreport: Any) -> None:
    """What cannot be reported or kept fails its own trial; the study goes on, and can be resumed."""

    def fit(train: Any, params: dict[str, Any], context: FitContext) -> Any:
        if params == DEFAULTS:
            misreport(context)
        return _quality(1.0)

    lines = _tune(log, _spec(fit=fit), n=2)

    assert [line.state for line in lines] == ["FAIL", "COMPLETE"]
    assert lines[0].error
    assert [line.state for line in _tune(log, _spec(fit=fit), n=3)] == ["FAIL", "COMPLETE", "COMPLETE"]


def test_a_suggest_that_raises_costs_its_trial(log: TrialLog) -> None:
    """An error in ``suggest`` fails each trial with its message; the study ends in order."""

    def suggest(trial: Any) -> Any:
        raise KeyError("x")

    assert [(line.state, line.error) for line in _tune(log, _spec(suggest=suggest), n=2)] == [
        ("FAIL", "KeyError: 'x'")
    ] * 2


def test_a_metric_that_is_undefined_on_valid(log: TrialLog) -> None:
    """A metric that valid cannot give says so, and what to do."""
    Y = np.ones_like(DATA.valid.Y)
    data = replace(DATA, valid=replace(DATA.valid, Y=Y))

    (line,) = _tune(log, _spec(fit=lambda *_: lambda X: TRUTH), n=1, metric="roc_auc_macro", data=data)

    assert line.state == "FAIL"
    assert line.error == "ValueError: roc_auc_macro is undefined on the valid part: tune on another --metric"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidScores("x"), "invalid_scores"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "out_of_memory"),
        (OSError(12, "Cannot allocate memory"), "out_of_memory"),
        (ModuleNotFoundError("no"), "import_error"),
        (ImportError("cannot import name"), "import_error"),
        (ValueError("no"), "failed"),
        (SystemExit(1), "failed"),
    ],
)
def test_statuses_of_exceptions(error: BaseException, status: str) -> None:
    """Each exception stands for a status, with one printable line."""
    found, line = classify(error)

    assert found == status
    assert line
    assert line.isprintable()


# ----------------------------------------------------------------------------------- report and prune
def test_hopeless_trials_are_pruned(log: TrialLog) -> None:
    """A trial that is worse than the median at the same step ends there; its steps are kept, it has no value."""

    def fit(train: Any, params: dict[str, Any], context: FitContext) -> Any:
        quality = 3.0 if len(log.read()) < 5 else 0.0
        for step in range(1, 21):
            context.report(step, _quality(quality)(None))
        return _quality(quality)

    lines = _tune(log, _spec(fit=fit), n=7)

    assert [line.state for line in lines] == ["COMPLETE"] * 5 + ["PRUNED"] * 2
    assert [step for step, _ in lines[0].steps] == list(range(1, 21))
    assert len(lines[5].steps) == 10
    assert lines[5].value is None
    assert lines[5].status == "ok"


def test_a_model_may_prune_itself(log: TrialLog) -> None:
    """``TrialPruned`` from a model ends the trial as pruned."""

    def fit(train: Any, params: dict[str, Any], context: FitContext) -> Any:
        raise TrialPruned

    assert [line.state for line in _tune(log, _spec(fit=fit), n=1)] == ["PRUNED"]


@pytest.mark.parametrize("metric", ["average_precision_micro", "coverage_error"])
def test_best_step_is_the_best_that_covers_all_labels(log: TrialLog, metric: str) -> None:
    """Steps at which a label was not trained do not count, however well they score; of equals the first.

    The model is told the same figure, higher being better.
    """
    told: list[float] = []

    def fit(train: Any, params: dict[str, Any], context: FitContext) -> Any:
        partial = TRUTH.copy()
        partial[:, 1:] = np.nan
        told.append(context.report(1, partial))
        for step, quality in enumerate((0.5, 2.0, 2.0, 1.0), start=2):
            told.append(context.report(step, _quality(quality)(None)))
        told.append(context.report(6, np.full_like(TRUTH, np.nan)))
        return _quality(2.0)

    (line,) = _tune(log, _spec(fit=fit), n=1, metric=metric)

    assert line.best_step == 3
    assert [step for step, _ in line.steps] == [1, 2, 3, 4, 5]
    assert dict(line.steps)[3] == metric_value(metric, DATA.valid.Y, _quality(2.0)(None))
    assert dict(line.steps)[1] == metric_value(metric, DATA.valid.Y[:, :1], TRUTH[:, :1])
    sign = 1 if metric == "average_precision_micro" else -1
    assert told[:5] == [sign * value for _, value in line.steps]
    assert np.isnan(told[5])


def test_without_a_whole_report_there_is_no_best_step(log: TrialLog) -> None:
    """A model that reports nothing has no best step."""
    (line,) = _tune(log, _spec(fit=lambda *_: _quality(1.0)), n=1)

    assert line.best_step is None
    assert line.steps == ()


def test_a_step_that_is_reported_twice_counts_once(log: TrialLog) -> None:
    """The first report of a step stands, in the log as in the study."""

    def fit(train: Any, params: dict[str, Any], context: FitContext) -> Any:
        context.report(1, _quality(1.0)(None))
        context.report(1, _quality(3.0)(None))
        return _quality(1.0)

    (line,) = _tune(log, _spec(fit=fit), n=1)

    assert line.steps == ((1, metric_value("average_precision_micro", DATA.valid.Y, _quality(1.0)(None))),)


@pytest.mark.parametrize("step", [np.int64(3), np.int32(3), 3])
def test_steps_may_be_numpy_integers(log: TrialLog, step: Any) -> None:
    """A round number that comes out of NumPy is logged as a plain one."""

    def fit(train: Any, params: dict[str, Any], context: FitContext) -> Any:
        context.report(step, _quality(1.0)(None))
        return _quality(1.0)

    (line,) = _tune(log, _spec(fit=fit), n=1)

    assert line.state == "COMPLETE"
    assert [type(s) for s, _ in line.steps] == [int]
    assert line.best_step == 3


def test_what_a_trial_keeps_is_logged(log: TrialLog) -> None:
    """Each trial starts with nothing kept, and what it keeps is in its line."""

    def fit(train: Any, params: dict[str, Any], context: FitContext) -> Any:
        assert context.refit_state == {}
        context.refit_state["rounds"] = [params["depth"]]
        return _quality(1.0)

    for line in _tune(log, _spec(fit=fit), n=3):
        assert line.refit_state == {"rounds": [line.params["depth"]]}


# ------------------------------------------------------------------------------------------ the winner
def _complete(number: int, value: float) -> TrialRecord:
    return TrialRecord(number=number, state="COMPLETE", value=value)


@pytest.mark.parametrize("metric", METRICS)
def test_the_winner_is_the_best_by_direction(metric: str) -> None:
    """Of complete trials the best wins, the smallest where less is better; of equals the first."""
    lines = [
        TrialRecord(number=0, state="FAIL"),
        *(_complete(i + 1, value) for i, value in enumerate((0.5, 0.0, 0.9, 0.9, 0.0))),
        TrialRecord(number=6, state="PRUNED"),
    ]

    best = best_trial(lines, metric)

    assert best is not None
    assert best.number == (3 if METRICS[metric].sign > 0 else 2)


def test_no_winner_without_a_complete_trial() -> None:
    """Failed and pruned trials cannot win."""
    assert best_trial([TrialRecord(number=0, state="FAIL"), TrialRecord(number=1, state="PRUNED")], "f1_micro") is None


@pytest.mark.parametrize("metric", ["average_precision_micro", "label_ranking_loss"])
def test_on_best_is_told_each_new_best_before_it_is_logged(log: TrialLog, metric: str) -> None:
    """Scores are handed over only for trials that beat all before, and before the log says so."""
    told = []

    def on_best(number: int, scores: np.ndarray, scorer: Any) -> float:
        told.append((number, metric_value(metric, DATA.valid.Y, scores), len(log.read())))
        return 1.5

    _tune(log, n=10, metric=metric, on_best=on_best)

    lines = log.read()
    best_so_far = [best_trial(lines[: i + 1], metric) for i in range(len(lines))]
    wanted = sorted({line.number for line in best_so_far if line is not None})
    assert [number for number, _, _ in told] == wanted
    for number, value, logged in told:
        assert logged == number
        assert lines[number].value == value
        assert lines[number].predict_seconds == 1.5


def test_values_are_figures_of_valid(log: TrialLog) -> None:
    """The value of a trial is the tuned figure on valid; micro AP stands beside, whatever is tuned."""
    (line,) = _tune(log, _spec(fit=lambda *_: _quality(1.0)), n=1, metric="f1_macro")
    scores = _quality(1.0)(None)

    assert line.value == metric_value("f1_macro", DATA.valid.Y, scores)
    assert line.average_precision_micro == metric_value("average_precision_micro", DATA.valid.Y, scores)


def test_defaults_outside_of_the_range_end_the_job(log: TrialLog) -> None:
    """Optuna would run them, and could not take them up again after a kill: better refused at once, always."""
    spec = _spec(suggest=lambda trial: {"x": trial.suggest_float("x", 0, 1)}, defaults={"x": 5.0})
    with (
        pytest.warns(UserWarning, match="out of range"),
        pytest.raises(PluginError, match="defaults are outside the range of suggest"),
    ):
        _tune(log, spec)
    assert log.read() == []


def test_a_default_that_nobody_asks_for_ends_the_job(log: TrialLog) -> None:
    """A misspelt name would leave the real one to chance; it is said before a fit, which may take long, or fail."""
    spec = _spec(
        suggest=lambda trial: {"rate": trial.suggest_float("rate", 0, 1)},
        defaults={"rtae": 0.5},
        fit=lambda train, params, context: pytest.fail("fitted"),
    )
    with pytest.raises(PluginError, match="rtae"):
        _tune(log, spec)
    assert log.read() == []
