"""From what was asked for (names, paths, options, a suite file) to jobs."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import scipy.sparse as sp

from mlbench.data.dataset import Dataset
from mlbench.data.formats import ReadOptions, read_dataset
from mlbench.errors import DataError, MlbenchError, UnknownName, UsageError
from mlbench.metrics import DIRECTIONS
from mlbench.registry.catalog import Catalog
from mlbench.running.isolate import cuda_is_there
from mlbench.running.plan import FLOOR, Budget, Job, Source

DEMO = "demo"
REFITS = ("auto", "train", "train+valid")
DEVICES = ("auto", "cpu", "cuda")


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
    """

    datasets: tuple[DatasetRequest, ...]
    models: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    budget: Budget = field(default_factory=Budget)
    device: str = "auto"
    limit: int | None = None


def plan(request: Request, catalog: Catalog) -> list[Job]:
    """Load the data and lay out the jobs; writes nothing.

    Raises:
        UsageError: A name, or a device, that is not there.
        DataError: Data that cannot be used.
    """
    models = [catalog.model(name) for name in request.models or catalog.models]
    if FLOOR not in {model.spec.name for model in models}:
        models.append(catalog.model(FLOOR))
    cuda = request.device != "cpu" and cuda_is_there()
    if request.device == "cuda" and not cuda:
        raise UsageError("no CUDA device is to be seen on this machine: use --device auto or cpu")
    for asked in request.datasets:
        for name in asked.features:
            catalog.feature(name)

    jobs: list[Job] = []
    names: dict[str, str] = {}
    for asked in request.datasets:
        dataset = load(asked, catalog, request.limit)
        if names.setdefault(dataset.name, asked.name) != asked.name:
            raise UsageError(f"{names[dataset.name]} and {asked.name} are both called {dataset.name!r}: run them apart")
        source = Source(dataset=dataset, sha256=dataset.fingerprint())
        for position, feature_name in enumerate(dict.fromkeys(asked.features or dataset.features)):
            features = catalog.feature(feature_name)
            kind = "sparse" if sp.issparse(dataset.train.X) else "dense"
            if kind not in features.spec.accepts:
                raise UsageError(f"features {feature_name!r} do not take {kind} rows, and {dataset.name} is {kind}")
            for model in models:
                if model.spec.name == FLOOR and position:
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


def load(asked: DatasetRequest, catalog: Catalog, limit: int | None = None) -> Dataset:
    """The data set of a registered name, else of a path, with all its parts.

    Raises:
        UnknownName: Neither.
        DataError: It cannot be read, or there is nothing to rank in it.
    """
    if asked.name in catalog.datasets or ("data set", asked.name) in catalog.clashes:
        dataset = catalog.dataset(asked.name).spec.load()
    elif (path := Path(asked.name).expanduser()).exists():
        dataset = read_dataset(path, asked.options)
    elif os.sep in asked.name:
        raise UsageError(f"no file or folder {asked.name!r}")
    else:
        raise UnknownName("data set, file or folder", asked.name, catalog.datasets)
    if limit is not None:
        dataset = dataset.limited(limit)
    dataset = dataset.with_all_parts()
    for part, split in dataset.parts():
        if not split.Y.any():
            raise DataError(f"{dataset.name}: the {part} part has no positive label: nothing can be ranked there")
    return dataset


def check_budget(budget: Budget) -> Budget:
    """``budget`` if it makes sense, else ``UsageError``."""
    if budget.metric not in DIRECTIONS:
        raise UnknownName("metric", budget.metric, DIRECTIONS)
    if budget.refit not in REFITS:
        raise UnknownName("refit", budget.refit, REFITS)
    if budget.n_trials < 1:
        raise UsageError(f"{budget.n_trials} trials: at least 1 is needed")
    if min(budget.timeout, budget.trial_timeout, budget.memory_limit) <= 0:
        raise UsageError("--timeout, --trial-timeout and --memory-limit must be above 0")
    return budget


# ------------------------------------------------------------------------------- quantities
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def seconds(text: str) -> float:
    """``"90"``, ``"90s"``, ``"10m"``, ``"1h30m"`` in seconds."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", text):
        raise UsageError(f"{text!r} is no duration: write 90s, 10m or 1h30m")
    return sum(float(n) * _SECONDS[unit] for n, unit in re.findall(r"([\d.]+)([smhd])", text))


def n_bytes(text: str) -> int:
    """``"8G"``, ``"512M"`` in bytes (powers of 1024)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text, flags=re.IGNORECASE)
    if match is None:
        raise UsageError(f"{text!r} is no amount of memory: write 8G or 512M")
    return int(float(match[1]) * _BYTES[match[2].upper()])


# ------------------------------------------------------------------------------------ suites
_BUDGET_KEYS = {f.name for f in fields(Budget)}
_SUITE_KEYS = {*_BUDGET_KEYS, "models", "features", "seeds", "device", "limit", "datasets"}
_DATASET_KEYS = {"name", "features", "labels", "groups", "split"}


def read_suite(path: Path) -> dict[str, Any]:
    """A suite file's settings: keys as in ``Request`` and ``Budget``, and ``[[datasets]]``.

    A data set's ``name`` is a registered name or a path; ``$VARIABLE`` and ``~`` are expanded, and a
    relative path starts at the suite file.

    Raises:
        UsageError: It cannot be read, or a key or a variable is unknown.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the suite {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"the suite {path} is no TOML: {error}") from error
    _known(settings, _SUITE_KEYS, str(path))
    try:
        for key, parse in (("timeout", seconds), ("trial_timeout", seconds), ("memory_limit", n_bytes)):
            if key in settings:
                settings[key] = parse(str(settings[key]))
        settings["datasets"] = [_suite_dataset(entry, settings, path) for entry in settings.get("datasets", [])]
    except MlbenchError as error:
        raise UsageError(f"{path}: {error}") from error
    if not settings["datasets"]:
        raise UsageError(f"the suite {path} names no [[datasets]]")
    return settings


def _suite_dataset(entry: Mapping[str, Any], settings: Mapping[str, Any], path: Path) -> DatasetRequest:
    _known(entry, _DATASET_KEYS, "[[datasets]]")
    if "name" not in entry:
        raise UsageError("a [[datasets]] entry has no name")
    name = os.path.expandvars(entry["name"])
    if "$" in name:
        raise UsageError(f"{entry['name']}: the environment variable is not set")
    beside = path.parent / Path(name).expanduser()
    return DatasetRequest(
        name=str(beside) if os.sep in name else name,
        options=ReadOptions(
            labels=tuple(entry.get("labels", ())), groups=entry.get("groups"), split=entry.get("split")
        ),
        features=tuple(entry.get("features", settings.get("features", ()))),
    )


def _known(entry: Mapping[str, Any], keys: Sequence[str] | set[str], where: str) -> None:
    for key in entry:
        if key not in keys:
            raise UnknownName(f"key in {where}", key, keys)
