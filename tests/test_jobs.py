"""How jobs share a machine, what becomes of the executor, and which jobs make the boards."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import record

from mlbench.api import jobs as module
from mlbench.api.jobs import boards_of, run_jobs
from mlbench.execution.scheduler import Schedule
from mlbench.results.ledger import Ledger


class _Executor(Executor):
    """Keeps how it was shut down."""

    def __init__(self) -> None:
        self.ends: list[tuple[bool, bool]] = []

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Note it."""
        self.ends.append((wait, cancel_futures))


@pytest.mark.parametrize(("jobs", "threads"), [(1, 8), (2, 4), (3, 2), (8, 1), (20, 1)])
def test_jobs_share_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, threads: int) -> None:
    """Each gets its part of the cores, and one at least."""
    given: list[int] = []

    def schedule(*_: Any, threads: int, **more: Any) -> Schedule:
        given.append(threads)
        return Schedule(records=[], lost=[])

    monkeypatch.setattr(module, "usable_cpus", lambda: 8)
    monkeypatch.setattr(module, "schedule", schedule)
    run_jobs([], Ledger(tmp_path), jobs=jobs)

    assert given == [threads]


@pytest.mark.parametrize("raised", [None, KeyboardInterrupt])
@pytest.mark.parametrize("ours", [True, False])
def test_only_our_own_executor_is_shut_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException] | None, ours: bool
) -> None:
    """After an error at once, what waits is cancelled; that of a caller is left to the caller."""
    executor = _Executor()

    def schedule(*_: Any, **more: Any) -> Schedule:
        if raised is not None:
            raise raised
        return Schedule(records=[], lost=[])

    monkeypatch.setattr(module, "schedule", schedule)
    monkeypatch.setattr(module, "executor_for", lambda jobs: executor)
    try:
        run_jobs([], Ledger(tmp_path), executor=None if ours else executor)
    except KeyboardInterrupt:
        assert raised is not None

    assert executor.ends == ([(True, raised is not None)] if ours else [])


def test_boards_have_what_was_just_run_and_what_was_there() -> None:
    """A version that was asked for stands on the board though there is a newer one; other budgets stay off it."""
    old, new, other = record(0.5, version="0.1"), record(0.75, version="0.2"), record(0.25, model="prior")
    elsewhere = replace(other.job, budget=replace(other.job.budget, n_trials=3))
    job: Any = SimpleNamespace(id=old.id, dataset=SimpleNamespace(name="toy"), key=old.job)

    found = boards_of([job], [new, old, other, replace(other, id="far", job=elsewhere)])

    rows = [(row["model"], row["plugin_version"], row["job_ids"]) for row in found["toy"].rows]
    assert rows == [("ridge", "0.1", old.id), ("prior", "0.1", other.id)]
