"""What the processes of one job say together."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from helpers import random_dataset, request

from mlbench.data.cache import write_data
from mlbench.data.complete import complete
from mlbench.data.dataset import Split
from mlbench.execution import supervisor as supervise
from mlbench.execution import worker
from mlbench.execution.process import Ending
from mlbench.execution.worker_request import WorkerRequest
from mlbench.plugins.specs import FitContext, ModelSpec
from mlbench.results.outcome import SO_FAR, Outcome, read_outcome, with_earlier, write_outcome
from mlbench.results.schema import SCORES_TRAIN
from mlbench.results.trial_log import TrialLog


def _outcome(peak: float, prepare: float | None, *versions: str, cpus: int = 2, **more: Any) -> Outcome:
    environment = {"cpus": cpus, "versions": dict.fromkeys(versions, "1")}
    return Outcome(
        **{"status": "ok", "peak_memory_mb": peak, "prepare_seconds": prepare, "environment": environment, **more}
    )


def test_a_process_that_only_copies_says_what_the_earlier_one_used() -> None:
    """Memory, preparation and environment are of the process that did the work; the rest is the last one's."""
    together = with_earlier(
        _outcome(900.0, 60.0, "numpy", "xgboost", cpus=16), _outcome(58.0, None, "numpy", fit_seconds=3.0)
    )

    assert together == _outcome(900.0, 60.0, "numpy", "xgboost", cpus=16, fit_seconds=3.0)


def test_a_process_that_went_on_with_the_study_is_the_latest_word() -> None:
    """It has prepared by itself, where it ran; the largest memory and all libraries stay."""
    together = with_earlier(_outcome(100.0, 60.0, "xgboost", cpus=16), _outcome(200.0, 50.0, "numpy"))

    assert together == _outcome(200.0, 50.0, "xgboost", "numpy")
    assert with_earlier(_outcome(300.0, 1.0), _outcome(200.0, 1.0)).peak_memory_mb == 300.0


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "\0", "[" * 100_000, '{"status": "ok", "environment": null}']
    + [json.dumps(asdict(_outcome(1.0, 1.0, environment=bad))) for bad in ({}, {"versions": None}, [])]
    + [json.dumps(asdict(_outcome("x", 1.0))), json.dumps(asdict(_outcome(1.0, "x")))],  # type: ignore[arg-type]
)
def test_what_makes_no_sense_is_as_good_as_nothing(tmp_path: Path, text: str) -> None:
    """The folder is within reach of a plugin: a file that is no outcome costs no trial."""
    (tmp_path / SO_FAR).write_text(text)

    assert read_outcome(tmp_path / SO_FAR) is None
    assert read_outcome(tmp_path / "none") is None


def test_a_job_that_dies_keeps_what_is_known_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and versions until the latest trial are in the row of a process that was killed."""
    write_outcome(tmp_path / SO_FAR, _outcome(900.0, 60.0, "xgboost"))
    ending = Ending(kind="signal", code=9, last={"phase": "trial", "number": 7})
    monkeypatch.setattr(supervise, "_one_process", lambda *_: ending)

    outcome = supervise.supervise(request(tmp_path, timeout=1, trial_timeout=1))

    assert outcome.status == "killed"
    assert (outcome.peak_memory_mb, outcome.environment["versions"]) == (900.0, {"xgboost": "1"})


def test_time_that_preparing_took_is_not_blamed_on_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that is killed because all tuning time is over did not run over the time of a trial."""

    def late(*_: object) -> Ending:
        time.sleep(0.1)
        return Ending(kind="timeout", code=0, last={"phase": "trial", "number": 0})

    monkeypatch.setattr(supervise, "_one_process", late)
    monkeypatch.setattr(supervise, "grace", lambda budget: 0.0)

    outcome = supervise.supervise(request(tmp_path, timeout=0.1, trial_timeout=0.05))

    assert (outcome.status, TrialLog(tmp_path / "study.jsonl").read()) == ("timeout", [])


def test_all_tuning_time_counts_over_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting and preparing again after a trial that hung comes out of --timeout, too, not only trials."""
    granted = []

    def hangs(order: WorkerRequest, *_: object) -> Ending:
        granted.append(order.seconds_left)
        time.sleep(0.3)
        return Ending(kind="timeout", code=0, last={"phase": "trial", "number": len(granted) - 1})

    monkeypatch.setattr(supervise, "_one_process", hangs)
    monkeypatch.setattr(supervise, "grace", lambda budget: 0.0)

    outcome = supervise.supervise(request(tmp_path, timeout=1, trial_timeout=0.05))

    assert outcome.status == "timeout"
    assert len(granted) <= 4
    assert all(now <= before - 0.3 for before, now in pairwise(granted))


# ------------------------------------------------------------------------------------- inside one process
class _Pipe(io.BytesIO):
    """What the worker says, kept."""

    @property
    def phases(self) -> list[str]:
        """The phases in order."""
        return [json.loads(line)["phase"] for line in self.getvalue().splitlines()]


def _carry_out(folder: Path, monkeypatch: pytest.MonkeyPatch, spec: ModelSpec, **more: Any) -> list[str]:
    """The phases of a request, carried out in this process on a small data set."""
    dataset = complete(random_dataset())
    write_data(dataset, folder / "data")
    monkeypatch.setattr(worker, "load_model", lambda source, name: spec)
    source = {"plugin": "p", "version": "1", "entry_point": "p"}
    asked = request(folder, timeout=60, trial_timeout=more.pop("trial_timeout", 60.0))
    data = str(folder / "data")
    pipe = _Pipe()
    run = worker._Run(replace(asked, source=source, data=data, features=data, seconds_left=60.0, **more), pipe)
    assert run.carry_out().status == "ok"
    return pipe.phases


def _spec(
    prepare: Callable[..., Any] = lambda train, context: train, score: Callable[..., Any] = lambda X: X
) -> ModelSpec:
    return ModelSpec(
        name="m", summary="s", prepare=prepare, fit=lambda prepared, params, context: lambda X: score(X)[:, :3]
    )


@pytest.mark.parametrize(
    ("refit", "phases"),
    [
        (False, ["prepare", "trial", "curve", "final"]),
        (True, ["prepare", "trial", "final", "final", "curve"]),
    ],
)
def test_every_phase_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refit: bool, phases: list[str]) -> None:
    """The clock of a time limit starts anew with each phase; at a refit, preparing and fitting have one each."""
    assert _carry_out(tmp_path, monkeypatch, _spec(), refit_on_both=refit) == phases


def test_nothing_is_prepared_for_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that goes on with a study whose trials are all there only copies their scores."""
    prepared = []

    def prepare(train: Split, context: FitContext) -> Split:
        prepared.append(train)
        return train

    first = _carry_out(tmp_path, monkeypatch, _spec(prepare))
    second = _carry_out(tmp_path, monkeypatch, _spec(prepare))

    assert (first[-1], second) == ("final", ["prepare", "final"])
    assert len(prepared) == 1


def test_train_rows_that_take_too_long_are_not_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The train curve may take a tenth of the time of a trial, at the pace of the test rows."""

    def slow(X: Any) -> Any:
        time.sleep(0.1)
        return X

    assert "curve" not in _carry_out(tmp_path, monkeypatch, _spec(score=slow), trial_timeout=1.0)
    assert not (tmp_path / SCORES_TRAIN).exists()
