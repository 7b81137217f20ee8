"""Finding plugins: each entry point is loaded by itself, so that a broken one hurts no other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any, Generic, TypeVar

import pluggy

from mlbench.errors import NameClash, PluginError, UnknownName
from mlbench.plugins import builtins, hookspecs
from mlbench.plugins.guard import guarded
from mlbench.plugins.specs import DatasetSpec, FeatureSpec, ModelSpec

Spec = TypeVar("Spec", ModelSpec, DatasetSpec, FeatureSpec)

HOOKS: dict[str, tuple[str, type]] = {
    "model": ("mlbench_models", ModelSpec),
    "data set": ("mlbench_datasets", DatasetSpec),
    "features": ("mlbench_features", FeatureSpec),
}
CORE = "mlbench-suite"


@dataclass(frozen=True, kw_only=True)
class PluginSource:
    """Where a spec comes from: an entry point of a distribution."""

    plugin: str
    version: str
    entry_point: str

    def __str__(self) -> str:
        return f"{self.plugin} {self.version}"


@dataclass(frozen=True, kw_only=True)
class PluginEntry(Generic[Spec]):
    """A spec, and who offers it."""

    spec: Spec
    origin: PluginSource


@dataclass(frozen=True, kw_only=True)
class BrokenPlugin:
    """A plugin, or one name of it, that cannot be used, and why."""

    origin: PluginSource
    error: str


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All that is installed.

    Attributes:
        models: By name, sorted.
        datasets: By name, sorted.
        features: By name, sorted.
        broken: What cannot be used, with the error.
        clashes: (kind, name) of what two plugins offer, with the error that names both.
    """

    models: Mapping[str, PluginEntry[ModelSpec]]
    datasets: Mapping[str, PluginEntry[DatasetSpec]]
    features: Mapping[str, PluginEntry[FeatureSpec]]
    broken: tuple[BrokenPlugin, ...] = ()
    clashes: Mapping[tuple[str, str], str]

    def model(self, name: str) -> PluginEntry[ModelSpec]:
        """The model of that name, or ``UnknownName`` with the nearest one, or ``NameClash``."""
        return self._get("model", self.models, name)

    def dataset(self, name: str) -> PluginEntry[DatasetSpec]:
        """The data set of that name, or ``UnknownName`` with the nearest one, or ``NameClash``."""
        return self._get("data set", self.datasets, name)

    def feature(self, name: str) -> PluginEntry[FeatureSpec]:
        """The features of that name, or ``UnknownName`` with the nearest one, or ``NameClash``."""
        return self._get("features", self.features, name)

    def _get(self, kind: str, known: Mapping[str, PluginEntry[Spec]], name: str) -> PluginEntry[Spec]:
        if (kind, name) in self.clashes:
            raise NameClash(self.clashes[kind, name])
        if name not in known:
            hint = f" ({len(self.broken)} broken: see `mlbench plugins list`)" if self.broken else ""
            raise UnknownName(kind, name, known, hint)
        return known[name]


def discover() -> Catalog:
    """Load every plugin and collect what it offers; errors are kept in the catalog, not raised."""
    offers: list[tuple[str, Any, PluginSource]] = []
    broken: list[BrokenPlugin] = []
    for origin, point in _sources():
        try:
            offers += [(kind, spec, origin) for kind, spec in _collect(_load(point))]
        except PluginError as error:
            broken.append(BrokenPlugin(origin=origin, error=str(error)))

    by_name: dict[tuple[str, str], list[PluginEntry[Any]]] = defaultdict(list)
    for kind, spec, origin in offers:
        by_name[kind, spec.name].append(PluginEntry(spec=spec, origin=origin))
    chosen: dict[str, dict[str, PluginEntry[Any]]] = {kind: {} for kind in HOOKS}
    clashes: dict[tuple[str, str], str] = {}
    for (kind, name), rivals in sorted(by_name.items(), key=lambda item: item[0]):
        core = [rival for rival in rivals if rival.origin.plugin == CORE]
        if len(rivals) == 1 or core:
            chosen[kind][name] = (core or rivals)[0]
        if len(rivals) > 1:
            message = f"{kind} {name!r} is offered by {' and '.join(str(r.origin) for r in rivals)}: uninstall one"
            losers = [rival for rival in rivals if rival not in core]
            broken += [BrokenPlugin(origin=loser.origin, error=message) for loser in losers]
            if not core:
                clashes[kind, name] = message
    return Catalog(
        models=chosen["model"],
        datasets=chosen["data set"],
        features=chosen["features"],
        broken=tuple(broken),
        clashes=clashes,
    )


def load_model(source: PluginSource, name: str) -> ModelSpec:
    """Load one model of one plugin, without any other plugin; what the process of a job does.

    Raises:
        PluginError: The plugin cannot be loaded, or does not offer the model.
    """
    spec: ModelSpec = _load_spec("model", source, name)
    return spec


def load_features(source: PluginSource, name: str) -> FeatureSpec:
    """Load one representation of one plugin, as ``load_model`` does."""
    spec: FeatureSpec = _load_spec("features", source, name)
    return spec


def _load_spec(kind: str, source: PluginSource, name: str) -> Any:
    for known, point in _sources():
        if (known.plugin, known.entry_point) == (source.plugin, source.entry_point):
            for offered, spec in _collect(_load(point)):
                if offered == kind and spec.name == name:
                    return spec
    raise PluginError(f"{kind} {name!r} of {source} not found in the job's process")


def _sources() -> Iterator[tuple[PluginSource, EntryPoint | None]]:
    """The core itself, then every entry point, in an order that does not depend on installation."""
    yield PluginSource(plugin=CORE, version=version(CORE), entry_point="builtins"), None
    found = []
    for point in entry_points(group=hookspecs.GROUP):
        # What an uninstall left over can lack a name and a version.
        name = point.dist.metadata["Name"] if point.dist is not None else None
        number = point.dist.metadata["Version"] if point.dist is not None else None
        found.append(
            (PluginSource(plugin=name or "unknown", version=number or "unknown", entry_point=point.name), point)
        )
    yield from sorted(found, key=lambda pair: (pair[0].plugin, pair[0].entry_point))


def _load(point: EntryPoint | None) -> Any:
    if point is None:
        return builtins
    with guarded(f"cannot import {point.value!r}", passing=()):
        return point.load()


def _collect(plugin: Any) -> list[tuple[str, Any]]:
    """Everything that one plugin yields, as (kind, spec)."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    with guarded("does not fit the hooks", passing=()):
        manager.register(plugin)
        manager.check_pending()
        if not manager.get_hookcallers(plugin):
            raise PluginError("it offers nothing: mark its hooks with @hookimpl")
    found = []
    for kind, (hook, wanted) in HOOKS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            with guarded(f"{hook} failed", passing=()):
                specs: Iterable[Any] = implementation.function() or ()
                found += [(kind, _of_type(spec, wanted, hook)) for spec in specs]
    return found


def _of_type(spec: Any, wanted: type, hook: str) -> Any:
    if not isinstance(spec, wanted):
        raise PluginError(f"{hook} must yield {wanted.__name__}, not {type(spec).__name__}")
    return spec
