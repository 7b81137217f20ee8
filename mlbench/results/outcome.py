"""How a job's process ended: what the worker writes and its supervisor reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mlbench.data.files import atomic_write

OUTCOME = "outcome.json"
SO_FAR = "so-far.json"
"""The outcome after the latest trial, for the next process in case this one dies."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended.

    Attributes:
        status: One of ``mlbench.results.schema.STATUSES``.
        error: One line, unless ``status`` is ``"ok"``.
        wall_seconds: Duration as the supervisor saw it, over all processes.
        prepare_seconds: Duration of ``prepare``.
        fit_seconds: Duration of the final model's fit.
        predict_seconds: Duration of scoring the test rows.
        peak_memory_mb: Largest resident memory, in MiB.
        environment: Fields of ``mlbench.results.schema.Environment``, as far as the worker knows them.
    """

    status: str
    error: str | None = None
    wall_seconds: float | None = None
    prepare_seconds: float | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    peak_memory_mb: float | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write an outcome atomically."""
    atomic_write(path, json.dumps(asdict(outcome)), durable=False)  # a crash of the machine loses only a redo


def read_outcome(path: Path) -> Outcome | None:
    """Return an outcome that ``write_outcome`` wrote, or None if there is none, or none that makes sense."""
    try:
        outcome = Outcome(**json.loads(path.read_text(encoding="utf-8")))
        # The plugin's process can write to this folder.
        dict(outcome.environment["versions"])
        float(outcome.peak_memory_mb or 0) + float(outcome.prepare_seconds or 0)
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    return outcome


def with_earlier(before: Outcome | None, now: Outcome) -> Outcome:
    """Return the outcome of a process with what earlier processes of the same job used.

    The last one may do no more than copy the scores of the best trial. It has not prepared then, and where it
    runs, with what, is not where the job was done.
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
