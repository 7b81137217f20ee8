"""mlbench: which multi-label classifier to trust, measured."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mlbench.results.version import __version__ as __version__

if TYPE_CHECKING:
    from mlbench.api.python import compare, load_dataset, load_leaderboard, run, score
    from mlbench.data.dataset import Dataset, Matrix, Split, make_split
    from mlbench.data.home import data_home
    from mlbench.errors import DataError, MlbenchError, PluginError, TrialPruned, UsageError
    from mlbench.plugins.hookspecs import hookimpl
    from mlbench.plugins.specs import (
        DatasetSpec,
        FeatureSpec,
        FitContext,
        MakeContext,
        ModelSpec,
        Option,
        ScoreFunction,
        Scores,
        Transform,
    )

__all__ = [
    "DataError",
    "Dataset",
    "DatasetSpec",
    "FeatureSpec",
    "FitContext",
    "MakeContext",
    "Matrix",
    "MlbenchError",
    "ModelSpec",
    "Option",
    "PluginError",
    "ScoreFunction",
    "Scores",
    "Split",
    "Transform",
    "TrialPruned",
    "UsageError",
    "compare",
    "data_home",
    "hookimpl",
    "load_dataset",
    "load_leaderboard",
    "make_split",
    "run",
    "score",
]

if not TYPE_CHECKING:
    # Each name is imported when it is asked for: a plugin needs nothing of what runs and ranks, and the command has to
    # start before NumPy does. Type checkers see the imports above instead, so that they notice a misspelt name.
    _HOMES = {
        "mlbench.api.python": ("compare", "load_dataset", "load_leaderboard", "run", "score"),
        "mlbench.data.dataset": ("Dataset", "Matrix", "Split", "make_split"),
        "mlbench.data.home": ("data_home",),
        "mlbench.errors": ("DataError", "MlbenchError", "PluginError", "TrialPruned", "UsageError"),
        "mlbench.plugins.hookspecs": ("hookimpl",),
        "mlbench.plugins.specs": (
            *("DatasetSpec", "FeatureSpec", "FitContext", "MakeContext", "ModelSpec"),
            *("Option", "ScoreFunction", "Scores", "Transform"),
        ),
    }
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

    def __getattr__(name: str) -> object:
        if name not in _HOME_OF:
            raise AttributeError(f"module 'mlbench' has no attribute {name!r}")
        found = getattr(importlib.import_module(_HOME_OF[name]), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
