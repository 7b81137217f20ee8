"""What `mlbench run` tells of its jobs while they run."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import origin, random_dataset, record

from mlbench.cli.progress import Progress
from mlbench.data.complete import complete
from mlbench.execution.job import Job
from mlbench.plugins.catalog import PluginEntry
from mlbench.plugins.specs import FeatureSpec, ModelSpec
from mlbench.results.ledger import Ledger
from mlbench.results.schema import Budget


def _jobs(n: int, metric: str = "average_precision_micro", n_trials: int = 20) -> list[Job]:
    features = PluginEntry(spec=FeatureSpec(name="raw", summary="s", fit=print), origin=origin())  # type: ignore[arg-type]
    model = ModelSpec(name="a", summary="s", fit=print, suggest=dict)  # type: ignore[arg-type]
    return [
        Job(
            dataset=complete(random_dataset()), features=features, model=PluginEntry(spec=model, origin=origin()),
            seed=seed, budget=Budget(metric=metric, n_trials=n_trials),
        )
        for seed in range(n)
    ]  # fmt: skip


@pytest.mark.parametrize(("metric", "best"), [("average_precision_micro", 0.75), ("hamming_loss", 0.25)])
def test_the_best_so_far_is_that_of_the_tuned_metric(tmp_path: Path, metric: str, best: float) -> None:
    """More of a precision, less of a loss; a job without a value changes nothing."""
    jobs = _jobs(4, metric)
    progress = Progress(jobs, Ledger(tmp_path))
    for job, value in zip(jobs, (0.5, 0.25, 0.75, None), strict=True):
        progress._note_best(job, value)

    assert progress.best == {"toy": (best, f"best {best:.4f} (raw · a)")}


def test_each_job_that_ends_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its place, its value on valid or what was wrong with it, its trials, and the seconds of all it did."""
    jobs = _jobs(3)
    progress = Progress(jobs, Ledger(tmp_path))
    progress.done(jobs[0], record())
    progress.done(jobs[1], record(n_trials=1, n_trials_pruned=0))
    progress.done(jobs[2], record(status="failed", error="no", n_trials=0, n_trials_pruned=0))

    valid = "valid average_precision_micro 0.7500"
    assert capsys.readouterr().err.splitlines() == [
        f"[1/3] toy · raw · a: {valid}, 20 trials (4 pruned), 10.0 s",
        f"[2/3] toy · raw · a · seed 1: {valid}, 1 of 20 trials before the time limit, 10.0 s",
        "[3/3] toy · raw · a · seed 2: failed: no, 0 trials, 10.0 s",
    ]
