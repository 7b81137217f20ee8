"""The progress of ``mlbench run`` on stderr: a live bar on a terminal, plain lines in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType

import click

from mlbench.data.complete import CompleteDataset
from mlbench.execution.job import Job
from mlbench.metrics import METRICS
from mlbench.results.ledger import Ledger
from mlbench.results.schema import Record
from mlbench.results.trial_log import best_trial

REFRESH_SECONDS = 0.5
QUIET_SECONDS = 60.0
"""How often a log gets a line while studies run."""


def describe_data(jobs: Sequence[Job]) -> None:
    """Show, once for each data set, what to know before trusting a value on it."""
    for dataset in {job.dataset.sha256: job.dataset for job in jobs}.values():
        for line in [*dataset_lines(dataset), *_takers_of_zeros(dataset, jobs)]:
            click.echo(f"{dataset.name}: {line}", err=True)


def _takers_of_zeros(dataset: CompleteDataset, jobs: Sequence[Job]) -> list[str]:
    if all(split.known is None for split in (dataset.train, dataset.valid)):
        return []
    specs = {job.model.spec.name: job.model.spec for job in jobs if job.dataset is dataset}
    names = [name for name, spec in specs.items() if "unknown" not in spec.accepts]
    return [f"models that learn unknown labels as 0: {', '.join(names)}"] if names else []


def dataset_lines(dataset: CompleteDataset) -> list[str]:
    """Return the sizes of a data set, its warnings, and its facts, one line each."""
    sizes = " + ".join(f"{len(split):,} {part}" for part, split in dataset.parts())
    texts = "texts" if dataset.train.texts is not None else ""
    d = dataset.train.X.shape[1]
    columns = ", ".join(filter(None, (texts, f"{d:,} features" if d or not texts else "")))
    first = f"{sizes} rows, {columns}, {dataset.train.Y.shape[1]:,} labels"
    return [first, *(f"warning: {warning}" for warning in dataset.warnings), *dataset.facts]


def describe_plan(jobs: Sequence[Job], ledger: Ledger) -> None:
    """Print one line per job with its progress, for ``--dry-run``."""
    there = 0
    for job in jobs:
        record = ledger.load(job.id)
        trials = max((len(log.read()) for log in ledger.trials_under_way(job.id)), default=0)
        total = job.n_trials
        there += record is not None
        if record is not None:
            state = "finished" if record.status == "ok" else f"finished: {record.status}"
        else:
            state = f"{trials} of {total} trials done" if trials else f"not started, {total} trials"
        click.echo(f"{job.label}: {state}")
    click.echo(f"{len(jobs)} jobs, {there} finished, {len(jobs) - there} to run")


class Progress:
    """Follows the studies on disk, whichever executor runs them."""

    def __init__(self, jobs: Sequence[Job], ledger: Ledger) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.waiting = {job.id: job for job in jobs}
        self.ledger = ledger
        self.n_jobs = len(self.waiting)
        self.done_trials = 0
        self.best: dict[str, tuple[float, str]] = {}
        self.total = sum(job.n_trials for job in self.waiting.values())
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
        """Start the display."""
        if self.live:
            self.bar.start()
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the display."""
        self.stop.set()
        self.thread.join()
        if self.live:
            self.bar.stop()

    def done(self, job: Job, record: Record) -> None:
        """Report that a job is in the ledger."""
        self.waiting.pop(job.id, None)
        self.done_trials += job.n_trials
        seconds = record.timings.total
        if record.status == "ok":
            best = record.value("valid", job.budget.metric)
            self._note_best(job, best)
            result = f"valid {job.budget.metric} {best:.4f}" if best is not None else "ok"
        else:
            result = f"{record.status}: {record.error}"
        trials = f"{record.n_trials} trial{'s' * (record.n_trials != 1)}"
        if record.status == "ok" and record.n_trials < job.n_trials:
            trials = f"{record.n_trials} of {job.n_trials} trials before the time limit"
        pruned = f" ({record.n_trials_pruned} pruned)" if record.n_trials_pruned else ""
        count = self.n_jobs - len(self.waiting)
        line = f"[{count}/{self.n_jobs}] {job.label}: {result}, {trials}{pruned}, {seconds:.1f} s"
        if self.live:
            self.bar.console.print(line, markup=False, highlight=False)
        else:
            click.echo(line, err=True)
        self.quiet_since = time.monotonic()

    def _note_best(self, job: Job, value: float | None) -> None:
        """Remember the best validation score so far for each data set."""
        if value is None:
            return
        sign = METRICS[job.budget.metric].sign
        text = f"best {value:.4f} ({job.features.spec.name} · {job.model.spec.name})"
        old = self.best.get(job.dataset.name)
        if old is None or sign * value > sign * old[0]:
            self.best[job.dataset.name] = value, text

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
            best = self.best.get(waiting[0].dataset.name, (0.0, ""))[1] if waiting else ""
            jobs = f"{self.n_jobs - len(self.waiting)}/{self.n_jobs} jobs"
            completed = min(self.total, self.done_trials + under_way)
            if self.live:
                self.bar.update(self.task, completed=completed, jobs=jobs, best=best)
            elif time.monotonic() - self.quiet_since > QUIET_SECONDS:
                self.quiet_since = time.monotonic()
                click.echo(f"{jobs}, {completed}/{self.total} trials{', ' * bool(best)}{best}", err=True)
