"""Seeing one job through in child processes, until there is an outcome.

A trial that runs over its time costs its process, not the study: the trial is logged as failed and a
new process goes on with the next. When tuning time is over the best so far is fitted. Scoring train rows
for a curve has a clock of its own; if the process dies or hangs there, what it was at is done again without.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mlbench.execution import process as isolate
from mlbench.execution.tuning import best_trial
from mlbench.execution.worker import CURVE, EXIT_DISK, OUTCOME, SO_FAR, Order, Outcome, read_outcome, with_earlier
from mlbench.results.trial_log import TrialLog, TrialRecord

ORDER = "order.json"
LOG = "log.txt"
SCRATCH = "scratch"
PROBE = "probe"
PROBE_BYTES = 1 << 20
NATIVE_FAULT = ": a fault of native code, or --memory-limit left it no memory"
DEATHS = {
    "SIGKILL": ", perhaps by the system for lack of memory",
    "SIGSEGV": NATIVE_FAULT,
    "SIGABRT": NATIVE_FAULT,
}
"""What a signal's name may mean: few native libraries survive that they are refused memory."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds that are granted before the process is killed.

    Attributes:
        timeout: All tuning, over all processes of the job.
        trial_timeout: One trial, preparing, the final fit, or scoring train rows.
    """

    timeout: float
    trial_timeout: float

    @property
    def grace(self) -> float:
        """How much later the kill comes than the time that the model was told, so that it can stop by itself."""
        return 2.0 + 0.1 * min(self.timeout, self.trial_timeout)


def supervise(order: Order, limits: Limits) -> Outcome:
    """Run the job of ``order`` to its end; whatever its plugin does becomes a status."""
    start = time.monotonic()
    outcome = _see_through(order, limits)
    return replace(outcome, wall_seconds=time.monotonic() - start)


def _see_through(order: Order, limits: Limits) -> Outcome:
    work, log = Path(order.work), TrialLog(Path(order.study))
    (work / SCRATCH).mkdir(exist_ok=True)
    tuning_is_over = disk_was_full = False
    before = sum(line.seconds for line in log.read())
    start = time.monotonic()
    while True:
        began = time.monotonic()
        left = 0.0 if tuning_is_over else max(0.0, limits.timeout - before - (began - start))
        ending = _one_process(replace(order, tune_seconds=left, parent=os.getpid()), limits, work)
        out_of_time = time.monotonic() - began >= left + limits.grace
        phase = ending.last.get("phase", "start")
        if phase == CURVE and order.score_train and not _has_outcome(ending, work):
            order = replace(order, score_train=False)  # what no figure needs shall cost no figure
            continue
        if (ending.kind, ending.code) == ("exit", EXIT_DISK) and not disk_was_full:
            disk_was_full = True
            _probe_disk(work)
            continue  # it has room again; or it is the plugin that exits with our code
        if ending.kind != "timeout":
            return _outcome(ending, phase, work)
        lines = log.read()
        if phase == "trial" and not out_of_time:
            error = f"the trial ran over --trial-timeout {limits.trial_timeout:g}s"
            log.append(
                TrialRecord(
                    number=len(lines), state="FAIL", status="timeout", error=error, seconds=limits.trial_timeout
                )
            )
        elif phase in ("prepare", "trial") and not tuning_is_over and best_trial(lines, order.metric) is not None:
            tuning_is_over = True
        else:
            return _failure("timeout", _why_late(phase, limits), work)


def _probe_disk(work: Path) -> None:
    """An ``OSError`` if the disk is full, which ends the run; the job's work folder stays, and is gone on from."""
    probe = work / PROBE
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    finally:
        probe.unlink(missing_ok=True)


def _one_process(order: Order, limits: Limits, work: Path) -> isolate.Ending:
    started = time.monotonic()

    def deadline(last: Mapping[str, Any], since: float) -> float:
        end = since + limits.trial_timeout
        if last.get("phase") in ("prepare", "trial"):
            end = min(end, started + order.tune_seconds)
        return end + limits.grace

    path = work / ORDER
    path.write_text(json.dumps(asdict(order)), encoding="utf-8")
    (work / OUTCOME).unlink(missing_ok=True)
    return isolate.run_child(
        [sys.executable, "-P", "-m", "mlbench.execution.worker", str(path.resolve())],
        cwd=work / SCRATCH,
        log=work / LOG,
        threads=order.library_threads,
        cuda=order.device == "cuda",
        deadline=deadline,
    )


def _has_outcome(ending: isolate.Ending, work: Path) -> bool:
    return ending.kind == "exit" and ending.code == 0 and (work / OUTCOME).exists()


def _outcome(ending: isolate.Ending, phase: str, work: Path) -> Outcome:
    if _has_outcome(ending, work):
        return Outcome(**json.loads((work / OUTCOME).read_text(encoding="utf-8")))
    where = f"in trial {ending.last['number']}" if phase == "trial" else f"at {phase}"
    if ending.kind == "signal":
        name = isolate.signal_name(ending.code)
        return _failure("killed", f"the process died of {name} {where}{DEATHS.get(name, '')}", work)
    return _failure("killed", f"the process ended itself with exit code {ending.code} {where}", work)


def _failure(status: str, error: str, work: Path) -> Outcome:
    """What the process used until its latest trial is known even if it did not live to say so."""
    return with_earlier(read_outcome(work / SO_FAR), Outcome(status=status, error=error, environment={}))


def _why_late(phase: str, limits: Limits) -> str:
    if phase == "trial":
        return f"no trial finished within --timeout {limits.timeout:g}s"
    seconds = min(limits.timeout, limits.trial_timeout) if phase == "prepare" else limits.trial_timeout
    return f"{phase} ran over {seconds:g}s: raise --trial-timeout"
