"""Supervision of one job in child processes until it has an outcome.

A trial that exceeds its time limit only ends its process: it is logged as failed, and a new process continues the
study. When the tuning time is over, the best trial so far is fitted. Scoring train rows for a curve has its own time
limit; if the process dies or hangs in this phase, the step is repeated without the curve.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlbench.execution import process
from mlbench.execution.worker_request import CURVE, EXIT_DISK, FeaturesRequest, WorkerRequest
from mlbench.results.outcome import OUTCOME, SO_FAR, Outcome, read_outcome, with_earlier
from mlbench.results.schema import LOG, Budget
from mlbench.results.trial_log import TrialLog, TrialRecord, best_trial

REQUEST = "request.json"
SCRATCH = "scratch"
PROBE = "probe"
PROBE_BYTES = 1 << 20
NATIVE_FAULT = ": a fault in native code, or an allocation that --memory-limit refused"
DEATHS = {
    "SIGKILL": ", perhaps sent by the system because memory ran out",
    "SIGSEGV": NATIVE_FAULT,
    "SIGABRT": NATIVE_FAULT,
}
"""Possible causes by signal name: few native libraries survive a refused allocation."""

DOING = {
    "start": "starting",
    "prepare": "preparing",
    "final": "fitting the final model",
    "curve": "scoring train",
    "features": "computing features",
}
"""What a process was doing, by its phase."""


def grace(budget: Budget) -> float:
    """Return the grace period between the deadline and SIGKILL, in seconds."""
    return 2.0 + 0.1 * min(budget.timeout, budget.trial_timeout)


def supervise(request: WorkerRequest) -> Outcome:
    """Run the job of ``request`` to its end; whatever its plugin does becomes a status."""
    start = time.monotonic()
    outcome = _see_through(request)
    return replace(outcome, wall_seconds=time.monotonic() - start)


def supervise_features(request: FeaturesRequest) -> Outcome:
    """Compute the features of ``request`` in a child process; whatever their plugin does becomes a status.

    Raises:
        OSError: The disk is full.
    """
    work, budget = Path(request.work), request.budget
    (work / SCRATCH).mkdir(exist_ok=True)
    path = work / REQUEST
    path.write_text(replace(request, parent=os.getpid()).to_json(), encoding="utf-8")
    start = time.monotonic()
    ending = process.run_child(
        [sys.executable, "-P", "-m", "mlbench.execution.features", str(path.resolve())],
        cwd=work / SCRATCH,
        log=work / LOG,
        threads=request.library_threads,
        cuda=False,
        deadline=lambda last, since: start + budget.trial_timeout + grace(budget),
    )
    if (ending.kind, ending.code) == ("exit", EXIT_DISK):
        _probe_disk(work)
    if ending.kind == "timeout":
        outcome = Outcome(status="timeout", error=f"ran over {budget.trial_timeout:g}s: raise --trial-timeout")
    else:
        outcome = _outcome(ending, "features", work)
    return replace(outcome, wall_seconds=time.monotonic() - start)


def _see_through(request: WorkerRequest) -> Outcome:
    work, log = Path(request.work), TrialLog(Path(request.study))
    (work / SCRATCH).mkdir(exist_ok=True)
    tuning_is_over = disk_was_full = False
    before = sum(line.seconds for line in log.read())
    start = time.monotonic()
    while True:
        began = time.monotonic()
        left = 0.0 if tuning_is_over else max(0.0, request.budget.timeout - before - (began - start))
        ending = _one_process(replace(request, seconds_left=left, parent=os.getpid()), work)
        out_of_time = time.monotonic() - began >= left + grace(request.budget)
        phase = ending.last.get("phase", "start")
        if phase == CURVE and request.score_train and not _has_outcome(ending, work):
            request = replace(request, score_train=False)  # no metric needs the train curve, so continue without it
            continue
        if (ending.kind, ending.code) == ("exit", EXIT_DISK) and not disk_was_full:
            disk_was_full = True
            _probe_disk(work)
            continue  # there is room again, or the plugin exited with our code
        if ending.kind != "timeout":
            return _outcome(ending, phase, work)
        lines = log.read()
        if phase == "trial" and not out_of_time:
            error = f"the trial ran over --trial-timeout {request.budget.trial_timeout:g}s"
            log.append(
                TrialRecord(
                    number=len(lines), state="FAIL", status="timeout", error=error, seconds=request.budget.trial_timeout
                )
            )
        elif (
            phase in ("prepare", "trial")
            and not tuning_is_over
            and best_trial(lines, request.budget.metric) is not None
        ):
            tuning_is_over = True
        else:
            return _failure("timeout", _why_late(phase, request.budget), work)


def _probe_disk(work: Path) -> None:
    """Raise ``OSError`` if the disk is full, which ends the run; the job can be resumed from its work folder."""
    probe = work / PROBE
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    finally:
        probe.unlink(missing_ok=True)


def _one_process(request: WorkerRequest, work: Path) -> process.Ending:
    started = time.monotonic()

    def deadline(last: Mapping[str, Any], since: float) -> float:
        end = since + request.budget.trial_timeout
        if last.get("phase") in ("prepare", "trial"):
            end = min(end, started + request.seconds_left)
        return end + grace(request.budget)

    path = work / REQUEST
    path.write_text(request.to_json(), encoding="utf-8")
    (work / OUTCOME).unlink(missing_ok=True)
    return process.run_child(
        [sys.executable, "-P", "-m", "mlbench.execution.worker", str(path.resolve())],
        cwd=work / SCRATCH,
        log=work / LOG,
        threads=request.library_threads,
        cuda=request.device == "cuda",
        deadline=deadline,
    )


def _has_outcome(ending: process.Ending, work: Path) -> bool:
    return ending.kind == "exit" and ending.code == 0 and (work / OUTCOME).exists()


def _outcome(ending: process.Ending, phase: str, work: Path) -> Outcome:
    if _has_outcome(ending, work):
        return Outcome(**json.loads((work / OUTCOME).read_text(encoding="utf-8")))
    where = f"in trial {ending.last['number']}" if phase == "trial" else f"while {DOING.get(phase, phase)}"
    if ending.kind == "signal":
        name = process.signal_name(ending.code)
        return _failure("killed", f"the process was killed by {name} {where}{DEATHS.get(name, '')}", work)
    return _failure("killed", f"the process exited with code {ending.code} {where}", work)


def _failure(status: str, error: str, work: Path) -> Outcome:
    """Build the outcome of a failed job, with the resources recorded after its latest trial."""
    return with_earlier(read_outcome(work / SO_FAR), Outcome(status=status, error=error, environment={}))


def _why_late(phase: str, budget: Budget) -> str:
    if phase == "trial":
        return f"no trial finished within --timeout {budget.timeout:g}s"
    seconds = min(budget.timeout, budget.trial_timeout) if phase == "prepare" else budget.trial_timeout
    return f"phase {phase!r} exceeded {seconds:g}s: raise --trial-timeout"
