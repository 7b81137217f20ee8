"""What ``mlbench run`` says while it works: a live bar on a terminal, plain lines in a log; all on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType

import click
import numpy as np

from mlbench.data.audit import shared_groups
from mlbench.data.cache import count_shared_rows
from mlbench.data.dataset import Dataset
from mlbench.errors import one_line
from mlbench.execution.job import Job
from mlbench.execution.tuning import best_trial, n_trials
from mlbench.metrics import DIRECTIONS
from mlbench.results.ledger import Ledger, Record

REFRESH_SECONDS = 0.5
QUIET_SECONDS = 60.0
"""How long a log says nothing while studies go on."""


def describe_data(jobs: Sequence[Job]) -> None:
    """Sizes, labels without positives, duplicates across parts, and the reader's notes, once a data set."""
    for source in {job.source.sha256: job.source for job in jobs}.values():
        for line in dataset_lines(source.dataset):
            click.echo(f"{source.name}: {line}", err=True)


def dataset_lines(dataset: Dataset) -> list[str]:
    """What one should know of a data set before trusting a figure on it."""
    sizes = " + ".join(f"{len(split):,} {part}" for part, split in dataset.parts())
    lines = [f"{sizes} rows, {dataset.train.X.shape[1]:,} features, {dataset.train.Y.shape[1]:,} labels"]
    empty = {part: int(np.sum(~split.Y.any(axis=0))) for part, split in dataset.parts()}
    if any(empty.values()):
        counts = ", ".join(f"{count} in {part}" for part, count in empty.items() if count)
        lines.append(f"labels without a positive: {counts}")
    shared = count_shared_rows(dataset)
    if shared:
        lines.append(
            "repeated rows: " + ", ".join(f"{n} of {part} stand in {first} too" for (part, first), n in shared.items())
        )
    twice = shared_groups(dict(dataset.parts()))
    lines += [f"groups in two parts: {one.groups} of {one.part} stand in {one.earlier} too" for one in twice]
    return lines + [one_line(note) for note in dataset.notes]


def describe_plan(jobs: Sequence[Job], ledger: Ledger) -> None:
    """``--dry-run``: a line a job, and how much of it is there already."""
    there = 0
    for job in jobs:
        record = ledger.load(job.id)
        trials = max((len(log.read()) for log in ledger.trials_under_way(job.id)), default=0)
        total = n_trials(job.model.spec, job.budget.n_trials)
        there += record is not None
        if record is not None:
            state = "finished" if record.status == "ok" else f"finished: {record.status}"
        else:
            state = f"{trials} of {total} trials done" if trials else f"to run, {total} trials"
        click.echo(f"{job.label}: {state}")
    click.echo(f"{len(jobs)} jobs, {there} finished, {len(jobs) - there} to run")


class Progress:
    """Follows the studies on disk, whatever executor runs them."""

    def __init__(self, jobs: Sequence[Job], ledger: Ledger) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.waiting = {job.id: job for job in jobs}
        self.ledger = ledger
        self.n_jobs = len(self.waiting)
        self.done_trials = 0
        self.best: dict[str, tuple[float, str]] = {}
        self.total = sum(n_trials(job.model.spec, job.budget.n_trials) for job in self.waiting.values())
        console = Console(stderr=True)
        self.live = console.is_terminal and self.n_jobs > 0
        self.quiet_since = time.monotonic()
        self.bar = Bar(
            TextColumn("{task.fields[jobs]}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} trials"),
            TextColumn("{task.fields[best]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not self.live,
            transient=True,
        )
        self.task = self.bar.add_task("", total=self.total, jobs=f"0/{self.n_jobs} jobs", best="")
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Progress:
        """Start to show."""
        if self.live:
            self.bar.start()
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to show."""
        self.stop.set()
        self.thread.join()
        if self.live:
            self.bar.stop()

    def done(self, job: Job, record: Record) -> None:
        """One job is in the ledger."""
        self.waiting.pop(job.id, None)
        self.done_trials += n_trials(job.model.spec, job.budget.n_trials)
        seconds = sum(value or 0.0 for value in record.timings.values())
        if record.status == "ok":
            best = record.figures["valid"][job.budget.metric]
            self._note_best(job, best)
            result = f"valid {job.budget.metric} {best:.4f}" if best is not None else "ok"
        else:
            result = f"{record.status}: {record.error}"
        trials = f"{record.n_trials} trial{'s' * (record.n_trials != 1)}"
        if record.status == "ok" and record.n_trials < (asked := n_trials(job.model.spec, job.budget.n_trials)):
            trials = f"{record.n_trials} of {asked} trials in the time there was"
        pruned = f" ({record.n_trials_pruned} pruned)" if record.n_trials_pruned else ""
        count = self.n_jobs - len(self.waiting)
        line = f"[{count}/{self.n_jobs}] {job.label}: {result}, {trials}{pruned}, {seconds:.1f} s"
        if self.live:
            self.bar.console.print(line, markup=False, highlight=False)
        else:
            click.echo(line, err=True)
        self.quiet_since = time.monotonic()

    def _note_best(self, job: Job, value: float | None) -> None:
        """Remember the best validation score so far on each data set."""
        if value is None:
            return
        sign = 1 if DIRECTIONS[job.budget.metric] == "maximize" else -1
        text = f"best {value:.4f} ({job.features.spec.name} · {job.model.spec.name})"
        old = self.best.get(job.source.name)
        if old is None or sign * value > sign * old[0]:
            self.best[job.source.name] = value, text

    def _follow(self) -> None:
        while not self.stop.wait(REFRESH_SECONDS):
            under_way = 0
            waiting = list(self.waiting.values())
            for job in waiting:
                for log in self.ledger.trials_under_way(job.id):
                    lines = log.read()
                    under_way += len(lines)
                    leader = best_trial(lines, job.budget.metric)
                    self._note_best(job, leader.value if leader is not None else None)
            best = self.best.get(waiting[0].source.name, (0.0, ""))[1] if waiting else ""
            jobs = f"{self.n_jobs - len(self.waiting)}/{self.n_jobs} jobs"
            completed = min(self.total, self.done_trials + under_way)
            if self.live:
                self.bar.update(self.task, completed=completed, jobs=jobs, best=best)
            elif time.monotonic() - self.quiet_since > QUIET_SECONDS:
                self.quiet_since = time.monotonic()
                click.echo(f"{jobs}, {completed}/{self.total} trials{', ' * bool(best)}{best}", err=True)
