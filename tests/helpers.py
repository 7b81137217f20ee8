"""What several unit tests build: small data, specs in a catalog, records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner
from hypothesis import settings

from mlbench.cli.main import cli
from mlbench.data.cache import JobData
from mlbench.data.dataset import Dataset, Split, make_split
from mlbench.data.files import file_sha256
from mlbench.errors import MlbenchError
from mlbench.execution.worker_request import WorkerRequest
from mlbench.metrics import METRICS
from mlbench.plugins.catalog import Catalog, PluginEntry, PluginSource
from mlbench.plugins.specs import DatasetSpec, FeatureSpec, ModelSpec
from mlbench.results.ledger import read_record
from mlbench.results.migrations import to_json
from mlbench.results.schema import PROTOCOL, Budget, DatasetInfo, Environment, JobKey, Record, Timings

patient = settings(deadline=None)
"""Hypothesis without a time limit for each example: machines that run tests are busy."""


def random_labels(seed: int, n: int, k: int, share: float = 0.3) -> np.ndarray:
    """Labels (n, k) with a positive and a negative in each column."""
    Y = (np.random.default_rng(seed).random((n, k)) < share).astype(np.uint8)
    Y[0], Y[1] = 1, 0
    return Y


def random_split(seed: int, n: int, k: int = 3, d: int = 4, groups: np.ndarray | None = None) -> Split:
    """A split whose first k features tell of its labels."""
    rng = np.random.default_rng(seed)
    Y = random_labels(seed, n, k)
    X = rng.normal(size=(n, d)).astype(np.float32)
    X[:, : min(k, d)] += 2 * Y[:, : min(k, d)]
    return make_split(X, Y, groups, where=f"random {seed}")


def random_dataset(name: str = "toy", k: int = 3, d: int = 4, seed: int = 0, **more: Any) -> Dataset:
    """A data set with all its parts: 40, 20 and 20 rows."""
    parts = {"train": random_split(seed, 40, k, d), "valid": random_split(seed + 1, 20, k, d)}
    labels = tuple(f"label-{i}" for i in range(k))
    values: dict[str, Any] = {"label_names": labels, **parts, "test": random_split(seed + 2, 20, k, d)}
    return Dataset(name=name, **{**values, **more})


def job_data(dataset: Dataset) -> JobData:
    """The rows of a data set as a job sees them, without files."""
    assert dataset.valid is not None
    assert dataset.test is not None
    both = Split(
        X=np.concatenate([dataset.train.X, dataset.valid.X]), Y=np.concatenate([dataset.train.Y, dataset.valid.Y])
    )
    return JobData(train=dataset.train, valid=dataset.valid, both=both, X_test=dataset.test.X)


def origin(plugin: str = "mlbench-toy", version: str = "0.1") -> PluginSource:
    """Where a spec of a test comes from."""
    return PluginSource(plugin=plugin, version=version, entry_point=plugin.replace("-", "_"))


def catalog(
    models: Iterable[ModelSpec] = (),
    datasets: Iterable[DatasetSpec] = (),
    features: Iterable[FeatureSpec] = (),
    where: PluginSource | None = None,
) -> Catalog:
    """A catalog of those specs."""
    where = where or origin()
    return Catalog(
        models={spec.name: PluginEntry(spec=spec, origin=where) for spec in models},
        datasets={spec.name: PluginEntry(spec=spec, origin=where) for spec in datasets},
        features={spec.name: PluginEntry(spec=spec, origin=where) for spec in features},
        clashes={},
    )


def record(
    micro: float | None = 0.5,
    *,
    model: str = "ridge",
    features: str = "raw",
    seed: int = 0,
    status: str = "ok",
    error: str | None = None,
    macro: float = 0.25,
    valid: float = 0.75,
    version: str = "0.1",
    dataset: str = "toy",
    budget: Budget | None = None,
    id: str | None = None,
    **more: Any,
) -> Record:
    """The record of a job; every metric of test is ``micro`` but for the macro AP."""
    metrics: dict[str, dict[str, float | None]] = {}
    if status == "ok":
        test: dict[str, float | None] = dict.fromkeys(METRICS, micro)
        metrics = {"test": {**test, "average_precision_macro": macro}, "valid": dict.fromkeys(METRICS, valid)}
    job = JobKey(
        dataset_sha256="d" * 64,
        features=features,
        features_plugin="mlbench-suite",
        features_plugin_version=f"protocol {PROTOCOL}",
        model=model,
        plugin=f"mlbench-{model}",
        plugin_version=version,
        seed=seed,
        budget=budget or Budget(),
    )
    info = DatasetInfo(
        name=dataset, sha256="d" * 64, n_train=40, n_valid=20, n_test=20, n_features=4, n_labels=3,
        n_labels_scored=2, base_name=dataset,
    )  # fmt: skip
    values: dict[str, Any] = {
        "id": id or f"{model}-{features}-{seed}-{version}",
        "job": job,
        "status": status,
        "error": error,
        "dataset": info,
        "metrics": metrics,
        "metric_versions": {name: METRICS[name].version for name in metrics.get("test", {})},
        "threshold": 0.5,
        "default_value": 0.5,
        "default_average_precision_micro": 0.5,
        "default_params": {"alpha": 1.0},
        "best_params": {"alpha": 2.0},
        "best_trial": 1,
        "n_trials": 20,
        "n_trials_asked": 20,
        "n_trials_pruned": 4,
        "n_trials_failed": 1,
        "refit": "train",
        "timings": Timings(prepare_seconds=1.0, tune_seconds=2.0, fit_seconds=3.0, predict_seconds=4.0),
        "peak_memory_mb": 100.0,
        "environment": Environment(mlbench="0.1.0"),
    }
    return Record(**{**values, **more})


def request(tmp_path: Path, *, timeout: float = 1.0, trial_timeout: float = 1.0) -> WorkerRequest:
    """A request of one trial; what it says of files is in ``tmp_path``, and nothing is there."""
    return WorkerRequest(
        source={}, model="m", data=str(tmp_path), features=str(tmp_path), work=str(tmp_path),
        study=str(tmp_path / "study.jsonl"), seed=0, threads=1, library_threads=1, device="cpu", refit_on_both=False,
        budget=Budget(n_trials=1, timeout=timeout, trial_timeout=trial_timeout, memory_limit=1 << 30), seconds_left=1.0,
    )  # fmt: skip


def call(*words: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, run in this process; an expected error is its line and exit 2."""
    ended = CliRunner().invoke(cli, [str(word) for word in words])
    if isinstance(ended.exception, MlbenchError):
        return 2, ended.stdout, f"mlbench: {ended.exception}\n"
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return ended.exit_code, ended.stdout, ended.stderr


def restamp(folder: Path, **changes: Any) -> Record:
    """Change fields of a finished job's record and make all its checksums right again, as a forger would."""
    old = read_record(folder)
    files = {name: file_sha256(folder / name) for name in old.files if (folder / name).exists()}
    new = replace(old, **{"files": files, **changes})
    (folder / "record.json").write_text(to_json(new))
    return new
