"""The log of a study, from which it can be resumed: one checksummed JSON line per finished trial.

Only complete lines count. An incomplete last line, left by a kill, is removed before the next line is written, so a
resumed study continues exactly after the last finished trial.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from mlbench.metrics import METRICS

State = Literal["COMPLETE", "PRUNED", "FAIL"]


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """A finished trial.

    Attributes:
        number: From 0; trial 0 is the defaults.
        state: Optuna's name of how it ended.
        value: The tuned metric on valid; None unless complete.
        average_precision_micro: On valid; None unless complete.
        params: By name, as Optuna stores them.
        distributions: By name, as Optuna's JSON.
        steps: (step, value) as reported, in order.
        best_step: The step that scored best among those that covered every label, or None.
        refit_state: What the model put into ``FitContext.refit_state``.
        attributes: Optuna's system attributes.
        fit_seconds: Duration of fit.
        predict_seconds: Duration of predicting the test rows, 0 unless they were.
        seconds: Duration of the whole trial.
        status: The status that a job gets when every trial failed so.
        error: One line, or None.
    """

    number: int
    state: State
    value: float | None = None
    average_precision_micro: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    distributions: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[tuple[int, float], ...] = ()
    best_step: int | None = None
    refit_state: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    seconds: float = 0.0
    status: str = "ok"
    error: str | None = None

    @property
    def last_value(self) -> float | None:
        """The value, or, of a trial that was pruned or failed, the one that it reported last."""
        return self.value if self.state == "COMPLETE" else self.steps[-1][1] if self.steps else None


class TrialLog:
    """The log of one study at ``path``, with one writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[TrialRecord]:
        """Read the finished trials in order, ignoring an incomplete or damaged tail."""
        return [line for line, _ in self._whole_lines()]

    def append(self, line: TrialRecord) -> None:
        """Append a trial durably, after removing an incomplete last line."""
        body = json.dumps(asdict(line), sort_keys=True).encode()
        whole = sum(size for _, size in self._whole_lines())
        with self.path.open("ab") as file:
            file.truncate(whole)
            file.write(b"%08x %s\n" % (zlib.crc32(body), body))
            file.flush()
            os.fsync(file.fileno())

    def _whole_lines(self) -> list[tuple[TrialRecord, int]]:
        if not self.path.exists():
            return []
        found = []
        for raw in self.path.read_bytes().splitlines(keepends=True):
            checksum, _, body = raw.rstrip(b"\n").partition(b" ")
            if not body or not raw.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(body):
                break
            values = json.loads(body)
            if "keep" in values:  # as it was called up to mlbench 0.1
                values["refit_state"] = values.pop("keep")
            values["steps"] = tuple((step, value) for step, value in values["steps"])
            found.append((TrialRecord(**values), len(raw)))
        return found


def best_trial(trials: Sequence[TrialRecord], metric: str) -> TrialRecord | None:
    """Return the first of the best complete trials, or None."""
    complete = [trial for trial in trials if trial.value is not None and trial.state == "COMPLETE"]
    sign = METRICS[metric].sign
    return max(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)
