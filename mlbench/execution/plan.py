"""From a request (names, paths, options) to jobs."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlbench.data.dataset import Dataset, is_sparse
from mlbench.errors import UnknownName, UsageError
from mlbench.execution.job import Job
from mlbench.execution.process import cuda_is_there
from mlbench.metrics import METRICS
from mlbench.plugins.catalog import Catalog
from mlbench.plugins.datasets import DatasetRequest, MakeProgress, load, silent
from mlbench.plugins.specs import FeatureSpec
from mlbench.results.schema import BASELINE, Budget

DEMO = "demo"
LEAST_MEMORY = 128 << 20
REFITS = ("auto", "train", "train+valid")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run.

    Attributes:
        datasets: The data sets.
        models: Names of models, or empty for all that are installed.
        seeds: Seeds; each gives one job.
        budget: What each job may spend.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        limit: Use at most this many rows of each split, or None for all.
        drop_twins: Drop validation and test groups that are other versions of groups in an earlier split.
    """

    datasets: tuple[DatasetRequest, ...]
    models: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    budget: Budget = field(default_factory=Budget)
    device: str = "auto"
    limit: int | None = None
    drop_twins: bool = False


def plan(request: Request, catalog: Catalog, progress: MakeProgress = silent) -> list[Job]:
    """Load the data and list the jobs; nothing is written, except for data sets that are made on first use.

    Args:
        request: What was asked for.
        catalog: What is installed.
        progress: Told (data set, done, total) while a data set is made.

    Raises:
        UsageError: A name does not exist, or there is no such device.
        DataError: A data set cannot be used.
    """
    models = [catalog.model(name) for name in dict.fromkeys(request.models or catalog.models)]
    if BASELINE not in {model.spec.name for model in models}:
        models.append(catalog.model(BASELINE))
    if request.device not in DEVICES:
        raise UnknownName("device", str(request.device), DEVICES)
    cuda = request.device != "cpu" and cuda_is_there()
    if request.device == "cuda" and not cuda:
        raise UsageError("no CUDA device found: use --device auto or cpu")
    for asked in request.datasets:
        for name in asked.features:
            catalog.feature(name)

    jobs: list[Job] = []
    names: dict[str, str] = {}
    for asked in dict.fromkeys(request.datasets):
        dataset = load(asked, catalog, request.limit, drop_twins=request.drop_twins, progress=progress)
        if names.setdefault(dataset.name, asked.name) != asked.name:
            raise UsageError(
                f"{names[dataset.name]} and {asked.name} are both called {dataset.name!r}: run them one at a time"
            )
        if METRICS[request.budget.metric].exclusive and not dataset.exclusive:
            raise UsageError(
                f"--metric {request.budget.metric} needs labels that exclude each other, and rows of {dataset.name} "
                "have none or several: choose another metric"
            )
        for position, feature_name in enumerate(dict.fromkeys(asked.features or dataset.features)):
            features = catalog.feature(feature_name)
            check_features(features.spec, dataset)
            for model in models:
                if model.spec.name == BASELINE and position:
                    continue  # the baseline does not look at features: once is enough
                for seed in dict.fromkeys(request.seeds):
                    device = "cuda" if cuda and "cuda" in model.spec.devices else "cpu"
                    jobs.append(
                        Job(
                            dataset=dataset,
                            features=features,
                            model=model,
                            seed=seed,
                            budget=request.budget,
                            device=device,
                        )
                    )
    return jobs


def check_features(spec: FeatureSpec, dataset: Dataset) -> None:
    """Raise ``UsageError`` if features cannot be made of a data set."""
    texts, d = dataset.train.texts is not None, dataset.train.X.shape[1]
    if "text" in spec.accepts:
        if not texts:
            raise UsageError(
                f"features {spec.name!r} are made of texts, but {dataset.name} has none: give --text COLUMN"
            )
        return
    if texts and not d:
        raise UsageError(f"features {spec.name!r} are made of numbers, but {dataset.name} has texts alone: use tfidf")
    kind = "sparse" if is_sparse(dataset.train.X) else "dense"
    if kind not in spec.accepts:
        raise UsageError(f"features {spec.name!r} take no {kind} rows, but {dataset.name} is {kind}")


def check_budget(budget: Budget) -> Budget:
    """Return ``budget`` if it makes sense, else raise ``UsageError``."""
    if budget.metric not in METRICS:
        raise UnknownName("metric", budget.metric, METRICS)
    if budget.refit not in REFITS:
        raise UnknownName("refit", budget.refit, REFITS)
    if budget.n_trials < 1:
        raise UsageError(f"--n-trials must be at least 1, not {budget.n_trials}")
    if min(budget.timeout, budget.trial_timeout, budget.memory_limit) <= 0:
        raise UsageError("--timeout, --trial-timeout and --memory-limit must be positive")
    if budget.memory_limit < LEAST_MEMORY:
        raise UsageError(f"--memory-limit must be at least {LEAST_MEMORY >> 20}M, which importing NumPy takes")
    return budget
