"""The hooks, all on this page.

A plugin is a module that an entry point of the group ``mlbench`` names. Each hook takes no argument,
fires once when mlbench looks for plugins, and yields any number of specs::

    from mlbench import ModelSpec, hookimpl

    @hookimpl
    def mlbench_models():
        yield ModelSpec(name="ridge", ...)

Metrics, splits and tuning are no hooks: they are what makes scores comparable.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from mlbench.plugins.specs import DatasetSpec, FeatureSpec, ModelSpec

GROUP = "mlbench"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def mlbench_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Yield the models that ``mlbench run`` tunes and scores.

    Fires when plugins are discovered, and again in the process of each job. Import heavy libraries
    inside ``prepare`` and ``fit``, or every command waits for them.
    """


@hookspec
def mlbench_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Yield data sets that are known by name; nothing is loaded before one is asked for.

    Fires when plugins are discovered.
    """


@hookspec
def mlbench_features() -> Iterable[FeatureSpec]:  # type: ignore[empty-body]
    """Yield representations that all models share, fitted on the training split only.

    Fires when plugins are discovered, and again in the process that computes the features. Import heavy
    libraries inside ``fit``.
    """
