"""From what was asked for (names, paths, options) to jobs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import scipy.sparse as sp

from mlbench.data.dataset import Dataset
from mlbench.data.formats import ReadOptions, read_dataset
from mlbench.errors import DataError, MlbenchError, PluginError, UnknownName, UsageError, one_line
from mlbench.execution.executors import process_pool
from mlbench.execution.job import BASELINE, Budget, Job, Source
from mlbench.execution.process import cuda_is_there, usable_cpus
from mlbench.metrics import DIRECTIONS
from mlbench.plugins.catalog import Catalog, PluginEntry
from mlbench.plugins.dataset_maker import home_of, make
from mlbench.plugins.specs import DatasetSpec

DEMO = "demo"
LEAST_MEMORY = 128 << 20
REFITS = ("auto", "train", "train+valid")
DEVICES = ("auto", "cpu", "cuda")
MakeProgress: TypeAlias = Callable[[str, int, int], None]
"""Told (data set, done, total) while a data set is made."""


def _silent(name: str, done: int, total: int) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class DatasetRequest:
    """A data set to run on.

    Attributes:
        name: A registered name, or a path.
        options: How to read a path.
        features: Feature sets, or empty: the data set's own.
    """

    name: str
    options: ReadOptions = field(default_factory=ReadOptions)
    features: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run.

    Attributes:
        datasets: On what.
        models: Names, or empty: all that are installed.
        seeds: One job each.
        budget: Of every job.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        limit: Rows of each part, or None.
        drop_twins: Leave out of valid and test what stands in an earlier part in another version.
    """

    datasets: tuple[DatasetRequest, ...]
    models: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    budget: Budget = field(default_factory=Budget)
    device: str = "auto"
    limit: int | None = None
    drop_twins: bool = False


def plan(request: Request, catalog: Catalog, progress: MakeProgress = _silent) -> list[Job]:
    """Load the data and lay out the jobs; writes nothing, but for data that are made on first use.

    Args:
        request: What was asked for.
        catalog: What is installed.
        progress: Told (data set, done, total) while one is made.

    Raises:
        UsageError: A name, or a device, that is not there.
        DataError: Data that cannot be used.
    """
    models = [catalog.model(name) for name in dict.fromkeys(request.models or catalog.models)]
    if BASELINE not in {model.spec.name for model in models}:
        models.append(catalog.model(BASELINE))
    if request.device not in DEVICES:
        raise UnknownName("device", str(request.device), DEVICES)
    cuda = request.device != "cpu" and cuda_is_there()
    if request.device == "cuda" and not cuda:
        raise UsageError("no CUDA device is to be seen on this machine: use --device auto or cpu")
    for asked in request.datasets:
        for name in asked.features:
            catalog.feature(name)

    jobs: list[Job] = []
    names: dict[str, str] = {}
    for asked in dict.fromkeys(request.datasets):
        dataset = load(asked, catalog, request.limit, drop_twins=request.drop_twins, progress=progress)
        if names.setdefault(dataset.name, asked.name) != asked.name:
            raise UsageError(f"{names[dataset.name]} and {asked.name} are both called {dataset.name!r}: run them apart")
        source = Source(dataset=dataset, sha256=dataset.fingerprint())
        for position, feature_name in enumerate(dict.fromkeys(asked.features or dataset.features)):
            features = catalog.feature(feature_name)
            kind = "sparse" if sp.issparse(dataset.train.X) else "dense"
            if kind not in features.spec.accepts:
                raise UsageError(f"features {feature_name!r} do not take {kind} rows, and {dataset.name} is {kind}")
            for model in models:
                if model.spec.name == BASELINE and position:
                    continue  # the floor does not look at features: once is enough
                for seed in dict.fromkeys(request.seeds):
                    device = "cuda" if cuda and "cuda" in model.spec.devices else "cpu"
                    jobs.append(
                        Job(
                            source=source,
                            features=features,
                            model=model,
                            seed=seed,
                            budget=request.budget,
                            device=device,
                        )
                    )
    return jobs


def load(
    asked: DatasetRequest,
    catalog: Catalog,
    limit: int | None = None,
    *,
    drop_twins: bool = False,
    progress: MakeProgress = _silent,
) -> Dataset:
    """The data set of a registered name, else of a path, with all its parts.

    Raises:
        UnknownName: Neither.
        DataError: It cannot be read, or there is nothing to rank in it.
    """
    return prepared(read(asked, catalog, progress), limit, drop_twins=drop_twins)


def read(asked: DatasetRequest, catalog: Catalog, progress: MakeProgress = _silent) -> Dataset:
    """The data set of a registered name, else of a path, as it comes.

    Raises:
        UnknownName: Neither.
        DataError: It cannot be read.
    """
    if asked.name in catalog.datasets or ("data set", asked.name) in catalog.clashes:
        if asked.options != ReadOptions():
            raise UsageError(f"--labels, --groups and --split are for tables; {asked.name} is known by name")
        return _load_registered(catalog.dataset(asked.name), progress)
    if (path := Path(asked.name).expanduser()).exists():
        return read_dataset(path, asked.options)
    if os.sep in asked.name:
        raise UsageError(f"no file or folder {asked.name!r}")
    raise UnknownName("data set, file or folder", asked.name, catalog.datasets)


def prepared(dataset: Dataset, limit: int | None = None, *, drop_twins: bool = False) -> Dataset:
    """What is run on: with all its parts, at most ``limit`` rows of each.

    Raises:
        DataError: There is nothing to rank in it.
    """
    if drop_twins:
        dataset = dataset.without_twins()
    if limit is not None:
        dataset = dataset.limited(limit)
    dataset = dataset.with_all_parts()
    for part, split in dataset.parts():
        if not split.Y.any():
            raise DataError(f"{dataset.name}: the {part} part has no positive label: nothing can be ranked there")
    return dataset


def _load_registered(registered: PluginEntry[DatasetSpec], progress: MakeProgress) -> Dataset:
    """What the plugin loads, or what it made; whatever it raises becomes one line that names it."""
    if registered.spec.load is None:
        folder = home_of(registered.spec)
        if not folder.exists():
            with process_pool(usable_cpus()) as executor:
                make(registered, folder, executor=executor, progress=partial(progress, registered.spec.name))
        return read_dataset(folder)
    try:
        dataset = registered.spec.load()
    except MlbenchError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even call sys.exit
        line = one_line(f"data set {registered.spec.name!r} of {registered.origin}: {type(error).__name__}: {error}")
        raise PluginError(line) from error
    if not isinstance(dataset, Dataset):
        wrong = type(dataset).__name__
        raise PluginError(f"data set {registered.spec.name!r} of {registered.origin}: a {wrong}, expected a Dataset")
    return dataset


def check_budget(budget: Budget) -> Budget:
    """``budget`` if it makes sense, else ``UsageError``."""
    if budget.metric not in DIRECTIONS:
        raise UnknownName("metric", budget.metric, DIRECTIONS)
    if budget.refit not in REFITS:
        raise UnknownName("refit", budget.refit, REFITS)
    if budget.n_trials < 1:
        raise UsageError(f"--n-trials {budget.n_trials}: at least 1 is needed")
    if min(budget.timeout, budget.trial_timeout, budget.memory_limit) <= 0:
        raise UsageError("--timeout, --trial-timeout and --memory-limit must be above 0")
    if budget.memory_limit < LEAST_MEMORY:
        raise UsageError(f"--memory-limit must be at least {LEAST_MEMORY >> 20}M: NumPy alone does not start in less")
    return budget
