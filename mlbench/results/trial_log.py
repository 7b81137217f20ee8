"""What a resume needs of a study: one checksummed JSON line for each finished trial.

A line counts only when it is whole: a tail that a kill tore off is cut before the next line is
written, so a killed and resumed study goes on exactly where the last finished trial left it.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

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
        keep: What the model put into ``FitContext.keep``.
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
    keep: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    seconds: float = 0.0
    status: str = "ok"
    error: str | None = None


class TrialLog:
    """The log of one study at ``path``; one writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[TrialRecord]:
        """The finished trials, in order; a torn or damaged tail is left out."""
        return [line for line, _ in self._whole_lines()]

    def append(self, line: TrialRecord) -> None:
        """Write one line and make it durable; what a kill left half written is cut first."""
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
            values["steps"] = tuple((step, value) for step, value in values["steps"])
            found.append((TrialRecord(**values), len(raw)))
        return found
