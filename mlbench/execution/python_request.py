"""What Python is asked for (names, paths, data sets, options) as a request and the catalog that it is of."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mlbench.data.dataset import Dataset
from mlbench.errors import UnknownName, UsageError
from mlbench.execution.plan import DEMO, Request, check_budget
from mlbench.plugins.catalog import CORE, Catalog, PluginEntry, PluginSource, discover
from mlbench.plugins.datasets import DatasetRequest
from mlbench.plugins.specs import DatasetSpec
from mlbench.results.schema import Budget
from mlbench.results.version import __version__

OPTIONS = ("models", "features", "seeds", "jobs", "device", "executor", "runs")
"""Options of ``mlbench.run``, beside those of the budget."""


def python_request(
    datasets: Sequence[str | os.PathLike[str] | Dataset],
    models: str | Iterable[str],
    features: str | Iterable[str],
    seeds: Iterable[int],
    device: str,
    budget: Mapping[str, Any],
) -> tuple[Request, Catalog]:
    """Return the request, and the catalog in which the given ``Dataset`` objects are known by their names.

    Raises:
        UsageError: A value is not what it must be.
    """
    for option in budget:
        if option not in Budget.__dataclass_fields__:
            raise UnknownName("option of mlbench.run", option, (*OPTIONS, *Budget.__dataclass_fields__))
    catalog = _with_datasets(discover(), [one for one in datasets if isinstance(one, Dataset)])
    asked = [one.name if isinstance(one, Dataset) else os.fspath(one) for one in datasets] or [DEMO]
    chosen = _names("features", features)
    request = Request(
        datasets=tuple(DatasetRequest(name=name, features=chosen) for name in asked),
        models=_names("models", models),
        seeds=_seeds(seeds),
        budget=_budget(budget),
        device=device,
    )
    return request, catalog


def _names(what: str, given: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names as a tuple; a string is one name."""
    names = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise UsageError(f"{what} is {given!r}: it must be a name or a list of names")
    return names


def _seeds(given: Iterable[int]) -> tuple[int, ...]:
    """Check the seeds, as the command line does."""
    try:
        seeds = tuple(operator.index(seed) for seed in given)
    except TypeError:
        seeds = ()
    if not seeds or min(seeds) < 0:
        raise UsageError(f"seeds is {given!r}: it must be a list of whole numbers from 0 on, such as [0, 1]")
    return seeds


def _budget(given: Mapping[str, Any]) -> Budget:
    """Build the budget; numbers are converted, as the id of a job distinguishes 600 from 600.0."""
    budget = Budget(**given)
    numbers: dict[str, Any] = {}
    for name, kind in (("n_trials", int), ("timeout", float), ("trial_timeout", float), ("memory_limit", int)):
        value = getattr(budget, name)
        try:
            numbers[name] = kind(value)
        except (TypeError, ValueError, OverflowError):
            numbers[name] = None
        if numbers[name] is None or numbers[name] != value or math.isinf(numbers[name]):
            raise UsageError(f"{name} is {value!r}: it must be a {'whole ' * (kind is int)}number")
    return check_budget(replace(budget, **numbers))


def _with_datasets(catalog: Catalog, datasets: Sequence[Dataset]) -> Catalog:
    """Return the catalog with these data sets registered by name."""
    origin = PluginSource(plugin=CORE, version=__version__, entry_point="builtins")
    given = {
        dataset.name: PluginEntry(
            spec=DatasetSpec(name=dataset.name, summary="Given from Python", load=partial(_same, dataset)),
            origin=origin,
        )
        for dataset in datasets
    }
    return replace(catalog, datasets={**catalog.datasets, **given})


def _same(dataset: Dataset) -> Dataset:
    return dataset
